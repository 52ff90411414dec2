/* Headers of tables; see frame_header.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_header.h"
#include "base/excerpt.h"
#include "models/offline/frame_cell.h"
#include "models/offline/frame_words.h"
#include <stdlib.h>
#include <strings.h>

enum { NAMES_SHOWN = 6, NAMES_TEXT = NAMES_SHOWN * (EXCERPT + 2) + 16 };

static const char separators[] = {',', ';', '\t', '|'};

/* ---- the separator ---- */

/* How often c stands in the first line of text that has anything, outside quotes. */
static size_t occurs(struct str text, char c)
{
    size_t n = 0;
    bool quoted = false, begun = false;
    for (size_t i = 0; i < text.n; i++) {
        char at = text.p[i];
        if (at == '\n' && !quoted && begun)
            break;
        begun = begun || (at != '\n' && at != '\r');
        quoted = quoted != (at == '"');
        n += at == c && !quoted;
    }
    return n;
}

/* The first of those that occur most; a comma where none does. */
static char find_separator(struct str text)
{
    char best = ',';
    size_t most = 0;
    for (size_t i = 0; i < sizeof separators; i++) {
        size_t n = occurs(text, separators[i]);
        if (n > most) {
            most = n;
            best = separators[i];
        }
    }
    return best;
}

static const char *separator_shown(char c)
{
    static const char *const names[] = {"','", "';'", "a tab", "'|'"};
    for (size_t i = 0; i < sizeof separators; i++)
        if (separators[i] == c)
            return names[i];
    return "that separator";
}

/* ---- the record ---- */

void record_finding(struct findings *findings, const struct csv_record *r)
{
    const char *hint = "";
    if (r->raw.n && memchr(r->raw.p, 0, r->raw.n))
        hint = " (is the file UTF-16 or damaged? save it as UTF-8)";
    else if (r->raw.n && utf8_bad_at(r->raw.p, r->raw.n))
        hint = " (is it Latin-1 or Windows-1252? save the file as UTF-8)";
    finding_add(findings, r->bad_line, r->bad_column, "%s%s", r->bad, hint);
}

static int take_names(struct header *h, const struct csv_record *r, struct arena *arena, struct error *e)
{
    h->count = r->count;
    h->line = r->line;
    h->names = arena_alloc(arena, r->count * sizeof *h->names);
    for (size_t i = 0; h->names && i < r->count; i++) {
        h->names[i] = arena_str(arena, r->fields[i]);
        if (!h->names[i].p)
            h->names = NULL;
    }
    return h->names ? 0 : error_set(e, ERR_NOSPACE, "out of memory for %zu columns' names", r->count);
}

int header_read(struct header *h, struct csv **csv, struct frame_input *in, char separator,
                struct arena *arena, struct findings *findings, struct error *e)
{
    struct csv_record r;
    *h = (struct header){.separator = separator ? separator : find_separator(frame_input_head(in)),
                         .given = separator != 0};
    *csv = csv_new(frame_input_name(in), h->separator, frame_input_read, in);
    if (!*csv)
        return error_set(e, ERR_NOSPACE, "out of memory");
    switch (csv_next(*csv, &r, e)) {
    case CSV_RECORD:
        return take_names(h, &r, arena, e);
    case CSV_BAD:
        record_finding(findings, &r);
        return ERR_INVALID;
    case CSV_END:
        finding_add(findings, 0, 0, "the file is empty; the first line names the columns");
        return ERR_INVALID;
    default:
        if (frame_input_error(in)->code)
            *e = *frame_input_error(in);
        if (e->code == ERR_INVALID)
            finding_add(findings, 1, 1, "%s", e->text);
        return e->code;
    }
}

/* ---- the wanted columns ---- */

const char *column_shown(const struct frame_want *w, char out[COLUMN_SHOWN])
{
    char name[EXCERPT];
    excerpt(w->column, name);
    if (w->what)
        snprintf(out, COLUMN_SHOWN, "%s (%.80s)", name, w->what);
    else
        snprintf(out, COLUMN_SHOWN, "%s", name);
    return out;
}

/* The name that is meant: the same but for case and spaces around, or one that is near. */
static struct str near_name(const struct header *h, struct str word)
{
    struct suggest s;
    struct str plain = cell_trimmed(word);
    suggest_init(&s, word);
    for (size_t i = 0; i < h->count; i++) {
        struct str name = cell_trimmed(h->names[i]);
        if (plain.n && name.n == plain.n && strncasecmp(name.p, plain.p, name.n) == 0)
            return h->names[i];
        suggest_offer(&s, h->names[i]);
    }
    return suggest_best(&s);
}

/* "'a', 'b', …" */
static const char *names_shown(const struct header *h, char out[NAMES_TEXT])
{
    size_t n = 0;
    for (size_t i = 0; i < h->count && i < NAMES_SHOWN; i++) {
        char name[EXCERPT];
        n += (size_t)snprintf(out + n, NAMES_TEXT - n, "%s%s", i ? ", " : "", excerpt(h->names[i], name));
    }
    if (h->count > NAMES_SHOWN)
        snprintf(out + n, NAMES_TEXT - n, ", …");
    return out;
}

/* Of a header of one column: another separator that stands in it. */
static char other_separator(const struct header *h)
{
    char other = h->count == 1 ? find_separator(h->names[0]) : h->separator;
    return h->count == 1 && occurs(h->names[0], other) ? other : h->separator;
}

static void lacks(const struct header *h, const struct frame_want *w, struct findings *findings)
{
    char column[COLUMN_SHOWN], near_shown[EXCERPT], names[NAMES_TEXT];
    struct str best = near_name(h, w->column);
    char other = other_separator(h);
    column_shown(w, column);
    if (best.n)
        finding_add(findings, h->line, 0, "no column %s; did you mean %s?", column,
                    excerpt(best, near_shown));
    else if (other != h->separator)
        finding_add(findings, h->line, 0,
                    "no column %s; split at %s the header is one column, %s; is the separator %s?", column,
                    separator_shown(h->separator), names_shown(h, names), separator_shown(other));
    else if (h->count == 1)
        finding_add(findings, h->line, 0, "no column %s; the header has one column: %s", column,
                    names_shown(h, names));
    else
        finding_add(findings, h->line, 0, "no column %s; the header has %zu columns, split at %s: %s", column,
                    h->count, separator_shown(h->separator), names_shown(h, names));
}

/* A header's names by code: where each stands first, and how often. */
struct places {
    struct words words;
    size_t *first, *second; /* SIZE_MAX: nowhere */
};

static int find_places(struct places *p, const struct header *h, struct text_pool *pool)
{
    p->first = malloc(h->count * sizeof *p->first);
    p->second = malloc(h->count * sizeof *p->second);
    if (!p->first || !p->second)
        return ERR_NOSPACE;
    for (size_t i = 0; i < h->count; i++) {
        uint32_t code, before = p->words.count;
        int rc = words_code(&p->words, pool, h->names[i], &code);
        if (rc)
            return rc;
        if (code == before) {
            p->first[code] = i;
            p->second[code] = SIZE_MAX;
        } else if (p->second[code] == SIZE_MAX) {
            p->second[code] = i;
        }
    }
    return 0;
}

int header_bind(const struct header *h, const struct frame_want *wants, size_t count, size_t *fields,
                struct findings *findings, struct error *e)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct text_pool pool = {.arena = &arena};
    struct places p = {0};
    int rc = find_places(&p, h, &pool);
    uint32_t names = p.words.count;
    for (size_t i = 0; i < count && !rc && findings->count < FRAME_FINDINGS_MAX; i++) {
        uint32_t code;
        char column[COLUMN_SHOWN];
        rc = words_code(&p.words, &pool, wants[i].column, &code);
        if (rc)
            break;
        if (code >= names) {
            lacks(h, &wants[i], findings);
        } else if (p.second[code] != SIZE_MAX) {
            finding_add(findings, h->line, 0,
                        "the header has column %s twice, as its %zu. and %zu.; rename one",
                        column_shown(&wants[i], column), p.first[code] + 1, p.second[code] + 1);
        } else {
            fields[i] = p.first[code];
        }
    }
    words_free(&p.words);
    free(p.first);
    free(p.second);
    arena_free(&arena);
    return rc ? error_set(e, ERR_NOSPACE, "out of memory for %zu columns", h->count) : 0;
}
