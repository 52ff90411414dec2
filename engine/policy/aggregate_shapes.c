/* The table of calls over signals; see aggregate_shapes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/aggregate_shapes.h"
#include "policy/aggregate_calls.h"
#include <stdarg.h>

#define SHAPES(X)                                                                                                     \
    X(count, COUNT, VALUE, TAKES_SIGNAL | TAKES_PROPERTY, true, WINDOW, 0, "count(cart_add, 24h)")                    \
    X(sum, SUM, VALUE, TAKES_NUMBER, true, WINDOW, 0, "sum(cart_add.price, 24h)")                                     \
    X(mean, SUM, MEAN, TAKES_NUMBER, false, WINDOW, 0, "mean(purchase.amount, 90d)")                                  \
    X(min, MIN, VALUE, TAKES_NUMBER, false, WINDOW, 0, "min(purchase.amount, 90d)")                                   \
    X(max, MAX, VALUE, TAKES_NUMBER, false, WINDOW, 0, "max(purchase.amount, 90d)")                                   \
    X(last, LAST, VALUE, TAKES_PROPERTY, false, NONE, 0, "last(cart_add.sku)")                                        \
    X(last_at, LAST_AT, VALUE, TAKES_SIGNAL, true, NONE, 0, "last_at(cart_add)")                                      \
    X(age, LAST_AT, AGE, TAKES_SIGNAL, true, NONE, 0, "age(cart_add)")                                                \
    X(open, OPEN, VALUE, TAKES_PAIR, true, WINDOW, 0, "open(support_contact.case, support_resolved.case, 90d)")       \
    X(distinct, KEYS, VALUE, TAKES_PROPERTY, true, WINDOW, 0, "distinct(view.category, 30d)")                         \
    X(repeats, KEYS, REPEATS, TAKES_PROPERTY, true, WINDOW, 0, "repeats(support_contact.topic, 30d)")                 \
    X(share, SUM, SHARE, TAKES_SIGNAL | TAKES_NUMBER, false, WINDOW, 0,                                               \
      "share(purchase.amount, purchase.reward, 365d)")                                                                \
    X(decayed, DECAYED, VALUE, TAKES_SIGNAL | TAKES_NUMBER, true, HALF_LIFE, 0, "decayed(view, 7d)")                  \
    X(top, TOP, VALUE, TAKES_PROPERTY, true, HALF_LIFE, 30 * DAY_MS, "top(view.category, 30d)")                       \
    X(affinity, TOP, AFFINITY, TAKES_PROPERTY, true, HALF_LIFE, 30 * DAY_MS,                                          \
      "affinity(view.category, action.category, 30d)")                                                                \
    X(hour_affinity, HOURS, HOUR, TAKES_SIGNAL, true, WINDOW, 180 * DAY_MS, "hour_affinity(view, purchase, 180d)")    \
    X(mood, MOOD, VALUE, TAKES_NOTHING, false, HALF_LIFE, 7 * DAY_MS, "mood(7d)")                                     \
    X(negative_moments, COUNT, VALUE, TAKES_NOTHING, false, WINDOW, 0, "negative_moments(30d)")

static const struct aggregate_shape shapes[] = {
#define X(op, kind, measure, takes, many, span, span_ms, example)                                                     \
    {#op, AGGREGATE_##kind, MEASURE_##measure, takes, many, SPAN_##span, span_ms, example},
    SHAPES(X)
#undef X
};

const char *const aggregate_call_names[] = {
#define X(op, kind, measure, takes, many, span, span_ms, example) #op,
    SHAPES(X)
#undef X
        NULL};

const struct aggregate_shape *aggregate_shape(struct str op)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (str_is(op, shapes[i].op))
            return &shapes[i];
    return NULL;
}

bool aggregate_call_is(struct str op)
{
    return aggregate_shape(op) != NULL;
}

const char *aggregate_call_example(struct str op)
{
    return aggregate_shape(op)->example;
}

const char *aggregate_call_span(struct str op)
{
    static const char *const words[] = {NULL, "window", "half_life"};
    return words[aggregate_shape(op)->span];
}

void aggregate_complain(const struct expr_report *report, size_t offset, const char *format, ...)
{
    if (!report)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report->add(report->ctx, DIAG_ERROR, offset, text);
}
