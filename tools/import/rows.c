/* Rows as upserts; see rows.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/rows.h"
#include "decide/request_wire.h"
#include "models/offline/frame_time.h"

enum { NAME_SHOWN = 80, ALLOWED_SHOWN = 300, CUSTOMER_MAX = DECIDE_CUSTOMER_MAX };

static int shown(struct str s)
{
    return (int)(s.n > NAME_SHOWN ? NAME_SHOWN : s.n);
}

/* "what 'word'; did you mean x? allowed: a, b". name_at(i): the i-th of the allowed names. */
static int unknown(struct error *e, const char *what, struct str word, size_t count,
                   struct str (*name_at)(const void *ctx, size_t i), const void *ctx)
{
    struct suggest s;
    char list[ALLOWED_SHOWN] = "";
    size_t n = 0;
    suggest_init(&s, word);
    for (size_t i = 0; i < count; i++) {
        struct str name = name_at(ctx, i);
        suggest_offer(&s, name);
        if (n < sizeof list)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", i ? ", " : "", STR_ARG(name));
    }
    struct str best = suggest_best(&s);
    return error_set(e, ERR_INVALID, "%s '%.*s'%s%.*s%s; allowed: %s%s", what, shown(word), word.p,
                     best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "", list,
                     n >= sizeof list ? "…" : "");
}

static struct str attribute_name(const void *ctx, size_t i)
{
    return ((const struct policy *)ctx)->schema.attributes[i].name;
}

static struct str channel_name(const void *ctx, size_t i)
{
    return ((const struct policy *)ctx)->channels[i].word.name;
}

static struct str purpose_at(const void *ctx, size_t i)
{
    (void)ctx;
    return str_from(purpose_name((enum purpose)i));
}

static struct str column_name(const void *ctx, size_t i)
{
    return ((const struct import_map *)ctx)->columns[i].name;
}

/* ---- the map ---- */

static enum value_text type_of(uint8_t type)
{
    switch (type) {
    case VALUE_DOUBLE:
        return TEXT_NUMBER;
    case VALUE_INT:
        return TEXT_INT;
    case VALUE_BOOL:
        return TEXT_BOOL;
    case VALUE_TIMESTAMP:
        return TEXT_TIME;
    default:
        return TEXT_STRING;
    }
}

static struct str header_name(const void *ctx, size_t i)
{
    return ((const struct csv_record *)ctx)->fields[i];
}

int import_header_find(const struct csv_record *header, const char *option, const char *name, size_t *out, struct error *e)
{
    for (size_t i = 0; i < header->count; i++)
        if (str_is(header->fields[i], name)) {
            *out = i;
            return 0;
        }
    char what[64];
    snprintf(what, sizeof what, "%s: the file has no column", option);
    return unknown(e, what, str_from(name), header->count, header_name, header);
}

static int find_column(const struct import_map *m, const char *option, struct str name, size_t *out, struct error *e)
{
    for (size_t i = 0; i < m->column_count; i++)
        if (str_eq(m->columns[i].name, name)) {
            *out = i;
            return 0;
        }
    char what[64];
    snprintf(what, sizeof what, "%s: the file has no column", option);
    return unknown(e, what, name, m->column_count, column_name, m);
}

/* Makes column c the attribute `name`. type: TEXT_GUESS where nobody said one. */
static int set_attribute(struct import_map *m, struct import_column *c, struct str name, enum value_text type,
                         struct arena *arena, struct error *e)
{
    const struct policy *p = m->options->policy;
    if (p) {
        long at = schema_attribute_told(&p->schema, name);
        if (at < 0)
            return unknown(e, "unknown attribute", name, p->schema.attribute_count, attribute_name, p);
        enum value_text declared = type_of(p->schema.attributes[at].type);
        if (type != TEXT_GUESS && type != declared)
            return error_set(e, ERR_INVALID,
                             "attribute '%.*s': the policy declares another type; leave the type out",
                             shown(name), name.p);
        type = declared;
        name = p->schema.attributes[at].name;
    }
    for (size_t i = 0; i < m->column_count; i++)
        if (m->columns[i].role == ROLE_ATTRIBUTE && str_is(name, m->columns[i].attribute))
            return error_set(
                e, ERR_INVALID,
                "two columns, '%.*s' and '%.*s', for attribute '%.*s'; leave one out with --column '%.*s='",
                shown(m->columns[i].name), m->columns[i].name.p, shown(c->name), c->name.p, shown(name),
                name.p, shown(c->name), c->name.p);
    c->role = ROLE_ATTRIBUTE;
    c->type = type == TEXT_GUESS ? TEXT_STRING : type;
    c->attribute = (char *)arena_str(arena, name).p;
    return c->attribute ? 0 : error_set(e, ERR_NOSPACE, "too many columns");
}

/* "column=attribute:type": attributes have neither '=' nor ':', so the last ones part the text. */
static int map_column(struct import_map *m, const char *text, bool *mapped, struct arena *arena,
                      struct error *e)
{
    const char *equals = strrchr(text, '=');
    size_t at;
    if (!equals)
        return error_set(
            e, ERR_INVALID,
            "--column %.80s: expected column=attribute, column=attribute:type, or column= to leave it out",
            text);
    int rc = find_column(m, "--column", (struct str){text, (size_t)(equals - text)}, &at, e);
    if (rc)
        return rc;
    struct import_column *c = &m->columns[at];
    if (c->role == ROLE_CUSTOMER || mapped[at])
        return error_set(e, ERR_INVALID, "--column %.80s: that column %s", text,
                         c->role == ROLE_CUSTOMER ? "is the customer's id" : "is mapped already");
    mapped[at] = true;
    const char *colon = strchr(equals + 1, ':');
    struct str name = {equals + 1, colon ? (size_t)(colon - equals - 1) : strlen(equals + 1)};
    enum value_text type = TEXT_GUESS;
    if (colon && (rc = value_text_type(str_from(colon + 1), &type, e))) {
        error_prefix(e, "--column %.80s", text);
        return rc;
    }
    return name.n ? set_attribute(m, c, name, type, arena, e) : 0;
}

static int map_consent(struct import_map *m, const char *text, bool *mapped, struct arena *arena,
                       struct error *e)
{
    const struct policy *p = m->options->policy;
    const char *colon = strchr(text, ':'), *equals = colon ? strchr(colon, '=') : NULL;
    if (!colon || colon == text)
        return error_set(e, ERR_INVALID,
                         "--consent %.80s: expected channel:purpose, or channel:purpose=column", text);
    struct str channel = {text, (size_t)(colon - text)};
    struct str purpose = {colon + 1, equals ? (size_t)(equals - colon - 1) : strlen(colon + 1)};
    int known = 0;
    while (known < PURPOSE_COUNT && !str_is(purpose, purpose_name((enum purpose)known)))
        known++;
    if (known == PURPOSE_COUNT)
        return unknown(e, "--consent: unknown purpose", purpose, PURPOSE_COUNT, purpose_at, NULL);
    if (p && policy_channel_find(p, channel) < 0)
        return unknown(e, "--consent: unknown channel", channel, p->channel_count, channel_name, p);
    struct import_consent *k = &m->consents[m->consent_count++];
    *k =
        (struct import_consent){(char *)arena_str(arena, channel).p, (char *)arena_str(arena, purpose).p, -1};
    if (!k->channel || !k->purpose)
        return error_set(e, ERR_NOSPACE, "too many consents");
    if (!equals)
        return 0;
    size_t at;
    int rc = find_column(m, "--consent", str_from(equals + 1), &at, e);
    if (rc)
        return rc;
    if (m->columns[at].role == ROLE_CUSTOMER || (mapped[at] && m->columns[at].role != ROLE_CONSENT))
        return error_set(e, ERR_INVALID, "--consent %.80s: that column is something else already", text);
    mapped[at] = true;
    m->columns[at].role = ROLE_CONSENT;
    k->column = (long)at;
    return 0;
}

/* Whether the column is one that a file of rejected rows begins with: once, or again and again. */
static bool of_rejects(struct str name)
{
    return str_is(name, IMPORT_REJECTED_LINE) || str_is(name, IMPORT_REJECTED_BECAUSE);
}

/* Columns that no option names. */
static int map_rest(struct import_map *m, const bool *mapped, struct arena *arena, struct error *e)
{
    for (size_t i = 0; i < m->column_count; i++) {
        struct import_column *c = &m->columns[i];
        if (mapped[i] || c->role == ROLE_CUSTOMER || of_rejects(c->name))
            continue;
        if (m->options->leave_others &&
            (!m->options->policy || schema_attribute_told(&m->options->policy->schema, c->name) < 0))
            continue;
        if (c->name.n == 0)
            return error_set(e, ERR_INVALID, "column %zu has no name; leave it out with --column '='", i + 1);
        int rc = set_attribute(m, c, c->name, TEXT_GUESS, arena, e);
        if (rc) {
            error_prefix(
                e, "column '%.*s' (map it with --column NAME=ATTRIBUTE, or leave it out with --column NAME=)",
                shown(c->name), c->name.p);
            return rc;
        }
    }
    return 0;
}

static int read_header(struct import_map *m, const struct csv_record *header, struct arena *arena,
                       struct error *e)
{
    m->columns = arena_zalloc(arena, header->count * sizeof *m->columns);
    m->consents = arena_zalloc(arena, OPTION_LIST_MAX * sizeof *m->consents);
    if (!m->columns || !m->consents)
        return error_set(e, ERR_NOSPACE, "too many columns");
    for (size_t i = 0; i < header->count; i++) {
        struct str name = arena_str(arena, header->fields[i]);
        for (size_t k = 0; k < i && !of_rejects(name); k++)
            if (str_eq(m->columns[k].name, name))
                return error_set(e, ERR_INVALID, "two columns are named '%.*s'", shown(name), name.p);
        if (!name.p)
            return error_set(e, ERR_NOSPACE, "too many columns");
        m->columns[i].name = name;
        m->column_count++;
    }
    return 0;
}

int import_map_make(struct import_map *m, const struct import_options *options,
                    const struct csv_record *header, struct arena *arena, struct error *e)
{
    *m = (struct import_map){.options = options};
    bool *mapped = arena_zalloc(arena, header->count * sizeof *mapped);
    int rc = mapped ? read_header(m, header, arena, e) : error_set(e, ERR_NOSPACE, "too many columns");
    m->customer = SIZE_MAX;
    if (!rc && options->customer_column) {
        rc = find_column(m, "--customer-column", str_from(options->customer_column), &m->customer, e);
        if (!rc)
            m->columns[m->customer].role = ROLE_CUSTOMER;
    }
    for (int i = 0; i < options->columns.count && !rc; i++)
        rc = map_column(m, options->columns.items[i], mapped, arena, e);
    for (int i = 0; i < options->consents.count && !rc; i++)
        rc = map_consent(m, options->consents.items[i], mapped, arena, e);
    return rc ? rc : map_rest(m, mapped, arena, e);
}

/* ---- a row ---- */

static int column_error(struct error *e, const struct import_column *c)
{
    return error_prefix(e, "column '%.*s'", shown(c->name), c->name.p);
}

static int row_customer(const struct import_map *m, const struct csv_record *r, struct arena *arena,
                        Tact__V1__UpsertRequest *out, struct error *e)
{
    if (m->customer == SIZE_MAX) {
        out->customer_id = arena_printf(arena, "row-%zu", r->line);
        return out->customer_id ? 0 : error_set(e, ERR_NOSPACE, "a row of over 64 MiB");
    }
    struct str id = arena_str(arena, r->fields[m->customer]);
    const char *wrong = !id.p ? "too long" : id.n == 0 ? "empty" : id.n > CUSTOMER_MAX ? "too long" : NULL;
    if (wrong) {
        error_set(e, ERR_INVALID, "%s; a customer's id has 1 to %d bytes", wrong, CUSTOMER_MAX);
        return column_error(e, &m->columns[m->customer]);
    }
    out->customer_id = (char *)id.p;
    return 0;
}

/* As training reads a table's times (frame_time.h), so that a model is served what it was trained on. */
static int read_cell(const struct import_map *m, const struct import_column *c, struct str text,
                     struct arena *arena, Tact__V1__Value *out, struct error *e)
{
    char trouble[FRAME_TIME_TROUBLE];
    if (c->type != TEXT_TIME)
        return value_text_parse(c->type, text, arena, out, e);
    const char *wrong = frame_time_read(text, m->options->zone, &out->time_ms, trouble);
    out->kind_case = TACT__V1__VALUE__KIND_TIME_MS;
    return wrong ? error_set(e, ERR_INVALID, "%s", wrong) : 0;
}

static int row_profile(const struct import_map *m, const struct csv_record *r, struct arena *arena,
                       Tact__V1__UpsertRequest *out, struct error *e)
{
    Tact__V1__UpsertRequest__ProfileEntry *entries = arena_alloc(arena, r->count * sizeof *entries);
    Tact__V1__Value *values = arena_alloc(arena, r->count * sizeof *values);
    out->profile = arena_alloc(arena, r->count * sizeof *out->profile);
    if (!entries || !values || !out->profile)
        return error_set(e, ERR_NOSPACE, "a row of over 64 MiB");
    for (size_t i = 0; i < r->count; i++) {
        const struct import_column *c = &m->columns[i];
        if (c->role != ROLE_ATTRIBUTE || (r->fields[i].n == 0 && !m->options->remove_empty))
            continue;
        size_t k = out->n_profile;
        tact__v1__value__init(&values[k]);
        if (r->fields[i].n && read_cell(m, c, r->fields[i], arena, &values[k], e))
            return column_error(e, c);
        tact__v1__upsert_request__profile_entry__init(&entries[k]);
        entries[k].key = c->attribute;
        entries[k].value = &values[k]; /* without a kind: removes it */
        out->profile[out->n_profile++] = &entries[k];
    }
    return 0;
}

static int row_consents(const struct import_map *m, const struct csv_record *r, struct arena *arena,
                        Tact__V1__UpsertRequest *out, struct error *e)
{
    Tact__V1__Consent *consents = arena_alloc(arena, m->consent_count * sizeof *consents);
    out->consents = arena_alloc(arena, m->consent_count * sizeof *out->consents);
    if (!consents || !out->consents)
        return error_set(e, ERR_NOSPACE, "a row of over 64 MiB");
    for (size_t i = 0; i < m->consent_count; i++) {
        const struct import_consent *k = &m->consents[i];
        Tact__V1__Value yes = {.bool_value = true};
        if (k->column >= 0 && r->fields[k->column].n == 0)
            continue; /* an empty cell says nothing */
        if (k->column >= 0 && value_text_parse(TEXT_BOOL, r->fields[k->column], arena, &yes, e))
            return column_error(e, &m->columns[k->column]);
        Tact__V1__Consent *c = &consents[out->n_consents];
        tact__v1__consent__init(c);
        c->channel = k->channel;
        c->purpose = k->purpose;
        c->granted = yes.bool_value;
        c->time_ms = m->options->consent_time_ms;
        c->source = (char *)(uintptr_t)m->options->consent_source;
        out->consents[out->n_consents++] = c;
    }
    return 0;
}

int import_row(const struct import_map *m, const struct csv_record *r, int64_t now_ms, struct arena *arena,
               Tact__V1__UpsertRequest *out, struct error *e)
{
    tact__v1__upsert_request__init(out);
    if (r->count != m->column_count)
        return error_set(e, ERR_INVALID, "%zu field%s; the header has %zu", r->count,
                         r->count == 1 ? "" : "s", m->column_count);
    int rc = row_customer(m, r, arena, out, e);
    if (!rc)
        rc = row_profile(m, r, arena, out, e);
    if (!rc)
        rc = row_consents(m, r, arena, out, e);
    struct upsert checked;
    if (!rc && m->options->policy)
        rc = request_upsert(out, m->options->policy, now_ms, arena, &checked, e);
    return rc;
}
