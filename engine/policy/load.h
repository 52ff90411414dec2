/* Loading a policy folder: what the loaders of the sections share. A section may stand in any file of the
 * folder; lists and mappings of several files are joined, in order of file names. Every loader goes on after
 * a finding, so that one run reports all of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_H
#define TACT_POLICY_LOAD_H
#include "policy/policy.h"
#include "policy/yaml_values.h"

/* A feature while features compile. */
struct loader_feature {
    const struct yaml_node *key, *value;
    bool settled; /* compiled, or reported */
    bool broken;  /* on a cycle that was reported */
    bool odd;     /* has keys that nobody knows, which were reported */
    long missed;  /* the feature it asked for that was not there yet, or -1 */
};

struct loader_field; /* policy/action_fields.h */

struct loader {
    struct policy *policy;
    struct arena *arena; /* the policy's */
    struct diags *diags;
    struct yaml_node *files[POLICY_FILES_MAX];
    size_t file_count;
    bool unread;                     /* a file is no YAML: its own findings are enough */
    const struct yaml_node **negative; /* [signal_count] of signals; NULL: not there */
    const struct yaml_node **consent;  /* alike */
    struct loader_feature *features; /* [feature_count] */
    long missed;                     /* of the feature that compiles now */
    struct loader_field *fields;     /* of actions */
    size_t field_count;
    /* The action whose expressions compile now, for action.x; NULL elsewhere:
     * there action.x is that of the action looked at. */
    const struct policy_action *action;
    const struct yaml_node *retention; /* NULL: none */
    bool journey_broken;               /* no list of stages, which was reported: any may be meant */
    bool in_stage_rule; /* a stage's rule compiles now: `stage` is the one before */
    bool full; /* an allocation failed; the load ends with that finding */
};

/* Zeroed memory of the policy; NULL when it is full, which loading then reports. */
void *loader_alloc(struct loader *l, size_t size);
/* The same as text; empty when it is full. */
struct str loader_text(struct loader *l, const char *format, ...) PRINTF_LIKE(2, 3);

/* Visits each item of a section over all files: pairs of mappings (key node, value node) or items of lists
 * (key NULL). A section of another kind is reported. Returns how many there were. */
size_t loader_each(struct loader *l, const char *section, enum yaml_kind kind,
                   void (*visit)(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                                 size_t index));
/* Number of items in a section over all files. */
size_t loader_count(const struct loader *l, const char *section);

/* An id or name: 1 to POLICY_NAME_MAX bytes, a letter or _ first, then letters, digits, _ (and - and . in
 * ids). */
bool loader_name(struct loader *l, const struct yaml_node *n, bool id, const char *what, struct str *out);
/* Reports a name that is one of the language's. what: "a feature". */
void loader_free_name(struct loader *l, const struct yaml_node *n, const char *what);
/* "30d", "72h": at least `least_ms`, at most WINDOW_MAX_MS. */
bool loader_duration(struct loader *l, const struct yaml_node *n, int64_t least_ms, int64_t *out);
/* {from: "21:00", to: "08:00"}; false after a finding. */
bool loader_quiet_hours(struct loader *l, const struct yaml_node *n, struct quiet_hours *out);
/* A list of purposes; each is set. */
void loader_purposes(struct loader *l, const struct yaml_node *n, bool set[PURPOSE_COUNT]);
/* Compiles the scalar's text; findings carry the file, line and column inside it. */
bool loader_expr(struct loader *l, const struct yaml_node *n, uint8_t want, expr_id *out);
/* A number, or an expression that gives one: as a node of type double. */
bool loader_number_expr(struct loader *l, const struct yaml_node *n, expr_id *out);
/* `on_unknown:` of a mapping; block when it is not there. */
void loader_on_unknown(struct loader *l, const struct yaml_node *mapping, enum on_unknown *out);
/* A list of strings; false after a finding. */
bool loader_strings(struct loader *l, const struct yaml_node *n, struct str **out, size_t *count);
/* The same of words that stand for different things: none twice. least: how many there must be. */
bool loader_words(struct loader *l, const struct yaml_node *n, size_t least, struct str **out, size_t *count);
/* "unknown channel 'emial'; did you mean email? allowed: …" */
void loader_unknown_word(struct loader *l, const struct yaml_node *n, const char *what, struct str word,
                         const struct str *allowed, size_t count);
/* The zone of that name; NULL after a finding. */
const struct tz *loader_zone(struct loader *l, const struct yaml_node *n, struct str name);
/* Slice of names of channels and so on for loader_unknown_word; arena memory. */
struct str *loader_channel_names(struct loader *l);

/* Findings of expressions inside a scalar, as located diagnostics. */
struct scalar_report {
    struct diags *diags;
    const struct yaml_node *scalar;
    struct expr_report report;
};
const struct expr_report *scalar_report(struct scalar_report *r, struct diags *diags,
                                        const struct yaml_node *scalar);

#endif
