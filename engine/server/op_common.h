/* What the kinds of calls share beside their steps: ends, messages, log heads, times. Comes with op.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_OP_COMMON_H
#define TACT_SERVER_OP_COMMON_H
#include "server/op.h"

/* Ends the call; returns STEP_DONE. */
enum step_result op_finish(struct op *op, const struct worker_result *r);
/* The same with a status and what is wrong. */
enum step_result op_fail(struct op *op, int status, const char *format, ...) PRINTF_LIKE(3, 4);
/* The status that an error code of the core becomes. */
int op_status(int code);
/* Packs a message into the op's arena. */
int op_pack(struct op *op, const ProtobufCMessage *m, struct str *out, struct error *e) MUST_CHECK;
/* Wraps a record of tact.v1.LogRecord: fills written_ms, server and a change of stage. log_record: Tact__V1__LogRecord. */
void op_log_head(struct op *op, void *log_record);
/* Checks who the request is about. */
int op_customer(struct op *op, const char *customer_id, const Tact__V1__Alias *alias, struct error *e) MUST_CHECK;
/* The word behind a dictionary id, without its prefix ("channel.email" gives "email"); empty when there is
 * none. For messages; not to be written to. */
char *op_word(const struct op *op, uint32_t id);
/* Checks as_of and sets op->now_ms. */
int op_as_of(struct op *op, int64_t as_of_ms, struct error *e) MUST_CHECK;

#endif
