/* Any bytes as a customer's blob. What can be read can be used at any instant, changed, and written; what was written can be
 * read, and is written the same again. A tombstone holds nothing else, and stays one whatever is done to it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_policy.h"
#include "decide/gate.h"
#include "state/aggregate.h"
#include <stdlib.h>

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
            enum aggregate_kind kind = s->schema->aggregates[i].kind;
            (void)state_aggregate(s, i, times[k]);
            (void)state_since(s, i, times[k]);
            if (kind == AGGREGATE_LAST_AT)
                (void)state_age(s, i, times[k]);
            if (kind == AGGREGATE_KEYS)
                (void)state_repeats(s, i, times[k]);
            if (kind == AGGREGATE_HOURS)
                (void)state_hour_affinity(s, i, (int)(k * 55), times[k]);
            if (kind == AGGREGATE_TOP)
                ASSERT(state_top_error(s, i) >= 0);
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

static struct value property_of(uint8_t type)
{
    switch (type) {
    case VALUE_STRING:
        return value_string(STR("k"));
    case VALUE_DOUBLE:
        return value_double(-0.5);
    case VALUE_INT:
        return value_int(2);
    case VALUE_BOOL:
        return value_bool(true);
    default:
        return value_timestamp(FUZZ_NOW);
    }
}

static void change(struct state *s)
{
    for (uint32_t i = 0; i < s->schema->signal_count; i++) {
        const struct schema_signal *def = &s->schema->signals[i];
        struct value properties[8];
        for (size_t k = 0; k < def->property_count; k++)
            properties[k] = property_of(def->properties[k].type);
        struct signal g = {.index = i,
                           .event = i + 1,
                           .time_ms = FUZZ_NOW - i,
                           .properties = properties,
                           .channel = STR("web"),
                           .week_hour = 20};
        int rc = state_apply(s, &g, FUZZ_NOW);
        ASSERT(rc >= 0 || rc == ERR_CORRUPT);
    }
    struct contact k = {.action = 1, .channel = 1, .time_ms = FUZZ_NOW, .expires_ms = FUZZ_NOW + 1};
    struct consent c = {.channel = 1, .purpose = 1, .time_ms = FUZZ_NOW};
    (void)!state_contact_add(s, &k, FUZZ_NOW);
    (void)!state_set_consent(s, &c);
    for (size_t i = 0; i < s->schema->attribute_count; i += 2)
        ASSERT(state_set_attribute(s, i, value_unknown(UNKNOWN_ABSENT), FUZZ_NOW) == 0);
    state_prune(s, FUZZ_NOW);
}

/* Nothing but its version and time, in any writing of it. */
static void check_tombstone(const struct state *s, struct str blob)
{
    ASSERT(!s->exists &&
           s->consent_count + s->contact_count + s->seen_count + s->kept_count + s->kept_attribute_count ==
               0);
    ASSERT(s->touch_count + s->reaction_count == 0 && s->lost_ms == 0 && s->journey.stage == 0 &&
           s->coverage.n == 0);
    for (size_t i = 0; i < s->schema->attribute_count; i++)
        ASSERT(s->attributes[i].type == VALUE_UNKNOWN && s->attribute_ms[i] == 0);
    ASSERT(blob.n <= STATE_HEAD + 12 && (unsigned char)blob.p[STATE_HEAD] == ENTRY_FORGOTTEN);
}

static void use_blob(struct str bytes, const struct schema *schema, struct arena *arena)
{
    struct state s, again;
    struct error e = {.text = ""};
    bool fits;
    int rc = state_decode(&s, schema, bytes, arena, &e);
    if (rc) {
        ASSERT((rc == ERR_CORRUPT || rc == ERR_UNAVAILABLE) && e.text[0]);
        return;
    }
    ASSERT(s.exists == (bytes.n > 0 && !s.forgotten_ms));
    read_all(&s);
    decide_on(&s, arena);
    for (int round = 0; round < 2; round++) {
        struct str blob = encoded(&s, arena, &fits);
        if (!fits)
            break;
        ASSERT(state_decode(&again, schema, blob, arena, &e) == 0);
        ASSERT(again.forgotten_ms == s.forgotten_ms);
        if (s.forgotten_ms)
            check_tombstone(&again, blob);
        ASSERT(str_eq(blob, encoded(&again, arena, &fits)));
        change(&s);
        read_all(&s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    const struct schema *schema = &fuzz_policy()->schema;
    if (!arena.limit)
        arena_init(&arena, 256 << 20);
    arena_reset(&arena);
    /* As a foreign writer would: the checksum is right, whatever else is wrong. An exact copy, so that reading past its end
     * is seen. */
    char *blob = malloc(size ? size : 1);
    ASSERT(blob);
    memcpy(blob, data, size);
    if (size >= STATE_HEAD && blob[0] == STATE_FORMAT) {
        struct str entries = {blob + STATE_HEAD, size - STATE_HEAD};
        uint32_t checksum = state_checksum(STATE_FORMAT, state_version((struct str){blob, size}), entries);
        for (size_t i = 0; i < 4; i++)
            blob[9 + i] = (char)(checksum >> 8 * i);
    }
    use_blob((struct str){blob, size}, schema, &arena);
    free(blob);
    return 0;
}
