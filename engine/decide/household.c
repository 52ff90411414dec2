/* Contacts of a household; see household.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/household.h"
#include "state/codec.h"

struct str household_of(const struct policy *p, const struct state *s)
{
    if (!p->household_limits || p->household_attribute < 0)
        return (struct str){0};
    struct value v = s->attributes[p->household_attribute];
    return v.type == VALUE_STRING ? value_str(v) : (struct str){0};
}

int household_decode(struct state *household, const struct schema *schema, struct str blob, bool unknown, int64_t now_ms,
                     struct arena *arena, struct error *e)
{
    struct error why = {0};
    int rc = unknown ? ERR_CORRUPT : state_decode(household, schema, blob, arena, &why);
    if (rc != ERR_CORRUPT && rc != ERR_UNAVAILABLE)
        return rc ? error_set(e, rc, "the customer's household: %s", why.text) : 0;
    if (state_empty(household, schema, arena))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    household->lost_ms = now_ms;
    return rc == ERR_CORRUPT ? HOUSEHOLD_LOST : HOUSEHOLD_LATER;
}

bool household_prepare(struct state *household, const struct state *customer, struct id128 decision)
{
    bool any = false;
    for (uint32_t i = household->contact_count; i-- > 0;) {
        struct contact *k = &household->contacts[i];
        if (!id128_eq(k->decision, decision) || state_contact_find(customer, k->decision, k->action))
            continue;
        state_contact_remove(household, k);
        any = true;
    }
    return any;
}

/* All that limits look at. */
static bool counts_alike(const struct contact *a, const struct contact *b)
{
    return a->time_ms == b->time_ms && a->expires_ms == b->expires_ms && a->channel == b->channel &&
           a->purpose == b->purpose && a->group == b->group && a->issue == b->issue;
}

static const struct contact *find(const struct contact *list, uint32_t n, const struct contact *k)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i].action == k->action && id128_eq(list[i].decision, k->decision))
            return &list[i];
    return NULL;
}

/* Of what they were about nothing is needed: how they answered is the person's own. */
static struct contact bare(const struct contact *k)
{
    struct contact copy = *k;
    copy.outcomes = 0;
    copy.value = 0;
    return copy;
}

static int set(struct state *household, const struct contact *k, int64_t now_ms)
{
    struct contact *there = state_contact_find(household, k->decision, k->action), fresh = bare(k);
    if (there && counts_alike(there, k))
        return 0;
    if (there)
        state_contact_remove(household, there);
    int rc = state_contact_add(household, &fresh, now_ms);
    return rc ? rc : 1;
}

int household_follow(struct state *household, const struct contact *before, uint32_t before_count, const struct state *customer,
                     int64_t now_ms)
{
    int changed = 0;
    for (uint32_t i = 0; i < before_count; i++) {
        struct contact *there = state_contact_find(household, before[i].decision, before[i].action);
        if (!there || find(customer->contacts, customer->contact_count, &before[i]))
            continue;
        state_contact_remove(household, there);
        changed = 1;
    }
    for (uint32_t i = 0; i < customer->contact_count; i++) {
        const struct contact *k = &customer->contacts[i], *was = find(before, before_count, k);
        if (was && counts_alike(was, k))
            continue;
        int rc = set(household, k, now_ms);
        if (rc < 0)
            return rc;
        changed |= rc;
    }
    return changed;
}

int household_restore(struct state *household, const struct state *customer, struct id128 decision, int64_t now_ms)
{
    int changed = 0;
    for (uint32_t i = 0; i < customer->contact_count; i++) {
        const struct contact *k = &customer->contacts[i];
        if (!id128_eq(k->decision, decision) || !contact_counts(k, now_ms))
            continue;
        int rc = set(household, k, now_ms);
        if (rc < 0)
            return rc;
        changed |= rc;
    }
    return changed;
}
