/* What a bundle.yaml would say of a model that somebody else's program saved: the part that the model's file knows by itself
 * is filled in, so that a person writes down only what it cannot know.
 *
 *     name, version            of the import
 *     kind                     propensity
 *     objective                the file's
 *     label                    the name
 *     label_type               the objective's, where only one fits
 *     outputs                  the file's; of several, `output` must say which one is the label
 *     features                 all of the file's, in its order; those that are not listed come from the customer. A feature that
 *                              is listed needs its name only:
 *       from                   customer
 *       type                   the file's: c is category, i is bool, else number
 *       categories             the file's (3.1 and later); older ones have none, so they must be listed, in the order of
 *                              their codes
 *
 * Where the file has no names, all features must be listed, in its order.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_BUNDLE_IMPORT_H
#define TACT_MODELS_BUNDLE_IMPORT_H
#include "models/bundle_spec.h"

struct bundle_import {
    const struct model *model;
    const char *file; /* the model's, for messages */
    struct str name, version;
};

/* Reads what a person wrote (an empty mapping for nothing), completes it, and reads that as a bundle's. False after findings. The
 * node is changed. Texts live in the arena, the node's and the model's. */
bool bundle_import_spec(struct bundle_spec *out, struct yaml_node *root, const struct bundle_import *from,
                        struct arena *arena, struct diags *d);

#endif
