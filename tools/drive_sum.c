/* Judging, summing up, showing; see drive_sum.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/drive_sum.h"
#include "base/csv.h"
#include "decide/decide.h"

static long action_of(const struct policy *p, const char *id, struct error *e)
{
    long at = policy_action_find(p, str_from(id));
    if (at < 0)
        error_set(
            e, ERR_INVALID,
            "the server speaks of an action %s, which the policy given here does not have; give both the "
            "same policy",
            id);
    return at;
}

/* ---- judging ---- */

int drive_judge(const struct life *l, const struct act *moment, const Tact__V1__Decision *d,
                struct judgement *out, struct error *e)
{
    const struct policy *p = l->world->policy;
    *out = (struct judgement){.action = -1, .best = -1};
    if (d->n_choices > 1)
        return error_set(e, ERR_INVALID, "the server made %zu choices where one was asked for", d->n_choices);
    double sum = 0;
    for (size_t i = 0; i < d->n_candidates; i++) {
        const Tact__V1__Candidate *c = d->candidates[i];
        bool chosen = c->stage == TACT__V1__CANDIDATE__STAGE__CHOSEN;
        if (!c->factors || (!chosen && c->stage != TACT__V1__CANDIDATE__STAGE__ARBITRATION))
            continue;
        long action = action_of(p, c->action_id, e);
        if (action < 0)
            return ERR_INVALID;
        double truth = world_propensity(l->world, &l->person, (uint32_t)action, moment->time_ms);
        double value = truth * c->factors->value - c->factors->contact_cost;
        out->allowed++;
        sum += value;
        if (value > out->best_value) {
            out->best_value = value;
            out->best = action;
        }
        if (chosen && d->n_choices) {
            out->action = action;
            out->truth = truth;
            out->chosen = value;
        }
    }
    if (out->allowed)
        out->uniform = sum / (double)out->allowed;
    if (d->n_choices && out->action < 0)
        return error_set(e, ERR_INVALID, "the server chose %s, but does not list it among its candidates",
                         d->choices[0]->action_id);
    out->negative = out->action >= 0 && p->actions[out->action].purpose == PURPOSE_PROMOTIONAL &&
                    l->person.open_cases > 0;
    return 0;
}

static bool known_cause(const Tact__V1__Decision *d)
{
    return d->suppression && (unsigned)d->suppression->cause < DRIVE_CAUSES;
}

void drive_sum_decision(struct drive_sum *s, const Tact__V1__Decision *d, const struct judgement *j)
{
    s->decisions++;
    s->shown += j->action >= 0;
    s->negative += j->negative;
    if (j->action < 0 && known_cause(d))
        s->silent[d->suppression->cause]++;
    if (j->allowed == 0)
        return;
    s->open++;
    s->chosen += j->chosen;
    s->best += j->best_value;
    s->uniform += j->uniform;
}

void drive_sum_add(struct drive_sum *into, const struct drive_sum *from)
{
    into->decisions += from->decisions;
    into->shown += from->shown;
    for (int i = 0; i < DRIVE_CAUSES; i++)
        into->silent[i] += from->silent[i];
    into->responses += from->responses;
    into->conversions += from->conversions;
    into->signals += from->signals;
    into->calls += from->calls;
    into->negative += from->negative;
    into->open += from->open;
    into->chosen += from->chosen;
    into->best += from->best;
    into->uniform += from->uniform;
}

/* ---- rows ---- */

static void field(struct buf *out, struct str text)
{
    if (text.n)
        csv_write_field(out, text, ',');
    buf_byte(out, ',');
}

static void action_field(struct buf *out, const struct policy *p, long action)
{
    field(out, action < 0 ? (struct str){0} : p->actions[action].word.name);
}

/* Of the message's own bytes: they are packed as the server packed them. */
static uint64_t hash_decision(const Tact__V1__Decision *d)
{
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    size_t n = tact__v1__decision__get_packed_size(d);
    uint8_t *to = buf_reserve(&bytes, n);
    ASSERT(to != NULL);
    uint64_t hash = hash64(to, tact__v1__decision__pack(d, to));
    buf_free(&bytes);
    return hash;
}

void drive_row(const struct life *l, const struct act *moment, const Tact__V1__Decision *d,
               const struct judgement *j, bool responds, struct buf *out)
{
    const struct policy *p = l->world->policy;
    const struct policy_channel *c = &p->channels[moment->channel];
    const Tact__V1__Choice *choice = d->n_choices ? d->choices[0] : NULL;
    buf_printf(out, "%s,", l->person.id);
    value_format(value_timestamp(moment->time_ms), out);
    buf_byte(out, ',');
    field(out, c->word.name);
    field(out, moment->placement < 0 ? (struct str){0} : c->placements[moment->placement]);
    buf_printf(out, "%s,%016llx,", d->decision_id, (unsigned long long)hash_decision(d));
    action_field(out, p, j->action);
    field(out, choice || !known_cause(d)
                   ? (struct str){0}
                   : str_from(suppression_cause_name((enum suppression_cause)d->suppression->cause)));
    field(out, choice || !d->suppression ? (struct str){0} : str_from(d->suppression->rule));
    if (choice)
        buf_printf(out, "%.9g,%.9g,%.9g,", choice->factors ? choice->factors->propensity : 0,
                   choice->priority, choice->action_probability);
    else
        buf_printf(out, ",,,");
    buf_printf(out, "%zu,%.9g,%.9g,", j->allowed, j->truth, j->chosen);
    action_field(out, p, j->best);
    buf_printf(out, "%.9g,%.9g,%d\n", j->best_value, j->uniform, responds);
}

/* ---- the summary ---- */

static double per(double sum, uint64_t count)
{
    return count ? sum / (double)count : 0;
}

static void print_json(const struct drive_sum *s, uint64_t retries, double days_per_s, FILE *out)
{
    fprintf(out, "{\"decisions\":%llu,\"shown\":%llu,\"silent\":{", (unsigned long long)s->decisions,
            (unsigned long long)s->shown);
    const char *comma = "";
    for (int i = 0; i < DRIVE_CAUSES; i++) {
        if (s->silent[i])
            fprintf(out, "%s\"%s\":%llu", comma, suppression_cause_name((enum suppression_cause)i),
                    (unsigned long long)s->silent[i]);
        comma = s->silent[i] ? "," : comma;
    }
    fprintf(out, "},\"responses\":%llu,\"conversions\":%llu,\"negative_contacts\":%llu,",
            (unsigned long long)s->responses, (unsigned long long)s->conversions,
            (unsigned long long)s->negative);
    fprintf(
        out,
        "\"true_value\":{\"decisions\":%llu,\"chosen\":%.6f,\"best\":%.6f,\"uniform\":%.6f,\"regret\":%.6f},",
        (unsigned long long)s->open, per(s->chosen, s->open), per(s->best, s->open), per(s->uniform, s->open),
        per(s->best - s->chosen, s->open));
    fprintf(out, "\"signals\":%llu,\"calls\":%llu,\"errors\":%llu,\"days_per_s\":%.1f}\n",
            (unsigned long long)s->signals, (unsigned long long)s->calls, (unsigned long long)retries,
            days_per_s);
}

static void print_text(const struct drive_sum *s, uint64_t retries, double days_per_s, FILE *out)
{
    uint64_t silent = s->decisions - s->shown;
    fprintf(out, "%llu decisions: %llu shown, %llu silent", (unsigned long long)s->decisions,
            (unsigned long long)s->shown, (unsigned long long)silent);
    const char *comma = " (";
    for (int i = 0; i < DRIVE_CAUSES; i++) {
        if (s->silent[i])
            fprintf(out, "%s%s %llu", comma, suppression_cause_name((enum suppression_cause)i),
                    (unsigned long long)s->silent[i]);
        comma = s->silent[i] ? ", " : comma;
    }
    fprintf(out, "%s\n%llu responses, %llu conversions, %llu negative contacts\n", *comma == ',' ? ")" : "",
            (unsigned long long)s->responses, (unsigned long long)s->conversions,
            (unsigned long long)s->negative);
    fprintf(
        out,
        "true value a decision: chosen %.4f, best allowed %.4f, uniform draw %.4f; regret %.4f (of %llu with "
        "something allowed)\n",
        per(s->chosen, s->open), per(s->best, s->open), per(s->uniform, s->open),
        per(s->best - s->chosen, s->open), (unsigned long long)s->open);
    fprintf(out,
            "%llu calls with %llu signals, %llu errors that a retry mended, %.0f simulated days a second\n",
            (unsigned long long)s->calls, (unsigned long long)s->signals, (unsigned long long)retries,
            days_per_s);
}

void drive_sum_print(const struct drive_sum *s, uint64_t retries, uint64_t days, double elapsed_s, bool json,
                     FILE *out)
{
    double days_per_s = elapsed_s > 0 ? (double)days / elapsed_s : 0;
    (json ? print_json : print_text)(s, retries, days_per_s, out);
}
