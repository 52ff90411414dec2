/* Line-ups; see lineup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/lineup.h"
#include "models/bundle_arms.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMORY_MAX = 16 * 1024 * 1024, BUNDLES_MAX = LINEUP_ENTRIES_MAX * LINEUP_MEMBERS_MAX, PATH_BYTES = 4096 };

/* A bundle, loaded once however often it is named. */
struct loaded {
    struct str name;
    struct bundle *bundle;
};

struct lineup {
    struct arena arena;
    const char *folder;
    struct str yaml; /* models.yaml */
    struct str salt;
    struct lineup_entry *entries;
    size_t count;
    struct loaded bundles[BUNDLES_MAX];
    size_t bundle_count;
    struct id128 id;
    bool single;
};

struct reading {
    struct lineup *l;
    struct diags *d;
};

const char *lineup_role_name(enum lineup_role role)
{
    static const char *const names[] = {
        [LINEUP_CHAMPION] = "champion", [LINEUP_CHALLENGER] = "challenger", [LINEUP_SHADOW] = "shadow"};
    return names[role];
}

/* ---- bundles ---- */

static const struct bundle *load_bundle(struct reading *r, const struct yaml_node *n, struct str name)
{
    struct lineup *l = r->l;
    struct error e = {0};
    char path[PATH_BYTES];
    for (size_t i = 0; i < l->bundle_count; i++)
        if (str_eq(l->bundles[i].name, name))
            return l->bundles[i].bundle;
    ASSERT(l->bundle_count < BUNDLES_MAX);
    snprintf(path, sizeof path, "%s/%.*s", l->folder, STR_ARG(name));
    struct loaded *b = &l->bundles[l->bundle_count++];
    b->name = name;
    if (bundle_load(&b->bundle, path, r->d, &e))
        yaml_diag(r->d, DIAG_ERROR, n, "bundle %.*s cannot serve; see its own findings", STR_ARG(name));
    return b->bundle;
}

/* The name of a folder beside models.yaml. */
static bool read_folder(struct reading *r, const struct yaml_node *n, struct str *out)
{
    if (!n || !yaml_string(r->d, n, out))
        return false;
    bool ok = out->n <= BUNDLE_TEXT_MAX && str_is_file_name(*out);
    if (!ok)
        yaml_diag(r->d, DIAG_ERROR, n, "expected the plain name of a bundle's folder beside " LINEUP_FILE
                                       ": letters, digits, . _ -");
    return ok;
}

static void add_member(struct reading *r, struct lineup_entry *e, const struct yaml_node *n, enum lineup_role role,
                       double share)
{
    struct str name;
    if (!read_folder(r, n, &name))
        return;
    for (size_t i = 0; i < e->member_count; i++)
        if (str_eq(e->members[i].name, name)) {
            yaml_diag(r->d, DIAG_ERROR, n, "bundle %.*s stands in this entry already", STR_ARG(name));
            return;
        }
    if (e->member_count == LINEUP_MEMBERS_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "more than %d bundles in one entry", LINEUP_MEMBERS_MAX);
        return;
    }
    e->members[e->member_count++] =
        (struct lineup_member){.name = name, .role = role, .share = share, .bundle = load_bundle(r, n, name)};
}

/* ---- models.yaml ---- */

static void read_challengers(struct reading *r, struct lineup_entry *e, const struct yaml_node *n)
{
    static const char *const keys[] = {"bundle", "share", NULL};
    double sum = 0;
    if (!n || !yaml_expect(r->d, n, YAML_SEQUENCE, "challengers"))
        return;
    for (size_t i = 0; i < n->count; i++) {
        const struct yaml_node *c = n->items[i];
        if (!yaml_expect(r->d, c, YAML_MAPPING, "a challenger"))
            continue;
        yaml_known_keys(r->d, c, "a challenger", keys);
        const struct yaml_node *bundle = yaml_get(c, "bundle"), *share = yaml_get(c, "share");
        double part = 0;
        if (!bundle || !share)
            yaml_diag(r->d, DIAG_ERROR, c, "a challenger needs 'bundle' and 'share'");
        else if (yaml_double(r->d, share, 0, 1, &part))
            add_member(r, e, bundle, LINEUP_CHALLENGER, part);
        sum += part;
        if (sum > 1 + 1e-12 && sum - part <= 1 + 1e-12)
            yaml_diag(r->d, DIAG_ERROR, share ? share : c, "the shares of this entry's challengers add up to %.6g; at most 1",
                      sum);
    }
}

static void read_shadows(struct reading *r, struct lineup_entry *e, const struct yaml_node *n)
{
    if (!n || !yaml_expect(r->d, n, YAML_SEQUENCE, "shadows"))
        return;
    for (size_t i = 0; i < n->count; i++)
        add_member(r, e, n->items[i], LINEUP_SHADOW, 0);
}

static void read_names(struct reading *r, const struct yaml_node *n, const char *what, struct str **out, size_t *count)
{
    if (!n || !yaml_expect(r->d, n, YAML_SEQUENCE, what))
        return;
    if (n->count == 0 || n->count > LINEUP_NAMES_MAX) {
        yaml_diag(r->d, DIAG_ERROR, n, "%zu %s; allowed: 1 to %d", n->count, what, LINEUP_NAMES_MAX);
        return;
    }
    *out = arena_zalloc(&r->l->arena, n->count * sizeof **out);
    if (!*out)
        yaml_diag(r->d, DIAG_ERROR, n, LINEUP_FILE " needs more memory than is allowed");
    for (size_t i = 0; *out && i < n->count; i++) {
        struct str name;
        if (!yaml_string(r->d, n->items[i], &name))
            continue;
        for (size_t k = 0; k < *count; k++)
            if (str_eq((*out)[k], name))
                yaml_diag(r->d, DIAG_ERROR, n->items[i], "'%.*s' stands in this list already", STR_ARG(name));
        (*out)[(*count)++] = name;
    }
}

static bool named_before(const struct lineup *l, struct str name, bool group)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct lineup_entry *e = &l->entries[i];
        for (size_t k = 0; k < (group ? e->group_count : e->action_count); k++)
            if (str_eq(group ? e->groups[k] : e->actions[k], name))
                return true;
    }
    return false;
}

/* What no two entries may share. */
static void check_apart(struct reading *r, const struct lineup_entry *e, const struct yaml_node *n)
{
    bool rest = !e->group_count && !e->action_count;
    for (size_t i = 0; i < r->l->count; i++) {
        const struct lineup_entry *o = &r->l->entries[i];
        if (rest && !o->group_count && !o->action_count)
            yaml_diag(r->d, DIAG_ERROR, n, "two entries without groups and actions; the one at line %d scores the rest already",
                      o->line);
        else if (e->name.n && str_eq(o->name, e->name))
            yaml_diag(r->d, DIAG_ERROR, n, "two entries called %.*s; give one another name", STR_ARG(e->name));
    }
    for (size_t k = 0; k < e->group_count; k++)
        if (named_before(r->l, e->groups[k], true))
            yaml_diag(r->d, DIAG_ERROR, yaml_get(n, "groups"), "group %.*s stands in another entry already", STR_ARG(e->groups[k]));
    for (size_t k = 0; k < e->action_count; k++)
        if (named_before(r->l, e->actions[k], false))
            yaml_diag(r->d, DIAG_ERROR, yaml_get(n, "actions"), "action %.*s stands in another entry already",
                      STR_ARG(e->actions[k]));
}

static void read_entry(struct reading *r, const struct yaml_node *n)
{
    static const char *const keys[] = {"name", "groups", "actions", "champion", "challengers", "shadows", NULL};
    struct lineup_entry e = {.line = n->line, .column = n->column};
    if (!yaml_expect(r->d, n, YAML_MAPPING, "an entry of models"))
        return;
    yaml_known_keys(r->d, n, "an entry of models", keys);
    e.members = arena_zalloc(&r->l->arena, LINEUP_MEMBERS_MAX * sizeof *e.members);
    if (!e.members) {
        yaml_diag(r->d, DIAG_ERROR, n, LINEUP_FILE " needs more memory than is allowed");
        return;
    }
    size_t errors = r->d->errors;
    read_names(r, yaml_get(n, "groups"), "groups", &e.groups, &e.group_count);
    read_names(r, yaml_get(n, "actions"), "actions", &e.actions, &e.action_count);
    const struct yaml_node *name = yaml_get(n, "name"), *champion = yaml_get(n, "champion");
    if (name)
        bundle_text_read(r->d, name, &e.name);
    else
        e.name = e.group_count ? e.groups[0] : e.action_count ? e.actions[0] : STR("all");
    if (!champion)
        yaml_diag(r->d, DIAG_ERROR, n, "an entry needs its 'champion', the folder of a bundle");
    else
        add_member(r, &e, champion, LINEUP_CHAMPION, 0);
    read_challengers(r, &e, yaml_get(n, "challengers"));
    read_shadows(r, &e, yaml_get(n, "shadows"));
    if (r->d->errors == errors)
        check_apart(r, &e, n);
    r->l->entries[r->l->count++] = e;
}

static bool read_yaml(struct reading *r, const struct yaml_node *root)
{
    static const char *const keys[] = {"salt", "models", NULL};
    size_t errors = r->d->errors;
    if (!yaml_expect(r->d, root, YAML_MAPPING, LINEUP_FILE))
        return false;
    yaml_known_keys(r->d, root, LINEUP_FILE, keys);
    const struct yaml_node *salt = yaml_get(root, "salt"), *models = yaml_get(root, "models");
    if (salt)
        yaml_string(r->d, salt, &r->l->salt);
    if (!models) {
        yaml_diag(r->d, DIAG_ERROR, root, LINEUP_FILE " needs 'models'");
        return false;
    }
    if (!yaml_expect(r->d, models, YAML_SEQUENCE, "models"))
        return false;
    if (models->count == 0 || models->count > LINEUP_ENTRIES_MAX) {
        yaml_diag(r->d, DIAG_ERROR, models, "%zu entries; allowed: 1 to %d", models->count, LINEUP_ENTRIES_MAX);
        return false;
    }
    r->l->entries = arena_zalloc(&r->l->arena, models->count * sizeof *r->l->entries);
    for (size_t i = 0; r->l->entries && i < models->count; i++)
        read_entry(r, models->items[i]);
    return r->d->errors == errors && r->l->entries;
}

static struct id128 hash_all(const struct lineup *l)
{
    struct hasher *h = hasher_new();
    hasher_add(h, l->yaml.p, l->yaml.n);
    for (size_t i = 0; i < l->bundle_count; i++) {
        struct id128 id = bundle_id(l->bundles[i].bundle);
        hasher_add(h, l->bundles[i].name.p, l->bundles[i].name.n);
        hasher_add(h, id.bytes, sizeof id.bytes);
    }
    return hasher_take(&h);
}

static bool load_many(struct lineup *l, const char *file, struct diags *d)
{
    struct reading r = {l, d};
    size_t errors = d->errors;
    struct buf bytes;
    buf_init(&bytes, (size_t)YAML_FILE_MAX + 1);
    bool ok = yaml_read_bytes(file, &bytes, d);
    l->yaml = arena_str(&l->arena, (struct str){(const char *)bytes.p, bytes.n});
    buf_free(&bytes);
    if (ok && !l->yaml.p)
        diag_add(d, DIAG_ERROR, file, 0, 0, "it needs more memory than is allowed");
    struct yaml_node *root = ok && l->yaml.p ? yaml_read(file, l->yaml, &l->arena, d) : NULL;
    ok = root && read_yaml(&r, root) && d->errors == errors;
    if (ok)
        l->id = hash_all(l);
    return ok;
}

static int load_one(struct lineup *l, struct diags *d, struct error *e)
{
    struct loaded *b = &l->bundles[l->bundle_count++];
    int rc = bundle_load(&b->bundle, l->folder, d, e);
    if (rc)
        return rc;
    l->entries = arena_zalloc(&l->arena, sizeof *l->entries);
    struct lineup_member *m = arena_zalloc(&l->arena, sizeof *m);
    if (!l->entries || !m)
        return error_set(e, ERR_NOSPACE, "out of memory");
    *m = (struct lineup_member){.name = bundle_spec(b->bundle)->name, .bundle = b->bundle};
    l->entries[0] = (struct lineup_entry){.name = STR("all"), .members = m, .member_count = 1};
    l->count = 1;
    l->single = true;
    l->id = bundle_id(b->bundle);
    return 0;
}

int lineup_load(struct lineup **out, const char *folder, struct diags *d, struct error *e)
{
    size_t errors = d->errors;
    char file[PATH_BYTES];
    struct lineup *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(e, ERR_NOSPACE, "out of memory");
    arena_init(&l->arena, MEMORY_MAX);
    l->folder = arena_strdup(&l->arena, folder);
    snprintf(file, sizeof file, "%s/" LINEUP_FILE, folder);
    int rc = 0;
    if (access(file, F_OK) != 0)
        rc = load_one(l, d, e);
    else if (!load_many(l, file, d))
        rc = error_set(e, ERR_INVALID, "%s is refused: %zu error%s", file, d->errors - errors,
                       d->errors - errors == 1 ? "" : "s");
    if (rc)
        lineup_free(&l);
    else
        *out = l;
    return rc;
}

void lineup_free(struct lineup **l)
{
    if (!*l)
        return;
    for (size_t i = 0; i < (*l)->bundle_count; i++)
        bundle_free(&(*l)->bundles[i].bundle);
    arena_free(&(*l)->arena);
    free(*l);
    *l = NULL;
}

struct id128 lineup_id(const struct lineup *l)
{
    return l->id;
}

const char *lineup_folder(const struct lineup *l)
{
    return l->folder;
}

size_t lineup_count(const struct lineup *l)
{
    return l->count;
}

const struct lineup_entry *lineup_entry(const struct lineup *l, size_t i)
{
    return &l->entries[i];
}

const struct bundle *lineup_bundle(const struct lineup *l)
{
    return l->single ? l->bundles[0].bundle : NULL;
}

struct files {
    const struct loaded *bundle;
    void (*visit)(void *ctx, const char *name, struct str bytes);
    void *ctx;
};

static void visit_below(void *ctx, const char *name, struct str bytes)
{
    const struct files *f = ctx;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.*s/%s", STR_ARG(f->bundle->name), name);
    f->visit(f->ctx, path, bytes);
}

void lineup_each_file(const struct lineup *l, void (*visit)(void *ctx, const char *name, struct str bytes), void *ctx)
{
    if (l->single) {
        bundle_each_file(l->bundles[0].bundle, visit, ctx);
        return;
    }
    visit(ctx, LINEUP_FILE, l->yaml);
    for (size_t i = 0; i < l->bundle_count; i++)
        bundle_each_file(l->bundles[i].bundle, visit_below, &(struct files){&l->bundles[i], visit, ctx});
}

/* Where in [0, 1) a customer stands in an entry. */
static double place_of(const struct lineup *l, const struct lineup_entry *e, struct str customer)
{
    uint64_t seed = hash64_seed(e->name.p, e->name.n, hash64(l->salt.p, l->salt.n));
    return (double)(hash64_seed(customer.p, customer.n, seed) >> 11) * 0x1p-53;
}

size_t lineup_member_of(const struct lineup *l, size_t entry, struct str customer)
{
    const struct lineup_entry *e = &l->entries[entry];
    double place = e->member_count > 1 ? place_of(l, e, customer) : 0, from = 0;
    for (size_t i = 0; i < e->member_count; i++) {
        if (e->members[i].role != LINEUP_CHALLENGER)
            continue;
        if (place >= from && place < from + e->members[i].share)
            return i;
        from += e->members[i].share;
    }
    return 0;
}
