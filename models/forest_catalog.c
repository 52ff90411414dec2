/* What is known of the actions beforehand: for each region of the forest, which of them it holds. See forest_inner.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_catalog.h"
#include "models/forest_inner.h"
#include <math.h>
#include <stdlib.h>

enum { ROWS_MAX = 64 * 1024 * 1024 }; /* bytes; beyond, actions are compared in each decision, as pairs are */

static void fill_values(struct forest_catalog *c, const float *rows)
{
    const struct forest *f = c->forest;
    size_t padded = c->words * 64;
    for (size_t k = 0; k < f->action_count; k++)
        for (size_t a = 0; a < padded; a++)
            c->values[k * padded + a] = a < c->actions ? rows[a * f->features + f->action_features[k]] : NAN;
}

/* A region is what its parent's actions decide at an open node; parents come first. */
static void fill_rows(struct forest_catalog *c)
{
    const struct forest *f = c->forest;
    size_t words = c->words;
    memset(c->rows, 0xFF, words * sizeof *c->rows);
    for (size_t r = 1; r < f->region_count; r++) {
        const struct forest_region *region = &f->chains[r];
        const struct forest_open *o = &f->open[region->open];
        const float *x = c->values + o->slot * words * 64;
        const uint64_t *parent = c->rows + region->parent * words;
        uint64_t *row = c->rows + r * words;
        for (size_t w = 0; w < words; w++) {
            uint64_t right = forest_open_word(f, o, x + w * 64);
            row[w] = parent[w] & (region->right ? right : ~right);
        }
    }
}

int forest_catalog_new(struct forest_catalog **out, const struct forest *f, const float *rows, size_t actions,
                       struct error *e)
{
    struct forest_catalog *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOSPACE, "out of memory for the actions' features");
    *c = (struct forest_catalog){.forest = f, .actions = actions, .words = (actions + 63) / 64};
    size_t values = f->action_count * c->words * 64, regions = f->region_count * c->words;
    bool keep = f->has_open && regions * sizeof *c->rows <= ROWS_MAX;
    c->values = malloc((values + 1) * sizeof *c->values);
    c->rows = keep ? malloc((regions + 1) * sizeof *c->rows) : NULL;
    if (!c->values || (keep && !c->rows)) {
        forest_catalog_free(&c);
        return error_set(e, ERR_NOSPACE, "out of memory for the actions' features");
    }
    c->bytes = values * sizeof *c->values + (keep ? regions * sizeof *c->rows : 0);
    fill_values(c, rows);
    if (keep)
        fill_rows(c);
    *out = c;
    return 0;
}

void forest_catalog_free(struct forest_catalog **c)
{
    if (!*c)
        return;
    free((*c)->values);
    free((*c)->rows);
    free(*c);
    *c = NULL;
}

size_t forest_catalog_bytes(const struct forest_catalog *c)
{
    return c->bytes;
}

void forest_catalog_set(struct forest_catalog *c, size_t action, const float *row)
{
    const struct forest *f = c->forest;
    size_t words = c->words, at = action / 64;
    uint64_t bit = UINT64_C(1) << (action % 64);
    ASSERT(action < c->actions);
    for (size_t k = 0; k < f->action_count; k++)
        c->values[k * words * 64 + action] = row[f->action_features[k]];
    for (size_t r = 1; c->rows && r < f->region_count; r++) {
        const struct forest_region *region = &f->chains[r];
        const struct forest_open *o = &f->open[region->open];
        bool right = forest_open_right(f, o, c->values[o->slot * words * 64 + action]);
        uint64_t in = c->rows[region->parent * words + at] & (right == region->right ? bit : 0);
        c->rows[r * words + at] = (c->rows[r * words + at] & ~bit) | in;
    }
}
