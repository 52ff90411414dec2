/* Replay: makes every logged decision again from what its record holds (request, prior state, time, seed, ids
 * of policy, model and world) and compares the Decision's bytes.
 *
 *   log folder --pass 1--> the dictionary (all NamesRecords)
 *              --pass 2--> each DecisionRecord: setup by (policy, model, world), state_decode, signals,
 * decide, encode, compare
 *
 * Policies, bundles and worlds come from the archive beside the log (log/archive.h): policy/<id>/,
 * model/<id>/, world/<id>/zones.bin (the bytes of tzdb_bytes); what is loaded must have the very id that was
 * recorded. Decisions of another engine version are skipped: only the same one promises the same bytes. One
 * thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_REPLAY_H
#define TACT_OFFLINE_REPLAY_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum { REPLAY_SETUPS_MAX = 16 /* kept in memory at once; the one used longest ago goes */ };

enum replay_trouble {
    REPLAY_DIFFERS, /* the bytes are not those that were recorded */
    REPLAY_FAILS, /* it cannot be replayed: something is missing from the archive or wrong with the record */
    REPLAY_DAMAGE /* the log cannot be read here; the rest of that segment is passed over */
};

/* All texts live as long as the call. */
struct replay_finding {
    enum replay_trouble trouble;
    const char *decision; /* id, or "" */
    struct str customer;  /* or empty */
    const char *file;     /* "" for REPLAY_DAMAGE, whose text names it */
    uint64_t offset;      /* of the block in the file */
    const char *field;    /* REPLAY_DIFFERS: the first that differs, "" when only the encoding does */
    const char *recorded, *replayed;
    const char *text; /* one sentence */
};

struct replay_options {
    const char *log; /* folder */
    /* What is missing is told once for each policy, model and world together, not once a decision. */
    void (*finding)(void *user, const struct replay_finding *f);
    void (*progress)(void *user, uint64_t done, uint64_t total); /* bytes of both passes; may be NULL */
    void *user;
};

struct replay_counts {
    uint64_t decisions, identical, differing, skipped, failed; /* the last four add up to the first */
    uint64_t damaged; /* segments with damage, and records that are none */
};

/* 0 when the log was read, whatever was found; else ERR_NOTFOUND (no such folder), ERR_IO, ERR_CONFLICT (two
 * dictionaries in one log), ERR_NOSPACE. */
int replay_verify(const struct replay_options *o, struct replay_counts *out, struct error *e) MUST_CHECK;

#endif
