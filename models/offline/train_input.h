/* The bytes of the table as a source (base/csv.h) that can be stopped, and read a second time: tact train writes its test rows as
 * they stood in the file, and knows which they are only when it has read them all.
 *
 * A file is read again from where it began, and must not have changed meanwhile. What cannot be read again (a pipe, standard
 * input) is copied while it is read, as it comes, compressed or not, into a temporary file without a name beside `beside`.
 *
 * Reading ends with ERR_UNAVAILABLE soon after the cancel flag is set, also when a pipe gives nothing, if the signal's handler
 * lets system calls be interrupted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_INPUT_H
#define TACT_OFFLINE_TRAIN_INPUT_H
#include "base/error.h"
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct train_input;

struct train_input_options {
    const char *beside; /* where the copy of what can be read once only is made; NULL: it is not read again */
    void (*progress)(void *user, uint64_t done, uint64_t total); /* of bytes; total 0: not known; or NULL */
    void *user;
    const volatile sig_atomic_t *cancel; /* or NULL */
};

/* "-" is standard input. ERR_NOTFOUND, ERR_IO, ERR_NOSPACE. */
int train_input_open(struct train_input **out, const char *path, const struct train_input_options *o,
                     struct error *e) MUST_CHECK;
void train_input_free(struct train_input **in);
const char *train_input_name(const struct train_input *in);

/* A csv_source whose ctx is the input. */
long train_input_read(void *in, char *p, size_t n);
/* Why reading failed, in place of what the reader of the source makes of it; 0: it is the reader's own matter. */
int train_input_failed(const struct train_input *in, struct error *e) MUST_CHECK;
/* Back to the beginning; the options had `beside`. ERR_IO. */
int train_input_again(struct train_input *in, struct error *e) MUST_CHECK;
/* ERR_CONFLICT when a file is not what it was when it was opened. */
int train_input_unchanged(const struct train_input *in, struct error *e) MUST_CHECK;

#endif
