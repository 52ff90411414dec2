/* What was renamed: data under the old name, under the new one where that was told too late, and under both; seen by servers of
 * three policies: the old one, one that has the new names and does not say what was before, and one that does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

enum naming { PLAIN, FORGOTTEN, NAMED, JOINED, NAMINGS };
enum { EVENTS = 40 };

/* The fixture's schema; buy, its amount, and the attributes are called otherwise but where naming is PLAIN. NAMED knows the old
 * names, JOINED both. */
static void make_named(struct schema *s, struct arena *arena, enum naming naming, unsigned aggregates)
{
    make_schema(s, arena, EVERY_ATTRIBUTE, 0, 0);
    struct schema_signal *g = &s->signals[BUY];
    struct schema_field *amount = &g->properties[BUY_AMOUNT];
    struct str *was_buy = arena_zalloc(arena, 2 * sizeof *was_buy), *was_amount = arena_zalloc(arena, 2 * sizeof *was_amount);
    size_t count = naming == NAMED ? 1 : naming == JOINED ? 2 : 0;
    was_buy[0] = STR("purchase");
    was_amount[0] = STR("price");
    was_buy[count ? count - 1 : 0] = g->name;
    was_amount[count ? count - 1 : 0] = amount->name;
    g->was = (struct schema_was){was_buy, was_buy, count};
    amount->was = (struct schema_was){was_amount, was_amount, count};
    for (size_t i = 0; i < s->attribute_count && naming != PLAIN; i++) {
        struct schema_field *f = &s->attributes[i];
        struct str *was = arena_zalloc(arena, 4 * sizeof *was);
        struct str fresh = str_from(arena_printf(arena, "new_%.*s", STR_ARG(f->name)));
        struct str path = str_from(arena_printf(arena, "profile.new_%.*s", STR_ARG(f->name)));
        was[0] = fresh;
        was[2] = path;
        was[count ? count - 1 : 0] = f->name;
        was[2 + (count ? count - 1 : 0)] = f->path;
        f->was = (struct schema_was){was, was + 2, count};
        f->name = fresh;
        f->path = path;
    }
    if (naming != PLAIN) {
        g->name = STR("purchase");
        amount->name = STR("price");
    }
    for (unsigned i = 0; i < AGGREGATES; i++)
        if (aggregates >> i & 1)
            add_aggregate(s, all_aggregates[i].kind, all_aggregates[i].signal, all_aggregates[i].property,
                          all_aggregates[i].span_ms);
}

static void names_are_those_of_before(void **state)
{
    struct context *t = *state;
    struct schema s;
    make_named(&s, &t->schemas, JOINED, EVERY_AGGREGATE);
    bind_schema(&s, t->names);
    const struct schema_aggregate *sum = &s.aggregates[aggregate_named(&s, "sum(purchase.price, 24h)")];
    assert_true(str_is(names_text(t->names, sum->id), "sum(buy.amount, 24h)"));
    assert_int_equal(sum->was.count, 2);
    const struct schema_aggregate *open = &s.aggregates[aggregate_named(&s, "open(opened.case, closed.case, 90d)")];
    assert_int_equal(open->was.count, 0);
    assert_int_equal(schema_signal_told(&s, STR("buy")), BUY);
    assert_int_equal(schema_signal_told(&s, STR("purchase")), BUY);
    assert_int_equal(schema_signal_find(&s, STR("buy")), -1);
    assert_int_equal(schema_attribute_told(&s, STR("a")), 0);
    assert_int_equal(schema_attribute_told(&s, STR("new_a")), 0);
    assert_int_equal(schema_attribute_told(&s, STR("profile.a")), -1);
    assert_true(str_is(schema_name_at(STR("x"), &s.signals[BUY].was, 0), "x"));
    assert_true(str_is(schema_name_at(STR("x"), &s.signals[BUY].was, 7), "buy"));
}

/* The old and the renamed policy in turn: one entry for both, whose bytes do not say who wrote it. */
static void a_rename_moves_nothing(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct schema old, young;
    struct state s;
    rng_seed(&rng, 51);
    make_named(&old, &t->schemas, PLAIN, EVERY_AGGREGATE);
    make_named(&young, &t->schemas, NAMED, EVERY_AGGREGATE);
    bind_schema(&old, t->names);
    bind_schema(&young, t->names);
    assert_true(str_eq(old.coverage, young.coverage));
    assert_int_equal(young.former_count, 0);
    empty_state(&s, &old, &t->arena);
    for (int i = 0; i < EVENTS; i++) {
        struct signal g = random_signal(&rng, &old, NOW, 4 * HOUR, &t->arena);
        assert_int_equal(state_apply(&s, &g, NOW), 1);
        assert_int_equal(state_set_attribute(&s, (size_t)i % 6, random_value(&rng, old.attributes[i % 6].type, &t->arena), NOW),
                         0);
        struct str before = blob_of(&s, 1, &t->arena);
        through_the_store(t, &s, i % 2 ? &old : &young);
        assert_int_equal(s.kept_count + s.kept_attribute_count, 0);
        assert_same_bytes(before, blob_of(&s, 1, &t->arena));
    }
    for (size_t i = 0; i < young.aggregate_count; i++)
        assert_true(state_since(&s, i, NOW) == 0);
}

/* Events counted by the old names, by the new ones alone, and by the new ones joined to the old: nothing is lost, and nothing
 * stays under a name that is no longer used. */
static void what_was_forgotten_is_joined(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct arena events;
    rng_seed(&rng, 52);
    arena_init(&events, 16 << 20);
    size_t joined = 0;
    for (int round = 0; round < 100; round++) {
        struct schema schemas[NAMINGS];
        struct state s, all;
        arena_reset(&t->arena);
        arena_reset(&t->schemas);
        arena_reset(&events);
        for (int k = 0; k < NAMINGS; k++) {
            make_named(&schemas[k], &t->schemas, (enum naming)k, EVERY_AGGREGATE);
            bind_schema(&schemas[k], t->names);
        }
        const enum naming writers[] = {PLAIN, FORGOTTEN, JOINED};
        struct schema *last = &schemas[JOINED];
        empty_state(&s, &schemas[PLAIN], &t->arena);
        empty_state(&all, last, &t->arena);
        int64_t set_ms[6] = {0};
        for (int i = 0; i < EVENTS; i++) {
            struct schema *writer = &schemas[writers[rng_below(&rng, 3)]];
            through_the_store(t, &s, writer);
            joined += writer == last && s.kept_count == 0 && i > 0;
            struct signal g = random_signal(&rng, writer, NOW, round % 2 ? 4 * HOUR : 60 * DAY, &events);
            int64_t now_ms = NOW + i;
            assert_int_equal(state_apply(&s, &g, now_ms), 1);
            assert_int_equal(state_apply(&all, &g, now_ms), 1);
            size_t at = rng_below(&rng, 6);
            struct value v = random_value(&rng, writer->attributes[at].type, &events);
            if (rng_below(&rng, 5) == 0)
                v = value_unknown(UNKNOWN_ABSENT); /* removed */
            assert_int_equal(state_set_attribute(&s, at, v, now_ms), 0);
            assert_int_equal(state_set_attribute(&all, at, v, now_ms), 0);
            set_ms[at] = now_ms;
            state_prune(&s, now_ms);
        }
        through_the_store(t, &s, last);
        assert_int_equal(s.kept_count + s.kept_attribute_count, 0);
        for (size_t i = 0; i < last->aggregate_count; i++)
            for (int64_t at = NOW + EVENTS; at < NOW + 40 * DAY; at += 13 * DAY)
                close_to(state_aggregate(&all, i, at), state_aggregate(&s, i, at));
        for (size_t i = 0; i < 6; i++) {
            close_to(all.attributes[i], s.attributes[i]);
            assert_true(s.attribute_ms[i] == set_ms[i]);
        }
        struct str whole = blob_of(&s, 1, &t->arena);
        through_the_store(t, &s, last);
        assert_same_bytes(whole, blob_of(&s, 1, &t->arena));
    }
    assert_true(joined > 500);
    arena_free(&events);
}

/* A part that was counted under the new name alone is joined as of when that began; nothing is said to be whole that is not. */
static void what_is_joined_says_since_when(void **state)
{
    struct context *t = *state;
    struct schema schemas[NAMINGS], none;
    struct state s;
    for (int k = 0; k < NAMINGS; k++) {
        make_named(&schemas[k], &t->schemas, (enum naming)k, EVERY_AGGREGATE);
        bind_schema(&schemas[k], t->names);
    }
    make_schema(&none, &t->schemas, 0, 0, 0);
    bind_schema(&none, t->names);
    struct value buy[BUY_PROPERTIES] = {value_double(10), value_string(STR("x")), value_int(1)};
    struct signal g = {.index = BUY, .event = 1, .time_ms = NOW, .properties = buy};
    size_t week = aggregate_named(&schemas[JOINED], "count(purchase, 7d)");
    empty_state(&s, &schemas[PLAIN], &t->arena);
    assert_int_equal(state_apply(&s, &g, NOW), 1);
    through_the_store(t, &s, &schemas[FORGOTTEN]);
    g.event = 2;
    assert_int_equal(state_apply(&s, &g, NOW + MINUTE), 1);
    state_prune(&s, NOW + MINUTE); /* the old names' are orphans now */
    through_the_store(t, &s, &schemas[JOINED]);
    assert_int_equal(state_aggregate(&s, week, NOW + MINUTE).integer, 2);
    assert_true(state_since(&s, week, NOW + HOUR) == NOW + MINUTE); /* all are here; since then it is certain */
    g.event = 3;
    assert_int_equal(state_apply(&s, &g, NOW + 2 * MINUTE), 1);
    state_prune(&s, NOW + 2 * MINUTE);
    assert_true(state_since(&s, week, NOW + HOUR) == NOW + MINUTE);
    /* one that counts none of them, and is told again what it did */
    through_the_store(t, &s, &none);
    g.event = 4;
    assert_int_equal(state_apply(&s, &g, NOW + 3 * MINUTE), 1);
    state_prune(&s, NOW + 3 * MINUTE);
    through_the_store(t, &s, &schemas[JOINED]);
    assert_int_equal(state_apply(&s, &g, NOW + 4 * MINUTE), 0);
    assert_int_equal(state_aggregate(&s, week, NOW + 4 * MINUTE).integer, 3);
    assert_true(state_since(&s, week, NOW + HOUR) == NOW + HOUR);
}

/* Of another type under the earlier name: it is no value of this one, and stays for whoever has that type. */
static void other_types_stay(void **state)
{
    struct context *t = *state;
    struct schema old, young;
    struct state s;
    make_named(&old, &t->schemas, FORGOTTEN, 0);
    make_named(&young, &t->schemas, JOINED, 0);
    for (size_t i = 0; i < 6; i++)
        young.attributes[i].type = old.attributes[i].type == VALUE_STRING ? VALUE_INT : VALUE_STRING;
    bind_schema(&old, t->names);
    bind_schema(&young, t->names);
    struct rng rng;
    rng_seed(&rng, 53);
    empty_state(&s, &old, &t->arena);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(state_set_attribute(&s, i, random_value(&rng, old.attributes[i].type, &t->arena), NOW), 0);
    struct str blob = blob_of(&s, 1, &t->arena);
    through_the_store(t, &s, &young);
    assert_int_equal(s.kept_attribute_count, 6);
    assert_same_bytes(blob, blob_of(&s, 1, &t->arena));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(state_set_attribute(&s, i, random_value(&rng, young.attributes[i].type, &t->arena), NOW + 1), 0);
    through_the_store(t, &s, &young);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(s.attributes[i].type, young.attributes[i].type);
    through_the_store(t, &s, &old);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(s.attributes[i].type, old.attributes[i].type);
}

/* A removed attribute of another policy is remembered as long as one of ours. */
static void removals_of_others_go_in_the_end(void **state)
{
    struct context *t = *state;
    struct schema none;
    struct state s;
    make_schema(&none, &t->schemas, 0, 0, 0);
    bind_schema(&none, t->names);
    assert_int_equal(state_set_attribute(&t->s, 0, value_unknown(UNKNOWN_ABSENT), NOW), 0);
    assert_int_equal(state_set_attribute(&t->s, 1, value_int(5), NOW), 0);
    s = t->s;
    through_the_store(t, &s, &none);
    state_prune(&s, NOW + 400 * DAY);
    assert_int_equal(s.kept_attribute_count, 2);
    state_prune(&s, NOW + 401 * DAY);
    assert_int_equal(s.kept_attribute_count, 1);
    through_the_store(t, &s, &t->schema);
    assert_int_equal(s.attributes[1].integer, 5);
}

static void put_checksum(char *blob, size_t n)
{
    uint64_t version = state_version((struct str){blob, n});
    uint32_t checksum = state_checksum((uint8_t)blob[0], version, (struct str){blob + STATE_HEAD, n - STATE_HEAD});
    for (int i = 0; i < 4; i++)
        blob[9 + i] = (char)(checksum >> 8 * i);
}

/* Damage under a right checksum, in what is joined too, and too little memory: an error, or a state that can be used, written
 * and read again. */
static void damage_is_an_error_or_harmless(void **state)
{
    struct context *t = *state;
    struct rng rng;
    struct schema schemas[NAMINGS];
    struct state s;
    struct arena blobs;
    size_t read = 0, refused = 0;
    rng_seed(&rng, 54);
    arena_init(&blobs, 1 << 20);
    for (int k = 0; k < NAMINGS; k++) {
        make_named(&schemas[k], &t->schemas, (enum naming)k, EVERY_AGGREGATE);
        bind_schema(&schemas[k], t->names);
    }
    const struct schema *joined = &schemas[JOINED];
    empty_state(&s, &schemas[PLAIN], &t->arena);
    for (int i = 0; i < EVENTS; i++) {
        if (i == EVENTS / 2)
            through_the_store(t, &s, &schemas[FORGOTTEN]);
        struct signal g = random_signal(&rng, s.schema, NOW, 4 * HOUR, &t->arena);
        assert_int_equal(state_apply(&s, &g, NOW), 1);
        assert_int_equal(
            state_set_attribute(&s, (size_t)i % 6, random_value(&rng, s.schema->attributes[i % 6].type, &t->arena), NOW), 0);
        if (i % 7 == 0)
            state_prune(&s, NOW);
    }
    struct str blob = blob_of(&s, 3, &blobs);
    char *copy = malloc(blob.n);
    for (size_t i = STATE_HEAD; i < blob.n; i++)
        for (int bit = 0; bit < 9; bit++) {
            struct error e = {0};
            memcpy(copy, blob.p, blob.n);
            copy[i] = (char)(bit < 8 ? copy[i] ^ 1 << bit : ~copy[i]);
            put_checksum(copy, blob.n);
            arena_reset(&t->arena);
            int rc = state_decode(&s, joined, (struct str){copy, blob.n}, &t->arena, &e);
            assert_true(rc == 0 || rc == ERR_CORRUPT);
            refused += rc != 0;
            if (rc)
                continue;
            read++;
            for (size_t k = 0; k < joined->aggregate_count; k++)
                read_aggregate(&s, k, NOW);
            struct signal g = random_signal(&rng, joined, NOW, 4 * HOUR, &t->arena);
            rc = state_apply(&s, &g, NOW);
            assert_true(rc >= 0 || rc == ERR_CORRUPT);
            state_prune(&s, NOW);
            through_the_store(t, &s, joined);
        }
    assert_true(read > 1000 && refused > 100);
    size_t full = 0;
    for (size_t room = 256; room < 256 * 1024; room += 256) {
        struct arena small;
        struct error e = {0};
        arena_init(&small, room);
        int rc = state_decode(&s, joined, blob, &small, &e);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        full += rc != 0;
        arena_free(&small);
    }
    assert_true(full > 10);
    free(copy);
    arena_free(&blobs);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(names_are_those_of_before),      TEST(a_rename_moves_nothing), TEST(what_was_forgotten_is_joined),
        TEST(what_is_joined_says_since_when), TEST(other_types_stay),       TEST(removals_of_others_go_in_the_end),
        TEST(damage_is_an_error_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
