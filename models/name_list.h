/* How many things there are, and the names of the first few of them, each once: for a finding of one line.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_NAME_LIST_H
#define TACT_MODELS_NAME_LIST_H
#include "base/str.h"

enum { NAME_LIST_SHOWN = 8 };

/* Zeroed memory is an empty list. */
struct name_list {
    char text[NAME_LIST_SHOWN * 80 + 40];
    size_t n, count; /* of text; of what was added */
    struct str shown[NAME_LIST_SHOWN];
    size_t shown_count, more;
};

/* The name outlives the list. */
void name_list_add(struct name_list *l, struct str name);
/* "a, b, c and 3 more". */
const char *name_list_text(struct name_list *l);

#endif
