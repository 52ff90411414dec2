/* The keys of the data model (store.h), one place for every implementation and tool. `%` and `}` in a
 * customer's id are written %25 and %7D: the first would make the escape ambiguous, the second would end the
 * cluster's hash tag early.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_STORE_KEY_H
#define TACT_STORE_STORE_KEY_H
#include "store/store.h"

enum {
    STORE_PREFIX_MAX = 64,
    /* prefix + ":{" + an id of which every byte is escaped + "}:d:" + 32 digits + NUL */
    STORE_KEY_MAX = STORE_PREFIX_MAX + 2 + 3 * STORE_CUSTOMER_MAX + 4 + 32 + 1
};

/* Each returns the key's length; a NUL follows. The id is at most STORE_CUSTOMER_MAX, the prefix
 * STORE_PREFIX_MAX bytes. */
size_t store_key_state(char key[STORE_KEY_MAX], const char *prefix, struct str customer);
size_t store_key_aside(char key[STORE_KEY_MAX], const char *prefix, struct str customer);
size_t store_key_record(char key[STORE_KEY_MAX], const char *prefix, struct str customer,
                        const struct id128 *record_id);
/* What a customer's record keys begin with. */
size_t store_key_records(char key[STORE_KEY_MAX], const char *prefix, struct str customer);
size_t store_key_index(char key[STORE_KEY_MAX], const char *prefix, struct str customer);
/* The customer of a blob's key, in out; false: it is another kind of key, or of another prefix. */
bool store_key_customer(struct str key, const char *prefix, char out[STORE_CUSTOMER_MAX], size_t *n);
size_t store_key_names(char key[STORE_KEY_MAX], const char *prefix);
size_t store_key_secret(char key[STORE_KEY_MAX], const char *prefix);

/* The version in a blob, and as it stands there. 0 when the blob is shorter than STORE_BLOB_MIN. */
uint64_t store_version(struct str blob);
void store_version_bytes(uint64_t version, char bytes[STORE_VERSION_BYTES]);

/* NULL when the store may take these, else what is wrong. */
const char *store_customer_fault(struct str customer);
const char *store_commit_fault(const struct store_commit *c);
const char *store_names_fault(const struct str *names, size_t count);

#endif
