/* Line-ups under `tact model`; see model_lineup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/model_lineup.h"
#include "models/lineup_binding.h"
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

bool model_is_lineup(const char *path)
{
    char file[4096];
    return snprintf(file, sizeof file, "%s/" LINEUP_FILE, path) < (int)sizeof file && access(file, F_OK) == 0;
}

int model_refuse_lineup(const char *path, struct error *e)
{
    return error_set(e, ERR_INVALID,
                     "%s is a line-up (" LINEUP_FILE "); give the folder of one of its bundles, which `tact model show %s` lists",
                     path, path);
}

/* ---- showing ---- */

static void print_words(const char *what, const struct str *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%.*s", i ? ", " : what, STR_ARG(words[i]));
}

static void print_member(const struct lineup_member *m)
{
    const struct bundle_spec *spec = bundle_spec(m->bundle);
    char id[ID128_TEXT], share[32] = "";
    id128_text(bundle_id(m->bundle), id);
    if (m->role == LINEUP_CHALLENGER)
        snprintf(share, sizeof share, "share %.4g, ", m->share);
    printf("    %-10s %.*s: %.*s %.*s, %s%.*s, %zu trees\n               id %s\n", lineup_role_name(m->role), STR_ARG(m->name),
           STR_ARG(spec->name), STR_ARG(spec->version), share, STR_ARG(spec->objective), bundle_trees(m->bundle), id);
}

static void print_text(const struct lineup *l, const char *path)
{
    char id[ID128_TEXT];
    id128_text(lineup_id(l), id);
    printf("%s: a line-up of %zu entr%s\n  id %s\n", path, lineup_count(l), lineup_count(l) == 1 ? "y" : "ies", id);
    for (size_t i = 0; i < lineup_count(l); i++) {
        const struct lineup_entry *e = lineup_entry(l, i);
        printf("  %.*s: ", STR_ARG(e->name));
        print_words("groups ", e->groups, e->group_count);
        print_words(e->group_count ? "; actions " : "actions ", e->actions, e->action_count);
        printf("%s\n", e->group_count || e->action_count ? "" : "all that no other entry scores");
        for (size_t k = 0; k < e->member_count; k++)
            print_member(&e->members[k]);
    }
}

static json_t *text_of(struct str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static json_t *words_of(const struct str *words, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, text_of(words[i]));
    return list;
}

static json_t *member_of(const struct lineup_member *m)
{
    const struct bundle_spec *spec = bundle_spec(m->bundle);
    char id[ID128_TEXT];
    id128_text(bundle_id(m->bundle), id);
    json_t *o = json_pack("{s:o, s:s, s:s, s:o, s:o, s:I}", "bundle", text_of(m->name), "role", lineup_role_name(m->role),
                          "id", id, "name", text_of(spec->name), "version", text_of(spec->version), "trees",
                          (json_int_t)bundle_trees(m->bundle));
    if (m->role == LINEUP_CHALLENGER)
        json_object_set_new(o, "share", json_real(m->share));
    return o;
}

static void print_json(const struct lineup *l, const char *path)
{
    char id[ID128_TEXT];
    id128_text(lineup_id(l), id);
    json_t *entries = json_array();
    for (size_t i = 0; i < lineup_count(l); i++) {
        const struct lineup_entry *e = lineup_entry(l, i);
        json_t *members = json_array();
        for (size_t k = 0; k < e->member_count; k++)
            json_array_append_new(members, member_of(&e->members[k]));
        json_array_append_new(entries, json_pack("{s:o, s:o, s:o, s:o}", "name", text_of(e->name), "groups",
                                                 words_of(e->groups, e->group_count), "actions",
                                                 words_of(e->actions, e->action_count), "models", members));
    }
    json_t *o = json_pack("{s:s, s:s, s:o}", "path", path, "id", id, "entries", entries);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(o);
}

int model_show_lineup(const char *path, bool json, struct diags *diags, struct error *e)
{
    struct lineup *l = NULL;
    int rc = lineup_load(&l, path, diags, e);
    if (rc)
        return rc;
    if (json)
        print_json(l, path);
    else
        print_text(l, path);
    lineup_free(&l);
    return 0;
}

/* ---- checking ---- */

/* Each bundle once, however often it is named. */
static void print_golden(const struct lineup *l)
{
    for (size_t i = 0; i < lineup_count(l); i++)
        for (size_t k = 0; k < lineup_entry(l, i)->member_count; k++) {
            const struct bundle *b = lineup_entry(l, i)->members[k].bundle;
            bool before = false;
            for (size_t j = 0; j <= i && !before; j++)
                for (size_t n = 0; n < (j < i ? lineup_entry(l, j)->member_count : k) && !before; n++)
                    before = lineup_entry(l, j)->members[n].bundle == b;
            if (!before)
                printf("%s: %zu golden rows agree to %.0e\n", bundle_folder(b), bundle_golden(b)->n, GOLDEN_TOLERANCE);
        }
}

static int bind(const struct lineup *l, const char *folder, struct diags *diags, struct error *e)
{
    struct tzdb *zones = NULL;
    struct policy *policy = NULL;
    struct lineup_binding *binding = NULL;
    int rc = tzdb_load(&zones, NULL, e);
    if (!rc && !(policy = policy_load(folder, zones, diags)))
        rc = error_set(e, ERR_INVALID, "%s does not load", folder);
    if (!rc && !(binding = lineup_bind(l, policy, diags)))
        rc = error_set(e, ERR_INVALID, "the line-up does not fit %s", folder);
    lineup_binding_free(&binding);
    policy_free(&policy);
    tzdb_free(&zones);
    return rc;
}

int model_check_lineup(const char *path, const char *policy, struct diags *diags, struct error *e)
{
    struct lineup *l = NULL;
    int rc = lineup_load(&l, path, diags, e);
    if (!rc)
        print_golden(l);
    if (!rc && policy)
        rc = bind(l, policy, diags, e);
    if (!rc && policy)
        printf("%s fits %s\n", path, policy);
    lineup_free(&l);
    return rc;
}
