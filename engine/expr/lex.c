/* Lexer: CEL's tokens (cel-spec, doc/langdef.md, "Syntax") plus duration literals.
 *
 *   number  12  0x1f  1.5  .5  1e3          72h  1h30m  1.5s (extension: a number with units is a duration)
 *   string  '…'  "…"  '''…'''  """…"""  and the same after r or R, where a backslash is a backslash
 *   comment // to the end of the line
 *
 * What CEL has and Tact has not (uint 1u, bytes b'…', `quoted` names) is recognised to say so. The source is
 * well-formed UTF-8; the parser sees to that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/lex.h"
#include <math.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte i after the current one, or NUL past the end. */
static char peek(const struct lexer *l, size_t i)
{
    return l->at + i < l->source.n ? l->source.p[l->at + i] : 0;
}

static struct token token_to(const struct lexer *l, enum token_kind kind, size_t start)
{
    return (struct token){.kind = kind, .offset = start, .text = {l->source.p + start, l->at - start}};
}

static struct token bad(size_t offset, const char *message)
{
    return (struct token){.kind = TOK_BAD, .offset = offset, .message = message ? message : "out of memory"};
}

bool lex_reserved(struct str word)
{
    static const char *const words[] = {"as",        "break",  "const",  "continue", "else", "for",
                                        "function",  "if",     "import", "let",      "loop", "package",
                                        "namespace", "return", "var",    "void",     "while"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(word, words[i]))
            return true;
    return false;
}

/* ---- numbers ---- */

static struct token hex_number(struct lexer *l, size_t start)
{
    uint64_t r = 0;
    size_t count = 0;
    l->at += 2;
    for (; hex_digit(peek(l, 0)) >= 0; l->at++, count++) {
        if (r >> 60)
            return bad(start, "the number is too large; an int has 64 bits");
        r = r << 4 | (uint64_t)hex_digit(peek(l, 0));
    }
    if (!count || is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
        return bad(start, "a hexadecimal number is 0x and the digits 0 to 9, a to f");
    struct token t = token_to(l, TOK_INT, start);
    t.magnitude = r;
    return t;
}

/* Letters right after a number: units, or a mistake. */
static struct token duration_number(struct lexer *l, size_t start)
{
    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)) || (peek(l, 0) == '.' && is_digit(peek(l, 1))))
        l->at++;
    struct token t = token_to(l, TOK_VALUE, start);
    int64_t ms;
    if (duration_parse(t.text, &ms)) {
        t.value = value_duration(ms);
        return t;
    }
    char last = t.text.p[t.text.n - 1];
    if ((last == 'u' || last == 'U') && strspn(t.text.p, "0123456789") == t.text.n - 1)
        return bad(start, "there are no unsigned numbers here; write an int without the u");
    return bad(
        start,
        arena_printf(l->arena,
                     "'%.*s' is neither a number nor a duration; durations are whole milliseconds with the "
                     "units ms s m h d w, as in 72h or 1h30m",
                     STR_ARG(t.text)));
}

static struct token double_number(struct lexer *l, size_t start)
{
    struct token t = token_to(l, TOK_VALUE, start);
    struct str copy = arena_str(l->arena, t.text);
    if (!copy.p)
        return bad(start, NULL);
    double d = strtod(copy.p, NULL);
    if (!isfinite(d))
        return bad(start, "the number is too large for a double");
    t.value = value_double(d);
    return t;
}

static struct token int_number(struct lexer *l, size_t start)
{
    struct token t = token_to(l, TOK_INT, start);
    for (size_t i = 0; i < t.text.n; i++)
        if (__builtin_mul_overflow(t.magnitude, 10, &t.magnitude) ||
            __builtin_add_overflow(t.magnitude, (uint64_t)(t.text.p[i] - '0'), &t.magnitude))
            return bad(start, "the number is too large for an int of 64 bits; write it with .0 for a double");
    return t;
}

static struct token number(struct lexer *l)
{
    size_t start = l->at;
    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X'))
        return hex_number(l, start);
    bool is_double = false;
    while (is_digit(peek(l, 0)))
        l->at++;
    if (peek(l, 0) == '.' && is_digit(peek(l, 1))) {
        is_double = true;
        l->at++;
        while (is_digit(peek(l, 0)))
            l->at++;
    }
    size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
    if ((peek(l, 0) == 'e' || peek(l, 0) == 'E') && is_digit(peek(l, 1 + sign))) {
        is_double = true;
        l->at += 1 + sign;
        while (is_digit(peek(l, 0)))
            l->at++;
    }
    if (is_letter(peek(l, 0)))
        return duration_number(l, start);
    return is_double ? double_number(l, start) : int_number(l, start);
}

/* ---- strings ---- */

/* A code point of count digits of the base at the current place; NULL, or what is wrong. */
static const char *escaped_point(struct lexer *l, int count, int base, uint32_t *point)
{
    *point = 0;
    for (int i = 0; i < count; i++) {
        int digit = hex_digit(peek(l, 0));
        if (digit < 0 || digit >= base)
            return base == 8 ? "an octal escape is \\ and three digits, \\000 to \\377"
                             : "this escape needs hexadecimal digits: \\x 2, \\u 4, \\U 8";
        *point = *point * (uint32_t)base + (uint32_t)digit;
        l->at++;
    }
    if (*point > 0x10ffff || (*point >= 0xd800 && *point < 0xe000))
        return "the escape is no Unicode code point";
    return NULL;
}

/* The escape whose backslash was read. Appends to out; NULL, or what is wrong. */
static const char *escape(struct lexer *l, char *out, size_t *n)
{
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek(l, 0);
    const char *plain = c ? strchr(from, c) : NULL;
    uint32_t point;
    const char *wrong;
    if (plain) {
        out[(*n)++] = to[plain - from];
        l->at++;
        return NULL;
    }
    if (c >= '0' && c <= '3') {
        wrong = escaped_point(l, 3, 8, &point);
    } else if (c == 'x' || c == 'X' || c == 'u' || c == 'U') {
        l->at++;
        wrong = escaped_point(l, c == 'u' ? 4 : c == 'U' ? 8 : 2, 16, &point);
    } else {
        return "unknown escape; allowed are \\a \\b \\f \\n \\r \\t \\v \\\\ \\? \\' \\\" \\` \\x41 \\u0041 "
               "\\U00000041 \\101; "
               "for a plain backslash write \\\\ or r'…'";
    }
    if (!wrong)
        *n += utf8_put(out + *n, point);
    return wrong;
}

static struct token string(struct lexer *l, size_t start, bool raw)
{
    char quote = peek(l, 0);
    bool triple = peek(l, 1) == quote && peek(l, 2) == quote;
    l->at += triple ? 3 : 1;
    char *out = arena_alloc(l->arena, l->source.n - l->at); /* decoded text is never longer */
    size_t n = 0;
    if (!out)
        return bad(start, NULL);
    for (;;) {
        char c = peek(l, 0);
        if (l->at == l->source.n || (!triple && (c == '\n' || c == '\r')))
            return bad(start, triple ? "the string that starts here has no closing triple quote"
                                     : "the string that starts here has no closing quote on its line");
        if (c == quote && (!triple || (peek(l, 1) == quote && peek(l, 2) == quote))) {
            l->at += triple ? 3 : 1;
            struct token t = token_to(l, TOK_VALUE, start);
            t.value = value_string((struct str){out, n});
            return t;
        }
        size_t here = l->at++;
        if (c == '\\' && !raw) {
            const char *wrong = escape(l, out, &n);
            if (wrong)
                return bad(here, wrong);
        } else if (c == '\r') { /* only in triple quotes: line ends are \n */
            l->at += peek(l, 0) == '\n';
            out[n++] = '\n';
        } else {
            out[n++] = c;
        }
    }
}

/* ---- everything else ---- */

static void skip_blank(struct lexer *l)
{
    for (;;) {
        char c = peek(l, 0);
        if (c == '/' && peek(l, 1) == '/')
            while (l->at < l->source.n && peek(l, 0) != '\n')
                l->at++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
            l->at++;
        else
            return;
    }
}

static struct token word(struct lexer *l)
{
    size_t start = l->at;
    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
        l->at++;
    struct token t = token_to(l, TOK_IDENT, start);
    char next = peek(l, 0);
    if (next != '\'' && next != '"')
        return t;
    if (str_is(t.text, "r") || str_is(t.text, "R"))
        return string(l, start, true);
    if (t.text.n <= 2 && strspn(t.text.p, "bBrR") >= t.text.n)
        return bad(start, "there are no bytes here; write a string without the b");
    return t;
}

static struct token sign(struct lexer *l)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } signs[] = {{"||", TOK_OR}, {"&&", TOK_AND}, {"==", TOK_EQ},
                 {"!=", TOK_NE}, {"<=", TOK_LE},  {">=", TOK_GE}};
    size_t start = l->at;
    char c = peek(l, 0);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (c != signs[i].text[0] || peek(l, 1) != signs[i].text[1])
            continue;
        if (peek(l, 2) == '=' && peek(l, 1) == '=')
            return bad(start,
                       c == '=' ? "there is no ===; write ==" : "there is no such operator; drop one =");
        l->at += 2;
        return token_to(l, signs[i].kind, start);
    }
    if (c == '<' && peek(l, 1) == '>')
        return bad(start, "there is no <>; write !=");
    l->at++;
    if (c == '<' || c == '>')
        return token_to(l, c == '<' ? TOK_LT : TOK_GT, start);
    if (c && strchr("!+-*/%?:,.()[]{}", c))
        return token_to(l, TOK_PUNCT, start);
    switch (c) {
    case '=':
        return bad(start, "a single = does not compare; write ==");
    case '&':
        return bad(start, "a single & is no operator; write && for and");
    case '|':
        return bad(start, "a single | is no operator; write || for or");
    case '`':
        return bad(start, "names in backquotes are not part of these expressions; strings are in ' or \"");
    case ';':
        return bad(start, "an expression has no ; at its end");
    case '#':
        return bad(start, "a comment starts with //");
    default:
        break;
    }
    if ((unsigned char)c < 0x80)
        return bad(start, (unsigned char)c < 0x20 || c == 0x7f
                              ? "a control character is not allowed here"
                              : arena_printf(l->arena, "'%c' is not part of any operator or name", c));
    while ((peek(l, 0) & 0xc0) == 0x80)
        l->at++;
    struct str s = {l->source.p + start, l->at - start};
    if (str_is(s, "“") || str_is(s, "”") || str_is(s, "‘") || str_is(s, "’"))
        return bad(start, "this is a typographic quote; strings are in straight ' or \"");
    return bad(start, arena_printf(l->arena,
                                   "'%.*s' is not allowed outside strings; names are letters, digits and _",
                                   STR_ARG(s)));
}

struct token lex_next(struct lexer *l)
{
    skip_blank(l);
    char c = peek(l, 0);
    if (l->at == l->source.n)
        return token_to(l, TOK_END, l->at);
    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
        return number(l);
    if (is_letter(c))
        return word(l);
    if (c == '\'' || c == '"')
        return string(l, l->at, false);
    return sign(l);
}
