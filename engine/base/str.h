/* A string slice: pointer and length, not NUL-terminated, never owns. Used for every name, id and text that comes from
 * outside, so that nothing on the decision path measures or copies strings.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_STR_H
#define TACT_BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

/* For printf: "%.*s" with STR_ARG(s). */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})

static inline struct str str_from(const char *c)
{
    return (struct str){c, c ? strlen(c) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *c)
{
    return str_eq(a, str_from(c));
}

/* At most so many bytes, not ending inside a character of UTF-8. */
struct str str_cut(struct str s, size_t most);

/* Total order by bytes, shorter first on a common prefix. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Whether it is a name for a file or folder anywhere: A-Z a-z 0-9 . _ - and not . first. */
bool str_is_file_name(struct str s);
static inline bool str_starts(struct str a, struct str prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* "Did you mean": distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string
 * alignment). Feed every allowed word to suggest_offer; suggest_best gives the nearest within a third of the word's
 * length (at least 1, at most 3), or an empty slice. Words over 64 bytes are not considered. */
struct suggest {
    struct str word;
    struct str best;
    int distance;
};

void suggest_init(struct suggest *s, struct str word);
void suggest_offer(struct suggest *s, struct str allowed);
struct str suggest_best(const struct suggest *s);

/* A code point (at most 0x10FFFF) as UTF-8; the bytes written. */
size_t utf8_put(char out[4], uint32_t c);
/* 0 when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates), else the 1-based position of
 * the first bad byte. NUL is well-formed here; callers that refuse it look for it themselves. */
size_t utf8_bad_at(const char *p, size_t n);

#endif
