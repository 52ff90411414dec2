/* Rejected lines; see rejects.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/rejects.h"
#include "base/csv.h"
#include "tools/answer.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { TEXT_MAX = 1024, RECORD_MAX = 8 << 20 };

struct import_rejects {
    struct import_rejects_options o;
    FILE *out;
    struct buf header; /* of the table being read */
    bool header_due;
    uint64_t count;
    FILE *again; /* of a late one's file */
    uint32_t again_file;
};

int import_rejects_open(struct import_rejects **out, const struct import_rejects_options *o, struct error *e)
{
    struct stat in, target;
    bool there = o->path && stat(o->path, &target) == 0;
    *out = NULL;
    for (size_t i = 0; i < o->file_count && there; i++)
        if (stat(o->files[i], &in) == 0 && in.st_dev == target.st_dev && in.st_ino == target.st_ino)
            return error_set(e, ERR_INVALID, "--rejects %s is the file to be imported", o->path);
    struct import_rejects *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    r->o = *o;
    buf_init(&r->header, CSV_RECORD_MAX + 1);
    if (o->path && !(r->out = fopen(o->path, "we"))) {
        free(r);
        return error_set(e, ERR_IO, "%s: %s", o->path, strerror(errno));
    }
    *out = r;
    return 0;
}

int import_rejects_close(struct import_rejects **gone, struct error *e)
{
    struct import_rejects *r = *gone;
    *gone = NULL;
    if (!r)
        return 0;
    bool failed = r->out && ferror(r->out);
    if (r->out)
        failed |= fclose(r->out) != 0;
    int rc = failed ? error_set(e, ERR_IO, "%s: writing failed", r->o.path) : 0;
    if (r->again)
        fclose(r->again);
    buf_free(&r->header);
    free(r);
    return rc;
}

void import_rejects_header(struct import_rejects *r, struct str raw)
{
    if (str_eq(raw, (struct str){(const char *)r->header.p, r->header.n}))
        return;
    buf_clear(&r->header);
    buf_str(&r->header, raw);
    r->header_due = true;
}

static void tell(struct import_rejects *r, const struct import_place *place, const char *why)
{
    const char *path = r->o.files[place->file];
    if (r->o.json) {
        json_t *o = json_pack("{s:s, s:I, s:s}", "file", path, "line", (json_int_t)place->line, "rejected", why);
        char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
        printf("%s\n", text ? text : "{}");
        free(text);
        json_decref(o);
        return;
    }
    if (r->count > IMPORT_REJECTS_SHOWN)
        return;
    char text[TEXT_MAX + 300];
    snprintf(text, sizeof text, "%.200s:%llu: %s", path, (unsigned long long)place->line, why);
    answer_text(text, TEXT_MAX, stderr); /* it holds what stood in the file */
    fputs(r->count == IMPORT_REJECTS_SHOWN ? "\n(further rejected lines are only counted; --rejects FILE keeps all)\n" : "\n",
          stderr);
}

static void put_row(struct import_rejects *r, struct buf *b, const struct import_place *place, const char *why, struct str raw)
{
    char s = r->o.separator;
    if (r->header_due) {
        buf_printf(b, IMPORT_REJECTED_LINE "%c" IMPORT_REJECTED_BECAUSE "%c", s, s);
        buf_append(b, r->header.p, r->header.n);
        buf_byte(b, '\n');
        r->header_due = false;
    }
    buf_printf(b, "%llu%c", (unsigned long long)place->line, s);
    csv_write_field(b, str_from(why), s);
    buf_byte(b, (uint8_t)s);
    buf_str(b, raw);
    buf_byte(b, '\n');
}

static void put_text(struct buf *b, struct str text)
{
    json_t *value = json_stringn(text.p ? text.p : "", text.n);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    buf_str(b, quoted ? str_from(quoted) : STR("\"(not UTF-8)\""));
    free(quoted);
    json_decref(value);
}

static void put_object(struct buf *b, const struct import_place *place, const char *why, struct str raw)
{
    while (raw.n && (raw.p[0] == ' ' || raw.p[0] == '\t'))
        raw = (struct str){raw.p + 1, raw.n - 1};
    while (raw.n && (raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == ' '))
        raw.n--;
    buf_printf(b, "{\"" IMPORT_REJECTED_LINE "\":%llu,\"" IMPORT_REJECTED_BECAUSE "\":", (unsigned long long)place->line);
    put_text(b, str_from(why));
    if (raw.n > 2 && raw.p[0] == '{' && raw.p[raw.n - 1] == '}') {
        buf_byte(b, ',');
        buf_append(b, raw.p + 1, raw.n - 1);
    } else {
        buf_str(b, STR(",\"text\":"));
        put_text(b, raw);
        buf_byte(b, '}');
    }
    buf_byte(b, '\n');
}

void import_rejects_add(struct import_rejects *r, const struct import_place *place, const char *why, struct str raw)
{
    struct buf b;
    r->count++;
    tell(r, place, why);
    if (!r->out)
        return;
    buf_init(&b, RECORD_MAX);
    if (r->o.table)
        put_row(r, &b, place, why, raw);
    else
        put_object(&b, place, why, raw);
    fwrite(b.p, 1, b.n, r->out);
    buf_free(&b);
}

void import_rejects_add_late(struct import_rejects *r, const struct import_place *place, const char *why)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t n = -1;
    bool open = r->again && r->again_file == place->file;
    if (r->out && !r->o.table && strcmp(r->o.files[place->file], "-") != 0) {
        if (r->again && !open)
            fclose(r->again);
        if (!open)
            r->again = fopen(r->o.files[place->file], "rbe");
        r->again_file = place->file;
        if (r->again && fseeko(r->again, (off_t)place->offset, SEEK_SET) == 0)
            n = getline(&text, &room, r->again);
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    import_rejects_add(r, place, why, (struct str){text, n > 0 ? (size_t)n : 0});
    free(text);
}
