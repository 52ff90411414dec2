/* Loading from the archive; see replay_setup.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/replay_setup.h"
#include "log/archive.h"
#include "models/offline/replay.h"
#include <errno.h>

enum { PATH_BYTES = 4096, DIAGS_MEMORY = 16 << 20 };

static int find(const char *log, const char *kind, const char *id, char path[PATH_BYTES], struct error *e)
{
    int rc = archive_path(log, kind, id, path, e);
    if (rc == ERR_NOTFOUND)
        error_set(e, rc, "the archive has no %s %s (%s/%s/%s)", kind, id, log, kind, id);
    return rc;
}

/* What is in the archive under an id must have it. */
static int same_id(const char *kind, const char *wanted, const char *got, struct error *e)
{
    return strcmp(wanted, got) == 0
               ? 0
               : error_set(e, ERR_CORRUPT, "the archive's %s %s was changed: its content has the id %s", kind,
                           wanted, got);
}

static int first_finding(const struct diags *d, const char *what, const char *path, struct error *e)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].severity == DIAG_ERROR)
            return error_set(e, ERR_INVALID, "the archived %s %s does not load: %s:%d:%d: %s", what, path,
                             d->items[i].file, d->items[i].line, d->items[i].column, d->items[i].text);
    return error_set(e, ERR_INVALID, "the archived %s %s does not load", what, path);
}

static int read_file(const char *path, struct buf *out, struct error *e)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path, strerror(errno));
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_append(out, chunk, n);
    int rc = ferror(f) ? error_set(e, ERR_IO, "%s: %s", path, strerror(errno)) : 0;
    fclose(f);
    return rc || buf_ok(out) ? rc : error_set(e, ERR_NOSPACE, "%s is over %zu bytes", path, out->limit);
}

static int load_world(struct replay_setup *s, const char *log, struct error *e)
{
    char path[PATH_BYTES], file[PATH_BYTES + sizeof ARCHIVE_WORLD_FILE + 1], id[ID128_TEXT];
    int rc = find(log, "world", s->world_id, path, e);
    if (rc)
        return rc;
    snprintf(file, sizeof file, "%s/%s", path, ARCHIVE_WORLD_FILE);
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    rc = read_file(file, &bytes, e);
    if (!rc)
        rc = tzdb_from_bytes(&s->zones, bytes.p, bytes.n, e);
    buf_free(&bytes);
    if (rc)
        return rc;
    id128_text(tzdb_id(s->zones), id);
    return same_id("world", s->world_id, id, e);
}

static int load_policy(struct replay_setup *s, const char *log, const struct names *names, struct diags *d,
                       struct error *e)
{
    char path[PATH_BYTES];
    int rc = find(log, "policy", s->policy_id, path, e);
    if (rc)
        return rc;
    s->policy = policy_load(path, s->zones, d);
    if (!s->policy)
        return first_finding(d, "policy", path, e);
    rc = same_id("policy", s->policy_id, s->policy->id, e);
    if (!rc && (rc = policy_bind(s->policy, names, e)))
        error_prefix(e, "the log's dictionary does not cover policy %s", s->policy_id);
    return rc;
}

static int load_model(struct replay_setup *s, const char *log, struct diags *d, struct error *e)
{
    char path[PATH_BYTES];
    int rc = find(log, "model", s->model_id, path, e);
    if (!rc)
        rc = lineup_load(&s->lineup, path, d, e);
    if (rc)
        return rc;
    s->binding = lineup_bind(s->lineup, s->policy, d);
    if (!s->binding)
        return first_finding(d, "model", path, e);
    s->scorer = (struct scorer){.model_id = lineup_binding_id(s->binding),
                                .ctx = s->binding,
                                .score = lineup_score,
                                .uses = lineup_has_uses(s->binding) ? lineup_uses : NULL};
    return same_id("model", s->model_id, lineup_binding_id(s->binding), e);
}

void replay_setup_load(struct replay_setup *s, const char *log, const struct names *names)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, DIAGS_MEMORY);
    diags_init(&diags, &arena);
    s->why = (struct error){0};
    int rc = load_world(s, log, &s->why);
    if (!rc)
        rc = load_policy(s, log, names, &diags, &s->why);
    if (!rc && s->model_id[0])
        rc = load_model(s, log, &diags, &s->why);
    s->why.code = rc;
    arena_free(&arena);
}

void replay_setup_free(struct replay_setup *s)
{
    lineup_binding_free(&s->binding);
    lineup_free(&s->lineup);
    policy_free(&s->policy);
    tzdb_free(&s->zones);
}
