/* The fixed schema with one empty state over it, made anew for each test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_STATE_CONTEXT_H
#define TESTS_STATE_CONTEXT_H
#include "fixture.h"
#include <math.h>

struct context {
    struct arena arena, schemas;
    struct schema schema;
    struct names *names;
    struct state s;
};

static int setup(void **state)
{
    struct context *t = calloc(1, sizeof *t);
    arena_init(&t->arena, 64 << 20);
    arena_init(&t->schemas, 64 << 20);
    make_schema(&t->schema, &t->schemas, EVERY_ATTRIBUTE, EVERY_AGGREGATE, 0);
    t->names = names_new();
    bind_schema(&t->schema, t->names);
    empty_state(&t->s, &t->schema, &t->arena);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct context *t = *state;
    arena_free(&t->arena);
    arena_free(&t->schemas);
    names_free(&t->names);
    free(t);
    return 0;
}

/* Written and read again. */
static inline void through_the_store(struct context *t, struct state *s, const struct schema *schema)
{
    struct error e;
    assert_int_equal(state_decode(s, schema, blob_of(s, 1, &t->arena), &t->arena, &e), 0);
}

/* Decayed values to 1e-9, all others the same. */
static inline void close_to(struct value a, struct value b)
{
    assert_int_equal(a.type, b.type);
    if (a.type == VALUE_DOUBLE)
        assert_true(fabs(a.number - b.number) <= 1e-9 * (fabs(a.number) > 1 ? fabs(a.number) : 1));
    else if (a.type == VALUE_STRING)
        assert_true(str_eq(value_str(a), value_str(b)));
    else if (a.type != VALUE_UNKNOWN)
        assert_true(value_same(a, b));
}

#endif
