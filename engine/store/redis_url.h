/* Where a Redis is:
 *   redis://[user[:password]@]host[:port][/db]   redis://:password@host   [IPv6]:port   host:port   host
 *   unix:///path/to.sock[?db=n]
 * User, password and path may hold %XX. The port is 6379 when it is not given. No TLS (rediss:// is refused
 * with a word about it). Error texts never repeat the address, since it may hold a password.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_URL_H
#define TACT_STORE_REDIS_URL_H
#include "base/error.h"

enum {
    REDIS_HOST_MAX = 255,
    REDIS_USER_MAX = 127,
    REDIS_PASSWORD_MAX = 511,
    REDIS_PATH_MAX =
        106, /* hiredis 0.14 leaves the last byte of sun_path unset: one less than Linux allows */
    REDIS_DB_MAX = 65535
};

struct redis_url {
    char host[REDIS_HOST_MAX + 1]; /* empty: a Unix socket */
    char path[REDIS_PATH_MAX + 1];
    char user[REDIS_USER_MAX + 1];
    char password[REDIS_PASSWORD_MAX + 1]; /* empty: no AUTH */
    int port, db;
};

int redis_url_parse(struct redis_url *out, const char *text, struct error *e) MUST_CHECK;

/* "host:port/2", "[::1]:6379", "unix:/path": for people, without user and password. */
enum { REDIS_PLACE_MAX = REDIS_HOST_MAX + 32 };
void redis_url_place(const struct redis_url *u, char place[REDIS_PLACE_MAX]);

#endif
