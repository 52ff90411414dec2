/* The contract of store.h as tests, run against every implementation by one test program each. The program
 * brings two connections to one empty data set and a way to let time pass; everything else is here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_STORE_CONTRACT_H
#define TACT_TESTS_STORE_CONTRACT_H
#include "store/store_key.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct contract {
    struct store *a, *b;
    void (*turn)(void *user); /* lets something happen; must not block for ever */
    int64_t (*now)(void *user);
    void *user;
};

enum { CONTRACT_SECOND_US = 1000000, CONTRACT_TURNS_MAX = 10000000 };

struct got {
    int calls;
    enum store_status status;
    char *blob, *record, error[256];
    size_t blob_n, record_n;
    uint32_t ids[8];
    size_t ids_wanted;
    uint8_t secret[STORE_SECRET_BYTES];
    struct {
        enum store_item_kind kind;
        char name[64], value[64];
        size_t value_n;
    } items[8];
    size_t item_count;
    struct {
        uint32_t id;
        char name[64];
    } names[8]; /* the first of them */
    size_t name_count;
};

static inline void got_lists(struct got *g, const struct store_reply *r)
{
    g->item_count = r->item_count;
    g->name_count = r->name_count;
    assert_true(r->item_count <= 8);
    for (size_t i = 0; i < r->item_count; i++) {
        g->items[i].kind = r->items[i].kind;
        g->items[i].value_n = r->items[i].value.n;
        snprintf(g->items[i].name, 64, "%.*s", STR_ARG(r->items[i].name));
        snprintf(g->items[i].value, 64, "%.*s", STR_ARG(r->items[i].value));
    }
    for (size_t i = 0; i < r->name_count; i++) {
        assert_true(r->ids[i] >= 1 && r->ids[i] <= r->name_count); /* ids count from 1 */
        if (r->ids[i] > 8)
            continue;
        g->names[r->ids[i] - 1].id = r->ids[i];
        snprintf(g->names[r->ids[i] - 1].name, 64, "%.*s", STR_ARG(r->names[i]));
    }
}

static inline void on_got(void *user, const struct store_reply *r)
{
    struct got *g = user;
    g->calls++;
    g->status = r->status;
    g->blob_n = r->blob.n;
    g->record_n = r->record.n;
    g->blob = malloc(r->blob.n + 1);
    g->record = malloc(r->record.n + 1);
    memcpy(g->blob, r->blob.n ? r->blob.p : "", r->blob.n);
    memcpy(g->record, r->record.n ? r->record.p : "", r->record.n);
    snprintf(g->error, sizeof g->error, "%s", r->error ? r->error : "");
    assert_true(r->status == STORE_OK ? r->error == NULL : r->error != NULL);
    got_lists(g, r);
    if (r->ids && !r->names)
        memcpy(g->ids, r->ids, g->ids_wanted * sizeof *g->ids);
    if (r->secret)
        memcpy(g->secret, r->secret, sizeof g->secret);
}

static inline void got_free(struct got *g)
{
    free(g->blob);
    free(g->record);
    *g = (struct got){0};
}

/* Runs until the call is answered, then makes sure it stays at one answer. */
static inline enum store_status await(struct contract *c, struct got *g)
{
    for (int turns = 0; g->calls == 0; turns++) {
        assert_true(turns < CONTRACT_TURNS_MAX);
        c->turn(c->user);
    }
    assert_int_equal(g->calls, 1);
    return g->status;
}

static inline int64_t soon(struct contract *c)
{
    return c->now(c->user) + 5 * CONTRACT_SECOND_US;
}

/* A blob: format byte, version, then text. Valid until the next call. */
static inline struct str blob_of(uint64_t version, const char *text)
{
    static char bytes[4096];
    bytes[0] = 1;
    store_version_bytes(version, bytes + STORE_VERSION_AT);
    size_t n = strlen(text);
    memcpy(bytes + STORE_BLOB_MIN, text, n);
    return (struct str){bytes, STORE_BLOB_MIN + n};
}

static inline struct id128 id_of(uint8_t n)
{
    struct id128 id = {{n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xff}};
    return id;
}

static inline enum store_status do_commit(struct contract *c, struct store *s, struct store_commit commit,
                                          struct got *g)
{
    got_free(g);
    store_commit(s, &commit, soon(c), on_got, g);
    assert_int_equal(g->calls, 0); /* never from inside the call */
    return await(c, g);
}

static inline enum store_status do_read(struct contract *c, struct store *s, struct str customer,
                                        const struct id128 *record, struct got *g)
{
    got_free(g);
    store_read(s, customer, record, soon(c), on_got, g);
    assert_int_equal(g->calls, 0);
    return await(c, g);
}

static inline void contract_versions(struct contract *c)
{
    struct got g = {0};
    struct str id = STR("versions");
    assert_true(store_ready(c->a) && store_ready(c->b));
    assert_int_equal(do_read(c, c->a, id, NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, 0);

    struct store_commit commit = {.customer = id, .expected = 7, .blob = blob_of(10, "one")};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_CONFLICT); /* absent is not version 7 */
    assert_int_equal(g.blob_n, 0);
    commit.expected = 0;
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    assert_int_equal(do_read(c, c->b, id, NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, commit.blob.n);
    assert_memory_equal(g.blob, commit.blob.p, commit.blob.n);

    commit.blob = blob_of(11, "two");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_CONFLICT); /* one is there */
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 10);
    assert_memory_equal(g.blob + STORE_BLOB_MIN, "one", 3);
    commit.expected = 10;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_CONFLICT); /* the same again */
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 11);

    /* Versions are 64 bits of anything, also with bytes that look like text, NUL or an end of line. */
    uint64_t odd[] = {UINT64_MAX, 1, 0x0d0a000d0a00, 0x2525257d7d7d7d7d, 0x8000000000000000};
    uint64_t before = 11;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        commit.expected = before;
        commit.blob = blob_of(odd[i], "odd");
        assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
        before = odd[i];
    }
    got_free(&g);
}

static inline void contract_records(struct contract *c)
{
    struct got g = {0};
    struct str id = STR("records");
    struct id128 first = id_of(1), second = id_of(2);
    struct store_commit commit = {.customer = id,
                                  .blob = blob_of(20, "with a record"),
                                  .record_id = &first,
                                  .record = STR("decided\0so"),
                                  .record_ttl_ms = 3600 * 1000};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    assert_int_equal(do_read(c, c->b, id, &first, &g), STORE_OK);
    assert_int_equal(g.record_n, 10);
    assert_memory_equal(g.record, "decided\0so", 10);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 20);
    assert_int_equal(do_read(c, c->b, id, &second, &g), STORE_OK);
    assert_int_equal(g.record_n, 0);
    assert_int_equal(do_read(c, c->b, STR("records2"), &first, &g), STORE_OK); /* another customer's */
    assert_int_equal(g.record_n + g.blob_n, 0);

    /* An existing record wins over a conflict, and nothing is written. */
    commit.expected = 99;
    commit.blob = blob_of(21, "never");
    commit.record = STR("other");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_EXISTS);
    assert_int_equal(g.record_n, 10);
    commit.expected = 20;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_EXISTS);
    assert_int_equal(do_read(c, c->b, id, NULL, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 20);

    /* A conflict writes no record. */
    commit.record_id = &second;
    commit.expected = 19;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_CONFLICT);
    assert_int_equal(do_read(c, c->b, id, &second, &g), STORE_OK);
    assert_int_equal(g.record_n, 0);

    /* Without a blob, whatever the version. */
    commit.blob = (struct str){NULL, 0};
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_EXISTS);
    assert_int_equal(do_read(c, c->a, id, &second, &g), STORE_OK);
    assert_memory_equal(g.record, "other", 5);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 20);
    got_free(&g);
}

/* What cannot be read makes room only when it still is what was read; nothing shorter than a version is taken for absent. */
static inline void contract_aside(struct contract *c)
{
    struct got g = {0};
    struct id128 record = id_of(9);
    struct str torn = STR("\x02torn");
    struct store_commit put = {.customer = STR("torn"), .blob = blob_of(1, "was whole")};
    assert_int_equal(do_commit(c, c->a, put, &g), STORE_OK);
    char there[64];
    size_t n = put.blob.n;
    memcpy(there, put.blob.p, n);
    struct store_commit aside = {.customer = STR("torn"), .aside = torn, .blob = blob_of(2, "anew")};
    assert_int_equal(do_commit(c, c->a, aside, &g), STORE_CONFLICT);
    assert_int_equal(g.blob_n, n);
    assert_memory_equal(g.blob, there, n);
    aside.aside = (struct str){there, n};
    aside.record_id = &record;
    aside.record = STR("kept");
    aside.record_ttl_ms = 1000000;
    assert_int_equal(do_commit(c, c->b, aside, &g), STORE_OK);
    assert_int_equal(do_read(c, c->a, STR("torn"), &record, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 2);
    assert_int_equal(g.record_n, 4);
    assert_int_equal(do_commit(c, c->a, aside, &g), STORE_EXISTS);
    aside.record_id = NULL;
    assert_int_equal(do_commit(c, c->a, aside, &g), STORE_CONFLICT); /* it is not there any more */
    aside.customer = STR("absent");
    assert_int_equal(do_commit(c, c->a, aside, &g), STORE_CONFLICT);
    assert_int_equal(g.blob_n, 0);
    got_free(&g);
}

static inline enum store_status do_held(struct contract *c, struct store *s, struct str customer, struct got *g)
{
    got_free(g);
    store_held(s, customer, soon(c), on_got, g);
    assert_int_equal(g->calls, 0);
    return await(c, g);
}

/* A record alone is written whatever the version, unless it must be the one expected. */
static inline void contract_unchanged(struct contract *c)
{
    struct got g = {0};
    struct id128 record = id_of(21);
    struct store_commit commit = {.customer = STR("unchanged"),
                                  .expected = 1,
                                  .unchanged = true,
                                  .record_id = &record,
                                  .record = STR("of version 1"),
                                  .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_CONFLICT);
    assert_int_equal(g.blob_n, 0);
    commit.expected = 0;
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    struct store_commit put = {.customer = STR("unchanged"), .blob = blob_of(2, "newer")};
    assert_int_equal(do_commit(c, c->a, put, &g), STORE_OK);
    record = id_of(22);
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_CONFLICT);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 2);
    assert_int_equal(do_read(c, c->a, commit.customer, &record, &g), STORE_OK);
    assert_int_equal(g.record_n, 0);
    commit.expected = 2;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    assert_int_equal(do_held(c, c->a, commit.customer, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 2);
    assert_int_equal(g.item_count, 2);
    got_free(&g);
}

/* Torn bytes are put aside, records written; then all of it is read at once. */
static inline void fill_held(struct contract *c, struct str customer, struct got *g)
{
    struct id128 first = id_of(31), second = id_of(32);
    struct store_commit commit = {.customer = customer, .blob = blob_of(1, "one")};
    assert_int_equal(do_commit(c, c->a, commit, g), STORE_OK);
    char there[64];
    size_t n = commit.blob.n;
    memcpy(there, commit.blob.p, n);
    commit = (struct store_commit){.customer = customer,
                                   .aside = {there, n},
                                   .blob = blob_of(2, "two"),
                                   .record_id = &first,
                                   .record = STR("with the blob"),
                                   .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->b, commit, g), STORE_OK);
    commit = (struct store_commit){
        .customer = customer, .record_id = &second, .record = STR("alone"), .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->b, commit, g), STORE_OK);
}

static inline void contract_held(struct contract *c)
{
    struct got g = {0};
    struct str id = STR("all%of}it");
    assert_int_equal(do_held(c, c->a, id, &g), STORE_OK);
    assert_int_equal(g.blob_n + g.item_count, 0);
    fill_held(c, id, &g);
    assert_int_equal(do_held(c, c->a, id, &g), STORE_OK);
    assert_int_equal(g.item_count, 3);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 2);
    int seen = 0;
    for (size_t i = 0; i < 3; i++) {
        bool record = g.items[i].kind == STORE_ITEM_RECORD;
        char hex[ID128_TEXT];
        id128_text(id_of(strcmp(g.items[i].value, "alone") == 0 ? 32 : 31), hex);
        if (record)
            assert_string_equal(g.items[i].name, hex);
        seen += record && strcmp(g.items[i].value, "alone") == 0 ? 1 : 0;
        seen += record && strcmp(g.items[i].value, "with the blob") == 0 ? 10 : 0;
        seen += !record && g.items[i].value_n == STORE_BLOB_MIN + 3 ? 100 : 0;
    }
    assert_int_equal(seen, 111);
    id = STR("brief ones");
    for (uint8_t i = 0; i < 4; i++) {
        struct id128 brief = id_of((uint8_t)(3 + i)); /* with 0 as first digit: the index is looked over */
        struct store_commit commit = {.customer = id, .record_id = &brief, .record = STR("brief"), .record_ttl_ms = 30};
        assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
        int64_t limit = c->now(c->user) + 20 * CONTRACT_SECOND_US;
        while (i % 2 == 0 && do_held(c, c->a, id, &g) == STORE_OK && g.item_count)
            assert_true(c->now(c->user) < limit);
    }
    assert_int_equal(do_held(c, c->a, (struct str){0}, &g), STORE_REFUSED);
    got_free(&g);
}

/* Forgetting leaves the new blob and nothing else, or changes nothing. */
static inline void contract_forget(struct contract *c)
{
    struct got g = {0};
    struct str id = STR("for%get}me");
    struct store_commit forget = {.customer = id, .forget = true, .blob = blob_of(9, "tombstone")};
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_OK); /* somebody never seen */
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_CONFLICT);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 9);

    id = forget.customer = STR("for%get}her");
    fill_held(c, id, &g);
    forget.expected = 1;
    forget.blob = blob_of(9, "tombstone");
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_CONFLICT);
    assert_int_equal(do_held(c, c->b, id, &g), STORE_OK);
    assert_int_equal(g.item_count, 3);
    forget.expected = 2;
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_OK);
    assert_int_equal(do_held(c, c->b, id, &g), STORE_OK);
    assert_int_equal(g.item_count, 0);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 9);
    struct id128 records[] = {id_of(31), id_of(32)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(do_read(c, c->a, id, &records[i], &g), STORE_OK);
        assert_int_equal(g.record_n, 0);
    }
    /* What was decided before does not come back. */
    struct store_commit late = {.customer = id,
                                .expected = 2,
                                .unchanged = true,
                                .record_id = &records[0],
                                .record = STR("late"),
                                .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->b, late, &g), STORE_CONFLICT);

    /* Bytes that cannot be read: only when they still are what was read. */
    id = forget.customer = STR("for%get}torn");
    fill_held(c, id, &g);
    assert_int_equal(do_read(c, c->a, id, NULL, &g), STORE_OK);
    char there[64];
    size_t n = g.blob_n;
    memcpy(there, g.blob, n);
    forget.expected = 0;
    forget.blob = blob_of(10, "tombstone");
    forget.aside = (struct str){there, n - 1};
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_CONFLICT);
    forget.aside.n = n;
    assert_int_equal(do_commit(c, c->a, forget, &g), STORE_OK);
    assert_int_equal(do_held(c, c->b, id, &g), STORE_OK);
    assert_int_equal(g.item_count, 0);
    got_free(&g);
}

/* A blob that has a time to live goes, and so does what was set aside with it; every write says anew. */
static inline void contract_blob_expires(struct contract *c)
{
    struct got g = {0};
    struct store_commit commit = {.customer = STR("leaving"), .blob = blob_of(1, "x"), .blob_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    commit.customer = STR("staying");
    commit.blob_ttl_ms = 60;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    commit.expected = 1;
    commit.blob = blob_of(2, "y");
    commit.blob_ttl_ms = 0;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK); /* stays after all */
    char there[64];
    commit.customer = STR("leaving");
    size_t n = do_read(c, c->b, commit.customer, NULL, &g) == STORE_OK ? g.blob_n : 0;
    memcpy(there, g.blob, n);
    commit.aside = (struct str){there, n};
    commit.blob_ttl_ms = 60;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    int64_t limit = c->now(c->user) + 20 * CONTRACT_SECOND_US;
    do {
        assert_true(c->now(c->user) < limit);
        assert_int_equal(do_held(c, c->a, commit.customer, &g), STORE_OK);
    } while (g.blob_n || g.item_count);
    assert_int_equal(do_read(c, c->a, STR("staying"), NULL, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 2);
    commit = (struct store_commit){.customer = STR("leaving"), .blob = blob_of(3, "back")};
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK); /* as if it had never been */
    got_free(&g);
}

static inline void contract_record_expires(struct contract *c)
{
    struct got g = {0};
    struct id128 record = id_of(3);
    struct store_commit commit = {.customer = STR("expiring"),
                                  .blob = blob_of(30, "stays"),
                                  .record_id = &record,
                                  .record = STR("goes"),
                                  .record_ttl_ms = 40};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    int64_t limit = c->now(c->user) + 20 * CONTRACT_SECOND_US;
    do {
        assert_true(c->now(c->user) < limit);
        assert_int_equal(do_read(c, c->a, commit.customer, &record, &g), STORE_OK);
        assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 30);
    } while (g.record_n);
    commit.expected = 30;
    commit.blob = blob_of(31, "stays");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK); /* as if it had never been */
    got_free(&g);
}

static inline void contract_names(struct contract *c)
{
    struct got g = {0};
    store_dictionary(c->a, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_OK);
    assert_int_equal(g.name_count, 0);
    got_free(&g);
    g.ids_wanted = 4;
    char longest[STORE_NAME_MAX];
    memset(longest, 'x', sizeof longest);
    struct str first[4] = {STR("cart_add"), STR("a b\0c\r\n"), STR("cart_add"), {longest, sizeof longest}};
    store_names(c->a, first, 4, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_OK);
    uint32_t ids[4];
    memcpy(ids, g.ids, sizeof ids);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 2);
    assert_int_equal(ids[2], 1);
    assert_int_equal(ids[3], 3);
    got_free(&g);
    g.ids_wanted = 3;
    struct str second[3] = {{longest, sizeof longest}, STR("new"), STR("a b\0c\r\n")};
    store_names(c->b, second, 3, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_OK);
    assert_int_equal(g.ids[0], 3);
    assert_int_equal(g.ids[1], 4);
    assert_int_equal(g.ids[2], 2);
    got_free(&g);
    store_names(c->b, NULL, 0, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_OK);
    got_free(&g);
    store_dictionary(c->b, soon(c), on_got, &g);
    assert_int_equal(g.calls, 0);
    assert_int_equal(await(c, &g), STORE_OK);
    assert_int_equal(g.name_count, 4);
    assert_int_equal(g.names[0].id, 1);
    assert_string_equal(g.names[0].name, "cart_add");
    assert_int_equal(g.names[3].id, 4);
    assert_string_equal(g.names[3].name, "new");
    got_free(&g);
}

static inline void contract_secret(struct contract *c)
{
    struct got a = {0}, b = {0}, again = {0};
    uint8_t zero[STORE_SECRET_BYTES] = {0};
    store_secret(c->a, soon(c), on_got, &a);
    store_secret(c->b, soon(c), on_got, &b);
    assert_int_equal(await(c, &a), STORE_OK);
    assert_int_equal(await(c, &b), STORE_OK);
    store_secret(c->a, soon(c), on_got, &again);
    assert_int_equal(await(c, &again), STORE_OK);
    assert_memory_equal(a.secret, b.secret, sizeof a.secret);
    assert_memory_equal(a.secret, again.secret, sizeof a.secret);
    assert_memory_not_equal(a.secret, zero, sizeof zero);
    got_free(&a);
    got_free(&b);
    got_free(&again);
}

/* Ids of every byte but NUL, each its own customer, also where escaping could make two the same. */
static inline void contract_customers(struct contract *c)
{
    static const char *const near[] = {"x}y", "x%7Dy", "x%257Dy", "x%7dy", "{x}y", "{}",
                                       "}",   "%",     "مشتری-۱", " ",     "a:s",  "a\r\nb"};
    enum { NEAR = sizeof near / sizeof *near };
    struct got g = {0};
    struct id128 record = id_of(4);
    char all[255];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    struct str ids[NEAR + 1];
    for (size_t i = 0; i < NEAR; i++)
        ids[i] = str_from(near[i]);
    ids[NEAR] = (struct str){all, sizeof all};
    for (size_t i = 0; i <= NEAR; i++) {
        struct store_commit commit = {.customer = ids[i],
                                      .blob = blob_of(100 + i, "mine"),
                                      .record_id = &record,
                                      .record = STR("r"),
                                      .record_ttl_ms = 1000000};
        assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    }
    for (size_t i = 0; i <= NEAR; i++) {
        assert_int_equal(do_read(c, c->b, ids[i], &record, &g), STORE_OK);
        assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 100 + i);
        assert_int_equal(g.record_n, 1);
    }
    got_free(&g);
}

static inline void contract_limits(struct contract *c)
{
    static char longer[STORE_CUSTOMER_MAX + 1];
    struct got g = {0};
    memset(longer, '}', sizeof longer);
    struct str good = {longer, STORE_CUSTOMER_MAX}, bad = {longer, sizeof longer}, empty = {NULL, 0};
    struct store_commit commit = {.customer = good, .blob = blob_of(1, "longest id")};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    assert_int_equal(do_read(c, c->a, good, NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, commit.blob.n);
    assert_int_equal(do_read(c, c->a, bad, NULL, &g), STORE_REFUSED);
    assert_int_equal(do_read(c, c->a, empty, NULL, &g), STORE_REFUSED);
    commit.customer = bad;
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_REFUSED);
    got_free(&g);
    store_names(c->a, &bad, 1, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_REFUSED);
    got_free(&g);
    struct str *many = calloc(STORE_NAMES_MAX + 1, sizeof *many);
    store_names(c->a, many, STORE_NAMES_MAX + 1, soon(c), on_got, &g);
    assert_int_equal(await(c, &g), STORE_REFUSED);
    free(many);
    got_free(&g);
}

struct told_of {
    int on, off, all, changes;
    char last[64]; /* the customer of the last change */
};

static inline void on_told_changed(void *user, struct str customer)
{
    struct told_of *t = user;
    t->changes++;
    t->all += customer.n == 0;
    snprintf(t->last, sizeof t->last, "%.*s", STR_ARG(customer));
}

static inline void on_told_watching(void *user, bool on)
{
    struct told_of *t = user;
    t->on += on;
    t->off += !on;
}

static inline void until(struct contract *c, const int *count, int wanted)
{
    for (int turns = 0; *count < wanted; turns++) {
        assert_true(turns < CONTRACT_TURNS_MAX);
        c->turn(c->user);
    }
}

/* A change by another connection is told once, of what was read, also when it was read by a write of our own. */
static inline void contract_watch(struct contract *c)
{
    struct got g = {0};
    static struct told_of told; /* the store keeps telling until it is freed */
    told = (struct told_of){0};
    struct store_watcher w = {&told, on_told_changed, on_told_watching};
    store_watch(c->a, &w);
    assert_int_equal(told.on, 0); /* never from inside the call */
    until(c, &told.on, 1);
    struct store_commit commit = {.customer = STR("a%b}"), .blob = blob_of(1, "one")};
    assert_int_equal(do_read(c, c->a, commit.customer, NULL, &g), STORE_OK); /* it is absent, and then it is not */
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    until(c, &told.changes, 1);
    assert_string_equal(told.last, "a%b}");
    commit.expected = 1;
    commit.blob = blob_of(2, "two");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK); /* nobody has read it since */
    commit.expected = 2;
    commit.blob = blob_of(3, "our own");
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    commit.expected = 3;
    commit.blob = blob_of(4, "another's after it");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    until(c, &told.changes, 2);
    struct id128 record = id_of(77);
    commit.customer = STR("with a record");
    assert_int_equal(do_read(c, c->a, commit.customer, &record, &g), STORE_OK);
    commit.expected = 0;
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    until(c, &told.changes, 3);
    assert_string_equal(told.last, "with a record");
    commit.expected = 1; /* a conflict has read it too */
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_CONFLICT);
    commit.expected = 4;
    commit.blob = blob_of(5, "once more");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    until(c, &told.changes, 4);
    commit.customer = STR("a new one of our own");
    commit.expected = 0;
    commit.blob = blob_of(1, "new");
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    commit.expected = 1;
    commit.blob = blob_of(2, "another's after it");
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    until(c, &told.changes, 5);
    assert_string_equal(told.last, "a new one of our own");
    /* One whose time is over is told too, at the latest when somebody looks. */
    commit = (struct store_commit){.customer = STR("goes by itself"), .blob = blob_of(6, "brief"), .blob_ttl_ms = 50};
    assert_int_equal(do_commit(c, c->b, commit, &g), STORE_OK);
    assert_int_equal(do_read(c, c->a, commit.customer, NULL, &g), STORE_OK);
    assert_int_equal(store_version((struct str){g.blob, g.blob_n}), 6);
    for (int64_t limit = c->now(c->user) + 20 * CONTRACT_SECOND_US; told.changes < 6;) {
        assert_true(c->now(c->user) < limit);
        assert_int_equal(do_read(c, c->b, commit.customer, NULL, &g), STORE_OK);
    }
    assert_string_equal(told.last, "goes by itself");
    assert_int_equal(told.off + told.all, 0);
    assert_int_equal(told.changes, 6);
    got_free(&g);
}

/* A deadline that has passed: certainly nothing happened. */
static inline void contract_past_deadline(struct contract *c)
{
    struct got g = {0};
    struct store_commit commit = {.customer = STR("too late"), .blob = blob_of(1, "x")};
    store_commit(c->a, &commit, c->now(c->user) - 1, on_got, &g);
    assert_int_equal(g.calls, 0);
    assert_int_equal(await(c, &g), STORE_UNAVAILABLE);
    assert_int_equal(do_read(c, c->a, commit.customer, NULL, &g), STORE_OK);
    assert_int_equal(g.blob_n, 0);
    got_free(&g);
}

static inline void contract_big_values(struct contract *c)
{
    enum { BIG = 200 * 1024 };
    struct got g = {0};
    struct id128 record = id_of(5);
    char *big = malloc(BIG);
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 251);
    big[1] = 1;
    struct store_commit commit = {.customer = STR("big"),
                                  .blob = {big, BIG},
                                  .record_id = &record,
                                  .record = {big, BIG - 1},
                                  .record_ttl_ms = 1000000};
    assert_int_equal(do_commit(c, c->a, commit, &g), STORE_OK);
    assert_int_equal(do_read(c, c->b, commit.customer, &record, &g), STORE_OK);
    assert_int_equal(g.blob_n, BIG);
    assert_int_equal(g.record_n, BIG - 1);
    assert_memory_equal(g.blob, big, BIG);
    assert_memory_equal(g.record, big, BIG - 1);
    free(big);
    got_free(&g);
}

/* A storm: two connections add 1 to one counter, many at a time; each conflict tries again on the fresh blob.
 * Every addition must count exactly once. */
struct adder {
    struct contract *c;
    struct store *s;
    struct str customer;
    int left, conflicts;
    uint64_t version, number; /* of what we know */
    bool running;
};

static inline void adder_go(struct adder *a);

static inline void on_added(void *user, const struct store_reply *r)
{
    struct adder *a = user;
    if (r->status == STORE_OK) {
        a->left--;
        a->number++;
    } else {
        assert_int_equal(r->status, STORE_CONFLICT);
        assert_int_equal(r->blob.n, STORE_BLOB_MIN + 8);
        a->version = store_version(r->blob);
        memcpy(&a->number, r->blob.p + STORE_BLOB_MIN, 8);
        a->conflicts++;
    }
    a->running = a->left > 0;
    if (a->running)
        adder_go(a);
}

static inline void adder_go(struct adder *a)
{
    static uint64_t fresh = 1000;
    char bytes[STORE_BLOB_MIN + 8] = {1};
    uint64_t next = a->number + 1;
    struct store_commit commit = {
        .customer = a->customer, .expected = a->version, .blob = {bytes, sizeof bytes}};
    a->version = ++fresh;
    store_version_bytes(a->version, bytes + STORE_VERSION_AT);
    memcpy(bytes + STORE_BLOB_MIN, &next, 8);
    a->running = true;
    store_commit(a->s, &commit, soon(a->c), on_added, a);
}

static inline void contract_storm(struct contract *c)
{
    enum { ADDERS = 8, EACH = 25 };
    struct adder adders[ADDERS];
    struct got g = {0};
    bool running = true;
    int conflicts = 0;
    uint64_t total;
    for (int i = 0; i < ADDERS; i++) {
        adders[i] = (struct adder){.c = c, .s = i % 2 ? c->a : c->b, .customer = STR("storm"), .left = EACH};
        adder_go(&adders[i]);
    }
    for (int turns = 0; running; turns++) {
        assert_true(turns < CONTRACT_TURNS_MAX);
        c->turn(c->user);
        running = false;
        for (int i = 0; i < ADDERS; i++)
            running = running || adders[i].running;
    }
    for (int i = 0; i < ADDERS; i++)
        conflicts += adders[i].conflicts;
    assert_int_equal(do_read(c, c->a, STR("storm"), NULL, &g), STORE_OK);
    memcpy(&total, g.blob + STORE_BLOB_MIN, 8);
    assert_int_equal(total, ADDERS * EACH);
    assert_true(conflicts > 0);
    got_free(&g);
}

static inline void contract_all(struct contract *c)
{
    contract_versions(c);
    contract_records(c);
    contract_aside(c);
    contract_unchanged(c);
    contract_held(c);
    contract_forget(c);
    contract_blob_expires(c);
    contract_watch(c);
    contract_record_expires(c);
    contract_names(c);
    contract_secret(c);
    contract_customers(c);
    contract_limits(c);
    contract_past_deadline(c);
    contract_big_values(c);
    contract_storm(c);
}

#endif
