/* The server process; see serve.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/serve.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/logging.h"
#include "server/activate.h"
#include "net/grpc_server.h"
#include "server/lane.h"
#include "server/loader.h"
#include "server/mailbox.h"
#include "store/redis_embedded.h"
#include "store/redis_store.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { ACTIVATE_TIME_MS = 5000, TICK_MS = 500, WATCH_TICKS = 4 };

enum { LOAD_END_MS = 1000 }; /* a stop waits that long for a load under way */
enum { SIGNALS_EARLY = 2, SIGNALS = 4, VERIFY_NAMES = 256 /* at a time: the loop formats and reads them */ };

/* A lane as it is seen from here. */
struct slot {
    struct serve *serve;
    struct lane *lane;
    bool ready; /* has reached the store once */
};

struct serve {
    const struct serve_options *options;
    uv_loop_t loop;
    struct mailbox *mailbox; /* from the lanes */
    uv_signal_t signals[SIGNALS];
    uv_timer_t tick;
    struct loader *loader;
    struct tzdb *zones;
    struct names *names;
    struct redis_embedded *embedded;
    struct store *store; /* for names and the secret */
    struct log_writer *log;
    struct grpc_server *acceptor;
    struct slot slots[SERVE_WORKERS_MAX];
    struct near_hints *hints;
    unsigned lanes, ready_lanes, drained, next_lane;
    struct snapshot *serving; /* NULL: none */
    struct snapshot *pending; /* loaded, waits for its names */
    struct snapshot *next;    /* loaded after it: takes its place when no activation is under way */
    _Atomic uint64_t score_ns;
    char name[HANDLE_SERVER_MAX + 1];
    char log_folder[4096], redis_folder[4096];
    struct worker_config config; /* what all lanes' have in common, and the store and log of this thread */
    const char *store_url;
    uint64_t ticks;
    size_t verified; /* activate_verify */
    bool ran; /* got as far as listening */
    bool secret_known, activating, stopping;
};

/* ---- loading ---- */

/* A line each, by which an id in a decision or in the log finds its bundle. */
static void tell_models(const struct lineup *l)
{
    for (size_t i = 0; l && i < lineup_count(l); i++) {
        const struct lineup_entry *entry = lineup_entry(l, i);
        for (size_t k = 0; k < entry->member_count; k++) {
            const struct lineup_member *m = &entry->members[k];
            const struct bundle_spec *spec = bundle_spec(m->bundle);
            char id[ID128_TEXT];
            id128_text(bundle_id(m->bundle), id);
            logging(LEVEL_INFO, "model loaded",
                    "entry=\"%.*s\" role=%s name=\"%.*s\" version=\"%.*s\" id=%s folder=\"%s\"", STR_ARG(entry->name),
                    lineup_role_name(m->role), STR_ARG(spec->name), STR_ARG(spec->version), id,
                    bundle_folder(m->bundle));
        }
    }
}

static struct snapshot *load(struct serve *s, struct error *e)
{
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    struct snapshot *snapshot = snapshot_load(s->options->policy, s->options->model, s->zones, &diags);
    diags_print(&diags, stderr);
    if (!snapshot)
        error_set(e, ERR_INVALID, "%zu mistake%s in policy %s%s%s; see above", diags.errors, diags.errors == 1 ? "" : "s",
                  s->options->policy, s->options->model ? " or model " : "", s->options->model ? s->options->model : "");
    else if (activate_archive(snapshot, s->log_folder, e))
        snapshot_release(&snapshot);
    arena_free(&arena);
    if (snapshot) {
        tell_models(snapshot->lineup);
        snapshot->retire = loader_retire;
        snapshot->retire_user = s->loader;
        snapshot->score_ns = &s->score_ns;
    }
    return snapshot;
}

static struct snapshot *load_in_background(void *user, struct error *e)
{
    return load(user, e);
}

static void proceed(struct serve *s);

static void on_loaded(void *user, struct snapshot *loaded, const struct error *e)
{
    struct serve *s = user;
    if (!loaded) {
        logging(LEVEL_ERROR, "reload refused; the old policy keeps serving", "reason=\"%s\"", e->text);
        return;
    }
    snapshot_release(&s->next);
    s->next = loaded;
    proceed(s);
}

static void reload(struct serve *s)
{
    if (!s->stopping)
        loader_load(s->loader);
}

/* ---- from ready store to serving ---- */

static int64_t soon(void)
{
    return clock_mono_us() + (int64_t)ACTIVATE_TIME_MS * 1000;
}

/* NULL: nothing is decided any more. */
static void serve_all(struct serve *s, struct snapshot *snapshot_take)
{
    snapshot_release(&s->serving);
    s->serving = snapshot_take;
    for (unsigned i = 0; i < s->lanes; i++)
        lane_serve(s->slots[i].lane, snapshot_take, s->names);
}

static void on_activated(void *user, int code, const char *text)
{
    struct serve *s = user;
    s->activating = false;
    if (code) {
        logging(code == ERR_UNAVAILABLE ? LEVEL_WARN : LEVEL_ERROR, "policy not activated", "reason=\"%s\"",
                text);
        if (code != ERR_UNAVAILABLE)
            snapshot_release(&s->pending);
        return; /* the tick tries again, or the next one */
    }
    serve_all(s, s->pending);
    s->pending = NULL;
    const struct snapshot *now = s->serving;
    printf("ready policy=%s model=%s world=%s server=%s\n", now->policy->id,
           now->binding ? lineup_binding_id(now->binding) : "none", now->world_id, s->name);
    fflush(stdout);
    proceed(s);
}

static void on_verified(void *user, int code, const char *text)
{
    struct serve *s = user;
    s->activating = false;
    if (code == ERR_CONFLICT) {
        logging(LEVEL_ERROR, "the store is not the one we know; nothing is decided any more", "reason=\"%s\"",
                text);
        serve_all(s, NULL);
    }
}

static void on_secret(void *user, const struct store_reply *r)
{
    struct serve *s = user;
    s->activating = false;
    if (r->status != STORE_OK)
        return; /* the tick tries again */
    for (unsigned i = 0; i < s->lanes; i++)
        lane_set_secret(s->slots[i].lane, r->secret);
    s->secret_known = true;
    proceed(s);
}

/* The next thing that must happen before the pending snapshot serves; called at each event that may allow it.
 */
static void proceed(struct serve *s)
{
    if (s->activating || s->stopping || !store_ready(s->store) || s->ready_lanes < s->lanes)
        return;
    if (s->next) {
        snapshot_release(&s->pending);
        s->pending = s->next;
        s->next = NULL;
    }
    if (!s->secret_known) {
        s->activating = true;
        store_secret(s->store, soon(), on_secret, s);
    } else if (s->pending) {
        s->activating = true;
        activate(&s->config, s->names, s->pending, soon(), on_activated, s);
    }
}

/* Whether the store still is the one whose names we write with: it may have been emptied, or swapped behind its address. All names
 * when it has just come, else a few in turn. */
static void verify(struct serve *s, size_t most)
{
    if (!s->secret_known || s->pending || s->next || s->activating || s->stopping || !s->serving ||
        !store_ready(s->store))
        return;
    s->activating = true;
    activate_verify(&s->config, s->names, s->serving, &s->verified, most, soon(), on_verified, s);
}

static void on_store_status(void *user, bool ready, const char *text)
{
    struct serve *s = user;
    (void)text; /* the store logs it */
    if (!ready || !s->lanes || s->stopping)
        return;
    verify(s, SIZE_MAX);
    proceed(s);
}

static void on_tick(uv_timer_t *timer)
{
    struct serve *s = timer->data;
    struct error e = {0};
    if (s->stopping)
        return;
    if (s->embedded && !redis_embedded_alive(s->embedded)) {
        logging(LEVEL_ERROR, "the private Redis died; starting it again", "folder=%s", s->redis_folder);
        if (redis_embedded_restart(s->embedded, false, &e))
            logging(LEVEL_ERROR, "it could not be started", "reason=\"%s\"", e.text);
    }
    /* Calls that must be logged are refused while the log is broken, so this is what tries it again. */
    char why[128];
    if (!log_healthy(s->log, why) && activate_log_names(&s->config, s->names, &e))
        logging(LEVEL_DEBUG, "the log is still broken", "reason=\"%s\"", why);
    proceed(s);
    if (++s->ticks % WATCH_TICKS == 0)
        verify(s, VERIFY_NAMES);
}

/* ---- stopping ---- */

/* Every lane has drained: what this thread keeps its loop running for goes. */
static void wind_up(struct serve *s)
{
    uv_close((uv_handle_t *)&s->tick, NULL);
    for (size_t i = SIGNALS_EARLY; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    for (unsigned i = 0; i < s->lanes; i++)
        lane_stop(s->slots[i].lane);
    redis_store_free(&s->store);
    grpc_server_free(&s->acceptor);
    mailbox_close(&s->mailbox);
}

static void one_drained(void *user)
{
    struct serve *s = user;
    if (++s->drained == s->lanes)
        wind_up(s);
}

static void on_lane_drained(void *user)
{
    mailbox_post(((struct serve *)user)->mailbox, one_drained, user);
}

static void stop(struct serve *s, int number)
{
    uint32_t calls = 0;
    s->stopping = true;
    for (unsigned i = 0; i < s->lanes; i++)
        calls += lane_calls(s->slots[i].lane);
    logging(LEVEL_INFO, "stopping", "signal=%d calls=%u", number, calls);
    grpc_server_drain(s->acceptor, 0, NULL, NULL);
    for (unsigned i = 0; i < s->lanes; i++)
        lane_drain(s->slots[i].lane, s->options->drain_ms, on_lane_drained, s);
}

/* ---- counts ---- */

/* Counts on their way from all lanes. */
struct gathering {
    struct serve *serve;
    pthread_mutex_t lock; /* of the sum */
    struct stats sum;
    unsigned missing; /* on this thread */
};

static void print_sum(struct serve *s, struct stats *sum)
{
    sum->score_ns = atomic_load(&s->score_ns);
    stats_print(sum, stdout);
    stats_free(sum);
}

static void one_counted(void *user)
{
    struct gathering *g = user;
    if (--g->missing > 0)
        return;
    print_sum(g->serve, &g->sum);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static void on_counted(void *user, const struct stats *c)
{
    struct gathering *g = user;
    pthread_mutex_lock(&g->lock);
    stats_add(&g->sum, c);
    pthread_mutex_unlock(&g->lock);
    mailbox_post(g->serve->mailbox, one_counted, g);
}

static void gather(struct serve *s)
{
    if (!s->lanes || s->stopping)
        return;
    struct gathering *g = calloc(1, sizeof *g);
    ASSERT(g != NULL);
    g->serve = s;
    g->missing = s->lanes;
    pthread_mutex_init(&g->lock, NULL);
    stats_init(&g->sum);
    for (unsigned i = 0; i < s->lanes; i++)
        lane_count(s->slots[i].lane, on_counted, g);
}

static void add_last(void *user, const struct stats *c)
{
    stats_add(user, c);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve *s = handle->data;
    if (number == SIGHUP) {
        reload(s);
    } else if (number == SIGUSR1) {
        gather(s);
    } else if (!s->stopping) {
        stop(s, number);
    }
}

/* ---- starting ---- */

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return clock_wall_ms();
}

static int64_t mono_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static int start_log(struct serve *s, struct error *e)
{
    const struct serve_options *o = s->options;
    snprintf(s->log_folder, sizeof s->log_folder, "%s%s", o->log ? o->log : o->data, o->log ? "" : "/log");
    int rc = folder_make(s->log_folder, e);
    struct log_options lo = {.folder = s->log_folder,
                             .server = s->name,
                             .sync = !o->ack_batched};
    return rc ? rc : log_open(&s->log, &lo, e);
}

static int start_store(struct serve *s, struct error *e)
{
    const struct serve_options *o = s->options;
    const char *url = o->store;
    if (!url) {
        snprintf(s->redis_folder, sizeof s->redis_folder, "%s/redis", o->data);
        struct redis_embedded_options ro = {.sync_always = o->redis_sync_always};
        int rc = folder_make(o->data, e);
        if (!rc)
            rc = redis_embedded_start(&s->embedded, s->redis_folder, &ro, e);
        if (rc)
            return rc;
        url = redis_embedded_url(s->embedded);
    }
    s->store_url = url;
    struct redis_store_options so = {.prefix = o->prefix, .status = on_store_status, .user = s};
    return redis_store_new(&s->store, &s->loop, url, &so, e);
}

static void one_ready(void *user)
{
    struct slot *slot = user;
    if (slot->ready)
        return;
    slot->ready = true;
    slot->serve->ready_lanes++;
    proceed(slot->serve);
}

static void on_lane_ready(void *user)
{
    mailbox_post(((struct slot *)user)->serve->mailbox, one_ready, user);
}

static int start_lane(struct serve *s, unsigned i, struct error *e)
{
    const struct serve_options *o = s->options;
    s->slots[i] = (struct slot){.serve = s};
    struct lane_options lo = {.store_url = s->store_url,
                              .prefix = o->prefix,
                              .cache_bytes = ((size_t)o->cache_mb << 20) / (size_t)o->workers,
                              .hints = s->hints,
                              .config = s->config,
                              .log = s->log,
                              .user = &s->slots[i],
                              .store_ready = on_lane_ready};
    if (getrandom(&lo.config.seed, sizeof lo.config.seed, 0) != (ssize_t)sizeof lo.config.seed)
        return error_set(e, ERR_IO, "no random numbers from the system: %s", strerror(errno));
    return lane_start(&s->slots[i].lane, &lo, e);
}

static int start_lanes(struct serve *s, struct error *e)
{
    const struct serve_options *o = s->options;
    s->config = (struct worker_config){.store = s->store,
                                       .sink = sink_of_log(s->log),
                                       .clock = {s, wall_ms, mono_us},
                                       .server = s->name,
                                       .allow_as_of = o->allow_as_of,
                                       .max_stale_us = o->max_stale_ms * 1000,
                                       .ack_batched = o->ack_batched};
    s->names = names_new();
    if (o->workers > 1) {
        s->hints = calloc(1, sizeof *s->hints);
        ASSERT(s->hints != NULL);
    }
    int rc = mailbox_open(&s->mailbox, &s->loop, e);
    for (; !rc && s->lanes < o->workers; s->lanes += rc == 0)
        rc = start_lane(s, s->lanes, e);
    return rc;
}

/* Connections in turn. */
static void hand_on(void *user, int fd)
{
    struct serve *s = user;
    lane_connection_take(s->slots[s->next_lane++ % s->lanes].lane, fd);
}

static int start_listening(struct serve *s, struct error *e)
{
    static const struct grpc_method none[1] = {{0}};
    struct grpc_options options = {.hand_off = hand_on, .hand_off_user = s};
    int rc = grpc_server_new(&s->acceptor, &s->loop, none, &options, e);
    for (int i = 0; !rc && i < s->options->listen_count; i++) {
        char bound[128];
        rc = grpc_server_listen(s->acceptor, s->options->listen[i], bound, e);
        if (!rc)
            printf("listening %s\n", bound);
    }
    fflush(stdout);
    return rc;
}

/* The early ones must never end the process, from its start to its end; the others are to, while it starts or when a stop takes
 * too long. None keeps the loop running. */
static void start_signals(struct serve *s, size_t from, size_t to)
{
    static const int numbers[SIGNALS] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
    for (size_t i = from; i < to; i++) {
        s->signals[i].data = s;
        uv_signal_init(&s->loop, &s->signals[i]);
        uv_signal_start(&s->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&s->signals[i]);
    }
}

static void start_tick(struct serve *s)
{
    s->tick.data = s;
    uv_timer_init(&s->loop, &s->tick);
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

static void name_server(struct serve *s)
{
    uint32_t random = 0;
    ssize_t n = getrandom(&random, sizeof random, 0);
    (void)n;
    if (s->options->name)
        snprintf(s->name, sizeof s->name, "%s", s->options->name);
    else
        snprintf(s->name, sizeof s->name, "tact-%08x", random);
}

static int start(struct serve *s, struct error *e)
{
    start_signals(s, 0, SIGNALS_EARLY);
    int rc = tzdb_load(&s->zones, NULL, e);
    if (!rc)
        rc = start_log(s, e);
    if (!rc)
        rc = loader_new(&s->loader, &s->loop, &(struct loader_calls){load_in_background, on_loaded, s}, e);
    if (!rc && !(s->pending = load(s, e)))
        rc = e->code;
    if (!rc)
        rc = start_store(s, e);
    if (!rc)
        rc = start_lanes(s, e);
    if (!rc)
        rc = start_listening(s, e);
    return rc;
}

static void close_any(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The early ones do not end the process when their handles are closed. */
static void block_signals(void)
{
    sigset_t early;
    sigemptyset(&early);
    sigaddset(&early, SIGHUP);
    sigaddset(&early, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &early, NULL);
}

/* In this order each callback finds what it needs: the stores' reach the log, the log's reach the calls. */
static void end_lanes(struct serve *s)
{
    struct stats sum;
    stats_init(&sum);
    for (unsigned i = 0; i < s->lanes; i++)
        lane_stop(s->slots[i].lane);
    if (s->log)
        log_stop(s->log);
    for (unsigned i = 0; i < s->lanes; i++)
        lane_end(&s->slots[i].lane, add_last, &sum);
    if (s->ran)
        print_sum(s, &sum);
    else
        stats_free(&sum);
    log_close(&s->log);
}

static void finish(struct serve *s)
{
    s->stopping = true;
    redis_store_free(&s->store);
    end_lanes(s);
    grpc_server_free(&s->acceptor);
    if (s->mailbox)
        mailbox_close(&s->mailbox);
    uv_run(&s->loop, UV_RUN_NOWAIT);
    snapshot_release(&s->serving);
    snapshot_release(&s->pending);
    snapshot_release(&s->next);
    if (s->embedded)
        redis_embedded_stop(&s->embedded);
    if (s->loader && !loader_stop(s->loader, LOAD_END_MS)) {
        logging(LEVEL_INFO, "stopped during a load", "policy=%s", s->options->policy);
        fflush(stdout);
        _exit(0); /* the load uses what would be freed, and all that counts is closed */
    }
    names_free(&s->names);
    block_signals();
    uv_walk(&s->loop, close_any, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    loader_free(&s->loader);
    free(s->hints);
    if (s->zones)
        tzdb_free(&s->zones);
}

int serve_run(const struct serve_options *o, struct error *e)
{
    struct serve *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->options = o;
    uv_loop_init(&s->loop);
    name_server(s);
    int rc = start(s, e);
    if (!rc) {
        s->ran = true;
        start_signals(s, SIGNALS_EARLY, SIGNALS);
        start_tick(s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
    }
    finish(s);
    free(s);
    return rc;
}
