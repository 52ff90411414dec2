/* Any bytes as a customer's blob. What can be read can be used at any instant, changed, and written; what was written can be
 * read, and is written the same again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_policy.h"
#include "decide/gate.h"
#include "state/aggregate.h"

static struct str encoded(const struct state *s, struct arena *arena, bool *fits)
{
    struct buf b;
    struct error e;
    buf_init(&b, STATE_BLOB_MAX + 64);
    int rc = state_encode(s, 1, &b, &e);
    ASSERT(rc == 0 || rc == ERR_NOSPACE);
    *fits = rc == 0;
    struct str blob = arena_str(arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    ASSERT(blob.p);
    return blob;
}

static void read_all(const struct state *s)
{
    const int64_t times[] = {FUZZ_NOW, 0, TIMESTAMP_MIN_MS, TIMESTAMP_MAX_MS};
    for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
        for (size_t i = 0; i < s->schema->aggregate_count; i++) {
            (void)state_aggregate(s, i, times[k]);
            (void)state_age(s, i, times[k]);
            ASSERT(state_aggregate_next_change(s, i, times[k]) > times[k]);
        }
}

static void decide_on(const struct state *s, struct arena *arena)
{
    struct decide_request r = {.customer = STR("c"), .max_actions = 3};
    struct decide_input in = {
        .policy = fuzz_policy(), .world_id = "", .state = s, .request = &r, .now_ms = FUZZ_NOW};
    for (r.channel = 0; r.channel < 2; r.channel++) {
        struct decision d;
        struct error e;
        int rc = decide(&in, arena, &d, &e);
        ASSERT(rc == 0 || rc == ERR_NOSPACE);
        ASSERT(rc || d.suppressed == (d.choice_count == 0));
    }
}

static void change(struct state *s)
{
    struct value properties[8] = {value_string(STR("k")), value_double(1.5), value_int(2), value_bool(true),
                                  value_timestamp(FUZZ_NOW)};
    for (uint32_t i = 0; i < s->schema->signal_count; i++) {
        struct signal g = {.index = i, .event = i + 1, .time_ms = FUZZ_NOW - i, .properties = properties};
        ASSERT(state_apply(s, &g, FUZZ_NOW) >= 0);
    }
    struct contact k = {.action = 1, .channel = 1, .time_ms = FUZZ_NOW, .expires_ms = FUZZ_NOW + 1};
    struct consent c = {.channel = 1, .purpose = 1, .time_ms = FUZZ_NOW};
    (void)!state_contact_add(s, &k, FUZZ_NOW);
    (void)!state_set_consent(s, &c);
    for (size_t i = 0; i < s->schema->attribute_count; i += 2)
        ASSERT(state_set_attribute(s, i, value_unknown(UNKNOWN_ABSENT)) == 0);
    state_prune(s, FUZZ_NOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    const struct schema *schema = &fuzz_policy()->schema;
    struct state s, again;
    struct error e = {.text = ""};
    bool fits;
    if (!arena.limit)
        arena_init(&arena, 256 << 20);
    arena_reset(&arena);
    int rc = state_decode(&s, schema, (struct str){(const char *)data, size}, &arena, &e);
    if (rc) {
        ASSERT((rc == ERR_CORRUPT || rc == ERR_INVALID) && e.text[0]);
        return 0;
    }
    ASSERT(s.exists == (size > 0));
    read_all(&s);
    decide_on(&s, &arena);
    for (int round = 0; round < 2; round++) {
        struct str blob = encoded(&s, &arena, &fits);
        if (!fits)
            break;
        ASSERT(state_decode(&again, schema, blob, &arena, &e) == 0);
        ASSERT(str_eq(blob, encoded(&again, &arena, &fits)));
        change(&s);
        read_all(&s);
    }
    return 0;
}
