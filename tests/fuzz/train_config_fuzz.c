/* Any bytes as train.yaml: refused with findings, or read into a config whose parts fit together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_config.h"

static struct arena arena;
static struct tzdb *zones;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e = {0};
    if (!zones) {
        arena_init(&arena, 64 << 20);
        ASSERT(tzdb_load(&zones, NULL, &e) == 0);
    }
    struct diags d;
    struct train_config c;
    arena_reset(&arena);
    diags_init(&d, &arena);
    struct yaml_node *root = yaml_read("train.yaml", (struct str){(const char *)data, size}, &arena, &d);
    if (!root)
        return 0;
    size_t before = d.errors;
    bool good = train_config_read(&c, root, zones, &arena, &d);
    ASSERT(good == (d.errors == before));
    if (!good)
        return 0;
    ASSERT(c.name.n && c.version.n && c.label_column.n && c.zone && c.feature_count);
    ASSERT(c.rounds >= 1 && c.rounds <= TRAINER_ROUNDS_MAX && c.test > 0 && c.test < 1);
    ASSERT((c.aside > 0) == (c.patience > 0 || c.calibration != CALIBRATION_NONE));
    ASSERT(!train_is_uplift(&c) || (c.action_column.n && c.has_silence));
    ASSERT(c.cost_count >= 1 && c.cost_count <= TRAIN_COSTS_MAX);
    for (size_t i = 0; i < c.feature_count; i++) {
        const struct train_feature *f = &c.features[i];
        ASSERT(f->name.n && (f->is_id || f->column.n) && (!f->is_date || f->zone));
        ASSERT(f->type == BUNDLE_CATEGORY || !f->categories);
        ASSERT(train_is_single(&c) || f->from == BUNDLE_CUSTOMER);
    }
    for (size_t i = 0; i < c.param_count; i++)
        ASSERT(c.params[i].key && c.params[i].value);
    return 0;
}
