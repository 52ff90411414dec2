"""The records of a server's log, read here by hand: what engine/log/log.h says of segments and blocks, with nothing of Tact's code.
SPDX-License-Identifier: Apache-2.0"""
import ctypes
import os
import struct

zstd, xxhash = ctypes.CDLL("libzstd.so.1"), ctypes.CDLL("libxxhash.so.0")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
xxhash.XXH3_64bits.restype = xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
FILE_HEADER, BLOCK_HEADER = 16, 24


def hash64(data):
    return xxhash.XXH3_64bits(data, len(data))


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _blocks(data, path):
    """The raw bytes of each block of a segment. A torn end is no error, as nobody was told of what was in it."""
    assert data[:8] == b"TACTLOG1", path
    at = FILE_HEADER
    while at + BLOCK_HEADER <= len(data):
        magic, raw, stored, records, check = struct.unpack_from("<4sIIIQ", data, at)
        body = data[at + BLOCK_HEADER:at + BLOCK_HEADER + stored]
        if magic != b"TBLK" or len(body) < stored or check != xxhash.XXH3_64bits_withSeed(body, stored, hash64(data[at:at + 16])):
            assert data.find(b"TBLK", at + 4) < 0, "%s: a bad block at %d, and others after it" % (path, at)
            return
        out = ctypes.create_string_buffer(raw)
        assert zstd.ZSTD_decompress(out, raw, body, stored) == raw, (path, at)
        yield out.raw, records
        at += BLOCK_HEADER + stored


def records(folder):
    """The bytes of every record (a tact.v1.LogRecord) in a folder of segments, in order."""
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".tlog")):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        for raw, count in _blocks(data, name) if len(data) >= FILE_HEADER else ():
            at = found = 0
            while at < len(raw):
                n, at = _varint(raw, at)
                yield raw[at:at + n]
                at, found = at + n, found + 1
            assert found == count, (name, found, count)
