/* Findings; see frame_findings.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/frame_findings.h"
#include "models/offline/frame.h"
#include <limits.h>
#include <stdarg.h>

static int as_int(size_t v)
{
    return v < INT_MAX ? (int)v : INT_MAX;
}

/* "file:line:column: " as far as known. */
static size_t place(const char *file, size_t line, size_t column, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, "%.200s", file);
    if (line > 0)
        at += (size_t)snprintf(out + at, n - at, ":%zu", line);
    if (line > 0 && column > 0)
        at += (size_t)snprintf(out + at, n - at, ":%zu", column);
    return at + (size_t)snprintf(out + at, n - at, ": ");
}

void finding_add(struct findings *f, size_t line, size_t column, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (f->diags)
        diag_add(f->diags, DIAG_ERROR, f->file, as_int(line), as_int(column), "%s", text);
    if (f->count++ > 0)
        return;
    size_t at = place(f->file, line, column, f->first, sizeof f->first), n = strlen(text);
    size_t fits = sizeof f->first - 1 - at;
    n = n < fits ? n : fits;
    memcpy(f->first + at, text, n);
    n += at;
    f->first[n] = 0;
    while (n > 0 && utf8_bad_at(f->first, n)) /* cut inside a character */
        f->first[--n] = 0;
}

int findings_error(const struct findings *f, struct error *e)
{
    ASSERT(f->count > 0);
    if (f->count == 1)
        return error_set(e, ERR_INVALID, "%s", f->first);
    return error_set(e, ERR_INVALID, "%s (and %zu more%s)", f->first, f->count - 1,
                     f->count >= FRAME_FINDINGS_MAX ? "; reading stopped there" : "");
}
