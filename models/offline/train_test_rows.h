/* The test part of a table as a file of its own: the header and the test rows, byte for byte as they stood in the table (quotes,
 * spaces and all), in its order; lines end as the header's does. So other tools, and `tact evaluate`, can measure a model on
 * the very rows that the report's test part speaks of.
 *
 * The file appears whole: it is written beside its place under another name when the table is read, and put there as the last
 * step of the training (train_test_rows_place), in place of a file that may stand there; otherwise it is removed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_TEST_ROWS_H
#define TACT_OFFLINE_TRAIN_TEST_ROWS_H
#include "models/offline/train_input.h"

struct train_test_rows;

/* Makes the file under its other name. ERR_INVALID: path is the table itself, or no regular file; ERR_IO. */
int train_test_rows_new(struct train_test_rows **out, const char *path, const char *table,
                        struct error *e) MUST_CHECK;
/* Reads the table again and writes the header and each record i with test[i], of `records` altogether. ERR_CONFLICT: the
 * table is another one now. */
int train_test_rows_write(struct train_test_rows *t, struct train_input *in, char separator,
                          const uint8_t *test, size_t records, struct error *e) MUST_CHECK;
int train_test_rows_place(struct train_test_rows *t, struct error *e) MUST_CHECK;
/* Removes what was not placed. */
void train_test_rows_free(struct train_test_rows **t);

#endif
