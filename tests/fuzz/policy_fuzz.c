/* Any bytes as the only file of a policy: no crash, bounded memory, a policy or at least one finding, and every finding
 * inside the file. What loads is bound, and its own tests, if it has some, are run through the decision function.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/policy_run.h"

enum { MEMORY_MAX = 64 << 20, TESTS_MAX = 20, TEST_MEMORY = 16 << 20 };

static struct tzdb *zones;
static struct arena arena, work;

static void run(struct policy *p)
{
    struct names *names = names_new();
    struct error e = {0};
    if (policy_bind_interning(p, names, &e) == 0)
        for (size_t i = 0; i < p->test_count && i < TESTS_MAX; i++) {
            struct str why = {0};
            arena_reset(&work);
            bool good = policy_run_test(p, &p->tests[i], NULL, &work, &why);
            ASSERT(good || why.n > 0 || work.used > TEST_MEMORY / 2);
        }
    names_free(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags d;
    struct error e;
    if (!zones) {
        ASSERT(tzdb_load(&zones, NULL, &e) == 0);
        arena_init(&arena, 16 << 20);
        arena_init(&work, TEST_MEMORY);
    }
    arena_reset(&arena);
    diags_init(&d, &arena);
    const struct policy_text file = {"f.yaml", {(const char *)data, size}};
    struct policy *p = policy_load_texts("fuzz", &file, 1, zones, MEMORY_MAX, &d);
    ASSERT(p ? d.errors == 0 : d.errors > 0);
    for (size_t i = 0; i < d.count; i++)
        ASSERT(d.items[i].text[0] && d.items[i].line >= 0 && d.items[i].line <= (int)size + 1);
    if (p)
        run(p);
    policy_free(&p);
    return 0;
}
