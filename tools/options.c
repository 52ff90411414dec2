/* Options from tables; see options.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/options.h"
#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage_line(const struct command *c, FILE *out)
{
    fprintf(out, "usage: tact %s [options]%s%s\n", c->name, c->arguments[0] ? " " : "", c->arguments);
}

static int help(const struct command *c, const struct option_def *defs)
{
    usage_line(c, stdout);
    printf("\n%s\n\n%s\n\noptions:\n", c->brief, c->details);
    for (const struct option_def *d = defs; d->name; d++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", d->name, d->value ? " " : "", d->value ? d->value : "");
        printf("  %-28s %s%s\n", left, d->help, d->list ? " (may be repeated)" : "");
    }
    printf("  %-28s %s\n", "--help", "this text");
    return EXIT_OK;
}

static int wrong(const struct command *c, const char *format, const char *what, const char *rest)
{
    fprintf(stderr, "tact %s: ", c->name);
    fprintf(stderr, format, what, rest); /* formats are literals below */
    fprintf(stderr, "\n");
    usage_line(c, stderr);
    fprintf(stderr, "`tact %s --help` says more\n", c->name);
    return EXIT_USAGE;
}

static const struct option_def *find(const struct option_def *defs, struct str name)
{
    for (const struct option_def *d = defs; d->name; d++)
        if (str_is(name, d->name))
            return d;
    return NULL;
}

static int unknown(const struct command *c, const struct option_def *defs, struct str name, const char *given)
{
    struct suggest s;
    suggest_init(&s, name);
    for (const struct option_def *d = defs; d->name; d++)
        suggest_offer(&s, str_from(d->name));
    char rest[96] = "";
    if (suggest_best(&s).n)
        snprintf(rest, sizeof rest, "; did you mean --%.*s?", STR_ARG(suggest_best(&s)));
    return wrong(c, "unknown option %s%s", given, rest);
}

static int set(const struct command *c, const struct option_def *d, const char *value)
{
    if (d->text)
        *d->text = value;
    if (d->list) {
        if (d->list->count == OPTION_LIST_MAX)
            return wrong(c, "--%s is given too often%s", d->name, "");
        d->list->items[d->list->count++] = value;
    }
    if (d->number) {
        char *end, rest[96];
        errno = 0;
        long long n = strtoll(value, &end, 10);
        if (errno || *end || end == value || n < d->low || n > d->high) {
            snprintf(rest, sizeof rest, " needs a whole number from %lld to %lld", (long long)d->low,
                     (long long)d->high);
            return wrong(c, "--%s%s", d->name, rest);
        }
        *d->number = n;
    }
    return -1;
}

/* The words of "FROM TO" that are still to come. */
static const char *missing(const char *arguments, int given)
{
    for (; given > 0; given--) {
        const char *next = strchr(arguments, ' ');
        arguments = next ? next + 1 : arguments;
    }
    return arguments;
}

int options_parse(const struct command *c, const struct option_def *defs, int argc, char **argv,
                  const char **args, int least, int most, int *count)
{
    bool words_only = false;
    *count = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (words_only || word[0] != '-' || word[1] == 0) {
            if (*count == most)
                return wrong(c, "too many arguments: %s%s", word, "");
            args[(*count)++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            words_only = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return help(c, defs);
        const char *equals = strchr(word, '=');
        struct str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 1) - 1};
        const struct option_def *d = word[1] == '-' ? find(defs, name) : NULL;
        if (!d)
            return unknown(c, defs, name, word);
        if (!d->value) {
            if (equals)
                return wrong(c, "--%s takes no value%s", d->name, "");
            *d->flag = true;
            continue;
        }
        if (!equals && i + 1 == argc)
            return wrong(c, "--%s needs a value: %s", d->name, d->value);
        int rc = set(c, d, equals ? equals + 1 : argv[++i]);
        if (rc >= 0)
            return rc;
    }
    return *count < least ? wrong(c, "missing argument: %s%s", missing(c->arguments, *count), "") : -1;
}
