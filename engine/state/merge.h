/* Two states of one person become one: as if all events, contacts and consents of both had been told of the second alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_MERGE_H
#define TACT_STATE_MERGE_H
#include "state/state.h"

/* Adds `from` to `into`; both are of one schema. from's bytes must outlive into.
 *
 *   attributes  the one set later, into's of equals; what only one has stays
 *   aggregates  those of other policies too: each payload says how it is merged
 *   since       the later of both
 *   contacts    all; past STATE_CONTACTS_MAX the latest
 *   consents    the newer of each channel and purpose, as state_set_consent says; past STATE_CONSENTS_MAX into's
 *   event ids   the latest of both, by arrival
 *   imports     the latest of both
 *   identities  all; where into leads is left as it is
 *
 * Of a tombstone nothing comes. Into a tombstone neither, unless from has a consent that was given after the forgetting: then
 * the person begins anew there, with what from has. Of two tombstones the later time stays.
 *
 * ERR_NOSPACE when the arena is full, ERR_CORRUPT when an aggregate of either cannot be read: into is then not to be used. */
int state_merge(struct state *into, const struct state *from, int64_t now_ms) MUST_CHECK;

#endif
