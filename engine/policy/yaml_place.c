/* Walks a scalar's source and its value side by side: quoting, escapes, folding (YAML 1.1 sections 5.6, 9.1
 * to 9.3), so that a column inside an expression is the column in the file. The walk decodes nothing; it only
 * knows how many bytes of the value each piece of the source stands for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/yaml_place.h"

size_t place_break(const char *p, const char *end)
{
    if (p < end && *p == '\r')
        return p + 1 < end && p[1] == '\n' ? 2 : 1;
    return p < end && *p == '\n';
}

size_t place_char(const char *p, const char *end)
{
    size_t n = 1;
    while (p + n < end && ((unsigned char)p[n] & 0xC0) == 0x80)
        n++;
    return n;
}

void place_step(struct place *at, const char *end)
{
    at->p += place_char(at->p, end);
    at->column++;
}

void place_step_line(struct place *at, const char *end)
{
    at->p += place_break(at->p, end);
    at->line++;
    at->column = 1;
}

static void skip_spaces(struct place *at, const char *end, int most, bool tabs)
{
    while (most-- > 0 && at->p < end && (*at->p == ' ' || (tabs && *at->p == '\t')))
        place_step(at, end);
}

/* At blanks that end in a line break: passes them, the break and all blank lines after it, and the next
 * line's indent. Returns how many breaks; 0 (and nothing passed) when the line goes on. */
static int skip_fold(struct place *at, const char *end)
{
    struct place next = *at;
    int breaks = 0;
    skip_spaces(&next, end, INT32_MAX, true);
    while (place_break(next.p, end)) {
        breaks++;
        place_step_line(&next, end);
        skip_spaces(&next, end, INT32_MAX, true);
    }
    if (breaks)
        *at = next;
    return breaks;
}

/* Passes one escape of a double-quoted scalar and returns how many bytes of the value it stands for. */
static size_t skip_escape(struct place *at, const char *end)
{
    place_step(at, end);
    if (place_break(at->p, end)) {
        int breaks = skip_fold(at, end);
        return (size_t)breaks - 1;
    }
    char c = at->p < end ? *at->p : 0;
    place_step(at, end);
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (!digits)
        return c == 'N' || c == '_' ? 2 : c == 'L' || c == 'P' ? 3 : 1;
    unsigned long code = 0;
    for (int i = 0; i < digits && at->p < end; i++) {
        char digit = *at->p;
        code = code * 16 + (unsigned long)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
        place_step(at, end);
    }
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Passes one unit of the source and returns how many bytes of the value (from index i) it stands for. */
static size_t skip_flow(const struct yaml_node *n, struct place *at, const char *end)
{
    int breaks = skip_fold(at, end);
    if (breaks)
        return breaks == 1 ? 1 : (size_t)breaks - 1;
    if (n->style == YAML_DOUBLE_QUOTED && *at->p == '\\')
        return skip_escape(at, end);
    const char *from = at->p;
    place_step(at, end);
    size_t length = (size_t)(at->p - from);
    if (n->style == YAML_SINGLE_QUOTED && *from == '\'')
        place_step(at, end);
    return length;
}

static size_t skip_block(const struct yaml_node *n, struct place *at, const char *end, size_t i)
{
    const char *from = at->p;
    if (!place_break(at->p, end)) {
        place_step(at, end);
        return (size_t)(at->p - from);
    }
    do {
        place_step_line(at, end);
        skip_spaces(at, end, n->block_indent, false);
    } while (n->style == YAML_FOLDED && place_break(at->p, end));
    if (n->style == YAML_LITERAL || n->text.p[i] == ' ')
        return 1;
    size_t newlines = 0;
    while (i + newlines < n->text.n && n->text.p[i + newlines] == '\n')
        newlines++;
    return newlines;
}

/* Where the byte at offset of the value stands in the file. */
struct place place_at(const struct yaml_node *n, size_t offset)
{
    struct place at = {n->source.p, n->line, n->column};
    if (n->kind != YAML_SCALAR || !n->source.n)
        return at;
    const char *end = n->source.p + n->source.n;
    bool block = n->style == YAML_LITERAL || n->style == YAML_FOLDED;
    if (block) {
        at.column = 1;
        skip_spaces(&at, end, n->block_indent, false);
    }
    for (size_t i = 0; i < offset && i < n->text.n && at.p < end;) {
        struct place before = at;
        i += block ? skip_block(n, &at, end, i) : skip_flow(n, &at, end);
        if (i > offset)
            return before;
    }
    /* An escaped line break stands for nothing: the byte is on the line after it. */
    while (n->style == YAML_DOUBLE_QUOTED && at.p + 1 < end && *at.p == '\\' && place_break(at.p + 1, end)) {
        struct place before = at;
        if (skip_escape(&at, end) > 0)
            return before;
    }
    return at;
}
