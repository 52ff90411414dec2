/* How a customer took what was shown before, by action and by group (dictionary ids): when, how often, with what answer.
 *
 * Independent of the order in which outcomes arrive, and mergeable: of the shows the latest REACTION_SHOWS_MAX count, of the
 * answers the latest. Times are kept in seconds.
 *
 * Payload, for each by id: v id − the one before | v times shown | byte: shows kept + 16 when there was an answer |
 * s seconds of the latest show | v seconds back to the one before … | with an answer: s seconds of the latest, v responses, v
 * conversions, v rejections. 9 bytes an id that was shown once and not answered, 14 to 18 otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_REACTIONS_H
#define TACT_STATE_REACTIONS_H
#include "state/state.h"

enum {
    REACTIONS_MAX = 128,     /* ids a customer; past it those go of which nothing was heard the longest, and what comes of
                                such a one again counts from then on */
    REACTION_SHOWS_MAX = 8
};
#define REACTION_PATIENCE_MS INT64_C(86400000) /* a show without an answer is ignored after a day */

struct reaction {
    uint32_t id;
    uint32_t shown, responded, converted, rejected; /* how often; saturate */
    uint8_t show_count;
    bool answered;
    int64_t answered_s;                  /* of the latest answer, whichever */
    int64_t shows[REACTION_SHOWS_MAX];   /* s, ascending: those after the answer, and the latest anyhow */
};

/* ERR_NOSPACE when the arena is full. */
int reaction_shown(struct state *s, uint32_t id, int64_t time_ms) MUST_CHECK;
/* outcome: CONTACT_RESPONSE, CONTACT_CONVERSION or CONTACT_REJECTION. */
int reaction_answered(struct state *s, uint32_t id, enum contact_outcome outcome, int64_t time_ms) MUST_CHECK;
/* NULL: it was never shown, nor answered. */
const struct reaction *reaction_find(const struct state *s, uint32_t id);

/* Since the latest show; DURATION_MAX_MS when there was none. r may be NULL. */
struct value reaction_age(const struct reaction *r, int64_t now_ms);
/* Of the latest REACTION_SHOWS_MAX shows those since the latest answer that are REACTION_PATIENCE_MS old. And when that number next changes; INT64_MAX: never. */
int64_t reaction_ignored(const struct reaction *r, int64_t now_ms);
int64_t reaction_next_ignored(const struct reaction *r, int64_t t_ms);

int reactions_merge(struct state *into, const struct state *from) MUST_CHECK;
void reactions_prune(struct state *s, int64_t now_ms);
void reactions_put(struct buf *out, const struct state *s);
int reactions_get(struct cursor *c, struct state *s) MUST_CHECK;

#endif
