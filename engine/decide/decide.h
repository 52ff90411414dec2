/* The decision function: stages 3 to 6, 8, 9 and 11 of DESIGN section 4. Pure: no I/O, no clock, no global; the same input
 * gives the same bytes on every build of one engine version. The server, `tact check`, simulation and replay call it.
 *
 *   request + state + policy + scorer + now + seed --decide--> struct decision --decision_encode--> Decision bytes
 *                                                          \--decision_reserve--> contacts in the state (RESERVE)
 *
 * Everything in a struct decision lives in the arena given to decide, or in the policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_DECIDE_H
#define TACT_DECIDE_DECIDE_H
#include "models/model_score.h"
#include "models/model_use.h"
#include "policy/policy.h"
#include "state/state.h"

#define ENGINE_VERSION "tact/" TACT_VERSION

enum {
    DECIDE_PLACEMENTS_MAX = 64,
    DECIDE_ACTIONS_MAX = 64,
    DECIDE_SIGNALS_MAX = 256,
    DECIDE_CUSTOMER_MAX = 256,
    DECIDE_ID_MAX = 128
};

enum decide_mode { MODE_PEEK, MODE_FRESH, MODE_RESERVE }; /* numbers as in the .proto */

/* A request after validation (request_wire.h). Pointers live as long as the request's bytes or arena. */
struct decide_request {
    struct str customer, request_id;
    uint32_t channel;
    struct str *placements; /* as in the policy */
    size_t placement_count;
    struct str locale;
    uint32_t max_actions; /* at least 1 */
    enum decide_mode mode;
    struct value *context; /* [policy->context_count] */
    struct signal *signals;
    size_t signal_count;
    bool explain;
    int64_t as_of_ms; /* 0: not given */
};

/* Scores from a model; models/binding.h is one. */
struct scorer {
    const char *model_id; /* content hash of the bundle, or of the line-up; "" for none */
    void *ctx;
    /* out[i] of actions[i], all numbers finite. Reads features through ev; leaves ev's action (expr_eval_vary) anywhere. */
    int (*score)(void *ctx, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                 struct arena *arena, struct model_score *out, struct error *e);
    /* Which model each entry of a line-up has for a customer: at most `most` of them. NULL: there is only one. */
    size_t (*uses)(const void *ctx, struct str customer, struct model_use *out, size_t most);
};

/* For benchmarks: told when a stage of decide ends. Whoever calls decide knows where the last one ends. A suppression
 * scores what it withholds, so DECIDE_SCORED may come twice. */
enum decide_point {
    DECIDE_GATED, /* all actions went through the gate */
    DECIDE_SCORED /* the scorer has answered */
};
struct decide_probe {
    void *ctx;
    void (*at)(void *ctx, enum decide_point point);
};

struct decide_input {
    const struct policy *policy;
    const struct scorer *scorer; /* NULL: rules and values only */
    const char *world_id;
    const struct state *state; /* with the request's signals applied */
    const struct state *household; /* whose contacts count in limits over a household (household.h); NULL: none */
    bool state_unverified;     /* the store could not be asked: the state as it was known a while ago */
    bool state_unreadable;     /* the state could not be read: `state` is empty and its slots are unknown */
    const struct decide_request *request;
    int64_t now_ms;
    uint64_t seed;
    struct id128 decision_id;
    const struct decide_probe *probe; /* NULL in production */
};

/* priority = (propensity − baseline) × value × context_weight × lever − contact_cost */
struct factors {
    double propensity, baseline, value, context_weight, lever, contact_cost;
    bool from_model;
};
/* With other propensities than its own, as a shadow has. */
double factors_priority(const struct factors *f, double propensity, double baseline);

/* Numbers as in the .proto. */
enum candidate_stage {
    STAGE_CHOSEN,
    STAGE_SCHEDULE,
    STAGE_TREATMENT,
    STAGE_ELIGIBILITY,
    STAGE_APPLICABILITY,
    STAGE_SUITABILITY,
    STAGE_SUPPRESSED,
    STAGE_CONTACT_POLICY,
    STAGE_ARBITRATION,
    STAGE_RENDER
};
const char *candidate_stage_name(enum candidate_stage s);

#define SUPPRESSION_CAUSES(X)                                                                                \
    X(CAUSE_NOTHING_TO_OFFER, 0, "nothing_to_offer")                                                         \
    X(CAUSE_ENGAGEMENT_POLICY, 1, "engagement_policy")                                                       \
    X(CAUSE_SUPPRESSION_RULE, 2, "suppression_rule")                                                         \
    X(CAUSE_CONSENT, 3, "consent")                                                                           \
    X(CAUSE_QUIET_HOURS, 4, "quiet_hours")                                                                   \
    X(CAUSE_FREQUENCY_CAP, 5, "frequency_cap")                                                               \
    X(CAUSE_COOLDOWN, 6, "cooldown")                                                                         \
    X(CAUSE_NOT_WORTH_IT, 7, "not_worth_it")                                                                 \
    X(CAUSE_STATE_UNREADABLE, 8, "state_unreadable")                                                         \
    X(CAUSE_RENDERING, 9, "rendering")                                                                       \
    X(CAUSE_PREFERENCE, 10, "preference")                                                                    \
    X(CAUSE_FORGOTTEN, 11, "forgotten")
enum suppression_cause {
#define X(name, number, text) name = number,
    SUPPRESSION_CAUSES(X)
#undef X
};
const char *suppression_cause_name(enum suppression_cause c);

/* What stops an action, found at the first stage that does. */
enum block_kind {
    BLOCK_NONE,
    BLOCK_STATE,
    BLOCK_SCHEDULE,
    BLOCK_TREATMENT,
    BLOCK_ENGAGEMENT,
    BLOCK_SUPPRESSION,
    BLOCK_CONSENT,
    BLOCK_QUIET,
    BLOCK_PREFERENCE, /* index: enum preference_block */
    BLOCK_LIMIT,
    BLOCK_FORGOTTEN
};
/* What the person asked for. */
enum preference_block { PREFERENCE_PAUSE, PREFERENCE_QUIET, PREFERENCE_LESS };

struct blocker {
    enum block_kind kind;
    enum engagement engagement;     /* BLOCK_ENGAGEMENT: which */
    const struct policy_rule *rule; /* BLOCK_ENGAGEMENT, BLOCK_SUPPRESSION */
    uint32_t index; /* BLOCK_SUPPRESSION, BLOCK_LIMIT: of the policy's list; BLOCK_CONSENT: enum purpose */
};

struct evidence {
    struct str name, value;
    int64_t counts_since_ms; /* what it is made of missed some of the customer's events and counts from then on; 0: none */
};

struct candidate {
    uint32_t action;
    enum candidate_stage stage;
    struct blocker block;
    bool scored;
    double priority;
    struct factors factors;
    struct str failed_source; /* STAGE_RENDER: the expression without a value */
};

struct choice {
    const struct policy_action *action;
    const struct policy_treatment *treatment;
    struct str placement;
    struct str *content; /* rendered, by treatment->content */
    double priority;
    struct factors factors;
    double action_probability;
};

struct suppression {
    enum suppression_cause cause;
    struct blocker block; /* what decided; BLOCK_NONE where no single rule did */
    struct str rule;      /* id, or empty */
    struct policy_scope scope;
    struct evidence *evidence;
    size_t evidence_count;
    long withheld; /* action index, or -1 */
    double withheld_priority;
    int64_t next_eligible_ms; /* 0: none */
    struct str *waits_for;
    size_t waits_count;
    int64_t ends_ms;       /* of the rule or limit itself; 0: not by time */
    struct str *lifted_by; /* what it looks at */
    size_t lifted_count;
    struct str text;
};

struct decision {
    const struct decide_input *input;
    struct choice *choices;
    size_t choice_count;
    bool suppressed;
    struct suppression suppression;
    struct candidate *candidates; /* one an action, in the policy's order */
    struct expr_eval *ev;         /* for evidence; at now */
};

/* ERR_NOSPACE: the arena is full. ERR_INTERNAL: the scorer failed (the text says why). */
int decide(const struct decide_input *in, struct arena *arena, struct decision *out,
           struct error *e) MUST_CHECK;

/* Books a contact for each choice. ERR_NOSPACE: too many contacts are kept. */
int decision_reserve(const struct decision *d, struct state *s, struct error *e) MUST_CHECK;

#endif
