/* The events of an import, parted by customer into pieces that fit the memory, however large the files: a hash of the
 * customer's id picks the piece, what does not fit its buffer goes to a temporary file of its own, and one piece after the other
 * is mapped and grouped.
 *
 *   events in the files' order --spread_add--> pieces --spread_group--> customers, each with its events in order of time
 *
 * Memory: SPREAD_BUFFER a piece while they are written; while one is grouped, 45 bytes an event and 56 a customer of it, beside
 * pages of the mapped file that the system may take back. One thread; what spread_group gives may be read by any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_SPREAD_H
#define TACT_TOOLS_IMPORT_SPREAD_H
#include "tools/import/build.h"

enum {
    SPREAD_PIECES_MAX = 256,
    SPREAD_BUFFER = 512 << 10,
    SPREAD_EVENTS_MAX = 64 << 20 /* in one piece */
};

struct spread;

/* So many pieces (1 to SPREAD_PIECES_MAX). folder: of temporary files, which nobody else sees and which are gone with us. */
struct spread *spread_new(size_t pieces, const char *folder);
void spread_free(struct spread **s);
/* One or more whole events as import_line writes them. ERR_IO: a temporary file cannot be written. */
int spread_add(struct spread *s, struct str events, struct error *e) MUST_CHECK;
size_t spread_pieces(const struct spread *s);

/* Customers in order of first appearance, events of one by (time, place in the files). They live until the next call. */
struct spread_group {
    struct import_customer *customers;
    size_t count, events;
};
int spread_group(struct spread *s, size_t piece, struct spread_group *out, struct error *e) MUST_CHECK;

#endif
