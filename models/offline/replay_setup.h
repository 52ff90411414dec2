/* What one decision was made with, loaded from the archive beside a log: policy, model and world.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_REPLAY_SETUP_H
#define TACT_OFFLINE_REPLAY_SETUP_H
#include "decide/decide.h"
#include "models/lineup_binding.h"

enum { SETUP_ID_MAX = 65 };

struct replay_setup {
    char policy_id[SETUP_ID_MAX], model_id[SETUP_ID_MAX], world_id[SETUP_ID_MAX]; /* model: "" for none */
    struct tzdb *zones;
    struct policy *policy; /* bound to the log's dictionary */
    struct lineup *lineup;
    struct lineup_binding *binding;
    struct scorer scorer; /* when there is a binding */
    uint64_t used;        /* for the cache: larger is later */
    struct error why;     /* code 0: loaded; else why it could not be */
};

/* Loads by the ids that are set; *s->why tells how it went. */
void replay_setup_load(struct replay_setup *s, const char *log, const struct names *names);
void replay_setup_free(struct replay_setup *s);

#endif
