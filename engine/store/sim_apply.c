/* What the simulated store does with a request; see sim_apply.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/sim_apply.h"
#include "store/store_key.h"

/* A blob whose time is over goes when it is next looked at, and watchers are told. */
static struct str blob_there(struct sim *sim, const struct call *c, char key[STORE_KEY_MAX], struct str *blob_key)
{
    *blob_key = (struct str){key, store_key_state(key, SIM_PREFIX, c->customer)};
    if (sim_data_expire(&sim->data, *blob_key, sim->now_us))
        sim_changed(sim, NULL, c->customer);
    return sim_value_get(sim, *blob_key);
}

static void apply_read(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    struct str blob_key;
    c->reply_blob = sim_copy(blob_there(sim, c, key, &blob_key));
    sim_track(c->conn, c->customer);
    if (c->with_record) {
        size_t n = store_key_record(key, SIM_PREFIX, c->customer, &c->record_id);
        c->reply_record = sim_copy(sim_value_get(sim, (struct str){key, n}));
    }
}

static bool expected_there(struct str there, uint64_t expected)
{
    return expected ? store_version(there) == expected : there.n == 0;
}

static void remove_record(void *ctx, struct str key, struct str data)
{
    (void)data;
    sim_data_remove(ctx, key);
}

/* Sets aside what is there, or forgets everything else. */
static void make_room(struct sim *sim, const struct call *c, struct str there)
{
    char text[STORE_KEY_MAX];
    struct str aside = {text, store_key_aside(text, SIM_PREFIX, c->customer)};
    if (!c->forget) {
        sim_value_put(sim, aside, there, c->blob_ttl_ms);
        return;
    }
    sim_data_remove(&sim->data, aside);
    struct str records = {text, store_key_records(text, SIM_PREFIX, c->customer)};
    sim_data_each(&sim->data, records, sim->now_us, remove_record, &sim->data);
}

static void apply_commit(struct sim *sim, struct call *c)
{
    char blob_text[STORE_KEY_MAX], record_text[STORE_KEY_MAX];
    struct str blob_key, record_key = {NULL, 0}, there = blob_there(sim, c, blob_text, &blob_key);
    if (c->with_record) {
        record_key =
            (struct str){record_text, store_key_record(record_text, SIM_PREFIX, c->customer, &c->record_id)};
        const struct str *record = sim_data_find(&sim->data, record_key, sim->now_us);
        if (record) {
            c->reply.status = STORE_EXISTS;
            c->reply.error = "a record of this decision is there";
            c->reply_record = sim_copy(*record);
            return;
        }
    }
    bool versioned = c->blob.n || c->unchanged;
    if (c->aside.n ? !str_eq(there, c->aside) : versioned && !expected_there(there, c->expected)) {
        c->reply.status = STORE_CONFLICT;
        c->reply.error = "another version is there";
        c->reply_blob = sim_copy(there);
        sim_track(c->conn, c->customer);
        return;
    }
    if (c->aside.n || c->forget)
        make_room(sim, c, there);
    if (c->blob.n) {
        sim_value_put(sim, blob_key, c->blob, c->blob_ttl_ms);
        sim_changed(sim, c, c->customer);
        sim_track(c->conn, c->customer);
    }
    if (c->with_record)
        sim_value_put(sim, record_key, c->record, c->ttl_ms);
}

/* Room for one more at the end of a list. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 16;
    items = realloc(items, *room * size);
    ASSERT(items != NULL);
    return items;
}

static void add_item(struct call *c, enum store_item_kind kind, struct str name, struct str value)
{
    c->reply_items = grown(c->reply_items, c->reply_items_count, &c->reply_items_room, sizeof *c->reply_items);
    c->reply_items[c->reply_items_count++] = (struct store_item){kind, sim_copy(name), sim_copy(value)};
}

static void add_record(void *ctx, struct str key, struct str data)
{
    add_item(ctx, STORE_ITEM_RECORD, (struct str){key.p + key.n - (ID128_TEXT - 1), ID128_TEXT - 1}, data);
}

static void apply_held(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    struct str blob_key;
    c->reply_blob = sim_copy(blob_there(sim, c, key, &blob_key));
    struct str aside = sim_value_get(sim, (struct str){key, store_key_aside(key, SIM_PREFIX, c->customer)});
    if (aside.n)
        add_item(c, STORE_ITEM_ASIDE, STR("aside"), aside);
    struct str records = {key, store_key_records(key, SIM_PREFIX, c->customer)};
    sim_data_each(&sim->data, records, sim->now_us, add_record, c);
}

/* The key of a name: no other key holds a NUL here, so ids are told apart from all keys. */
static size_t name_prefix(char key[STORE_KEY_MAX])
{
    size_t n = store_key_names(key, SIM_PREFIX);
    key[n++] = 0;
    return n;
}

static void add_name(void *ctx, struct str key, struct str data)
{
    struct call *c = ctx;
    char text[STORE_KEY_MAX];
    size_t n = name_prefix(text), room = c->reply_names_room;
    c->reply_names = grown(c->reply_names, c->reply_names_count, &c->reply_names_room, sizeof *c->reply_names);
    c->reply_ids = grown(c->reply_ids, c->reply_names_count, &room, sizeof *c->reply_ids);
    c->reply_names[c->reply_names_count] = sim_copy((struct str){key.p + n, key.n - n});
    memcpy(&c->reply_ids[c->reply_names_count++], data.p, sizeof *c->reply_ids);
}

static void apply_dictionary(struct sim *sim, struct call *c)
{
    char key[STORE_KEY_MAX];
    sim_data_each(&sim->data, (struct str){key, name_prefix(key)}, sim->now_us, add_name, c);
}

static void apply_names(struct sim *sim, struct call *c)
{
    c->reply_ids = sim_take(c->names_count * sizeof *c->reply_ids);
    for (size_t i = 0; i < c->names_count; i++) {
        char key[STORE_KEY_MAX + STORE_NAME_MAX];
        size_t n = name_prefix(key);
        memcpy(key + n, c->names[i].p, c->names[i].n);
        struct str whole = {key, n + c->names[i].n}, there = sim_value_get(sim, whole);
        if (!there.n) {
            uint32_t id = ++sim->last_name;
            sim_value_put(sim, whole, (struct str){(const char *)&id, sizeof id}, 0);
            there = sim_value_get(sim, whole);
        }
        memcpy(&c->reply_ids[i], there.p, sizeof *c->reply_ids);
    }
}

static void apply_secret(struct sim *sim, struct call *c)
{
    (void)c;
    for (int i = 0; !sim->has_secret && i < STORE_SECRET_BYTES; i++)
        sim->secret[i] = (uint8_t)rng_u64(&sim->rng);
    sim->has_secret = true;
}

void sim_apply(struct sim *sim, struct call *c)
{
    static void (*const by_kind[])(struct sim *, struct call *) = {
        [KIND_READ] = apply_read,
        [KIND_COMMIT] = apply_commit,
        [KIND_NAMES] = apply_names,
        [KIND_SECRET] = apply_secret,
        [KIND_HELD] = apply_held,
        [KIND_DICTIONARY] = apply_dictionary,
    };
    c->reply = (struct store_reply){.status = STORE_OK};
    if (sim->refusal && !sim_only_reads(c)) {
        c->reply.status = STORE_REFUSED;
        c->reply.error = sim->refusal;
        return;
    }
    by_kind[c->kind](sim, c);
    c->reply.blob = c->reply_blob;
    c->reply.record = c->reply_record;
    if (c->kind == KIND_NAMES && c->reply.status == STORE_OK)
        c->reply.ids = c->reply_ids;
    if (c->kind == KIND_SECRET)
        c->reply.secret = sim->secret;
    c->reply.items = c->reply_items;
    c->reply.item_count = c->reply_items_count;
    c->reply.names = c->reply_names;
    c->reply.name_count = c->reply_names_count;
    if (c->kind == KIND_DICTIONARY)
        c->reply.ids = c->reply_ids;
    sim->stats.applied++;
}
