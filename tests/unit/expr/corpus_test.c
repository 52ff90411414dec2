/* Runs the fuzz target over its corpus, so that what fuzzing found once stays found without clang.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/expr_fuzz.c"
#include "fuzz/corpus.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void replays_the_corpus(void **state)
{
    (void)state;
    assert_true(corpus_replay("tests/fuzz/corpus/expr") >= 12);
    tzdb_free(&zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replays_the_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
