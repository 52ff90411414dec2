/* The durable log as a sink.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/sink.h"

static int append(void *ctx, struct str record, log_cb cb, void *user)
{
    return log_append(ctx, record, cb, user);
}

static bool healthy(void *ctx, char why[128])
{
    return log_healthy(ctx, why);
}

static int append_to(void *ctx, struct str record, log_cb cb, void *user)
{
    return log_append_to(log_outbox_writer(ctx), ctx, record, cb, user);
}

static bool healthy_of(void *ctx, char why[128])
{
    return log_healthy(log_outbox_writer(ctx), why);
}

struct sink sink_of_outbox(struct log_outbox *o)
{
    return (struct sink){o, append_to, healthy_of};
}

struct sink sink_of_log(struct log_writer *w)
{
    return (struct sink){w, append, healthy};
}
