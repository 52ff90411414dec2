/* Parser of store addresses; see redis_url.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_url.h"
#include "base/str.h"

#define FORMS "redis://[user:password@]host:port[/db], unix:///path/to.sock[?db=n] or host:port"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static struct str upto(struct str s, size_t n)
{
    return (struct str){s.p, n};
}

static struct str after(struct str s, size_t n)
{
    return (struct str){s.p + n, s.n - n};
}

/* Position of c, or s.n. */
static size_t find(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

static size_t find_last(struct str s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

/* Copies s with %XX decoded. */
static int decode(char *out, size_t limit, struct str s, const char *what, struct error *e)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        if (c == '%') {
            int high = s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? hex_digit(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return error_set(e, ERR_INVALID,
                                 "store address: %s: '%%' needs two hex digits (write %%25 for '%%')", what);
            c = high << 4 | low;
            i += 2;
        }
        if (c == 0)
            return error_set(e, ERR_INVALID, "store address: %s holds a NUL", what);
        if (n == limit)
            return error_set(e, ERR_INVALID, "store address: %s is longer than %zu bytes", what, limit);
        out[n++] = (char)c;
    }
    out[n] = 0;
    return 0;
}

/* A decimal number of 1 to 5 digits. */
static int number(int *out, struct str s, int least, int most, const char *what, struct error *e)
{
    int v = 0;
    bool good = s.n >= 1 && s.n <= 5;
    for (size_t i = 0; good && i < s.n; i++) {
        good = s.p[i] >= '0' && s.p[i] <= '9';
        v = v * 10 + (s.p[i] - '0');
    }
    if (!good || v < least || v > most)
        return error_set(e, ERR_INVALID, "store address: %s must be a number from %d to %d", what, least,
                         most);
    *out = v;
    return 0;
}

/* IPv6 may carry a zone: fe80::1%eth0. */
static bool host_byte(char c, bool ipv6)
{
    if (ipv6 && (c == ':' || c == '%'))
        return true;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static int copy_host(struct redis_url *u, struct str s, bool ipv6, struct error *e)
{
    if (s.n == 0)
        return error_set(e, ERR_INVALID, "store address: there is no host; allowed: " FORMS);
    if (s.n > REDIS_HOST_MAX)
        return error_set(e, ERR_INVALID, "store address: the host is longer than %d bytes", REDIS_HOST_MAX);
    for (size_t i = 0; i < s.n; i++)
        if (!host_byte(s.p[i], ipv6) || (ipv6 && find(s, ':') == s.n))
            return error_set(
                e, ERR_INVALID,
                "store address: a host holds letters, digits, '.', '-' and '_' (IPv6 in brackets); "
                "allowed: " FORMS);
    memcpy(u->host, s.p, s.n);
    u->host[s.n] = 0;
    return 0;
}

/* host, host:port, [ipv6], [ipv6]:port */
static int parse_host(struct redis_url *u, struct str s, struct error *e)
{
    struct str host, rest;
    bool ipv6 = s.n > 0 && s.p[0] == '[';
    if (ipv6) {
        size_t close = find(s, ']');
        if (close == s.n)
            return error_set(e, ERR_INVALID, "store address: '[' without ']'");
        host = (struct str){s.p + 1, close - 1};
        rest = after(s, close + 1);
    } else {
        size_t colon = find(s, ':');
        host = upto(s, colon);
        rest = after(s, colon);
    }
    int rc = copy_host(u, host, ipv6, e);
    if (rc < 0)
        return rc;
    if (rest.n == 0)
        return 0;
    if (rest.p[0] != ':')
        return error_set(e, ERR_INVALID, "store address: after ']' only ':port' may follow");
    return number(&u->port, after(rest, 1), 1, 65535, "the port", e);
}

static int parse_credentials(struct redis_url *u, struct str s, struct error *e)
{
    size_t colon = find(s, ':');
    int rc = decode(u->user, REDIS_USER_MAX, upto(s, colon), "the user", e);
    if (rc < 0)
        return rc;
    if (colon < s.n)
        rc = decode(u->password, REDIS_PASSWORD_MAX, after(s, colon + 1), "the password", e);
    if (rc == 0 && u->user[0] && !u->password[0])
        rc = error_set(e, ERR_INVALID,
                       "store address: a user without a password (write user:password@, or :password@)");
    return rc;
}

static int parse_tcp(struct redis_url *u, struct str s, struct error *e)
{
    u->port = 6379;
    size_t slash = find_last(s, '/');
    size_t at = find_last(s, '@');
    if (slash < s.n && (at == s.n || slash > at)) {
        struct str db = after(s, slash + 1);
        s = upto(s, slash);
        if (db.n) {
            int rc = number(&u->db, db, 0, REDIS_DB_MAX, "the database", e);
            if (rc < 0)
                return rc;
        }
    }
    if (at < s.n) {
        int rc = parse_credentials(u, upto(s, at), e);
        if (rc < 0)
            return rc;
        s = after(s, at + 1);
    }
    return parse_host(u, s, e);
}

static int parse_unix(struct redis_url *u, struct str s, struct error *e)
{
    size_t question = find(s, '?');
    struct str query = after(s, question);
    if (query.n) {
        if (!str_starts(query, STR("?db=")))
            return error_set(e, ERR_INVALID,
                             "store address: after the socket's path only '?db=n' may follow");
        int rc = number(&u->db, after(query, 4), 0, REDIS_DB_MAX, "the database", e);
        if (rc < 0)
            return rc;
    }
    if (question == 0 || s.p[0] != '/')
        return error_set(e, ERR_INVALID,
                         "store address: the socket's path must be absolute: unix:///path/to.sock");
    return decode(u->path, REDIS_PATH_MAX, upto(s, question), "the socket's path", e);
}

int redis_url_parse(struct redis_url *out, const char *text, struct error *e)
{
    struct str s = str_from(text);
    struct redis_url u = {.port = 0};
    int rc;
    if (str_starts(s, STR("unix://")))
        rc = parse_unix(&u, after(s, 7), e);
    else if (str_starts(s, STR("redis://")))
        rc = parse_tcp(&u, after(s, 8), e);
    else if (str_starts(s, STR("rediss://")))
        rc = error_set(e, ERR_INVALID, "store address: TLS to Redis is not supported; allowed: " FORMS);
    else if (s.n == 0 || strstr(text, "://") || s.p[0] == '/')
        rc = error_set(e, ERR_INVALID, "store address: not one of the forms " FORMS);
    else
        rc = parse_tcp(&u, s, e);
    if (rc == 0)
        *out = u;
    return rc;
}

void redis_url_place(const struct redis_url *u, char place[REDIS_PLACE_MAX])
{
    int n;
    if (u->path[0])
        n = snprintf(place, REDIS_PLACE_MAX, "unix:%s", u->path);
    else if (strchr(u->host, ':'))
        n = snprintf(place, REDIS_PLACE_MAX, "[%s]:%d", u->host, u->port);
    else
        n = snprintf(place, REDIS_PLACE_MAX, "%s:%d", u->host, u->port);
    if (u->db)
        snprintf(place + n, REDIS_PLACE_MAX - (size_t)n, "/%d", u->db);
}
