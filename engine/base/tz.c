/* The data base of time zones; see tz.h. It is one run of bytes (what tzdb_bytes gives) and a sorted table of
 * zones that point into it:
 *
 *   "TACTTZ1\n", varint count, then per zone, sorted by name: varint length and name, varint k; k = 0: varint
 * length and a TZif file follow; k > 0: the same contents as the k-th TZif file in here. (About a third of
 * the names are links.)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/tz.h"
#include "base/tzif.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 255, DEPTH_MAX = 8, DAY_S = 86400 };

static const char magic[8] = {'T', 'A', 'C', 'T', 'T', 'Z', '1', '\n'};
/* TZif version 2 of UTC0, for a folder without it. */
static const char utc_tzif[] =
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
    "\0\0\0\0\0\0UTC\0"
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
    "\0\0\0\0\0\0UTC\0\nUTC0\n";

struct tz {
    struct str name;
    struct tzif zone;
};

struct tzdb {
    struct buf bytes;
    struct tz *zones;
    size_t count;
    struct id128 id;
};

/* ---- from bytes ---- */

static struct str take_str(struct cursor *c, size_t max)
{
    uint64_t n = cursor_varint(c);
    if (n > max)
        c->failed = true;
    const uint8_t *p = c->failed ? NULL : cursor_bytes(c, (size_t)n);
    return p ? (struct str){(const char *)p, (size_t)n} : (struct str){0};
}

/* Reads zone i; firsts[k] is the zone that brought the k-th TZif file, *files how many there are. */
static int read_zone(struct tzdb *db, size_t i, struct cursor *c, size_t *firsts, size_t *files,
                     struct error *e)
{
    struct tz *tz = &db->zones[i];
    tz->name = take_str(c, NAME_MAX_BYTES);
    uint64_t link = cursor_varint(c);
    if (c->failed || tz->name.n == 0 || memchr(tz->name.p, 0, tz->name.n) || link > *files)
        return error_set(e, ERR_CORRUPT, "time zone %zu of the data base is damaged", i);
    if (i > 0 && str_cmp(db->zones[i - 1].name, tz->name) >= 0)
        return error_set(e, ERR_CORRUPT, "time zone %zu of the data base is out of order", i);
    if (link > 0) {
        tz->zone = db->zones[firsts[link - 1]].zone;
        return 0;
    }
    struct str file = take_str(c, TZ_FILE_MAX);
    int rc = tzif_parse(file, &tz->zone, e);
    if (rc)
        error_prefix(e, "time zone %.*s", STR_ARG(tz->name));
    firsts[(*files)++] = i;
    return rc;
}

static int read_zones(struct tzdb *db, struct error *e)
{
    struct cursor c = cursor_of(db->bytes.p, db->bytes.n);
    const uint8_t *head = cursor_bytes(&c, sizeof magic);
    uint64_t count = cursor_varint(&c);
    if (!head || memcmp(head, magic, sizeof magic) != 0 || c.failed || count == 0 || count > TZ_ZONES_MAX)
        return error_set(e, ERR_CORRUPT, "these bytes are no time zone data base");
    size_t *firsts = calloc(count, sizeof *firsts), files = 0;
    db->zones = calloc(count, sizeof *db->zones);
    ASSERT(firsts && db->zones);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = read_zone(db, i, &c, firsts, &files, e);
    free(firsts);
    if (rc)
        return rc;
    db->count = count;
    if (cursor_left(&c) > 0)
        return error_set(e, ERR_CORRUPT, "%zu bytes follow the time zone data base", cursor_left(&c));
    if (!tz_find(db, STR("UTC")))
        return error_set(e, ERR_CORRUPT, "the time zone data base has no UTC");
    return 0;
}

static int from_buf_take(struct tzdb **out, struct buf *bytes, struct error *e)
{
    struct tzdb *db = calloc(1, sizeof *db);
    ASSERT(db);
    db->bytes = *bytes;
    *bytes = (struct buf){0};
    int rc = read_zones(db, e);
    if (rc) {
        tzdb_free(&db);
        return rc;
    }
    db->id = hash128(db->bytes.p, db->bytes.n);
    *out = db;
    return 0;
}

int tzdb_from_bytes(struct tzdb **out, const void *p, size_t n, struct error *e)
{
    *out = NULL;
    struct buf copy;
    buf_init(&copy, TZ_BYTES_MAX);
    buf_append(&copy, p, n);
    if (!buf_ok(&copy)) {
        buf_free(&copy);
        return error_set(e, ERR_NOSPACE, "a time zone data base of %zu bytes; the limit is %d", n,
                         TZ_BYTES_MAX);
    }
    return from_buf_take(out, &copy, e);
}

void tzdb_bytes(const struct tzdb *db, struct buf *out)
{
    buf_append(out, db->bytes.p, db->bytes.n);
}

struct id128 tzdb_id(const struct tzdb *db)
{
    return db->id;
}

void tzdb_free(struct tzdb **db)
{
    if (!*db)
        return;
    buf_free(&(*db)->bytes);
    free((*db)->zones);
    free(*db);
    *db = NULL;
}

/* ---- from a folder ---- */

/* A file found: its name below the folder and its contents; p is NULL when it is no zone. */
struct found {
    char *name;
    struct str bytes;
    uint64_t hash;
};

struct folder {
    const char *path;
    int fd;
    struct found *files;
    size_t count, capacity;
};

static bool found_add(struct folder *f, const char *name)
{
    if (f->count == TZ_ZONES_MAX)
        return false;
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 1024;
        f->files = realloc(f->files, f->capacity * sizeof *f->files);
        ASSERT(f->files);
    }
    char *copy = strdup(name);
    ASSERT(copy);
    f->files[f->count++] = (struct found){.name = copy};
    return true;
}

static bool skipped(const char *name, int depth)
{
    static const char *const none[] = {"posix", "right", "posixrules", "localtime"};
    if (name[0] == '.')
        return true;
    for (size_t i = 0; depth == 0 && i < sizeof none / sizeof *none; i++)
        if (strcmp(name, none[i]) == 0)
            return true;
    return false;
}

/* Collects the names below prefix ("" or "Europe/"); links to folders are not followed, so there is no loop.
 */
static int walk(struct folder *f, const char *prefix, int depth, struct error *e)
{
    int fd = openat(f->fd, *prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return error_set(e, ERR_IO, "%s/%s: %s; time zones come with the package tzdata", f->path, prefix,
                         strerror(code));
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        char name[NAME_MAX_BYTES + 2];
        int n = snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        if (n > NAME_MAX_BYTES - 1 || skipped(entry->d_name, depth))
            continue;
        struct stat info = {0};
        bool folder = entry->d_type == DT_DIR ||
                      (entry->d_type == DT_UNKNOWN && fstatat(f->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISDIR(info.st_mode));
        if (folder && depth < DEPTH_MAX) {
            name[n] = '/';
            name[n + 1] = 0;
            rc = walk(f, name, depth + 1, e);
        } else if (!folder && !found_add(f, name)) {
            rc = error_set(e, ERR_NOSPACE, "%s holds over %d files", f->path, TZ_ZONES_MAX);
        }
    }
    closedir(dir);
    return rc;
}

static bool read_all(int fd, char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = read(fd, p + done, n - done);
        if (k <= 0 && !(k < 0 && errno == EINTR))
            return false;
        done += k > 0 ? (size_t)k : 0;
    }
    return true;
}

static int slurp(const struct folder *f, struct found *file, struct error *e)
{
    int fd = openat(f->fd, file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_set(e, ERR_IO, "%s/%s: %s", f->path, file->name, strerror(errno));
    struct stat info;
    char head[44], *p = NULL;
    size_t n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= TZ_FILE_MAX
                   ? (size_t)info.st_size
                   : 0;
    if (n >= sizeof head && read_all(fd, head, sizeof head) && tzif_is((struct str){head, sizeof head})) {
        p = malloc(n);
        ASSERT(p);
        memcpy(p, head, sizeof head);
        if (!read_all(fd, p + sizeof head, n - sizeof head)) {
            free(p);
            p = NULL;
        }
    }
    close(fd);
    struct tzif zone;
    int rc = p ? tzif_parse((struct str){p, n}, &zone, e) : 0;
    if (rc == 0 && p) {
        file->bytes = (struct str){p, n};
        file->hash = hash64(p, n);
        return 0;
    }
    free(p);
    return rc == ERR_INVALID ? 0 : rc ? error_prefix(e, "%s/%s", f->path, file->name) : 0;
}

static int found_order(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

/* Reads all files, keeps the zones, sorts them. */
static int slurp_all(struct folder *f, struct error *e)
{
    size_t kept = 0;
    bool has_utc = false;
    int rc = 0;
    for (size_t i = 0; i < f->count && rc == 0; i++)
        rc = slurp(f, &f->files[i], e);
    for (size_t i = 0; i < f->count; i++) {
        struct found file = f->files[i];
        f->files[i] = (struct found){0};
        if (file.bytes.p) {
            has_utc = has_utc || strcmp(file.name, "UTC") == 0;
            f->files[kept++] = file;
        } else {
            free(file.name);
        }
    }
    f->count = kept;
    if (rc)
        return rc;
    if (kept == 0)
        return error_set(e, ERR_IO, "%s holds no time zone; they come with the package tzdata", f->path);
    if (!has_utc) {
        if (!found_add(f, "UTC"))
            return error_set(e, ERR_NOSPACE, "%s holds over %d files", f->path, TZ_ZONES_MAX);
        char *p = malloc(sizeof utc_tzif - 1);
        ASSERT(p);
        memcpy(p, utc_tzif, sizeof utc_tzif - 1);
        f->files[f->count - 1].bytes = (struct str){p, sizeof utc_tzif - 1};
        f->files[f->count - 1].hash = hash64(p, sizeof utc_tzif - 1);
    }
    qsort(f->files, f->count, sizeof *f->files, found_order);
    return 0;
}

/* The number, from 1, of the distinct contents that zone i shares with one before it; 0 when it is new. */
static size_t same_as(const struct folder *f, size_t i, const size_t *distinct, size_t files)
{
    for (size_t k = 0; k < files; k++) {
        const struct found *a = &f->files[distinct[k]], *b = &f->files[i];
        if (a->hash == b->hash && str_eq(a->bytes, b->bytes))
            return k + 1;
    }
    return 0;
}

static void pack(const struct folder *f, struct buf *out)
{
    size_t *distinct = calloc(f->count, sizeof *distinct), files = 0;
    ASSERT(distinct);
    buf_append(out, magic, sizeof magic);
    buf_varint(out, f->count);
    for (size_t i = 0; i < f->count; i++) {
        struct str name = str_from(f->files[i].name);
        buf_varint(out, name.n);
        buf_str(out, name);
        size_t same = same_as(f, i, distinct, files);
        buf_varint(out, same);
        if (same == 0) {
            buf_varint(out, f->files[i].bytes.n);
            buf_str(out, f->files[i].bytes);
            distinct[files++] = i;
        }
    }
    free(distinct);
}

int tzdb_load(struct tzdb **out, const char *dir, struct error *e)
{
    *out = NULL;
    struct folder f = {.path = dir ? dir : "/usr/share/zoneinfo"};
    f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f.fd < 0)
        return error_set(e, ERR_IO, "%s: %s; time zones come with the package tzdata", f.path,
                         strerror(errno));
    int rc = walk(&f, "", 0, e);
    if (rc == 0)
        rc = slurp_all(&f, e);
    if (rc == 0) {
        struct buf bytes;
        buf_init(&bytes, TZ_BYTES_MAX);
        pack(&f, &bytes);
        if (buf_ok(&bytes))
            rc = from_buf_take(out, &bytes, e);
        else
            rc = error_set(e, ERR_NOSPACE, "the zones of %s are over %d bytes", f.path, TZ_BYTES_MAX);
        buf_free(&bytes);
    }
    for (size_t i = 0; i < f.count; i++) {
        free(f.files[i].name);
        free((char *)(uintptr_t)f.files[i].bytes.p);
    }
    free(f.files);
    close(f.fd);
    return rc;
}

/* ---- lookups ---- */

const struct tz *tz_find(const struct tzdb *db, struct str name)
{
    size_t low = 0, high = db->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = str_cmp(db->zones[mid].name, name);
        if (c == 0)
            return &db->zones[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

struct str tz_name(const struct tz *tz)
{
    return tz->name;
}

struct str tz_nearest(const struct tzdb *db, struct str name)
{
    struct suggest s;
    suggest_init(&s, name);
    for (size_t i = 0; i < tzdb_count(db); i++)
        suggest_offer(&s, tz_name(tzdb_at(db, i)));
    return suggest_best(&s);
}

size_t tzdb_count(const struct tzdb *db)
{
    return db->count;
}

const struct tz *tzdb_at(const struct tzdb *db, size_t index)
{
    ASSERT(index < db->count);
    return &db->zones[index];
}

void tz_local(const struct tz *tz, int64_t utc_ms, struct civil *out)
{
    int64_t utc_s = floor_div(utc_ms, 1000);
    int32_t offset_s = tzif_span(&tz->zone, utc_s).offset_s;
    int64_t local_s = utc_s + offset_s, days = floor_div(local_s, DAY_S);
    int32_t second = (int32_t)(local_s - days * DAY_S);
    *out = (struct civil){.hour = (int8_t)(second / 3600),
                          .minute = (int8_t)(second / 60 % 60),
                          .second = (int8_t)(second % 60),
                          .millisecond = (int16_t)((utc_ms % 1000 + 1000) % 1000),
                          .weekday = (int8_t)civil_weekday(days),
                          .offset_s = offset_s};
    civil_from_days(days, &out->year, &out->month, &out->day);
    out->yearday = (int16_t)(days - civil_days(out->year, 1, 1));
}

/* Seconds since 1970 as the wall clock would count them; years beyond what milliseconds can hold are clamped.
 */
static int64_t wall_seconds(const struct civil *local, int64_t carry_s)
{
    int64_t months = (int64_t)local->year * 12 + local->month - 1;
    const int64_t months_max = (int64_t)290 * 1000 * 1000 * 12;
    months = months > months_max ? months_max : months < -months_max ? -months_max : months;
    int32_t year = (int32_t)floor_div(months, 12);
    int64_t days = civil_days(year, (int)(months - (int64_t)year * 12) + 1, 1) + local->day - 1;
    return days * DAY_S + local->hour * 3600 + local->minute * 60 + local->second + carry_s;
}

/* The first UTC second at which the wall clock shows wall_s. Walks the spans forward from one that lies
 * surely before it; in each, wall_s stands for wall_s - offset, which is the answer if it lies within. When
 * no span has it, a jump skipped it: then it counts from the span before the first jump that did. */
static int64_t utc_seconds(const struct tz *tz, int64_t wall_s)
{
    struct tz_span span = tzif_span(&tz->zone, wall_s - TZ_OFFSET_MAX_S);
    int64_t from_before = 0;
    bool skipped = false;
    for (;;) {
        int64_t utc_s = wall_s - span.offset_s;
        if (utc_s >= span.start && utc_s < span.end)
            return utc_s;
        if (span.end > wall_s + TZ_OFFSET_MAX_S)
            return from_before; /* nothing later can have it */
        struct tz_span next = tzif_span(&tz->zone, span.end);
        if (!skipped && wall_s - next.offset_s < next.start) {
            skipped = true;
            from_before = utc_s;
        }
        span = next;
    }
}

int64_t tz_utc(const struct tz *tz, const struct civil *local)
{
    int64_t carry_s = floor_div(local->millisecond, 1000);
    int64_t utc_s = utc_seconds(tz, wall_seconds(local, carry_s));
    return utc_s * 1000 + local->millisecond - carry_s * 1000;
}
