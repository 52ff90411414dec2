/* Errors and diagnostics. Fallible functions return 0 or one of the negative codes below and fill a struct error where a
 * person will read it. Loading of files that people write collects many located diagnostics instead (struct diags).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_ERROR_H
#define TACT_BASE_ERROR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* code, number, what it means */
#define TACT_ERRORS(X)                                                                                       \
    X(ERR_INVALID, -1, "the input is wrong")                                                                 \
    X(ERR_NOSPACE, -2, "a stated limit was reached")                                                         \
    X(ERR_IO, -3, "a system call failed")                                                                    \
    X(ERR_NOTFOUND, -4, "there is no such thing")                                                            \
    X(ERR_UNAVAILABLE, -5, "a part that is needed cannot be reached now")                                    \
    X(ERR_CORRUPT, -6, "stored bytes are torn or foreign")                                                   \
    X(ERR_CONFLICT, -7, "somebody else changed it first")                                                    \
    X(ERR_EXISTS, -8, "it exists already")                                                                   \
    X(ERR_TIMEOUT, -9, "no answer in time; it may or may not have happened")                                 \
    X(ERR_INTERNAL, -10, "a bug in Tact")                                                                    \
    X(ERR_FORGOTTEN, -11, "the person was forgotten, so nothing may be kept")

enum tact_error {
#define X(name, number, text) name = number,
    TACT_ERRORS(X)
#undef X
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

struct error {
    int code;
    char text[512];
};

/* The code's name ("ERR_INVALID") and meaning; never NULL. */
const char *error_name(int code);
const char *error_meaning(int code);

/* Fills *e (which may be NULL) and returns the code. Text that does not fit is cut. */
int error_set(struct error *e, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the text that is there. */
int error_prefix(struct error *e, const char *format, ...) PRINTF_LIKE(2, 3);

struct arena;

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

/* One finding: file (never NULL), line and column from 1 (0: unknown), text. Strings live in the diags' arena. */
struct diag {
    enum diag_severity severity;
    const char *file;
    int line, column;
    const char *text;
};

/* A bounded list (DIAGS_MAX; later ones are only counted). The arena outlives it. */
enum { DIAGS_MAX = 1000 };
struct diags {
    struct arena *arena;
    struct diag *items;
    size_t count, capacity;
    size_t errors, warnings; /* all, also those beyond DIAGS_MAX */
};

void diags_init(struct diags *d, struct arena *arena);
void diag_add(struct diags *d, enum diag_severity severity, const char *file, int line, int column,
              const char *format, ...) PRINTF_LIKE(6, 7);
/* By file, line, column; stable. */
void diags_sort(struct diags *d);
/* "file:line:column: error: text", one a line; control characters as \x1b. */
void diags_print(const struct diags *d, FILE *out);

/* Programmer errors stop the process, in release builds too. Never used on input. */
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))
_Noreturn void assert_failed(const char *condition, const char *file, int line, const char *function);

#endif
