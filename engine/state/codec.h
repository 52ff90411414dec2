/* The codec of a customer's blob; its head stands in state.h. Payloads (v: varint, s: zigzag varint):
 *
 *   attributes  for each, by id: v id − the one before | s time set − that of the one before | value (codec_value.h)
 *   consents    for each: v channel × 2 + granted | v purpose | s time | v source length | source
 *   contacts    for each: 16 bytes decision | v action, channel, purpose, group, issue | s time | v expires − time + 1, or 0 |
 *               v outcomes | s value
 *   seen        the newest first: s minute of arrival | 8 bytes hash | then: v minutes before that (at most 127) | 8 bytes
 *   coverage    coverage.h
 *   reactions   reactions.h
 *   preferences preferences.h
 *   journey, touches   journey.h
 *   lost        s time
 *   imports     imports.h
 *   forgotten   s time; the blob is a tombstone. Where a server that knows no tombstones wrote more beside it, that is dropped
 *   redirect, identities   identity.h
 *   since       of aggregate id: s time
 *   aggregates  each kind has its own number: 16 + enum aggregate_kind; payload in the kind's file
 *   orphan      of aggregate id: byte kind | v day (since 1970) on which it was orphaned | payload
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_CODEC_H
#define TACT_STATE_CODEC_H
#include "state/state.h"

enum entry_kind {
    ENTRY_ATTRIBUTES = 0,
    ENTRY_CONSENTS = 1,
    ENTRY_CONTACTS = 2,
    ENTRY_SEEN = 3,
    ENTRY_COVERAGE = 4,
    ENTRY_SINCE = 5,
    ENTRY_REACTIONS = 6,
    ENTRY_PREFERENCES = 7,
    ENTRY_JOURNEY = 8,
    ENTRY_TOUCHES = 9,
    ENTRY_LOST = 10,
    ENTRY_IMPORTS = 11,
    ENTRY_FORGOTTEN = 12,
    ENTRY_REDIRECT = 13,
    ENTRY_IDENTITIES = 14,
    ENTRY_AGGREGATES = 16,
    ENTRY_AGGREGATES_END = ENTRY_AGGREGATES + (int)AGGREGATE_KINDS,
    ENTRY_ORPHAN = 31
};
enum { ENTRY_KIND_BITS = 5, STATE_HEAD = 13 };
static inline uint64_t state_tag(unsigned kind, uint64_t id)
{
    return id << ENTRY_KIND_BITS | kind;
}
static inline unsigned tag_kind(uint64_t tag)
{
    return tag & ((1 << ENTRY_KIND_BITS) - 1);
}
static inline uint64_t tag_id(uint64_t tag)
{
    return tag >> ENTRY_KIND_BITS;
}
static inline bool tag_is_aggregate(uint64_t tag)
{
    return tag_kind(tag) >= ENTRY_AGGREGATES && tag_kind(tag) < ENTRY_AGGREGATES_END;
}
/* Entries stand in rising order of this. */
static inline uint64_t tag_order(uint64_t tag)
{
    return (uint64_t)tag_kind(tag) << (64 - ENTRY_KIND_BITS) | tag_id(tag);
}

/* blob empty: a customer never seen. The state points into blob's bytes, which must outlive it. ERR_CORRUPT says what is
 * wrong; a format above ours is ERR_UNAVAILABLE: a newer server reads it. ERR_NOSPACE when the arena is full. */
int state_decode(struct state *s, const struct schema *schema, struct str blob, struct arena *arena,
                 struct error *e) MUST_CHECK;
/* Appends the blob with this version. Deterministic: equal states give equal bytes. ERR_NOSPACE past STATE_BLOB_MAX. */
int state_encode(const struct state *s, uint64_t version, struct buf *out, struct error *e) MUST_CHECK;
/* The version in a blob's head; 0 when it is too short. */
uint64_t state_version(struct str blob);
/* When a version was made, by its writer's clock. */
int64_t state_version_ms(uint64_t version);
/* A version for a write: never 0. */
uint64_t state_version_make(int64_t wall_ms, uint64_t random);
/* What stands in a blob's head for these entries. */
uint32_t state_checksum(uint8_t format, uint64_t version, struct str entries);

/* ---- of the codec's own files ---- */

/* A state with nothing in it. */
int state_empty(struct state *s, const struct schema *schema, struct arena *arena) MUST_CHECK;
/* Keeps an entry that this policy has no name for; they come in order. */
int state_keep(struct state *s, uint64_t tag, struct str payload) MUST_CHECK;
/* The same for an attribute. */
int state_keep_attribute(struct state *s, const struct kept_attribute *k) MUST_CHECK;

#endif
