/* Aggregates over signals: how one event changes each kind, what each is worth at an instant, when it next changes.
 *
 * Windows are sparse rings of buckets: index floor(time / width); a window sees bucket i at now while
 * (i + 1) × width > now − window, so it covers at least the window and at most one bucket more (1/24 of it; of HOURS 1/4).
 * Decayed sums are Σ v w with w = 2^(−age / half-life), v = 1 for a signal; a mood is Σ s w / max(1, Σ w) of sentiments s from
 * −1 to 1, so that one faint memory is no strong feeling, and none is 0. A key's affinity is its Σ w over that of all keys.
 * Decayed values stand at now rounded down to 1/64 of the half-life (never before the latest event), so that they change
 * in steps; what is 64 half-lives old is nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_AGGREGATE_H
#define TACT_STATE_AGGREGATE_H
#include "state/state.h"

enum {
    WEEK_HOURS = 168,
    DECAY_STEPS = 64,
    DECAY_HALVINGS_MAX = 64, /* past it a weight is nothing */
    TOP_HALVINGS_MAX = 32    /* past it, since the latest event, a TOP says nothing: parts of so little are noise */
};

/* Hash of a case's key (its type and value). */
uint64_t aggregate_case_key(struct value v);
/* A key of a TOP aggregate as text: a string, or another value as value_format writes it. buf has STATE_KEY_MAX bytes; the
 * result points into it or into v. */
struct str aggregate_key_text(struct value v, char buf[STATE_KEY_MAX]);

/* An aggregate's value at now, and the first instant after t at which it may differ (INT64_MAX: never). KEYS: how many
 * distinct values; TOP: the key with the largest weight, of equals the first; HOURS: unknown (see state_hour_affinity). */
struct value state_aggregate(const struct state *s, size_t aggregate, int64_t now_ms);
int64_t state_aggregate_next_change(const struct state *s, size_t aggregate, int64_t t_ms);
/* Age of the latest event of a last_at aggregate; DURATION_MAX_MS when there was none. Negative while the event lies ahead
 * of now (by a client's clock, at most STATE_AHEAD_MS): cut at 0 it would not rise by 1 ms a ms, which next_eligible_at
 * counts on. */
struct value state_age(const struct state *s, size_t aggregate, int64_t now_ms);
/* KEYS: the events of the value that has most of them: 3 when one question was asked three times. */
struct value state_repeats(const struct state *s, size_t aggregate, int64_t now_ms);
/* TOP: the part of the decayed weight that is of this key, 0 to 1; unknown when there is no weight or the key is unknown.
 * With more than STATE_TOP_MAX keys a part may be too small, by at most state_top_error (Misra and Gries 1982). */
struct value state_affinity(const struct state *s, size_t aggregate, struct value key, int64_t now_ms);
double state_top_error(const struct state *s, size_t aggregate);
/* HOURS: how inclined the customer is at that hour of the week: 168 (w + 1/168) / (Σ w + 1), w = events of that hour, a half
 * of those an hour before and after, a quarter of those in the same hour of the six other days, all over 3.5. 1: as at any
 * hour, which is also what nothing gives. */
struct value state_hour_affinity(const struct state *s, size_t aggregate, int week_hour, int64_t now_ms);
/* From when on it counts; 0: it missed nothing since the customer is known. */
int64_t state_since(const struct state *s, size_t aggregate, int64_t now_ms);

#endif
