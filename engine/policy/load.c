/* Loading a policy folder: files, sections, common readers; the snapshot's life. The sections themselves are
 * read by load_schema.c (brand, profile, context, signals), load_channels.c, load_features.c, load_journey.c, load_actions.c and
 * load_rules.c (suppressions, contact policy); what features see of actions by action_fields.c; tests of the policy by
 * policy_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load.h"
#include "policy/action_fields.h"
#include "policy/load_actions.h"
#include "policy/load_rules.h"
#include "policy/load_features.h"
#include "policy/load_journey.h"
#include "policy/load_channels.h"
#include "policy/load_schema.h"
#include "policy/load_was.h"
#include "policy/policy_test.h"
#include "policy/symbols.h"
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

static const char *const sections[] = {"brand",          "profile",  "context", "signals",
                                       "features",       "channels", "actions", "suppressions",
                                       "contact_policy", "journey",  "places",  "aliases", "tests", NULL};

/* ---- memory ---- */

void *loader_alloc(struct loader *l, size_t size)
{
    void *p = arena_zalloc(l->arena, size);
    l->full = l->full || !p;
    return p;
}

struct str loader_text(struct loader *l, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : loader_alloc(l, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return str_from(text);
}

/* ---- readers ---- */

size_t loader_each(struct loader *l, const char *section, enum yaml_kind kind,
                   void (*visit)(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                                 size_t index))
{
    size_t index = 0;
    for (size_t f = 0; f < l->file_count; f++) {
        const struct yaml_node *n = yaml_get(l->files[f], section);
        if (!n || yaml_is_null(n) || !yaml_expect(l->diags, n, kind, section))
            continue;
        for (size_t i = 0; i < n->count; i++)
            if (kind != YAML_MAPPING || !n->keys[i]->repeated)
                visit(l, kind == YAML_MAPPING ? n->keys[i] : NULL, n->items[i], index++);
    }
    return index;
}

size_t loader_count(const struct loader *l, const char *section)
{
    size_t count = 0;
    for (size_t f = 0; f < l->file_count; f++) {
        const struct yaml_node *n = yaml_get(l->files[f], section);
        count += n && n->kind != YAML_SCALAR ? n->count : 0;
    }
    return count;
}

static bool name_char(char c, bool first, bool id)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return true;
    if (c >= '0' && c <= '9')
        return !first || id;
    return id && !first && (c == '-' || c == '.');
}

bool loader_name(struct loader *l, const struct yaml_node *n, bool id, const char *what, struct str *out)
{
    if (!yaml_string(l->diags, n, out))
        return false;
    bool good = out->n > 0 && out->n <= POLICY_NAME_MAX;
    for (size_t i = 0; i < out->n && good; i++)
        good = name_char(out->p[i], i == 0, id);
    if (!good)
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "'%.*s' is no %s: allowed are 1 to %d letters, digits%s, _, a letter or _ first",
                  STR_ARG(*out), what, POLICY_NAME_MAX, id ? ", -, ." : "");
    return good;
}

void loader_free_name(struct loader *l, const struct yaml_node *n, const char *what)
{
    static const char *const reserved[] = {"now", "channel", "profile", "context", "action", "preferences", "places"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (str_is(n->text, reserved[i]))
            yaml_diag(l->diags, DIAG_ERROR, n, "'%s' is a name of the language and cannot be %s", reserved[i], what);
}

bool loader_duration(struct loader *l, const struct yaml_node *n, int64_t least_ms, int64_t *out)
{
    struct str text;
    if (!yaml_string(l->diags, n, &text))
        return false;
    if (duration_parse(text, out) && *out >= least_ms && *out <= WINDOW_MAX_MS)
        return true;
    struct buf least;
    buf_init(&least, 64);
    value_format(value_duration(least_ms), &least);
    yaml_diag(l->diags, DIAG_ERROR, n,
              "expected a duration from %.*s to 400d like 90m, 24h, 7d or 2w, got '%.*s'", (int)least.n,
              (const char *)least.p, STR_ARG(text));
    buf_free(&least);
    return false;
}

static void scalar_add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    struct scalar_report *r = ctx;
    yaml_diag_at(r->diags, severity, r->scalar, offset, text);
}

const struct expr_report *scalar_report(struct scalar_report *r, struct diags *diags,
                                        const struct yaml_node *scalar)
{
    *r = (struct scalar_report){diags, scalar, {r, scalar_add}};
    return &r->report;
}

bool loader_expr(struct loader *l, const struct yaml_node *n, uint8_t want, expr_id *out)
{
    struct str text;
    if (!yaml_string(l->diags, n, &text))
        return false;
    struct scalar_report r;
    struct expr_scope scope = symbols_scope(l);
    int rc = expr_compile(l->policy->program, &scope, text, (struct expr_type){want, 0},
                          scalar_report(&r, l->diags, n), out);
    l->full = l->full || rc == ERR_NOSPACE;
    return rc == 0;
}

bool loader_number_expr(struct loader *l, const struct yaml_node *n, expr_id *out)
{
    double number;
    if (!yaml_is_number(n, &number))
        return loader_expr(l, n, VALUE_DOUBLE, out);
    if (!yaml_double(l->diags, n, 0, STATE_NUMBER_MAX, &number))
        return false;
    *out = expr_node_constant(l->policy->program, value_double(number));
    l->full = l->full || *out == EXPR_NONE;
    return *out != EXPR_NONE;
}

void loader_on_unknown(struct loader *l, const struct yaml_node *mapping, enum on_unknown *out)
{
    static const char *const words[] = {"block", "allow", NULL};
    size_t index = 0;
    const struct yaml_node *n = yaml_get(mapping, "on_unknown");
    if (n && yaml_choice(l->diags, n, words, &index))
        *out = index == 0 ? ON_UNKNOWN_BLOCK : ON_UNKNOWN_ALLOW;
    else
        *out = ON_UNKNOWN_BLOCK;
}

bool loader_strings(struct loader *l, const struct yaml_node *n, struct str **out, size_t *count)
{
    if (!yaml_expect(l->diags, n, YAML_SEQUENCE, "words, like [en, fa]"))
        return false;
    struct str *words = loader_alloc(l, n->count * sizeof *words);
    if (!words)
        return false;
    for (size_t i = 0; i < n->count; i++)
        if (!yaml_string(l->diags, n->items[i], &words[i]))
            return false;
    *out = words;
    *count = n->count;
    return true;
}

bool loader_words(struct loader *l, const struct yaml_node *n, size_t least, struct str **out, size_t *count)
{
    if (!loader_strings(l, n, out, count))
        return false;
    if (*count < least)
        yaml_diag(l->diags, DIAG_ERROR, n, "an empty list; leave it out or write a word at least");
    for (size_t i = 0; i < *count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq((*out)[i], (*out)[k])) {
                yaml_diag(l->diags, DIAG_ERROR, n->items[i], "'%.*s' is here twice", STR_ARG((*out)[i]));
                break;
            }
    return true;
}

void loader_unknown_word(struct loader *l, const struct yaml_node *n, const char *what, struct str word,
                         const struct str *allowed, size_t count)
{
    struct suggest s;
    suggest_init(&s, word);
    struct buf list;
    buf_init(&list, 4096);
    for (size_t i = 0; i < count; i++) {
        suggest_offer(&s, allowed[i]);
        if (i < 20)
            buf_printf(&list, "%s%.*s", i ? ", " : "", STR_ARG(allowed[i]));
        else if (i == 20)
            buf_printf(&list, ", … (%zu in all)", count);
    }
    struct str best = suggest_best(&s);
    yaml_diag(l->diags, DIAG_ERROR, n, "unknown %s '%.*s'%s%.*s%s allowed: %.*s", what, STR_ARG(word),
              best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";", list.n ? (int)list.n : 4,
              list.n ? (const char *)list.p : "none");
    buf_free(&list);
}

const struct tz *loader_zone(struct loader *l, const struct yaml_node *n, struct str name)
{
    const struct tz *found = tz_find(l->policy->zones, name);
    struct str best = found ? (struct str){0} : tz_nearest(l->policy->zones, name);
    if (!found)
        yaml_diag(l->diags, DIAG_ERROR, n, "unknown time zone '%.*s'%s%.*s%s allowed: names of the IANA data base",
                  STR_ARG(name), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";");
    return found;
}

struct str *loader_channel_names(struct loader *l)
{
    struct policy *p = l->policy;
    struct str *names = loader_alloc(l, (p->channel_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < p->channel_count; i++)
        names[i] = p->channels[i].word.name;
    return names;
}

/* ---- the folder ---- */

static void full(struct diags *diags, const char *folder, size_t memory_max)
{
    diag_add(diags, DIAG_ERROR, folder, 0, 0, "the policy needs more than %zu MiB of memory",
             memory_max >> 20);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_yaml(const char *name)
{
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static size_t list_files(struct loader *l, const char *folder, char *names[POLICY_FILES_MAX])
{
    DIR *dir = opendir(folder);
    if (!dir) {
        diag_add(l->diags, DIAG_ERROR, folder, 0, 0, "cannot read the policy folder: %s", strerror(errno));
        return 0;
    }
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_yaml(entry->d_name))
            continue;
        if (n == POLICY_FILES_MAX) {
            diag_add(l->diags, DIAG_ERROR, folder, 0, 0, "more than %d policy files", POLICY_FILES_MAX);
            break;
        }
        struct str name = loader_text(l, "%s", entry->d_name);
        if (name.p)
            names[n++] = (char *)name.p;
    }
    closedir(dir);
    if (n == 0 && l->diags->errors == 0)
        diag_add(l->diags, DIAG_ERROR, folder, 0, 0, "no policy here: the folder holds no .yaml file");
    qsort(names, n, sizeof *names, by_name);
    return n;
}

/* Keeps a copy; NULL when memory is out. */
static const struct policy_text *keep_file(struct loader *l, const char *name, struct str bytes)
{
    struct policy *p = l->policy;
    if (!p->files)
        p->files = loader_alloc(l, POLICY_FILES_MAX * sizeof *p->files);
    const char *kept_name = loader_text(l, "%s", name).p;
    struct str kept = p->files && kept_name ? arena_str(l->arena, bytes) : (struct str){0};
    if (!kept.p) {
        l->full = true;
        return NULL;
    }
    p->files[p->file_count] = (struct policy_text){kept_name, kept};
    return &p->files[p->file_count++];
}

/* The policy's id covers names and contents, from the same bytes that are kept and read as YAML. */
static void add_file(struct loader *l, struct hasher *h, const char *name, struct str text)
{
    struct str folder = l->policy->folder;
    bool slash = folder.n && folder.p[folder.n - 1] == '/';
    struct str path = loader_text(l, "%.*s%s%s", STR_ARG(folder), slash ? "" : "/", name);
    const struct policy_text *file = keep_file(l, name, text);
    if (!path.p || !file) {
        l->unread = true;
        return;
    }
    struct str bytes = file->text;
    hasher_add(h, name, strlen(name) + 1);
    hasher_add(h, bytes.p, bytes.n);
    hasher_add(h, "", 1);
    struct yaml_node *root = yaml_read(path.p, bytes, l->arena, l->diags);
    l->unread = l->unread || !root;
    if (root && yaml_expect(l->diags, root, YAML_MAPPING, "a policy file")) {
        yaml_known_keys(l->diags, root, "a policy file", sections);
        l->files[l->file_count++] = root;
    }
}

static struct loader *loader_new(const char *folder, const struct tzdb *zones, size_t memory_max,
                                 struct diags *diags)
{
    struct policy *p = calloc(1, sizeof *p);
    ASSERT(p != NULL);
    arena_init(&p->arena, memory_max);
    *p = (struct policy){.arena = p->arena, .zones = zones, .zone_attribute = -1, .locale_attribute = -1, .household_attribute = -1};
    p->folder = arena_str(&p->arena, str_from(folder));
    schema_init(&p->schema, &p->arena);
    p->program = expr_program_new(&p->arena);
    struct loader *l = arena_zalloc(&p->arena, sizeof *l);
    if (!p->folder.p || !p->program || !l) {
        full(diags, folder, memory_max);
        policy_free(&p);
        return NULL;
    }
    *l = (struct loader){.policy = p, .arena = &p->arena, .diags = diags};
    return l;
}

/* Everything after the files were read: the policy, or NULL when there was an error since `errors` were
 * counted. */
static struct policy *loader_finish(struct loader *l, struct hasher **h, size_t errors)
{
    struct policy *p = l->policy;
    struct diags *diags = l->diags;
    id128_text(hasher_take(h), p->id);
    /* While a file cannot be read, whatever refers to it would be reported too. */
    if (l->file_count && !l->unread) {
        action_fields_read(l);
        load_schema(l);
        load_places(l);
        load_stage_names(l);
        load_features(l);
        load_was_check(l);
        load_stage_rules(l);
        load_actions(l);
        action_fields_finish(l);
        load_rules(l);
        load_policy_tests(l);
    }
    if (l->full)
        full(diags, p->folder.p, p->arena.limit);
    diags_sort(diags);
    if (diags->errors > errors)
        policy_free(&p);
    return p;
}

struct policy *policy_load(const char *folder, const struct tzdb *zones, struct diags *diags)
{
    size_t errors = diags->errors;
    struct loader *l = loader_new(folder, zones, POLICY_MEMORY_MAX, diags);
    if (!l)
        return NULL;
    char *names[POLICY_FILES_MAX];
    size_t n = list_files(l, folder, names);
    struct hasher *h = hasher_new();
    struct buf bytes;
    buf_init(&bytes, YAML_FILE_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        char *path = arena_printf(l->arena, "%s/%s", folder, names[i]);
        if (path && yaml_read_bytes(path, &bytes, diags))
            add_file(l, h, names[i], (struct str){(const char *)bytes.p, bytes.n});
        else
            l->unread = true;
    }
    buf_free(&bytes);
    return loader_finish(l, &h, errors);
}

struct policy *policy_load_texts(const char *folder, const struct policy_text *files, size_t count,
                                 const struct tzdb *zones, size_t memory_max, struct diags *diags)
{
    size_t errors = diags->errors;
    ASSERT(count <= POLICY_FILES_MAX);
    struct loader *l = loader_new(folder, zones, memory_max, diags);
    if (!l)
        return NULL;
    struct hasher *h = hasher_new();
    for (size_t i = 0; i < count; i++)
        add_file(l, h, files[i].name, files[i].text);
    return loader_finish(l, &h, errors);
}

void policy_free(struct policy **p)
{
    if (!*p)
        return;
    arena_free(&(*p)->arena);
    free(*p);
    *p = NULL;
}
