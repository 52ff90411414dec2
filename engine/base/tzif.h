/* One TZif file (RFC 8536; versions 1 to 4), read in place: parsing checks the whole file once, lookups then
 * search its big-endian tables where they are, so that the data base of all zones costs little more memory
 * than the files. Leap seconds are refused (the "right" files): Tact counts POSIX time. Pure; allocates
 * nothing; safe on hostile bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_TZIF_H
#define TACT_BASE_TZIF_H
#include "base/error.h"
#include "base/posixtz.h"

struct tzif {
    const uint8_t *times; /* count × width bytes, ascending: UTC seconds of each change */
    const uint8_t *kinds; /* count bytes: which type begins there */
    const uint8_t *types; /* 6 bytes each: u32 offset, is it dst, name */
    uint32_t count;
    uint8_t width;   /* 8, or 4 in version 1 */
    bool has_footer; /* after the last change, footer governs; else the last type stays */
    struct posixtz footer;
};

/* Whether the bytes begin as a TZif file does. */
bool tzif_is(struct str bytes);
/* The bytes must outlive *out. ERR_CORRUPT when they break the format, ERR_INVALID for leap seconds. */
int tzif_parse(struct str bytes, struct tzif *out, struct error *e) MUST_CHECK;
/* The span around t, UTC seconds. Before the first change type 0 holds (RFC 8536 section 3.2). */
struct tz_span tzif_span(const struct tzif *z, int64_t t);

#endif
