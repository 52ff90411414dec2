/* Fuzz target: addresses of stores. What is accepted is within its limits, and its text for people, which
 * shows no password, is accepted again and means the same place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/redis_url.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096], place[REDIS_PLACE_MAX], second[REDIS_PLACE_MAX];
    struct redis_url u, again;
    struct error e = {0};
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    int rc = redis_url_parse(&u, text, &e);
    if (rc < 0) {
        ASSERT(rc == ERR_INVALID && e.text[0]);
        return 0;
    }
    ASSERT(strlen(u.host) <= REDIS_HOST_MAX && strlen(u.path) <= REDIS_PATH_MAX);
    ASSERT((u.host[0] == 0) == (u.path[0] != 0));
    ASSERT(u.path[0] ? u.path[0] == '/' : u.port > 0 && u.port < 65536);
    ASSERT(u.db >= 0 && u.db <= REDIS_DB_MAX);
    redis_url_place(&u, place);
    if (u.host[0]) {
        ASSERT(redis_url_parse(&again, place, &e) == 0);
        redis_url_place(&again, second);
        ASSERT(strcmp(place, second) == 0 && again.port == u.port && again.db == u.db);
        ASSERT(!again.password[0] && !again.user[0]);
    }
    return 0;
}
