/* People: who they are, how they feel, how tired of us they are; see person.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/person.h"

#define MOOD_A_DAY 0.03
#define MOOD_LEAST 0.2
#define MOOD_MOST 1.6
#define LOAD_DAYS 5
#define LOAD_INBOUND 0.3

static const double changes[] = {
    [EXPERIENCE_CASE] = -0.25,   [EXPERIENCE_LATE] = -0.15,   [EXPERIENCE_MISFIT] = -0.1,
    [EXPERIENCE_RETURN] = -0.05, [EXPERIENCE_IN_TIME] = 0.03, [EXPERIENCE_TACTLESS] = -0.1,
    [EXPERIENCE_CSAT_1] = -0.2,  [EXPERIENCE_CSAT_2] = -0.1,  [EXPERIENCE_CSAT_3] = 0,
    [EXPERIENCE_CSAT_4] = 0.1,   [EXPERIENCE_CSAT_5] = 0.15,
};

static bool chance(struct person *p, double share)
{
    return rng_double(&p->rng) < share;
}

void person_init(struct person *p, const struct policy *policy, uint64_t seed, uint32_t number,
                 int64_t start_ms)
{
    static const char *const names[2][4] = {{"Emma", "Noah", "Mia", "Liam"}, {"سارا", "رضا", "مریم", "امیر"}};
    uint64_t key[2] = {seed, number};
    *p = (struct person){.cart_ms = INT64_MIN,
                         .bought_ms = INT64_MIN,
                         .resolved_ms = INT64_MIN,
                         .misfit_ms = INT64_MIN,
                         .mood_ms = start_ms};
    snprintf(p->id, sizeof p->id, "c%06u", number);
    rng_seed(&p->rng, hash64(key, sizeof key));
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        double u = rng_double(&p->rng);
        p->taste[i] = 0.2 + (i == CATEGORY_FASHION ? 2.8 : 1.8) * u * u;
    }
    p->sensitivity = rng_double(&p->rng);
    p->temper = 0.7 + 0.6 * rng_double(&p->rng);
    p->mood = p->temper;
    p->activity = 0.15 + 0.75 * rng_double(&p->rng);
    p->tier = chance(p, 0.6) ? 0 : chance(p, 0.65) ? 1 : 2;
    p->persian = chance(p, 0.75);
    p->known = chance(p, 0.8);
    /* In cents, so that the profile and the CSV show the same number. */
    p->spend_365d = (double)rng_below(&p->rng, (uint64_t)(p->tier + 1) * 120000) / 100.0;
    p->first_name = names[p->persian][rng_below(&p->rng, 4)];
    for (size_t i = 0; i < policy->channel_count; i++)
        for (int purpose = 0; purpose < PURPOSE_COUNT; purpose++)
            p->consents[i][purpose] = policy->channels[i].consent[purpose] && chance(p, 0.7);
}

void person_expect(struct person *p, const struct pending *what)
{
    if (p->pending_count == PERSON_PENDING_MAX)
        return;
    uint32_t at = p->pending_count++;
    while (at > 0 && p->pending[at - 1].time_ms > what->time_ms) {
        p->pending[at] = p->pending[at - 1];
        at--;
    }
    p->pending[at] = *what;
}

double person_mood(const struct person *p, int64_t now_ms)
{
    double back = MOOD_A_DAY * ((double)(now_ms - p->mood_ms) / (double)WORLD_DAY_MS);
    if (p->mood < p->temper)
        return p->mood + back < p->temper ? p->mood + back : p->temper;
    return p->mood - back > p->temper ? p->mood - back : p->temper;
}

void person_feel(struct person *p, enum experience what, int64_t now_ms)
{
    double mood = person_mood(p, now_ms) + changes[what];
    p->mood = mood < MOOD_LEAST ? MOOD_LEAST : mood > MOOD_MOST ? MOOD_MOST : mood;
    p->mood_ms = now_ms;
}

double person_load(const struct person *p, int64_t now_ms)
{
    double load = 0;
    for (uint32_t i = 0; i < p->contact_count && i < PERSON_CONTACTS_MAX; i++) {
        double age_days = (double)(now_ms - p->contacts[i].time_ms) / (double)WORLD_DAY_MS;
        if (age_days < LOAD_DAYS)
            load += (p->contacts[i].outbound ? 1 : LOAD_INBOUND) * (1 - age_days / LOAD_DAYS);
    }
    return load;
}

void person_contacted(struct person *p, bool outbound, int64_t now_ms)
{
    p->contacts[p->contact_count++ % PERSON_CONTACTS_MAX] = (struct person_contact){now_ms, outbound};
}
