/* Whether an action may be proposed at an instant, and when what stops it may end: stages 3 to 6 of DESIGN section 4 (dates
 * and schedule, treatment, engagement policy, suppression, consent, quiet hours, frequency caps, cooldowns), for one action
 * of one request. The same code decides now and looks ahead for next_eligible_at. An action's rules are looked at with the
 * view turned to that action (expr_eval_vary); suppression rules are the same for all.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_GATE_H
#define TACT_DECIDE_GATE_H
#include "decide/view.h"

/* How many contacts a limit sees whatever the action: its total, or with an `each` in its scope the most it can be. */
struct limit_total {
    int64_t at_ms;
    uint32_t pending, count;
    bool known;
};

struct gate {
    struct view *view;
    const struct policy *policy;
    const struct decide_request *request;
    const struct state *state;
    const struct state *household; /* NULL: none */
    struct str locale; /* wanted: the request's, else the customer's, else the brand's first */
    bool outbound, unreadable;
    const struct tz *zone;   /* the customer's */
    struct contact *pending; /* choices made so far in this decision: they count against limits */
    size_t pending_count;
    struct limit_total *totals; /* by limit; NULL without memory: counted each time */
    struct limit_total less;    /* contacts that count against the person's own wish for less often */
    int64_t quiet_at_ms;        /* instant of `quiet` */
    bool quiet_known, quiet;    /* whether the channel's quiet hours are on then */
    uint32_t looks_left;        /* instants that looking ahead may still visit in this decision */
    bool looks_ended;           /* it wanted more of them */
};

enum { GATE_LOOKS_MAX = 20000 };

/* household: as in decide_input. */
void gate_init(struct gate *g, struct view *v, const struct decide_request *r, const struct state *household, bool unreadable);

/* The treatment of an action for a placement (empty: none asked for) in the wanted locale, else its language, else no
 * locale, else the brand's locales in order, else the first; NULL when there is none. */
const struct policy_treatment *gate_treatment(const struct gate *g, const struct policy_action *a,
                                              struct str placement);

/* What stops the action at the view's instant: false when nothing does. Limits count g->pending too. */
bool gate_blocked(struct gate *g, uint32_t action, struct blocker *out);
/* Limits alone: for the second and later choices of a decision. */
bool gate_limit_blocked(struct gate *g, uint32_t action, struct blocker *out);
/* Whether a suppression rule fires at the view's instant. */
bool gate_suppression_fires(struct gate *g, uint32_t suppression);

/* The first instant after the view's at which this block may be gone; INT64_MAX when time alone does not lift it. */
int64_t gate_lift(struct gate *g, uint32_t action, const struct blocker *b);

/* The first instant after now and before `before_ms` at which nothing blocks the action, if nothing happens. Else 0, and *last
 * is what holds it: for good when before_ms is GATE_HORIZON. At most 400 days are looked ahead, and g->looks_left instants;
 * where these did not suffice, g->looks_ended says so. Leaves the view at now, turned to the action. */
#define GATE_HORIZON INT64_MAX
int64_t gate_next_eligible(struct gate *g, uint32_t action, int64_t now_ms, int64_t before_ms,
                           struct blocker *last);
/* The first instant at which this very block no longer stands, whatever else blocks then; 0: none within those bounds. Of the
 * action only what the block is about counts (a suppression rule is the same for all). */
int64_t gate_block_end(struct gate *g, uint32_t action, const struct blocker *b, int64_t now_ms);

/* The contact that choosing an action makes. */
struct contact gate_contact(const struct gate *g, uint32_t action, struct id128 decision, int64_t now_ms);

#endif
