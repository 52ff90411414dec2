/* Errors and located diagnostics.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/arena.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *error_name(int code)
{
    switch (code) {
#define X(name, number, text)                                                                                \
    case name:                                                                                               \
        return #name;
        TACT_ERRORS(X)
#undef X
    default:
        return code == 0 ? "OK" : "ERR_UNKNOWN";
    }
}

const char *error_meaning(int code)
{
    switch (code) {
#define X(name, number, text)                                                                                \
    case name:                                                                                               \
        return text;
        TACT_ERRORS(X)
#undef X
    default:
        return code == 0 ? "no error" : "unknown error";
    }
}

int error_set(struct error *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    e->code = code;
    return code;
}

int error_prefix(struct error *e, const char *format, ...)
{
    if (!e)
        return 0;
    char text[sizeof e->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, ": %.*s", (int)(sizeof text - n), e->text);
    memcpy(e->text, text, sizeof text);
    return e->code;
}

void diags_init(struct diags *d, struct arena *arena)
{
    *d = (struct diags){.arena = arena};
}

static bool diags_grow(struct diags *d)
{
    size_t capacity = d->capacity ? d->capacity * 2 : 16;
    struct diag *items = arena_alloc(d->arena, capacity * sizeof *items);
    if (!items)
        return false;
    if (d->count)
        memcpy(items, d->items, d->count * sizeof *items);
    d->items = items;
    d->capacity = capacity;
    return true;
}

void diag_add(struct diags *d, enum diag_severity severity, const char *file, int line, int column,
              const char *format, ...)
{
    if (severity == DIAG_ERROR)
        d->errors++;
    else
        d->warnings++;
    if (d->count >= DIAGS_MAX || (d->count == d->capacity && !diags_grow(d)))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *kept = arena_strdup(d->arena, text);
    const char *kept_file = arena_strdup(d->arena, file ? file : "");
    if (kept && kept_file)
        d->items[d->count++] = (struct diag){severity, kept_file, line, column, kept};
}

static int diag_order(const struct diag *a, const struct diag *b)
{
    int c = strcmp(a->file, b->file);
    if (c)
        return c;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

void diags_sort(struct diags *d)
{
    for (size_t i = 1; i < d->count; i++) {
        struct diag item = d->items[i];
        size_t k = i;
        for (; k > 0 && diag_order(&d->items[k - 1], &item) > 0; k--)
            d->items[k] = d->items[k - 1];
        d->items[k] = item;
    }
}

/* The text quotes files; a terminal is to see what stands there, not to obey it. */
static void print_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

void diags_print(const struct diags *d, FILE *out)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct diag *g = &d->items[i];
        fprintf(out, "%s", g->file);
        if (g->line > 0)
            fprintf(out, ":%d", g->line);
        if (g->line > 0 && g->column > 0)
            fprintf(out, ":%d", g->column);
        fprintf(out, ": %s: ", g->severity == DIAG_ERROR ? "error" : "warning");
        print_text(g->text, out);
        fputc('\n', out);
    }
    if (d->errors + d->warnings > d->count)
        fprintf(out, "… and %zu more\n", d->errors + d->warnings - d->count);
}

_Noreturn void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    fprintf(stderr, "tact: bug: %s:%d: %s: not true: %s\n", file, line, function, condition);
    abort();
}
