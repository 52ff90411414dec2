/* Replay over logs that the test makes as a server does: names, decisions, an archive with policies, a model and a world;
 * then with a flipped byte, another policy in the middle, a missing or changed archive, damage.
 * SPDX-License-Identifier: Apache-2.0 */
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

static struct policy *make_policy(struct brand *b, const char *folder, const char *value)
{
    struct error e = {0};
    char path[4096], text[sizeof policy_text + 64];
    snprintf(path, sizeof path, "%s/%s", b->log, folder);
    snprintf(text, sizeof text, policy_text, value);
    write_text_file(path, "policy.yaml", text);
    struct policy *p = load_policy(path, b->zones);
    if (policy_bind_interning(p, b->names, &e) || archive_put_folder(b->log, "policy", p->id, path, &e))
        fail_msg("%s", e.text);
    return p;
}

static void make_model(struct brand *b)
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
    char path[4096], id[ID128_TEXT];
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
    id128_text(bundle_id(b->bundle), id);
    if (archive_put_folder(b->log, "model", id, path, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < 2; i++)
        assert_non_null(b->bindings[i] = binding_new(b->bundle, b->policies[i], &diags));
    arena_free(&arena);
    buf_free(&model);
}

static void put_world(struct brand *b)
{
    struct error e = {0};
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    tzdb_bytes(b->zones, &bytes);
    struct archive_file file = {REPLAY_WORLD_FILE, {(const char *)bytes.p, bytes.n}};
    id128_text(tzdb_id(b->zones), b->world);
    if (archive_put(b->log, "world", b->world, &file, 1, &e))
        fail_msg("%s", e.text);
    buf_free(&bytes);
}

static void open_writer(struct brand *b)
{
    struct error e = {0};
    struct log_options o = {.folder = b->log, .server = "s1"};
    if (log_open(&b->writer, &o, &e))
        fail_msg("%s", e.text);
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void append(struct brand *b, Tact__V1__LogRecord *m)
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
static void log_names_from(struct brand *b, uint32_t first, uint32_t shift)
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

static void log_names(struct brand *b)
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
static struct str prior_state(struct brand *b, const struct wanted *w, struct arena *arena, struct buf *blob)
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
    assert_int_equal(state_set_attribute(&s, (size_t)name, value_string(STR("سارا"))), 0);
    struct consent consent = {.channel = p->channels[policy_channel_find(p, STR("email"))].word.id,
                              .purpose = p->purposes[PURPOSE_PROMOTIONAL].id,
                              .granted = true,
                              .time_ms = noon_ms};
    assert_int_equal(state_set_consent(&s, &consent), 0);
    assert_int_equal(state_encode(&s, state_version_make(noon_ms, rng_u64(&b->rng)), blob, &e), 0);
    return (struct str){(const char *)blob->p, blob->n};
}

static struct str make_request(const struct wanted *w, struct arena *arena)
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

static struct str decide_now(struct brand *b, const struct wanted *w, struct str request, struct str blob,
                             uint64_t seed, struct id128 id, struct arena *arena)
{
    struct error e = {0};
    struct state s;
    struct decide_request r;
    struct decision d;
    struct str out = {0};
    const struct policy *p = b->policies[w->policy];
    struct scorer scorer = {binding_id(b->bindings[w->policy]), b->bindings[w->policy], binding_score};
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
        decide_apply_signals(&s, &r, noon_ms) < 0 || decide(&in, arena, &d, &e) ||
        decision_encode(&d, arena, &out, &e))
        fail_msg("%s", e.text);
    tact__v1__decide_request__free_unpacked(m, NULL);
    return out;
}

static void log_decision(struct brand *b, const struct wanted *w)
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

static void on_finding(void *user, const struct replay_finding *f)
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

static void on_progress(void *user, uint64_t done, uint64_t total)
{
    struct told *t = user;
    assert_true(done >= t->done && done <= total);
    t->done = done;
    t->total = total;
}

/* Closes the log and replays it. */
static struct replay_counts replay(struct brand *b, struct told *t)
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
    archived(b, "world", b->world, REPLAY_WORLD_FILE, path);
    assert_int_equal(unlink(path), 0);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.failed, 5);
    assert_int_equal(t.count, 2); /* one for each policy and model */
    assert_non_null(strstr(t.items[0].text, REPLAY_WORLD_FILE));
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
    /* A record of a kind that only a later version knows (field 100) is passed over. */
    assert_int_equal(log_append(b->writer, STR("\xA2\x06\x01x"), NULL, NULL), 0);
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
