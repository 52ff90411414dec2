/* `tact signal --file`: JSON Lines, a SignalRequest each, over Customers.SignalStream.
 *
 * The file goes in portions, each a stream of its own that is acknowledged before the next: at most SIGNAL_PORTION_MAX
 * signals, so that an answer tells of every one that is rejected, and fewer than the event ids that a server keeps of a busy
 * customer, so that what is sent again is known again; of a pipe also what is there when its writer pauses. A
 * portion is kept until then, and what a failure leaves of it is sent again. One thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_SIGNAL_FILE_H
#define TACT_TOOLS_SIGNAL_FILE_H
#include "tools/options.h"

enum {
    SIGNAL_PORTION_MAX = 1000,       /* signals; what an answer may tell of */
    SIGNAL_PORTION_BYTES = 8 << 20,  /* about; a line more at most */
    SIGNAL_ATTEMPTS_MAX = 10,        /* in a row that acknowledge nothing: about 25 seconds */
    SIGNAL_FILE_TIMEOUT_MS = 30000,  /* of a portion */
};

struct signal_file_options {
    const char *server;
    const char *file;    /* "-": stdin */
    const char *rejects; /* file, or NULL: told on stderr */
    int64_t timeout_ms;
    bool json;
};

/* An exit code: EXIT_FAILED when a signal was rejected, or some could not be sent. */
int signal_file(const struct command *c, const struct signal_file_options *o);

#endif
