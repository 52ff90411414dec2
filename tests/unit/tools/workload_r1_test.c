/* Workload R1: the same bytes every time, all that DESIGN section 12 asks for, states of about 1,000 bytes, a bundle
 * that proves itself, and how many actions reach the scorer in each variant.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/buf.h"
#include "decide/decision_wire.h"
#include "decide/request_wire.h"
#include "models/binding.h"
#include "models/offline/r1.h"
#include "models/offline/r1_features.h"
#include "models/offline/r1_model.h"
#include "net/proto_check.h"
#include "state/codec.h"
#include "tools/workload.h"
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CUSTOMERS = 2000, REQUESTS = 2000, MEMORY = 512 << 20 };

static char folder[] = "/tmp/tact_r1_XXXXXX";
static struct tzdb *zones;
static struct names *names;
static struct policy *policy;
static struct arena memory;
static struct workload_customers *customers;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

static void write_workload(const char *name, bool filtered, bool uniform, uint64_t seed, uint32_t count,
                           bool requests_only)
{
    char path[256];
    struct error e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct r1_options o = {.out = path,
                           .customers = count,
                           .requests = REQUESTS,
                           .seed = seed,
                           .filtered = filtered,
                           .uniform = uniform,
                           .requests_only = requests_only};
    if (r1_write(&o, &e))
        fail_msg("%s", e.text);
}

static void read_calls(struct workload_calls *calls, const char *name)
{
    char path[256];
    struct error e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (workload_read(calls, path, NULL, &memory, &e))
        fail_msg("%s", e.text);
}

/* The hash of a file, and its size. */
static uint64_t hash_file(const char *name, size_t *size)
{
    char path[256];
    struct buf b;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_init(&b, 64 << 20);
    for (size_t n = 1; n;) {
        uint8_t *room = buf_reserve(&b, 65536);
        assert_non_null(room);
        n = fread(room, 1, 65536, f);
        b.n += n;
    }
    fclose(f);
    uint64_t hash = hash64(b.p, b.n);
    *size = b.n;
    buf_free(&b);
    return hash;
}

static int open_all(void **state)
{
    (void)state;
    struct error e = {0};
    struct diags diags;
    char path[256];
    if (!mkdtemp(folder) || tzdb_load(&zones, NULL, &e))
        return -1;
    arena_init(&memory, MEMORY);
    diags_init(&diags, &memory);
    names = names_new();
    write_workload("full", false, false, 7, CUSTOMERS, false);
    snprintf(path, sizeof path, "%s/full/policy", folder);
    policy = policy_load(path, zones, &diags);
    diags_print(&diags, stderr);
    if (!policy || diags.warnings || policy_bind_interning(policy, names, &e))
        return -1;
    struct workload_calls calls;
    read_calls(&calls, "full/customers.jsonl");
    int rc = workload_customers_make(&customers, policy, &calls, &memory, &e);
    workload_calls_free(&calls);
    return rc;
}

static int close_all(void **state)
{
    (void)state;
    workload_customers_free(&customers);
    policy_free(&policy);
    names_free(&names);
    tzdb_free(&zones);
    arena_free(&memory);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_same_bytes(void **state)
{
    (void)state;
    static const char *const files[] = {"customers.jsonl",   "requests.jsonl",      "policy/customer.yaml",
                                        "policy/rules.yaml", "policy/actions.yaml", "bundle/bundle.yaml",
                                        "bundle/model.json", "bundle/golden.csv"};
    write_workload("again", false, false, 7, CUSTOMERS, false);
    write_workload("other", false, false, 8, CUSTOMERS, false);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[128];
        size_t size[3];
        uint64_t hash[3];
        static const char *const folders[] = {"full", "again", "other"};
        for (size_t k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s/%s", folders[k], files[i]);
            hash[k] = hash_file(name, &size[k]);
        }
        assert_true(size[0] > 0 && size[0] == size[1] && hash[0] == hash[1]);
        assert_int_equal(hash[0] == hash[2], i >= 2); /* policy and bundle know no seed */
    }
}

/* What it writes on one machine it writes on all: hashes noted when it was made. A change of the workload changes them,
 * and with them every figure that names it. */
static void test_known_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint64_t hash;
    } known[] = {
        {"full/policy/customer.yaml", 0x1847fb5da7f09e03}, {"full/policy/actions.yaml", 0x4a751f8d472dd059},
        {"full/policy/rules.yaml", 0x07c899f98a352954},    {"full/bundle/bundle.yaml", 0xecc3f109ac4d725f},
        {"full/bundle/model.json", 0x83c375988496afc8},    {"full/bundle/golden.csv", 0xa7663be614b8370c},
        {"full/customers.jsonl", 0xfedf9e8d9c38c60e},      {"full/requests.jsonl", 0x260fff6611123237},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t size;
        uint64_t hash = hash_file(known[i].file, &size);
        if (hash != known[i].hash)
            fail_msg("%s has hash 0x%016llx", known[i].file, (unsigned long long)hash);
    }
}

/* More customers: the same ones first. */
static void test_customers_stand_alone(void **state)
{
    (void)state;
    struct workload_calls few, many;
    write_workload("few", false, false, 7, 10, false);
    read_calls(&few, "few/customers.jsonl");
    read_calls(&many, "full/customers.jsonl");
    assert_int_equal(few.customers, 10);
    assert_in_range(few.count, 20 + 1, 70);
    for (size_t i = 0; i < few.count; i++)
        assert_true(str_eq(few.items[i].message, many.items[i].message));
    workload_calls_free(&few);
    workload_calls_free(&many);
}

static void test_policy_is_what_it_should_be(void **state)
{
    (void)state;
    assert_int_equal(policy->action_count, 100);
    assert_int_equal(policy->suppression_count, 12);
    assert_int_equal(policy->limit_count, 8);
    assert_int_equal(policy->feature_count, R1_CUSTOMER_FEATURES + R1_PAIR_FEATURES);
    for (size_t i = 0; i < policy->action_count; i++) {
        const struct policy_action *a = &policy->actions[i];
        for (int k = 0; k < ENGAGEMENT_COUNT; k++)
            assert_int_equal(a->rule_count[k], 1);
        assert_int_equal(a->attribute_count, R1_ACTION_FEATURES);
        assert_int_equal(a->treatment_count, policy->channel_count);
    }
}

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void test_states_have_a_thousand_bytes(void **state)
{
    (void)state;
    size_t sizes[CUSTOMERS], sum = 0;
    assert_int_equal(workload_customers_count(customers), CUSTOMERS);
    for (size_t i = 0; i < CUSTOMERS; i++)
        sum += sizes[i] = workload_customers_blob(customers, i).n;
    qsort(sizes, CUSTOMERS, sizeof *sizes, by_size);
    print_message("state bytes: mean %zu, least %zu, median %zu, p99 %zu, most %zu\n", sum / CUSTOMERS,
                  sizes[0], sizes[CUSTOMERS / 2], sizes[CUSTOMERS * 99 / 100], sizes[CUSTOMERS - 1]);
    assert_in_range(sum / CUSTOMERS, 900, 1050);
    assert_in_range(sizes[0], 300, 1000);
    assert_in_range(sizes[CUSTOMERS - 1], 1000, 2000);
}

/* ---- the model ---- */

static void test_bundle_proves_itself(void **state)
{
    (void)state;
    char path[256];
    struct diags diags;
    struct error e = {0};
    struct bundle *b = NULL;
    diags_init(&diags, &memory);
    snprintf(path, sizeof path, "%s/full/bundle", folder);
    if (bundle_load(&b, path, &diags, &e)) /* scores the golden rows by libxgboost, whose margins are ours */
        fail_msg("%s", e.text);
    const struct bundle_spec *spec = bundle_spec(b);
    assert_int_equal(spec->feature_count, R1_FEATURES);
    assert_int_equal(bundle_golden(b)->n, R1_GOLDEN);
    for (size_t i = 0; i < R1_FEATURES; i++) {
        assert_true(str_is(spec->features[i].name, r1_features[i].name));
        assert_int_equal(spec->features[i].from, i < R1_CUSTOMER_FEATURES ? BUNDLE_CUSTOMER
                                                 : i < R1_CUSTOMER_FEATURES + R1_ACTION_FEATURES
                                                     ? BUNDLE_ACTION
                                                     : BUNDLE_PAIR);
    }
    bundle_free(&b);
}

/* A feature matters when two values of it give two margins, whatever the others are. */
static void test_model_splits_on_all_features(void **state)
{
    (void)state;
    struct r1_model *m = r1_model_new();
    assert_non_null(m);
    for (size_t k = 0; k < R1_FEATURES; k++) {
        float row[R1_FEATURES];
        for (size_t i = 0; i < R1_FEATURES; i++)
            row[i] = 1;
        row[k] = -1e6f;
        float low = r1_model_margin(m, row);
        row[k] = 1e6f;
        assert_true(low < r1_model_margin(m, row) || low > r1_model_margin(m, row));
    }
    r1_model_free(&m);
}

/* ---- decisions ---- */

struct sums {
    size_t requests, scored, least, most, chosen, outbound;
    size_t contacts, contacted,
        capped;       /* in all states; requests that found some; actions that a full limit took */
    double low, high; /* propensities */
};

static void decide_one(const struct workload_call *call, const struct scorer *scorer, struct arena *arena,
                       struct sums *sums)
{
    static const struct proto_limits limits = {8, 1 << 20};
    struct error e = {0};
    struct state s;
    struct decide_request r;
    struct decision d;
    struct str bytes;
    arena_reset(arena);
    ProtobufCMessage *m =
        proto_decode(&tact__v1__decide_request__descriptor, call->message, &limits, arena, &e);
    struct str blob = workload_customers_find(customers, call->customer);
    assert_true(m && blob.n);
    if (request_decide((const Tact__V1__DecideRequest *)m, policy, call->as_of_ms, arena, &r, &e) ||
        state_decode(&s, &policy->schema, blob, arena, &e))
        fail_msg("%s", e.text);
    struct decide_input in = {.policy = policy,
                              .scorer = scorer,
                              .world_id = "",
                              .state = &s,
                              .request = &r,
                              .now_ms = call->as_of_ms,
                              .seed = 1};
    if (decide(&in, arena, &d, &e) || decision_encode(&d, arena, &bytes, &e))
        fail_msg("%s", e.text);
    size_t scored = 0;
    for (size_t i = 0; i < policy->action_count; i++) {
        sums->capped += d.candidates[i].block.kind == BLOCK_LIMIT;
        if (d.candidates[i].stage != STAGE_CHOSEN && d.candidates[i].stage != STAGE_ARBITRATION)
            continue;
        double p = d.candidates[i].factors.propensity;
        assert_int_equal(d.candidates[i].factors.from_model, scorer != NULL);
        sums->low = p < sums->low ? p : sums->low;
        sums->high = p > sums->high ? p : sums->high;
        scored++;
    }
    sums->requests++;
    sums->contacts += s.contact_count;
    sums->contacted += s.contact_count > 0;
    sums->scored += scored;
    sums->least = scored < sums->least ? scored : sums->least;
    sums->most = scored > sums->most ? scored : sums->most;
    sums->chosen += !d.suppressed;
    sums->outbound += policy->channels[r.channel].outbound;
}

static struct sums decide_all(const char *name, const struct scorer *scorer)
{
    struct workload_calls calls;
    struct arena arena;
    struct sums sums = {.least = SIZE_MAX, .low = 1};
    read_calls(&calls, name);
    assert_int_equal(calls.count, REQUESTS);
    arena_init(&arena, 16 << 20);
    for (size_t i = 0; i < calls.count; i++)
        decide_one(&calls.items[i], scorer, &arena, &sums);
    arena_free(&arena);
    workload_calls_free(&calls);
    print_message(
        "%s: %.2f actions scored (%zu to %zu), %zu of %zu with a choice, %zu outbound, %.2f contacts, "
        "%zu actions capped\n",
        name, (double)sums.scored / (double)sums.requests, sums.least, sums.most, sums.chosen, sums.requests,
        sums.outbound, (double)sums.contacts / (double)sums.requests, sums.capped);
    return sums;
}

static void test_full_scores_all(void **state)
{
    (void)state;
    write_workload("uniform", false, true, 7, CUSTOMERS, true);
    static const char *const files[] = {"full/requests.jsonl", "uniform/requests.jsonl"};
    for (int i = 0; i < 2; i++) {
        struct sums s = decide_all(files[i], NULL);
        assert_int_equal(s.least, 100);
        assert_int_equal(s.chosen, s.requests);
        assert_int_equal(s.capped, 0);
        assert_in_range(s.contacted, s.requests * 8 / 10, s.requests);
        assert_in_range(s.outbound, REQUESTS / 5, REQUESTS / 2);
    }
}

static void test_filtered_scores_thirty(void **state)
{
    (void)state;
    write_workload("filtered", true, false, 7, CUSTOMERS, true);
    write_workload("filtered_uniform", true, true, 7, CUSTOMERS, true);
    static const char *const files[] = {"filtered/requests.jsonl", "filtered_uniform/requests.jsonl"};
    for (int i = 0; i < 2; i++) {
        struct sums s = decide_all(files[i], NULL);
        assert_in_range(s.scored, 28 * s.requests, 32 * s.requests);
        assert_true(s.most < 100);
        assert_in_range(s.chosen, s.requests * 9 / 10, s.requests);
        assert_in_range(s.contacts, s.requests, 3 * s.requests);
        assert_in_range(s.capped, 1, s.requests); /* those in trouble */
    }
}

/* Every propensity of the model lies between 1% and 30%, and both ends come near. */
static void test_propensities(void **state)
{
    (void)state;
    char path[256];
    struct diags diags;
    struct error e = {0};
    struct bundle *bundle = NULL;
    diags_init(&diags, &memory);
    snprintf(path, sizeof path, "%s/full/bundle", folder);
    if (bundle_load(&bundle, path, &diags, &e))
        fail_msg("%s", e.text);
    struct binding *binding = binding_new(bundle, policy, &diags);
    diags_print(&diags, stderr);
    assert_non_null(binding);
    const struct scorer scorer = {.model_id = binding_id(binding), .ctx = binding, .score = binding_score};
    struct sums s = decide_all("full/requests.jsonl", &scorer);
    print_message("propensities from %.4f to %.4f\n", s.low, s.high);
    assert_true(s.low >= 0.01 && s.low < 0.03 && s.high <= 0.3 && s.high > 0.15);
    assert_int_equal(s.chosen, s.requests);
    binding_free(&binding);
    bundle_free(&bundle);
}

/* The rank of the most asked for of n customers has share 1 / sum of k^-0.99, computed here with libm. */
static void test_popularity(void **state)
{
    (void)state;
    struct workload_calls calls;
    double sum = 0;
    size_t most = 0;
    static size_t counts[CUSTOMERS];
    for (int k = 1; k <= CUSTOMERS; k++)
        sum += pow(k, -0.99);
    write_workload("filtered", true, false, 7, CUSTOMERS, true);
    read_calls(&calls, "filtered/requests.jsonl");
    for (size_t i = 0; i < calls.count; i++) {
        size_t *n = &counts[strtoul(calls.items[i].customer.p + 1, NULL, 10)];
        most = ++*n > most ? *n : most;
    }
    double expected = REQUESTS / sum; /* standard deviation about 15 */
    assert_true(fabs((double)most - expected) < 60);
    workload_calls_free(&calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_customers_stand_alone),
        cmocka_unit_test(test_policy_is_what_it_should_be),
        cmocka_unit_test(test_states_have_a_thousand_bytes),
        cmocka_unit_test(test_bundle_proves_itself),
        cmocka_unit_test(test_model_splits_on_all_features),
        cmocka_unit_test(test_full_scores_all),
        cmocka_unit_test(test_filtered_scores_thirty),
        cmocka_unit_test(test_propensities),
        cmocka_unit_test(test_popularity),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
