/* The Lua scripts of the Redis store. Each runs as one atomic step and checks before it writes: the first
 * write is the only one that Redis may refuse for lack of memory, so that a script does all or nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_SCRIPT_H
#define TACT_STORE_REDIS_SCRIPT_H

/* KEYS: blob, record. Answers {blob, record}, nil where there is none. A blob key of another type reads as "?", which is no
 * blob. */
#define REDIS_SCRIPT_READ                                                                                    \
    "local blob = redis.pcall('GET', KEYS[1])\n"                                                             \
    "if type(blob) == 'table' then blob = '?' end\n"                                                         \
    "return {blob, redis.call('GET', KEYS[2])}\n"

/* A write ends a connection's tracking of a key, and with NOLOOP says nothing of it: whoever writes reads once more, so that it
 * hears of the next change. */

/* What the two scripts below share. put: a text, or one that goes after ttl ms ('0': it stays). keep: a record, and its id at the
 * end of the index; now and then (by the id's first digit) ids leave its head whose records have gone by themselves. The index
 * costs 3 to 4 us of Redis's time a record, 40 bytes, and 300 bytes a customer that has some. */
#define REDIS_SCRIPT_PUT                                                                                     \
    "local function put(key, text, ttl)\n"                                                                   \
    "  if ttl == '0' then redis.call('SET', key, text) else redis.call('SET', key, text, 'PX', ttl) end\n"   \
    "end\n"
#define REDIS_SCRIPT_KEEP                                                                                    \
    "local function keep(key, index, record, ttl, id)\n"                                                     \
    "  redis.call('SET', key, record, 'PX', ttl, 'NX')\n"                                                    \
    "  redis.call('RPUSH', index, id)\n"                                                                     \
    "  redis.call('PEXPIRE', index, ttl)\n"                                                                  \
    "  if string.byte(id) ~= 48 then return end\n"                                                           \
    "  local head = string.sub(key, 1, -33)\n"                                                               \
    "  for i = 1, 64 do\n"                                                                                   \
    "    local oldest = redis.call('LINDEX', index, 0)\n"                                                    \
    "    if redis.call('EXISTS', head .. oldest) == 1 then return end\n"                                     \
    "    redis.call('LPOP', index)\n"                                                                        \
    "  end\n"                                                                                                \
    "end\n"

/* KEYS: blob [, record, index]. ARGV: expected version (8 bytes, or empty: no blob may be there), new blob (or empty: leave it),
 * its time to live in ms or '0', '1' when the version counts though there is no new blob [, record, its time to live in ms, its
 * id]. Answers {0}, {1, fresh blob}: conflict, or {2, record}: it exists. */
#define REDIS_SCRIPT_COMMIT                                                                                  \
    REDIS_SCRIPT_PUT REDIS_SCRIPT_KEEP                                                                       \
    "if KEYS[2] then\n"                                                                                      \
    "  local there = redis.call('GET', KEYS[2])\n"                                                           \
    "  if there then return {2, there} end\n"                                                                \
    "end\n"                                                                                                  \
    "if ARGV[2] ~= '' or ARGV[4] == '1' then\n"                                                              \
    "  local there = redis.pcall('GETRANGE', KEYS[1], 1, 8)\n"                                               \
    "  if type(there) == 'table' then return {1, '?'} end\n"                                                 \
    "  if there ~= ARGV[1] or (there == '' and redis.call('EXISTS', KEYS[1]) == 1) then\n"                   \
    "    return {1, redis.call('GET', KEYS[1]) or ''}\n"                                                     \
    "  end\n"                                                                                                \
    "end\n"                                                                                                  \
    "if ARGV[2] ~= '' then\n"                                                                                \
    "  put(KEYS[1], ARGV[2], ARGV[3])\n"                                                                     \
    "  redis.call('STRLEN', KEYS[1])\n"                                                                      \
    "end\n"                                                                                                  \
    "if KEYS[2] then keep(KEYS[2], KEYS[3], ARGV[5], ARGV[6], ARGV[7]) end\n"                                \
    "return {0}\n"

/* KEYS: blob, x [, record, index]. ARGV: what was read there ("?": no text), new blob, its time to live in ms or '0' [, record,
 * its time to live in ms, its id]. Keeps what is there in the hash x, which has the same time to live, and puts the new blob in
 * its place. Answers as the script above. */
#define REDIS_SCRIPT_ASIDE                                                                                   \
    REDIS_SCRIPT_PUT REDIS_SCRIPT_KEEP                                                                       \
    "if KEYS[3] then\n"                                                                                      \
    "  local there = redis.call('GET', KEYS[3])\n"                                                           \
    "  if there then return {2, there} end\n"                                                                \
    "end\n"                                                                                                  \
    "local there, kind = redis.pcall('GET', KEYS[1]), ''\n"                                                  \
    "if type(there) == 'table' then\n"                                                                       \
    "  if ARGV[1] ~= '?' then return {1, '?'} end\n"                                                         \
    "  there, kind = redis.call('DUMP', KEYS[1]), 'dump:'\n"                                                 \
    "elseif (there or '') ~= ARGV[1] then\n"                                                                 \
    "  return {1, there or ''}\n"                                                                            \
    "end\n"                                                                                                  \
    "redis.call('HSET', KEYS[2], kind .. redis.sha1hex(there), there)\n"                                     \
    "if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end\n"                                   \
    "put(KEYS[1], ARGV[2], ARGV[3])\n"                                                                       \
    "redis.call('STRLEN', KEYS[1])\n"                                                                        \
    "if KEYS[3] then keep(KEYS[3], KEYS[4], ARGV[4], ARGV[5], ARGV[6]) end\n"                                \
    "return {0}\n"

/* KEYS: blob, x, index. ARGV: expected version as above, or with '1' in the last what was read there ("?": no text), new blob,
 * its time to live in ms or '0', what the customer's record keys begin with (they are in the same slot), '0' or '1'. Leaves the
 * new blob alone. Answers {0} or {1, fresh blob}. */
#define REDIS_SCRIPT_FORGET                                                                                  \
    REDIS_SCRIPT_PUT                                                                                         \
    "local there = redis.pcall('GET', KEYS[1])\n"                                                            \
    "if type(there) == 'table' then there = '?' end\n"                                                       \
    "there = there or ''\n"                                                                                  \
    "local same = there == ARGV[1]\n"                                                                        \
    "if ARGV[5] == '0' and there ~= '' then same = #there >= 9 and string.sub(there, 2, 9) == ARGV[1] end\n" \
    "if not same then return {1, there} end\n"                                                               \
    "for _, id in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do redis.call('DEL', ARGV[4] .. id) end\n"    \
    "redis.call('DEL', KEYS[2], KEYS[3])\n"                                                                  \
    "put(KEYS[1], ARGV[2], ARGV[3])\n"                                                                       \
    "redis.call('STRLEN', KEYS[1])\n"                                                                        \
    "return {0}\n"

/* KEYS: blob, x, index. ARGV: what the customer's record keys begin with. Answers {blob or nil, {field, value, …} of x, {id,
 * record, …}}. */
#define REDIS_SCRIPT_HELD                                                                                    \
    "local blob, records = redis.pcall('GET', KEYS[1]), {}\n"                                                \
    "if type(blob) == 'table' then blob = '?' end\n"                                                         \
    "for _, id in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do\n"                                         \
    "  local record = redis.call('GET', ARGV[1] .. id)\n"                                                    \
    "  if record then\n"                                                                                     \
    "    records[#records + 1] = id\n"                                                                       \
    "    records[#records + 1] = record\n"                                                                   \
    "  end\n"                                                                                                \
    "end\n"                                                                                                  \
    "return {blob, redis.call('HGETALL', KEYS[2]), records}\n"

/* KEYS: the hash. ARGV: names. Answers their ids in order; a new name gets the next. */
#define REDIS_SCRIPT_NAMES                                                                                   \
    "local ids = {}\n"                                                                                       \
    "local last = redis.call('HLEN', KEYS[1])\n"                                                             \
    "for i = 1, #ARGV do\n"                                                                                  \
    "  local id = redis.call('HGET', KEYS[1], ARGV[i])\n"                                                    \
    "  if not id then\n"                                                                                     \
    "    last = last + 1\n"                                                                                  \
    "    redis.call('HSET', KEYS[1], ARGV[i], last)\n"                                                       \
    "    id = last\n"                                                                                        \
    "  end\n"                                                                                                \
    "  ids[i] = tonumber(id)\n"                                                                              \
    "end\n"                                                                                                  \
    "return ids\n"

/* KEYS: the secret. ARGV: 32 random bytes, used if there is none yet. Answers the secret. */
#define REDIS_SCRIPT_SECRET                                                                                  \
    "local there = redis.call('GET', KEYS[1])\n"                                                             \
    "if there then return there end\n"                                                                       \
    "redis.call('SET', KEYS[1], ARGV[1], 'NX')\n"                                                            \
    "return ARGV[1]\n"

#endif
