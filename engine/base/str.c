/* String slices: suggestion by edit distance, UTF-8 validation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include <stdint.h>

enum { SUGGEST_WORD_MAX = 64 };

void suggest_init(struct suggest *s, struct str word)
{
    *s = (struct suggest){.word = word, .distance = 4};
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment distance; both words at most SUGGEST_WORD_MAX long. */
static int distance(struct str a, struct str b)
{
    int rows[3][SUGGEST_WORD_MAX + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.n; j++)
        above[j] = (int)j;
    for (size_t i = 1; i <= a.n; i++) {
        row[0] = (int)i;
        for (size_t j = 1; j <= b.n; j++) {
            int cost = a.p[i - 1] != b.p[j - 1];
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        int *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b.n];
}

void suggest_offer(struct suggest *s, struct str allowed)
{
    if (s->word.n == 0 || allowed.n == 0 || s->word.n > SUGGEST_WORD_MAX || allowed.n > SUGGEST_WORD_MAX)
        return;
    int d = distance(s->word, allowed);
    int limit = (int)s->word.n / 3;
    limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
    if (d <= limit && d < s->distance) {
        s->distance = d;
        s->best = allowed;
    }
}

struct str suggest_best(const struct suggest *s)
{
    return s->best;
}

/* Bytes that a lead byte asks for, and the bounds of its second byte (Unicode 15, table 3-7). */
static int utf8_need(uint8_t c, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (c < 0x80)
        return 0;
    if (c >= 0xC2 && c <= 0xDF)
        return 1;
    if (c >= 0xE0 && c <= 0xEF) {
        if (c == 0xE0)
            *low = 0xA0;
        if (c == 0xED)
            *high = 0x9F;
        return 2;
    }
    if (c >= 0xF0 && c <= 0xF4) {
        if (c == 0xF0)
            *low = 0x90;
        if (c == 0xF4)
            *high = 0x8F;
        return 3;
    }
    return -1;
}

size_t utf8_bad_at(const char *p, size_t n)
{
    const uint8_t *u = (const uint8_t *)p;
    for (size_t i = 0; i < n;) {
        uint8_t low, high;
        int need = utf8_need(u[i], &low, &high);
        if (need < 0 || i + (size_t)need >= n)
            return i + 1;
        for (int k = 1; k <= need; k++) {
            if (u[i + (size_t)k] < low || u[i + (size_t)k] > high)
                return i + 1;
            low = 0x80;
            high = 0xBF;
        }
        i += 1 + (size_t)need;
    }
    return 0;
}

struct str str_cut(struct str s, size_t most)
{
    if (s.n <= most)
        return s;
    while (most > 0 && ((unsigned char)s.p[most] & 0xC0) == 0x80)
        most--;
    return (struct str){s.p, most};
}

bool str_is_file_name(struct str s)
{
    bool ok = s.n > 0 && s.p[0] != '.';
    for (size_t i = 0; ok && i < s.n; i++) {
        char c = s.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    }
    return ok;
}

size_t utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}
