/* Any bytes as a YAML file: no crash, bounded memory, findings with sensible places; and for every scalar
 * that was read, a finding at each byte of it points at that very character of the file (or at the escape
 * that stands for it).
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/yaml_values.h"
#include <math.h>
#include <stdlib.h>

static struct arena arena, findings;

/* The byte of the text at a line and column (characters, from 1), or 0. Lines end in LF, CRLF or CR. */
static char byte_at(struct str text, int line, int column)
{
    size_t i = 0;
    for (int l = 1; l < line && i < text.n; i++)
        l += text.p[i] == '\n' || (text.p[i] == '\r' && !(i + 1 < text.n && text.p[i + 1] == '\n'));
    for (int c = 1; c < column && i < text.n; c++) {
        i++;
        while (i < text.n && ((unsigned char)text.p[i] & 0xC0) == 0x80)
            i++;
    }
    return i < text.n ? text.p[i] : 0;
}

static void check_scalar(const struct yaml_node *n, struct str text)
{
    for (size_t i = 0; i < n->text.n && i < 300; i++) {
        struct diags d;
        arena_reset(&findings);
        diags_init(&d, &findings);
        yaml_diag_at(&d, DIAG_ERROR, n, i, "here");
        ASSERT(d.count == 1);
        const struct diag *g = &d.items[0];
        ASSERT(g->line >= n->line && g->column >= 1);
        char c = n->text.p[i], there = byte_at(text, g->line, g->column);
        if (c > ' ' && c < 0x7F)
            ASSERT(there == c || (n->style == YAML_DOUBLE_QUOTED && there == '\\'));
    }
}

/* Before anything is read from it: a key that is misspelt becomes what was meant. */
static void check_places(const struct yaml_node *n, struct str text)
{
    if (n->kind == YAML_SCALAR)
        check_scalar(n, text);
    for (size_t k = 0; k < n->count; k++) {
        if (n->kind == YAML_MAPPING)
            check_places(n->keys[k], text);
        check_places(n->items[k], text);
    }
}

static void visit(const struct yaml_node *n, struct diags *d)
{
    struct str s;
    int64_t i;
    double v;
    bool b;
    size_t index;
    const char *const words[] = {"id", "issue", "active", NULL};
    ASSERT(n->line >= 1 && n->column >= 1);
    yaml_string(d, n, &s);
    yaml_int(d, n, -5, INT64_MAX, &i);
    if (yaml_double(d, n, -INFINITY, INFINITY, &v))
        ASSERT(isfinite(v));
    yaml_bool(d, n, &b);
    yaml_choice(d, n, words, &index);
    yaml_known_keys(d, n, "fuzz", words);
    for (size_t k = 0; k < n->count; k++) {
        if (n->kind == YAML_MAPPING)
            visit(n->keys[k], d);
        visit(n->items[k], d);
    }
}

/* NEL, LS and PS are line breaks to YAML 1.1 alone; places are not promised there. */
static bool has_odd_breaks(struct str text)
{
    for (size_t i = 0; i + 1 < text.n; i++)
        if (memcmp(text.p + i, "\xC2\x85", 2) == 0 ||
            (i + 2 < text.n &&
             (memcmp(text.p + i, "\xE2\x80\xA8", 3) == 0 || memcmp(text.p + i, "\xE2\x80\xA9", 3) == 0)))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena.limit) {
        arena_init(&arena, 64 << 20);
        arena_init(&findings, 1 << 20);
    }
    struct diags d;
    struct str text = {(const char *)data, size};
    arena_reset(&arena);
    diags_init(&d, &arena);
    struct yaml_node *root = yaml_read("f.yaml", text, &arena, &d);
    ASSERT(root || d.errors);
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        text = (struct str){text.p + 3, text.n - 3};
    if (root && !has_odd_breaks(text))
        check_places(root, text);
    if (root)
        visit(root, &d);
    return 0;
}
