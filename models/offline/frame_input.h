/* The bytes of a table, ready for the CSV reader: a file, standard input or a caller's source; zstd is told by its
 * first four bytes and unpacked (also several frames one after another, and skippable ones). What cannot be a table is
 * refused with what it is: UTF-16, gzip, Excel, Parquet. The beginning is kept, so that the separator can be found in
 * the header line. Memory: about 400 KiB, and for zstd the window that its frame asks for (at most 128 MiB).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_INPUT_H
#define TACT_OFFLINE_FRAME_INPUT_H
#include "base/csv.h"

enum { FRAME_INPUT_HEAD = 64 * 1024 };

struct frame_input;
typedef void (*frame_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);

/* ERR_NOTFOUND no such file, ERR_INVALID not a table (the text is the reason alone, without the name), ERR_CORRUPT broken zstd, ERR_IO, ERR_NOSPACE. */
int frame_input_open(struct frame_input **out, const char *path, frame_progress progress, void *user,
                     struct error *e) MUST_CHECK;
int frame_input_source(struct frame_input **out, const char *name, csv_source source, void *ctx,
                       frame_progress progress, void *user, struct error *e) MUST_CHECK;
void frame_input_free(struct frame_input **in);

const char *frame_input_name(const struct frame_input *in);
/* Up to and with the header line, at most FRAME_INPUT_HEAD bytes (more, if they came along). */
struct str frame_input_head(const struct frame_input *in);
/* A csv_source whose ctx is the input. After a failure frame_input_error says what it was; otherwise its code is 0. */
long frame_input_read(void *in, char *p, size_t n);
const struct error *frame_input_error(const struct frame_input *in);

#endif
