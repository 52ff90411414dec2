/* Workload R1, the one that all performance figures name (DESIGN section 12): a policy of 100 actions, a model of
 * 200 trees of depth 6 over 64 features, customers with a history, and decisions to ask for. Written as files, so that
 * the server, benchmarks and other programs read the very same thing:
 *
 *   policy/           100 actions with 3 rules each, 12 suppressions, 8 contact limits, 4 channels (r1_policy.h)
 *   bundle/           the model as XGBoost writes one (r1_model.h)
 *   customers.jsonl   a line a call: {"upsert": tact.v1.UpsertRequest}, {"decide": tact.v1.DecideRequest} that
 *                     books contacts, {"signal": tact.v1.SignalRequest}; those of one customer stand together
 *   requests.jsonl    a line a tact.v1.DecideRequest
 *
 * The week is that of Monday 2025-01-13: customers are written as of its Monday, 08:00 in Tehran, and requests ask
 * as of 09:00 to 20:00 on its days, so a server needs --allow-as-of. Variant `full`: every action passes every rule and
 * reaches the scorer; `filtered`: about 30 of 100 do. One policy serves both: each rule is a condition on the customer,
 * or context.open_to_all, which only the requests of `full` carry. One customer in twenty has trouble that a suppression
 * is for, and was written to so lately that limits are full; `full` asks for none of them. Contacts are what the policy
 * chose: a server with a model books others than one without, as many or nearly so.
 *
 * Policy and bundle are always the same bytes. Customers and requests depend on the seed and the numbers alone; one
 * customer does not depend on how many others there are. Integers and + − × ÷ of doubles decide every byte, so they are
 * the same on every machine. Without libxgboost.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_R1_H
#define TACT_OFFLINE_R1_H
#include "base/error.h"
#include <stdint.h>

enum { R1_CUSTOMERS = 100000, R1_CUSTOMERS_MAX = 9999999, R1_REQUESTS = 100000, R1_REQUESTS_MAX = 100000000 };

struct r1_options {
    const char *out; /* folder; made if it is not there (its parent is) */
    uint32_t customers, requests;
    uint64_t seed;
    bool filtered;      /* else full */
    bool uniform;       /* customers are drawn alike; else Zipf with exponent 0.99 */
    bool requests_only; /* write requests.jsonl alone */
    void (*progress)(void *user, uint64_t done, uint64_t total); /* may be NULL */
    void *user;
};

/* Files that are there are replaced. ERR_IO says which could not be written. */
int r1_write(const struct r1_options *o, struct error *e) MUST_CHECK;

#endif
