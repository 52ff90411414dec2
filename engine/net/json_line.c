/* Walking JSON text to a value; see json_line.h. Nesting costs no recursion: a value is skipped by counting
 * brackets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/json_line.h"

struct scan {
    const char *p, *end;
};

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

/* Past a string, whose raw contents are returned. */
static struct str skip_string(struct scan *s)
{
    const char *start = ++s->p;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->end - s->p > 1 ? 2 : 1;
    struct str contents = {start, (size_t)(s->p - start)};
    if (s->p < s->end)
        s->p++;
    return contents;
}

/* Past a value. */
static void skip_value(struct scan *s)
{
    size_t depth = 0;
    do {
        skip_space(s);
        if (s->p == s->end)
            return;
        char c = *s->p;
        if (c == '"') {
            skip_string(s);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        s->p++;
        if (depth == 0 && (c != '}' && c != ']')) /* a number or a word: up to what ends it */
            while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
                s->p++;
    } while (depth > 0);
}

/* From the '{' or '[' at p to the member or element; false when it is not there. */
static bool step_into(struct scan *s, const struct json_step *step)
{
    char open = *s->p;
    if (open != (step->key.p ? '{' : '['))
        return false;
    s->p++;
    for (size_t i = 0;; i++) {
        skip_space(s);
        if (s->p == s->end || *s->p == '}' || *s->p == ']')
            return false;
        const char *start = s->p;
        bool found = !step->key.p && i == step->index;
        if (open == '{') {
            if (*s->p != '"')
                return false;
            found = str_eq(skip_string(s), step->key);
        }
        if (found) {
            s->p = start;
            return true;
        }
        skip_space(s);
        if (open == '{' && s->p < s->end && *s->p == ':')
            s->p++;
        skip_value(s);
        skip_space(s);
        if (s->p < s->end && *s->p == ',')
            s->p++;
    }
}

int json_line(struct str text, const struct json_step *steps, size_t count)
{
    struct scan s = {text.p, text.p + text.n};
    skip_space(&s);
    const char *found = s.p;
    for (size_t i = 0; i < count && s.p < s.end && step_into(&s, &steps[i]); i++) {
        found = s.p;
        if (!steps[i].key.p)
            continue;
        skip_string(&s); /* to the member's value */
        skip_space(&s);
        if (s.p < s.end && *s.p == ':')
            s.p++;
        skip_space(&s);
    }
    int line = 1;
    for (const char *p = text.p; p < found; p++)
        line += *p == '\n';
    return line;
}
