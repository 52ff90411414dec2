/* Columns and groups; see forest_columns.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_columns.h"
#include <math.h>

static int32_t find_column(const struct builder *b, uint32_t feature, int32_t set)
{
    if (set < 0)
        return b->column_of[feature];
    for (size_t i = 0; i < b->column_count; i++) {
        const struct column_draft *c = &b->column[i];
        if (c->set == set && c->feature == feature)
            return (int32_t)i;
    }
    return NO_INDEX;
}

static int32_t add_column(struct builder *b, uint32_t feature, int32_t set)
{
    int32_t at = find_column(b, feature, set);
    if (at >= 0)
        return at;
    at = (int32_t)b->column_count++;
    struct column_draft *c = &b->column[at];
    c->feature = feature;
    c->set = set;
    c->count = 0;
    memset(c->slots, 0, sizeof c->slots);
    if (set < 0)
        b->column_of[feature] = at;
    return at;
}

/* A threshold's number in its column, by order of coming. */
static uint8_t add_threshold(struct column_draft *c, float t)
{
    uint32_t bits;
    float plain = t + 0.0f; /* -0 is 0 */
    memcpy(&bits, &plain, sizeof bits);
    uint32_t at = bits * 0x9E3779B1u >> 23;
    for (; c->slots[at]; at = (at + 1) % COLUMN_SLOTS)
        if (c->thresholds[c->slots[at] - 1] == t)
            return (uint8_t)(c->slots[at] - 1);
    c->thresholds[c->count] = plain;
    c->slots[at] = (uint8_t)++c->count;
    return (uint8_t)(c->count - 1);
}

/* Whole numbers in the order of floats. */
static uint32_t sort_key(float t)
{
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    return bits ^ (bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31);
}

/* Puts the thresholds in order: by the two high bytes first, the lower of them before the other (there are too few for anything to be
 * faster, and no comparison that the processor could foresee); that leaves them nearly so, for an insertion to finish. Each one's
 * place goes to rank_of, by its number. */
static void sort_column(struct column_draft *c)
{
    uint8_t order[2][COLUMN_THRESHOLDS + 1];
    uint32_t keys[COLUMN_THRESHOLDS + 1], sorted[COLUMN_THRESHOLDS + 1], n = c->count;
    uint8_t starts[2][257] = {{0}}; /* at most 254 of each */
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = sort_key(c->thresholds[i]);
        order[1][i] = (uint8_t)i;
        starts[0][(keys[i] >> 16 & 0xFF) + 1]++;
        starts[1][(keys[i] >> 24) + 1]++;
    }
    for (int pass = 0; pass < 2; pass++) {
        const uint8_t *from = order[1 - pass];
        for (int k = 0; k < 256; k++)
            starts[pass][k + 1] = (uint8_t)(starts[pass][k + 1] + starts[pass][k]);
        for (uint32_t i = 0; i < n; i++)
            order[pass][starts[pass][keys[from[i]] >> (16 + 8 * pass) & 0xFF]++] = from[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        uint8_t number = order[1][i];
        uint32_t key = keys[number], at = i;
        for (; at > 0 && sorted[at - 1] > key; at--) {
            sorted[at] = sorted[at - 1];
            order[1][at] = order[1][at - 1];
        }
        sorted[at] = key;
        order[1][at] = number;
    }
    float values[COLUMN_THRESHOLDS + 1];
    for (uint32_t i = 0; i < n; i++) {
        c->rank_of[order[1][i]] = (uint8_t)i;
        values[i] = c->thresholds[order[1][i]];
    }
    memcpy(c->thresholds, values, n * sizeof *values);
}

/* A column as the kernels look at it. */
static void write_column(struct builder *b, const struct column_draft *d)
{
    struct forest_column *c = forest_list_add(b, &b->columns, 1);
    if (!c)
        return;
    *c = (struct forest_column){.feature = d->feature, .first = (uint32_t)b->thresholds.n, .set = d->set};
    if (d->set >= 0)
        return;
    uint32_t blocks = d->count / COLUMN_BLOCK + 1, all = (1 + blocks) * COLUMN_BLOCK;
    float *t = forest_list_add(b, &b->thresholds, all);
    if (!t)
        return;
    for (uint32_t i = 0; i < all; i++)
        t[i] = NAN;
    for (uint32_t i = 0; i < d->count / COLUMN_BLOCK; i++)
        t[i] = d->thresholds[i * COLUMN_BLOCK + COLUMN_BLOCK - 1];
    memcpy(t + COLUMN_BLOCK, d->thresholds, d->count * sizeof *t);
}

void forest_group_close(struct builder *b)
{
    struct forest_tile *tiles = b->tiles.p;
    for (size_t i = 0; i < b->column_count; i++)
        sort_column(&b->column[i]);
    for (size_t i = 0; i < b->drafts.n; i++) {
        const struct draft *d = (const struct draft *)b->drafts.p + i;
        struct forest_tile *t = &tiles[d->tile];
        for (int k = 0; k < TILE_NODES; k++) {
            uint8_t column = t->column[k] & (COLUMN_RIGHT - 1), right = t->column[k] >> 7;
            if (d->kind[k] == NODE_NONE)
                continue;
            uint32_t at = d->kind[k] == NODE_SET ? 0 : b->column[column].rank_of[d->threshold[k]];
            t->least[k] = (uint8_t)(at + 2 - right);
        }
    }
    struct forest_group *g = forest_list_add(b, &b->groups, 1);
    if (g)
        *g = (struct forest_group){(uint32_t)b->columns.n, (uint32_t)b->column_count};
    for (size_t i = 0; i < b->column_count; i++) {
        write_column(b, &b->column[i]);
        if (b->column[i].set < 0)
            b->column_of[b->column[i].feature] = NO_INDEX;
    }
    b->column_count = 0;
    b->fullest = 0;
    b->drafts.n = 0;
}

bool forest_group_takes(const struct builder *b, const struct model_node *const *nodes)
{
    size_t fresh = 0;
    uint8_t more[GROUP_COLUMNS] = {0};
    if (b->column_count + TILE_NODES <= COLUMN_NONE && b->fullest + TILE_NODES <= COLUMN_THRESHOLDS)
        return true; /* whatever they are */
    for (int k = 0; k < TILE_NODES; k++) {
        const struct model_node *n = nodes[k];
        if (!n)
            continue;
        int32_t set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX;
        int32_t at = find_column(b, n->feature, set);
        if (at < 0)
            fresh++;
        else if (set < 0 && b->column[at].count + ++more[at] > COLUMN_THRESHOLDS)
            return false;
    }
    return b->column_count + fresh <= COLUMN_NONE;
}

void forest_group_add(struct builder *b, uint32_t tile, const struct model_node *const *nodes)
{
    struct draft *d = forest_list_add(b, &b->drafts, 1);
    if (!d)
        return;
    d->tile = tile;
    struct forest_tile *t = (struct forest_tile *)b->tiles.p + tile;
    ((struct forest_tile_info *)b->infos.p)[tile].group = (uint32_t)b->groups.n;
    for (int k = 0; k < TILE_NODES; k++) {
        const struct model_node *n = nodes[k];
        t->column[k] = COLUMN_NONE;
        t->least[k] = 1;
        if (!n)
            continue;
        int32_t set = n->set >= 0 ? b->set_of[n->set] : NO_INDEX;
        int32_t column = add_column(b, n->feature, set);
        t->column[k] = (uint8_t)(column | (n->default_left ? 0 : COLUMN_RIGHT));
        d->kind[k] = set >= 0 ? NODE_SET : NODE_THRESHOLD;
        if (set < 0) {
            d->threshold[k] = add_threshold(&b->column[column], n->value);
            b->fullest = b->column[column].count > b->fullest ? b->column[column].count : b->fullest;
        }
    }
}
