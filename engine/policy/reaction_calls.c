/* Calls about how the customer took what was shown before; see reaction_calls.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/reaction_calls.h"
#include "policy/symbols.h"

const char *const reaction_call_names[] = {
#define X(measure, text) text,
    POLICY_REACTIONS(X)
#undef X
        NULL};

int reaction_call_symbol(struct loader *l, struct str name, const struct expr_arg *args, size_t count, size_t offset,
                         const struct expr_report *report, struct expr_symbol *out)
{
    uint32_t measure = 0;
    while (reaction_call_names[measure] && !str_is(name, reaction_call_names[measure]))
        measure++;
    if (!reaction_call_names[measure])
        return ERR_NOTFOUND;
    bool by_action = count == 1 && str_is(args[0].path, "action.id");
    bool by_group = count == 1 && str_is(args[0].path, "action.group");
    if (!by_action && !by_group) {
        char text[200];
        snprintf(text, sizeof text, "%.*s is about an action or a group: %.*s(action.id) or %.*s(action.group)",
                 STR_ARG(name), STR_ARG(name), STR_ARG(name));
        report->add(report->ctx, DIAG_ERROR, count ? args[0].offset : offset, text);
        return ERR_INVALID;
    }
    struct schema *schema = &l->policy->schema;
    schema->reactions_by_action |= by_action;
    schema->reactions_by_group |= by_group;
    struct policy_slot slot = {.kind = SLOT_REACTION, .index = measure, .second = by_group};
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT, .slot = symbols_slot(l, &slot)};
    return out->slot == EXPR_NONE ? ERR_INVALID : 0;
}

struct expr_slot reaction_slot(struct loader *l, const struct policy_slot *slot)
{
    bool age = slot->index == REACTION_SHOWN_AGE;
    return (struct expr_slot){
        .name = loader_text(l, "%s(action.%s)", reaction_call_names[slot->index], slot->second ? "group" : "id"),
        .type = {age ? VALUE_DURATION : VALUE_INT, 0},
        .motion = age ? EXPR_CLOCK : slot->index == REACTION_IGNORED ? EXPR_STEPS : EXPR_STILL,
        .varies = true};
}
