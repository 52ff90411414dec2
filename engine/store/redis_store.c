/* The store on Redis; see redis_store.h.
 *
 * A call is one allocation: the link's command, whom to tell, and the request's bytes, so that a resend after
 * NOSCRIPT needs nothing else. on_call turns what the link says into a store_reply and, as the last thing it
 * does, calls back: the callback may free the store.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_store.h"
#include "store/redis_facts.h"
#include "store/redis_script.h"
#include "store/redis_track.h"
#include "store/resp.h"
#include "store/store_key.h"
#include "base/logging.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SHA_TEXT = 41, SCRIPT_ATTEMPTS = 3, TTL_TEXT = 24 };

enum script { SCRIPT_COMMIT, SCRIPT_NAMES, SCRIPT_SECRET, SCRIPT_READ, SCRIPT_ASIDE, SCRIPT_FORGET, SCRIPT_HELD, SCRIPTS };
static const char *const script_text[SCRIPTS] = {REDIS_SCRIPT_COMMIT, REDIS_SCRIPT_NAMES, REDIS_SCRIPT_SECRET,
                                                 REDIS_SCRIPT_READ, REDIS_SCRIPT_ASIDE, REDIS_SCRIPT_FORGET,
                                                 REDIS_SCRIPT_HELD};

enum kind { KIND_READ, KIND_COMMIT, KIND_CREATE, KIND_NAMES, KIND_SECRET, KIND_HELD, KIND_DICTIONARY };

/* What the greeting asks, in order, before the scripts. */
enum question { ASK_POLICY, ASK_FSYNC, ASK_SAVE, ASK_INFO, QUESTIONS };

struct redis_store {
    struct store base;
    struct redis_link *link;
    char prefix[STORE_PREFIX_MAX + 1];
    void (*status)(void *user, bool ready, const char *text);
    void *user;
    bool quiet, introduced;
    char sha[SCRIPTS][SHA_TEXT];
    bool loading[SCRIPTS]; /* SCRIPT LOAD is under way: what is sent now comes after it */
    struct redis_facts facts;
    int open_questions; /* of the greeting */
    struct redis_url url;
    uv_loop_t *loop;
    struct redis_track *track; /* NULL: nobody asked for it */
};

struct call {
    struct link_command command;
    struct redis_store *s;
    store_cb cb;
    void *user;
    enum kind kind;
    enum script script;
    enum question question;
    int attempts;
    bool refused;
    size_t names;
    char bytes[];
};

static struct call *call_new(struct redis_store *s, const struct str *args, size_t count)
{
    size_t size = resp_size(args, count);
    struct call *c = malloc(sizeof *c + size + 1);
    ASSERT(c != NULL);
    *c = (struct call){.command = {.deadline_us = INT64_MAX, .bytes = c->bytes, .size = size}, .s = s};
    resp_write(c->bytes, args, count);
    return c;
}

/* ---- replies ---- */

static struct str reply_str(const redisReply *r)
{
    return r && r->type == REDIS_REPLY_STRING ? (struct str){r->str, (size_t)r->len} : (struct str){NULL, 0};
}

static bool is_text(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_NIL;
}

static bool starts_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && (text[n] == ' ' || text[n] == 0);
}

/* Errors that say "not now" rather than "no"; Redis has run nothing of the command then. */
static bool not_now(const char *text)
{
    static const char *const words[] = {"LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "CLUSTERDOWN"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (starts_word(text, words[i]))
            return true;
    return false;
}

static void answer(struct call *c, const struct store_reply *reply)
{
    c->cb(c->user, reply);
}

static void answer_error(struct call *c, enum store_status status, const char *text)
{
    answer(c, &(struct store_reply){.status = status, .error = text});
}

/* GET alone, or the script's pair. */
static void answer_read(struct call *c, const redisReply *r)
{
    bool pair = r->type == REDIS_REPLY_ARRAY && r->elements == 2;
    if (pair ? !is_text(r->element[0]) || !is_text(r->element[1]) : !is_text(r)) {
        answer_error(c, STORE_UNAVAILABLE, "Redis answered a read with something else than texts");
        return;
    }
    struct store_reply reply = {.status = STORE_OK, .blob = reply_str(pair ? r->element[0] : r)};
    if (pair)
        reply.record = reply_str(r->element[1]);
    answer(c, &reply);
}

static void answer_commit(struct call *c, const redisReply *r)
{
    bool good =
        r->type == REDIS_REPLY_ARRAY && r->elements >= 1 && r->element[0]->type == REDIS_REPLY_INTEGER;
    long long result = good ? r->element[0]->integer : -1;
    struct str text = good && r->elements == 2 ? reply_str(r->element[1]) : (struct str){NULL, 0};
    if (result == 0)
        answer(c, &(struct store_reply){.status = STORE_OK});
    else if (result == 1)
        answer(c, &(struct store_reply){
                      .status = STORE_CONFLICT, .blob = text, .error = "another version is there"});
    else if (result == 2)
        answer(c, &(struct store_reply){
                      .status = STORE_EXISTS, .record = text, .error = "a record of this decision is there"});
    else
        answer_error(c, STORE_UNCERTAIN, "Redis answered the commit script with something unknown");
}

/* SET NX GET: what was there, so that nothing was written. */
static void answer_create(struct call *c, const redisReply *r)
{
    if (r->type == REDIS_REPLY_NIL)
        answer(c, &(struct store_reply){.status = STORE_OK});
    else if (r->type == REDIS_REPLY_STRING)
        answer(c, &(struct store_reply){
                      .status = STORE_CONFLICT, .blob = reply_str(r), .error = "another version is there"});
    else
        answer_error(c, STORE_UNCERTAIN, "Redis answered SET NX GET with something unknown");
}

static void answer_names(struct call *c, const redisReply *r)
{
    uint32_t *ids = malloc((c->names ? c->names : 1) * sizeof *ids);
    ASSERT(ids != NULL);
    bool good = r->type == REDIS_REPLY_ARRAY && r->elements == c->names;
    for (size_t i = 0; good && i < c->names; i++) {
        const redisReply *id = r->element[i];
        good = id->type == REDIS_REPLY_INTEGER && id->integer > 0 && id->integer <= UINT32_MAX;
        ids[i] = good ? (uint32_t)id->integer : 0;
    }
    if (good)
        answer(c, &(struct store_reply){.status = STORE_OK, .ids = ids});
    else
        answer_error(c, STORE_REFUSED, "the dictionary of names in Redis holds something else than ids");
    free(ids);
}

static void answer_secret(struct call *c, const redisReply *r)
{
    struct str secret = reply_str(r);
    if (secret.n == STORE_SECRET_BYTES)
        answer(c, &(struct store_reply){.status = STORE_OK, .secret = (const uint8_t *)secret.p});
    else
        answer_error(c, STORE_REFUSED, "the secret in Redis does not have 32 bytes");
}

/* Pairs of name and value as items of a kind; false: they are none. */
static bool put_items(const redisReply *pairs, enum store_item_kind kind, struct store_item *items, size_t *n)
{
    if (pairs->type != REDIS_REPLY_ARRAY || pairs->elements % 2)
        return false;
    for (size_t i = 0; i < pairs->elements; i += 2)
        items[(*n)++] = (struct store_item){kind, reply_str(pairs->element[i]), reply_str(pairs->element[i + 1])};
    return true;
}

static void answer_held(struct call *c, const redisReply *r)
{
    bool good = r->type == REDIS_REPLY_ARRAY && r->elements == 3 && is_text(r->element[0]);
    size_t n = 0, most = good ? r->element[1]->elements / 2 + r->element[2]->elements / 2 : 0;
    struct store_item *items = malloc((most + 1) * sizeof *items);
    ASSERT(items != NULL);
    good = good && put_items(r->element[2], STORE_ITEM_RECORD, items, &n) &&
           put_items(r->element[1], STORE_ITEM_ASIDE, items, &n);
    if (good)
        answer(c, &(struct store_reply){
                      .status = STORE_OK, .blob = reply_str(r->element[0]), .items = items, .item_count = n});
    else
        answer_error(c, STORE_UNAVAILABLE, "Redis answered a read with something else than texts");
    free(items);
}

/* HGETALL: names and their ids as text. */
static void answer_dictionary(struct call *c, const redisReply *r)
{
    size_t count = r->type == REDIS_REPLY_ARRAY ? r->elements / 2 : 0;
    struct str *names = malloc((count + 1) * sizeof *names);
    uint32_t *ids = malloc((count + 1) * sizeof *ids);
    ASSERT(names && ids);
    bool good = r->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; good && i < count; i++) {
        struct str id = reply_str(r->element[2 * i + 1]);
        unsigned long long number = id.n ? strtoull(id.p, NULL, 10) : 0; /* hiredis ends texts with a NUL */
        names[i] = reply_str(r->element[2 * i]);
        good = number > 0 && number <= UINT32_MAX;
        ids[i] = good ? (uint32_t)number : 0;
    }
    if (good)
        answer(c, &(struct store_reply){.status = STORE_OK, .names = names, .ids = ids, .name_count = count});
    else
        answer_error(c, STORE_UNAVAILABLE, "the dictionary of names in Redis holds something else than ids");
    free(names);
    free(ids);
}

static bool only_reads(const struct call *c)
{
    return c->kind == KIND_READ || c->kind == KIND_HELD || c->kind == KIND_DICTIONARY;
}

static void load_script(struct redis_store *s, enum script script, bool greeting);

static void on_error_reply(struct call *c, const char *text)
{
    if (starts_word(text, "WRONGTYPE") && c->kind == KIND_READ) {
        answer(c, &(struct store_reply){.status = STORE_OK, .blob = STR(STORE_FOREIGN)});
        return;
    }
    if (starts_word(text, "WRONGTYPE") && c->kind == KIND_CREATE) {
        answer(c, &(struct store_reply){
                      .status = STORE_CONFLICT, .blob = STR(STORE_FOREIGN), .error = "another version is there"});
        return;
    }
    if (starts_word(text, "NOSCRIPT") && ++c->attempts < SCRIPT_ATTEMPTS) {
        load_script(c->s, c->script, false);
        c->command.again = true;
        return;
    }
    bool later = not_now(text) || starts_word(text, "NOSCRIPT") || only_reads(c);
    answer_error(c, later ? STORE_UNAVAILABLE : STORE_REFUSED, text);
}

static void on_call(struct link_command *command, const struct link_result *r)
{
    struct call *c = (struct call *)command;
    if (r->outcome == LINK_NOT_SENT) {
        answer_error(c, c->refused ? STORE_REFUSED : STORE_UNAVAILABLE, r->why);
    } else if (r->outcome == LINK_NO_REPLY) {
        answer_error(c, only_reads(c) ? STORE_UNAVAILABLE : STORE_UNCERTAIN, r->why);
    } else if (r->reply->type == REDIS_REPLY_ERROR) {
        on_error_reply(c, r->reply->str);
    } else {
        static void (*const by_kind[])(struct call *, const redisReply *) = {
            [KIND_READ] = answer_read,
            [KIND_COMMIT] = answer_commit,
            [KIND_CREATE] = answer_create,
            [KIND_NAMES] = answer_names,
            [KIND_SECRET] = answer_secret,
            [KIND_HELD] = answer_held,
            [KIND_DICTIONARY] = answer_dictionary,
        };
        by_kind[c->kind](c, r->reply);
    }
}

/* ---- the greeting ---- */

static void send_greeting(struct redis_store *s, const struct str *args, size_t count,
                          void (*cb)(struct link_command *, const struct link_result *), int which,
                          bool greeting)
{
    struct call *c = call_new(s, args, count);
    c->command.cb = cb;
    c->command.greeting = greeting;
    c->script = (enum script)which;
    c->question = (enum question)which;
    redis_link_send(s->link, &c->command);
}

static void introduce(struct redis_store *s)
{
    if (s->introduced || s->quiet)
        return;
    const char *warning = redis_facts_warning(&s->facts);
    s->introduced = true;
    logging(LEVEL_INFO, "store found", "place=\"%s\" version=%s keeps=\"%s\"", redis_link_place(s->link),
            s->facts.version[0] ? s->facts.version : "unknown", redis_facts_loss(&s->facts));
    if (warning)
        logging(LEVEL_WARN, "store", "place=\"%s\" warning=\"%s\"", redis_link_place(s->link), warning);
}

/* One of the greeting's questions is answered; after the last, the verdict. */
static void answered(struct redis_store *s)
{
    char text[256];
    if (--s->open_questions > 0)
        return;
    const char *refusal = redis_facts_refusal(&s->facts, text, sizeof text);
    if (refusal) {
        redis_link_refuse(s->link, refusal, s->facts.loading);
        return;
    }
    introduce(s);
    redis_link_accept(s->link);
}

/* SCRIPT LOAD answered: in the greeting, or later after a NOSCRIPT. */
static void on_script(struct link_command *command, const struct link_result *r)
{
    struct call *c = (struct call *)command;
    struct redis_store *s = c->s;
    s->loading[c->script] = false;
    if (r->outcome != LINK_REPLY)
        return;
    struct str sha = reply_str(r->reply);
    if (sha.n == SHA_TEXT - 1) {
        memcpy(s->sha[c->script], sha.p, SHA_TEXT - 1);
        if (command->greeting)
            answered(s);
    } else if (command->greeting) {
        const char *why = r->reply->type == REDIS_REPLY_ERROR ? r->reply->str : "SCRIPT LOAD failed";
        redis_link_refuse(s->link, why, not_now(why));
    }
}

static void load_script(struct redis_store *s, enum script script, bool greeting)
{
    struct str args[3] = {STR("SCRIPT"), STR("LOAD"), str_from(script_text[script])};
    if (s->loading[script] && !greeting)
        return;
    s->loading[script] = true;
    send_greeting(s, args, 3, on_script, (int)script, greeting);
}

static void on_question(struct link_command *command, const struct link_result *r)
{
    struct call *c = (struct call *)command;
    struct redis_store *s = c->s;
    if (r->outcome != LINK_REPLY)
        return;
    const redisReply *reply = r->reply;
    if (reply->type == REDIS_REPLY_ERROR && (not_now(reply->str) || starts_word(reply->str, "NOAUTH"))) {
        redis_link_refuse(s->link, reply->str, not_now(reply->str));
        return;
    }
    if (c->question == ASK_INFO && reply->type == REDIS_REPLY_STRING)
        redis_facts_info(&s->facts, reply_str(reply));
    else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        redis_facts_config(&s->facts, reply_str(reply->element[0]), reply_str(reply->element[1]));
    else
        s->facts.config_forbidden = true;
    answered(s);
}

static void greet(void *user)
{
    static const char *const parameter[ASK_INFO] = {
        [ASK_POLICY] = "maxmemory-policy", [ASK_FSYNC] = "appendfsync", [ASK_SAVE] = "save"};
    struct redis_store *s = user;
    s->facts = (struct redis_facts){.version = ""};
    s->open_questions = (int)QUESTIONS + (int)SCRIPTS;
    for (int q = 0; q < ASK_INFO; q++) {
        struct str args[3] = {STR("CONFIG"), STR("GET"), str_from(parameter[q])};
        send_greeting(s, args, 3, on_question, q, true);
    }
    struct str info[1] = {STR("INFO")};
    send_greeting(s, info, 1, on_question, ASK_INFO, true);
    for (int script = 0; script < SCRIPTS; script++)
        load_script(s, (enum script)script, true);
}

static void on_status(void *user, bool ready, const char *text)
{
    struct redis_store *s = user;
    if (!s->quiet)
        logging(ready ? LEVEL_INFO : LEVEL_WARN, ready ? "store ready" : "store not ready", "reason=\"%s\"",
                text);
    if (s->track)
        redis_track_link(s->track, ready);
    if (s->status)
        s->status(s->user, ready, text);
}

/* ---- the store's calls ---- */

static struct str key_str(const char *key, size_t n)
{
    return (struct str){key, n};
}

/* fault: why the call is refused without asking Redis, or NULL. */
static void start(struct call *c, enum kind kind, int64_t deadline_us, store_cb cb, void *user,
                  const char *fault)
{
    c->kind = kind;
    c->cb = cb;
    c->user = user;
    c->command.cb = on_call;
    c->command.deadline_us = deadline_us;
    c->refused = fault != NULL;
    if (fault)
        redis_link_fail(c->s->link, &c->command, fault);
    else
        redis_link_send(c->s->link, &c->command);
}

static void store_redis_read(struct store *store, struct str customer, const struct id128 *record_id,
                             int64_t deadline_us, store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    const char *fault = store_customer_fault(customer);
    char blob_key[STORE_KEY_MAX], record_key[STORE_KEY_MAX];
    struct str args[5] = {STR("GET")};
    size_t count = 1;
    if (record_id) {
        args[0] = STR("EVALSHA");
        args[count++] = (struct str){s->sha[SCRIPT_READ], SHA_TEXT - 1};
        args[count++] = STR("2");
    }
    if (!fault) {
        args[count++] = key_str(blob_key, store_key_state(blob_key, s->prefix, customer));
        if (record_id)
            args[count++] = key_str(record_key, store_key_record(record_key, s->prefix, customer, record_id));
    }
    struct call *c = call_new(s, args, count);
    c->script = SCRIPT_READ;
    start(c, KIND_READ, deadline_us, cb, user, fault);
}

/* The customer's keys of one call. */
struct keys {
    char blob[STORE_KEY_MAX], aside[STORE_KEY_MAX], record[STORE_KEY_MAX], index[STORE_KEY_MAX], records[STORE_KEY_MAX];
};

static struct str number_text(int64_t n, char text[TTL_TEXT])
{
    snprintf(text, TTL_TEXT, "%lld", (long long)n);
    return str_from(text);
}

static void store_redis_forget(struct redis_store *s, const struct store_commit *commit, int64_t deadline_us, store_cb cb,
                               void *user, const char *fault)
{
    struct keys k;
    char version[STORE_VERSION_BYTES], ttl[TTL_TEXT];
    struct str args[11] = {STR("EVALSHA"), {s->sha[SCRIPT_FORGET], SHA_TEXT - 1}, STR("3")};
    size_t count = 3;
    if (!fault) {
        store_version_bytes(commit->expected, version);
        args[count++] = key_str(k.blob, store_key_state(k.blob, s->prefix, commit->customer));
        args[count++] = key_str(k.aside, store_key_aside(k.aside, s->prefix, commit->customer));
        args[count++] = key_str(k.index, store_key_index(k.index, s->prefix, commit->customer));
        args[count++] = commit->aside.n ? commit->aside
                                        : (struct str){version, commit->expected ? STORE_VERSION_BYTES : 0};
        args[count++] = commit->blob;
        args[count++] = number_text(commit->blob_ttl_ms, ttl);
        args[count++] = key_str(k.records, store_key_records(k.records, s->prefix, commit->customer));
        args[count++] = commit->aside.n ? STR("1") : STR("0");
    }
    struct call *c = call_new(s, args, count);
    c->script = SCRIPT_FORGET;
    start(c, KIND_COMMIT, deadline_us, cb, user, fault);
}

/* The arguments of the script, which begin with the number of its keys; returns how many. */
static size_t commit_args(const struct redis_store *s, const struct store_commit *commit, struct keys *k,
                          char texts[3][TTL_TEXT], struct str *args)
{
    static const char *const key_counts[] = {"1", "2", "3", "4"};
    bool aside = commit->aside.n > 0, record = commit->record_id != NULL;
    size_t count = 0, record_n = 0;
    args[count++] = str_from(key_counts[aside + 2 * record]);
    args[count++] = key_str(k->blob, store_key_state(k->blob, s->prefix, commit->customer));
    if (aside)
        args[count++] = key_str(k->aside, store_key_aside(k->aside, s->prefix, commit->customer));
    if (record) {
        record_n = store_key_record(k->record, s->prefix, commit->customer, commit->record_id);
        args[count++] = key_str(k->record, record_n);
        args[count++] = key_str(k->index, store_key_index(k->index, s->prefix, commit->customer));
    }
    store_version_bytes(commit->expected, texts[0]);
    args[count++] = aside ? commit->aside : (struct str){texts[0], commit->expected ? STORE_VERSION_BYTES : 0};
    args[count++] = commit->blob;
    args[count++] = number_text(commit->blob_ttl_ms, texts[1]);
    if (!aside)
        args[count++] = commit->unchanged ? STR("1") : STR("0");
    if (record) {
        args[count++] = commit->record;
        args[count++] = number_text(commit->record_ttl_ms, texts[2]);
        args[count++] = (struct str){k->record + record_n - (ID128_TEXT - 1), ID128_TEXT - 1};
    }
    return count;
}

/* SET NX GET is one command since Redis 7.0; before, the two words excluded each other. */
static bool has_set_nx_get(const struct redis_store *s)
{
    return atoi(s->facts.version) >= 7;
}

/* A new customer and nothing else: the script's work in one command, at half the time. Not where changes are watched: Redis
 * tracks keys that were read, and this reads none. */
static void create(struct redis_store *s, const struct store_commit *commit, int64_t deadline_us, store_cb cb, void *user)
{
    char key[STORE_KEY_MAX];
    char ttl[TTL_TEXT];
    const struct str args[7] = {STR("SET"), key_str(key, store_key_state(key, s->prefix, commit->customer)), commit->blob,
                                STR("NX"), STR("GET"), STR("PX"), number_text(commit->blob_ttl_ms, ttl)};
    start(call_new(s, args, commit->blob_ttl_ms ? 7 : 5), KIND_CREATE, deadline_us, cb, user, NULL);
}

static void store_redis_commit(struct store *store, const struct store_commit *commit, int64_t deadline_us,
                               store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    const char *fault = store_commit_fault(commit);
    if (commit->forget) {
        store_redis_forget(s, commit, deadline_us, cb, user, fault);
        return;
    }
    if (!fault && commit->blob.n && commit->expected == 0 && !commit->aside.n && !commit->record_id && !s->track &&
        has_set_nx_get(s)) {
        create(s, commit, deadline_us, cb, user);
        return;
    }
    struct keys k;
    char texts[3][TTL_TEXT];
    enum script script = commit->aside.n ? SCRIPT_ASIDE : SCRIPT_COMMIT;
    struct str args[14] = {STR("EVALSHA"), {s->sha[script], SHA_TEXT - 1}};
    size_t count = 2 + (fault ? 0 : commit_args(s, commit, &k, texts, args + 2));
    struct call *c = call_new(s, args, count);
    c->script = script;
    start(c, KIND_COMMIT, deadline_us, cb, user, fault);
}

static void store_redis_held(struct store *store, struct str customer, int64_t deadline_us, store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    const char *fault = store_customer_fault(customer);
    struct keys k;
    struct str args[7] = {STR("EVALSHA"), {s->sha[SCRIPT_HELD], SHA_TEXT - 1}, STR("3")};
    size_t count = 3;
    if (!fault) {
        args[count++] = key_str(k.blob, store_key_state(k.blob, s->prefix, customer));
        args[count++] = key_str(k.aside, store_key_aside(k.aside, s->prefix, customer));
        args[count++] = key_str(k.index, store_key_index(k.index, s->prefix, customer));
        args[count++] = key_str(k.records, store_key_records(k.records, s->prefix, customer));
    }
    struct call *c = call_new(s, args, count);
    c->script = SCRIPT_HELD;
    start(c, KIND_HELD, deadline_us, cb, user, fault);
}

static void store_redis_dictionary(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    char key[STORE_KEY_MAX];
    struct str args[2] = {STR("HGETALL"), key_str(key, store_key_names(key, s->prefix))};
    start(call_new(s, args, 2), KIND_DICTIONARY, deadline_us, cb, user, NULL);
}

static void store_redis_names(struct store *store, const struct str *names, size_t count, int64_t deadline_us,
                              store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    const char *fault = store_names_fault(names, count);
    char key[STORE_KEY_MAX];
    size_t kept = fault ? 0 : count;
    struct str *args = malloc((kept + 4) * sizeof *args);
    ASSERT(args != NULL);
    args[0] = STR("EVALSHA");
    args[1] = (struct str){s->sha[SCRIPT_NAMES], SHA_TEXT - 1};
    args[2] = STR("1");
    args[3] = key_str(key, store_key_names(key, s->prefix));
    if (kept)
        memcpy(args + 4, names, kept * sizeof *names);
    struct call *c = call_new(s, args, kept + 4);
    free(args);
    c->script = SCRIPT_NAMES;
    c->names = count;
    start(c, KIND_NAMES, deadline_us, cb, user, fault);
}

static void store_redis_secret(struct store *store, int64_t deadline_us, store_cb cb, void *user)
{
    struct redis_store *s = (struct redis_store *)store;
    char key[STORE_KEY_MAX], fresh[STORE_SECRET_BYTES];
    bool random = getrandom(fresh, sizeof fresh, 0) == (ssize_t)sizeof fresh;
    struct str args[5] = {STR("EVALSHA"),
                          {s->sha[SCRIPT_SECRET], SHA_TEXT - 1},
                          STR("1"),
                          key_str(key, store_key_secret(key, s->prefix)),
                          {fresh, sizeof fresh}};
    struct call *c = call_new(s, args, 5);
    c->script = SCRIPT_SECRET;
    start(c, KIND_SECRET, deadline_us, cb, user, random ? NULL : "the system gives no random bytes");
    explicit_bzero(fresh, sizeof fresh);
}

static void store_redis_watch(struct store *store, const struct store_watcher *w)
{
    struct redis_store *s = (struct redis_store *)store;
    ASSERT(!s->track);
    s->track = redis_track_new(s->loop, &s->url, s->link, s->prefix, w);
    redis_track_link(s->track, redis_link_ready(s->link));
}

static bool store_redis_ready(const struct store *store)
{
    return redis_link_ready(((const struct redis_store *)store)->link);
}

static const struct store_ops redis_ops = {
    .read = store_redis_read,
    .commit = store_redis_commit,
    .names = store_redis_names,
    .secret = store_redis_secret,
    .held = store_redis_held,
    .dictionary = store_redis_dictionary,
    .ready = store_redis_ready,
    .watch = store_redis_watch,
};

int redis_store_new(struct store **out, uv_loop_t *loop, const char *url,
                    const struct redis_store_options *options, struct error *e)
{
    static const struct redis_store_options none;
    const struct redis_store_options *o = options ? options : &none;
    const char *prefix = o->prefix ? o->prefix : "tact";
    struct redis_url where;
    *out = NULL;
    int rc = redis_url_parse(&where, url, e);
    if (rc < 0)
        return rc;
    if (!prefix[0] || strlen(prefix) > STORE_PREFIX_MAX || strpbrk(prefix, "{}"))
        return error_set(e, ERR_INVALID, "store prefix: 1 to %d bytes without braces", STORE_PREFIX_MAX);
    struct redis_store *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->base.ops = &redis_ops;
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    s->status = o->status;
    s->user = o->user;
    s->quiet = o->quiet;
    s->url = where;
    s->loop = loop;
    struct redis_link_owner owner = {.user = s, .greet = greet, .status = on_status};
    rc = redis_link_new(&s->link, loop, &where, &o->link, &owner, e);
    if (rc < 0) {
        free(s);
        return rc;
    }
    *out = &s->base;
    return 0;
}

void redis_store_free(struct store **store)
{
    struct redis_store *s = (struct redis_store *)*store;
    *store = NULL;
    if (!s)
        return;
    struct redis_link *link = s->link;
    struct redis_track *track = s->track;
    redis_link_free(&link);
    redis_track_free(&track);
    free(s);
}

struct redis_link_stats redis_store_stats(const struct store *s)
{
    return redis_link_stats(((const struct redis_store *)s)->link);
}
