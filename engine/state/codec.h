/* The codec of a customer's blob; its layout stands in state.h and codec.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_CODEC_H
#define TACT_STATE_CODEC_H
#include "state/state.h"

/* Kinds of entries and their tags (see state.h). */
enum entry_kind { ENTRY_ATTRIBUTE, ENTRY_AGGREGATE, ENTRY_CONTACTS, ENTRY_CONSENTS, ENTRY_SEEN };
enum { ENTRY_KIND_BITS = 3 };
static inline uint64_t state_tag(enum entry_kind kind, uint64_t id)
{
    return id << ENTRY_KIND_BITS | kind;
}
static inline uint64_t tag_kind(uint64_t tag)
{
    return tag & ((1 << ENTRY_KIND_BITS) - 1);
}
static inline uint64_t tag_id(uint64_t tag)
{
    return tag >> ENTRY_KIND_BITS;
}

/* blob empty: a customer never seen. The state points into blob's bytes, which must outlive it. ERR_CORRUPT names what is
 * wrong and at which byte; a format above ours is ERR_INVALID. ERR_NOSPACE when the arena is full. */
int state_decode(struct state *s, const struct schema *schema, struct str blob, struct arena *arena,
                 struct error *e) MUST_CHECK;
/* Appends the blob with this version. Deterministic: equal states give equal bytes. */
int state_encode(const struct state *s, uint64_t version, struct buf *out, struct error *e) MUST_CHECK;
/* The version in a blob's head; 0 when it is too short. */
uint64_t state_version(struct str blob);
/* A version for a write: never 0. */
uint64_t state_version_make(int64_t wall_ms, uint64_t random);

#endif
