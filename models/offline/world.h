/* The simulated world of the retail example: people with tastes and moods, and what is true of them. Training
 * and evaluation are judged against it, so it is known exactly and is not read from the policy's features: a
 * person knows their own cart, cases and orders.
 *
 * THE TRUTH: the chance that a person responds to an action now is
 *
 *   p = clamp(starting_propensity × mood × fit, 0.002, 0.95)
 *
 * where starting_propensity is the action's in the policy: whoever wrote the policy knows the average person,
 * but not who, nor when.
 *
 *   theme      fit
 *   promotion  taste × lure × hour × trouble
 *   follow_up  1.1 × taste × lure × hour × trouble
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
 *   lure       1 + 5 × discount × price sensitivity (0 to 1)
 *   warmth     1 up to an hour after the last item went into the cart, then in a straight line to 0.3 at 24 hours;
 *              0.05 without a cart
 *   hour       1.3 from 18 to 22 o'clock in the brand's zone, 0.6 from 0 to 7, else 1
 *   trouble    the product of: open case 0.06; order late 0.25; case resolved in the last 24 hours 0.6; resolved in
 *              the last 7 days and not to their satisfaction (below 3 of 5) 0.3; bought in the last 24 hours 0.5; sent
 *              back because of size in the last 14 days 0.12 for that category, 0.8 for others
 *
 * Which theme an action has is told by world_theme. All of it is +, −, × and ÷ of doubles, with no function
 * of libm, so that the same seed gives the same bytes on every machine. A world is immutable once open; any
 * thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_WORLD_H
#define TACT_OFFLINE_WORLD_H
#include "base/rng.h"
#include "policy/policy.h"
#include "state/state.h"

enum {
    WORLD_PROPERTIES_MAX = 4,
    WORLD_PENDING_MAX =
        64 /* things that will happen to one person; what comes on top of them does not happen */
};
#define WORLD_HOUR_MS INT64_C(3600000)
#define WORLD_DAY_MS INT64_C(86400000)

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

#define WORLD_CATEGORIES(X)                                                                                  \
    X(CATEGORY_FASHION, "fashion", 60)                                                                       \
    X(CATEGORY_ELECTRONICS, "electronics", 240)                                                              \
    X(CATEGORY_HOME, "home", 90)                                                                             \
    X(CATEGORY_BEAUTY, "beauty", 30)
enum world_category {
#define X(name, text, price) name,
    WORLD_CATEGORIES(X)
#undef X
        CATEGORY_COUNT
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
    struct world_signal_map signals[WORLD_SIGNAL_COUNT];
    struct world_action *actions;               /* [policy->action_count] */
    long first_name, tier, spend, locale, zone; /* attributes, or -1 */
};

/* Something that will happen. */
enum pending_kind { PENDING_DELAY, PENDING_DELIVER, PENDING_CONTACT, PENDING_RESOLVE, PENDING_RETURN };
struct pending {
    int64_t time_ms;
    enum pending_kind kind;
    int category;    /* of the order or item */
    uint64_t number; /* of the order or case */
    double amount;
    bool late; /* PENDING_DELIVER: it was told that the order is late; PENDING_CONTACT: that is what it is
                  about */
};

struct person {
    char id[16]; /* "c000042" */
    struct rng rng;
    double taste[CATEGORY_COUNT];
    double sensitivity, mood, activity; /* activity: visits a day */
    bool known;                         /* has a profile */
    int tier;                           /* 0 basic, 1 silver, 2 gold */
    bool persian;
    double spend_365d;
    /* What is true now; times are INT64_MIN for never. */
    int64_t cart_ms, bought_ms, resolved_ms, misfit_ms;
    double cart_value;
    int cart_category, misfit_category;
    int csat; /* of the case resolved last, 1 to 5 */
    uint32_t open_cases, late_orders;
    uint64_t numbers;                          /* of orders, cases and events so far */
    struct pending pending[WORLD_PENDING_MAX]; /* by time */
    uint32_t pending_count;
};

/* ERR_INVALID names the signal, property or type that the policy lacks. The policy outlives the world. */
int world_open(struct world *w, const struct policy *p, struct arena *arena, struct error *e) MUST_CHECK;
/* By purpose and a word in the action's id. promotional: cart, win_back, loyalty, welcome, accessories or
 * complete (follow-up to a purchase), any other is a promotion; service: size, delay (apology), help or case
 * (help); ask; all others inform. */
enum world_theme world_theme(const struct policy_action *a);
const char *world_category_name(int category);
double world_category_price(int category); /* of a typical item */

void person_init(struct person *p, uint64_t seed, uint32_t number);
/* Profile and consents into an empty state of the world's policy. */
int person_profile(const struct world *w, struct person *p, int64_t now_ms, struct state *s) MUST_CHECK;
/* Keeps the list in order of time. */
void person_expect(struct person *p, const struct pending *what);

/* The truth, as above. */
double world_propensity(const struct world *w, const struct person *p, uint32_t action, int64_t now_ms);

#endif
