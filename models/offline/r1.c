/* Workload R1 as a folder; see r1.h. SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/r1.h"
#include "base/folder.h"
#include "models/offline/r1_model.h"
#include "models/offline/r1_people.h"
#include "models/offline/r1_policy.h"
#include <errno.h>
#include <string.h>

enum { PATH_ROOM = 4096, PROGRESS_EACH = 1000 };

struct target {
    char path[PATH_ROOM];
    FILE *file;
};

static int open_target(struct target *t, const char *folder, const char *name, struct error *e)
{
    if (snprintf(t->path, sizeof t->path, "%s/%s", folder, name) >= (int)sizeof t->path)
        return error_set(e, ERR_INVALID, "the folder's name is too long");
    t->file = fopen(t->path, "wbe");
    return t->file ? 0 : error_set(e, ERR_IO, "cannot write %s: %s", t->path, strerror(errno));
}

static int close_target(struct target *t, struct error *e)
{
    bool failed = ferror(t->file) != 0;
    if (fclose(t->file) != 0 || failed)
        return error_set(e, ERR_IO, "cannot write %s: %s", t->path, strerror(errno));
    return 0;
}

static int write_one(const char *folder, const char *name, void (*write)(FILE *out), struct error *e)
{
    struct target t;
    int rc = open_target(&t, folder, name, e);
    if (rc)
        return rc;
    write(t.file);
    return close_target(&t, e);
}

static int write_model(const char *folder, const char *name, const struct r1_model *m,
                       void (*write)(const struct r1_model *m, FILE *out), struct error *e)
{
    struct target t;
    int rc = open_target(&t, folder, name, e);
    if (rc)
        return rc;
    write(m, t.file);
    return close_target(&t, e);
}

static int write_policy(const char *out, struct error *e)
{
    char folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "%s/policy", out);
    int rc = folder_make(folder, e);
    if (!rc)
        rc = write_one(folder, "customer.yaml", r1_policy_customer, e);
    if (!rc)
        rc = write_one(folder, "actions.yaml", r1_policy_actions, e);
    if (!rc)
        rc = write_one(folder, "rules.yaml", r1_policy_rules, e);
    return rc;
}

static int write_bundle(const char *out, struct error *e)
{
    char folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "%s/bundle", out);
    struct r1_model *m = r1_model_new();
    int rc = m ? folder_make(folder, e) : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = write_model(folder, "model.json", m, r1_model_json, e);
    if (!rc)
        rc = write_model(folder, "golden.csv", m, r1_model_golden, e);
    if (!rc)
        rc = write_one(folder, "bundle.yaml", r1_model_yaml, e);
    r1_model_free(&m);
    return rc;
}

static int write_customers(const struct r1_options *o, struct error *e)
{
    struct target t;
    int rc = open_target(&t, o->out, "customers.jsonl", e);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < o->customers; i++) {
        r1_customer(t.file, o->seed, i);
        if (o->progress && i % PROGRESS_EACH == 0)
            o->progress(o->user, i, o->customers);
    }
    return close_target(&t, e);
}

static int write_requests(const struct r1_options *o, struct error *e)
{
    struct target t;
    int rc = open_target(&t, o->out, "requests.jsonl", e);
    if (rc)
        return rc;
    rc = r1_requests(t.file, o, e);
    int closed = close_target(&t, rc ? NULL : e);
    return rc ? rc : closed;
}

int r1_write(const struct r1_options *o, struct error *e)
{
    ASSERT(o->customers > 0 && o->customers <= R1_CUSTOMERS_MAX);
    int rc = folder_make(o->out, e);
    if (!rc && !o->requests_only)
        rc = write_policy(o->out, e);
    if (!rc && !o->requests_only)
        rc = write_bundle(o->out, e);
    if (!rc && !o->requests_only)
        rc = write_customers(o, e);
    return rc ? rc : write_requests(o, e);
}
