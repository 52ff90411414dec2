/* The node table: hash-consing, slots, constants, names, evidence.
 *
 * Two sub-expressions share a node when their trees are the same, operand for operand: `a && b` and `b && a`
 * do not share (their evaluation order, and so the first error, differs), but the `a` and the `b` in them do.
 * Constants are the same when they are the same bit for bit.
 *
 * All arrays live in the caller's arena and grow by doubling; the outgrown copies stay there until the arena
 * is reset, so pointers handed out earlier keep pointing at what they pointed at.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/program.h"
#include "base/hash.h"
#include <stdlib.h>

enum { FIRST_NODES = 64, FIRST_TABLE = 256 };

struct expr_program *expr_program_new(struct arena *arena)
{
    struct expr_program *p = arena_zalloc(arena, sizeof *p);
    if (!p)
        return NULL;
    p->arena = arena;
    p->table = arena_alloc(arena, FIRST_TABLE * sizeof *p->table);
    if (!p->table)
        return NULL;
    p->table_size = FIRST_TABLE;
    memset(p->table, 0xff, FIRST_TABLE * sizeof *p->table);
    return p;
}

/* Room for one more at the end of an array of the program. False when the arena is full. */
static bool grow(struct arena *arena, void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t wider = *capacity ? *capacity * 2 : FIRST_NODES;
    if (wider > UINT32_MAX / 4)
        return false;
    void *fresh = arena_zalloc(arena, wider * size), *old;
    memcpy(&old, array, sizeof old);
    if (!fresh)
        return false;
    if (count)
        memcpy(fresh, old, count * size);
    memcpy(array, &fresh, sizeof fresh);
    *capacity = wider;
    return true;
}
#define GROW(p, what)                                                                                        \
    grow((p)->arena, &(p)->what##s, (p)->what##_count, &(p)->what##_capacity, sizeof *(p)->what##s)

uint32_t expr_slot_add(struct expr_program *p, const struct expr_slot *slot)
{
    if (!GROW(p, slot))
        return EXPR_NONE;
    p->slots[p->slot_count] = *slot;
    return p->slot_count++;
}

size_t expr_slot_count(const struct expr_program *p)
{
    return p->slot_count;
}

const struct expr_slot *expr_slot_at(const struct expr_program *p, uint32_t slot)
{
    ASSERT(slot < p->slot_count);
    return &p->slots[slot];
}

size_t expr_node_count(const struct expr_program *p)
{
    return p->node_count;
}

/* ---- adding nodes ---- */

static uint32_t mix(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

static uint32_t hash_value(struct value v)
{
    uint64_t h = (uint64_t)v.type * 31 + v.detail;
    switch (v.type) {
    case VALUE_NULL:
    case VALUE_UNKNOWN:
        return mix(hash64(&h, sizeof h));
    case VALUE_ERROR:
        return mix(hash64_seed(v.error, strlen(v.error), h));
    case VALUE_BOOL:
        return mix(hash64_seed(&v.boolean, sizeof v.boolean, h));
    case VALUE_STRING:
        return mix(hash64_seed(v.string, v.n, h));
    case VALUE_LIST:
        for (uint32_t i = 0; i < v.n; i++) {
            uint32_t element = hash_value(v.list[i]);
            h = hash64_seed(&element, sizeof element, h);
        }
        return mix(h);
    default:
        return mix(hash64_seed(&v.integer, sizeof v.integer, h));
    }
}

static bool table_grow(struct expr_program *p)
{
    if (p->node_count < p->table_size / 2)
        return true;
    uint32_t size = p->table_size * 2;
    uint32_t *table = arena_alloc(p->arena, size * sizeof *table);
    if (!table)
        return false;
    memset(table, 0xff, size * sizeof *table);
    for (uint32_t id = 0; id < p->node_count; id++) {
        uint32_t at = p->hashes[id] & (size - 1);
        while (table[at] != EXPR_NONE)
            at = (at + 1) & (size - 1);
        table[at] = id;
    }
    p->table = table;
    p->table_size = size;
    return true;
}

/* Room for one more node: its parallel arrays grow together. */
static bool nodes_grow(struct expr_program *p)
{
    uint32_t capacity = p->node_capacity, hash_capacity = capacity;
    if (p->node_count < capacity)
        return true;
    if (!grow(p->arena, &p->hashes, p->node_count, &hash_capacity, sizeof *p->hashes))
        return false;
    uint64_t *still = arena_zalloc(p->arena, hash_capacity / 64 * sizeof *still);
    uint64_t *fixed = arena_zalloc(p->arena, hash_capacity / 64 * sizeof *fixed);
    if (!still || !fixed || !grow(p->arena, &p->nodes, p->node_count, &p->node_capacity, sizeof *p->nodes))
        return false;
    if (capacity) {
        memcpy(still, p->still, capacity / 64 * sizeof *still);
        memcpy(fixed, p->fixed, capacity / 64 * sizeof *fixed);
    }
    p->still = still;
    p->fixed = fixed;
    return true;
}

/* Appends a node that is not there yet. */
static int node_append(struct expr_program *p, const struct expr_node *n, uint32_t hash, expr_id *out)
{
    if (!table_grow(p) || !nodes_grow(p))
        return ERR_NOSPACE;
    expr_id id = p->node_count++;
    p->nodes[id] = *n;
    p->hashes[id] = hash;
    if (!(n->moves & NODE_CLOCK))
        bit_set(p->still, id);
    if (n->moves & NODE_VARIES) {
        if (!p->varies)
            p->varies_from = id / 64;
        p->varies_to = id / 64 + 1; /* ids only rise */
        p->varies = true;
    } else {
        bit_set(p->fixed, id);
    }
    uint32_t at = hash & (p->table_size - 1);
    while (p->table[at] != EXPR_NONE)
        at = (at + 1) & (p->table_size - 1);
    p->table[at] = id;
    *out = id;
    return 0;
}

static bool node_is(const struct expr_program *p, const struct expr_node *n, enum expr_op op,
                    const expr_id *operands, uint32_t count)
{
    if (n->op != op || n->op == OP_CONST || n->op == OP_SLOT)
        return false;
    uint32_t have;
    const expr_id *ids = node_operands(p, n, &have);
    return have == count && memcmp(ids, operands, count * sizeof *ids) == 0;
}

int node_add(struct expr_program *p, enum expr_op op, struct expr_type type, const expr_id *operands,
             uint32_t count, expr_id *out)
{
    uint32_t hash = mix(hash64_seed(operands, count * sizeof *operands, op));
    for (uint32_t at = hash & (p->table_size - 1); p->table[at] != EXPR_NONE;
         at = (at + 1) & (p->table_size - 1)) {
        expr_id id = p->table[at];
        if (p->hashes[id] == hash && node_is(p, &p->nodes[id], op, operands, count)) {
            *out = id;
            return 0;
        }
    }
    struct expr_node n = {.op = (uint8_t)op,
                          .kind = type.kind,
                          .element = type.element,
                          .a = EXPR_NONE,
                          .b = EXPR_NONE,
                          .c = EXPR_NONE,
                          .name = EXPR_NONE};
    for (uint32_t i = 0; i < count; i++) {
        const struct expr_node *child = &p->nodes[operands[i]];
        n.moves |= child->moves;
        if (child->depth >= n.depth)
            n.depth = (uint16_t)(child->depth + 1);
    }
    if (n.depth > EXPR_NODE_DEPTH_MAX)
        return ERR_INVALID;
    if (!op_is_nary(op)) {
        ASSERT(count <= 3);
        memcpy(&n.a, operands, count * sizeof *operands);
        n.operands = (uint16_t)count;
        return node_append(p, &n, hash, out);
    }
    n.a = p->arg_count;
    n.b = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!GROW(p, arg)) {
            p->arg_count = n.a;
            return ERR_NOSPACE;
        }
        p->args[p->arg_count++] = operands[i];
    }
    return node_append(p, &n, hash, out);
}

expr_id expr_node_slot(struct expr_program *p, uint32_t slot)
{
    ASSERT(slot < p->slot_count);
    uint32_t hash = mix(hash64_seed(&slot, sizeof slot, OP_SLOT));
    for (uint32_t at = hash & (p->table_size - 1); p->table[at] != EXPR_NONE;
         at = (at + 1) & (p->table_size - 1)) {
        const struct expr_node *n = &p->nodes[p->table[at]];
        if (n->op == OP_SLOT && n->a == slot)
            return p->table[at];
    }
    const struct expr_slot *s = &p->slots[slot];
    struct expr_node n = {
        .op = OP_SLOT,
        .moves = (uint8_t)((s->motion != EXPR_STILL ? NODE_CLOCK : 0) | (s->varies ? NODE_VARIES : 0)),
        .kind = s->type.kind,
        .element = s->type.element,
        .depth = 1,
        .a = slot,
        .b = EXPR_NONE,
        .c = EXPR_NONE,
        .name = EXPR_NONE};
    expr_id id;
    return node_append(p, &n, hash, &id) ? EXPR_NONE : id;
}

/* A copy whose strings and elements live in the program's arena; type VALUE_ERROR with error NULL when it is
 * full. */
static struct value value_copy(struct arena *arena, struct value v)
{
    static const struct value full = {.type = VALUE_ERROR};
    if (v.type == VALUE_STRING) {
        struct str s = arena_str(arena, value_str(v));
        return s.p ? value_string(s) : full;
    }
    if (v.type == VALUE_ERROR) {
        v.error = arena_strdup(arena, v.error);
        return v;
    }
    if (v.type != VALUE_LIST)
        return v;
    struct value *items = arena_alloc(arena, v.n * sizeof *items);
    if (!items)
        return full;
    for (uint32_t i = 0; i < v.n; i++) {
        items[i] = value_copy(arena, v.list[i]);
        if (items[i].type == VALUE_ERROR && !items[i].error)
            return full;
    }
    v.list = items;
    return v;
}

expr_id expr_node_constant(struct expr_program *p, struct value v)
{
    uint32_t hash = hash_value(v);
    for (uint32_t at = hash & (p->table_size - 1); p->table[at] != EXPR_NONE;
         at = (at + 1) & (p->table_size - 1)) {
        const struct expr_node *n = &p->nodes[p->table[at]];
        if (n->op == OP_CONST && value_same(p->constants[n->a], v))
            return p->table[at];
    }
    v = value_copy(p->arena, v);
    if ((v.type == VALUE_ERROR && !v.error) || !GROW(p, constant))
        return EXPR_NONE;
    p->constants[p->constant_count] = v;
    struct expr_node n = {.op = OP_CONST,
                          .depth = 1,
                          .a = p->constant_count++,
                          .b = EXPR_NONE,
                          .c = EXPR_NONE,
                          .name = EXPR_NONE};
    if (v.type > VALUE_ERROR)
        n.kind = v.type;
    if (v.type == VALUE_LIST)
        n.element = v.detail;
    expr_id id;
    return node_append(p, &n, hash, &id) ? EXPR_NONE : id;
}

void expr_name(struct expr_program *p, expr_id id, struct str name)
{
    ASSERT(id < p->node_count);
    if (p->nodes[id].name != EXPR_NONE || !GROW(p, name))
        return;
    struct str copy = arena_str(p->arena, name);
    if (!copy.p)
        return;
    p->names[p->name_count] = copy;
    p->nodes[id].name = p->name_count++;
}

struct expr_type expr_type_of(const struct expr_program *p, expr_id id)
{
    ASSERT(id < p->node_count);
    return (struct expr_type){p->nodes[id].kind, p->nodes[id].element};
}

const struct value *expr_constant(const struct expr_program *p, expr_id id)
{
    ASSERT(id < p->node_count);
    return p->nodes[id].op == OP_CONST ? &p->constants[p->nodes[id].a] : NULL;
}

bool expr_varies(const struct expr_program *p, expr_id id)
{
    ASSERT(id < p->node_count);
    return p->nodes[id].moves & NODE_VARIES;
}

/* ---- walking ---- */

/* A depth-first walk that meets each node once, operands from left to right. */
struct walk {
    const struct expr_program *p;
    uint64_t *seen;
    void (*leaf)(void *ctx, expr_id leaf, struct str name); /* evidence: stops at names */
    void (*slot)(void *ctx, uint32_t slot);                 /* slots: goes through names */
    void *ctx;
};

static void walk(struct walk *w, expr_id id)
{
    const struct expr_node *n = &w->p->nodes[id];
    if (bit_test(w->seen, id) || n->op == OP_CONST)
        return;
    bit_set(w->seen, id);
    if (w->leaf && (n->name != EXPR_NONE || n->op == OP_SLOT)) {
        w->leaf(w->ctx, id, n->name != EXPR_NONE ? w->p->names[n->name] : w->p->slots[n->a].name);
        return;
    }
    if (n->op == OP_SLOT) {
        w->slot(w->ctx, n->a);
        return;
    }
    uint32_t count;
    const expr_id *ids = node_operands(w->p, n, &count);
    for (uint32_t i = 0; i < count; i++)
        walk(w, ids[i]);
}

/* Programs of a usual size need no memory for the walk. */
static void walk_from(struct walk *w, expr_id id)
{
    enum { STACK_NODES = 16384 };
    ASSERT(id < w->p->node_count);
    uint64_t stack[STACK_NODES / 64];
    size_t words = (size_t)id / 64 + 1; /* operands have smaller ids */
    w->seen = words <= STACK_NODES / 64 ? stack : malloc(words * sizeof *stack);
    ASSERT(w->seen != NULL);
    memset(w->seen, 0, words * sizeof *w->seen);
    walk(w, id);
    if (w->seen != stack)
        free(w->seen);
}

void expr_leaves(const struct expr_program *p, expr_id id,
                 void (*visit)(void *ctx, expr_id leaf, struct str name), void *ctx)
{
    walk_from(&(struct walk){.p = p, .leaf = visit, .ctx = ctx}, id);
}

void expr_slots(const struct expr_program *p, expr_id id, void (*visit)(void *ctx, uint32_t slot), void *ctx)
{
    walk_from(&(struct walk){.p = p, .slot = visit, .ctx = ctx}, id);
}
