/* bench_state: what a customer's state costs, in time and in bytes, for a policy's typical customer; one thread, no store.
 *
 * The typical customer (of tools/examples/retail): every attribute; 18 page views, 3 cart additions and 3 purchases in the
 * last month, one event of every other signal, each over some channel; consent for all outbound channels; 3 contacts, one of them
 * answered; a preferred channel and quiet hours. So nearly every part of a state is there.
 *
 *   decode   blob -> state, as each decision begins
 *   read     decode, and every feature that looks at no action, once
 *   apply    one signal onto a decoded state (filters, touch point and consent included); each signal of the policy in turn
 *   encode   state -> blob
 *   write    decode, apply, journey, prune, encode: all of what a signal costs but store, log and wire
 *
 * A figure is the median of rounds; the reference of each is the checksum of the blob (XXH3) and a copy of it, measured in turn
 * in the same run. With --count N one operation is done N times and nothing is timed, for callgrind (bench/state.py).
 *
 *   bench_state --policy FOLDER [--rounds N] [--only WHAT --count N]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/rng.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "state/codec.h"
#include "state/preferences.h"
#include "tools/options.h"
#include <stdlib.h>

enum { EVENTS_MAX = 256, BATCH = 64, ROUNDS_MAX = 10001 };

#define NOW INT64_C(1736944200000) /* 2025-01-15T16:00 in Tehran */
#define DAY INT64_C(86400000)
#define NOINLINE __attribute__((noinline))

struct bench {
    const struct policy *policy;
    struct arena arena, once;
    struct state state, work;
    struct buf blob, out;
    struct signal signals[EVENTS_MAX]; /* one of each kind, to apply */
    size_t signal_count, turn;
    uint64_t events;
    struct error e;
};

static const char *const categories[] = {"fashion", "electronics", "home", "beauty"};

static struct value property_of(struct bench *b, struct rng *r, const struct schema_field *f)
{
    if (f->type == VALUE_STRING && f->domain_count)
        return value_string(f->domain[rng_below(r, f->domain_count)]);
    if (f->type == VALUE_STRING && str_is(f->name, "category"))
        return value_string(str_from(categories[rng_below(r, 4)]));
    if (f->type == VALUE_STRING && (str_is(f->name, "case") || str_is(f->name, "order"))) /* what is opened is closed */
        return value_string(STR("A-4711"));
    if (f->type == VALUE_STRING)
        return value_string(str_from(arena_printf(&b->arena, "%.*s%d", STR_ARG(f->name), (int)rng_below(r, 100))));
    if (f->type == VALUE_BOOL)
        return value_bool(rng_below(r, 2));
    double least = f->ranged ? f->least : 1, most = f->ranged ? f->most : 200;
    double number = least + (most - least) * (double)rng_below(r, 1001) / 1000;
    if (f->type == VALUE_INT)
        return value_int((int64_t)number);
    return value_double((double)(int64_t)(number * 100) / 100); /* prices, scores */
}

static struct signal event_of(struct bench *b, struct rng *r, uint32_t index, int64_t time_ms)
{
    const struct policy *p = b->policy;
    const struct schema_signal *def = &p->schema.signals[index];
    struct value *values = arena_zalloc(&b->arena, (def->property_count + 1) * sizeof *values);
    ASSERT(values);
    for (size_t i = 0; i < def->property_count; i++)
        values[i] = property_of(b, r, &def->properties[i]);
    const struct policy_channel *c = &p->channels[rng_below(r, p->channel_count)];
    return (struct signal){.index = index,
                           .event = rng_u64(r),
                           .time_ms = time_ms,
                           .properties = values,
                           .channel = c->word.name,
                           .channel_id = c->word.id};
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct signal *)a)->time_ms, y = ((const struct signal *)b)->time_ms;
    return (x > y) - (x < y);
}

/* Over the last month, each arriving when it happens. */
static int events(struct bench *b, struct rng *r)
{
    static const struct {
        const char *signal;
        int times;
    } often[] = {{"page_view", 18}, {"cart_add", 3}, {"purchase", 3}};
    static struct signal all[EVENTS_MAX];
    const struct schema *schema = &b->policy->schema;
    size_t n = 0;
    for (uint32_t i = 0; i < schema->signal_count; i++) {
        int times = 1;
        for (size_t k = 0; k < 3; k++)
            if (str_is(schema->signals[i].name, often[k].signal))
                times = often[k].times;
        for (int k = 0; k < times && n < EVENTS_MAX; k++)
            all[n++] = event_of(b, r, i, NOW - (int64_t)rng_below(r, 30 * DAY));
    }
    qsort(all, n, sizeof *all, by_time);
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        rc = apply_signal(b->policy, &b->state, &all[i], all[i].time_ms);
        state_prune(&b->state, all[i].time_ms);
    }
    return rc < 0 ? rc : 0;
}

static int contacts(struct bench *b, struct rng *r)
{
    const struct policy *p = b->policy;
    int rc = 0;
    for (uint32_t i = 0; i < 3 && !rc; i++) {
        const struct policy_action *a = &p->actions[i * 5 % p->action_count];
        uint64_t id[2] = {rng_u64(r), rng_u64(r)};
        struct contact k = {.action = a->word.id,
                            .channel = p->channels[i % 2].word.id,
                            .purpose = p->purposes[a->purpose].id,
                            .group = p->groups[a->group].id,
                            .issue = p->issues[a->issue].id,
                            .time_ms = NOW - (int64_t)rng_below(r, 20 * DAY),
                            .outcomes = CONTACT_SENT};
        memcpy(k.decision.bytes, id, sizeof id);
        rc = state_contact_add(&b->state, &k, NOW);
        if (!rc)
            rc = apply_shown(p, &b->state, a - p->actions, k.channel, k.time_ms);
        if (!rc && i == 0)
            rc = apply_answered(p, &b->state, a - p->actions, CONTACT_RESPONSE, k.time_ms + 60000);
    }
    return rc;
}

static int typical(struct bench *b)
{
    const struct policy *p = b->policy;
    struct rng r;
    rng_seed(&r, 4);
    int rc = state_decode(&b->state, &p->schema, (struct str){0}, &b->arena, &b->e);
    for (size_t i = 0; i < p->schema.attribute_count && !rc; i++) {
        const struct schema_field *f = &p->schema.attributes[i];
        struct value v = property_of(b, &r, f);
        if ((long)i == p->zone_attribute)
            v = value_string(STR("Asia/Tehran"));
        if ((long)i == p->locale_attribute)
            v = value_string(STR("fa"));
        rc = state_set_attribute(&b->state, i, v, NOW - DAY);
    }
    for (size_t i = 0; i < p->channel_count && !rc; i++)
        for (int k = 0; k < PURPOSE_COUNT && !rc; k++) {
            struct consent c = {.channel = p->channels[i].word.id,
                                .purpose = p->purposes[k].id,
                                .granted = true,
                                .time_ms = NOW - 40 * DAY,
                                .source = STR("web form")};
            if (p->channels[i].consent[k])
                rc = state_set_consent(&b->state, &c);
        }
    struct preferences wishes = {.channel_ms = NOW - DAY,
                                 .channel = p->channels[0].word.id,
                                 .quiet_ms = NOW - DAY,
                                 .quiet_from = 22 * 60,
                                 .quiet_to = 8 * 60};
    preferences_set(&b->state, &wishes);
    if (!rc)
        rc = events(b, &r);
    if (!rc)
        rc = contacts(b, &r);
    if (!rc)
        rc = journey_step(p, &b->state, NOW, &b->arena) < 0 ? ERR_NOSPACE : 0;
    for (uint32_t i = 0; i < p->schema.signal_count && i < EVENTS_MAX; i++)
        b->signals[b->signal_count++] = event_of(b, &r, i, NOW - 1000);
    state_prune(&b->state, NOW);
    return rc ? rc : state_encode(&b->state, state_version_make(NOW, 1), &b->blob, &b->e);
}

/* ---- the operations; not inlined, so that callgrind can tell them apart ---- */

static struct str blob_of(const struct bench *b)
{
    return (struct str){(const char *)b->blob.p, b->blob.n};
}

static NOINLINE int do_decode(struct bench *b)
{
    arena_reset(&b->once);
    return state_decode(&b->work, &b->policy->schema, blob_of(b), &b->once, &b->e);
}

static NOINLINE int do_read(struct bench *b)
{
    struct view v;
    int rc = do_decode(b);
    if (!rc)
        rc = view_init(&v, b->policy, &b->work, NULL, UINT32_MAX, false, NOW, &b->once);
    for (size_t i = 0; i < b->policy->feature_count && !rc; i++)
        if (!expr_varies(b->policy->program, b->policy->features[i].node))
            (void)expr_eval(&v.ev, b->policy->features[i].node);
    return rc;
}

static NOINLINE int do_apply(struct bench *b)
{
    struct signal g = b->signals[b->turn++ % b->signal_count];
    g.event = ++b->events;
    int rc = apply_signal(b->policy, &b->work, &g, NOW);
    return rc < 0 ? rc : 0;
}

static NOINLINE int do_encode(struct bench *b)
{
    buf_clear(&b->out);
    return state_encode(&b->work, 7, &b->out, &b->e);
}

static NOINLINE int do_write(struct bench *b)
{
    int rc = do_decode(b);
    if (!rc)
        rc = do_apply(b);
    if (!rc)
        rc = journey_step(b->policy, &b->work, NOW, &b->once) < 0 ? ERR_NOSPACE : 0;
    if (rc)
        return rc;
    state_prune(&b->work, NOW);
    return do_encode(b);
}

static volatile uint32_t sink;
static NOINLINE int do_checksum(struct bench *b)
{
    buf_clear(&b->out);
    buf_append(&b->out, b->blob.p, b->blob.n);
    sink = state_checksum(2, 1, (struct str){(const char *)b->out.p, b->out.n});
    return 0;
}

struct operation {
    const char *name;
    int (*run)(struct bench *b);
    bool afresh; /* what it works on is decoded before, untimed */
};

static const struct operation operations[] = {
    {"decode", do_decode, false}, {"read", do_read, false},   {"apply", do_apply, true},
    {"encode", do_encode, true},  {"write", do_write, false}, {"checksum", do_checksum, false},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0], CHECKSUM = OPERATIONS - 1 };

/* ns an operation over a batch. */
static double batch_ns(struct bench *b, const struct operation *o)
{
    int64_t spent_ns = 0;
    if (!o->afresh) {
        int64_t began_ns = clock_mono_ns();
        for (int i = 0; i < BATCH; i++)
            ASSERT(o->run(b) == 0);
        return (double)(clock_mono_ns() - began_ns) / BATCH;
    }
    for (int i = 0; i < BATCH; i++) {
        ASSERT(do_decode(b) == 0);
        if (o->run == do_encode) /* a state that was changed, as it is before every write */
            ASSERT(do_apply(b) == 0);
        int64_t began_ns = clock_mono_ns();
        ASSERT(o->run(b) == 0);
        spent_ns += clock_mono_ns() - began_ns;
    }
    return (double)spent_ns / BATCH;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2];
}

static void measure(struct bench *b, size_t rounds)
{
    static double ns[OPERATIONS][ROUNDS_MAX], clock_ns[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        for (size_t k = 0; k < OPERATIONS; k++)
            ns[k][i] = batch_ns(b, &operations[k]);
        int64_t began_ns = clock_mono_ns();
        for (int k = 0; k < BATCH; k++)
            (void)clock_mono_ns();
        clock_ns[i] = (double)(clock_mono_ns() - began_ns) / BATCH;
    }
    double reference_ns = median(ns[CHECKSUM], rounds), reading_ns = median(clock_ns, rounds);
    for (size_t k = 0; k < CHECKSUM; k++) {
        double spent_ns = median(ns[k], rounds) - (operations[k].afresh ? reading_ns : 0); /* of the clock */
        printf("bench=state what=%s bytes=%zu us=%.3f reference=copy_and_checksum reference_us=%.3f ratio=%.1f\n",
               operations[k].name, b->blob.n, spent_ns / 1000, reference_ns / 1000, spent_ns / reference_ns);
    }
}

/* ---- bytes ---- */

static const char *part_name(const struct bench *b, uint64_t tag, char text[64])
{
    static const char *const names[] = {"attributes", "consents", "contacts",    "event_ids", "coverage",
                                        "since",      "reactions", "preferences", "journey",   "touches",
                                        "lost",       "imports"};
    static const char *const kinds[AGGREGATE_KINDS] = {"count", "sum",  "min",     "max",  "last", "last_at",
                                                       "open",  "keys", "decayed", "mood", "top",  "hours"};
    (void)b;
    if (tag_is_aggregate(tag))
        snprintf(text, 64, "aggregate_%s", kinds[tag_kind(tag) - ENTRY_AGGREGATES]);
    else
        snprintf(text, 64, "%s", tag_kind(tag) < sizeof names / sizeof names[0] ? names[tag_kind(tag)] : "other");
    return text;
}

/* One line a kind of entry: how many there are, and their bytes with tag and length. */
static void bytes_of_parts(const struct bench *b)
{
    struct cursor c = cursor_of(b->blob.p + STATE_HEAD, b->blob.n - STATE_HEAD);
    printf("bench=state part=head entries=1 bytes=%d\n", STATE_HEAD);
    for (unsigned kind = UINT32_MAX, entries = 0, bytes = 0;;) {
        const uint8_t *from = c.p;
        bool over = cursor_left(&c) == 0;
        uint64_t tag = over ? 0 : cursor_varint(&c), n = over ? 0 : cursor_varint(&c);
        if (entries && (over || tag_kind(tag) != kind)) {
            char text[64];
            printf("bench=state part=%s entries=%u bytes=%u\n", part_name(b, state_tag(kind, 1), text), entries, bytes);
            entries = bytes = 0;
        }
        if (over)
            return;
        (void)cursor_bytes(&c, (size_t)n);
        kind = tag_kind(tag);
        entries++;
        bytes += (unsigned)(c.p - from);
    }
}

/* ---- main ---- */

static int run(const char *folder, const char *only, int64_t rounds, int64_t count)
{
    static struct bench b;
    struct tzdb *zones = NULL;
    struct arena findings;
    struct diags diags;
    arena_init(&findings, 1 << 20);
    arena_init(&b.arena, 64 << 20);
    arena_init(&b.once, 64 << 20);
    buf_init(&b.blob, STATE_BLOB_MAX);
    buf_init(&b.out, STATE_BLOB_MAX);
    diags_init(&diags, &findings);
    int rc = tzdb_load(&zones, NULL, &b.e);
    struct policy *p = rc ? NULL : policy_load(folder, zones, &diags);
    struct names *names = names_new();
    diags_print(&diags, stderr);
    if (!p || policy_bind_interning(p, names, &b.e) || (b.policy = p, typical(&b))) {
        fprintf(stderr, "bench_state: %s\n", b.e.text);
        return EXIT_FAILED;
    }
    if (!only) {
        bytes_of_parts(&b);
        measure(&b, (size_t)rounds);
    }
    for (size_t k = 0; only && k < OPERATIONS; k++)
        for (int64_t i = 0; strcmp(operations[k].name, only) == 0 && i < count; i++) {
            if (operations[k].afresh && (do_decode(&b) || (operations[k].run == do_encode && do_apply(&b))))
                return EXIT_FAILED;
            if (operations[k].run(&b))
                return EXIT_FAILED;
        }
    policy_free(&p);
    names_free(&names);
    tzdb_free(&zones);
    buf_free(&b.blob);
    buf_free(&b.out);
    arena_free(&b.arena);
    arena_free(&b.once);
    arena_free(&findings);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    const char *policy = NULL, *only = NULL;
    int64_t rounds = 201, count = 1000;
    int args;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "whose typical customer it is", .text = &policy},
        {.name = "rounds", .value = "N", .help = "measurements a figure; 201", .number = &rounds, .low = 3, .high = ROUNDS_MAX},
        {.name = "only", .value = "WHAT", .help = "decode, read, apply, encode or write, untimed", .text = &only},
        {.name = "count", .value = "N", .help = "how often; 1000", .number = &count, .low = 1, .high = 10000000},
        {0}};
    const struct command c = {.name = "bench_state", .brief = "what a customer's state costs", .arguments = "", .details = ""};
    int rc = options_parse(&c, defs, argc, argv, NULL, 0, 0, &args);
    if (rc >= 0)
        return rc;
    if (!policy) {
        fprintf(stderr, "bench_state: --policy is needed\n");
        return EXIT_USAGE;
    }
    return run(policy, only, rounds, count);
}
