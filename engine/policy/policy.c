/* Looking things up in a policy; binding it to the dictionary of names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"
#include "state/codec.h"

const char *purpose_name(enum purpose p)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        POLICY_PURPOSES(X)
#undef X
    };
    return (unsigned)p < PURPOSE_COUNT ? names[p] : "?";
}

/* Every word with an id, in a fixed order. */
static void each_word(struct policy *p, void (*visit)(void *ctx, struct policy_word *w), void *ctx)
{
    for (size_t i = 0; i < p->channel_count; i++)
        visit(ctx, &p->channels[i].word);
    for (size_t i = 0; i < PURPOSE_COUNT; i++)
        visit(ctx, &p->purposes[i]);
    for (size_t i = 0; i < p->issue_count; i++)
        visit(ctx, &p->issues[i]);
    for (size_t i = 0; i < p->group_count; i++)
        visit(ctx, &p->groups[i]);
    for (size_t i = 0; i < p->action_count; i++)
        visit(ctx, &p->actions[i].word);
    for (size_t i = 0; i < p->stage_count; i++)
        visit(ctx, &p->stages[i].word);
}

struct name_visit {
    void (*visit)(void *ctx, struct str name);
    void *ctx;
};

static void visit_path(void *ctx, struct policy_word *w)
{
    struct name_visit *v = ctx;
    v->visit(v->ctx, w->path);
}

void policy_each_name(const struct policy *p, void (*visit)(void *ctx, struct str name), void *ctx)
{
    struct name_visit v = {visit, ctx};
    schema_each_name(&p->schema, visit, ctx);
    each_word((struct policy *)p, visit_path, &v);
}

struct bind {
    const struct names *names;
    struct str missing;
};

static void bind_word(void *ctx, struct policy_word *w)
{
    struct bind *b = ctx;
    w->id = names_find(b->names, w->path);
    if (!w->id)
        b->missing = w->path;
}

int policy_bind(struct policy *p, const struct names *names, struct error *e)
{
    int rc = schema_bind(&p->schema, names, e);
    if (rc)
        return rc;
    struct bind b = {.names = names};
    each_word(p, bind_word, &b);
    if (b.missing.n)
        return error_set(e, ERR_NOTFOUND, "the dictionary of names lacks '%.*s'", STR_ARG(b.missing));
    return 0;
}

static void intern(void *ctx, struct str name)
{
    names_intern(ctx, name);
}

int policy_bind_interning(struct policy *p, struct names *names, struct error *e)
{
    policy_each_name(p, intern, names);
    return policy_bind(p, names, e);
}

long policy_channel_find(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->channel_count; i++)
        if (str_eq(p->channels[i].word.name, name))
            return (long)i;
    return -1;
}

long policy_action_find(const struct policy *p, struct str id)
{
    for (size_t i = 0; i < p->action_count; i++)
        if (str_eq(p->actions[i].word.name, id))
            return (long)i;
    return -1;
}

long policy_feature_find(const struct policy *p, struct str name)
{
    for (size_t i = 0; i < p->feature_count; i++)
        if (str_eq(p->features[i].name, name))
            return (long)i;
    return -1;
}

long policy_feature_told(const struct policy *p, struct str name)
{
    long at = policy_feature_find(p, name);
    for (size_t i = 0; at < 0 && i < p->feature_count; i++)
        if (schema_was_called(&p->features[i].was, name))
            at = (long)i;
    return at;
}

long policy_placement_find(const struct policy_channel *c, struct str name)
{
    for (size_t i = 0; i < c->placement_count; i++)
        if (str_eq(c->placements[i], name))
            return (long)i;
    return -1;
}

long policy_action_of_id(const struct policy *p, uint32_t dictionary_id)
{
    for (size_t i = 0; i < p->action_count; i++)
        if (p->actions[i].word.id == dictionary_id)
            return (long)i;
    return -1;
}

long policy_channel_of_id(const struct policy *p, uint32_t dictionary_id)
{
    for (size_t i = 0; i < p->channel_count; i++)
        if (p->channels[i].word.id == dictionary_id)
            return (long)i;
    return -1;
}

int64_t policy_keeps_ms(const struct policy *p, const struct state *s)
{
    if (s->redirect.target.n && !s->redirect.under_way)
        return 0;
    bool longer = s->forgotten_ms && p->retention_ms && p->retention_ms < WINDOW_MAX_MS;
    return longer ? WINDOW_MAX_MS : p->retention_ms;
}

bool policy_expire(const struct policy *p, struct state *s, int64_t wall_ms)
{
    int64_t keep_ms = policy_keeps_ms(p, s);
    if (!s->version || !keep_ms || wall_ms - state_version_ms(s->version) < keep_ms)
        return false;
    state_clear(s, 0);
    return true;
}

bool policy_asked_for(enum purpose purpose)
{
    return purpose == PURPOSE_SERVICE || purpose == PURPOSE_TRANSACTIONAL;
}

bool policy_keeps_contact(const struct policy *p, long action, uint32_t channel_id)
{
    long at = policy_channel_of_id(p, channel_id);
    bool outbound = at < 0 || p->channels[at].outbound;
    if (outbound && (action < 0 || !policy_asked_for(p->actions[action].purpose)))
        return true; /* the person may ask for less often at any time */
    if (action < 0)
        return p->limit_count > 0;
    const struct policy_action *a = &p->actions[action];
    for (size_t i = 0; i < a->limit_count; i++) {
        uint32_t channel = p->limits[a->limits[i]].scope.channel;
        if (channel >= SCOPE_EACH || p->channels[channel].word.id == channel_id)
            return true;
    }
    return false;
}

static bool field_covers(uint32_t field, uint32_t value)
{
    return field == SCOPE_ANY || field == SCOPE_EACH || field == value;
}

bool policy_scope_covers(const struct policy_scope *s, const struct policy *p, uint32_t action,
                         uint32_t channel)
{
    const struct policy_action *a = &p->actions[action];
    return s->everything || (field_covers(s->purpose, a->purpose) && field_covers(s->issue, a->issue) &&
                             field_covers(s->group, a->group) && field_covers(s->action, action) &&
                             field_covers(s->channel, channel));
}
