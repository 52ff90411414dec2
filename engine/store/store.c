/* What all implementations of the store share: keys, versions, limits; see store.h and store_key.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/store_key.h"

const char *store_status_name(enum store_status s)
{
    switch (s) {
    case STORE_OK:
        return "OK";
    case STORE_CONFLICT:
        return "CONFLICT";
    case STORE_EXISTS:
        return "EXISTS";
    case STORE_UNAVAILABLE:
        return "UNAVAILABLE";
    case STORE_UNCERTAIN:
        return "UNCERTAIN";
    case STORE_REFUSED:
        return "REFUSED";
    }
    return "?";
}

static bool is_household(struct str customer)
{
    return customer.n && customer.p[0] == STORE_HOUSEHOLD;
}

static size_t key_head(char *key, const char *prefix, struct str customer)
{
    if (is_household(customer))
        customer = (struct str){customer.p + 1, customer.n - 1};
    size_t n = strlen(prefix);
    ASSERT(n <= STORE_PREFIX_MAX && customer.n <= STORE_CUSTOMER_MAX);
    memcpy(key, prefix, n);
    key[n++] = ':';
    key[n++] = '{';
    for (size_t i = 0; i < customer.n; i++) {
        char c = customer.p[i];
        if (c == '%' || c == '}') {
            memcpy(key + n, c == '%' ? "%25" : "%7D", 3);
            n += 3;
        } else {
            key[n++] = c;
        }
    }
    return n;
}

static size_t key_tail(char *key, size_t n, const char *tail)
{
    size_t tail_n = strlen(tail);
    memcpy(key + n, tail, tail_n + 1);
    return n + tail_n;
}

size_t store_key_state(char key[STORE_KEY_MAX], const char *prefix, struct str customer)
{
    return key_tail(key, key_head(key, prefix, customer), is_household(customer) ? "}:h" : "}:s");
}

size_t store_key_aside(char key[STORE_KEY_MAX], const char *prefix, struct str customer)
{
    return key_tail(key, key_head(key, prefix, customer), is_household(customer) ? "}:hx" : "}:x");
}

size_t store_key_record(char key[STORE_KEY_MAX], const char *prefix, struct str customer,
                        const struct id128 *record_id)
{
    char hex[ID128_TEXT];
    id128_text(*record_id, hex);
    return key_tail(key, store_key_records(key, prefix, customer), hex);
}

size_t store_key_records(char key[STORE_KEY_MAX], const char *prefix, struct str customer)
{
    return key_tail(key, key_head(key, prefix, customer), "}:d:");
}

size_t store_key_index(char key[STORE_KEY_MAX], const char *prefix, struct str customer)
{
    return key_tail(key, key_head(key, prefix, customer), "}:r");
}

size_t store_key_names(char key[STORE_KEY_MAX], const char *prefix)
{
    return key_tail(key, key_tail(key, 0, prefix), ":names");
}

size_t store_key_secret(char key[STORE_KEY_MAX], const char *prefix)
{
    return key_tail(key, key_tail(key, 0, prefix), ":secret");
}

static bool key_ends(struct str key, const char *tail)
{
    size_t n = strlen(tail);
    return key.n >= n && memcmp(key.p + key.n - n, tail, n) == 0;
}

bool store_key_customer(struct str key, const char *prefix, char out[STORE_CUSTOMER_MAX], size_t *n)
{
    size_t at = strlen(prefix) + 2;
    bool household = key_ends(key, "}:h");
    if (key.n <= at + 3 || memcmp(key.p, prefix, at - 2) != 0 || memcmp(key.p + at - 2, ":{", 2) != 0 ||
        !(household || key_ends(key, "}:s")))
        return false;
    *n = 0;
    if (household)
        out[(*n)++] = STORE_HOUSEHOLD;
    for (size_t end = key.n - 3; at < end; at++) {
        struct str rest = {key.p + at, end - at};
        bool percent = str_starts(rest, STR("%25")), brace = str_starts(rest, STR("%7D"));
        if (*n == STORE_CUSTOMER_MAX || key.p[at] == '}' || (key.p[at] == '%' && !percent && !brace))
            return false;
        out[(*n)++] = percent ? '%' : brace ? '}' : key.p[at];
        at += percent || brace ? 2 : 0;
    }
    return *n > (household ? 1 : 0);
}

uint64_t store_version(struct str blob)
{
    uint64_t v = 0;
    if (blob.n < STORE_BLOB_MIN)
        return 0;
    for (int i = STORE_VERSION_BYTES - 1; i >= 0; i--)
        v = v << 8 | (uint8_t)blob.p[STORE_VERSION_AT + i];
    return v;
}

void store_version_bytes(uint64_t version, char bytes[STORE_VERSION_BYTES])
{
    for (int i = 0; i < STORE_VERSION_BYTES; i++)
        bytes[i] = (char)(uint8_t)(version >> (8 * i));
}

const char *store_customer_fault(struct str customer)
{
    if (customer.n == (is_household(customer) ? 1 : 0))
        return "the customer's id is empty";
    return customer.n > STORE_CUSTOMER_MAX ? "the customer's id is longer than 1024 bytes" : NULL;
}

const char *store_commit_fault(const struct store_commit *c)
{
    /* A blob without a version is our own mistake, never a caller's input. */
    ASSERT(c->blob.n == 0 || store_version(c->blob) != 0);
    ASSERT(!c->record_id || c->record_ttl_ms > 0);
    ASSERT(c->blob.n || (c->record_id && !c->aside.n && !c->forget));
    ASSERT(!c->forget || !c->record_id);
    ASSERT(c->blob_ttl_ms >= 0);
    return store_customer_fault(c->customer);
}

const char *store_names_fault(const struct str *names, size_t count)
{
    if (count > STORE_NAMES_MAX)
        return "more than 65536 names in one call";
    for (size_t i = 0; i < count; i++)
        if (names[i].n > STORE_NAME_MAX)
            return "a name is longer than 1024 bytes";
    return NULL;
}
