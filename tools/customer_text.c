/* A customer on a terminal; see customer_text.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/customer_text.h"
#include "expr/value.h"
#include "tools/answer.h"
#include <inttypes.h>

enum { DURATION_MAX = 64 };

struct page {
    FILE *out;
    int32_t offset_s;
};

static void text(const struct page *p, const char *before, const char *word)
{
    fputs(before, p->out);
    answer_text(word, ANSWER_TEXT_MAX, p->out);
}

static void at(const struct page *p, const char *before, int64_t ms)
{
    fputs(before, p->out);
    answer_time(ms, p->offset_s, p->out);
}

static void duration(const struct page *p, const char *before, int64_t ms)
{
    struct buf b;
    buf_init(&b, DURATION_MAX);
    value_format(value_duration(ms), &b);
    fprintf(p->out, "%s%.*s", before, (int)b.n, (const char *)b.p);
    buf_free(&b);
}

static void heading(const struct page *p, size_t count, const char *name)
{
    if (count)
        fprintf(p->out, "  %s:\n", name);
}

static void value(const struct page *p, const Tact__V1__Value *v)
{
    switch (v->kind_case) {
    case TACT__V1__VALUE__KIND_STRING_VALUE:
        text(p, "", v->string_value);
        break;
    case TACT__V1__VALUE__KIND_NUMBER_VALUE:
        fprintf(p->out, "%.15g", v->number_value);
        break;
    case TACT__V1__VALUE__KIND_BOOL_VALUE:
        fputs(v->bool_value ? "true" : "false", p->out);
        break;
    case TACT__V1__VALUE__KIND_INT_VALUE:
        fprintf(p->out, "%" PRId64, v->int_value);
        break;
    case TACT__V1__VALUE__KIND_TIME_MS:
        at(p, "", v->time_ms);
        break;
    default:
        fputs("unknown", p->out);
    }
}

/* ---- what they are and said ---- */

static void profile(const struct page *p, const Tact__V1__GetResponse *m)
{
    heading(p, m->n_profile, "attributes");
    for (size_t i = 0; i < m->n_profile; i++) {
        text(p, "    ", m->profile[i]->key);
        fputs(" = ", p->out);
        value(p, m->profile[i]->value);
        fputc('\n', p->out);
    }
}

static void consents(const struct page *p, const Tact__V1__GetResponse *m)
{
    heading(p, m->n_consents, "consents");
    for (size_t i = 0; i < m->n_consents; i++) {
        const Tact__V1__Consent *c = m->consents[i];
        text(p, "    ", c->channel);
        text(p, " ", c->purpose);
        at(p, c->granted ? ": granted at " : ": withdrawn at ", c->time_ms);
        if (c->source[0])
            text(p, ", by ", c->source);
        fputc('\n', p->out);
    }
}

static void preferences(const struct page *p, const Tact__V1__Preferences *w)
{
    if (!w)
        return;
    heading(p, 1, "preferences");
    if (w->channel[0]) {
        text(p, "    channel ", w->channel);
        fputc('\n', p->out);
    }
    if (w->quiet_from[0]) {
        text(p, "    quiet hours from ", w->quiet_from);
        text(p, " to ", w->quiet_to);
        fputc('\n', p->out);
    }
    if (w->paused_until_ms) {
        at(p, "    pause until ", w->paused_until_ms);
        fputc('\n', p->out);
    }
    if (w->at_most) {
        fprintf(p->out, "    less often: at most %" PRIu32, w->at_most);
        duration(p, " in ", w->per_ms);
        fputc('\n', p->out);
    }
}

/* ---- what happened ---- */

static void journey(const struct page *p, const Tact__V1__Journey *j)
{
    if (!j)
        return;
    if (j->stage[0]) {
        text(p, "  stage ", j->stage);
        if (j->entered_ms)
            at(p, " since ", j->entered_ms);
        if (j->previous_stage[0])
            text(p, ", before that ", j->previous_stage);
        fputc('\n', p->out);
    }
    heading(p, j->n_touches, "touch points");
    for (size_t i = 0; i < j->n_touches; i++) {
        at(p, "    ", j->touches[i]->time_ms);
        text(p, " ", j->touches[i]->name);
        if (j->touches[i]->channel[0])
            text(p, " by ", j->touches[i]->channel);
        fputc('\n', p->out);
    }
}

static void contacts(const struct page *p, const Tact__V1__GetResponse *m)
{
    heading(p, m->n_contacts, "contacts");
    for (size_t i = 0; i < m->n_contacts; i++) {
        const Tact__V1__Contact *c = m->contacts[i];
        at(p, "    ", c->time_ms);
        text(p, " ", c->action_id[0] ? c->action_id : "an action that is not known");
        text(p, " by ", c->channel);
        if (c->expires_ms)
            at(p, ", a reservation that lapses at ", c->expires_ms);
        for (size_t k = 0; k < c->n_outcomes; k++)
            text(p, k ? ", " : ": ", c->outcomes[k]);
        if (c->value != 0)
            fprintf(p->out, ", value %.15g", c->value);
        text(p, ", decision ", c->decision_id);
        fputc('\n', p->out);
    }
}

static void reactions(const struct page *p, const Tact__V1__GetResponse *m)
{
    heading(p, m->n_reactions, "reactions");
    for (size_t i = 0; i < m->n_reactions; i++) {
        const Tact__V1__Reaction *r = m->reactions[i];
        text(p, "    ", r->name);
        fprintf(p->out, ": shown %" PRIu32 ", ignored %" PRIu32 ", responded %" PRIu32 ", converted %" PRIu32 ", rejected %" PRIu32,
                r->shown, r->ignored, r->responded, r->converted, r->rejected);
        if (r->shown_ms)
            at(p, ", last shown at ", r->shown_ms);
        fputc('\n', p->out);
    }
}

/* ---- what the policy makes of it ---- */

static void features(const struct page *p, const Tact__V1__GetResponse *m)
{
    heading(p, m->n_features, "features");
    for (size_t i = 0; i < m->n_features; i++) {
        text(p, "    ", m->features[i]->key);
        text(p, " = ", m->features[i]->value);
        fputc('\n', p->out);
    }
    heading(p, m->n_counts_since_ms, "counted only since");
    for (size_t i = 0; i < m->n_counts_since_ms; i++) {
        text(p, "    ", m->counts_since_ms[i]->key);
        at(p, ": ", m->counts_since_ms[i]->value);
        fputc('\n', p->out);
    }
}

void customer_text(const char *asked, const Tact__V1__GetResponse *m, int32_t offset_s, FILE *out)
{
    const struct page p = {out, offset_s};
    text(&p, "", m->customer_id[0] ? m->customer_id : asked);
    if (m->forgotten_ms)
        at(&p, ": forgotten at ", m->forgotten_ms);
    else if (!m->found)
        fputs(": never seen", out);
    fputc('\n', out);
    if (!m->found)
        return;
    heading(&p, m->n_identities, "other ids");
    for (size_t i = 0; i < m->n_identities; i++) {
        text(&p, "    ", m->identities[i]->customer_id);
        at(&p, ", merged at ", m->identities[i]->time_ms);
        fputc('\n', out);
    }
    profile(&p, m);
    consents(&p, m);
    preferences(&p, m->preferences);
    journey(&p, m->journey);
    contacts(&p, m);
    reactions(&p, m);
    features(&p, m);
}
