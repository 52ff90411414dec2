/* A policy: what a brand may say, to whom, when, and how often. Read from a folder of YAML files as one
 * immutable snapshot (DESIGN section 6), all expressions compiled into one shared program. Knows nothing of
 * requests or stores.
 *
 *   policy_load --> struct policy --policy_bind(dictionary)--> ready to decide
 *
 * One snapshot may be used by many requests of one thread at once; it is freed by its owner after the last of
 * them. Every pointer inside lives as long as the policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_POLICY_H
#define TACT_POLICY_POLICY_H
#include "base/hash.h"
#include "expr/expr.h"
#include "policy/schedule.h"
#include "policy/template.h"
#include "state/state.h"

enum {
    POLICY_ACTIONS_MAX = 10000,
    POLICY_RULES_MAX = 4096, /* suppressions; likewise limits */
    POLICY_CHANNELS_MAX = 64,
    POLICY_NAME_MAX = 64, /* bytes of an id */
    POLICY_MEMORY_MAX = 512 * 1024 * 1024
};

/* Purposes are fixed: what a message is for decides how it may be sent. */
#define POLICY_PURPOSES(X)                                                                                   \
    X(PURPOSE_PROMOTIONAL, "promotional")                                                                    \
    X(PURPOSE_SERVICE, "service")                                                                            \
    X(PURPOSE_TRANSACTIONAL, "transactional")                                                                \
    X(PURPOSE_ASK, "ask")
enum purpose {
#define X(name, text) name,
    POLICY_PURPOSES(X)
#undef X
        PURPOSE_COUNT
};
const char *purpose_name(enum purpose p);

/* A word of the policy with its dictionary id (0 until policy_bind): an issue, group, purpose, channel or
 * action. */
struct policy_word {
    struct str name; /* "fashion" */
    struct str path; /* "group.fashion" */
    uint32_t id;
};

enum on_unknown { ON_UNKNOWN_BLOCK, ON_UNKNOWN_ALLOW };

/* A condition with a name. */
struct policy_rule {
    struct str id; /* given, or "<action>.eligibility" */
    expr_id when;
    enum on_unknown on_unknown;
};

enum engagement {
    ENGAGEMENT_ELIGIBILITY,
    ENGAGEMENT_APPLICABILITY,
    ENGAGEMENT_SUITABILITY,
    ENGAGEMENT_COUNT
};

/* Consent bits by purpose. */
struct policy_channel {
    struct policy_word word;
    bool outbound;
    double cost;                 /* of one contact, in the brand's currency */
    bool consent[PURPOSE_COUNT]; /* needs consent; default: promotional on outbound channels */
    enum on_unknown consent_unknown;
    bool quiet_set;
    struct quiet_hours quiet; /* in the customer's zone; one who has none lives in the brand's */
    bool quiet_except[PURPOSE_COUNT];
    int64_t confirm_within_ms; /* of a reservation; default 1 h */
    bool html;                 /* escape rendered values for HTML */
    struct str *placements;
    size_t placement_count;
    struct str *content; /* the fields a treatment has; none: any */
    size_t content_count;
};

struct policy_attribute { /* of an action: a constant */
    struct str name;
    struct value value;
};

struct policy_content {
    struct str name; /* "subject" */
    struct template text;
};

struct policy_treatment {
    struct str id;
    uint32_t channel;     /* index */
    struct str locale;    /* empty: any */
    struct str placement; /* empty: any */
    struct policy_content *content;
    size_t content_count;
};

struct policy_action {
    struct policy_word word;
    uint32_t issue, group; /* indices of words */
    enum purpose purpose;
    int64_t from_ms, to_ms; /* active in [from, to); INT64_MIN, INT64_MAX where open */
    struct weekly weekly;
    struct policy_rule *rules[ENGAGEMENT_COUNT];
    size_t rule_count[ENGAGEMENT_COUNT];
    expr_id value, context_weight, lever; /* double */
    double starting_propensity;
    struct policy_attribute *attributes;
    size_t attribute_count;
    struct value *fields; /* by index of policy.fields; unknown where the action lacks it */
    struct policy_treatment *treatments;
    size_t treatment_count;
    uint16_t *suppressions; /* indices of those that cover it on some channel, in the policy's order */
    size_t suppression_count;
    uint16_t *limits;
    size_t limit_count;
};

/* Which actions a suppression or a limit is about: all fields that are set must match. SCOPE_ANY: not set;
 * SCOPE_EACH (limits only): counted for each value on its own. */
#define SCOPE_ANY UINT32_MAX
#define SCOPE_EACH (UINT32_MAX - 1)
struct policy_scope {
    bool everything;
    uint32_t purpose, issue, group, channel, action; /* indices */
};

struct policy_suppression {
    struct policy_rule rule;
    struct policy_scope block;
    struct str reason; /* for people; may be empty */
};

/* At most `at_most` contacts in any window of `per_ms` before now. A cooldown is at_most 1 a window. */
struct policy_limit {
    struct str id;
    struct policy_scope scope;
    uint32_t at_most;
    int64_t per_ms;
    bool cooldown;
    bool household; /* of all of the customer's household; without one, of the customer */
};

/* A pair feature (customer x action) is one that looks at the action: expr_varies of its node. It is evaluated
 * for one action, chosen with expr_eval_vary(…, index of the action); for none it may be unknown. */
struct policy_feature {
    struct str name;
    struct schema_was was; /* models may know it by these */
    expr_id node;
};

/* A list of places that expressions know as places.<name>: for nearest_m. */
struct policy_places {
    struct str name;
    struct value list; /* of doubles: latitudes and longitudes in turn */
};

/* A stage of the journey. A customer is in one at a time, or in none. */
struct policy_stage {
    struct policy_word word; /* "stage.at_risk" */
    expr_id enter;
    expr_id leave; /* EXPR_NONE: when enter is no longer true */
};

/* What a signal does to consent: "unsubscribe" withdraws it. */
struct policy_consent_effect {
    bool set, granted;
    bool purposes[PURPOSE_COUNT];
    uint32_t channel; /* index; EFFECT_OWN_CHANNEL: the signal's own (when it tells none: withdrawn on all, granted on
                         none); EFFECT_ALL_CHANNELS */
};
#define EFFECT_OWN_CHANNEL UINT32_MAX
#define EFFECT_ALL_CHANNELS (UINT32_MAX - 1)

/* What is asked of how the customer took an action or its group before. */
#define POLICY_REACTIONS(X)                                                                                  \
    X(REACTION_SHOWN_AGE, "shown_age")                                                                       \
    X(REACTION_SHOWN, "shown")                                                                               \
    X(REACTION_IGNORED, "ignored")                                                                           \
    X(REACTION_RESPONDED, "responded")                                                                       \
    X(REACTION_CONVERTED, "converted")                                                                       \
    X(REACTION_REJECTED, "rejected")
enum policy_reaction {
#define X(name, text) name,
    POLICY_REACTIONS(X)
#undef X
};

enum slot_kind {
    SLOT_NOW,
    SLOT_CHANNEL,
    SLOT_ATTRIBUTE,
    SLOT_CONTEXT,
    SLOT_ACTION,
    SLOT_STAGE,        /* the current stage's name, "" for none */
    SLOT_STAGE_BEFORE, /* in the rules of stages, as the state says: index 0 the stage, 1 since when, 2 the one before */
    SLOT_STAGE_SINCE,  /* when it was entered; unknown while time alone has changed it */
    SLOT_PREVIOUS_STAGE,
    SLOT_TOUCH,        /* the last touch point: index 0 its name, 1 its channel */
    SLOT_FOLLOWED,     /* whether touch point index (see second) was followed by another within key */
    SLOT_PREFERENCE, /* index 0: the person's channel, 1: until when they asked for a pause */
    SLOT_REACTION,  /* index: enum policy_reaction; second: 0 to the action looked at, 1 to its group */
    SLOT_AGGREGATE, /* from here on: over an aggregate */
    SLOT_AGE,
    SLOT_RATIO,    /* mean, share: aggregate index over aggregate second; unknown over 0 */
    SLOT_REPEATS,
    SLOT_AFFINITY, /* of aggregate index to field second of the action looked at, or to key (second UINT32_MAX) */
    SLOT_HOUR,     /* affinity to the hour of the customer's week that it is */
    SLOT_SINCE     /* when aggregate index, and second unless UINT32_MAX, began to be counted */
};
struct policy_slot {
    enum slot_kind kind;
    uint32_t index;  /* of the attribute, context field, field of actions, or aggregate */
    uint32_t second; /* SLOT_RATIO, SLOT_AFFINITY, SLOT_SINCE */
    struct value key;
};

struct policy_test; /* policy/policy_test.h */

/* A file of a policy. */
struct policy_text {
    const char *name;
    struct str text;
};

struct policy {
    struct arena arena;
    char id[ID128_TEXT]; /* hash of file names and contents */
    struct str folder;
    struct policy_text *files; /* as they were read */
    size_t file_count;
    struct str brand;
    const struct tz *zone; /* the brand's */
    const struct tzdb *zones;
    struct str *locales;
    size_t locale_count;
    int week_start; /* 0 = Sunday */
    int64_t retention_ms; /* a customer's state goes so long after its last write; 0: it stays */
    struct schema schema;
    long zone_attribute, locale_attribute, household_attribute; /* index of the profile attribute of that type, or -1 */
    struct schema_field *context;
    size_t context_count;
    struct expr_program *program;
    struct policy_consent_effect *effects; /* by signal */
    struct str *aliases; /* types of other names of customers; such a name is the customer id "type:value" */
    size_t alias_count;
    struct policy_places *places;
    size_t places_count;
    struct policy_stage *stages;           /* those before others go first */
    size_t stage_count;
    struct policy_slot *slots; /* by the program's slot number */
    size_t slot_count;
    struct policy_feature *features;
    size_t feature_count;
    struct str *fields; /* of actions, that features look at: "category" of action.category */
    size_t field_count;
    struct policy_channel *channels;
    size_t channel_count;
    struct policy_word *issues, *groups;
    size_t issue_count, group_count;
    struct policy_word purposes[PURPOSE_COUNT];
    struct policy_action *actions;
    size_t action_count;
    struct policy_suppression *suppressions;
    size_t suppression_count;
    struct policy_limit *limits;
    size_t limit_count;
    bool household_limits; /* there are some */
    struct policy_test *tests;
    size_t test_count;
};

/* Loads every *.yaml and *.yml of the folder (not below it). NULL when diags got an error; all findings of
 * the folder are there. zones outlive the policy. */
struct policy *policy_load(const char *folder, const struct tzdb *zones, struct diags *diags);

/* The same from memory, for tests, fuzzing and policies that came over the wire: files in order, at most
 * POLICY_FILES_MAX; folder stands in messages. memory_max: POLICY_MEMORY_MAX, or less. */
enum { POLICY_FILES_MAX = 256 };
struct policy *policy_load_texts(const char *folder, const struct policy_text *files, size_t count,
                                 const struct tzdb *zones, size_t memory_max, struct diags *diags);
void policy_free(struct policy **p);

/* How long a state stays in the store after it was written; 0: for good. That somebody was forgotten is remembered as long as the
 * policy keeps anybody, and at least 400 days. */
int64_t policy_keeps_ms(const struct policy *p, const struct state *s);
/* It was written longer ago than that, and is as good as not there: true, and the state is that of somebody never seen, but for
 * its version. Where an id leads has no end, once its merge has: it is not written again with the customer's state. */
bool policy_expire(const struct policy *p, struct state *s, int64_t wall_ms);

/* Visits every dictionary name that the policy needs (each once or more). */
void policy_each_name(const struct policy *p, void (*visit)(void *ctx, struct str name), void *ctx);
/* Fills in the dictionary ids. */
int policy_bind(struct policy *p, const struct names *names, struct error *e) MUST_CHECK;
/* policy_bind with a dictionary that grows as needed: for checking, tests and simulation. */
int policy_bind_interning(struct policy *p, struct names *names, struct error *e) MUST_CHECK;

/* Indices, or -1. */
long policy_channel_find(const struct policy *p, struct str name);
long policy_action_find(const struct policy *p, struct str id);
long policy_feature_find(const struct policy *p, struct str name);
long policy_feature_told(const struct policy *p, struct str name); /* by a name that it has or had */
long policy_placement_find(const struct policy_channel *c, struct str name);
long policy_action_of_id(const struct policy *p, uint32_t dictionary_id);
long policy_channel_of_id(const struct policy *p, uint32_t dictionary_id);

/* Of outbound contacts: a pause and less often are about what nobody waits for, quiet hours about all but transactions. */
bool policy_asked_for(enum purpose purpose);
/* Whether a contact of an action (index, or -1: one that this policy lacks) on a channel (dictionary id) may count: in a limit,
 * or against the person's wish for less often. */
bool policy_keeps_contact(const struct policy *p, long action, uint32_t channel_id);

/* Whether a scope covers an action on a channel (SCOPE_EACH matches anything). */
bool policy_scope_covers(const struct policy_scope *s, const struct policy *p, uint32_t action,
                         uint32_t channel);

#endif
