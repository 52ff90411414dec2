/* Calls over signals; see aggregate_calls.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/aggregate_calls.h"
#include "policy/action_fields.h"
#include "policy/aggregate_sources.h"
#include "policy/symbols.h"

/* ---- the parts of a call ---- */

static struct str head_of(struct str path)
{
    const char *dot = memchr(path.p, '.', path.n);
    return (struct str){path.p, dot ? (size_t)(dot - path.p) : path.n};
}

/* A path after the first that names a bool property of the first one's signal is a filter: share(a.x, a.is_y, 30d). */
static bool is_flag(const struct loader *l, const struct aggregate_call *call, struct str path)
{
    const struct schema *schema = &l->policy->schema;
    struct str head = head_of(path);
    if (head.n == path.n || !str_eq(head, head_of(call->paths[0].path)))
        return false;
    long signal = schema_signal_find(schema, head);
    if (signal < 0)
        return false;
    long property = schema_property(&schema->signals[signal], (struct str){path.p + head.n + 1, path.n - head.n - 1});
    return property >= 0 && schema->signals[signal].properties[property].type == VALUE_BOOL;
}

/* What an argument that is a name, or holds one, stands for. */
enum role { ROLE_PATH, ROLE_FILTER, ROLE_MISPLACED };

static enum role role_of(const struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                         const struct expr_arg *arg)
{
    bool key = shape->measure == MEASURE_AFFINITY && str_starts(arg->path, STR("action."));
    if (arg->deferred)
        return ROLE_FILTER;
    if (call->path_count == 0 || key)
        return ROLE_PATH;
    if (is_flag(l, call, arg->path))
        return ROLE_FILTER;
    if (!call->span_given)
        return ROLE_PATH;
    struct str head = head_of(arg->path);
    bool other = schema_signal_find(&l->policy->schema, head) >= 0 && !str_eq(head, head_of(call->paths[0].path));
    return other || head.n == arg->path.n ? ROLE_MISPLACED : ROLE_FILTER;
}

static bool check_span(const struct aggregate_call *call, const struct aggregate_shape *shape,
                       const struct expr_report *report, int64_t *span_ms)
{
    *span_ms = call->span_given ? call->span_ms : shape->span_ms;
    if (shape->span == SPAN_NONE || *span_ms == 0) {
        if (shape->span == SPAN_NONE && !call->span_given)
            return true;
        const char *word = aggregate_call_span(call->op);
        if (word && !call->span_given)
            aggregate_complain(report, call->offset, "%s needs a %s, as in %s", shape->op,
                               shape->span == SPAN_HALF_LIFE ? "half-life" : word, shape->example);
        else
            aggregate_complain(report, call->offset, "%s is used like %s", shape->op, shape->example);
        return false;
    }
    int64_t least = shape->kind == AGGREGATE_HOURS ? 7 * DAY_MS : WINDOW_MIN_MS;
    if (*span_ms >= least && *span_ms <= WINDOW_MAX_MS &&
        (shape->span != SPAN_HALF_LIFE || *span_ms % 60000 == 0))
        return true;
    if (shape->span == SPAN_HALF_LIFE)
        aggregate_complain(report, call->span_offset, "a half-life is from 1m to 400d, in whole minutes");
    else
        aggregate_complain(report, call->span_offset, "a window%s is from %s to 400d",
                           shape->kind == AGGREGATE_HOURS ? " of hours of the week" : "",
                           shape->kind == AGGREGATE_HOURS ? "7d" : "1m");
    return false;
}

static bool check_paths(const struct aggregate_call *call, const struct aggregate_shape *shape,
                        const struct expr_report *report)
{
    size_t keys = shape->measure == MEASURE_AFFINITY && call->key.type == VALUE_UNKNOWN;
    size_t least = shape->takes & TAKES_NOTHING ? 0 : shape->takes & TAKES_PAIR ? 2 : 1 + keys;
    bool good = call->path_count >= least && (shape->many || call->path_count == least);
    if (good && (shape->takes & TAKES_PAIR)) {
        size_t closing = 0;
        for (size_t i = 0; i < call->path_count; i++)
            closing += call->paths[i].closes;
        good = closing > 0 && closing < call->path_count;
    }
    if (!good)
        aggregate_complain(report, call->offset, "%s is used like %s", shape->op, shape->example);
    return good;
}

/* ---- slots ---- */

static long add_aggregate(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                          const struct aggregate_spec *spec)
{
    size_t before = l->policy->schema.aggregate_count;
    long index = schema_aggregate_add(&l->policy->schema, spec);
    if (index < 0 && before >= SCHEMA_AGGREGATES_MAX)
        aggregate_complain(report, call->offset, "more than %d aggregates", SCHEMA_AGGREGATES_MAX);
    else if (index < 0)
        l->full = true;
    return index;
}

/* What mean and share divide by: events that have the property, or the same without the filter. */
static long add_divisor(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                        const struct aggregate_shape *shape, const struct aggregate_spec *spec)
{
    struct aggregate_source source = spec->sources[0];
    struct aggregate_spec divisor = *spec;
    divisor.sources = &source;
    if (shape->measure == MEASURE_MEAN)
        divisor.kind = AGGREGATE_COUNT;
    else
        source.filter = UINT32_MAX;
    return add_aggregate(l, call, report, &divisor);
}

/* The key of an affinity: a field of actions, or a constant. */
static bool affinity_slot(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                          struct policy_slot *slot)
{
    slot->kind = SLOT_AFFINITY;
    slot->second = UINT32_MAX;
    slot->key = call->key;
    if (call->key.type != VALUE_UNKNOWN)
        return true;
    struct str path = call->paths[call->path_count - 1].path;
    size_t offset = call->paths[call->path_count - 1].offset;
    const struct loader_field *f = NULL;
    if (str_starts(path, STR("action.")))
        f = action_field_find(l, (struct str){path.p + 7, path.n - 7});
    if (!f) {
        aggregate_complain(report, offset,
                           "expected what to look for, a field that some action has (action.category) or a text "
                           "('shoes'), got '%.*s'",
                           STR_ARG(path));
        return false;
    }
    uint32_t field = action_field_use(l, f);
    slot->second = field;
    return field != EXPR_NONE;
}

static bool make_slot(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                      const struct expr_report *report, const struct aggregate_spec *spec, struct policy_slot *slot)
{
    long index = add_aggregate(l, call, report, spec);
    if (index < 0)
        return false;
    *slot = (struct policy_slot){.kind = SLOT_AGGREGATE, .index = (uint32_t)index};
    switch (shape->measure) {
    case MEASURE_VALUE:
        return true;
    case MEASURE_AGE:
        slot->kind = SLOT_AGE;
        return true;
    case MEASURE_REPEATS:
        slot->kind = SLOT_REPEATS;
        return true;
    case MEASURE_HOUR:
        slot->kind = SLOT_HOUR;
        return true;
    case MEASURE_AFFINITY:
        return affinity_slot(l, call, report, slot);
    case MEASURE_MEAN:
    case MEASURE_SHARE: {
        long divisor = add_divisor(l, call, report, shape, spec);
        slot->kind = SLOT_RATIO;
        slot->second = (uint32_t)divisor;
        return divisor >= 0;
    }
    }
    return false;
}

bool aggregate_call(struct loader *l, const struct aggregate_call *call, const struct expr_report *report,
                    uint32_t *slot)
{
    const struct aggregate_shape *shape = aggregate_shape(call->op);
    struct aggregate_source *sources;
    struct aggregate_spec spec = {.kind = shape->kind};
    if (!check_paths(call, shape, report) || !check_span(call, shape, report, &spec.span_ms))
        return false;
    if (!aggregate_sources(l, call, shape, report, &sources, &spec.source_count))
        return false;
    spec.sources = sources;
    spec.word = shape->takes & TAKES_NOTHING ? shape->op : NULL;
    if (shape->measure == MEASURE_SHARE && sources[0].property == UINT32_MAX)
        spec.kind = AGGREGATE_COUNT;
    struct policy_slot wanted;
    if (!make_slot(l, call, shape, report, &spec, &wanted))
        return false;
    *slot = symbols_slot(l, &wanted);
    return *slot != EXPR_NONE;
}

static bool take_name(struct loader *l, struct aggregate_call *call, const struct aggregate_shape *shape,
                      const struct expr_arg *arg, const struct expr_report *report)
{
    enum role role = role_of(l, call, shape, arg);
    if (role == ROLE_FILTER && !call->filter.n) {
        call->filter = arg->text;
        call->filter_offset = arg->offset;
        call->filter_report = report;
        return true;
    }
    if (role == ROLE_PATH && call->path_count < CALL_PATHS_MAX) {
        call->paths[call->path_count].path = arg->path;
        call->paths[call->path_count++].offset = arg->offset;
        return true;
    }
    if (role == ROLE_PATH)
        aggregate_complain(report, arg->offset, "%s takes at most %d signals or properties", shape->op, CALL_PATHS_MAX);
    else if (role == ROLE_FILTER)
        aggregate_complain(report, arg->offset, "a second filter; join both with &&");
    else
        aggregate_complain(report, arg->offset,
                           "%.*s is no filter; signals and properties stand before the %s, as in %s", STR_ARG(arg->path),
                           shape->span == SPAN_HALF_LIFE ? "half-life" : "window", shape->example);
    return false;
}

static bool take_argument(struct loader *l, struct aggregate_call *call, const struct aggregate_shape *shape,
                          const struct expr_arg *arg, const struct expr_report *report)
{
    if (arg->path.n || arg->deferred)
        return take_name(l, call, shape, arg, report);
    if (arg->constant.type == VALUE_DURATION && !call->span_given) {
        call->span_given = true;
        call->span_ms = arg->constant.integer;
        call->span_offset = arg->offset;
    } else if (shape->measure == MEASURE_AFFINITY && arg->constant.type == VALUE_STRING &&
               call->key.type == VALUE_UNKNOWN) {
        call->key = arg->constant;
    } else {
        aggregate_complain(report, arg->offset, "%s is used like %s", shape->op, shape->example);
        return false;
    }
    return true;
}

bool aggregate_call_mood(struct loader *l, uint32_t *slot)
{
    struct aggregate_source *sources;
    const struct aggregate_shape *shape = aggregate_shape(STR("mood"));
    struct aggregate_call call = {.op = STR("mood")};
    return aggregate_sources_of_all(l, shape, &sources) > 0 && aggregate_call(l, &call, NULL, slot);
}

int aggregate_call_symbol(struct loader *l, struct str op, const struct expr_arg *args, size_t count, size_t offset,
                          const struct expr_report *report, struct expr_symbol *out)
{
    const struct aggregate_shape *shape = aggregate_shape(op);
    if (!shape)
        return ERR_NOTFOUND;
    struct aggregate_call call = {.op = op, .offset = offset};
    for (size_t i = 0; i < count; i++)
        if (!take_argument(l, &call, shape, &args[i], report))
            return ERR_INVALID;
    if (shape->takes & TAKES_PAIR && call.path_count == 2)
        call.paths[1].closes = true;
    *out = (struct expr_symbol){.kind = EXPR_SYM_SLOT};
    return aggregate_call(l, &call, report, &out->slot) ? 0 : ERR_INVALID;
}
