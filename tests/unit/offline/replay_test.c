/* Replay over logs that the test makes as a server does: names, decisions, an archive with policies, a model and a world;
 * then with a flipped byte, another policy in the middle, a missing or changed archive, damage.
 * SPDX-License-Identifier: Apache-2.0 */
#include "replay_brand.h"

/* Decisions of all sorts. */
static const struct wanted sorts[] = {
    {.channel = "web"},
    {.channel = "web", .cart = 40, .explain = true},
    {.channel = "email", .cart = 12.5},
    {.channel = "email", .cart = 12.5, .model = true, .explain = true},
    {.channel = "web", .cart = 7, .model = true, .case_signal = true},
    {.channel = "email", .cart = 30, .unreadable = true, .explain = true},
    {.channel = "email"},
};
enum { SORTS = sizeof sorts / sizeof *sorts };

static void test_identical(void **state)
{
    struct brand *b = *state;
    struct told t;
    for (int i = 0; i < SORTS; i++)
        log_decision(b, &sorts[i]);
    log_names(b); /* the dictionary is read before the first decision, wherever it stands */
    for (int i = 0; i < 200; i++)
        log_decision(b, &sorts[i % SORTS]);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.decisions, 200 + SORTS);
    assert_int_equal(c.identical, 200 + SORTS);
    assert_int_equal(c.damaged, 0);
    assert_int_equal(t.count, 0);
}

static void test_policy_changes(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_names_from(b, 1, 0);
    log_names_from(b, 3, 0); /* servers repeat names */
    for (int i = 0; i < 60; i++) {
        struct wanted w = sorts[i % SORTS];
        w.policy = i / 20 % 2; /* one, two, and back */
        log_decision(b, &w);
    }
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 60);
    assert_int_equal(t.count, 0);
}

/* Over a restart, with a second segment. */
static void test_segments(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_names(b);
    log_decision(b, &sorts[1]);
    log_close(&b->writer);
    open_writer(b);
    log_decision(b, &sorts[2]);
    assert_int_equal(replay(b, &t).identical, 2);
}

static void test_other_engine(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_names(b);
    struct wanted w = sorts[1];
    w.engine = "tact/0.0.0";
    log_decision(b, &w);
    log_decision(b, &sorts[1]);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.skipped, 1);
    assert_int_equal(c.identical, 1);
    assert_int_equal(t.count, 0);
}

/* ---- differences ---- */

static uint8_t *find_text(uint8_t *bytes, size_t n, const char *text)
{
    uint8_t *at = memmem(bytes, n, text, strlen(text));
    assert_non_null(at);
    return at;
}

static void flip_title(uint8_t *bytes, size_t *n)
{
    *find_text(bytes, *n, "Cart") ^= 1; /* C to B */
}

static void flip_utf8(uint8_t *bytes, size_t *n)
{
    *find_text(bytes, *n, "سارا") ^= 0x40;
}

/* The propensity: field 1 of Factors, fixed64, the first of them. */
static void flip_propensity(uint8_t *bytes, size_t *n)
{
    const uint8_t wire[] = {0x09, 0x9A, 0x99, 0x99, 0x99, 0x99, 0x99, 0xA9, 0x3F}; /* 0.05 */
    uint8_t *at = memmem(bytes, *n, wire, sizeof wire);
    assert_non_null(at);
    at[1] ^= 1;
}

static void cut_short(uint8_t *bytes, size_t *n)
{
    (void)bytes;
    *n -= 3;
}

/* A non-minimal varint: other bytes, equal fields. decided_at_ms (field 2) is followed by seed (field 3). */
static void swap_fields(uint8_t *bytes, size_t *n)
{
    struct cursor c = cursor_of(bytes, *n);
    cursor_varint(&c);
    cursor_bytes(&c, cursor_varint(&c)); /* decision_id */
    uint8_t *from = bytes + (c.p - bytes);
    assert_int_equal(cursor_varint(&c), 2 << 3);
    cursor_varint(&c);
    size_t first = (size_t)(c.p - from);
    assert_int_equal(cursor_varint(&c), 3 << 3);
    cursor_varint(&c);
    size_t both = (size_t)(c.p - from);
    uint8_t copy[64];
    memcpy(copy, from, both);
    memcpy(from, copy + first, both - first);
    memcpy(from + both - first, copy, first);
}

static void test_difference(void **state)
{
    static const struct {
        void (*spoil)(uint8_t *, size_t *);
        const char *channel, *field, *recorded, *replayed, *text;
    } cases[] = {
        {flip_title, "web", "choices[0].content[0].value", "\"Bart\"", "\"Cart\"", "the decision differs"},
        {flip_utf8, "email", "choices[0].content[0].value", "\"\\x98", "\"سارا, 12.5\"",
         "the decision differs"},
        {flip_propensity, "web", "choices[0].factors.propensity", "0.05000000000000001", "0.05",
         "the decision differs"},
        {cut_short, "web", "", "", "", "the recorded bytes are no Decision"},
        {swap_fields, "web", "", "", "", "all fields are equal, but the bytes part at byte 34"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct brand *b = *state;
    struct told t;
    log_names(b);
    for (int i = 0; i < CASES; i++) {
        struct wanted w = {.channel = cases[i].channel, .cart = 12.5, .spoil = cases[i].spoil};
        log_decision(b, &sorts[i]);
        log_decision(b, &w);
    }
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.differing, CASES);
    assert_int_equal(c.identical, CASES);
    assert_int_equal(t.count, CASES);
    for (int i = 0; i < CASES; i++) {
        assert_int_equal(t.items[i].trouble, REPLAY_DIFFERS);
        assert_int_equal(strlen(t.items[i].decision), 32);
        assert_string_equal(t.items[i].customer, "customer-1");
        assert_non_null(strstr(t.items[i].file, ".tlog"));
        assert_true(t.items[i].offset >= 16);
        assert_string_equal(t.items[i].field, cases[i].field);
        assert_int_equal(strncmp(t.items[i].recorded, cases[i].recorded, strlen(cases[i].recorded)), 0);
        assert_string_equal(t.items[i].replayed, cases[i].replayed);
        assert_int_equal(strncmp(t.items[i].text, cases[i].text, strlen(cases[i].text)), 0);
    }
}

/* Every bit of a recorded decision counts. */
static size_t flip_at;

static void flip_one(uint8_t *bytes, size_t *n)
{
    bytes[flip_at % *n] ^= (uint8_t)(1 << flip_at % 8);
}

static void test_any_flip(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_names(b);
    struct wanted w = sorts[3];
    w.spoil = flip_one;
    for (flip_at = 0; flip_at < 400; flip_at++)
        log_decision(b, &w);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.differing, 400);
    assert_int_equal(t.count, 400);
}

/* ---- the archive ---- */

static void expect_failure(struct brand *b, uint64_t decisions, const char *part)
{
    struct told t;
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.failed, decisions);
    assert_int_equal(c.identical, 2);
    assert_int_equal(t.count, 1); /* told once, not once a decision */
    assert_int_equal(t.items[0].trouble, REPLAY_FAILS);
    if (!strstr(t.items[0].text, part))
        fail_msg("'%s' does not say '%s'", t.items[0].text, part);
}

/* Three decisions by policy one without a model, two by the other policy with it. */
static void log_both(struct brand *b)
{
    struct wanted one = sorts[1], two = sorts[3];
    two.policy = 1;
    log_names(b);
    for (int i = 0; i < 3; i++)
        log_decision(b, &one);
    log_decision(b, &two);
    log_decision(b, &two);
}

static void archived(const struct brand *b, const char *kind, const char *id, const char *file,
                     char path[4096])
{
    snprintf(path, 4096, "%s/%s/%s%s%s", b->log, kind, id, file[0] ? "/" : "", file);
}

static void test_policy_missing(void **state)
{
    struct brand *b = *state;
    char path[4096];
    log_both(b);
    archived(b, "policy", b->policies[0]->id, "", path);
    remove_all(path);
    expect_failure(b, 3, "the archive has no policy ");
}

static void test_policy_changed(void **state)
{
    struct brand *b = *state;
    char path[4096];
    log_both(b);
    archived(b, "policy", b->policies[0]->id, "policy.yaml", path);
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    fputs("# a comment more\n", f);
    fclose(f);
    expect_failure(b, 3, "was changed: its content has the id ");
}

static void test_policy_broken(void **state)
{
    struct brand *b = *state;
    char path[4096];
    log_both(b);
    archived(b, "policy", b->policies[0]->id, "", path);
    write_text_file(path, "policy.yaml", "brand: 3\n");
    expect_failure(b, 3, "does not load: ");
}

static void test_model_missing(void **state)
{
    struct brand *b = *state;
    char path[4096];
    struct told t;
    log_both(b);
    archived(b, "model", binding_id(b->bindings[0]), "", path);
    remove_all(path);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 3);
    assert_int_equal(c.failed, 2);
    assert_int_equal(t.count, 1);
    assert_non_null(strstr(t.items[0].text, "the archive has no model "));
}

static void test_world_missing(void **state)
{
    struct brand *b = *state;
    char path[4096];
    struct told t;
    log_both(b);
    archived(b, "world", b->world, ARCHIVE_WORLD_FILE, path);
    assert_int_equal(unlink(path), 0);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.failed, 5);
    assert_int_equal(t.count, 2); /* one for each policy and model */
    assert_non_null(strstr(t.items[0].text, ARCHIVE_WORLD_FILE));
}

static void test_names_missing(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_decision(b, &sorts[1]);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.failed, 1);
    assert_non_null(strstr(t.items[0].text, "the log's dictionary does not cover policy "));
}

static void test_names_contradict(void **state)
{
    struct brand *b = *state;
    struct error e = {0};
    struct replay_counts counts;
    struct told t = {0};
    log_names(b);
    log_names_from(b, 1, 1);
    log_close(&b->writer);
    struct replay_options o = {.log = b->log, .finding = on_finding, .user = &t};
    assert_int_equal(replay_verify(&o, &counts, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.text, "contradicts itself"));
}

/* ---- the log ---- */

static void test_damage(void **state)
{
    struct brand *b = *state;
    struct told t;
    char path[4096];
    log_names(b);
    log_decision(b, &sorts[1]);
    snprintf(path, sizeof path, "%s", b->log);
    write_text_file(path, "s0-0000000000001-00000001.tlog", "this is no segment of a log, but has its name");
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 1);
    assert_int_equal(c.damaged, 1);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.items[0].trouble, REPLAY_DAMAGE);
    assert_non_null(strstr(t.items[0].text, "s0-0000000000001-00000001.tlog"));
}

static void test_foreign_records(void **state)
{
    struct brand *b = *state;
    struct told t;
    log_names(b);
    assert_int_equal(log_append(b->writer, STR("\xFF\xFF no protobuf"), NULL, NULL), 0);
    /* A record of a kind that only a later version knows (field 50) is passed over. */
    assert_int_equal(log_append(b->writer, STR("\x92\x03\x01x"), NULL, NULL), 0);
    log_decision(b, &sorts[1]);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 1);
    assert_int_equal(c.damaged, 1);
    assert_int_equal(t.count, 1);
    assert_non_null(strstr(t.items[0].text, "no LogRecord"));
}

static void test_no_log(void **state)
{
    struct brand *b = *state;
    struct error e = {0};
    struct replay_counts counts;
    struct told t = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/none", b->log);
    struct replay_options o = {.log = path, .finding = on_finding, .user = &t};
    assert_int_equal(replay_verify(&o, &counts, &e), ERR_NOTFOUND);
    snprintf(path, sizeof path, "%s/one/policy.yaml", b->log);
    assert_int_equal(replay_verify(&o, &counts, &e), ERR_INVALID);
    /* A folder without a segment is a mistyped path, not a log in which nothing differs. */
    log_close(&b->writer);
    o.log = b->log;
    assert_int_equal(replay_verify(&o, &counts, &e), ERR_NOTFOUND);
    assert_non_null(strstr(e.text, "no log here"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_identical),        TEST(test_policy_changes), TEST(test_segments),
        TEST(test_other_engine),     TEST(test_difference),     TEST(test_any_flip),
        TEST(test_policy_missing),   TEST(test_policy_changed), TEST(test_policy_broken),
        TEST(test_model_missing),    TEST(test_world_missing),  TEST(test_names_missing),
        TEST(test_names_contradict), TEST(test_damage),         TEST(test_foreign_records),
        TEST(test_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
