/* Loading a policy folder: files, sections, common readers; the snapshot's life. The sections themselves are read by
 * load_schema.c (brand, profile, context, signals, channels, features), load_actions.c and load_rules.c (suppressions, contact
 * policy); tests of the policy by policy_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load.h"
#include "policy/load_actions.h"
#include "policy/load_rules.h"
#include "policy/load_schema.h"
#include "policy/policy_test.h"
#include "policy/symbols.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const sections[] = {"brand",    "profile", "context",      "signals",        "features", "channels",
                                       "actions", "suppressions", "contact_policy", "tests",    NULL};

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
        yaml_diag(l->diags, DIAG_ERROR, n, "'%.*s' is no %s: allowed are 1 to %d letters, digits%s, _, a letter or _ first",
                  STR_ARG(*out), what, POLICY_NAME_MAX, id ? ", -, ." : "");
    return good;
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
    yaml_diag(l->diags, DIAG_ERROR, n, "expected a duration from %.*s to 400d like 90m, 24h, 7d or 2w, got '%.*s'",
              (int)least.n, (const char *)least.p, STR_ARG(text));
    buf_free(&least);
    return false;
}

static void scalar_add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    struct scalar_report *r = ctx;
    yaml_diag_at(r->diags, severity, r->scalar, offset, text);
}

const struct expr_report *scalar_report(struct scalar_report *r, struct diags *diags, const struct yaml_node *scalar)
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
    if (rc == ERR_NOSPACE)
        yaml_diag(l->diags, DIAG_ERROR, n, "the policy is over %d MiB in memory", POLICY_MEMORY_MAX >> 20);
    return rc == 0;
}

bool loader_number_expr(struct loader *l, const struct yaml_node *n, expr_id *out)
{
    struct str text;
    if (!yaml_string(l->diags, n, &text))
        return false;
    char *end;
    char copy[64];
    if (text.n < sizeof copy) {
        memcpy(copy, text.p, text.n);
        copy[text.n] = 0;
        double d = strtod(copy, &end);
        if (text.n && *end == 0 && d - d == 0) { /* finite */
            *out = expr_node_constant(l->policy->program, value_double(d));
            return true;
        }
    }
    return loader_expr(l, n, VALUE_DOUBLE, out);
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
    if (!yaml_expect(l->diags, n, YAML_SEQUENCE, "a list of words"))
        return false;
    struct str *words = arena_alloc(l->arena, n->count * sizeof *words);
    if (!words)
        return false;
    for (size_t i = 0; i < n->count; i++)
        if (!yaml_string(l->diags, n->items[i], &words[i]))
            return false;
    *out = words;
    *count = n->count;
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
    yaml_diag(l->diags, DIAG_ERROR, n, "unknown %s '%.*s'%s%.*s%s; allowed: %.*s", what, STR_ARG(word),
              best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "", (int)list.n,
              list.n ? (const char *)list.p : "");
    buf_free(&list);
}

struct str *loader_channel_names(struct loader *l)
{
    struct policy *p = l->policy;
    struct str *names = arena_alloc(l->arena, (p->channel_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < p->channel_count; i++)
        names[i] = p->channels[i].word.name;
    return names;
}

/* ---- the folder ---- */

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
        names[n++] = arena_strdup(l->arena, entry->d_name);
    }
    closedir(dir);
    if (n == 0 && l->diags->errors == 0)
        diag_add(l->diags, DIAG_ERROR, folder, 0, 0, "no policy here: the folder holds no .yaml file");
    qsort(names, n, sizeof *names, by_name);
    return n;
}

/* The id covers what was read, so it is taken from the same bytes. */
static void hash_file(struct hasher *h, const char *path, const char *name)
{
    FILE *f = fopen(path, "rb");
    char buffer[16384];
    hasher_add(h, name, strlen(name) + 1);
    for (size_t n; f && (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
        hasher_add(h, buffer, n);
    if (f)
        fclose(f);
    hasher_add(h, "", 1);
}

static void read_files(struct loader *l, const char *folder)
{
    char *names[POLICY_FILES_MAX];
    size_t n = list_files(l, folder, names);
    struct hasher *h = hasher_new();
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_printf(l->arena, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", names[i]);
        hash_file(h, path, names[i]);
        struct yaml_node *root = yaml_read_file(path, l->arena, l->diags);
        if (root && yaml_expect(l->diags, root, YAML_MAPPING, "a policy file")) {
            yaml_known_keys(l->diags, root, "a policy file", sections);
            l->files[l->file_count++] = root;
        }
    }
    id128_text(hasher_take(&h), l->policy->id);
}

struct policy *policy_load(const char *folder, const struct tzdb *zones, struct diags *diags)
{
    struct policy *p = calloc(1, sizeof *p);
    ASSERT(p != NULL);
    arena_init(&p->arena, POLICY_MEMORY_MAX);
    p->zones = zones;
    p->folder = arena_str(&p->arena, str_from(folder));
    p->zone_attribute = p->locale_attribute = -1;
    schema_init(&p->schema, &p->arena);
    p->program = expr_program_new(&p->arena);
    ASSERT(p->program != NULL);
    struct loader *l = arena_zalloc(&p->arena, sizeof *l);
    ASSERT(l != NULL);
    *l = (struct loader){.policy = p, .arena = &p->arena, .diags = diags};
    size_t errors = diags->errors;
    read_files(l, folder);
    if (l->file_count) {
        load_schema(l);
        load_actions(l);
        load_rules(l);
        load_policy_tests(l);
        p->slot_count = expr_slot_count(p->program);
    }
    diags_sort(diags);
    if (diags->errors > errors)
        policy_free(&p);
    return p;
}

void policy_free(struct policy **p)
{
    if (!*p)
        return;
    arena_free(&(*p)->arena);
    free(*p);
    *p = NULL;
}
