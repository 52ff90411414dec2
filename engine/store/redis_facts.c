/* What a Redis says about itself; see redis_facts.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_facts.h"
#include <stdio.h>

static void copy(char *to, size_t size, struct str s)
{
    size_t n = s.n < size ? s.n : size - 1;
    if (n)
        memcpy(to, s.p, n);
    to[n] = 0;
}

static void one_line(struct redis_facts *f, struct str name, struct str value)
{
    if (str_is(name, "redis_version") && !f->version[0])
        copy(f->version, sizeof f->version, value);
    else if (str_is(name, "valkey_version"))
        copy(f->version, sizeof f->version, value);
    else if (str_is(name, "maxmemory_policy"))
        copy(f->policy, sizeof f->policy, value);
    else if (str_is(name, "aof_enabled"))
        f->aof_enabled = str_is(value, "1");
    else if (str_is(name, "loading"))
        f->loading = str_is(value, "1");
    else if (str_is(name, "role"))
        f->replica = str_is(value, "slave");
}

void redis_facts_info(struct redis_facts *f, struct str info)
{
    const char *end = info.p + info.n;
    for (const char *line = info.p; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const char *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > line && stop[-1] == '\r')
            stop--;
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon)
            one_line(f, (struct str){line, (size_t)(colon - line)},
                     (struct str){colon + 1, (size_t)(stop - colon - 1)});
        line = next;
    }
}

void redis_facts_config(struct redis_facts *f, struct str name, struct str value)
{
    if (str_is(name, "maxmemory-policy")) {
        copy(f->policy, sizeof f->policy, value);
    } else if (str_is(name, "appendfsync")) {
        copy(f->appendfsync, sizeof f->appendfsync, value);
    } else if (str_is(name, "save")) {
        copy(f->save, sizeof f->save, value);
        f->save_known = true;
    }
}

const char *redis_facts_refusal(const struct redis_facts *f, char *text, size_t size)
{
    if (f->loading) {
        snprintf(text, size, "it is still loading its data");
        return text;
    }
    if (!f->policy[0] || strcmp(f->policy, "noeviction") == 0)
        return NULL;
    snprintf(text, size,
             "its maxmemory-policy is %s, so that it may throw customers away when memory is short; "
             "set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf)",
             f->policy);
    return text;
}

const char *redis_facts_loss(const struct redis_facts *f)
{
    if (f->aof_enabled) {
        if (strcmp(f->appendfsync, "always") == 0)
            return "append-only file, synced at every write: loses nothing";
        if (strcmp(f->appendfsync, "everysec") == 0)
            return "append-only file, synced every second: a power cut loses up to two seconds, a killed "
                   "process "
                   "nothing, except up to two seconds while the disk is busy";
        if (strcmp(f->appendfsync, "no") == 0)
            return "append-only file, never synced: a killed process loses nothing, a power cut half a "
                   "minute or more";
        return "append-only file, synced at times unknown to us: a killed process loses nothing, a power cut "
               "may lose "
               "the last writes";
    }
    if (!f->save_known)
        return "no append-only file: a killed process loses at least what was written since the last "
               "snapshot";
    if (f->save[0])
        return "snapshots only: a killed process loses all that was written since the last snapshot";
    return "neither append-only file nor snapshots: a restart loses everything";
}

const char *redis_facts_warning(const struct redis_facts *f)
{
    if (!f->policy[0])
        return "its maxmemory-policy cannot be read; it must be noeviction";
    if (f->replica)
        return "it is a replica: writes will be refused";
    if (f->config_forbidden)
        return "CONFIG GET is forbidden: how its files are synced cannot be told";
    return NULL;
}
