/* Many decisions at once: requests as JSON lines (one tact.v1.DecideRequest each), a bounded number in flight over one
 * connection, one JSON line an answer as it comes: {"line": N, "response": {…}} or {"line": N, "status": "…", "message": "…"}.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_BATCH_H
#define TACT_TOOLS_BATCH_H
#include "tools/options.h"

enum { BATCH_IN_FLIGHT = 64, BATCH_IN_FLIGHT_MAX = 1000, BATCH_LINE_MAX = 1 << 20 };

struct batch_options {
    const char *server, *file; /* "-": stdin */
    int64_t in_flight, timeout_ms;
};

/* EXIT_OK when every line got an answer that is OK; else EXIT_FAILED after a sum on stderr. Nothing is retried. */
int batch_decide(const struct command *c, const struct batch_options *o);

#endif
