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

struct sink sink_of_log(struct log_writer *w)
{
    return (struct sink){w, append, healthy};
}
