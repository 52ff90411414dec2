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

/* KEYS: blob [, record]. ARGV: expected version (8 bytes, or empty: no blob may be there), new blob (or
 * empty: leave it)
 * [, record, its time to live in ms]. Answers {0}, {1, fresh blob}: conflict, or {2, record}: it exists. */
#define REDIS_SCRIPT_COMMIT                                                                                  \
    "if KEYS[2] then\n"                                                                                      \
    "  local there = redis.call('GET', KEYS[2])\n"                                                           \
    "  if there then return {2, there} end\n"                                                                \
    "end\n"                                                                                                  \
    "if ARGV[2] ~= '' then\n"                                                                                \
    "  local there = redis.pcall('GETRANGE', KEYS[1], 1, 8)\n"                                               \
    "  if type(there) == 'table' then return {1, '?'} end\n"                                                 \
    "  if there ~= ARGV[1] or (there == '' and redis.call('EXISTS', KEYS[1]) == 1) then\n"                   \
    "    return {1, redis.call('GET', KEYS[1]) or ''}\n"                                                     \
    "  end\n"                                                                                                \
    "  redis.call('SET', KEYS[1], ARGV[2])\n"                                                                \
    "  redis.call('STRLEN', KEYS[1])\n"                                                                      \
    "end\n"                                                                                                  \
    "if KEYS[2] then redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4], 'NX') end\n"                         \
    "return {0}\n"

/* KEYS: blob, x [, record]. ARGV: what was read there ("?": no text), new blob [, record, its time to live in ms]. Keeps what
 * is there in the hash x and puts the new blob in its place. Answers as the script above. */
#define REDIS_SCRIPT_ASIDE                                                                                   \
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
    "redis.call('SET', KEYS[1], ARGV[2])\n"                                                                  \
    "redis.call('STRLEN', KEYS[1])\n"                                                                        \
    "if KEYS[3] then redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4], 'NX') end\n"                         \
    "return {0}\n"

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
