/* What YAML scalars mean, and the findings about them. Only what the files need: null, true and false,
 * decimal numbers, text, words from a list. YAML 1.1's other readings (yes and no, octal 010, 1:30 as ninety,
 * 1_000) are refused rather than guessed. Every finding says what was expected and what is there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/yaml_values.h"
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { GOT_MAX = 60, NUMBER_MAX = 64 };

/* "'abc'", "a list", "nothing": what stands there, for messages. Long text is cut between characters. */
struct got {
    char text[4 * GOT_MAX + 32];
};

static struct got got(const struct yaml_node *n)
{
    struct got g;
    if (n->kind != YAML_SCALAR || yaml_is_null(n)) {
        snprintf(g.text, sizeof g.text, "%s",
                 n->kind == YAML_SEQUENCE  ? "a list"
                 : n->kind == YAML_MAPPING ? "a mapping"
                                           : "nothing");
        return g;
    }
    size_t shown = n->text.n < GOT_MAX ? n->text.n : GOT_MAX;
    while (shown > 0 && shown < n->text.n && ((unsigned char)n->text.p[shown] & 0xC0) == 0x80)
        shown--;
    size_t out = 0;
    g.text[out++] = '\'';
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)n->text.p[i];
        if (c < 0x20 || c == 0x7F)
            out += (size_t)snprintf(g.text + out, sizeof g.text - out, "\\x%02x", c);
        else
            g.text[out++] = (char)c;
    }
    snprintf(g.text + out, sizeof g.text - out, "%s", shown < n->text.n ? "…'" : "'");
    return g;
}

static const struct yaml_node *find(const struct yaml_node *mapping, const char *key, bool want_key)
{
    if (!mapping || mapping->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++)
        if (str_is(mapping->keys[i]->text, key))
            return want_key ? mapping->keys[i] : mapping->items[i];
    return NULL;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    return find(mapping, key, false);
}

const struct yaml_node *yaml_key(const struct yaml_node *mapping, const char *key)
{
    return find(mapping, key, true);
}

bool yaml_is_null(const struct yaml_node *n)
{
    if (n->kind != YAML_SCALAR || n->quoted)
        return false;
    return n->text.n == 0 || str_is(n->text, "~") || str_is(n->text, "null");
}

bool yaml_expect(struct diags *d, const struct yaml_node *n, enum yaml_kind kind, const char *what)
{
    if (n->kind == kind)
        return true;
    yaml_diag(d, DIAG_ERROR, n, "expected %s for %s, got %s",
              kind == YAML_SCALAR     ? "one value"
              : kind == YAML_SEQUENCE ? "a list"
                                      : "a mapping",
              what, got(n).text);
    return false;
}

bool yaml_string(struct diags *d, const struct yaml_node *n, struct str *out)
{
    if (n->kind != YAML_SCALAR || yaml_is_null(n)) {
        yaml_diag(d, DIAG_ERROR, n, "expected text, got %s", got(n).text);
        return false;
    }
    *out = n->text;
    return true;
}

static const char *unquote_hint(const struct yaml_node *n, bool would_do)
{
    return n->kind == YAML_SCALAR && n->quoted && would_do ? "; remove the quotes" : "";
}

bool yaml_bool(struct diags *d, const struct yaml_node *n, bool *out)
{
    bool word = n->kind == YAML_SCALAR && (str_is(n->text, "true") || str_is(n->text, "false"));
    if (word && !n->quoted) {
        *out = n->text.n == 4;
        return true;
    }
    yaml_diag(d, DIAG_ERROR, n, "expected true or false, got %s%s", got(n).text, unquote_hint(n, word));
    return false;
}

/* Decimal digits from *i on; false when there are none. */
static bool digits(struct str s, size_t *i)
{
    size_t from = *i;
    while (*i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9')
        (*i)++;
    return *i > from;
}

/* [+-] digits [. digits] [e [+-] digits], no needless leading zeros. */
static bool is_number(struct str s, bool whole)
{
    size_t i = 0;
    if (s.n > NUMBER_MAX)
        return false;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        i++;
    size_t first = i;
    if (!digits(s, &i) || (s.p[first] == '0' && i - first > 1))
        return false;
    if (whole)
        return i == s.n;
    if (i < s.n && s.p[i] == '.') {
        i++;
        if (!digits(s, &i))
            return false;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            i++;
        if (!digits(s, &i))
            return false;
    }
    return i == s.n;
}

/* " from 0 to 1", " of at least 0", " of at most 9" or "". */
static void bounds_text(char *out, size_t size, const char *low, const char *high)
{
    if (low && high)
        snprintf(out, size, " from %s to %s", low, high);
    else if (low)
        snprintf(out, size, " of at least %s", low);
    else if (high)
        snprintf(out, size, " of at most %s", high);
    else
        out[0] = 0;
}

bool yaml_int(struct diags *d, const struct yaml_node *n, int64_t low, int64_t high, int64_t *out)
{
    bool number = n->kind == YAML_SCALAR && is_number(n->text, true);
    if (number && !n->quoted) {
        errno = 0;
        long long v = strtoll(n->text.p, NULL, 10);
        if (errno == 0 && v >= low && v <= high) {
            *out = v;
            return true;
        }
    }
    char from[24], to[24], bounds[64];
    snprintf(from, sizeof from, "%lld", (long long)low);
    snprintf(to, sizeof to, "%lld", (long long)high);
    bounds_text(bounds, sizeof bounds, low > INT64_MIN ? from : NULL, high < INT64_MAX ? to : NULL);
    yaml_diag(d, DIAG_ERROR, n, "expected a whole number%s, got %s%s", bounds, got(n).text,
              unquote_hint(n, number));
    return false;
}

bool yaml_is_number(const struct yaml_node *n, double *out)
{
    if (n->kind != YAML_SCALAR || n->quoted || !is_number(n->text, false))
        return false;
    *out = strtod(n->text.p, NULL);
    return isfinite(*out);
}

bool yaml_double(struct diags *d, const struct yaml_node *n, double low, double high, double *out)
{
    bool number = n->kind == YAML_SCALAR && is_number(n->text, false);
    if (number && !n->quoted) {
        double v = strtod(n->text.p, NULL);
        if (isfinite(v) && v >= low && v <= high) {
            *out = v;
            return true;
        }
    }
    char from[32], to[32], bounds[96];
    snprintf(from, sizeof from, "%.15g", low);
    snprintf(to, sizeof to, "%.15g", high);
    bounds_text(bounds, sizeof bounds, low > -DBL_MAX ? from : NULL, high < DBL_MAX ? to : NULL);
    yaml_diag(d, DIAG_ERROR, n, "expected a number%s, got %s%s", bounds, got(n).text,
              unquote_hint(n, number));
    return false;
}

/* "a, b or c", or with commas only; for messages and bounded by them. */
static void list_words(char *out, size_t size, const char *const words[], const char *last)
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; words[i] && n < size; i++) {
        const char *before = i == 0 ? "" : words[i + 1] ? ", " : last;
        int added = snprintf(out + n, size - n, "%s%s", before, words[i]);
        n += added > 0 ? (size_t)added : 0;
    }
}

const char *yaml_list_words(struct arena *arena, const char *const words[])
{
    size_t size = 8;
    for (size_t i = 0; words[i]; i++)
        size += strlen(words[i]) + 4;
    char *out = arena_alloc(arena, size);
    if (out)
        list_words(out, size, words, " or ");
    return out ? out : "";
}

static struct str nearest(struct str word, const char *const allowed[])
{
    struct suggest s;
    suggest_init(&s, word);
    for (size_t i = 0; allowed[i]; i++)
        suggest_offer(&s, str_from(allowed[i]));
    return suggest_best(&s);
}

bool yaml_choice(struct diags *d, const struct yaml_node *n, const char *const allowed[], size_t *index)
{
    bool text = n->kind == YAML_SCALAR;
    for (size_t i = 0; text && allowed[i]; i++)
        if (str_is(n->text, allowed[i])) {
            *index = i;
            return true;
        }
    char words[700];
    list_words(words, sizeof words, allowed, " or ");
    struct str best = text ? nearest(n->text, allowed) : (struct str){0};
    if (best.n)
        yaml_diag(d, DIAG_ERROR, n, "expected %s, got %s; did you mean %.*s?", words, got(n).text,
                  STR_ARG(best));
    else
        yaml_diag(d, DIAG_ERROR, n, "expected %s, got %s", words, got(n).text);
    return false;
}

void yaml_known_keys(struct diags *d, const struct yaml_node *mapping, const char *what,
                     const char *const allowed[])
{
    char words[700];
    list_words(words, sizeof words, allowed, ", ");
    for (size_t i = 0; mapping->kind == YAML_MAPPING && i < mapping->count; i++) {
        const struct yaml_node *key = mapping->keys[i];
        bool known = false;
        for (size_t k = 0; allowed[k] && !known; k++)
            known = str_is(key->text, allowed[k]);
        if (known)
            continue;
        struct str best = nearest(key->text, allowed);
        if (best.n)
            yaml_diag(d, DIAG_ERROR, key, "unknown key %s in %s; did you mean %.*s? allowed: %s",
                      got(key).text, what, STR_ARG(best), words);
        else
            yaml_diag(d, DIAG_ERROR, key, "unknown key %s in %s; allowed: %s", got(key).text, what, words);
        if (best.n && !yaml_get(mapping, best.p))
            mapping->keys[i]->text = best;
    }
}
