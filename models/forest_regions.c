/* Open nodes and regions; see forest_regions.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_regions.h"
#include "base/hash.h"

static uint64_t condition_hash(const struct builder *b, uint32_t i)
{
    const struct forest_open *o = (const struct forest_open *)b->open.p + i;
    float threshold = o->threshold + 0.0f; /* -0 is 0 */
    uint32_t key[4] = {0, o->slot, (uint32_t)o->set, o->default_right};
    memcpy(key, &threshold, sizeof threshold);
    return hash64(key, sizeof key);
}

static uint64_t chain_hash(const struct builder *b, uint32_t i)
{
    const struct forest_region *r = (const struct forest_region *)b->chains.p + i;
    uint32_t key[3] = {r->parent, r->open, r->right};
    return hash64(key, sizeof key);
}

/* The first open node of the action with the same condition. */
static uint32_t condition_of(struct builder *b, uint32_t open)
{
    const struct forest_open *all = b->open.p, *o = &all[open];
    if (!forest_table_room(b, &b->conditions, condition_hash))
        return open;
    uint32_t *table = b->conditions.p;
    size_t at = forest_slot(condition_hash(b, open), b->conditions.capacity);
    size_t probes = 0;
    for (; table[at] && probes < TABLE_PROBES; at = forest_slot(at + 1, b->conditions.capacity), probes++) {
        const struct forest_open *x = &all[table[at] - 1];
        if (x->threshold == o->threshold && x->slot == o->slot && x->set == o->set && x->default_right == o->default_right)
            return table[at] - 1;
    }
    if (!table[at]) {
        table[at] = open + 1;
        b->conditions.n++;
    }
    return open;
}

/* A chain of one condition stands in many trees; longer ones seldom come twice, and are not looked for. */
uint32_t forest_region_of(struct builder *b, uint32_t parent, uint32_t open, bool right)
{
    struct forest_region *fresh = forest_list_add(b, &b->chains, 1);
    if (!fresh || !forest_table_room(b, &b->known, chain_hash))
        return 0;
    uint32_t index = (uint32_t)b->chains.n - 1, *table = b->known.p;
    if (parent != 0) {
        *fresh = (struct forest_region){parent, open, right};
        return index;
    }
    *fresh = (struct forest_region){parent, condition_of(b, open), right};
    size_t at = forest_slot(chain_hash(b, index), b->known.capacity);
    size_t probes = 0;
    for (; table[at] && probes < TABLE_PROBES; at = forest_slot(at + 1, b->known.capacity), probes++) {
        const struct forest_region *x = (const struct forest_region *)b->chains.p + (table[at] - 1);
        if (x->parent == 0 && x->open == fresh->open && x->right == right) {
            b->chains.n--;
            return table[at] - 1;
        }
    }
    if (!table[at]) {
        table[at] = index + 1;
        b->known.n++;
    }
    return index;
}

uint32_t forest_add_open(struct builder *b, const struct model_node *n, enum forest_role role)
{
    struct forest_open *o = forest_list_add(b, &b->open, 1);
    if (o)
        *o = (struct forest_open){.threshold = n->set >= 0 ? 0 : n->value,
                                  .slot = b->f->slots[n->feature],
                                  .set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX,
                                  .default_right = !n->default_left,
                                  .pair = role == FOREST_PAIR};
    return b->open.n ? (uint32_t)b->open.n - 1 : 0;
}
