/* Where a worker's log records go: the durable log in a server, memory in a simulation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SINK_H
#define TACT_SERVER_SINK_H
#include "log/log.h"

struct sink {
    void *ctx;
    /* As log_append: cb later, never from inside; or a negative code at once and no cb. cb may be NULL. */
    int (*append)(void *ctx, struct str record, log_cb cb, void *user);
    /* False while appended records would fail; why gets a text. */
    bool (*healthy)(void *ctx, char why[128]);
};

/* The durable log as a sink. */
struct sink sink_of_log(struct log_writer *w);
/* The same, with reports to an outbox. */
struct sink sink_of_outbox(struct log_outbox *o);

#endif
