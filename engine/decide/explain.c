/* Explanations; see explain.h.
 *
 * Which reason stands for the whole decision: that of the best action held back by a suppression rule or the contact policy;
 * else, if rules fire that would hold back actions of this channel whatever else, the first such rule; else the engagement
 * policy; else there was nothing to offer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/explain.h"
#include "base/arena_buf.h"
#include "state/aggregate.h"

enum { EVIDENCE_MAX = 32, TEXT_ROOM = 16 * 1024, CUT_MARK = 8 };

static void text_init(struct arena_buf *b, struct arena *arena)
{
    arena_buf_init(b, arena, TEXT_ROOM + CUT_MARK);
    if (buf_ok(&b->buf))
        b->buf.limit -= CUT_MARK;
}

/* What was written; p is NULL without memory. Where a text was longer than there is room for, it says so. */
static struct str text_take(struct arena_buf *b)
{
    if (!buf_ok(&b->buf) && b->buf.p) {
        b->buf.failed = false;
        b->buf.limit += CUT_MARK;
        buf_str(&b->buf, STR(" …"));
    }
    return arena_buf_take(b);
}

static struct str value_text(struct value v, struct arena *arena)
{
    struct arena_buf b;
    text_init(&b, arena);
    explain_value(v, &b.buf);
    return text_take(&b);
}

struct str explain_rule(const struct policy *p, const struct blocker *b)
{
    switch (b->kind) {
    case BLOCK_ENGAGEMENT:
    case BLOCK_SUPPRESSION:
        return b->rule->id;
    case BLOCK_LIMIT:
        return p->limits[b->index].id;
    default:
        return (struct str){"", 0};
    }
}

/* ---- evidence ---- */

void explain_value(struct value v, struct buf *out)
{
    if (v.type == VALUE_DURATION && v.integer == DURATION_MAX_MS)
        buf_str(out, STR("never"));
    else
        value_format(v, out);
}

struct gather {
    const struct decide_input *input;
    struct expr_eval *ev;
    struct arena *arena;
    struct evidence *items;
    size_t count;
};

struct since {
    const struct decide_input *input;
    int64_t latest_ms;
};

static void see_since(void *ctx, uint32_t slot)
{
    struct since *w = ctx;
    const struct policy_slot *s = &w->input->policy->slots[slot];
    if (s->kind < SLOT_AGGREGATE || s->kind == SLOT_SINCE)
        return;
    int64_t ms = state_since(w->input->state, s->index, w->input->now_ms);
    w->latest_ms = ms > w->latest_ms ? ms : w->latest_ms;
    if (s->kind == SLOT_RATIO) {
        ms = state_since(w->input->state, s->second, w->input->now_ms);
        w->latest_ms = ms > w->latest_ms ? ms : w->latest_ms;
    }
}

/* From when on all counts that are below a node; 0: none of them missed anything. */
static int64_t counts_since(const struct gather *g, expr_id node)
{
    const struct view *v = (const struct view *)g->ev->source->ctx;
    struct since w = {.input = g->input};
    if (!v->unreadable)
        expr_slots(g->ev->program, node, see_since, &w);
    return w.latest_ms;
}

static void gather_leaf(void *ctx, expr_id leaf, struct str name)
{
    struct gather *g = ctx;
    if (g->count < EVIDENCE_MAX)
        g->items[g->count++] = (struct evidence){name, value_text(expr_eval(g->ev, leaf), g->arena), counts_since(g, leaf)};
    else
        g->items[EVIDENCE_MAX - 1] = (struct evidence){.name = STR("…"), .value = STR("and more")};
}

static void add_evidence(struct gather *g, const char *name, struct value v)
{
    g->items[g->count++] = (struct evidence){.name = str_from(name), .value = value_text(v, g->arena)};
}

static void quiet_evidence(const struct decision *d, struct gather *g, struct quiet_hours q)
{
    char text[32];
    snprintf(text, sizeof text, "%02d:%02d-%02d:%02d", q.from_minute / 60, q.from_minute % 60, q.to_minute / 60,
             q.to_minute % 60);
    g->items[g->count++] = (struct evidence){.name = STR("quiet_hours"), .value = arena_str(g->arena, str_from(text))};
    const struct view *v = (const struct view *)d->ev->source->ctx;
    struct civil local;
    tz_local(view_zone(v), d->input->now_ms, &local);
    snprintf(text, sizeof text, "%02d:%02d", local.hour, local.minute);
    g->items[g->count++] = (struct evidence){.name = STR("local_time"), .value = arena_str(g->arena, str_from(text))};
    g->items[g->count++] = (struct evidence){.name = STR("time_zone"), .value = tz_name(view_zone(v))};
}

static void preference_evidence(const struct decision *d, struct gather *g, enum preference_block which)
{
    const struct preferences *p = &d->input->state->preferences;
    switch (which) {
    case PREFERENCE_PAUSE:
        add_evidence(g, "paused_until", value_timestamp(p->paused_until_ms));
        break;
    case PREFERENCE_QUIET:
        quiet_evidence(d, g, (struct quiet_hours){p->quiet_from, p->quiet_to});
        break;
    case PREFERENCE_LESS:
        add_evidence(g, "at_most", value_int(p->less_at_most));
        add_evidence(g, "per", value_duration(p->less_per_ms));
        break;
    }
}

size_t explain_evidence(const struct decision *d, uint32_t action, const struct blocker *b,
                        struct evidence **out, struct arena *arena)
{
    const struct policy *p = d->input->policy;
    struct gather g = {.input = d->input, .ev = d->ev, .arena = arena};
    g.items = arena_alloc(arena, EVIDENCE_MAX * sizeof *g.items);
    *out = g.items;
    if (!g.items)
        return 0;
    const struct policy_channel *c = &p->channels[d->input->request->channel];
    switch (b->kind) {
    case BLOCK_ENGAGEMENT:
    case BLOCK_SUPPRESSION:
        expr_eval_vary(d->ev, action);
        expr_leaves(p->program, b->rule->when, gather_leaf, &g);
        break;
    case BLOCK_LIMIT:
        add_evidence(&g, "at_most", value_int(p->limits[b->index].at_most));
        add_evidence(&g, p->limits[b->index].cooldown ? "cooldown" : "per",
                     value_duration(p->limits[b->index].per_ms));
        if (p->limits[b->index].household && d->input->household)
            add_evidence(&g, "household", d->input->state->attributes[p->household_attribute]);
        break;
    case BLOCK_QUIET:
        quiet_evidence(d, &g, c->quiet);
        break;
    case BLOCK_PREFERENCE:
        preference_evidence(d, &g, (enum preference_block)b->index);
        break;
    case BLOCK_STATE:
        if (!d->input->state_unreadable)
            add_evidence(&g, "state_lost_at", value_timestamp(d->input->state->lost_ms));
        break;
    case BLOCK_FORGOTTEN:
        add_evidence(&g, "forgotten_at", value_timestamp(d->input->state->forgotten_ms));
        break;
    case BLOCK_CONSENT: {
        const struct view *v = (const struct view *)d->ev->source->ctx;
        int given = v->unreadable ? -1 : state_consent(v->state, c->word.id, p->purposes[b->index].id);
        g.items[g.count++] = (struct evidence){.name = STR("consent"), .value = given < 0 ? STR("unknown") : STR("withdrawn")};
        break;
    }
    default:
        break;
    }
    return g.count;
}

/* ---- what could lift it ---- */

struct waits {
    const struct policy *policy;
    struct str *items;
    size_t count;
};

static void wait_add(struct waits *w, struct str name)
{
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(w->items[i], name))
            return;
    w->items[w->count++] = name;
}

/* Room for every name there is. */
static bool waits_init(struct waits *w, const struct policy *p, struct arena *arena)
{
    size_t names = p->schema.attribute_count + p->context_count + p->schema.signal_count + 3;
    *w = (struct waits){.policy = p, .items = arena_alloc(arena, names * sizeof *w->items)};
    return w->items != NULL;
}

static void wait_slot(void *ctx, uint32_t slot)
{
    struct waits *w = ctx;
    const struct policy *p = w->policy;
    const struct policy_slot *s = &p->slots[slot];
    if (s->kind == SLOT_ATTRIBUTE)
        wait_add(w, p->schema.attributes[s->index].path);
    if (s->kind == SLOT_CONTEXT)
        wait_add(w, p->context[s->index].path);
    if (s->kind == SLOT_REACTION)
        wait_add(w, STR("outcome"));
    if (s->kind == SLOT_PREFERENCE)
        wait_add(w, STR("preferences"));
    for (size_t i = 0; s->kind >= SLOT_STAGE && s->kind <= SLOT_PREVIOUS_STAGE && s->kind != SLOT_STAGE_BEFORE && i < p->stage_count; i++) {
        expr_slots(p->program, p->stages[i].enter, wait_slot, w);
        if (p->stages[i].leave != EXPR_NONE)
            expr_slots(p->program, p->stages[i].leave, wait_slot, w);
    }
    if (s->kind == SLOT_FOLLOWED) {
        wait_add(w, p->schema.signals[s->index].name);
        wait_add(w, p->schema.signals[s->second].name);
    }
    if (s->kind < SLOT_AGGREGATE)
        return;
    for (size_t i = 0; i < p->schema.signal_count; i++)
        for (size_t k = 0; k < p->schema.signals[i].feed_count; k++) {
            uint32_t fed = p->schema.signals[i].feeds[k].aggregate;
            if (fed == s->index || ((s->kind == SLOT_RATIO || s->kind == SLOT_SINCE) && fed == s->second))
                wait_add(w, p->schema.signals[i].name);
        }
}

static void waits_of(struct waits *w, const struct blocker *b)
{
    if (b->kind == BLOCK_ENGAGEMENT || b->kind == BLOCK_SUPPRESSION)
        expr_slots(w->policy->program, b->rule->when, wait_slot, w);
    if (b->kind == BLOCK_CONSENT || b->kind == BLOCK_FORGOTTEN)
        wait_add(w, STR("consent"));
    if (b->kind == BLOCK_PREFERENCE)
        wait_add(w, STR("preferences"));
}

/* ---- sentences ---- */

static void put_scope(struct buf *b, const struct policy *p, const struct policy_scope *s)
{
    const struct {
        uint32_t value;
        const char *word;
        struct str name;
    } fields[] = {
        {s->purpose, "", s->purpose < PURPOSE_COUNT ? p->purposes[s->purpose].name : (struct str){0}},
        {s->issue, "issue ", s->issue < p->issue_count ? p->issues[s->issue].name : (struct str){0}},
        {s->group, "group ", s->group < p->group_count ? p->groups[s->group].name : (struct str){0}},
        {s->channel, "channel ",
         s->channel < p->channel_count ? p->channels[s->channel].word.name : (struct str){0}},
        {s->action, "action ",
         s->action < p->action_count ? p->actions[s->action].word.name : (struct str){0}},
    };
    if (s->everything)
        buf_printf(b, "everything");
    bool first = true;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].name.n) {
            buf_printf(b, "%s%s%.*s", first ? "" : ", ", fields[i].word, STR_ARG(fields[i].name));
            first = false;
        }
}

static void put_duration(struct buf *b, int64_t ms)
{
    value_format(value_duration(ms), b);
}

static void put_at_most(struct buf *b, uint32_t most, int64_t per_ms)
{
    buf_printf(b, "at most %u contact%s in ", most, most == 1 ? "" : "s");
    put_duration(b, per_ms);
}

static void put_preference(struct buf *b, const struct preferences *p, enum preference_block which)
{
    switch (which) {
    case PREFERENCE_PAUSE:
        buf_printf(b, "the customer asked for a pause until ");
        value_format(value_timestamp(p->paused_until_ms), b);
        break;
    case PREFERENCE_QUIET:
        buf_printf(b, "quiet hours of the customer's own");
        break;
    case PREFERENCE_LESS:
        buf_printf(b, "the customer asked for ");
        put_at_most(b, p->less_at_most, p->less_per_ms);
        break;
    }
}

/* What a block says, without the action's name. */
static void put_block(struct buf *b, const struct decision *d, const struct blocker *k)
{
    const struct policy *p = d->input->policy;
    const struct policy_channel *c = &p->channels[d->input->request->channel];
    struct str rule = explain_rule(p, k);
    switch (k->kind) {
    case BLOCK_NONE:
        break;
    case BLOCK_STATE:
        buf_printf(b, d->input->state_unreadable ? "the customer's state cannot be read, so nothing is sent"
                                                  : "an earlier state of the customer could not be read, and contacts "
                                                    "that it held may still count, so nothing is sent");
        break;
    case BLOCK_FORGOTTEN:
        buf_printf(b, "the customer was forgotten at ");
        value_format(value_timestamp(d->input->state->forgotten_ms), b);
        buf_printf(b, " and has given no new consent: %s",
                   d->input->request->mode == MODE_RESERVE
                       ? "nothing may be kept of them, so nothing can be booked"
                       : "only service and transactional messages may go out");
        break;
    case BLOCK_SCHEDULE:
        buf_printf(b, "outside its dates or weekly schedule");
        break;
    case BLOCK_TREATMENT:
        buf_printf(b, "no treatment for this channel, placement and locale");
        break;
    case BLOCK_ENGAGEMENT: {
        static const char *const words[] = {"not eligible", "not applicable now", "not suitable"};
        buf_printf(b, "%s (%.*s)", words[k->engagement], STR_ARG(rule));
        break;
    }
    case BLOCK_SUPPRESSION: {
        const struct policy_suppression *s = &p->suppressions[k->index];
        buf_printf(b, "%.*s holds back ", STR_ARG(rule));
        put_scope(b, p, &s->block);
        if (s->reason.n)
            buf_printf(b, ": %.*s", STR_ARG(s->reason));
        break;
    }
    case BLOCK_CONSENT:
        buf_printf(b, "no consent for this purpose on %.*s", STR_ARG(c->word.name));
        break;
    case BLOCK_QUIET:
        buf_printf(b, "quiet hours on %.*s", STR_ARG(c->word.name));
        break;
    case BLOCK_PREFERENCE:
        put_preference(b, &d->input->state->preferences, (enum preference_block)k->index);
        break;
    case BLOCK_LIMIT:
        if (p->limits[k->index].cooldown) {
            buf_printf(b, "%.*s: contacted less than ", STR_ARG(rule));
            put_duration(b, p->limits[k->index].per_ms);
            buf_printf(b, " ago");
        } else {
            buf_printf(b, "%.*s: ", STR_ARG(rule));
            put_at_most(b, p->limits[k->index].at_most, p->limits[k->index].per_ms);
        }
        if (p->limits[k->index].household && d->input->household)
            buf_printf(b, ", over the household");
        break;
    }
}

struct str explain_candidate(const struct decision *d, const struct candidate *c, struct arena *arena)
{
    if (c->stage == STAGE_CHOSEN)
        return STR("chosen");
    if (c->stage == STAGE_ARBITRATION)
        return c->priority > 0 ? STR("outranked")
                               : STR("not worth a contact: its priority is not above that of silence, 0");
    struct arena_buf b;
    text_init(&b, arena);
    if (c->stage == STAGE_RENDER)
        buf_printf(&b.buf, "its text needs a value that is not known: %.*s", STR_ARG(c->failed_source));
    else
        put_block(&b.buf, d, &c->block);
    return text_take(&b);
}

/* ---- the decision's own reason ---- */

static enum suppression_cause cause_of(const struct policy *p, const struct blocker *b)
{
    switch (b->kind) {
    case BLOCK_STATE:
        return CAUSE_STATE_UNREADABLE;
    case BLOCK_FORGOTTEN:
        return CAUSE_FORGOTTEN;
    case BLOCK_SUPPRESSION:
        return CAUSE_SUPPRESSION_RULE;
    case BLOCK_CONSENT:
        return CAUSE_CONSENT;
    case BLOCK_QUIET:
        return CAUSE_QUIET_HOURS;
    case BLOCK_PREFERENCE:
        return CAUSE_PREFERENCE;
    case BLOCK_LIMIT:
        return p->limits[b->index].cooldown ? CAUSE_COOLDOWN : CAUSE_FREQUENCY_CAP;
    case BLOCK_ENGAGEMENT:
        return CAUSE_ENGAGEMENT_POLICY;
    default:
        return CAUSE_NOTHING_TO_OFFER;
    }
}

static void scope_of(const struct decision *d, const struct blocker *b, struct policy_scope *s)
{
    const struct policy *p = d->input->policy;
    *s = (struct policy_scope){false, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY, SCOPE_ANY};
    if (b->kind == BLOCK_SUPPRESSION)
        *s = p->suppressions[b->index].block;
    else if (b->kind == BLOCK_LIMIT)
        *s = p->limits[b->index].scope;
    else if (b->kind == BLOCK_QUIET || b->kind == BLOCK_PREFERENCE || b->kind == BLOCK_CONSENT ||
             b->kind == BLOCK_STATE || b->kind == BLOCK_FORGOTTEN)
        s->channel = d->input->request->channel;
    if (b->kind == BLOCK_CONSENT && d->suppression.withheld >= 0)
        s->purpose = p->actions[d->suppression.withheld].purpose;
}

/* An action that may otherwise be shown here, and what stops it now. */
static void explain_withheld(struct decision *d, struct gate *g, uint32_t action, struct waits *w)
{
    struct suppression *s = &d->suppression;
    struct blocker last;
    s->withheld = (long)action;
    s->withheld_priority = d->candidates[action].priority;
    s->block = d->candidates[action].block;
    s->next_eligible_ms = gate_next_eligible(g, action, d->input->now_ms, GATE_HORIZON, &last);
    if (!s->next_eligible_ms)
        waits_of(w, &last);
}

/* No action got as far as the suppression rules. The rule that would hold back most of what this channel has goes first. */
static bool explain_rules_alone(struct decision *d, struct gate *g)
{
    const struct policy *p = d->input->policy;
    for (uint32_t i = 0; i < p->suppression_count; i++) {
        bool covers = false;
        for (uint32_t a = 0; a < p->action_count && !covers; a++)
            covers = d->candidates[a].stage >= STAGE_ELIGIBILITY &&
                     policy_scope_covers(&p->suppressions[i].block, p, a, d->input->request->channel);
        if (covers && gate_suppression_fires(g, i)) {
            d->suppression.block = (struct blocker){BLOCK_SUPPRESSION, 0, &p->suppressions[i].rule, i};
            return true;
        }
    }
    return false;
}

/* Everything failed at stages 3 and 4: the earliest of the next instants, or all that is waited for. Each action is followed
 * only as far as the earliest instant so far, which keeps this short for many actions. */
static void explain_engagement(struct decision *d, struct gate *g, struct waits *w)
{
    const struct policy *p = d->input->policy;
    struct suppression *s = &d->suppression;
    s->cause = CAUSE_NOTHING_TO_OFFER;
    for (uint32_t i = 0; i < p->action_count; i++) {
        struct candidate *c = &d->candidates[i];
        struct blocker last;
        if (c->stage == STAGE_TREATMENT)
            continue;
        if (c->stage != STAGE_SCHEDULE)
            s->cause = CAUSE_ENGAGEMENT_POLICY;
        int64_t before = s->next_eligible_ms ? s->next_eligible_ms : GATE_HORIZON;
        int64_t next = gate_next_eligible(g, i, d->input->now_ms, before, &last);
        if (next)
            s->next_eligible_ms = next;
        else if (!s->next_eligible_ms)
            waits_of(w, &last);
    }
    if (s->next_eligible_ms)
        w->count = 0;
}

static void put_counts(struct buf *b, const struct decision *d)
{
    size_t counts[STAGE_RENDER + 1] = {0};
    for (size_t i = 0; i < d->input->policy->action_count; i++)
        counts[d->candidates[i].stage]++;
    static const struct {
        enum candidate_stage stage;
        const char *text;
    } kinds[] = {{STAGE_SCHEDULE, "out of schedule"},
                 {STAGE_TREATMENT, "without a treatment here"},
                 {STAGE_ELIGIBILITY, "not eligible"},
                 {STAGE_APPLICABILITY, "not applicable now"},
                 {STAGE_SUITABILITY, "not suitable"}};
    buf_printf(b, "none of %zu actions fits", d->input->policy->action_count);
    bool first = true;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (counts[kinds[i].stage]) {
            buf_printf(b, "%s%zu %s", first ? ": " : ", ", counts[kinds[i].stage], kinds[i].text);
            first = false;
        }
}

/* Whose rules are meant. Where no action is withheld, a suppression rule decided, which is the same for all. */
static uint32_t withheld_index(const struct suppression *s)
{
    return s->withheld >= 0 ? (uint32_t)s->withheld : 0;
}

static struct str suppression_text(const struct decision *d, const struct gate *g, struct arena *arena)
{
    const struct suppression *s = &d->suppression;
    struct arena_buf text;
    text_init(&text, arena);
    struct buf *b = &text.buf;
    expr_eval_vary(d->ev, withheld_index(s));
    if (s->block.kind != BLOCK_NONE)
        put_block(b, d, &s->block);
    else if (s->cause == CAUSE_NOT_WORTH_IT)
        buf_printf(b, "the best action is not worth a contact: %s",
                   expr_eval(d->ev, d->input->policy->actions[s->withheld].value).type == VALUE_DOUBLE
                       ? "its priority is not above that of silence, 0"
                       : "what a response to it is worth is not known");
    else if (s->cause == CAUSE_RENDERING)
        buf_printf(b, "no text could be rendered: %.*s is not known",
                   STR_ARG(d->candidates[s->withheld].failed_source));
    else
        put_counts(b, d);
    if (g->looks_ended)
        buf_printf(b, "; when it ends was not found within %d instants", GATE_LOOKS_MAX);
    return text_take(&text);
}

/* When the rule or limit that decided ends by itself, and what may end it sooner. */
static int explain_end(struct decision *d, struct gate *g, struct arena *arena)
{
    struct suppression *s = &d->suppression;
    if (s->block.kind == BLOCK_NONE)
        return 0;
    struct waits w;
    if (!waits_init(&w, d->input->policy, arena))
        return ERR_NOSPACE;
    waits_of(&w, &s->block);
    s->ends_ms = gate_block_end(g, withheld_index(s), &s->block, d->input->now_ms);
    s->lifted_by = w.items;
    s->lifted_count = w.count;
    return 0;
}

int explain_suppression(struct decision *d, struct gate *g, long best, struct arena *arena, struct error *e)
{
    struct suppression *s = &d->suppression;
    *s = (struct suppression){.withheld = -1};
    struct waits w;
    if (!waits_init(&w, d->input->policy, arena))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    if (best >= 0 && d->candidates[best].block.kind != BLOCK_NONE) {
        explain_withheld(d, g, (uint32_t)best, &w);
        s->cause = cause_of(d->input->policy, &s->block);
    } else if (best >= 0) {
        s->withheld = best;
        s->withheld_priority = d->candidates[best].priority;
        s->cause = d->candidates[best].stage == STAGE_RENDER ? CAUSE_RENDERING : CAUSE_NOT_WORTH_IT;
        const struct policy_action *a = &d->input->policy->actions[best];
        const expr_id worth[] = {a->value, a->context_weight, a->lever};
        for (size_t i = 0; s->cause == CAUSE_NOT_WORTH_IT && i < 3; i++)
            expr_slots(d->input->policy->program, worth[i], wait_slot, &w);
    } else {
        explain_engagement(d, g, &w);
        if (explain_rules_alone(d, g))
            s->cause = CAUSE_SUPPRESSION_RULE;
    }
    s->rule = explain_rule(d->input->policy, &s->block);
    scope_of(d, &s->block, &s->scope);
    s->evidence_count = explain_evidence(d, withheld_index(s), &s->block, &s->evidence, arena);
    s->waits_for = w.items;
    s->waits_count = w.count;
    int rc = explain_end(d, g, arena);
    s->text = suppression_text(d, g, arena);
    if (rc || !s->evidence || !s->text.p)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    return 0;
}
