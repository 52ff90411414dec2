/* Names in a line; see name_list.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/name_list.h"
#include <stdio.h>

enum { NAME_MAX_BYTES = 64 };

void name_list_add(struct name_list *l, struct str name)
{
    l->count++;
    for (size_t i = 0; i < l->shown_count; i++)
        if (str_eq(l->shown[i], name))
            return;
    if (l->shown_count == NAME_LIST_SHOWN) {
        l->more++;
        return;
    }
    l->shown[l->shown_count++] = name;
    l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%s%.*s", l->n ? ", " : "",
                             name.n < NAME_MAX_BYTES ? (int)name.n : NAME_MAX_BYTES, name.p);
}

const char *name_list_text(struct name_list *l)
{
    if (l->more)
        snprintf(l->text + l->n, sizeof l->text - l->n, " and %zu more", l->more);
    return l->text;
}
