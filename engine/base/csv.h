/* A streaming reader of CSV (RFC 4180) in fixed memory (3 MiB): records of fields, one at a time, as slices
 * of its own buffer, with the line on which each record begins.
 *
 * What it takes: fields parted by commas (or another separator), quoted ones with doubled quotes, separators
 * and line breaks inside; line ends LF and CRLF, also mixed; a last line without one; a UTF-8 byte order
 * mark. A line without any character is no record.
 *
 * What it refuses, with file:line:column (in bytes), that record alone: text that is not UTF-8, NUL, a quote
 * inside an unquoted field, text after a closing quote, a carriage return alone, a quote that nobody closes,
 * records and field counts beyond the limits below. The next call goes on with the next line (after a quote
 * that nobody closes: the line after the one with the quote), so one bad row costs one row.
 *
 * Speed: a record is parsed where it lies in the buffer, 64 bytes at a time; nothing is copied but fields with
 * doubled quotes. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_CSV_H
#define TACT_BASE_CSV_H
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum {
    CSV_RECORD_MAX = 1 << 20, /* bytes of one record, its line break not counted */
    CSV_FIELDS_MAX = 16384,
    CSV_NAME_SHOWN = 200 /* bytes of the file's name in errors */
};

struct csv;

/* Where the bytes come from. Gives 1 to n of them; 0 at the end; a negative errno on failure. */
typedef long (*csv_source)(void *ctx, char *p, size_t n);
/* A source: the file descriptor that ctx, an int *, points to. */
long csv_read_fd(void *fd, char *p, size_t n);

struct csv_record {
    const struct str *fields; /* without their quotes; valid UTF-8 without NUL */
    size_t count;
    size_t line; /* from 1, where the record begins */
    struct str
        raw; /* its text as it stands, without the last line break; empty for a bad one over the limit */
    /* Of a bad one: where in the file, and why (a text of the reader's own). */
    size_t bad_line, bad_column;
    const char *bad;
};

enum csv_result { CSV_END, CSV_RECORD, CSV_BAD, CSV_FAILED };

/* separator: a byte of ASCII, not a quote, CR, LF or NUL (asserted). name is for errors and is copied. NULL
 * without memory. */
struct csv *csv_new(const char *name, char separator, csv_source source, void *ctx);
/* A file, or standard input when path is "-". ERR_IO. */
int csv_open(struct csv **out, const char *path, char separator, struct error *e) MUST_CHECK;
void csv_free(struct csv **c);

/* The next record. CSV_BAD: *r has line, raw and what is bad, no fields, and *e says all of it; go on with the next call.
 * CSV_FAILED: reading failed, or the file is UTF-16 (*e); so will later calls. Slices live until the next
 * call or csv_free. */
enum csv_result csv_next(struct csv *c, struct csv_record *r, struct error *e);

/* Bytes of the input that the records so far took, for progress. */
uint64_t csv_offset(const struct csv *c);

/* Appends text as one field, quoted where it must be (also when empty, so that a record is never a blank
 * line). */
void csv_write_field(struct buf *out, struct str text, char separator);

#endif
