/* The bar; see progress.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/progress.h"
#include "base/clock.h"
#include <stdio.h>
#include <unistd.h>

enum { BAR_CELLS = 40, REDRAW_US = 100000 };

void progress_begin(struct progress *p, const char *what)
{
    *p = (struct progress){.what = what, .shown = isatty(STDERR_FILENO) == 1};
}

void progress_at(struct progress *p, uint64_t done, uint64_t total)
{
    int64_t now_us = p->shown ? clock_mono_us() : 0;
    if (!p->shown || (p->drawn && done < total && now_us - p->last_us < REDRAW_US))
        return;
    double share = total && done < total ? (double)done / (double)total : 1;
    int full = (int)(share * (double)BAR_CELLS);
    fprintf(stderr, "\r  [");
    for (int i = 0; i < BAR_CELLS; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3d%%  %llu of %llu %s\033[K", (int)(share * 100), (unsigned long long)done,
            (unsigned long long)total, p->what);
    fflush(stderr);
    p->drawn = true;
    p->last_us = now_us;
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fprintf(stderr, "\r\033[K");
    p->drawn = false;
    p->last_us = 0;
}
