/* Arrays that grow to gigabytes without being copied: small ones are malloc's, from ARRAY_MAPPED bytes on they are
 * mappings of their own, which mremap lengthens by moving page tables. Pages not written yet take no memory, so an
 * array may be twice as long as what is in it. The size stands in front of the array (64 bytes), so that free needs
 * none. One thread an array.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_ARRAY_H
#define TACT_OFFLINE_FRAME_ARRAY_H
#include <stddef.h>

enum { ARRAY_MAPPED = 1 << 20 };

/* p (NULL: a new one) with room for bytes, its contents kept as far as they fit; aligned to 16. NULL without memory; p
 * then stays as it was. */
void *array_resize(void *p, size_t bytes);
void array_free(void *p); /* NULL is allowed */

#endif
