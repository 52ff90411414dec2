/* Rows of the past for off-policy evaluation: who got what, with which probability, and what came of it. Filled from a CSV
 * (here) or from a log (eval_log.h), evaluated by evaluate.h.
 *
 * Actions are numbered by the order of their names (bytes), silence among them, so that nothing depends on the order of rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_EVAL_ROWS_H
#define TACT_OFFLINE_EVAL_ROWS_H
#include "base/arena.h"
#include "models/offline/frame.h"

enum { EVAL_ACTIONS_MAX = 10000, EVAL_MAP_MAX = 1000 };
#define EVAL_SILENCE "silence"

struct eval_rows {
    char name[256]; /* of the file or log, for messages */
    size_t n;
    struct str *actions;
    size_t action_count;
    long silence;       /* its index, or -1: no row and no target is ever silent */
    uint32_t *action;   /* [n] */
    double *reward;     /* [n] */
    double *p;          /* [n] action probability of the logged action, in (0,1] */
    uint32_t *position; /* [n] index of positions */
    struct str *positions;
    size_t position_count; /* at least 1 */
    uint64_t *cluster;     /* [n] rows with the same number belong together */
    uint32_t *lines;       /* [n] of the file, for messages; NULL for a log */
    struct arena arena;    /* names */
};

/* "Mens E-Mail=mens_mail" as two slices. */
struct eval_map {
    struct str from, to;
};

/* Which columns of a CSV say what. */
struct eval_columns {
    struct str action, reward; /* needed */
    struct str position;       /* empty: one position */
    struct str customer;       /* empty: every row is somebody else's */
    struct str probability;    /* a column; empty: */
    double constant_p;         /* then this one in every row; or 0: */
    bool shares;               /* then the share of the row's action among all rows (of its position) */
    const struct eval_map
        *map; /* texts of the action column to action ids; those not listed stay as they are */
    size_t map_count;
    const struct str
        *silence; /* texts of the action column that mean nobody was contacted; "": empty cells do */
    size_t silence_count;
    struct str positive; /* of a reward column with words: this one is 1, all others 0; empty: numbers */
};

/* Wanted columns beside those of struct eval_columns; they are read into *extra, in the order given, for the same rows. */
int eval_rows_read(struct eval_rows *out, const char *path, const struct eval_columns *columns,
                   const struct frame_options *options, const struct frame_want *wants, size_t want_count,
                   struct frame *extra, struct diags *diags, struct error *e) MUST_CHECK;
void eval_rows_free(struct eval_rows *r);

/* Index of an action, or -1. */
long eval_action(const struct eval_rows *r, struct str name);
/* Makes room for actions that a target knows and the rows lack; indices of the rows are renumbered. */
int eval_actions_add(struct eval_rows *r, const struct str *names, size_t count, struct error *e) MUST_CHECK;

#endif
