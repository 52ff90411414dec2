#!/usr/bin/env python3
"""Prints what Python's zoneinfo says about every zone of a folder, for tests/unit/base/tz_test.c to compare.

  tz_oracle.py [FOLDER [SEED]]        FOLDER defaults to /usr/share/zoneinfo

One line each: "Z name", then for that zone
  "u utc_ms year month day hour minute second weekday yearday offset_s"     UTC to local
  "l year month day hour minute second utc_ms"                              local to UTC, fold 0
Instants: random ones from 1900 to 2100, every change in the file and those of some later years, each with a second before
and after, and the local times around them (so all gaps and folds).  Ends with "E lines".
SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import struct
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST = int((datetime(1900, 1, 1, tzinfo=timezone.utc) - EPOCH).total_seconds())
LAST = int((datetime(2100, 1, 1, tzinfo=timezone.utc) - EPOCH).total_seconds())
DAY = 86400


def changes(data):
    """The 64-bit change times of a TZif file."""
    def header(at):
        return struct.unpack(">6l", data[at + 20:at + 44])
    ut, std, leap, times, types, chars = header(0)
    at = 44
    if data[4:5] != b"\0":
        at += times * 5 + types * 6 + chars + leap * 8 + std + ut
        ut, std, leap, times, types, chars = header(at)
        return struct.unpack(f">{times}q", data[at + 44:at + 44 + 8 * times])
    return struct.unpack(f">{times}l", data[at:at + 4 * times])


def offset(zone, t):
    return int((EPOCH + timedelta(seconds=t)).astimezone(zone).utcoffset().total_seconds())


def local_to_utc_ms(zone, wall):
    """fold 0; but an answer that does not lead back to the wall time is taken only when no instant has that wall time:
    right after a file's last change zoneinfo may apply the footer to local times that still belong to the table."""
    ms = (wall.replace(tzinfo=zone) - EPOCH) // timedelta(milliseconds=1)
    local_s = int((wall - EPOCH.replace(tzinfo=None)).total_seconds())
    if offset(zone, ms // 1000) == local_s - ms // 1000:
        return ms
    near = {offset(zone, local_s + hours * 3600) for hours in range(-26, 27)}
    exact = [local_s - off for off in near if offset(zone, local_s - off) == off]
    return min(exact) * 1000 if exact else ms


def later_changes(zone, rng):
    """Changes that only the footer knows, in a few years after the tables end."""
    found = []
    for year in rng.sample(range(2037, 2099), 3):
        t = int((datetime(year, 1, 1, tzinfo=timezone.utc) - EPOCH).total_seconds())
        for day in range(366):
            low, high = t + day * DAY, t + (day + 1) * DAY
            before = offset(zone, low)
            if offset(zone, high) == before:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            found.append(high)
    return found


def names(folder):
    for root, dirs, files in os.walk(folder):
        dirs[:] = sorted(d for d in dirs if d not in ("posix", "right"))
        for name in files:
            path = os.path.relpath(os.path.join(root, name), folder)
            if path in ("posixrules", "localtime") or path.startswith("."):
                continue
            with open(os.path.join(root, name), "rb") as file:
                data = file.read()
            if data[:4] == b"TZif":
                yield path, data


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/zoneinfo"
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 20250115)
    zoneinfo.reset_tzpath([folder])
    out, count = sys.stdout, 0
    for name, data in sorted(names(folder)):
        zone = zoneinfo.ZoneInfo(name)
        edges = [t for t in changes(data) if FIRST <= t < LAST] + later_changes(zone, rng)
        instants = [rng.randrange(FIRST * 1000, LAST * 1000) for _ in range(60)]
        instants += [(t + d) * 1000 for t in edges for d in (-1, 0, 1)]
        out.write(f"Z {name}\n")
        for ms in instants:
            local = (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)
            off = int(local.utcoffset().total_seconds())
            out.write(f"u {ms} {local.year} {local.month} {local.day} {local.hour} {local.minute} {local.second} "
                      f"{local.isoweekday() % 7} {local.timetuple().tm_yday - 1} {off}\n")
        walls = [EPOCH.replace(tzinfo=None) + timedelta(seconds=rng.randrange(FIRST, LAST)) for _ in range(60)]
        for t in edges:
            for off in {offset(zone, t - 1), offset(zone, t)}:
                wall = EPOCH.replace(tzinfo=None) + timedelta(seconds=t + off)
                walls += [wall + timedelta(seconds=d) for d in (-1800, -1, 0, 1, 1800)]
        for wall in walls:
            ms = local_to_utc_ms(zone, wall)
            out.write(f"l {wall.year} {wall.month} {wall.day} {wall.hour} {wall.minute} {wall.second} {ms}\n")
        count += len(instants) + len(walls)
    out.write(f"E {count}\n")


if __name__ == "__main__":
    main()
