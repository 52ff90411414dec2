/* A line-up bound to a policy; see lineup_binding.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/lineup_binding.h"
#include "models/name_list.h"
#include <stdlib.h>

enum { NO_ENTRY = -1 };

struct bound {
    struct binding **members; /* one a member of the entry */
};

struct shadow_at {
    size_t entry, member;
};

struct lineup_binding {
    const struct lineup *lineup;
    const struct policy *policy;
    struct bound *entries;
    int *entry_of; /* [action]; NO_ENTRY */
    struct shadow_at *shadows;
    size_t shadow_count;
    char id[ID128_TEXT];
};

/* ---- binding ---- */

static void warn_at(const struct lineup_binding *b, const struct lineup_entry *e, const char *what, struct str name,
                    struct str best, struct diags *d)
{
    char file[4096];
    snprintf(file, sizeof file, "%s/" LINEUP_FILE, lineup_folder(b->lineup));
    diag_add(d, DIAG_WARNING, file, e->line, e->column, "the policy has no %s '%.*s'%s%.*s%s", what, STR_ARG(name),
             best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
}

/* Gives an entry the actions of a name: a group, or an action. */
static void claim(struct lineup_binding *b, size_t entry, struct str name, bool group, struct diags *d)
{
    const struct policy *p = b->policy;
    struct suggest s;
    bool found = false;
    suggest_init(&s, name);
    for (size_t i = 0; i < p->action_count; i++) {
        struct str has = group ? p->groups[p->actions[i].group].name : p->actions[i].word.name;
        suggest_offer(&s, has);
        if (!str_eq(has, name))
            continue;
        found = true;
        /* An action that is named belongs there, whoever has its group. */
        if (!group || b->entry_of[i] == NO_ENTRY)
            b->entry_of[i] = (int)entry;
    }
    if (!found)
        warn_at(b, lineup_entry(b->lineup, entry), group ? "action of group" : "action", name, suggest_best(&s), d);
}

static void share_actions(struct lineup_binding *b, struct diags *d)
{
    long rest = NO_ENTRY;
    for (size_t i = 0; i < b->policy->action_count; i++)
        b->entry_of[i] = NO_ENTRY;
    for (size_t i = 0; i < lineup_count(b->lineup); i++) {
        const struct lineup_entry *e = lineup_entry(b->lineup, i);
        for (size_t k = 0; k < e->action_count; k++)
            claim(b, i, e->actions[k], false, d);
        if (!e->group_count && !e->action_count)
            rest = (long)i;
    }
    for (size_t i = 0; i < lineup_count(b->lineup); i++) {
        const struct lineup_entry *e = lineup_entry(b->lineup, i);
        for (size_t k = 0; k < e->group_count; k++)
            claim(b, i, e->groups[k], true, d);
    }
    for (size_t i = 0; i < b->policy->action_count && rest >= 0; i++)
        if (b->entry_of[i] == NO_ENTRY)
            b->entry_of[i] = (int)rest;
}

/* One line: the policy's actions that no entry scores. */
static void warn_unclaimed(const struct lineup_binding *b, struct diags *d)
{
    const struct policy *p = b->policy;
    char file[4096];
    struct name_list l = {0};
    for (size_t i = 0; i < p->action_count; i++)
        if (b->entry_of[i] == NO_ENTRY)
            name_list_add(&l, p->actions[i].word.name);
    if (!l.count)
        return;
    const struct lineup_entry *first = lineup_entry(b->lineup, 0);
    snprintf(file, sizeof file, "%s/" LINEUP_FILE, lineup_folder(b->lineup));
    diag_add(d, DIAG_WARNING, file, first->line, first->column,
             "%zu of the policy's %zu actions are in no entry of the line-up and have no model, so they count with their "
             "starting propensity: %s",
             l.count, p->action_count, name_list_text(&l));
}

static bool bind_members(struct lineup_binding *b, size_t entry, struct diags *d)
{
    const struct lineup_entry *e = lineup_entry(b->lineup, entry);
    bool ok = true, *mine = calloc(b->policy->action_count + 1, sizeof *mine);
    b->entries[entry].members = calloc(e->member_count, sizeof *b->entries[entry].members);
    ASSERT(b->entries[entry].members && mine);
    for (size_t i = 0; i < b->policy->action_count; i++)
        mine[i] = b->entry_of[i] == (int)entry;
    for (size_t k = 0; k < e->member_count; k++) {
        b->entries[entry].members[k] = binding_new_for(e->members[k].bundle, b->policy, mine, d);
        ok = ok && b->entries[entry].members[k];
        if (e->members[k].role == LINEUP_SHADOW)
            b->shadows[b->shadow_count++] = (struct shadow_at){entry, k};
    }
    free(mine);
    return ok;
}

struct lineup_binding *lineup_bind(const struct lineup *lineup, const struct policy *policy, struct diags *d)
{
    size_t count = lineup_count(lineup);
    struct lineup_binding *b = calloc(1, sizeof *b);
    ASSERT(b != NULL);
    *b = (struct lineup_binding){.lineup = lineup, .policy = policy};
    b->entries = calloc(count, sizeof *b->entries);
    b->entry_of = calloc(policy->action_count + 1, sizeof *b->entry_of);
    b->shadows = calloc(count * LINEUP_MEMBERS_MAX, sizeof *b->shadows);
    ASSERT(b->entries && b->entry_of && b->shadows);
    id128_text(lineup_id(lineup), b->id);
    share_actions(b, d);
    warn_unclaimed(b, d);
    bool ok = true;
    for (size_t i = 0; i < count; i++)
        ok = bind_members(b, i, d) && ok;
    if (!ok)
        lineup_binding_free(&b);
    return b;
}

void lineup_binding_free(struct lineup_binding **binding)
{
    struct lineup_binding *b = *binding;
    if (!b)
        return;
    for (size_t i = 0; i < lineup_count(b->lineup); i++) {
        for (size_t k = 0; b->entries[i].members && k < lineup_entry(b->lineup, i)->member_count; k++)
            binding_free(&b->entries[i].members[k]);
        free(b->entries[i].members);
    }
    free(b->entries);
    free(b->entry_of);
    free(b->shadows);
    free(b);
    *binding = NULL;
}

const char *lineup_binding_id(const struct lineup_binding *b)
{
    return b->id;
}

/* ---- scores ---- */

/* Those of the actions that an entry scores, by one of its members. */
static int score_entry(const struct lineup_binding *b, size_t entry, struct binding *member, struct expr_eval *ev,
                       const uint32_t *actions, size_t count, struct arena *arena, struct model_score *out, struct error *e)
{
    uint32_t *own = arena_alloc(arena, count * sizeof *own), *places = arena_alloc(arena, count * sizeof *places);
    struct model_score *scores = arena_alloc(arena, count * sizeof *scores);
    size_t n = 0;
    if (!own || !places || !scores)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < count; i++)
        if (b->entry_of[actions[i]] == (int)entry) {
            own[n] = actions[i];
            places[n++] = (uint32_t)i;
        }
    int rc = n ? binding_score(member, (struct str){0}, ev, own, n, arena, scores, e) : 0;
    for (size_t i = 0; i < n && !rc; i++)
        out[places[i]] = scores[i];
    return rc;
}

int lineup_score(void *binding, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                 struct arena *arena, struct model_score *out, struct error *e)
{
    const struct lineup_binding *b = binding;
    if (lineup_bundle(b->lineup))
        return binding_score(b->entries[0].members[0], customer, ev, actions, count, arena, out, e);
    memset(out, 0, count * sizeof *out);
    int rc = 0;
    for (size_t i = 0; i < lineup_count(b->lineup) && !rc; i++) {
        struct binding *member = b->entries[i].members[lineup_member_of(b->lineup, i, customer)];
        rc = score_entry(b, i, member, ev, actions, count, arena, out, e);
    }
    return rc;
}

size_t lineup_uses(const void *binding, struct str customer, struct model_use *out, size_t most)
{
    const struct lineup_binding *b = binding;
    size_t count = lineup_count(b->lineup);
    for (size_t i = 0; i < count && i < most; i++) {
        const struct lineup_entry *e = lineup_entry(b->lineup, i);
        size_t at = lineup_member_of(b->lineup, i, customer);
        out[i] = (struct model_use){e->name, e->members[at].name, binding_id(b->entries[i].members[at]),
                                    e->members[at].role == LINEUP_CHALLENGER};
    }
    return count < most ? count : most;
}

bool lineup_has_uses(const struct lineup_binding *b)
{
    return !lineup_bundle(b->lineup);
}

/* ---- shadows ---- */

size_t lineup_shadow_count(const struct lineup_binding *b)
{
    return b->shadow_count;
}

struct lineup_shadow lineup_shadow(const struct lineup_binding *b, size_t at)
{
    const struct shadow_at *s = &b->shadows[at];
    const struct lineup_entry *e = lineup_entry(b->lineup, s->entry);
    return (struct lineup_shadow){e->name, e->members[s->member].name, binding_id(b->entries[s->entry].members[s->member]), at};
}

int lineup_shadow_score(const struct lineup_binding *b, size_t at, struct expr_eval *ev, const uint32_t *actions, size_t count,
                        struct arena *arena, struct model_score *out, struct error *e)
{
    const struct shadow_at *s = &b->shadows[at];
    memset(out, 0, count * sizeof *out);
    return score_entry(b, s->entry, b->entries[s->entry].members[s->member], ev, actions, count, arena, out, e);
}

int lineup_warm(const struct lineup_binding *b, struct arena *arena, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < lineup_count(b->lineup) && !rc; i++)
        for (size_t k = 0; k < lineup_entry(b->lineup, i)->member_count && !rc; k++)
            rc = binding_warm(b->entries[i].members[k], arena, e);
    return rc;
}
