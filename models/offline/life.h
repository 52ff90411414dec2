/* A simulated person's days (world.h says what is true of them): visits with page views and carts, purchases,
 * deliveries that come late, devices that break, cases that are opened and resolved, dresses that are sent
 * back, answers to what they were shown. A life is a list of acts in order of time, made one by one:
 *
 *   life_begin --> life_next, life_next, … --> false when the days are over
 *                    ACT_SIGNAL      something happened that the brand hears of
 *                    ACT_MOMENT      something could be said: whoever lives the life decides what, and calls
 *                                    life_shown before the next life_next, or nothing when nothing is shown
 *                    ACT_RESPONSE    the answer to a moment, after its delay
 *                    ACT_CONVERSION  a purchase that came of it; after its purchase signal
 *
 * A life does no I/O and waits for nothing, so that it can be lived at once, or over a network at its pace.
 * Deterministic: the person's generator is the only source of chance. The same life with more days begins with the
 * same acts. One thread a life.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_LIFE_H
#define TACT_OFFLINE_LIFE_H
#include "models/offline/world.h"

enum {
    LIFE_TEXT_MAX = 32,
    LIFE_ID_MAX = 64,
    LIFE_ACTS_MAX = 16 /* that one step can make */
};

enum act_kind { ACT_SIGNAL, ACT_MOMENT, ACT_RESPONSE, ACT_CONVERSION };

struct act {
    enum act_kind kind;
    int64_t time_ms;
    uint64_t number; /* of the signal or the moment; an answer has the moment's */
    /* ACT_SIGNAL: properties in the order of WORLD_SIGNALS. */
    enum world_signal signal;
    struct act_property {
        bool is_text;
        char text[LIFE_TEXT_MAX];
        double number;
    } properties[WORLD_PROPERTIES_MAX];
    /* ACT_MOMENT: indices of the policy's; -1: none. */
    uint32_t channel;
    long placement, device;
    /* ACT_RESPONSE, ACT_CONVERSION */
    uint32_t action;
    double amount; /* of the purchase */
};

enum life_step {
    LIFE_BEFORE,
    LIFE_HOUR,
    LIFE_DUE,
    LIFE_WRITTEN,
    LIFE_VISIT,
    LIFE_LEAVE,
    LIFE_REST,
    LIFE_OVER
};

struct life {
    const struct world *world;
    struct person person;
    uint64_t seed;
    int64_t now_ms, hour_ms, end_ms; /* hour_ms: when the hour began */
    enum life_step step;
    int64_t until_ms;    /* of LIFE_DUE */
    bool written, comes; /* in this hour: somebody could write to them; they visit */
    struct act acts[LIFE_ACTS_MAX];
    uint32_t act_count, act_at;
};

void life_begin(struct life *l, const struct world *w, uint64_t seed, uint32_t number, uint32_t days);
/* The next act; it lives until the next call. False: the life is over. */
bool life_next(struct life *l, const struct act **out);
/* The action was shown at this moment, the latest act. Fills in the truth and says whether the person will
 * respond. */
bool life_shown(struct life *l, const struct act *moment, uint32_t action, double *truth);
/* A name for the signal or moment of that number: "7-c000042-17" for seed 7. */
void life_id(const struct life *l, uint64_t number, char out[LIFE_ID_MAX]);

#endif
