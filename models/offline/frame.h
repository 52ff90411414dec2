/* A table in memory, by columns: what training and evaluation read from a CSV file (plain, or zstd-compressed: told by
 * content). The caller says which columns it wants and as what; all others are skipped. Streaming: the file's text is
 * never in memory.
 *
 *   number     double; float for features (half the memory); a missing value is NaN
 *   bool       float 1, 0 or NaN; true/false, yes/no, t/f, y/n, 1/0 (also 1.0/0.0, as pandas writes them) in any case
 *   category   uint32 code by first appearance, FRAME_MISSING when missing; frame_sort_categories orders codes by text
 *   time       int64 milliseconds since 1970, INT64_MIN when missing; RFC 3339, "2025-01-31", "2025-01-31 10:00:00"
 *              (in a zone), or seconds or milliseconds since 1970: frame_time.h
 *   text       a slice into the frame's own memory; length 0 when missing
 *
 * A cell that is empty, or whose text is one of the caller's missing words, is missing. Spaces and tabs around numbers,
 * bools and times do not count; those of categories and texts do. A cell that is wrong is a finding at file:line:column
 * with the column's name, what stands there and what is allowed; reading goes on to show up to FRAME_FINDINGS_MAX of
 * them, then fails: a table is read whole or not at all, so that no figure comes from half a file. Rows of other lengths
 * than the header, broken quoting and wrong encoding are findings in the same way. A line without any character is no
 * row (csv.h).
 *
 * Columns grow without being copied (frame_array.h), so the peak is what the table holds and no more.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_H
#define TACT_OFFLINE_FRAME_H
#include "base/arena.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/str.h"
#include "base/tz.h"

enum { FRAME_COLUMNS_MAX = CSV_FIELDS_MAX, FRAME_FINDINGS_MAX = 10, FRAME_CATEGORIES_MAX = 1 << 20 };
#define FRAME_MISSING UINT32_MAX

enum frame_type { FRAME_DOUBLE, FRAME_FLOAT, FRAME_BOOL, FRAME_CATEGORY, FRAME_TIME, FRAME_TEXT };

/* One wanted column. Two wants may name the same column. */
struct frame_want {
    struct str column; /* of the file's header */
    enum frame_type type;
    const struct str
        *missing; /* more words that mean missing, for this column, besides the frame's; NULL: none */
    size_t missing_count;
    bool required; /* a missing value is a finding */
    double low,
        high; /* of numbers, inclusive; low >= high: any finite one; DBL_MIN says above 0. Outside is a finding */
    const char *what; /* for messages: "the label", "feature age"; may be NULL */
};

struct frame_column {
    struct str name;
    enum frame_type type;
    union {
        double *numbers; /* FRAME_DOUBLE */
        float *floats;   /* FRAME_FLOAT, FRAME_BOOL */
        uint32_t *codes; /* FRAME_CATEGORY */
        int64_t *times;
        struct str *texts;
    };
    struct str *categories; /* FRAME_CATEGORY: by code */
    size_t category_count;
    size_t missing; /* how many rows have no value */
};

struct frame {
    char name[256]; /* of the file, for messages */
    size_t rows;
    struct frame_column *columns; /* in the order wanted */
    size_t column_count;
    uint32_t *lines;    /* [rows] the line on which each record begins, for messages */
    struct str *header; /* every column of the file */
    size_t header_count;
    char separator;       /* as given or found */
    uint64_t *row_hashes; /* [rows], with frame_options.hash_rows: hash64 of the record's text; else NULL */
    struct arena arena;   /* texts, names */
};

struct frame_options {
    char
        separator; /* ',' ';' '\t' '|'; 0: found from the header line (the one that occurs most outside quotes) */
    const struct str *missing;
    size_t missing_count;
    const struct tz *zone; /* of times without one; NULL: UTC */
    size_t rows_max;       /* more rows are ERR_NOSPACE; 0: any number */
    bool hash_rows;
    /* About every 256 KiB of the file, and at its end; total 0: not known. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
};

/* Reads path ("-": stdin). Findings go to diags (which may be NULL); the error sums up: ERR_NOTFOUND no such file,
 * ERR_INVALID findings: wrong cells and rows, an empty file, a header without rows, a wanted column that the header lacks
 * (with "did you mean") or has twice, a file that is no text (UTF-16, gzip, Excel …); ERR_CORRUPT torn or broken zstd;
 * ERR_NOSPACE no memory, too many rows; ERR_IO. On any error out is empty. */
int frame_read(struct frame *out, const char *path, const struct frame_want *wants, size_t count,
               const struct frame_options *o, struct diags *diags, struct error *e) MUST_CHECK;
/* The same from the bytes of a source; name is for messages. */
int frame_read_source(struct frame *out, const char *name, csv_source source, void *ctx,
                      const struct frame_want *wants, size_t count, const struct frame_options *o,
                      struct diags *diags, struct error *e) MUST_CHECK;
/* The header only, with the separator found (found may be NULL). Texts in the arena. Errors as frame_read's; what is no
 * regular file (a pipe) is ERR_INVALID, since reading the header would take it from the rows. */
int frame_header(const char *path, char separator, struct arena *arena, struct str **names, size_t *count,
                 char *found, struct error *e) MUST_CHECK;
void frame_free(struct frame *f);

/* Index among the wanted columns, or -1. */
long frame_find(const struct frame *f, struct str name);
/* Codes in the order of the categories' bytes, so that they do not depend on the rows' order. ERR_NOSPACE. */
int frame_sort_categories(struct frame_column *c, size_t rows, struct error *e) MUST_CHECK;

#endif
