/* What a Redis says about itself when we connect (INFO, CONFIG GET), and what follows: may we use it, and
 * what can it lose. Pure: texts in, texts out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_FACTS_H
#define TACT_STORE_REDIS_FACTS_H
#include "base/str.h"

struct redis_facts {
    char version[32];     /* empty: unknown; so for all texts */
    char policy[32];      /* maxmemory-policy */
    char appendfsync[16]; /* always, everysec, no */
    char save[128];       /* rules of snapshots: "3600 1 300 100"; meaningful when save_known */
    bool save_known, aof_enabled, loading, replica, config_forbidden;
};

/* The text of INFO. */
void redis_facts_info(struct redis_facts *f, struct str info);
/* One pair of a CONFIG GET. */
void redis_facts_config(struct redis_facts *f, struct str name, struct str value);

/* Why this Redis must not be used now (put into text), or NULL. */
const char *redis_facts_refusal(const struct redis_facts *f, char *text, size_t size);
/* One sentence: what can be lost of what was acknowledged. Static. */
const char *redis_facts_loss(const struct redis_facts *f);
/* What could not be checked, or NULL. Static. */
const char *redis_facts_warning(const struct redis_facts *f);

#endif
