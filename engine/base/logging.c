/* Process messages; see logging.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/logging.h"
#include "base/clock.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static _Atomic int threshold = LEVEL_INFO;

void logging_set_level(enum log_level least)
{
    atomic_store(&threshold, (int)least);
}

void logging(enum log_level level, const char *message, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < atomic_load(&threshold))
        return;
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char line[2048];
    size_t n = strftime(line, sizeof line, "time=%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ level=%s msg=\"%s\"", (int)(ms % 1000),
                          names[level], message);
    if (n < sizeof line - 2 && format[0]) {
        line[n++] = ' ';
        va_list args;
        va_start(args, format);
        int k = vsnprintf(line + n, sizeof line - n, format, args);
        va_end(args);
        n += k > 0 ? (size_t)k : 0;
    }
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}
