/* Decisions on a terminal; see answer.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/answer.h"
#include "base/civil.h"
#include "base/str.h"
#include <ctype.h>
#include <stdlib.h>

enum { EVIDENCE_SHOWN = 8 };

void answer_text(const char *text, size_t most, FILE *out)
{
    size_t n = strlen(text), end = n;
    if (n > most) {
        end = most;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) /* not inside a character */
            end--;
    }
    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 =
            c == 0xc2 && i + 1 < end && ((unsigned char)text[i + 1] & 0xe0) == 0x80; /* U+0080 to U+009F */
        if (c1)
            i++;
        fputc(c < 0x20 || c == 0x7f || c1 ? ' ' : c, out);
    }
    if (end < n)
        fputs("…", out);
}

/* Ids and names: short, whole, but still somebody's text. */
static void word(const char *text, FILE *out)
{
    answer_text(text, 256, out);
}

void answer_time(int64_t ms, int32_t offset_s, FILE *out)
{
    int64_t local = ms + (int64_t)offset_s * 1000;
    int64_t days = local / 86400000 - (local % 86400000 < 0), rest = local - days * 86400000;
    int32_t year;
    int8_t month, day;
    civil_from_days(days, &year, &month, &day);
    fprintf(out, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, (int)(rest / 3600000),
            (int)(rest / 60000 % 60), (int)(rest / 1000 % 60));
    int minutes = offset_s / 60, size = minutes < 0 ? -minutes : minutes;
    if (minutes)
        fprintf(out, "%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
    else
        fputc('Z', out);
}

int32_t answer_offset(const char *time)
{
    size_t n = time ? strlen(time) : 0;
    if (n < 6 || (time[n - 6] != '+' && time[n - 6] != '-') || time[n - 3] != ':')
        return 0;
    int size = (atoi(time + n - 5) * 60 + atoi(time + n - 2)) * 60;
    return time[n - 6] == '-' ? -size : size;
}

static void number(double d, FILE *out)
{
    fprintf(out, "%.4g", d);
}

/* "FREQUENCY_CAP" as "frequency cap". */
static void enum_text(const ProtobufCEnumDescriptor *d, int value, FILE *out)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);
    if (!v)
        fprintf(out, "%d", value);
    for (const char *c = v ? v->name : ""; *c; c++)
        fputc(*c == '_' ? ' ' : tolower((unsigned char)*c), out);
}

static void evidence(size_t count, Tact__V1__Evidence *const *items, int32_t offset_s, FILE *out)
{
    for (size_t i = 0; i < count && i < EVIDENCE_SHOWN; i++) {
        fputs(i ? ", " : "", out);
        word(items[i]->name, out);
        fputs(" = ", out);
        answer_text(items[i]->value, 80, out);
        if (items[i]->counts_since_ms) {
            fputs(" (counted since ", out);
            answer_time(items[i]->counts_since_ms, offset_s, out);
            fputc(')', out);
        }
    }
    if (count > EVIDENCE_SHOWN)
        fprintf(out, ", and %zu more", count - EVIDENCE_SHOWN);
}

/* ---- a choice ---- */

static void factors(double priority, const Tact__V1__Factors *f, FILE *out)
{
    fputs("priority ", out);
    number(priority, out);
    if (!f)
        return;
    fputs(f->baseline != 0 ? " = (propensity " : " = propensity ", out);
    number(f->propensity, out);
    fputs(f->propensity_from_model ? "" : " (no model)", out);
    if (f->baseline != 0) {
        fputs(" − baseline ", out);
        number(f->baseline, out);
        fputc(')', out);
    }
    fputs(" × value ", out);
    number(f->value, out);
    fputs(" × weight ", out);
    number(f->context_weight, out);
    fputs(" × lever ", out);
    number(f->lever, out);
    fputs(" − cost ", out);
    number(f->contact_cost, out);
}

static void choice(const Tact__V1__Choice *c, const char *handle, FILE *out)
{
    word(c->action_id, out);
    if (c->placement[0]) {
        fputs(" in ", out);
        word(c->placement, out);
    }
    fprintf(out, " (%s, %s/%s), treatment ", c->purpose, c->issue, c->group);
    word(c->treatment_id, out);
    fprintf(out, "%s%s\n  ", c->locale[0] ? " " : "", c->locale);
    factors(c->priority, c->factors, out);
    fputs(", chosen with probability ", out);
    number(c->action_probability, out);
    fputs(c->n_content ? "\n  " : "", out);
    for (size_t i = 0; i < c->n_content; i++) {
        fputs(i ? " · " : "", out);
        word(c->content[i]->key, out);
        fputs(": ", out);
        answer_text(c->content[i]->value, ANSWER_TEXT_MAX, out);
    }
    fputs("\n  handle ", out);
    word(handle, out);
    fputc('\n', out);
}

/* ---- a suppression ---- */

static void scope(const Tact__V1__Scope *s, FILE *out)
{
    const struct {
        const char *what, *name;
    } parts[] = {{"purpose", s->purpose},
                 {"issue", s->issue},
                 {"group", s->group},
                 {"channel", s->channel},
                 {"action", s->action}};
    const char *between = ", blocks ";
    if (s->everything) {
        fprintf(out, "%severything", between);
        return;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].name[0])
            continue;
        fprintf(out, "%s%s ", between, parts[i].what);
        word(parts[i].name, out);
        between = " and ";
    }
}

static void words(const char *before, size_t count, char *const *items, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ", " : before, out);
        word(items[i], out);
    }
}

/* One line: when the rule ends, when the withheld action is free, what that waits for. */
static void when(const Tact__V1__Suppression *s, int32_t offset_s, FILE *out)
{
    const char *between = "\n  ";
    if (s->ends_at_ms) {
        fprintf(out, "%sends at ", between);
        answer_time(s->ends_at_ms, offset_s, out);
        words(", sooner with news of ", s->n_lifted_by, s->lifted_by, out);
        between = "; ";
    }
    if (s->next_eligible_at_ms && s->next_eligible_at_ms != s->ends_at_ms) {
        fprintf(out, "%snext eligible at ", between);
        answer_time(s->next_eligible_at_ms, offset_s, out);
        between = "; ";
    }
    fputs(s->n_waits_for ? between : "", out);
    words(s->ends_at_ms ? "the withheld action then waits for " : "waits for ", s->n_waits_for, s->waits_for,
          out);
}

static void suppression(const Tact__V1__Suppression *s, int32_t offset_s, FILE *out)
{
    fputs("nothing: ", out);
    enum_text(&tact__v1__suppression__cause__descriptor, (int)s->cause, out);
    fputs(s->rule[0] ? ", rule " : "", out);
    word(s->rule, out);
    if (s->scope)
        scope(s->scope, out);
    if (s->withheld_action_id[0]) {
        fputs("; withheld ", out);
        word(s->withheld_action_id, out);
        fputs(", priority ", out);
        number(s->withheld_priority, out);
    }
    fputs(s->text[0] ? "\n  " : "", out);
    answer_text(s->text, 2 * ANSWER_TEXT_MAX, out);
    if (s->n_evidence) {
        fputs("\n  because ", out);
        evidence(s->n_evidence, s->evidence, offset_s, out);
    }
    when(s, offset_s, out);
    fputc('\n', out);
}

/* ---- all of it ---- */

/* Only with candidates, as who asks for reasons wants it; "by cart_v4 for carts (a challenger), all_v7 for all". */
static void models(const Tact__V1__Decision *d, FILE *out)
{
    if (!d->model_id[0] || !d->n_candidates)
        return;
    fputs("  scored by ", out);
    if (!d->n_models) {
        fputs("model ", out);
        word(d->model_id, out);
    }
    for (size_t i = 0; i < d->n_models; i++) {
        fputs(i ? ", " : "", out);
        word(d->models[i]->bundle, out);
        fputs(" for ", out);
        word(d->models[i]->entry, out);
        fputs(d->models[i]->challenger ? " (a challenger)" : "", out);
    }
    fputc('\n', out);
}

static void candidate(const Tact__V1__Candidate *c, int32_t offset_s, FILE *out)
{
    fputs("    ", out);
    word(c->action_id, out);
    fputs(": ", out);
    enum_text(&tact__v1__candidate__stage__descriptor, (int)c->stage, out);
    if (c->stage != TACT__V1__CANDIDATE__STAGE__CHOSEN && (c->reason[0] || c->rule[0])) {
        fputs(": ", out);
        answer_text(c->reason[0] ? c->reason : c->rule, ANSWER_TEXT_MAX, out); /* the reason names the rule */
    }
    if (c->n_evidence) {
        fputs(" (", out);
        evidence(c->n_evidence, c->evidence, offset_s, out);
        fputc(')', out);
    }
    fputc('\n', out);
}

void answer_print(const Tact__V1__DecideResponse *m, int32_t offset_s, FILE *out)
{
    const Tact__V1__Decision *d = m->decision;
    if (!d) {
        fputs("the server gave no decision\n", out);
        return;
    }
    for (size_t i = 0; i < d->n_choices; i++)
        choice(d->choices[i], i < m->n_handles ? m->handles[i] : "", out);
    if (d->suppression)
        suppression(d->suppression, offset_s, out);
    else if (!d->n_choices)
        fputs("nothing\n", out);
    fputs("  decision ", out);
    word(d->decision_id, out);
    fputs(" at ", out);
    answer_time(d->decided_at_ms, offset_s, out);
    if (m->customer_id[0]) {
        fputs(", for ", out);
        word(m->customer_id, out);
    }
    if (d->state_tier != TACT__V1__STATE_TIER__CURRENT) {
        fputs(", ", out);
        enum_text(&tact__v1__state_tier__descriptor, (int)d->state_tier, out);
    }
    fputs(m->meta && m->meta->recorded ? ", recorded before under this request id\n" : "\n", out);
    models(d, out);
    for (size_t i = 0; i < d->n_candidates; i++)
        candidate(d->candidates[i], offset_s, out);
}

const char *answer_number(uint64_t n, char text[ANSWER_NUMBER])
{
    char digits[ANSWER_NUMBER];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}
