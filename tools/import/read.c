/* Files of an import as checked events; see read.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/read.h"
#include "models/offline/frame_time.h"
#include "tools/parallel.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 1 << 20,
    BLOCK_ROOM = BLOCK_BYTES + IMPORT_LINE_MAX,
    BLOCKS_MAX = 16,
    LINE_MEMORY_MAX = 64 << 20, /* of one line, decoded */
    EVENTS_MAX = 64 << 20 /* bytes of a block's events */
};

struct refusal {
    struct import_place place;
    const char *why;
    struct str raw;
};

/* Whole lines, then what became of them. */
struct block {
    char *text;
    size_t n;
    struct import_place place; /* of the first line */
    bool too_long;             /* the text is the beginning of a line over the limit */
    struct buf events;
    size_t count;
    int64_t latest_ms;
    struct refusal *refused;
    size_t refused_count, refused_capacity;
    struct arena reasons;
};

struct reader {
    const struct import_reading *r;
    const struct import_file *file;
    const struct import_sink *sink;
    int fd;
    const char *name;
    struct hasher *hasher;
    uint64_t bytes; /* read */
    struct arena scratch[PARALLEL_THREADS_MAX];
    /* lines of JSON */
    struct block blocks[BLOCKS_MAX];
    size_t block_count;
    struct buf carry; /* what follows a block's last line */
    struct import_place place;
    bool ended, skipping; /* skipping: within a line over the limit */
};

static long read_some(void *ctx, char *p, size_t n)
{
    struct reader *r = ctx;
    long got = csv_read_fd(&r->fd, p, n);
    if (got > 0) {
        hasher_add(r->hasher, p, (size_t)got);
        r->bytes += (uint64_t)got;
    }
    return got;
}

/* ---- lines of JSON, on a worker's thread ---- */

static void refuse(struct block *b, const struct import_place *place, const char *why, struct str raw)
{
    if (b->refused_count == b->refused_capacity) {
        b->refused_capacity = b->refused_capacity ? 2 * b->refused_capacity : 64;
        b->refused = realloc(b->refused, b->refused_capacity * sizeof *b->refused);
        ASSERT(b->refused != NULL);
    }
    const char *kept = arena_strdup(&b->reasons, why);
    b->refused[b->refused_count++] = (struct refusal){*place, kept ? kept : "it is wrong", raw};
}

static void check_line(struct reader *r, struct block *b, const struct import_place *place, struct str line, struct arena *scratch)
{
    struct error e = {0};
    size_t before = b->events.n;
    if (line.n > IMPORT_LINE_MAX) {
        refuse(b, place, "a line of over 1 MiB", line);
        return;
    }
    arena_reset(scratch);
    if (import_line(line, r->r->policy, &r->r->clock, place, scratch, &b->events, &e)) {
        refuse(b, place, e.text, line);
        return;
    }
    struct import_key key;
    import_event_key(b->events.p + before, &key);
    b->latest_ms = key.time_ms > b->latest_ms ? key.time_ms : b->latest_ms;
    b->count++;
}

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    return true;
}

static void check_block(void *ctx, size_t thread, void *job)
{
    struct reader *r = ctx;
    struct block *b = job;
    struct import_place place = b->place;
    if (b->too_long) {
        refuse(b, &place, "a line of over 1 MiB", (struct str){b->text, 200});
        return;
    }
    for (const char *p = b->text, *end = p + b->n; p < end; place.line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        struct str line = {p, (size_t)((newline ? newline : end) - p)};
        if (!is_blank(line))
            check_line(r, b, &place, line, &r->scratch[thread]);
        size_t step = line.n + (newline != NULL);
        place.offset += step;
        p += step;
    }
}

/* ---- blocks ---- */

static uint64_t count_lines(const char *p, size_t n)
{
    uint64_t lines = 0;
    for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); lines++)
        if (++p == end)
            return lines + 1;
    return lines;
}

/* Over the rest of a line that is too long. */
static int skip_rest(struct reader *r, char *room, struct error *e)
{
    while (r->skipping && !r->ended) {
        long got = read_some(r, room, BLOCK_BYTES);
        if (got < 0)
            return error_set(e, ERR_IO, "%s: %s", r->name, strerror((int)-got));
        const char *newline = got ? memchr(room, '\n', (size_t)got) : NULL;
        r->ended = got == 0;
        size_t step = newline ? (size_t)(newline - room) + 1 : (size_t)got;
        r->place.offset += step;
        if (newline) {
            r->skipping = false;
            r->place.line++;
            buf_append(&r->carry, room + step, (size_t)got - step);
        }
    }
    return 0;
}

/* The next whole lines; n 0 at the end. */
static int fill_block(struct reader *r, struct block *b, struct error *e)
{
    int rc = skip_rest(r, b->text, e);
    if (rc)
        return rc;
    size_t n = r->carry.n, whole = 0;
    if (n)
        memcpy(b->text, r->carry.p, n);
    buf_clear(&r->carry);
    while (!r->ended && n < BLOCK_ROOM && (n < BLOCK_BYTES || !whole)) {
        long got = read_some(r, b->text + n, BLOCK_ROOM - n);
        if (got < 0)
            return error_set(e, ERR_IO, "%s: %s", r->name, strerror((int)-got));
        r->ended = got == 0;
        n += (size_t)got;
        const char *last = memrchr(b->text, '\n', n);
        whole = last ? (size_t)(last - b->text) + 1 : 0;
    }
    b->n = r->ended ? n : whole;
    b->too_long = n > 0 && b->n == 0;
    buf_append(&r->carry, b->text + b->n, b->too_long ? 0 : n - b->n);
    b->place = r->place;
    r->place.line += count_lines(b->text, b->n);
    r->place.offset += b->too_long ? n : b->n;
    if (b->too_long) {
        r->skipping = true;
        b->n = n;
    }
    if (b->place.offset == 0 && b->n >= 3 && memcmp(b->text, "\xef\xbb\xbf", 3) == 0)
        memset(b->text, ' ', 3); /* a byte order mark */
    return 0;
}

/* What became of a block, to the sink. */
static bool deliver(struct reader *r, struct block *b)
{
    const struct import_sink *s = r->sink;
    bool go_on = s->take(s->ctx, (struct str){(const char *)b->events.p, b->events.n}, b->count, b->latest_ms);
    for (size_t i = 0; i < b->refused_count && go_on; i++)
        go_on = s->reject(s->ctx, &b->refused[i].place, b->refused[i].why, b->refused[i].raw);
    s->at(s->ctx, r->bytes);
    buf_clear(&b->events);
    arena_reset(&b->reasons);
    b->count = b->refused_count = 0;
    b->latest_ms = 0;
    return go_on;
}

static int read_lines(struct reader *r, struct error *e)
{
    struct parallel *workers = parallel_new(r->r->threads, check_block, NULL, r);
    size_t put = 0;
    int rc = 0;
    bool go_on = true;
    struct block *done;
    for (; !rc && go_on; put++) {
        struct block *b = &r->blocks[put % r->block_count];
        if (parallel_under_way(workers) == r->block_count) {
            done = parallel_take(workers, true);
            go_on = deliver(r, done);
            if (!go_on)
                break;
        }
        rc = fill_block(r, b, e);
        if (rc || b->n == 0)
            break;
        parallel_put(workers, b);
    }
    while ((done = parallel_take(workers, true)))
        go_on = go_on && deliver(r, done);
    parallel_free(&workers);
    return rc;
}

/* ---- tables ---- */

static int find_time(struct reader *r, const struct csv_record *header, long *out, struct error *e)
{
    size_t at;
    *out = -1;
    if (!r->r->time_column)
        return 0;
    if (import_header_find(header, "--time-column", r->r->time_column, &at, e))
        return error_prefix(e, "%s:%zu", r->name, header->line);
    *out = (long)at;
    return 0;
}

static int row_time(const struct reader *r, const struct csv_record *row, long column, int64_t *out, struct error *e)
{
    char trouble[FRAME_TIME_TROUBLE];
    *out = 0;
    if (column < 0 || (size_t)column >= row->count || row->fields[column].n == 0)
        return 0;
    const char *wrong = frame_time_read(row->fields[column], r->r->rows.zone, out, trouble);
    return wrong ? error_set(e, ERR_INVALID, "column '%s': %s", r->r->time_column, wrong) : 0;
}

static int take_row(struct reader *r, const struct import_map *map, const struct csv_record *row, long time_column, struct buf *event,
                    struct error *e)
{
    Tact__V1__UpsertRequest m;
    int64_t time_ms;
    const struct import_place place = {r->file->index, row->line, 0};
    arena_reset(&r->scratch[0]);
    buf_clear(event);
    int rc = row_time(r, row, time_column, &time_ms, e);
    if (!rc)
        rc = import_row(map, row, r->r->clock.latest_ms, &r->scratch[0], &m, e);
    return rc ? rc : import_upsert(&m, time_ms, r->r->policy, &r->r->clock, &place, &r->scratch[0], event, e);
}

static bool each_row(struct reader *r, struct csv *csv, const struct import_map *map, long time_column, struct buf *event,
                     int *rc, struct error *e)
{
    const struct import_sink *s = r->sink;
    struct csv_record row;
    struct error why = {0};
    enum csv_result got = csv_next(csv, &row, &why);
    struct import_place place = {r->file->index, row.line, 0};
    if (got == CSV_END || got == CSV_FAILED) {
        *rc = got == CSV_FAILED ? error_set(e, ERR_IO, "%s", why.text) : 0;
        return false;
    }
    if (got == CSV_BAD)
        return s->reject(s->ctx, &place, row.bad, row.raw);
    if (take_row(r, map, &row, time_column, event, &why))
        return s->reject(s->ctx, &place, why.text, row.raw);
    struct import_key head;
    import_event_key(event->p, &head);
    s->at(s->ctx, csv_offset(csv));
    return s->take(s->ctx, (struct str){(const char *)event->p, event->n}, 1, head.time_ms);
}

static int read_table(struct reader *r, void (*header_line)(void *ctx, struct str raw), struct error *e)
{
    struct csv *csv = csv_new(r->name, r->r->separator, read_some, r);
    struct csv_record header;
    struct import_map map;
    struct arena arena;
    struct buf event;
    struct import_options rows = r->r->rows;
    char left_out[300];
    long time_column = -1;
    arena_init(&arena, LINE_MEMORY_MAX);
    buf_init(&event, EVENTS_MAX);
    enum csv_result got = csv ? csv_next(csv, &header, e) : CSV_FAILED;
    int rc = got == CSV_RECORD ? 0
             : got == CSV_END  ? error_set(e, ERR_INVALID, "%s is empty; its first line names the columns", r->name)
                               : ERR_INVALID;
    if (!rc)
        rc = find_time(r, &header, &time_column, e);
    if (!rc && time_column >= 0 && rows.columns.count < OPTION_LIST_MAX) {
        bool mapped = false; /* as an attribute too */
        size_t n = strlen(r->r->time_column);
        for (int i = 0; i < rows.columns.count; i++)
            mapped |= strncmp(rows.columns.items[i], r->r->time_column, n) == 0 && rows.columns.items[i][n] == '=';
        snprintf(left_out, sizeof left_out, "%.290s=", r->r->time_column);
        if (!mapped)
            rows.columns.items[rows.columns.count++] = left_out;
    }
    if (!rc && (rc = import_map_make(&map, &rows, &header, &arena, e)))
        error_prefix(e, "%s:%zu", r->name, header.line);
    if (!rc)
        header_line(r->sink->ctx, header.raw);
    while (!rc && each_row(r, csv, &map, time_column, &event, &rc, e))
        ;
    buf_free(&event);
    arena_free(&arena);
    csv_free(&csv);
    return rc;
}

/* ---- a file ---- */

static void add_content(struct id128 *content, struct id128 file)
{
    for (size_t i = 0; i < sizeof content->bytes; i++) /* the files' order does not matter */
        content->bytes[i] = (uint8_t)(content->bytes[i] + file.bytes[i]);
}

int import_read(const struct import_reading *reading, const struct import_file *file, const struct import_sink *sink,
                void (*header)(void *ctx, struct str raw), struct id128 *content, struct error *e)
{
    bool standard = strcmp(file->path, "-") == 0;
    struct reader *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    r->r = reading;
    r->file = file;
    r->sink = sink;
    r->name = standard ? "standard input" : file->path;
    r->fd = standard ? dup(STDIN_FILENO) : open(file->path, O_RDONLY | O_CLOEXEC);
    r->place = (struct import_place){file->index, 1, 0};
    int rc = r->fd < 0 ? error_set(e, ERR_IO, "%s: %s", r->name, strerror(errno)) : 0;
    r->hasher = hasher_new();
    r->block_count = 2 * reading->threads + 1 < BLOCKS_MAX ? 2 * reading->threads + 1 : BLOCKS_MAX;
    buf_init(&r->carry, BLOCK_ROOM);
    for (size_t i = 0; i < reading->threads; i++)
        arena_init(&r->scratch[i], LINE_MEMORY_MAX);
    for (size_t i = 0; i < r->block_count && !file->table; i++) {
        r->blocks[i].text = malloc(BLOCK_ROOM);
        ASSERT(r->blocks[i].text != NULL);
        buf_init(&r->blocks[i].events, EVENTS_MAX);
        arena_init(&r->blocks[i].reasons, EVENTS_MAX);
    }
    if (!rc)
        rc = file->table ? read_table(r, header, e) : read_lines(r, e);
    add_content(content, hasher_take(&r->hasher));
    for (size_t i = 0; i < r->block_count && !file->table; i++) {
        free(r->blocks[i].text);
        free(r->blocks[i].refused);
        buf_free(&r->blocks[i].events);
        arena_free(&r->blocks[i].reasons);
    }
    for (size_t i = 0; i < reading->threads; i++)
        arena_free(&r->scratch[i]);
    buf_free(&r->carry);
    if (r->fd >= 0)
        close(r->fd);
    free(r);
    return rc;
}
