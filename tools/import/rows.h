/* Rows of a table as upserts: which column is what, and one record as one UpsertRequest.
 *
 * A column is the customer's id, an attribute, or says yes or no to a consent; every column of the file must
 * be one of these, or left out by name, so that a misspelt header is an error and not silence. With a policy,
 * columns named like attributes map themselves and values are typed and checked as the server would; without
 * one, types stand in the mapping and default to string. An empty cell says nothing, or removes the attribute
 * where the caller wants that. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_ROWS_H
#define TACT_TOOLS_IMPORT_ROWS_H
#include "policy/policy.h"
#include "tact/v1/customers.pb-c.h"
#include "base/csv.h"
#include "tools/import/event.h"
#include "tools/options.h"
#include "tools/value_text.h"

struct import_options {
    const char *customer_column; /* NULL: rows are customers without a name, "row-<line>" */
    struct option_list columns;  /* "column=attribute[:type]"; "column=" leaves it out */
    struct option_list consents; /* "channel:purpose" for every row, or "channel:purpose=column" */
    const char *consent_source;
    int64_t consent_time_ms; /* 0: when the server gets it */
    const struct tz *zone;   /* of times without one; NULL: UTC */
    bool remove_empty;
    bool leave_others;           /* columns that are no attributes are left out instead of being errors */
    const struct policy *policy; /* or NULL */
};

enum import_role { ROLE_LEFT_OUT, ROLE_CUSTOMER, ROLE_ATTRIBUTE, ROLE_CONSENT };

struct import_column {
    struct str name;
    enum import_role role;
    char *attribute;
    enum value_text type;
};

struct import_consent {
    char *channel, *purpose;
    long column; /* -1: granted in every row */
};

struct import_map {
    const struct import_options *options;
    struct import_column *columns;
    size_t column_count, customer;
    struct import_consent *consents;
    size_t consent_count;
};

/* From the file's header. What it keeps lives in the arena; options outlive it. ERR_INVALID with what is
 * wrong and what is allowed. */
int import_map_make(struct import_map *m, const struct import_options *options,
                    const struct csv_record *header, struct arena *arena, struct error *e) MUST_CHECK;

/* Which column the option names. ERR_INVALID with a did-you-mean and the columns. */
int import_header_find(const struct csv_record *header, const char *option, const char *name, size_t *out,
                       struct error *e) MUST_CHECK;

/* Fills *out from the record; it lives in the arena, which the caller resets after. now_ms: for checks
 * against the policy. ERR_INVALID: "column 'tier': …". */
int import_row(const struct import_map *m, const struct csv_record *r, int64_t now_ms, struct arena *arena,
               Tact__V1__UpsertRequest *out, struct error *e) MUST_CHECK;

#endif
