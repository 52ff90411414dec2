/* A simulated person: tastes, temper, what is true of them now. Moods and fatigue move by the rules below; how
 * they count in what a person answers says world.h.
 *
 *   mood     the person's temper (0.7 to 1.3) and what happened to them. It goes back to the temper in a
 *            straight line, by 0.03 a day, and never leaves 0.2 to 1.6.
 *
 *              a case is opened             −0.25     a case is resolved, satisfaction 5     +0.15
 *              an order is told to be late  −0.15                                      4     +0.1
 *              it did not fit, sent back    −0.1                                       3      0
 *              sent back for another reason −0.05                                      2     −0.1
 *              an order comes in time       +0.03                                      1     −0.2
 *              something is sold, or asked for, while a case is open or an order late        −0.1
 *
 *   load     of recent contacts: the sum, over those of the last 5 days, of weight × (1 − age / 5 days), where the
 *            weight is 1 outbound and 0.3 inbound. Only the latest PERSON_CONTACTS_MAX count.
 *
 * Only +, −, × and ÷ of doubles: the same on every machine. One thread a person.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_PERSON_H
#define TACT_OFFLINE_PERSON_H
#include "base/rng.h"
#include "policy/policy.h"

enum {
    PERSON_PENDING_MAX = 256, /* things that will happen to one; what comes on top of them does not happen */
    PERSON_CONTACTS_MAX = 64,
    PERSON_ID_MAX = 16
};
#define WORLD_HOUR_MS INT64_C(3600000)
#define WORLD_DAY_MS INT64_C(86400000)

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

enum experience {
    EXPERIENCE_CASE,
    EXPERIENCE_LATE,
    EXPERIENCE_MISFIT,
    EXPERIENCE_RETURN,
    EXPERIENCE_IN_TIME,
    EXPERIENCE_TACTLESS, /* something sold or asked for in trouble */
    EXPERIENCE_CSAT_1,   /* a case is resolved, with that satisfaction */
    EXPERIENCE_CSAT_2,
    EXPERIENCE_CSAT_3,
    EXPERIENCE_CSAT_4,
    EXPERIENCE_CSAT_5
};

/* Something that will happen. */
enum pending_kind {
    PENDING_DELAY,
    PENDING_DELIVER,
    PENDING_CONTACT,
    PENDING_RESOLVE,
    PENDING_RETURN,
    PENDING_RESPONSE
};
struct pending {
    int64_t time_ms;
    enum pending_kind kind;
    int category;    /* of the order or item */
    uint64_t number; /* of the order or case; PENDING_RESPONSE: of the moment that is answered */
    uint32_t action; /* PENDING_RESPONSE */
    double amount;
    bool
        late; /* PENDING_DELIVER: it was told that the order is late; PENDING_CONTACT: that is what it is about */
};

struct person_contact {
    int64_t time_ms;
    bool outbound;
};

struct person {
    char id[PERSON_ID_MAX]; /* "c000042" */
    struct rng rng;
    double taste[CATEGORY_COUNT];         /* world_taste says what counts now */
    double sensitivity, temper, activity; /* activity: visits a day */
    bool known;                           /* has a profile */
    const char *first_name;
    int tier; /* 0 basic, 1 silver, 2 gold */
    bool persian;
    double spend_365d;
    bool consents[POLICY_CHANNELS_MAX][PURPOSE_COUNT]; /* where the channel needs one */
    /* What is true now; times are INT64_MIN for never. */
    double mood; /* at mood_ms */
    int64_t mood_ms, cart_ms, bought_ms, resolved_ms, misfit_ms;
    double cart_value;
    int cart_category, misfit_category;
    int csat; /* of the case resolved last, 1 to 5 */
    uint32_t open_cases, late_orders;
    uint64_t numbers;                                    /* of orders, cases, events and moments so far */
    struct pending pending[PERSON_PENDING_MAX];          /* by time */
    struct person_contact contacts[PERSON_CONTACTS_MAX]; /* the latest; a ring */
    uint32_t pending_count, contact_count;               /* contact_count: all so far */
};

void person_init(struct person *p, const struct policy *policy, uint64_t seed, uint32_t number,
                 int64_t start_ms);
/* Keeps the list in order of time; of two at one time the later given is the later one. */
void person_expect(struct person *p, const struct pending *what);

double person_mood(const struct person *p, int64_t now_ms);
void person_feel(struct person *p, enum experience what, int64_t now_ms);
/* The load of recent contacts, and one more of them. */
double person_load(const struct person *p, int64_t now_ms);
void person_contacted(struct person *p, bool outbound, int64_t now_ms);

#endif
