/* A progress bar on stderr for long work; nothing when stderr is no terminal. Redrawn at most ten times a
 * second; one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_PROGRESS_H
#define TACT_TOOLS_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "customers" */
    bool shown;       /* stderr is a terminal */
    bool drawn;       /* there is a bar on the line */
    int64_t last_us;
};

void progress_begin(struct progress *p, const char *what);
void progress_at(struct progress *p, uint64_t done, uint64_t total);
/* Takes the bar off the line, so that other text can be printed; the next progress_at draws it again. */
void progress_clear(struct progress *p);

#endif
