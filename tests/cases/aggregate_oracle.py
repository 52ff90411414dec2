#!/usr/bin/env python3
"""An independent oracle for aggregates: random histories of events and what each aggregate is worth afterwards.

The values are computed here from the set of distinct raw events, at the end, in one pass over all of them; nothing is kept
incrementally, so nothing of the C code is imitated. The rules are those that engine/state/aggregate.h and state.h state:

  bucket of an event  floor(time / width), width = window / 24 rounded down, at least 1 ms
  visible at now      (bucket + 1) * width > now - window
  sum                 of amounts rounded to 1/10000, half away from zero
  last                of the latest event that has the property, by (time, event hash)
  age                 now - time of the latest event; the maximum duration when there was none
  open                keys whose latest opening is later than their latest closing and than now - window

Events arrive in shuffled order, some twice (same hash), at increasing times within the last half hour before now.
One line each, fields separated by spaces:

  case NOW
  event ARRIVED SIGNAL HASH TIME [AMOUNT SKU QTY | KEY]      '-' for a property that is absent
  count SIGNAL WINDOW VALUE | sum PROPERTY WINDOW VALUE | last PROPERTY VALUE | last_at SIGNAL VALUE | age SIGNAL VALUE |
  open WINDOW VALUE                                          'unknown' for no value

  tests/cases/aggregate_oracle.py --seed 1 --count 1000 > cases.txt

SPDX-License-Identifier: Apache-2.0"""
import argparse
import decimal
import random

MINUTE, HOUR, DAY = 60000, 3600000, 86400000
WINDOWS = [MINUTE, 90 * MINUTE, 7 * HOUR + 1, DAY, 7 * DAY, 400 * DAY]
DURATION_MAX = 315576000000000
START = 1736931600000


def fixed(amount):
    return int(decimal.Decimal(amount * 10000.0).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))


def visible(time, window, now):
    width = max(window // 24, 1)
    return (time // width + 1) * width > now - window


def make_event(rnd, now, span, hashes):
    signal = rnd.choice(["buy", "buy", "opened", "closed", "seen_page"])
    time = rnd.randint(now - span, now + 5 * MINUTE)
    if rnd.random() < 0.3:
        time -= time % rnd.choice([1000, MINUTE, HOUR])
    event = {"signal": signal, "hash": rnd.choice([rnd.getrandbits(64), rnd.getrandbits(8)]), "time": time}
    while event["hash"] in hashes:
        event["hash"] = rnd.getrandbits(64)
    hashes.add(event["hash"])
    if signal == "buy":
        amount = rnd.choice([round(rnd.uniform(-50, 500), 2), rnd.uniform(-1, 1), rnd.randint(-9, 9) * 0.00005, 1e12])
        event["amount"] = float(amount) if rnd.random() < 0.85 else None
        event["sku"] = rnd.choice("abcdefgh") * rnd.randint(1, 3) if rnd.random() < 0.85 else None
        event["qty"] = rnd.randint(-5, 100) if rnd.random() < 0.85 else None
    elif signal in ("opened", "closed"):
        event["key"] = f"k{rnd.randint(0, 6)}" if rnd.random() < 0.9 else None
    return event


def fields(event):
    if event["signal"] == "buy":
        names = ["amount", "sku", "qty"]
    elif event["signal"] == "seen_page":
        names = []
    else:
        names = ["key"]
    return " ".join("-" if event[n] is None else repr(event[n]) if n == "amount" else str(event[n]) for n in names)


def last_of(events, prop):
    best = max((e for e in events if e["signal"] == "buy" and e[prop] is not None),
               key=lambda e: (e["time"], e["hash"]), default=None)
    return "unknown" if best is None else repr(best[prop]) if prop == "amount" else best[prop]


def open_cases(events, window, now):
    opened, closed = {}, {}
    for e in events:
        kept = {"opened": opened, "closed": closed}.get(e["signal"])
        if kept is not None and e["key"] is not None:
            kept[e["key"]] = max(kept.get(e["key"], e["time"]), e["time"])
    return sum(1 for k, t in opened.items() if t > now - window and (k not in closed or t > closed[k]))


def expectations(events, now):
    for signal in ("buy", "seen_page"):
        for w in WINDOWS:
            yield f"count {signal} {w} {sum(1 for e in events if e['signal'] == signal and visible(e['time'], w, now))}"
    buys = [e for e in events if e["signal"] == "buy"]
    for prop in ("amount", "qty"):
        for w in WINDOWS:
            total = sum(fixed(float(e[prop])) for e in buys if e[prop] is not None and visible(e["time"], w, now))
            yield f"sum {prop} {w} {float(total) / 10000.0!r}"
    for prop in ("amount", "sku", "qty"):
        yield f"last {prop} {last_of(events, prop)}"
    for signal in ("buy", "opened"):
        latest = max((e["time"] for e in events if e["signal"] == signal), default=None)
        yield f"last_at {signal} {'unknown' if latest is None else latest}"
        yield f"age {signal} {DURATION_MAX if latest is None else now - latest}"
    for w in WINDOWS:
        yield f"open {w} {open_cases(events, w, now)}"


def make_case(rnd):
    now = START + rnd.randint(0, 400 * DAY)
    span = rnd.choice([2 * MINUTE, 3 * HOUR, 3 * DAY, 20 * DAY, 500 * DAY])
    hashes = set()
    events = [make_event(rnd, now, span, hashes) for _ in range(rnd.choice([0, 1, 3, 10, 40]))]
    arriving = events + [e for e in events if rnd.random() < 0.2]
    rnd.shuffle(arriving)
    arrivals = sorted(rnd.randint(now - 30 * MINUTE, now) for _ in arriving)
    if rnd.random() < 0.5:
        arrivals = [now] * len(arriving)
    print(f"case {now}")
    for arrived, e in zip(arrivals, arriving):
        print("event", arrived, e["signal"], e["hash"], e["time"], fields(e))
    for line in expectations(events, now):
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    rnd = random.Random(options.seed)
    for _ in range(options.count):
        make_case(rnd)


if __name__ == "__main__":
    main()
