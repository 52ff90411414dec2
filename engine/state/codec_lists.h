/* Payloads of the lists in a blob; see codec.h. get: 0, ERR_CORRUPT, or ERR_NOSPACE when the arena is full.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_CODEC_LISTS_H
#define TACT_STATE_CODEC_LISTS_H
#include "state/state.h"

void attributes_put(struct buf *out, const struct state *s);
bool attributes_any(const struct state *s);
int attributes_get(struct cursor *c, struct state *s) MUST_CHECK;
void consents_put(struct buf *out, const struct state *s);
int consents_get(struct cursor *c, struct state *s) MUST_CHECK;
void contacts_put(struct buf *out, const struct state *s);
int contacts_get(struct cursor *c, struct state *s) MUST_CHECK;
void seen_put(struct buf *out, const struct state *s);
int seen_get(struct cursor *c, struct state *s) MUST_CHECK;

#endif
