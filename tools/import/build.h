/* A customer's new blob from the events of an import and what is there, by the functions that a server applies events with.
 *
 * Events come in order of time and count as if they had arrived then; what is there already is newer or older, piece by piece:
 * attributes, consents and wishes keep the newer, aggregates do not care, contacts and touch points stand by time. Stages are
 * stepped through from the instant on at which nothing that is there is later. Ids of events that the customer's state has seen
 * are passed over. Who was forgotten begins anew with a consent that was given after it; what comes before that is refused. With no
 * blob before, the same events give the same blob, but for its version, whenever it is made.
 *
 * One thread a builder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_BUILD_H
#define TACT_TOOLS_IMPORT_BUILD_H
#include "tools/import/event.h"

struct import_ref {
    const uint8_t *event;
    int64_t time_ms;
};

/* A customer's events in order; failed[i]: it was refused when it was applied, and is left out. */
struct import_customer {
    struct str id;
    uint64_t hash;
    const struct import_ref *events;
    uint8_t *failed;
    size_t count;
};

struct import_builder {
    const struct policy *policy;
    uint64_t content; /* of the import */
    int64_t until_ms; /* how far its history goes: the blob is pruned as of then */
    struct arena arena, known, scratch;
    struct buf turned;
};

void import_builder_init(struct import_builder *b, const struct policy *policy, uint64_t content, int64_t until_ms);
void import_builder_free(struct import_builder *b);

enum import_built {
    IMPORT_BUILT,   /* out has the blob, expected the version that it goes in place of (0: none) */
    IMPORT_BEFORE,  /* this import is in the blob already */
    IMPORT_ELSEWHERE, /* the id leads to another customer's, in whose blob it is to be built: out has that id */
    IMPORT_REFUSED  /* all of the customer's events are: e says why; what is there stays */
};
/* Appends the blob to out. refused(ctx, event, why): once for an event that cannot be applied. */
enum import_built import_build(struct import_builder *b, struct import_customer *c, struct str blob, uint64_t version,
                               struct buf *out, uint64_t *expected,
                               void (*refused)(void *ctx, const uint8_t *event, const char *why), void *ctx, struct error *e);

#endif
