/* YAML reading: libyaml's events become a tree of nodes in the arena.
 *
 * Events rather than libyaml's own document tree, because that one resolves anchors silently and would let a
 * few bytes of aliases stand for gigabytes. Children wait on one growing stack and move to the arena when
 * their parent ends.
 *
 * libyaml marks a scalar at its opening quote or block indicator; people look for the text, so the place is
 * moved there and each scalar keeps the slice of the file it was written as (yaml_place.c walks it). libyaml
 * counts marks in characters, so a cursor follows along to turn them into bytes; marks never go back.
 *
 * Not here: what a plain scalar means (yaml_values.c), several documents, encodings other than UTF-8.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/yaml_values.h"
#include "policy/yaml_place.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { READ_STEP = 64 * 1024 };

/* What is being built, and the characters-to-bytes cursor. */
struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct diags *diags;
    const char *file;
    struct str text;            /* the whole file, in the arena */
    size_t mark_index, mark_at; /* a character's number and its byte */
    struct yaml_node **stack;   /* finished nodes that wait for their parent */
    size_t stacked, capacity;
    size_t nodes;
    bool refused; /* a finding after which no tree is given, though reading goes on */
};

/* ---- findings ---- */

void yaml_diag(struct diags *diags, enum diag_severity severity, const struct yaml_node *at,
               const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diag_add(diags, severity, at->file, at->line, at->column, "%s", text);
}

void yaml_diag_at(struct diags *diags, enum diag_severity severity, const struct yaml_node *scalar,
                  size_t offset, const char *text)
{
    struct place at = place_at(scalar, offset);
    diag_add(diags, severity, scalar->file, at.line, at.column, "%s", text);
}

static void refuse(struct reader *r, yaml_mark_t mark, const char *text)
{
    diag_add(r->diags, DIAG_ERROR, r->file, (int)mark.line + 1, (int)mark.column + 1, "%s", text);
    r->refused = true;
}

/* A finding at a byte of the file. */
static void refuse_byte(struct reader *r, size_t byte, const char *text)
{
    struct place at = {r->text.p, 1, 1};
    const char *end = r->text.p + (byte < r->text.n ? byte : r->text.n);
    while (at.p < end) {
        if (place_break(at.p, end))
            place_step_line(&at, end);
        else
            place_step(&at, end);
    }
    diag_add(r->diags, DIAG_ERROR, r->file, at.line, at.column, "%s", text);
    r->refused = true;
}

static bool out_of_memory(struct reader *r)
{
    diag_add(r->diags, DIAG_ERROR, r->file, 0, 0, "the file needs more memory than is allowed for loading");
    r->refused = true;
    return false;
}

static bool not_yaml(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "unknown problem";
    char text[512];
    if (p->error == YAML_MEMORY_ERROR)
        return out_of_memory(r);
    if (p->error == YAML_READER_ERROR) {
        snprintf(text, sizeof text, "not YAML: %s", problem);
        refuse_byte(r, p->problem_offset, text);
        return false;
    }
    if (p->context)
        snprintf(text, sizeof text, "not YAML: %s, %s (line %zu)", problem, p->context,
                 p->context_mark.line + 1);
    else
        snprintf(text, sizeof text, "not YAML: %s", problem);
    if (strstr(problem, "cannot start any token"))
        strncat(text, "; indent with spaces, not tabs, and put quotes around text that begins with @ ` or %",
                sizeof text - strlen(text) - 1);
    refuse(r, p->problem_mark, text);
    return false;
}

/* ---- building ---- */

/* The byte at which a mark stands. */
static size_t mark_byte(struct reader *r, size_t index)
{
    const char *end = r->text.p + r->text.n;
    while (r->mark_index < index && r->mark_at < r->text.n) {
        r->mark_at += place_char(r->text.p + r->mark_at, end);
        r->mark_index++;
    }
    return r->mark_at;
}

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind, const yaml_event_t *event)
{
    if (++r->nodes > YAML_NODES_MAX) {
        char text[80];
        snprintf(text, sizeof text, "more than %d values in one file", YAML_NODES_MAX);
        refuse(r, event->start_mark, text);
        return NULL;
    }
    struct yaml_node *n = arena_zalloc(r->arena, sizeof *n);
    if (!n) {
        out_of_memory(r);
        return NULL;
    }
    n->kind = kind;
    n->file = r->file;
    n->line = (int)event->start_mark.line + 1;
    n->column = (int)event->start_mark.column + 1;
    return n;
}

/* A block scalar's text begins on the line after its header; its indent is what the file has and the value
 * has not. */
static void place_block(struct yaml_node *n)
{
    const char *p = n->source.p, *end = p + n->source.n;
    while (p < end && !place_break(p, end))
        p++;
    p += place_break(p, end);
    n->source = (struct str){p, (size_t)(end - p)};
    n->line++;
    /* The first line of the value that is not empty; those before it stand one for one in the file. */
    size_t i = 0;
    for (; i < n->text.n && n->text.p[i] == '\n'; i++) {
        while (p < end && !place_break(p, end))
            p++;
        p += place_break(p, end);
    }
    int spaces = 0, kept = 0;
    for (; p < end && *p == ' '; p++)
        spaces++;
    for (; i < n->text.n && n->text.p[i] == ' '; i++)
        kept++;
    n->block_indent = spaces > kept ? spaces - kept : 0;
    n->column = n->block_indent + 1;
}

static enum yaml_style style_of(yaml_scalar_style_t style)
{
    switch (style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return YAML_SINGLE_QUOTED;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return YAML_DOUBLE_QUOTED;
    case YAML_LITERAL_SCALAR_STYLE:
        return YAML_LITERAL;
    case YAML_FOLDED_SCALAR_STYLE:
        return YAML_FOLDED;
    default:
        return YAML_PLAIN;
    }
}

static struct yaml_node *scalar_new(struct reader *r, const yaml_event_t *event)
{
    struct yaml_node *n = node_new(r, YAML_SCALAR, event);
    if (!n)
        return NULL;
    n->text =
        arena_str(r->arena, (struct str){(const char *)event->data.scalar.value, event->data.scalar.length});
    if (!n->text.p) {
        out_of_memory(r);
        return NULL;
    }
    n->style = style_of(event->data.scalar.style);
    n->quoted = n->style != YAML_PLAIN;
    size_t from = mark_byte(r, event->start_mark.index), to = mark_byte(r, event->end_mark.index);
    if (n->style == YAML_SINGLE_QUOTED || n->style == YAML_DOUBLE_QUOTED) {
        n->column++;
        from++;
        to = to > from ? to - 1 : from;
    }
    n->source = (struct str){r->text.p + from, to - from};
    if (n->style == YAML_LITERAL || n->style == YAML_FOLDED)
        place_block(n);
    return n;
}

static bool push(struct reader *r, struct yaml_node *n)
{
    if (r->stacked == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 256;
        struct yaml_node **stack = realloc(r->stack, capacity * sizeof *stack);
        if (!stack)
            return out_of_memory(r);
        r->stack = stack;
        r->capacity = capacity;
    }
    r->stack[r->stacked++] = n;
    return true;
}

static int key_order(const void *a, const void *b)
{
    const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
    int c = str_cmp(x->text, y->text);
    if (c)
        return c;
    c = (x->line > y->line) - (x->line < y->line);
    return c ? c : (x->column > y->column) - (x->column < y->column);
}

/* Sorts the keys in scratch and reports each that repeats an earlier one. */
static void report_duplicates(struct reader *r, struct yaml_node **scratch, size_t count)
{
    qsort(scratch, count, sizeof *scratch, key_order);
    const struct yaml_node *first = NULL;
    for (size_t i = 0; i < count; i++) {
        struct yaml_node *key = scratch[i];
        key->repeated = first && str_eq(first->text, key->text);
        if (key->repeated)
            yaml_diag(r->diags, DIAG_ERROR, key, "duplicate key '%.*s'; it stands at line %d already",
                      STR_ARG(key->text), first->line);
        else
            first = key;
    }
}

/* Moves the children from the stack (from index base on) into the arena. */
static bool adopt(struct reader *r, struct yaml_node *n, size_t base)
{
    size_t total = r->stacked - base;
    bool mapping = n->kind == YAML_MAPPING;
    n->count = mapping ? total / 2 : total;
    n->items = arena_alloc(r->arena, n->count * sizeof *n->items);
    n->keys = mapping ? arena_alloc(r->arena, n->count * sizeof *n->keys) : NULL;
    if (!n->items || (mapping && !n->keys))
        return out_of_memory(r);
    for (size_t i = 0; i < n->count; i++) {
        n->items[i] = r->stack[mapping ? base + 2 * i + 1 : base + i];
        if (mapping)
            n->keys[i] = r->stack[base + 2 * i];
    }
    if (n->count)
        memcpy(r->stack + base, mapping ? n->keys : n->items, n->count * sizeof *n->items);
    r->stacked = base;
    if (mapping && n->count > 1)
        report_duplicates(r, r->stack + base, n->count);
    return true;
}

static void refuse_properties(struct reader *r, const yaml_event_t *event, const void *anchor,
                              const void *tag)
{
    if (anchor)
        refuse(r, event->start_mark, "anchors (&) are not allowed here; write the value where it is used");
    else if (tag)
        refuse(r, event->start_mark, "tags (!) are not allowed here; quote text that begins with '!'");
}

static struct yaml_node *value_new(struct reader *r, const yaml_event_t *event, int depth);

/* The children up to the end event. */
static bool read_children(struct reader *r, struct yaml_node *n, yaml_event_type_t end, int depth)
{
    size_t base = r->stacked;
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return not_yaml(r);
        bool done = event.type == end;
        bool key = n->kind == YAML_MAPPING && (r->stacked - base) % 2 == 0;
        if (!done && key && event.type != YAML_SCALAR_EVENT && event.type != YAML_ALIAS_EVENT) {
            refuse(r, event.start_mark, "a key must be plain text, not a list or a mapping");
            yaml_event_delete(&event);
            return false;
        }
        struct yaml_node *child = done ? NULL : value_new(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (done)
            return adopt(r, n, base);
        if (!child || !push(r, child))
            return false;
    }
}

/* The value that begins with this event; NULL after a finding. */
static struct yaml_node *value_new(struct reader *r, const yaml_event_t *event, int depth)
{
    if (event->type == YAML_SCALAR_EVENT) {
        refuse_properties(r, event, event->data.scalar.anchor, event->data.scalar.tag);
        return scalar_new(r, event);
    }
    if (event->type == YAML_ALIAS_EVENT) {
        refuse(r, event->start_mark,
               "aliases (*) are not allowed here; write the value out, or quote the text");
        return node_new(r, YAML_SCALAR, event);
    }
    if (depth >= YAML_DEPTH_MAX) {
        char text[80];
        snprintf(text, sizeof text, "nested deeper than %d levels", YAML_DEPTH_MAX);
        refuse(r, event->start_mark, text);
        return NULL;
    }
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    if (mapping)
        refuse_properties(r, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    else
        refuse_properties(r, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    struct yaml_node *n = node_new(r, mapping ? YAML_MAPPING : YAML_SEQUENCE, event);
    if (!n || !read_children(r, n, mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT, depth))
        return NULL;
    return n;
}

/* One event outside of values: takes the document's root, ends at the stream's end. False stops. */
static bool read_event(struct reader *r, const yaml_event_t *event, struct yaml_node **root)
{
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_DOCUMENT_START_EVENT:
        if (*root) {
            refuse(r, event->start_mark, "a second document; only one document a file is allowed");
            return false;
        }
        if (event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
            refuse(r, event->start_mark, "tags (%TAG) are not allowed here");
        return true;
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    default:
        *root = value_new(r, event, 0);
        return *root != NULL;
    }
}

static struct yaml_node *read_stream(struct reader *r)
{
    struct yaml_node *root = NULL;
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            not_yaml(r);
            break;
        }
        more = read_event(r, &event, &root);
        yaml_event_delete(&event);
    }
    if (r->refused)
        return NULL;
    if (root && !yaml_is_null(root))
        return root;
    yaml_event_t nowhere = {.start_mark = {0}};
    return node_new(r, YAML_MAPPING, &nowhere);
}

/* text is in the arena and stays. */
static struct yaml_node *read_text(const char *file, struct str text, struct arena *arena,
                                   struct diags *diags)
{
    struct reader r = {.arena = arena, .diags = diags, .file = file, .text = text};
    if (str_starts(r.text, STR("\xEF\xBB\xBF"))) {
        r.text.p += 3;
        r.text.n -= 3;
    }
    size_t bad = utf8_bad_at(r.text.p, r.text.n);
    if (bad) {
        char finding[96];
        snprintf(finding, sizeof finding,
                 "not UTF-8: byte 0x%02x is not allowed here; save the file as UTF-8",
                 (unsigned char)r.text.p[bad - 1]);
        refuse_byte(&r, bad - 1, finding);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        out_of_memory(&r);
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)r.text.p, r.text.n);
    struct yaml_node *root = read_stream(&r);
    yaml_parser_delete(&r.parser);
    free(r.stack);
    return root;
}

static struct yaml_node *too_large(const char *name, struct diags *diags)
{
    diag_add(diags, DIAG_ERROR, name, 0, 0, "larger than %d MiB", YAML_FILE_MAX / (1024 * 1024));
    return NULL;
}

struct yaml_node *yaml_read(const char *name, struct str text, struct arena *arena, struct diags *diags)
{
    if (text.n > YAML_FILE_MAX)
        return too_large(name, diags);
    const char *file = arena_strdup(arena, name);
    struct str kept = arena_str(arena, text);
    if (!file || !kept.p) {
        diag_add(diags, DIAG_ERROR, name, 0, 0, "the file needs more memory than is allowed for loading");
        return NULL;
    }
    return read_text(file, kept, arena, diags);
}

/* Reads at most YAML_FILE_MAX + 1 bytes; false with errno. */
static bool read_all(int fd, struct buf *out)
{
    while (out->n <= YAML_FILE_MAX) {
        size_t room = YAML_FILE_MAX + 1 - out->n;
        uint8_t *into = buf_reserve(out, room < READ_STEP ? room : READ_STEP);
        if (!into) {
            errno = ENOMEM;
            return false;
        }
        ssize_t got = read(fd, into, room < READ_STEP ? room : READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        out->n += (size_t)got;
    }
    return true;
}

bool yaml_read_bytes(const char *path, struct buf *out, struct diags *diags)
{
    struct stat status;
    bool good = false;
    buf_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0)
        diag_add(diags, DIAG_ERROR, path, 0, 0, "cannot open: %s", strerror(errno));
    else if (!S_ISREG(status.st_mode))
        diag_add(diags, DIAG_ERROR, path, 0, 0, "not a file");
    else if (!read_all(fd, out))
        diag_add(diags, DIAG_ERROR, path, 0, 0, "cannot read: %s", strerror(errno));
    else
        good = true;
    if (fd >= 0)
        close(fd);
    return good;
}

struct yaml_node *yaml_read_file(const char *path, struct arena *arena, struct diags *diags)
{
    struct yaml_node *root = NULL;
    struct buf bytes;
    buf_init(&bytes, YAML_FILE_MAX + 1);
    if (yaml_read_bytes(path, &bytes, diags))
        root = yaml_read(path, (struct str){(const char *)bytes.p, bytes.n}, arena, diags);
    buf_free(&bytes);
    return root;
}
