/* Stages 3 to 6 for one action; see gate.h.
 *
 * gate_next_eligible does not step over every instant at which anything changes: it asks what blocks now, jumps to the
 * first instant at which that very block may be gone (bucket edge, age crossing its threshold, end of quiet hours, a
 * contact leaving its window …), and looks again. A block cannot vanish before that instant, so the first instant found
 * free is the first there is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/gate.h"
#include "state/preferences.h"

static struct str wanted_locale(const struct gate *g)
{
    long at = g->policy->locale_attribute;
    if (g->request->locale.n)
        return g->request->locale;
    if (at >= 0 && !g->unreadable && g->state->attributes[at].type == VALUE_STRING)
        return value_str(g->state->attributes[at]);
    return g->policy->locale_count ? g->policy->locales[0] : (struct str){0};
}

void gate_init(struct gate *g, struct view *v, const struct decide_request *r, const struct state *household, bool unreadable)
{
    *g = (struct gate){.view = v,
                       .policy = v->policy,
                       .request = r,
                       .state = v->state,
                       .household = household,
                       .unreadable = unreadable};
    g->looks_left = GATE_LOOKS_MAX;
    g->outbound = v->policy->channels[r->channel].outbound;
    g->locale = wanted_locale(g);
    g->zone = view_zone(v);
    g->totals = arena_zalloc(v->ev.arena, v->policy->limit_count * sizeof *g->totals);
}

/* ---- treatments ---- */

static struct str language_of(struct str locale)
{
    size_t n = 0;
    while (n < locale.n && locale.p[n] != '-' && locale.p[n] != '_')
        n++;
    return (struct str){locale.p, n};
}

/* How well a treatment's locale fits: higher is better, 0 is the last resort. */
static size_t locale_fit(const struct gate *g, struct str locale)
{
    const struct policy *p = g->policy;
    size_t most = p->locale_count + 4;
    if (str_eq(locale, g->locale))
        return most;
    if (locale.n && g->locale.n && str_eq(language_of(locale), language_of(g->locale)))
        return most - 1;
    if (locale.n == 0)
        return most - 2;
    for (size_t i = 0; i < p->locale_count; i++)
        if (str_eq(p->locales[i], locale))
            return p->locale_count - i;
    return 0;
}

const struct policy_treatment *gate_treatment(const struct gate *g, const struct policy_action *a,
                                              struct str placement)
{
    const struct policy_treatment *best = NULL;
    size_t best_fit = 0;
    for (size_t i = 0; i < a->treatment_count; i++) {
        const struct policy_treatment *t = &a->treatments[i];
        if (t->channel != g->request->channel || (t->placement.n && !str_eq(t->placement, placement)))
            continue;
        /* A treatment made for the placement goes before one for any. */
        size_t fit = 1 + locale_fit(g, t->locale) * 2 + (t->placement.n > 0);
        if (fit > best_fit) {
            best = t;
            best_fit = fit;
        }
    }
    return best;
}

static bool has_treatment(const struct gate *g, const struct policy_action *a)
{
    if (g->request->placement_count == 0)
        return gate_treatment(g, a, (struct str){0}) != NULL;
    for (size_t i = 0; i < g->request->placement_count; i++)
        if (gate_treatment(g, a, g->request->placements[i]))
            return true;
    return false;
}

/* ---- rules ---- */

/* Whether a condition that must hold does, with what unknown and error mean for it. */
static bool holds(struct gate *g, const struct policy_rule *r, bool when_unknown)
{
    struct value v = expr_eval(&g->view->ev, r->when);
    return v.type == VALUE_BOOL ? v.boolean : when_unknown;
}

bool gate_suppression_fires(struct gate *g, uint32_t suppression)
{
    const struct policy_rule *r = &g->policy->suppressions[suppression].rule;
    return holds(g, r, r->on_unknown == ON_UNKNOWN_BLOCK);
}

static bool engagement_blocked(struct gate *g, uint32_t action, struct blocker *out)
{
    const struct policy_action *a = &g->policy->actions[action];
    expr_eval_vary(&g->view->ev, action);
    for (int kind = 0; kind < ENGAGEMENT_COUNT; kind++)
        for (size_t i = 0; i < a->rule_count[kind]; i++) {
            const struct policy_rule *r = &a->rules[kind][i];
            if (!holds(g, r, r->on_unknown == ON_UNKNOWN_ALLOW)) {
                *out = (struct blocker){BLOCK_ENGAGEMENT, (enum engagement)kind, r, 0};
                return true;
            }
        }
    return false;
}

static bool suppression_blocked(struct gate *g, const struct policy_action *a, struct blocker *out)
{
    for (size_t i = 0; i < a->suppression_count; i++) {
        const struct policy_suppression *s = &g->policy->suppressions[a->suppressions[i]];
        bool here =
            s->block.everything || s->block.channel == SCOPE_ANY || s->block.channel == g->request->channel;
        if (here && gate_suppression_fires(g, a->suppressions[i])) {
            *out = (struct blocker){BLOCK_SUPPRESSION, 0, &s->rule, a->suppressions[i]};
            return true;
        }
    }
    return false;
}

static bool consent_blocked(const struct gate *g, const struct policy_action *a)
{
    const struct policy_channel *c = &g->policy->channels[g->request->channel];
    if (!c->consent[a->purpose])
        return false;
    int given = g->unreadable ? -1 : state_consent(g->state, c->word.id, g->policy->purposes[a->purpose].id);
    bool lost = !g->unreadable && g->state->lost_ms; /* with what was lost, consent may have been withdrawn */
    return given < 0 ? lost || c->consent_unknown == ON_UNKNOWN_BLOCK : given == 0;
}

/* The same for all actions of an instant. */
static bool quiet_now(struct gate *g, const struct policy_channel *c, int64_t now_ms)
{
    if (!g->quiet_known || g->quiet_at_ms != now_ms) {
        g->quiet = quiet_at(&c->quiet, g->zone, now_ms);
        g->quiet_at_ms = now_ms;
        g->quiet_known = true;
    }
    return g->quiet;
}

static bool quiet_blocked(struct gate *g, const struct policy_action *a, int64_t now_ms)
{
    const struct policy_channel *c = &g->policy->channels[g->request->channel];
    return c->quiet_set && !c->quiet_except[a->purpose] && quiet_now(g, c, now_ms);
}

/* ---- what the person asked for ---- */

/* When a contact stops counting in a window. */
static int64_t contact_leaves(const struct policy_limit *l, const struct contact *k)
{
    int64_t leaves = k->time_ms + l->per_ms;
    return k->expires_ms && k->expires_ms < leaves ? k->expires_ms : leaves;
}

static bool paused(const struct gate *g, const struct policy_action *a, int64_t now_ms)
{
    return g->outbound && !g->unreadable && !policy_asked_for(a->purpose) && now_ms < g->state->preferences.paused_until_ms;
}

static struct quiet_hours own_hours(const struct gate *g)
{
    const struct preferences *p = &g->state->preferences;
    return (struct quiet_hours){p->quiet_from, p->quiet_to};
}

static bool own_quiet(const struct gate *g, const struct policy_action *a, int64_t now_ms)
{
    const struct policy_channel *c = &g->policy->channels[g->request->channel];
    if (!g->outbound || g->unreadable || !g->state->preferences.quiet_ms ||
        g->state->preferences.quiet_from == PREFERENCE_NO_QUIET || a->purpose == PURPOSE_TRANSACTIONAL ||
        c->quiet_except[a->purpose])
        return false;
    struct quiet_hours own = own_hours(g);
    return quiet_at(&own, g->zone, now_ms);
}

/* Outbound contacts that nobody waited for, in the person's own window; *leaves[] as in limit_count. What it was about or
 * where, when that is not known, counts. */
static uint32_t less_count(const struct gate *g, int64_t now_ms, int64_t *leaves)
{
    const struct policy *p = g->policy;
    const struct policy_limit window = {.per_ms = g->state->preferences.less_per_ms};
    uint32_t n = 0, kept = g->state->contact_count;
    for (uint32_t i = 0; i < kept + g->pending_count; i++) {
        const struct contact *k = i < kept ? &g->state->contacts[i] : &g->pending[i - kept];
        long channel = policy_channel_of_id(p, k->channel);
        int64_t end = contact_leaves(&window, k);
        if (end <= now_ms || (channel >= 0 && !p->channels[channel].outbound) ||
            k->purpose == p->purposes[PURPOSE_SERVICE].id || k->purpose == p->purposes[PURPOSE_TRANSACTIONAL].id)
            continue;
        if (leaves)
            leaves[n] = end;
        n++;
    }
    return n;
}

/* The same for all actions of an instant. */
static uint32_t less_total(struct gate *g, int64_t now_ms)
{
    struct limit_total *t = &g->less;
    if (!t->known || t->at_ms != now_ms || t->pending != g->pending_count)
        *t = (struct limit_total){now_ms, (uint32_t)g->pending_count, less_count(g, now_ms, NULL), true};
    return t->count;
}

static bool less_often(struct gate *g, const struct policy_action *a, int64_t now_ms)
{
    if (!g->outbound || g->unreadable || !g->state->preferences.less_per_ms || policy_asked_for(a->purpose))
        return false;
    return less_total(g, now_ms) >= g->state->preferences.less_at_most;
}

static bool preference_blocked(struct gate *g, const struct policy_action *a, int64_t now_ms, uint32_t *which)
{
    *which = paused(g, a, now_ms) ? PREFERENCE_PAUSE : own_quiet(g, a, now_ms) ? PREFERENCE_QUIET : PREFERENCE_LESS;
    return *which != PREFERENCE_LESS || less_often(g, a, now_ms);
}

static bool preference_stands(struct gate *g, const struct policy_action *a, uint32_t which, int64_t now_ms)
{
    return which == PREFERENCE_PAUSE   ? paused(g, a, now_ms)
           : which == PREFERENCE_QUIET ? own_quiet(g, a, now_ms)
                                       : less_often(g, a, now_ms);
}

/* ---- limits ---- */

/* A contact of which it is not known counts as if it were any: no contact past a cap. */
static bool field_matches(uint32_t field, uint32_t contact, const uint32_t *candidate, uint32_t named)
{
    return field == SCOPE_ANY || contact == 0 ||
           (field == SCOPE_EACH ? !candidate || contact == *candidate : contact == named);
}

/* Whether a contact made earlier counts in a limit's scope for this candidate (NULL: for some). All ids are the
 * dictionary's. */
static bool limit_sees(const struct gate *g, const struct policy_limit *l, const struct contact *k,
                       const struct contact *mine)
{
    const struct policy *p = g->policy;
    const struct policy_scope *s = &l->scope;
    return field_matches(s->channel, k->channel, mine ? &mine->channel : NULL,
                         s->channel < p->channel_count ? p->channels[s->channel].word.id : 0) &&
           field_matches(s->purpose, k->purpose, mine ? &mine->purpose : NULL,
                         s->purpose < PURPOSE_COUNT ? p->purposes[s->purpose].id : 0) &&
           field_matches(s->issue, k->issue, mine ? &mine->issue : NULL,
                         s->issue < p->issue_count ? p->issues[s->issue].id : 0) &&
           field_matches(s->group, k->group, mine ? &mine->group : NULL,
                         s->group < p->group_count ? p->groups[s->group].id : 0) &&
           field_matches(s->action, k->action, mine ? &mine->action : NULL,
                         s->action < p->action_count ? p->actions[s->action].word.id : 0);
}

/* Contacts in the limit's window that count for this candidate (NULL: for some); *leaves[] gets when each stops counting, when
 * not NULL (room for all contacts). */
static uint32_t limit_count(const struct gate *g, const struct policy_limit *l, const struct contact *mine,
                            int64_t now_ms, int64_t *leaves)
{
    uint32_t n = 0;
    uint32_t kept = g->unreadable ? 0 : g->state->contact_count, pending = (uint32_t)g->pending_count;
    const struct state *household = l->household ? g->household : NULL;
    uint32_t others = household ? household->contact_count : 0;
    for (uint32_t i = 0; i < kept + pending + others; i++) {
        const struct contact *k = i < kept             ? &g->state->contacts[i]
                                  : i < kept + pending ? &g->pending[i - kept]
                                                       : &household->contacts[i - kept - pending];
        int64_t end = contact_leaves(l, k);
        if (end <= now_ms || !limit_sees(g, l, k, mine))
            continue;
        if (i >= kept + pending && state_contact_find(g->state, k->decision, k->action))
            continue; /* the customer's own, which the household has too */
        if (leaves)
            leaves[n] = end;
        n++;
    }
    return n;
}

/* Contacts are few and most limits far from full: what a limit sees at all, counted once for all actions, answers for nearly
 * all of them. */
static uint32_t limit_total(const struct gate *g, uint32_t limit, int64_t now_ms)
{
    const struct policy_limit *l = &g->policy->limits[limit];
    struct limit_total *t = g->totals ? &g->totals[limit] : NULL;
    if (t && t->known && t->at_ms == now_ms && t->pending == g->pending_count)
        return t->count;
    uint32_t count = limit_count(g, l, NULL, now_ms, NULL);
    if (t)
        *t = (struct limit_total){now_ms, (uint32_t)g->pending_count, count, true};
    return count;
}

/* Contacts of the household could not be read then, and may still count. */
static bool lost_household(const struct gate *g, const struct policy_limit *l, int64_t now_ms)
{
    return l->household && g->household && g->household->lost_ms && now_ms < g->household->lost_ms + l->per_ms;
}

static bool limit_full(const struct gate *g, uint32_t limit, uint32_t action, int64_t now_ms)
{
    const struct policy_limit *l = &g->policy->limits[limit];
    const struct policy_scope *s = &l->scope;
    if (lost_household(g, l, now_ms))
        return true;
    if (limit_total(g, limit, now_ms) < l->at_most)
        return false;
    if (s->channel != SCOPE_EACH && s->purpose != SCOPE_EACH && s->issue != SCOPE_EACH &&
        s->group != SCOPE_EACH && s->action != SCOPE_EACH)
        return true;
    struct contact mine = gate_contact(g, action, (struct id128){{0}}, now_ms);
    return limit_count(g, l, &mine, now_ms, NULL) >= l->at_most;
}

bool gate_limit_blocked(struct gate *g, uint32_t action, struct blocker *out)
{
    const struct policy_action *a = &g->policy->actions[action];
    if (less_often(g, a, g->view->ev.now_ms)) {
        *out = (struct blocker){BLOCK_PREFERENCE, 0, NULL, PREFERENCE_LESS};
        return true;
    }
    for (size_t i = 0; i < a->limit_count; i++) {
        const struct policy_limit *l = &g->policy->limits[a->limits[i]];
        bool here = l->scope.channel >= SCOPE_EACH || l->scope.channel == g->request->channel;
        if (here && limit_full(g, a->limits[i], action, g->view->ev.now_ms)) {
            *out = (struct blocker){BLOCK_LIMIT, 0, NULL, a->limits[i]};
            return true;
        }
    }
    return false;
}

/* ---- all stages ---- */

/* Until when nothing outbound is said, since contacts that no longer can be read may count; 0: the state is whole. */
static int64_t lost_until(const struct gate *g)
{
    return g->state->lost_ms ? g->state->lost_ms + g->policy->schema.contact_horizon_ms : 0;
}

static bool state_blocked(const struct gate *g, int64_t now_ms)
{
    return g->outbound && (g->unreadable || now_ms < lost_until(g));
}

/* Somebody who was forgotten hears only what they wait for, and only as advice: nothing may be kept of them, so that nothing
 * can be booked and no limit would hold. */
static bool forgotten_blocked(const struct gate *g, const struct policy_action *a)
{
    return g->outbound && g->state->forgotten_ms &&
           (g->request->mode == MODE_RESERVE || !policy_asked_for(a->purpose));
}

bool gate_blocked(struct gate *g, uint32_t action, struct blocker *out)
{
    const struct policy_action *a = &g->policy->actions[action];
    int64_t now_ms = g->view->ev.now_ms;
    *out = (struct blocker){BLOCK_NONE, 0, NULL, 0};
    if (now_ms < a->from_ms || now_ms >= a->to_ms || !weekly_open(&a->weekly, g->policy->zone, now_ms))
        out->kind = BLOCK_SCHEDULE;
    else if (!has_treatment(g, a))
        out->kind = BLOCK_TREATMENT;
    else if (state_blocked(g, now_ms)) /* fail-safe; what comes before needs no state */
        out->kind = BLOCK_STATE;
    else if (forgotten_blocked(g, a))
        out->kind = BLOCK_FORGOTTEN;
    else if (engagement_blocked(g, action, out) || suppression_blocked(g, a, out))
        return true;
    else if (consent_blocked(g, a))
        *out = (struct blocker){BLOCK_CONSENT, 0, NULL, a->purpose};
    else if (quiet_blocked(g, a, now_ms))
        out->kind = BLOCK_QUIET;
    else if (preference_blocked(g, a, now_ms, &out->index))
        out->kind = BLOCK_PREFERENCE;
    else
        return gate_limit_blocked(g, action, out);
    return out->kind != BLOCK_NONE;
}

/* Contacts are kept by time, so this is nearly in order already. */
static void sort_times(int64_t *times, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        int64_t t = times[i];
        uint32_t at = i;
        for (; at > 0 && times[at - 1] > t; at--)
            times[at] = times[at - 1];
        times[at] = t;
    }
}

/* When as many contacts have left as are too many now. */
static int64_t room_at(int64_t *leaves, uint32_t n, uint32_t at_most)
{
    if (at_most == 0 || n < at_most)
        return INT64_MAX;
    sort_times(leaves, n);
    return leaves[n - at_most];
}

static int64_t preference_lift(const struct gate *g, uint32_t which)
{
    int64_t leaves[STATE_CONTACTS_MAX + DECIDE_ACTIONS_MAX], now_ms = g->view->ev.now_ms;
    ASSERT(g->state->contact_count <= STATE_CONTACTS_MAX && g->pending_count <= DECIDE_ACTIONS_MAX);
    const struct preferences *p = &g->state->preferences;
    if (which == PREFERENCE_PAUSE)
        return p->paused_until_ms;
    if (which == PREFERENCE_LESS)
        return room_at(leaves, less_count(g, now_ms, leaves), p->less_at_most);
    struct quiet_hours own = own_hours(g);
    return quiet_next_change(&own, g->zone, now_ms);
}

static int64_t limit_lift(const struct gate *g, uint32_t action, const struct policy_limit *l)
{
    int64_t leaves[2 * STATE_CONTACTS_MAX + DECIDE_ACTIONS_MAX];
    ASSERT(g->state->contact_count <= STATE_CONTACTS_MAX && g->pending_count <= DECIDE_ACTIONS_MAX);
    ASSERT(!g->household || g->household->contact_count <= STATE_CONTACTS_MAX);
    if (lost_household(g, l, g->view->ev.now_ms))
        return g->household->lost_ms + l->per_ms;
    struct contact mine = gate_contact(g, action, (struct id128){{0}}, g->view->ev.now_ms);
    uint32_t n = limit_count(g, l, &mine, g->view->ev.now_ms, leaves);
    return room_at(leaves, n, l->at_most);
}

int64_t gate_lift(struct gate *g, uint32_t action, const struct blocker *b)
{
    const struct policy_action *a = &g->policy->actions[action];
    const struct policy_channel *c = &g->policy->channels[g->request->channel];
    int64_t now_ms = g->view->ev.now_ms;
    switch (b->kind) {
    case BLOCK_SCHEDULE:
        if (now_ms >= a->to_ms)
            return INT64_MAX;
        return now_ms < a->from_ms ? a->from_ms : weekly_next_change(&a->weekly, g->policy->zone, now_ms);
    case BLOCK_ENGAGEMENT:
        expr_eval_vary(&g->view->ev, action);
        return expr_next_change(&g->view->ev, b->rule->when);
    case BLOCK_SUPPRESSION:
        return expr_next_change(&g->view->ev, b->rule->when);
    case BLOCK_QUIET:
        return quiet_next_change(&c->quiet, g->zone, now_ms);
    case BLOCK_PREFERENCE:
        return preference_lift(g, b->index);
    case BLOCK_LIMIT:
        return limit_lift(g, action, &g->policy->limits[b->index]);
    case BLOCK_STATE:
        return g->unreadable ? INT64_MAX : lost_until(g);
    case BLOCK_NONE:
    case BLOCK_TREATMENT:
    case BLOCK_CONSENT:
    case BLOCK_FORGOTTEN:
        break;
    }
    return INT64_MAX;
}

/* Moves the view to the next instant worth looking at; false when it lies beyond `end_ms`, or none may be visited any more. */
static bool look_on(struct gate *g, int64_t at_ms, int64_t end_ms)
{
    if (at_ms > end_ms)
        return false;
    if (g->looks_left == 0) {
        g->looks_ended = true;
        return false;
    }
    g->looks_left--;
    ASSERT(at_ms > g->view->ev.now_ms);
    expr_eval_at(&g->view->ev, at_ms);
    return true;
}

int64_t gate_next_eligible(struct gate *g, uint32_t action, int64_t now_ms, int64_t before_ms,
                           struct blocker *last)
{
    struct expr_eval *ev = &g->view->ev;
    int64_t end_ms = now_ms + WINDOW_MAX_MS < before_ms ? now_ms + WINDOW_MAX_MS : before_ms - 1, found = 0;
    while (gate_blocked(g, action, last) && look_on(g, gate_lift(g, action, last), end_ms))
        ;
    if (last->kind == BLOCK_NONE)
        found = ev->now_ms;
    expr_eval_at(ev, now_ms);
    return found;
}

/* Whether this very block stands at the view's instant, whatever else does. */
static bool stands(struct gate *g, uint32_t action, const struct blocker *b)
{
    const struct policy_action *a = &g->policy->actions[action];
    int64_t now_ms = g->view->ev.now_ms;
    switch (b->kind) {
    case BLOCK_NONE:
        return false;
    case BLOCK_SCHEDULE:
        return now_ms < a->from_ms || now_ms >= a->to_ms || !weekly_open(&a->weekly, g->policy->zone, now_ms);
    case BLOCK_ENGAGEMENT:
        expr_eval_vary(&g->view->ev, action);
        return !holds(g, b->rule, b->rule->on_unknown == ON_UNKNOWN_ALLOW);
    case BLOCK_SUPPRESSION:
        return gate_suppression_fires(g, b->index);
    case BLOCK_QUIET:
        return quiet_blocked(g, a, now_ms);
    case BLOCK_PREFERENCE:
        return preference_stands(g, a, b->index, now_ms);
    case BLOCK_LIMIT:
        return limit_full(g, b->index, action, now_ms);
    case BLOCK_STATE:
        return state_blocked(g, now_ms);
    case BLOCK_TREATMENT:
    case BLOCK_CONSENT:
    case BLOCK_FORGOTTEN:
        break;
    }
    return true;
}

int64_t gate_block_end(struct gate *g, uint32_t action, const struct blocker *b, int64_t now_ms)
{
    struct expr_eval *ev = &g->view->ev;
    bool on = true;
    while ((on = stands(g, action, b)) && look_on(g, gate_lift(g, action, b), now_ms + WINDOW_MAX_MS))
        ;
    int64_t found = on ? 0 : ev->now_ms;
    expr_eval_at(ev, now_ms);
    return found;
}

struct contact gate_contact(const struct gate *g, uint32_t action, struct id128 decision, int64_t now_ms)
{
    const struct policy *p = g->policy;
    const struct policy_action *a = &p->actions[action];
    const struct policy_channel *c = &p->channels[g->request->channel];
    return (struct contact){.decision = decision,
                            .action = a->word.id,
                            .channel = c->word.id,
                            .purpose = p->purposes[a->purpose].id,
                            .group = p->groups[a->group].id,
                            .issue = p->issues[a->issue].id,
                            .time_ms = now_ms,
                            .expires_ms = now_ms + c->confirm_within_ms};
}
