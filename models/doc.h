/* Documents as XGBoost writes models: JSON, or UBJSON (draft 12, the part that XGBoost uses), read into one
 * tree. Ours because libxgboost trusts what it loads (a bad child index is a wild read at prediction) and
 * because some of what is in a file is lost in the library's own view of it. Bounded: depth, memory by the
 * arena's limit, all lengths checked against the bytes that are there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_DOC_H
#define TACT_MODELS_DOC_H
#include "base/arena.h"
#include "base/error.h"
#include <stdint.h>

enum { DOC_DEPTH_MAX = 64 };

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_NUMBER, DOC_STRING, DOC_ARRAY, DOC_NUMBERS, DOC_OBJECT };

struct doc_value {
    enum doc_kind kind;
    char packed;                /* DOC_NUMBERS: the UBJSON type of raw, or 0 when raw is an array of double */
    double number;              /* DOC_NUMBER; DOC_BOOL as 0 or 1 */
    struct str text;            /* DOC_STRING; DOC_OBJECT: its bytes in the document */
    size_t count;               /* items, numbers or members */
    const void *raw;            /* DOC_NUMBERS */
    struct doc_value *items;    /* DOC_ARRAY */
    struct doc_member *members; /* DOC_OBJECT, in file order */
};

struct doc_member {
    struct str key;
    struct doc_value value;
};

/* The tree lives in the arena and points into bytes. Which of the two it is is told by the bytes. ERR_INVALID with the
 * byte's number, or what the file is instead (a dump, the old binary format, a pickle) and how to convert it; ERR_NOSPACE
 * past the arena. Decimals are read so that their float is the nearest one to the text. */
int doc_read(struct doc_value **out, struct str bytes, struct arena *arena, struct error *e) MUST_CHECK;

/* Whether a document is UBJSON rather than JSON: both begin with a brace; in UBJSON a length's type follows it. */
bool doc_is_ubj(struct str bytes);

/* A member's value, or NULL (also when object is NULL or no object). */
const struct doc_value *doc_get(const struct doc_value *object, const char *key);
/* NULL when there is no such item or it is no DOC_ARRAY. */
const struct doc_value *doc_item(const struct doc_value *array, size_t index);
/* A number of an array of numbers: DOC_NUMBERS, or DOC_ARRAY of numbers and booleans. False when there is
 * none. */
bool doc_number_at(const struct doc_value *array, size_t index, double *out);
/* An array of either kind, NULL is none. */
bool doc_is_array(const struct doc_value *v);
/* All of an array at once: whole numbers from low to high; floats. False when one of them is none. */
bool doc_wholes(const struct doc_value *array, int32_t low, int32_t high, int32_t *out);
bool doc_floats(const struct doc_value *array, float *out);
/* A whole number from low to high, also when it stands in a string, as XGBoost writes parameters. */
bool doc_whole(const struct doc_value *v, int64_t low, int64_t high, int64_t *out);

#endif
