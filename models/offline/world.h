/* The simulated world of the retail example, and what is true in it. Training and evaluation are judged against
 * it, so it is known exactly and is not read from the policy's features: a person (person.h) knows their own
 * cart, cases and orders.
 *
 * THE TRUTH: the chance that a person responds, in the end, to an action that is shown now is
 *
 *   p = clamp(starting_propensity × mood × ease × fit, 0.002, 0.95)
 *
 * where starting_propensity is the action's in the policy: whoever wrote the policy knows the average person,
 * but not who, nor when; mood is the person's (person.h); and ease = 1 / (1 + 0.25 × load), load being that of
 * recent contacts (person.h): the tenth message in a week finds no reader.
 *
 *   theme      fit
 *   promotion  taste × season × lure × hour × trouble
 *   follow_up  1.1 × taste × season × lure × hour × trouble
 *   cart       2.2 × warmth × lure × hour × trouble
 *   loyalty    (basic 0.6, silver 1.6, gold 1.8) × lure × hour × trouble
 *   welcome    0.6 × lure × hour × trouble
 *   win_back   (1.3 when nothing was bought for 45 days, else 0.5) × lure × hour × trouble
 *   help       1.3, 0.1 without an open case
 *   apology    1.1, 0.1 without a late order
 *   size       1.5, 0.3 unless something was sent back because of its size in the last 14 days
 *   ask        1, 2.5 when a case was resolved in the last 7 days; × 0.05 while a case is open or an order late
 *   inform     1
 *
 *   taste      the person's, for the action's category, 0.2 to 3 (mean 1.2 for fashion, 0.8 for others); 1 for a
 *              category that the world does not know
 *   season     1; after the shift fashion 0.5, electronics 1.8, home 1.5, beauty 0.7, others 1
 *   lure       1 + 5 × discount × price sensitivity (0 to 1)
 *   warmth     1 up to an hour after the last item went into the cart, then in a straight line to 0.3 at 24 hours;
 *              0.05 without a cart
 *   hour       1.3 from 18 to 22 o'clock in the brand's zone, 0.6 from 0 to 7, else 1
 *   trouble    the product of: open case 0.06; order late 0.25; case resolved in the last 24 hours 0.6; resolved in
 *              the last 7 days and not to their satisfaction (below 3 of 5) 0.3; bought in the last 24 hours 0.5; sent
 *              back because of size in the last 14 days 0.12 for that category, 0.8 for others
 *
 * Which theme an action has is told by world_theme.
 *
 * From the shift on, if there is one, the world is another (world_shifted); a response takes its time
 * (world_delay_ms).
 *
 * All of it is +, −, × and ÷ of doubles, with no function of libm, so that the same seed gives the same bytes on
 * every machine. A world is immutable once open; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_WORLD_H
#define TACT_OFFLINE_WORLD_H
#include "models/offline/person.h"

enum { WORLD_PROPERTIES_MAX = 4 };

/* The signals that the policy must declare: name, types of its properties (s: string, n: number or int),
 * properties. */
#define WORLD_SIGNALS(X)                                                                                     \
    X(SIGNAL_PAGE_VIEW, "page_view", "s", {"category"})                                                      \
    X(SIGNAL_CART_ADD, "cart_add", "ssn", {"sku", "category", "price"})                                      \
    X(SIGNAL_PURCHASE, "purchase", "ssn", {"order", "category", "amount"})                                   \
    X(SIGNAL_DELAYED, "order_delayed", "sn", {"order", "days"})                                              \
    X(SIGNAL_DELIVERED, "order_delivered", "s", {"order"})                                                   \
    X(SIGNAL_CONTACT, "support_contact", "ssn", {"case", "topic", "sentiment"})                              \
    X(SIGNAL_RESOLVED, "support_resolved", "sn", {"case", "csat"})                                           \
    X(SIGNAL_RETURNED, "item_returned", "sssn", {"sku", "category", "reason", "amount"})
enum world_signal {
#define X(name, text, types, ...) name,
    WORLD_SIGNALS(X)
#undef X
        WORLD_SIGNAL_COUNT
};

enum world_theme {
    THEME_PROMOTION,
    THEME_FOLLOW_UP,
    THEME_CART,
    THEME_LOYALTY,
    THEME_WELCOME,
    THEME_WIN_BACK,
    THEME_HELP,
    THEME_APOLOGY,
    THEME_SIZE,
    THEME_ASK,
    THEME_INFORM
};

/* What the world makes of an action of the policy. */
struct world_action {
    enum world_theme theme;
    int category; /* enum world_category; -1: none that the world knows */
    double discount;
};

struct world_signal_map {
    uint32_t index;                          /* of the schema's signals */
    uint32_t property[WORLD_PROPERTIES_MAX]; /* of that signal */
};

struct world {
    const struct policy *policy;
    int64_t shift_ms; /* INT64_MAX: no shift */
    struct world_signal_map signals[WORLD_SIGNAL_COUNT];
    struct world_action *actions;               /* [policy->action_count] */
    long first_name, tier, spend, locale, zone; /* attributes, or -1 */
    long device;                                /* a context field with a list of values, or -1 */
};

/* ERR_INVALID names the signal, property or type that the policy lacks. The policy outlives the world. */
int world_open(struct world *w, const struct policy *p, int64_t shift_ms, struct arena *arena,
               struct error *e) MUST_CHECK;
/* By purpose and a word in the action's id. promotional: cart, win_back, loyalty, welcome, accessories or
 * complete (follow-up to a purchase), any other is a promotion; service: size, delay (apology), help or case
 * (help); ask; all others inform. */
enum world_theme world_theme(const struct policy_action *a);
const char *world_signal_name(enum world_signal s);
const char *world_signal_types(enum world_signal s); /* a letter a property, as in WORLD_SIGNALS */
const char *world_property_name(enum world_signal s, size_t property);
const char *world_category_name(int category);
double world_category_price(int category); /* of a typical item, before the shift */
/* The first instant of a day of the simulation, counted from 1: 2025-01-01 in the brand's zone. */
int64_t world_day_ms(const struct policy *p, uint32_t day);

/* The truth, as above. */
double world_propensity(const struct world *w, const struct person *p, uint32_t action, int64_t now_ms);
double world_taste(const struct world *w, const struct person *p, int category, int64_t now_ms);

/* How long the response to a contact takes: uniform within one of these bands. Most outcome windows are of 7 days, so
 * some come too late for them.
 *
 *   inbound    85% 10 s to 10 min     12% 10 min to 1 day                     3% 8 to 14 days
 *   outbound   40% 2 min to 1 hour    40% 1 to 24 hours    14% 1 to 6 days    6% 8 to 14 days */
int64_t world_delay_ms(bool outbound, struct rng *rng);

/* Whether the shift has come, so that what was learned before misleads: from then on a person's taste for a category
 * is what it was for the next one (fashion, electronics, home, beauty, and round); all prices are 1.25 times what they
 * were, and price sensitivity is 0.3 more, at most 1; the season is another, as above. */
static inline bool world_shifted(const struct world *w, int64_t now_ms)
{
    return now_ms >= w->shift_ms;
}

#endif
