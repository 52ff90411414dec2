/* Hostile time zone data: the bytes are taken as a data base as they are, and as the one TZif file of a data
 * base (so that the fuzzer need not build the container). What is accepted must answer every question:
 * lookups give fields in range, the way back from a local time leads to the same local time, and the bytes
 * read back are the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/tz.h"
#include <stdlib.h>

#define CHECK(condition) ((condition) ? (void)0 : abort())

static void ask(const struct tz *tz, int64_t ms)
{
    struct civil c, again;
    tz_local(tz, ms, &c);
    CHECK(c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31 && c.hour >= 0 && c.hour < 24 &&
          c.minute >= 0 && c.minute < 60 && c.second >= 0 && c.second < 60 && c.millisecond >= 0 &&
          c.millisecond < 1000 && c.weekday >= 0 && c.weekday < 7 && c.yearday >= 0 && c.yearday < 366);
    if (c.year < -200000000 || c.year > 200000000)
        return;
    int64_t back = tz_utc(tz, &c);
    CHECK(back <= ms); /* the first instant with that local time */
    tz_local(tz, back, &again);
    CHECK(again.year == c.year && again.month == c.month && again.day == c.day && again.hour == c.hour &&
          again.minute == c.minute && again.second == c.second && again.millisecond == c.millisecond);
}

static void use(const void *p, size_t n)
{
    struct tzdb *db;
    struct error e = {0};
    if (tzdb_from_bytes(&db, p, n, &e) != 0) {
        CHECK(e.text[0] && !db);
        return;
    }
    struct buf bytes;
    buf_init(&bytes, TZ_BYTES_MAX);
    tzdb_bytes(db, &bytes);
    CHECK(buf_ok(&bytes) && bytes.n == n && memcmp(bytes.p, p, n) == 0);
    buf_free(&bytes);
    static const int64_t times[] = {
        INT64_MIN,     -62135596800000, -2208988800000, -1,           0,        999,
        1736931600123, 2145916800000,   4102444800000,  253402300799, INT64_MAX};
    for (size_t z = 0; z < tzdb_count(db) && z < 50; z++)
        for (size_t i = 0; i < sizeof times / sizeof *times; i++)
            ask(tzdb_at(db, z), times[i]);
    tzdb_free(&db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use(data, size);
    struct buf b;
    buf_init(&b, TZ_BYTES_MAX);
    buf_str(&b, STR("TACTTZ1\n"));
    buf_varint(&b, 1);
    buf_varint(&b, 3);
    buf_str(&b, STR("UTC"));
    buf_varint(&b, 0);
    buf_varint(&b, size);
    buf_append(&b, data, size);
    if (buf_ok(&b))
        use(b.p, b.n);
    buf_free(&b);
    return 0;
}
