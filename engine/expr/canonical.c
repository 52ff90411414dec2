/* An expression in its one spelling (expr_canonical), from its tokens: what two people write alike gets one text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/canonical.h"
#include "expr/lex.h"

static bool is_punct(const struct token *t, const char *characters)
{
    return t->kind == TOK_PUNCT && strchr(characters, t->text.p[0]) != NULL;
}

/* Whether a value may end with this token, so that a minus after it subtracts. */
static bool ends_value(const struct token *t)
{
    return t->kind == TOK_IDENT || t->kind == TOK_INT || t->kind == TOK_VALUE || is_punct(t, ")]");
}

static bool space_between(const struct token *before, const struct token *a, const struct token *b)
{
    if (is_punct(b, ").],"))
        return false;
    if (is_punct(a, "(.[!"))
        return false;
    if (is_punct(b, "(["))
        return !ends_value(a) || str_is(a->text, "in");
    return !(is_punct(a, "-") && !ends_value(before));
}

static void put_token(struct buf *out, const struct token *t)
{
    if (t->kind == TOK_VALUE && t->value.type == VALUE_STRING) {
        buf_byte(out, '\'');
        for (uint32_t i = 0; i < t->value.n; i++) {
            char c = t->value.string[i];
            if (c == '\'' || c == '\\')
                buf_byte(out, '\\');
            if ((unsigned char)c < 0x20)
                buf_printf(out, "\\x%02x", (unsigned)c);
            else
                buf_byte(out, (uint8_t)c);
        }
        buf_byte(out, '\'');
    } else if (t->kind == TOK_VALUE) {
        size_t at = out->n;
        value_format(t->value, out);
        bool whole = t->value.type == VALUE_DOUBLE;
        for (size_t i = at; i < out->n; i++)
            whole = whole && ((out->p[i] >= '0' && out->p[i] <= '9') || out->p[i] == '-');
        if (whole)
            buf_printf(out, ".0"); /* still a double */
    } else {
        buf_str(out, t->text);
    }
}

/* What is before the dot of a path that is being written, and what stands for a word of it. */
struct renaming {
    struct str (*word)(void *ctx, struct str head, struct str word);
    void *ctx;
    struct str head;
};

static void rename_token(struct renaming *r, struct lexer ahead, const struct token *last, struct token *t)
{
    if (is_punct(t, "."))
        return;
    struct str head = r->head;
    r->head = (struct str){0};
    if (t->kind != TOK_IDENT)
        return;
    if (last->kind != TOK_END && is_punct(last, ".")) {
        if (head.n)
            t->text = r->word(r->ctx, head, t->text);
        return;
    }
    struct token next = lex_next(&ahead);
    if (!is_punct(&next, "."))
        return;
    r->head = t->text;
    t->text = r->word(r->ctx, (struct str){0}, t->text);
}

struct str expr_canonical(struct str source, struct arena *arena)
{
    return expr_canonical_as(source, NULL, NULL, arena);
}

struct str expr_canonical_as(struct str source, struct str (*word)(void *ctx, struct str head, struct str word), void *ctx,
                             struct arena *arena)
{
    struct lexer lexer = {.source = source, .arena = arena};
    struct renaming renaming = {.word = word, .ctx = ctx};
    struct token before = {.kind = TOK_END}, last = {.kind = TOK_END};
    struct buf out;
    buf_init(&out, 2 * EXPR_TEXT_MAX);
    for (;;) {
        struct token t = lex_next(&lexer);
        if (t.kind == TOK_BAD || t.kind == TOK_END) {
            if (t.kind == TOK_BAD)
                buf_clear(&out);
            break;
        }
        if (word)
            rename_token(&renaming, lexer, &last, &t);
        if (last.kind != TOK_END && space_between(&before, &last, &t))
            buf_byte(&out, ' ');
        put_token(&out, &t);
        before = last;
        last = t;
    }
    struct str text = buf_ok(&out) ? arena_str(arena, (struct str){(const char *)out.p, out.n}) : (struct str){0};
    buf_free(&out);
    return text;
}
