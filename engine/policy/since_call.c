/* since(feature); see since_call.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/since_call.h"
#include "policy/aggregate_shapes.h"
#include "policy/load_was.h"
#include "policy/symbols.h"

struct one_slot {
    uint32_t slot;
    size_t count;
};

static void see_slot(void *ctx, uint32_t slot)
{
    struct one_slot *one = ctx;
    one->slot = slot;
    one->count++;
}

/* The slot over aggregates that a feature is; NULL: it is something else. */
static const struct policy_slot *slot_of(const struct policy *p, expr_id node)
{
    struct one_slot one = {0};
    expr_slots(p->program, node, see_slot, &one);
    bool plain = one.count == 1 && expr_node_slot(p->program, one.slot) == node;
    return plain && p->slots[one.slot].kind >= SLOT_AGGREGATE ? &p->slots[one.slot] : NULL;
}

static int no_feature(const struct loader *l, const struct expr_arg *of, const struct expr_report *report)
{
    const struct policy *p = l->policy;
    const char *was = was_advice(p, of->path, l->arena);
    struct suggest s;
    suggest_init(&s, of->path);
    for (size_t i = 0; i < p->feature_count; i++)
        suggest_offer(&s, p->features[i].name);
    struct str best = suggest_best(&s);
    if (was)
        aggregate_complain(report, of->offset, "since: unknown feature '%.*s'; %s", STR_ARG(of->path), was);
    else
        aggregate_complain(report, of->offset, "since: unknown feature '%.*s'%s%.*s%s", STR_ARG(of->path),
                           best.n ? "; did you mean " : "; allowed: features that are one call over signals", STR_ARG(best),
                           best.n ? "?" : "");
    return ERR_INVALID;
}

int since_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                      const struct expr_report *report, struct expr_symbol *out)
{
    const struct policy *p = l->policy;
    if (!str_is(name, "since"))
        return ERR_NOTFOUND;
    long feature = count == 1 ? policy_feature_find(p, args[0].path) : -1;
    const struct policy_slot *of = NULL;
    if (feature >= 0 && p->features[feature].node == EXPR_NONE) {
        /* see symbols.c: not there yet, or with an error of its own */
        if (!l->features[feature].settled && !l->features[feature].broken)
            l->missed = feature;
        *out = (struct expr_symbol){.kind = EXPR_SYM_CONST, .constant = value_unknown(UNKNOWN_ABSENT)};
        return 0;
    }
    if (count == 1 && args[0].path.n && feature < 0)
        return no_feature(l, &args[0], report);
    if (feature >= 0)
        of = slot_of(p, p->features[feature].node);
    if (!of) {
        report->add(report->ctx, DIAG_ERROR, count ? args[0].offset : offset,
                    "since is about a feature that is one call over signals, like cart_value in since(cart_value) where "
                    "cart_value: {sum: cart_add.price, window: 24h}");
        return ERR_INVALID;
    }
    struct policy_slot wanted = {
        .kind = SLOT_SINCE, .index = of->index, .second = of->kind == SLOT_RATIO ? of->second : UINT32_MAX};
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = symbols_slot(l, &wanted)};
    return out->slot == EXPR_NONE ? ERR_INVALID : 0;
}
