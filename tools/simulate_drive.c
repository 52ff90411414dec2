/* Driving a server, or the same code in this process; see simulate_drive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/simulate_drive.h"
#include "base/clock.h"
#include "tools/drive_local.h"
#include "tools/drive_remote.h"
#include <errno.h>
#include <unistd.h>

enum { DIAGS_MEMORY = 64 << 20 };

FILE *simulate_file_open(const char *path, char fresh[SIMULATE_PATH_MAX], struct error *e)
{
    if (snprintf(fresh, SIMULATE_PATH_MAX, "%s.part", path) >= SIMULATE_PATH_MAX) {
        error_set(e, ERR_INVALID, "--out: the name is too long");
        return NULL;
    }
    FILE *f = fopen(fresh, "wbe");
    if (!f)
        error_set(e, ERR_IO, "%s: %s", fresh, strerror(errno));
    return f;
}

int simulate_file_close(FILE *f, const char *path, const char *fresh, int rc, struct error *e)
{
    if (fclose(f) != 0 && !rc)
        rc = error_set(e, ERR_IO, "%s: %s", fresh, strerror(errno));
    if (!rc && rename(fresh, path) != 0)
        rc = error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    if (rc)
        unlink(fresh);
    return rc;
}

/* Drives, with the CSV if one is wanted, and prints the summary. */
static int run_drive(struct simulate_drive *s, struct drive_caller *caller, const struct drive_remote *remote,
                     struct error *e)
{
    char fresh[SIMULATE_PATH_MAX];
    struct drive_sum sum;
    s->options.out = NULL;
    if (s->out && !(s->options.out = simulate_file_open(s->out, fresh, e)))
        return e->code;
    int64_t began_us = clock_mono_us();
    int rc = drive(&s->options, caller, &sum, e);
    double elapsed_s = (double)(clock_mono_us() - began_us) / 1e6;
    if (s->out)
        rc = simulate_file_close(s->options.out, s->out, fresh, rc, e);
    uint64_t days = (uint64_t)s->options.customers * s->options.days;
    if (!rc)
        drive_sum_print(&sum, remote ? drive_remote_retries(remote) : 0, days, elapsed_s, s->json, stdout);
    return rc;
}

static int over_network(struct simulate_drive *s, struct error *e)
{
    struct drive_remote *remote;
    int rc = drive_remote_new(&remote, s->server, e);
    if (rc)
        return rc;
    struct drive_caller caller = drive_remote_caller(remote);
    rc = run_drive(s, &caller, remote, e);
    drive_remote_free(&remote);
    return rc;
}

static int in_process(struct simulate_drive *s, struct snapshot *snapshot, struct names *names,
                      struct error *e)
{
    struct drive_local *local = drive_local_new_take(snapshot_hold(snapshot), names);
    struct drive_caller caller = drive_local_caller(local);
    s->options.lanes = 1;
    int rc = run_drive(s, &caller, NULL, e);
    drive_local_free(&local);
    return rc;
}

int simulate_drive(struct simulate_drive *s, struct error *e)
{
    struct arena arena;
    struct diags diags;
    struct tzdb *zones;
    int rc = tzdb_load(&zones, NULL, e);
    if (rc)
        return rc;
    arena_init(&arena, DIAGS_MEMORY);
    diags_init(&diags, &arena);
    struct names *names = names_new();
    struct snapshot *snapshot = snapshot_load(s->policy, s->server ? NULL : s->model, zones, &diags);
    if (!snapshot) {
        diags_print(&diags, stderr);
        rc = error_set(e, ERR_INVALID, "the policy or the model has %zu errors", diags.errors);
    } else {
        rc = policy_bind_interning(snapshot->policy, names, e);
        s->options.policy = snapshot->policy;
    }
    if (!rc)
        rc = s->server ? over_network(s, e) : in_process(s, snapshot, names, e);
    snapshot_release(&snapshot);
    names_free(&names);
    arena_free(&arena);
    tzdb_free(&zones);
    return rc;
}
