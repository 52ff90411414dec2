/* A process that writes bundles is killed at any moment: what has the wanted name is a whole bundle; what else is left has
 * another name (the wanted one, a dot and six characters).
 * SPDX-License-Identifier: Apache-2.0 */
#include "bundle_folder.h"
#include "base/clock.h"
#include "base/rng.h"
#include "unit/models/tiny_model.h"
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 24, ARMS = 3, GOLDEN = 2 };

static struct bundle_feature feature = {.name = STR("spend"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER};

static void write_one(const char *out)
{
    const float rows[GOLDEN] = {1, 9};
    struct bundle_arm arms[ARMS] = {{.arm = STR("silence")}, {.arm = STR("mens")}, {.arm = STR("womens")}};
    struct bundle_spec spec = {.name = STR("x"),
                               .version = STR("1"),
                               .kind = BUNDLE_T_LEARNER,
                               .objective = STR("binary:logistic"),
                               .label = STR("visit"),
                               .arms = arms,
                               .arm_count = ARMS,
                               .training_rows = -1,
                               .training_seed = -1,
                               .features = &feature,
                               .feature_count = 1};
    struct buf bytes[ARMS];
    struct str models[ARMS];
    struct error e = {0};
    for (int i = 0; i < ARMS; i++) {
        const struct stump stump = {0, 5, (float)i, 2, true};
        buf_init(&bytes[i], 1 << 16);
        tiny_model(&bytes[i], "binary:logistic", "5E-1", 1, &stump, 1);
        models[i] = (struct str){(const char *)bytes[i].p, bytes[i].n};
    }
    if (bundle_write(out, &spec, models, rows, NULL, GOLDEN, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < ARMS; i++)
        buf_free(&bytes[i]);
}

/* Starts a child that writes one bundle, kills it after_ns later, whatever it is at; never when negative. The parent does
 * not touch libxgboost before, whose threads a child would not have. How long the child lived. */
static int64_t write_in_child(const char *name, int64_t after_ns)
{
    char out[80], byte = 0;
    int started[2], status;
    snprintf(out, sizeof out, "%s/%s", top, name);
    assert_int_equal(pipe(started), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (write(started[1], &byte, 1) == 1)
            write_one(out);
        _exit(0);
    }
    assert_int_equal(read(started[0], &byte, 1), 1);
    int64_t start = clock_mono_ns();
    while (after_ns >= 0 && clock_mono_ns() < start + after_ns)
        ;
    if (after_ns >= 0)
        assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(after_ns >= 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    close(started[0]);
    close(started[1]);
    return clock_mono_ns() - start;
}

static void a_killed_writer_leaves_no_half_bundle(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 8);
    char name[16];
    int64_t takes_ns = write_in_child("whole", -1);
    for (int i = 0; i < KILLS; i++) {
        snprintf(name, sizeof name, "k%d", i);
        write_in_child(name, (int64_t)rng_below(&rng, (uint64_t)takes_ns * 3 / 2));
    }
    DIR *dir = opendir(top);
    assert_non_null(dir);
    int whole = 0, left = 0;
    arena_init(&arena, 64 << 20);
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.')
            continue;
        const char *dot = strchr(d->d_name, '.');
        if (dot) {
            assert_int_equal(strlen(dot), 7);
            left++;
            continue;
        }
        arena_reset(&arena);
        snprintf(folder, sizeof folder, "%s/%.20s", top, d->d_name);
        struct bundle *b = must_load();
        assert_int_equal(bundle_spec(b)->arm_count, ARMS);
        bundle_free(&b);
        whole++;
    }
    closedir(dir);
    arena_free(&arena);
    assert_true(whole >= 1 && whole + left <= KILLS + 1);
    print_message("%d kills: %d whole bundles, %d folders of other names\n", KILLS, whole - 1, left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_writer_leaves_no_half_bundle)};
    return cmocka_run_group_tests(tests, bundle_top_make, bundle_top_remove);
}
