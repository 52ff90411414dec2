/* YAML trees: what is read, where every value stands, what is refused and with which words, and that columns
 * inside scalars of every style point at the right character of the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "policy/yaml_values.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena arena;
static struct diags diags;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 256u << 20);
    diags_init(&diags, &arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct yaml_node *read_text(const char *text)
{
    return yaml_read("p.yaml", str_from(text), &arena, &diags);
}

/* All findings so far as "line:column: text" lines. */
static const char *findings(void)
{
    char *all = arena_strdup(&arena, "");
    for (size_t i = 0; i < diags.count; i++)
        all = arena_printf(&arena, "%s%d:%d: %s\n", all, diags.items[i].line, diags.items[i].column,
                           diags.items[i].text);
    return all;
}

static void assert_refused(const char *text, const char *expected)
{
    diags_init(&diags, &arena);
    assert_null(read_text(text));
    assert_string_equal(findings(), expected);
}

static void assert_text(const struct yaml_node *n, const char *text, int line, int column)
{
    assert_non_null(n);
    assert_int_equal(n->kind, YAML_SCALAR);
    assert_string_equal(n->text.p, text);
    assert_int_equal(n->text.n, strlen(text));
    assert_int_equal(n->line, line);
    assert_int_equal(n->column, column);
}

static void test_tree(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("# a policy\n"
                                       "brand: {name: Sepehr, 'zone': \"Asia/Tehran\"}\n"
                                       "list:\n"
                                       "  - one\n"
                                       "  -   two\n"
                                       "empty:\n"
                                       "last: [a, {b: c}]\n");
    assert_non_null(root);
    assert_int_equal(diags.errors, 0);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 4);
    assert_int_equal(root->line, 2);
    assert_int_equal(root->column, 1);
    const struct yaml_node *brand = yaml_get(root, "brand");
    assert_int_equal(brand->line, 2);
    assert_int_equal(brand->column, 8);
    assert_text(yaml_key(brand, "name"), "name", 2, 9);
    assert_text(yaml_get(brand, "name"), "Sepehr", 2, 15);
    assert_text(yaml_key(brand, "zone"), "zone", 2, 24);
    assert_text(yaml_get(brand, "zone"), "Asia/Tehran", 2, 32);
    assert_true(yaml_get(brand, "zone")->quoted);
    assert_false(yaml_get(brand, "name")->quoted);
    const struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(list->kind, YAML_SEQUENCE);
    assert_int_equal(list->count, 2);
    assert_text(list->items[0], "one", 4, 5);
    assert_text(list->items[1], "two", 5, 7);
    assert_text(yaml_get(root, "empty"), "", 6, 7);
    assert_true(yaml_is_null(yaml_get(root, "empty")));
    assert_text(yaml_get(yaml_get(root, "last")->items[1], "b"), "c", 7, 15);
    assert_null(yaml_get(root, "nothing"));
    assert_null(yaml_get(list, "one"));
    assert_string_equal(root->file, "p.yaml");
}

static void test_empty(void **state)
{
    (void)state;
    const char *empty[] = {"", "# only a comment\n", "---\n", "\xEF\xBB\xBF", "~\n"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct yaml_node *root = read_text(empty[i]);
        assert_non_null(root);
        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(root->count, 0);
        assert_int_equal(root->line, 1);
        assert_int_equal(root->column, 1);
    }
    assert_int_equal(diags.errors, 0);
}

static void test_characters_and_bom(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("\xEF\xBB\xBFسلام: مشتری\r\nb: 'é' # x\r\nc: z\r\n");
    assert_non_null(root);
    assert_text(root->keys[0], "سلام", 1, 1);
    assert_text(root->items[0], "مشتری", 1, 7);
    assert_text(root->items[1], "é", 2, 5);
    assert_text(root->items[2], "z", 3, 4);
    yaml_diag_at(&diags, DIAG_ERROR, root->items[0], 4, "third letter");
    assert_string_equal(findings(), "1:9: third letter\n");
}

static void test_blocks(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("a: |\n"
                                       "  first\n"
                                       "    second\n"
                                       "\n"
                                       "  third\n"
                                       "b: >- # folded\n"
                                       "    x >\n"
                                       "    1\n"
                                       "\n"
                                       "    y\n"
                                       "c: |2\n"
                                       "    deep\n"
                                       "  flat\n"
                                       "d:\n"
                                       "  - |\n"
                                       "\n"
                                       "   late\n");
    assert_non_null(root);
    assert_text(yaml_get(root, "a"), "first\n  second\n\nthird\n", 2, 3);
    assert_int_equal(yaml_get(root, "a")->block_indent, 2);
    assert_text(yaml_get(root, "b"), "x > 1\ny", 7, 5);
    assert_int_equal(yaml_get(root, "b")->block_indent, 4);
    assert_text(yaml_get(root, "c"), "  deep\nflat\n", 12, 3);
    assert_int_equal(yaml_get(root, "c")->block_indent, 2);
    assert_text(yaml_get(root, "d")->items[0], "\nlate\n", 16, 4);
    assert_int_equal(yaml_get(root, "d")->items[0]->block_indent, 3);
    assert_true(yaml_get(root, "a")->quoted);
}

/* The place of the first occurrence of a word in the value must be where it stands in the file. */
static void assert_word_at(const struct yaml_node *n, const char *word, int line, int column)
{
    diags_init(&diags, &arena);
    const char *found = strstr(n->text.p, word);
    assert_non_null(found);
    yaml_diag_at(&diags, DIAG_WARNING, n, (size_t)(found - n->text.p), "here");
    assert_int_equal(diags.warnings, 1);
    assert_int_equal(diags.items[0].line, line);
    assert_int_equal(diags.items[0].column, column);
}

static void test_places_in_scalars(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("plain: a > 1 || b\n"
                                       "two: a >\n"
                                       "   1 ||\n"
                                       "\n"
                                       "\n"
                                       "   b\n"
                                       "single: 'it''s é bad'\n"
                                       "double: \"t\\t\\u00e9\\x41 bad \\\n"
                                       "    next \\\"q\\\" \n"
                                       "   fold\"\n"
                                       "lit: |\n"
                                       "  a >\n"
                                       "    é b\n"
                                       "\n"
                                       "  c\n"
                                       "fold: >\n"
                                       "  a >\n"
                                       "  b\n"
                                       "\n"
                                       "  c\n"
                                       "    d\n"
                                       "  e\n"
                                       "deep: |2\n"
                                       "    x\n"
                                       "  y\n");
    assert_non_null(root);
    assert_word_at(yaml_get(root, "plain"), "|| b", 1, 14);
    assert_word_at(yaml_get(root, "two"), "1 ||", 3, 4);
    assert_word_at(yaml_get(root, "two"), "b", 6, 4);
    assert_word_at(yaml_get(root, "single"), "bad", 7, 18);
    assert_string_equal(yaml_get(root, "double")->text.p, "t\té"
                                                          "A bad next \"q\" fold");
    assert_word_at(yaml_get(root, "double"), "é", 8, 13);
    assert_word_at(yaml_get(root, "double"), "bad", 8, 24);
    assert_word_at(yaml_get(root, "double"), "next", 9, 5);
    assert_word_at(yaml_get(root, "double"), "q\"", 9, 12);
    assert_word_at(yaml_get(root, "double"), "fold", 10, 4);
    assert_word_at(yaml_get(root, "lit"), "a >", 12, 3);
    assert_word_at(yaml_get(root, "lit"), "b", 13, 7);
    assert_word_at(yaml_get(root, "lit"), "c", 15, 3);
    assert_word_at(yaml_get(root, "fold"), "b", 18, 3);
    assert_word_at(yaml_get(root, "fold"), "c", 20, 3);
    assert_word_at(yaml_get(root, "fold"), "d", 21, 5);
    assert_word_at(yaml_get(root, "fold"), "e", 22, 3);
    assert_word_at(yaml_get(root, "deep"), "x", 24, 5);
    assert_word_at(yaml_get(root, "deep"), "y", 25, 3);
}

/* The first line of the block has only spaces, some of them its own. */
static void test_block_that_begins_with_spaces(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("a: |1+\n   \n    de\nb: |1\n\n  \n   f\n");
    assert_non_null(root);
    assert_text(yaml_get(root, "a"), "  \n   de\n", 2, 2);
    assert_int_equal(yaml_get(root, "a")->block_indent, 1);
    assert_word_at(yaml_get(root, "a"), "de", 3, 5);
    assert_text(yaml_get(root, "b"), "\n \n  f\n", 5, 2);
    assert_word_at(yaml_get(root, "b"), "f", 7, 4);
}

static void test_crlf_places(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("a: |\r\n  x\r\n  y\r\nb: >\r\n  p\r\n  q\r\nc: \"u\r\n  v\"\r\n");
    assert_non_null(root);
    assert_text(yaml_get(root, "a"), "x\ny\n", 2, 3);
    assert_word_at(yaml_get(root, "a"), "y", 3, 3);
    assert_word_at(yaml_get(root, "b"), "q", 6, 3);
    assert_word_at(yaml_get(root, "c"), "v", 8, 3);
}

static void test_end_of_text(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("a: 'x > '\nb:\n");
    yaml_diag_at(&diags, DIAG_ERROR, yaml_get(root, "a"), 4, "end");
    yaml_diag_at(&diags, DIAG_ERROR, yaml_get(root, "b"), 0, "empty");
    yaml_diag_at(&diags, DIAG_ERROR, yaml_get(root, "a"), 400, "past the end");
    yaml_diag_at(&diags, DIAG_ERROR, root, 3, "no scalar");
    assert_string_equal(findings(), "1:9: end\n2:3: empty\n1:9: past the end\n1:1: no scalar\n");
}

static void test_refused(void **state)
{
    (void)state;
    assert_refused("a: &x 1\nb: *x\nc: !!str 5\n",
                   "1:4: anchors (&) are not allowed here; write the value where it is used\n"
                   "2:4: aliases (*) are not allowed here; write the value out, or quote the text\n"
                   "3:4: tags (!) are not allowed here; quote text that begins with '!'\n");
    assert_refused("a:\n  - &y [1]\n  - &z {b: 1}\n  - ! t\n*x : 1\n",
                   "2:5: anchors (&) are not allowed here; write the value where it is used\n"
                   "3:5: anchors (&) are not allowed here; write the value where it is used\n"
                   "4:5: tags (!) are not allowed here; quote text that begins with '!'\n"
                   "5:1: aliases (*) are not allowed here; write the value out, or quote the text\n");
    assert_refused("a: 1\n---\nb: 2\n", "2:1: a second document; only one document a file is allowed\n");
    assert_refused("%TAG !e! tag:e.com,2000:\n---\na: 1\n", "1:1: tags (%TAG) are not allowed here\n");
    assert_refused("a: 1\n[1, 2]: 3\n", "2:1: a key must be plain text, not a list or a mapping\n");
    assert_refused(
        "a: 'never closed\n",
        "2:1: not YAML: found unexpected end of stream, while scanning a quoted scalar (line 1)\n");
    assert_refused("a: 1\nb\n",
                   "3:1: not YAML: could not find expected ':', while scanning a simple key (line 2)\n");
    assert_refused(
        "a:\n\tb: 1\n",
        "2:1: not YAML: found character that cannot start any token, while scanning for the next token "
        "(line 2); indent with spaces, not tabs, and put quotes around text that begins with @ ` or %\n");
}

static void test_bytes_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: é\xFF\n",
                   "2:5: not UTF-8: byte 0xff is not allowed here; save the file as UTF-8\n");
    assert_refused("a: 1\r\nbé: \x01\n", "2:5: not YAML: control characters are not allowed\n");
    assert_null(yaml_read("p.yaml", (struct str){"a: \0b", 5}, &arena, &diags));
    assert_refused("\xFF\xFE"
                   "a",
                   "1:1: not UTF-8: byte 0xff is not allowed here; save the file as UTF-8\n");
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("a: 1\nb: {x: 1, y: 2, x: 3}\n'a': 2\na: 3\n");
    assert_non_null(root);
    assert_string_equal(findings(), "2:17: duplicate key 'x'; it stands at line 2 already\n"
                                    "3:2: duplicate key 'a'; it stands at line 1 already\n"
                                    "4:1: duplicate key 'a'; it stands at line 1 already\n");
    assert_text(yaml_get(root, "a"), "1", 1, 4);
}

static void test_depth(void **state)
{
    (void)state;
    char text[128] = "";
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        strcat(text, "[");
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        strcat(text, "]");
    assert_non_null(read_text(text));
    memmove(text + 1, text, strlen(text) + 1);
    strcat(text, "]");
    assert_refused(text, "1:33: nested deeper than 32 levels\n");
}

static void test_count_and_size(void **state)
{
    (void)state;
    char *text = malloc(YAML_FILE_MAX + 2);
    assert_non_null(text);
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < YAML_NODES_MAX; i++) {
        text[n++] = '1';
        text[n++] = i % 100 == 99 ? '\n' : ' ';
        text[n - 1] = ',';
        if (i % 100 == 99)
            text[n++] = '\n';
    }
    text[n++] = ']';
    struct yaml_node *root = yaml_read("big.yaml", (struct str){text, n}, &arena, &diags);
    assert_null(root);
    assert_string_equal(findings(), "10000:199: more than 1000000 values in one file\n");
    diags_init(&diags, &arena);
    memset(text, '#', YAML_FILE_MAX + 1);
    assert_null(yaml_read("big.yaml", (struct str){text, YAML_FILE_MAX + 1}, &arena, &diags));
    assert_string_equal(findings(), "0:0: larger than 8 MiB\n");
    diags_init(&diags, &arena);
    struct arena small;
    arena_init(&small, 1500);
    assert_null(
        yaml_read("p.yaml", STR("[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r]"), &small, &diags));
    assert_string_equal(findings(), "0:0: the file needs more memory than is allowed for loading\n");
    arena_free(&small);
    free(text);
}

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/yaml_test.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/p.yaml", folder);
    assert_null(yaml_read_file(path, &arena, &diags));
    assert_null(yaml_read_file(folder, &arena, &diags));
    assert_string_equal(findings(), "0:0: cannot open: No such file or directory\n0:0: not a file\n");
    assert_string_equal(diags.items[0].file, path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("a: b\n", out);
    assert_int_equal(fclose(out), 0);
    struct yaml_node *root = yaml_read_file(path, &arena, &diags);
    assert_text(yaml_get(root, "a"), "b", 1, 4);
    assert_string_equal(root->file, path);
    unlink(path);
    rmdir(folder);
}

static void test_typed(void **state)
{
    (void)state;
    struct yaml_node *root = read_text("s: text\nq: '5'\ni: -12\nd: 1.5e-3\nt: true\nn: null\nl: []\nz: 007\n"
                                       "tq: 'true'\nbig: 9223372036854775808\nw: chanel\ndate: 2025-01-01\n");
    struct str s;
    bool b = false;
    int64_t i = 0;
    double v = 0;
    size_t index = 9;
    const char *const words[] = {"action", "channel", "customer", NULL};
    assert_true(yaml_string(&diags, yaml_get(root, "s"), &s) && str_is(s, "text"));
    assert_true(yaml_string(&diags, yaml_get(root, "date"), &s) && str_is(s, "2025-01-01"));
    assert_true(yaml_int(&diags, yaml_get(root, "i"), -12, 5, &i) && i == -12);
    assert_true(yaml_double(&diags, yaml_get(root, "d"), 0, 1, &v) && v == 1.5e-3);
    assert_true(yaml_double(&diags, yaml_get(root, "i"), -INFINITY, INFINITY, &v) && v == -12);
    assert_true(yaml_bool(&diags, yaml_get(root, "t"), &b) && b);
    assert_true(yaml_expect(&diags, yaml_get(root, "l"), YAML_SEQUENCE, "actions"));
    assert_true(yaml_choice(&diags, yaml_get(root, "s"), (const char *const[]){"x", "text", NULL}, &index));
    assert_int_equal(index, 1);
    assert_int_equal(diags.errors, 0);
    assert_false(yaml_string(&diags, yaml_get(root, "n"), &s));
    assert_false(yaml_string(&diags, yaml_get(root, "l"), &s));
    assert_false(yaml_double(&diags, yaml_get(root, "s"), 0, 1, &v));
    assert_false(yaml_double(&diags, yaml_get(root, "q"), 0, INFINITY, &v));
    assert_false(yaml_int(&diags, yaml_get(root, "d"), INT64_MIN, 7, &i));
    assert_false(yaml_int(&diags, yaml_get(root, "z"), 1, 10, &i));
    assert_false(yaml_int(&diags, yaml_get(root, "big"), INT64_MIN, INT64_MAX, &i));
    assert_false(yaml_int(&diags, yaml_get(root, "i"), 0, 9, &i));
    assert_false(yaml_bool(&diags, yaml_get(root, "tq"), &b));
    assert_false(yaml_bool(&diags, root, &b));
    assert_false(yaml_expect(&diags, yaml_get(root, "s"), YAML_SEQUENCE, "actions"));
    assert_false(yaml_choice(&diags, yaml_get(root, "w"), words, &index));
    assert_false(yaml_choice(&diags, yaml_get(root, "q"), words, &index));
    assert_string_equal(findings(),
                        "6:4: expected text, got nothing\n"
                        "7:4: expected text, got a list\n"
                        "1:4: expected a number from 0 to 1, got 'text'\n"
                        "2:5: expected a number of at least 0, got '5'; remove the quotes\n"
                        "4:4: expected a whole number of at most 7, got '1.5e-3'\n"
                        "8:4: expected a whole number from 1 to 10, got '007'\n"
                        "10:6: expected a whole number, got '9223372036854775808'\n"
                        "3:4: expected a whole number from 0 to 9, got '-12'\n"
                        "9:6: expected true or false, got 'true'; remove the quotes\n"
                        "1:1: expected true or false, got a mapping\n"
                        "1:4: expected a list for actions, got 'text'\n"
                        "11:4: expected action, channel or customer, got 'chanel'; did you mean channel?\n"
                        "2:5: expected action, channel or customer, got '5'\n");
}

static void test_numbers_refused(void **state)
{
    (void)state;
    const char *bad[] = {"0x10", "1_000", ".5",  "5.", "1e",   "+",     "-",  "inf",
                         ".nan", "1 2",   "1,5", "00", "01.5", "1e999", "'1'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct yaml_node *root = read_text(arena_printf(&arena, "a: \n  %s\n", bad[i]));
        double v;
        size_t before = diags.errors;
        assert_false(yaml_double(&diags, yaml_get(root, "a"), -INFINITY, INFINITY, &v));
        assert_int_equal(diags.errors, before + 1);
    }
    const char *good[] = {"0", "+0.5", "-3", "1E5", "1e+05", "123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct yaml_node *root = read_text(arena_printf(&arena, "a: %s", good[i]));
        double v;
        assert_true(yaml_double(&diags, yaml_get(root, "a"), -DBL_MAX, DBL_MAX, &v));
        assert_true(v == strtod(good[i], NULL));
    }
}

static void test_unknown_keys(void **state)
{
    (void)state;
    const char *const allowed[] = {"id", "issue", "active", NULL};
    struct yaml_node *root = read_text("id: 1\nactiv: 2\nzzz: 3\nissue: 4\n");
    yaml_known_keys(&diags, root, "action", allowed);
    assert_string_equal(
        findings(), "2:1: unknown key 'activ' in action; did you mean active? allowed: id, issue, active\n"
                    "3:1: unknown key 'zzz' in action; allowed: id, issue, active\n");
    assert_string_equal(yaml_list_words(&arena, allowed), "id, issue or active");
    assert_string_equal(yaml_list_words(&arena, allowed + 2), "active");
    assert_string_equal(yaml_list_words(&arena, allowed + 3), "");
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    struct yaml_node *root =
        read_text("a: \"xyz\\né234567890é234567890é234567890é234567890é234567890é234567890\"\n");
    double v;
    assert_false(yaml_double(&diags, yaml_get(root, "a"), 0, 1, &v));
    assert_string_equal(findings(), "1:5: expected a number from 0 to 1, got "
                                    "'xyz\\x0aé234567890é234567890é234567890é234567890é234567890…'\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tree),
        TEST(test_empty),
        TEST(test_characters_and_bom),
        TEST(test_blocks),
        TEST(test_places_in_scalars),
        TEST(test_block_that_begins_with_spaces),
        TEST(test_crlf_places),
        TEST(test_end_of_text),
        TEST(test_refused),
        TEST(test_bytes_refused),
        TEST(test_duplicate_keys),
        TEST(test_depth),
        TEST(test_count_and_size),
        TEST(test_files),
        TEST(test_typed),
        TEST(test_numbers_refused),
        TEST(test_unknown_keys),
        TEST(test_long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
