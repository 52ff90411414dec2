/* Templates of treatments; see template.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/template.h"

struct template_loader {
    struct str text;
    struct expr_program *program;
    const struct expr_scope *scope;
    const struct expr_report *report;
    struct arena *arena;
    struct template_part parts[2 * TEMPLATE_HOLES_MAX + 1]; /* a literal before, between and after holes */
    size_t count, holes;
};

/* Findings inside a hole are moved by its place in the text. */
struct shifted {
    const struct expr_report *to;
    size_t by;
};

static void shifted_add(void *ctx, enum diag_severity severity, size_t offset, const char *text)
{
    const struct shifted *s = ctx;
    s->to->add(s->to->ctx, severity, offset + s->by, text);
}

static int complain(const struct template_loader *l, size_t offset, const char *text)
{
    l->report->add(l->report->ctx, DIAG_ERROR, offset, text);
    return ERR_INVALID;
}

static struct str trim(struct str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t' || *s.p == '\n'))
        s = (struct str){s.p + 1, s.n - 1};
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\n'))
        s.n--;
    return s;
}

static size_t find(struct str s, size_t from, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = from; i + n <= s.n; i++)
        if (memcmp(s.p + i, what, n) == 0)
            return i;
    return s.n;
}

/* The first single '|' outside quotes: `||` belongs to the expression. */
static size_t find_filter(struct str s)
{
    char quote = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '|') {
            if (i + 1 < s.n && s.p[i + 1] == '|')
                i++;
            else
                return i;
        }
    }
    return s.n;
}

static int unknown_filter(struct template_loader *l, struct str filter)
{
    struct suggest s;
    suggest_init(&s, filter);
    suggest_offer(&s, STR("default:"));
    suggest_offer(&s, STR("raw"));
    struct str best = suggest_best(&s);
    char text[200];
    snprintf(text, sizeof text, "unknown filter '%.*s'%s%.*s%s allowed: default: text, raw",
             filter.n < 40 ? (int)filter.n : 40, filter.p, best.n ? "; did you mean " : "", STR_ARG(best),
             best.n ? "?" : ";");
    return complain(l, (size_t)(filter.p - l->text.p), text);
}

static int filters(struct template_loader *l, struct str s, struct template_part *part)
{
    while (s.n) {
        size_t end = find(s, 0, "|");
        struct str one = trim((struct str){s.p, end});
        if (str_is(one, "raw")) {
            part->raw = true;
        } else if (str_starts(one, STR("default:"))) {
            part->has_default = true;
            part->fallback = arena_str(l->arena, trim((struct str){one.p + 8, one.n - 8}));
            if (!part->fallback.p)
                return ERR_NOSPACE;
        } else {
            return unknown_filter(l, one);
        }
        s = end < s.n ? (struct str){s.p + end + 1, s.n - end - 1} : (struct str){0};
    }
    return 0;
}

static int hole(struct template_loader *l, size_t from, size_t to)
{
    struct str inside = {l->text.p + from, to - from};
    size_t bar = find_filter(inside);
    struct str source = trim((struct str){inside.p, bar});
    if (source.n == 0)
        return complain(
            l, from,
            "empty {{ }}; write a name or an expression, e.g. {{ profile.first_name | default: there }}");
    struct template_part part = {.text = arena_str(l->arena, source)};
    struct shifted s = {l->report, (size_t)(source.p - l->text.p)};
    struct expr_report report = {&s, shifted_add};
    int rc = expr_compile(l->program, l->scope, source, (struct expr_type){VALUE_UNKNOWN, 0}, &report,
                          &part.value);
    if (!part.text.p)
        return ERR_NOSPACE;
    if (!rc && bar < inside.n)
        rc = filters(l, (struct str){inside.p + bar + 1, inside.n - bar - 1}, &part);
    l->parts[l->count++] = part;
    return rc;
}

static int literal(struct template_loader *l, size_t from, size_t to)
{
    struct template_part part = {.text = arena_str(l->arena, (struct str){l->text.p + from, to - from}),
                                 .value = EXPR_NONE};
    l->parts[l->count++] = part;
    return part.text.p ? 0 : ERR_NOSPACE;
}

int template_compile(struct str text, struct expr_program *program, const struct expr_scope *scope,
                     const struct expr_report *report, struct arena *arena, struct template *out)
{
    struct template_loader l = {
        .text = text, .program = program, .scope = scope, .report = report, .arena = arena};
    int rc = 0;
    if (text.n > TEMPLATE_TEXT_MAX)
        return complain(&l, 0, "text over 64 KiB");
    for (size_t at = 0; at < text.n && rc != ERR_NOSPACE;) {
        size_t open = find(text, at, "{{");
        if (open > at && literal(&l, at, open))
            return ERR_NOSPACE;
        if (open == text.n)
            break;
        size_t close = find(text, open + 2, "}}");
        if (close == text.n)
            return complain(&l, open, "'{{' without '}}'");
        if (l.holes++ == TEMPLATE_HOLES_MAX)
            return complain(&l, open, "more than 31 {{ }} in one text");
        int bad = hole(&l, open + 2, close);
        rc = bad ? bad : rc;
        at = close + 2;
    }
    out->count = l.count;
    out->parts = arena_memdup(arena, l.parts, l.count * sizeof *l.parts);
    return out->parts ? rc : ERR_NOSPACE;
}

static void append_html(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            buf_str(out, STR("&amp;"));
            break;
        case '<':
            buf_str(out, STR("&lt;"));
            break;
        case '>':
            buf_str(out, STR("&gt;"));
            break;
        case '"':
            buf_str(out, STR("&quot;"));
            break;
        case '\'':
            buf_str(out, STR("&#39;"));
            break;
        default:
            buf_byte(out, (uint8_t)s.p[i]);
        }
    }
}

int template_render(const struct template *t, struct expr_eval *ev, bool html, struct buf *out,
                    struct str *missing)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct template_part *part = &t->parts[i];
        if (part->value == EXPR_NONE) {
            buf_str(out, part->text);
            continue;
        }
        struct value v = expr_eval(ev, part->value);
        bool absent = v.type <= VALUE_NULL || (v.type == VALUE_STRING && v.n == 0);
        if (absent && !part->has_default) {
            *missing = part->text;
            return ERR_NOTFOUND;
        }
        size_t start = out->n;
        if (absent)
            buf_str(out, part->fallback);
        else
            value_format(v, out);
        if (html && !part->raw && !absent && buf_ok(out)) {
            struct str plain =
                arena_str(ev->arena, (struct str){(const char *)out->p + start, out->n - start});
            if (!plain.p)
                return ERR_NOSPACE;
            out->n = start;
            append_html(out, plain);
        }
    }
    return buf_ok(out) ? 0 : ERR_NOSPACE;
}
