/* The process's own messages to stderr (not the decision log): one logfmt line each, level, time, key=value pairs. Safe
 * from any thread; a line is one write.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_LOGGING_H
#define TACT_BASE_LOGGING_H
#include "base/error.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

void logging_set_level(enum log_level least);
/* message is plain text; format adds what follows it, usually key=value pairs; "" for none. */
void logging(enum log_level level, const char *message, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
