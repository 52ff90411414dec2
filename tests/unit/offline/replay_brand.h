/* For the tests of replay: a brand with two versions of its policy and a model, a log as a server writes it with the archive
 * beside it, and what replaying that log told.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_OFFLINE_REPLAY_BRAND_H
#define TESTS_OFFLINE_REPLAY_BRAND_H
#include "decide/apply.h"
#include "offline_files.h"
#include "base/rng.h"
#include "decide/decision_wire.h"
#include "decide/request_wire.h"
#include "log/archive.h"
#include "log/log.h"
#include "models/binding.h"
#include "models/bundle_write.h"
#include "models/offline/message_diff.h"
#include "models/offline/replay.h"
#include "models/trainer.h"
#include "state/codec.h"
#include "tact/v1/log.pb-c.h"
#include <math.h>

static const int64_t noon_ms = INT64_C(1736942400000); /* 2025-01-15T12:00Z */

/* A brand with two versions of its policy and a model, a log with an archive, and what replay told of it. */
struct brand {
    char *log;
    struct tzdb *zones;
    struct names *names;
    struct policy *policies[2];
    struct bundle *bundle;
    struct binding *bindings[2];
    char world[ID128_TEXT];
    struct log_writer *writer;
    struct rng rng;
};

static const char policy_text[] =
    "brand: {name: Test, time_zone: Asia/Tehran, locales: [fa, en], week_start: saturday}\n"
    "profile: {first_name: string, tier: {type: string, values: [basic, gold]}}\n"
    "signals:\n"
    "  cart_add: {properties: {sku: string, price: number}}\n"
    "  support_contact: {properties: {case: string}}\n"
    "  support_resolved: {properties: {case: string}}\n"
    "channels:\n"
    "  email: {direction: outbound, cost: 0.004, quiet_hours: {from: \"21:00\", to: \"08:00\"}, content: "
    "[subject]}\n"
    "  web: {direction: inbound, content: [title]}\n"
    "features:\n"
    "  cart_value_24h: {sum: cart_add.price, window: 24h}\n"
    "  support_open: {open: [support_contact.case, support_resolved.case], window: 90d}\n"
    "actions:\n"
    "  - id: cart_reminder\n"
    "    issue: conversion\n"
    "    group: cart\n"
    "    purpose: promotional\n"
    "    value: %s\n"
    "    applicability: \"cart_value_24h > 0.0\"\n"
    "    features: {discount: 0.1, category: cart}\n"
    "    treatments:\n"
    "      - {channel: email, locale: en, subject: \"{{profile.first_name | default: You}}, "
    "{{cart_value_24h}}\"}\n"
    "      - {channel: web, title: Cart}\n"
    "  - id: news\n"
    "    issue: growth\n"
    "    group: news\n"
    "    purpose: promotional\n"
    "    value: 1\n"
    "    features: {discount: 0.0, category: news}\n"
    "    treatments: [{channel: email, subject: News}, {channel: web, title: News}]\n"
    "suppressions:\n"
    "  - {id: open_case, when: \"support_open > 0\", block: {purpose: promotional}}\n";

struct archived {
    struct archive_file files[16];
    size_t count;
};

static inline void archived_file(void *ctx, const char *name, struct str bytes)
{
    struct archived *a = ctx;
    assert_true(a->count < sizeof a->files / sizeof *a->files);
    a->files[a->count++] = (struct archive_file){name, bytes};
}

/* Beside the log, as a server puts it. */
static inline void archive_policy(const struct brand *b, const struct policy *p)
{
    struct archived a = {0};
    struct error e = {0};
    for (size_t i = 0; i < p->file_count; i++)
        archived_file(&a, p->files[i].name, p->files[i].text);
    if (archive_put(b->log, "policy", p->id, a.files, a.count, &e))
        fail_msg("%s", e.text);
}

static inline void archive_bundle(const struct brand *b)
{
    struct archived a = {0};
    struct error e = {0};
    char id[ID128_TEXT];
    id128_text(bundle_id(b->bundle), id);
    bundle_each_file(b->bundle, archived_file, &a);
    if (archive_put(b->log, "model", id, a.files, a.count, &e))
        fail_msg("%s", e.text);
}

static inline struct policy *make_policy(struct brand *b, const char *folder, const char *value)
{
    struct error e = {0};
    char path[4096], text[sizeof policy_text + 64];
    snprintf(path, sizeof path, "%s/%s", b->log, folder);
    snprintf(text, sizeof text, policy_text, value);
    write_text_file(path, "policy.yaml", text);
    struct policy *p = load_policy(path, b->zones);
    if (policy_bind_interning(p, b->names, &e))
        fail_msg("%s", e.text);
    archive_policy(b, p);
    return p;
}

static inline void make_model(struct brand *b)
{
    enum { ROWS = 120, COLUMNS = 3 };
    static struct str kinds[] = {STR("cart"), STR("news")};
    struct bundle_feature features[COLUMNS] = {
        {.name = STR("cart_value_24h"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER},
        {.name = STR("discount"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER},
        {.name = STR("category"),
         .from = BUNDLE_ACTION,
         .type = BUNDLE_CATEGORY,
         .categories = kinds,
         .category_count = 2}};
    float rows[ROWS * COLUMNS], labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        rows[i * COLUMNS] = (float)(i % 40);
        rows[i * COLUMNS + 1] = (float)(i % 3) * 0.1f;
        rows[i * COLUMNS + 2] = (float)(i % 2);
        labels[i] = i % 40 > 15 && i % 2 == 0;
    }
    struct error e = {0};
    struct buf model;
    buf_init(&model, 4 << 20);
    const char *names[COLUMNS] = {"cart_value_24h", "discount", "category"};
    const bool categorical[COLUMNS] = {false, false, true};
    struct trainer_data data = {.rows = rows,
                                .labels = labels,
                                .n = ROWS,
                                .features = COLUMNS,
                                .names = names,
                                .categorical = categorical};
    struct bundle_arm arm = {0};
    struct bundle_spec spec = {.name = STR("test"),
                               .version = STR("1"),
                               .objective = STR("binary:logistic"),
                               .label = STR("responded"),
                               .arms = &arm,
                               .arm_count = 1,
                               .training_rows = -1,
                               .training_seed = -1,
                               .features = features,
                               .feature_count = COLUMNS};
    char path[4096];
    snprintf(path, sizeof path, "%s/bundle", b->log);
    struct str bytes;
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    if (trainer_fit(&data, NULL, 0, 8, 1, &model, &e))
        fail_msg("%s", e.text);
    bytes = (struct str){(const char *)model.p, model.n};
    if (bundle_write(path, &spec, &bytes, rows, NULL, 10, &e) || bundle_load(&b->bundle, path, &diags, &e))
        fail_msg("%s", e.text);
    archive_bundle(b);
    for (int i = 0; i < 2; i++)
        assert_non_null(b->bindings[i] = binding_new(b->bundle, b->policies[i], &diags));
    arena_free(&arena);
    buf_free(&model);
}

static inline void put_world(struct brand *b)
{
    struct error e = {0};
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    tzdb_bytes(b->zones, &bytes);
    struct archive_file file = {ARCHIVE_WORLD_FILE, {(const char *)bytes.p, bytes.n}};
    id128_text(tzdb_id(b->zones), b->world);
    if (archive_put(b->log, "world", b->world, &file, 1, &e))
        fail_msg("%s", e.text);
    buf_free(&bytes);
}

static inline void open_writer(struct brand *b)
{
    struct error e = {0};
    struct log_options o = {.folder = b->log, .server = "s1"};
    if (log_open(&b->writer, &o, &e))
        fail_msg("%s", e.text);
}

static inline int setup(void **state)
{
    struct brand *b = calloc(1, sizeof *b);
    b->log = strdup("/tmp/tact_replay_XXXXXX");
    assert_non_null(mkdtemp(b->log));
    b->zones = load_zones();
    b->names = names_new();
    rng_seed(&b->rng, 5);
    b->policies[0] = make_policy(b, "one", "3.5");
    b->policies[1] = make_policy(b, "two", "0.5");
    make_model(b);
    put_world(b);
    open_writer(b);
    *state = b;
    return 0;
}

static inline int teardown(void **state)
{
    struct brand *b = *state;
    if (b->writer)
        log_close(&b->writer);
    for (int i = 0; i < 2; i++) {
        binding_free(&b->bindings[i]);
        policy_free(&b->policies[i]);
    }
    bundle_free(&b->bundle);
    names_free(&b->names);
    tzdb_free(&b->zones);
    remove_all(b->log);
    free(b->log);
    free(b);
    return 0;
}

/* ---- writing as a server does ---- */

static inline void append(struct brand *b, Tact__V1__LogRecord *m)
{
    m->written_ms = noon_ms;
    m->server = "s1";
    size_t n = tact__v1__log_record__get_packed_size(m);
    uint8_t *bytes = malloc(n);
    tact__v1__log_record__pack(m, bytes);
    assert_int_equal(log_append(b->writer, (struct str){(const char *)bytes, n}, NULL, NULL), 0);
    free(bytes);
}

/* The dictionary, ids `first` and above, by `shift` too high. */
static inline void log_names_from(struct brand *b, uint32_t first, uint32_t shift)
{
    Tact__V1__LogRecord head = TACT__V1__LOG_RECORD__INIT;
    Tact__V1__NamesRecord m = TACT__V1__NAMES_RECORD__INIT;
    uint32_t highest = names_highest(b->names);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    m.names = arena_alloc(&arena, highest * sizeof *m.names);
    for (uint32_t id = first; id <= highest; id++) {
        Tact__V1__NamesRecord__Name *name = m.names[m.n_names++] = arena_alloc(&arena, sizeof *name);
        tact__v1__names_record__name__init(name);
        name->id = id + shift;
        name->name = (char *)(uintptr_t)arena_str(&arena, names_text(b->names, id)).p;
    }
    head.record_case = TACT__V1__LOG_RECORD__RECORD_NAMES;
    head.names = &m;
    append(b, &head);
    arena_free(&arena);
}

static inline void log_names(struct brand *b)
{
    log_names_from(b, 1, 0);
}

struct wanted {
    int policy; /* 0 or 1 */
    bool model;
    bool unreadable;
    const char *engine; /* NULL: ours */
    bool explain;
    const char *channel;
    double cart;      /* in the prior state; 0: none */
    bool case_signal; /* the request carries a support contact */
    /* Changes the recorded bytes before they are logged; may be NULL. */
    void (*spoil)(uint8_t *bytes, size_t *n);
};

/* The blob of a customer with something in the cart and a first name. */
static inline struct str prior_state(struct brand *b, const struct wanted *w, struct arena *arena,
                                     struct buf *blob)
{
    struct error e = {0};
    struct state s;
    const struct policy *p = b->policies[w->policy];
    if (w->cart <= 0)
        return (struct str){0};
    assert_int_equal(state_decode(&s, &p->schema, (struct str){0}, arena, &e), 0);
    struct value values[] = {value_string(STR("sku1")), value_double(w->cart)};
    struct signal added = {.index = (uint32_t)schema_signal_find(&p->schema, STR("cart_add")),
                           .event = rng_u64(&b->rng),
                           .time_ms = noon_ms - 3600000,
                           .properties = values};
    assert_int_equal(state_apply(&s, &added, noon_ms), 1);
    long name = schema_attribute(&p->schema, STR("first_name"));
    assert_int_equal(state_set_attribute(&s, (size_t)name, value_string(STR("سارا")), noon_ms), 0);
    struct consent consent = {.channel = p->channels[policy_channel_find(p, STR("email"))].word.id,
                              .purpose = p->purposes[PURPOSE_PROMOTIONAL].id,
                              .granted = true,
                              .time_ms = noon_ms};
    assert_int_equal(state_set_consent(&s, &consent), 0);
    assert_int_equal(state_encode(&s, state_version_make(noon_ms, rng_u64(&b->rng)), blob, &e), 0);
    return (struct str){(const char *)blob->p, blob->n};
}

static inline struct str make_request(const struct wanted *w, struct arena *arena)
{
    Tact__V1__DecideRequest m = TACT__V1__DECIDE_REQUEST__INIT;
    Tact__V1__Signal contact = TACT__V1__SIGNAL__INIT, *signals[] = {&contact};
    m.customer_id = "customer-1";
    m.channel = (char *)(uintptr_t)(w->channel ? w->channel : "web");
    m.locale = "en";
    m.explain = w->explain;
    if (w->case_signal) {
        contact.event_id = "e1";
        contact.name = "support_contact";
        m.signals = signals;
        m.n_signals = 1;
    }
    uint8_t *bytes = arena_alloc(arena, tact__v1__decide_request__get_packed_size(&m));
    return (struct str){(const char *)bytes, tact__v1__decide_request__pack(&m, bytes)};
}

static inline struct str decide_now(struct brand *b, const struct wanted *w, struct str request,
                                    struct str blob, uint64_t seed, struct id128 id, struct arena *arena)
{
    struct error e = {0};
    struct state s;
    struct decide_request r;
    struct decision d;
    struct str out = {0};
    const struct policy *p = b->policies[w->policy];
    struct scorer scorer = {.model_id = binding_id(b->bindings[w->policy]), .ctx = b->bindings[w->policy], .score = binding_score};
    Tact__V1__DecideRequest *m =
        tact__v1__decide_request__unpack(NULL, request.n, (const uint8_t *)request.p);
    struct decide_input in = {.policy = p,
                              .scorer = w->model ? &scorer : NULL,
                              .world_id = b->world,
                              .state = &s,
                              .state_unreadable = w->unreadable,
                              .request = &r,
                              .now_ms = noon_ms,
                              .seed = seed,
                              .decision_id = id};
    if (w->unreadable)
        blob = (struct str){0};
    if (request_decide(m, p, noon_ms, arena, &r, &e) || state_decode(&s, &p->schema, blob, arena, &e) ||
        apply_signals(p, &s, r.signals, r.signal_count, noon_ms, &e) < 0 || decide(&in, arena, &d, &e) ||
        decision_encode(&d, arena, &out, &e))
        fail_msg("%s", e.text);
    tact__v1__decide_request__free_unpacked(m, NULL);
    return out;
}

static inline void log_decision(struct brand *b, const struct wanted *w)
{
    struct arena arena;
    struct buf blob;
    struct id128 id;
    uint64_t random[2] = {rng_u64(&b->rng), rng_u64(&b->rng)}, seed = rng_u64(&b->rng);
    arena_init(&arena, 16 << 20);
    buf_init(&blob, STATE_BLOB_MAX);
    memcpy(id.bytes, random, sizeof id.bytes);
    struct str request = make_request(w, &arena), before = prior_state(b, w, &arena, &blob);
    struct str decision = decide_now(b, w, request, before, seed, id, &arena);
    if (w->spoil)
        w->spoil((uint8_t *)(uintptr_t)decision.p, &decision.n);
    Tact__V1__LogRecord head = TACT__V1__LOG_RECORD__INIT;
    Tact__V1__DecisionRecord m = TACT__V1__DECISION_RECORD__INIT;
    m.request = (ProtobufCBinaryData){request.n, (uint8_t *)(uintptr_t)request.p};
    m.state = (ProtobufCBinaryData){before.n, (uint8_t *)(uintptr_t)before.p};
    m.state_unreadable = w->unreadable;
    m.now_ms = noon_ms;
    m.seed = seed;
    m.decision_id = (ProtobufCBinaryData){sizeof id.bytes, id.bytes};
    m.decision = (ProtobufCBinaryData){decision.n, (uint8_t *)(uintptr_t)decision.p};
    m.policy_id = b->policies[w->policy]->id;
    m.model_id = (char *)(uintptr_t)(w->model ? binding_id(b->bindings[0]) : "");
    m.world_id = b->world;
    m.engine_version = (char *)(uintptr_t)(w->engine ? w->engine : ENGINE_VERSION);
    head.record_case = TACT__V1__LOG_RECORD__RECORD_DECISION;
    head.decision = &m;
    append(b, &head);
    buf_free(&blob);
    arena_free(&arena);
}

/* ---- replaying ---- */

enum { TOLD_MAX = 8 };
struct told {
    size_t count;
    struct {
        enum replay_trouble trouble;
        char decision[64], customer[64], file[512], field[DIFF_TEXT_MAX], recorded[DIFF_TEXT_MAX],
            replayed[DIFF_TEXT_MAX], text[1024];
        uint64_t offset;
    } items[TOLD_MAX];
    uint64_t done, total;
};

static inline void on_finding(void *user, const struct replay_finding *f)
{
    struct told *t = user;
    if (t->count < TOLD_MAX) {
        size_t i = t->count;
        t->items[i].trouble = f->trouble;
        t->items[i].offset = f->offset;
        snprintf(t->items[i].decision, 64, "%s", f->decision);
        snprintf(t->items[i].customer, 64, "%.*s", STR_ARG(f->customer));
        snprintf(t->items[i].file, 512, "%s", f->file);
        snprintf(t->items[i].field, DIFF_TEXT_MAX, "%s", f->field);
        snprintf(t->items[i].recorded, DIFF_TEXT_MAX, "%s", f->recorded);
        snprintf(t->items[i].replayed, DIFF_TEXT_MAX, "%s", f->replayed);
        snprintf(t->items[i].text, 1024, "%s", f->text);
    }
    t->count++;
}

static inline void on_progress(void *user, uint64_t done, uint64_t total)
{
    struct told *t = user;
    assert_true(done >= t->done && done <= total);
    t->done = done;
    t->total = total;
}

/* Closes the log and replays it. */
static inline struct replay_counts replay(struct brand *b, struct told *t)
{
    struct error e = {0};
    struct replay_counts counts;
    *t = (struct told){0};
    if (b->writer)
        log_close(&b->writer);
    struct replay_options o = {.log = b->log, .finding = on_finding, .progress = on_progress, .user = t};
    if (replay_verify(&o, &counts, &e))
        fail_msg("%s", e.text);
    assert_int_equal(counts.decisions, counts.identical + counts.differing + counts.skipped + counts.failed);
    assert_int_equal(t->done, t->total);
    return counts;
}

#endif
