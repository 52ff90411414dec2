/* The fixed schema with one empty state over it, made anew for each test.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_STATE_CONTEXT_H
#define TESTS_STATE_CONTEXT_H
#include "fixture.h"

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

#endif
