#!/usr/bin/env python3
"""Random histories of events, and what every aggregate is worth afterwards.

The values are computed here from the set of distinct raw events, at the end, in one pass over all of them for each instant;
nothing is kept incrementally, so nothing of the C code is imitated. The rules are those that engine/state/aggregate.h,
state.h and the policy's calls (engine/policy/aggregate_calls.h) state:

  bucket of an event  floor(time / width), width = window / 24 rounded down, at least 1 ms; for hours of the week window / 4
  visible at now      (bucket + 1) * width > now - window
  sum                 of amounts rounded to 1/10000, half away from zero; mean: that over the events that have it
  last                of the latest event that has the property, by (time, high 16 bits of the event hash, value)
  age                 now - time of the latest event; the maximum duration when there was none
  open                keys whose latest opening is later than their latest closing and than now - window
  distinct, repeats   different values, events of the most frequent value; exact up to 64 (bucket, value) pairs
  decayed             sum of value * 2^(-age / h), ages at r = max(now rounded down to h / 64, latest event); 0 past 64 h
  mood                that of sentiments, over max(1, the sum of the weights)
  top, affinity       of decayed weights; exact up to 16 keys, then too small by at most what the state itself says; unknown
                      once the latest event is more than 32 h old at r
  hour_affinity       (168 w + 1) / (N + 1), w = (n(h) + (n(h-1) + n(h+1)) / 2 + the same hour of other days / 4) / 3.5
  filters             events for which the Python predicate beside the expression is true

Events arrive in shuffled order, some twice (same hash), at increasing times within the last half hour before now.
Lines, fields separated by spaces; first the policy between "policy" and "end", then for each case:

  case NOW ZONE                           the customer's zone, - for the brand's
  event ARRIVED SIGNAL HASH TIME CHANNEL NAME=VALUE …
  at INSTANT
  expect FEATURE VALUE | near FEATURE VALUE TOLERANCE | below FEATURE VALUE | for ACTION FEATURE VALUE (never above, and below
  it by no more than the state says) …    'unknown' for no value

  tests/cases/aggregate_oracle.py --seed 1 --count 1000 > cases.txt

SPDX-License-Identifier: Apache-2.0"""
import argparse
import datetime
import decimal
import math
import random
import zoneinfo

MINUTE, HOUR, DAY = 60000, 3600000, 86400000
DURATION_MAX = 315576000000000
START = 1736931600000
BRAND_ZONE = "Asia/Tehran"
ZONES = ["-", "-", "Europe/London", "Asia/Kolkata", "America/St_Johns"]
CELLS_MAX, KEYS_MAX = 64, 16
WINDOWS = {"1m": MINUTE, "90m": 90 * MINUTE, "7h1ms": 7 * HOUR + 1, "24h": DAY, "7d": 7 * DAY, "400d": 400 * DAY}
HALF_LIVES = {"1h": HOUR, "7d": 7 * DAY, "90d": 90 * DAY}
ACTIONS = {"a": "shoes", "b": "books", "c": None}

SIGNALS = {
    "buy": {"amount": "number", "sku": "string", "qty": "int", "gift": "bool", "category": "string"},
    "opened": {"case": "string"},
    "reopened": {"case": "string"},
    "closed": {"case": "string"},
    "seen_page": {},
    "contact": {"topic": "string", "sentiment": "sentiment"},
    "fault": {},
}
NEGATIVE = {"fault": "true", "contact": "contact.sentiment < -0.25 || contact.channel == 'phone'"}


def fixed(amount):
    return int(decimal.Decimal(amount * 10000.0).quantize(decimal.Decimal(1), rounding=decimal.ROUND_HALF_UP))


def visible(time, window, now, parts=24):
    width = max(window // parts, 1)
    return (time // width + 1) * width > now - window


def has(event, name):
    return event.get(name) is not None


# ---- what is asked: (expression, how it is compared, function of (events of the case, instant, zone)) ----

QUESTIONS = []


def ask(expression, compare="expect"):
    def keep(function):
        QUESTIONS.append((expression, compare, function))
        return function
    return keep


def of(events, *signals):
    return [e for e in events if e["signal"] in signals]


FILTERS = {
    "": lambda e: True,
    ", buy.gift": lambda e: e["gift"] is True,
    ", buy.amount > 10.0 && buy.sku != 'aa'": lambda e: cel_and(
        None if not has(e, "amount") else e["amount"] > 10.0, None if not has(e, "sku") else e["sku"] != "aa"),
    ", buy.channel == \"web\" || buy.qty >= 50": lambda e: cel_or(
        None if not has(e, "channel") else e["channel"] == "web", None if not has(e, "qty") else e["qty"] >= 50),
    ", !(buy.qty in [1, 2, 3])": lambda e: has(e, "qty") and e["qty"] not in (1, 2, 3),
}


def cel_and(a, b):
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def cel_or(a, b):
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def windowed(events, window, now):
    return [e for e in events if visible(e["time"], window, now)]


def total(events, prop):
    return sum(fixed(float(e[prop])) for e in events if has(e, prop))


def ring_questions():
    for text, window in WINDOWS.items():
        def count(events, now, zone, window=window):
            return len(windowed(of(events, "buy"), window, now))
        ask(f"count(buy, {text})")(count)
        for prop in ("amount", "qty"):
            def add(events, now, zone, window=window, prop=prop):
                return total(windowed(of(events, "buy"), window, now), prop) / 10000.0
            ask(f"sum(buy.{prop}, {text})")(add)

            def mean(events, now, zone, window=window, prop=prop):
                seen = [e for e in windowed(of(events, "buy"), window, now) if has(e, prop)]
                return total(seen, prop) / 10000.0 / len(seen) if seen else None
            ask(f"mean(buy.{prop}, {text})")(mean)
            for name, pick in (("min", min), ("max", max)):
                def extreme(events, now, zone, window=window, prop=prop, pick=pick):
                    return pick((e[prop] for e in windowed(of(events, "buy"), window, now) if has(e, prop)), default=None)
                ask(f"{name}(buy.{prop}, {text})")(extreme)
    for text, window in (("24h", DAY), ("30d", 30 * DAY)):
        for condition, passes in FILTERS.items():
            if not condition:
                continue

            def some(events, now, zone, window=window, passes=passes):
                return [e for e in windowed(of(events, "buy"), window, now) if passes(e) is True]

            def whole(events, now, zone, window=window):
                return windowed(of(events, "buy"), window, now)
            ask(f"count(buy, {text}{condition})")(lambda ev, now, z, some=some: len(some(ev, now, z)))
            ask(f"sum(buy.amount, {text}{condition})")(
                lambda ev, now, z, some=some: total(some(ev, now, z), "amount") / 10000.0)
            ask(f"max(buy.amount, {text}{condition})")(
                lambda ev, now, z, some=some: max((e["amount"] for e in some(ev, now, z) if has(e, "amount")), default=None))

            def share(events, now, zone, some=some, whole=whole):
                over = total(whole(events, now, zone), "amount") / 10000.0
                return total(some(events, now, zone), "amount") / 10000.0 / over if over else None
            ask(f"share(buy.amount{condition}, {text})")(share)

            def part(events, now, zone, some=some, whole=whole):
                over = float(len(whole(events, now, zone)))
                return len(some(events, now, zone)) / over if over else None
            ask(f"share(buy{condition}, {text})")(part)
    ask("count(buy.sku, 30d)")(
        lambda ev, now, z: sum(1 for e in windowed(of(ev, "buy"), 30 * DAY, now) if has(e, "sku")))
    ask("count(seen_page, opened, 7d)")(
        lambda ev, now, z: len(windowed(of(ev, "seen_page", "opened"), 7 * DAY, now)))


def last_questions():
    def latest(events, prop, passes=lambda e: True):
        best = max((e for e in of(events, "buy") if has(e, prop) and passes(e) is True),
                   key=lambda e: (e["time"], e["hash"] >> 48, e[prop]), default=None)
        return best and best[prop]
    for prop in ("amount", "sku", "qty", "gift", "category"):
        ask(f"last(buy.{prop})")(lambda ev, now, z, prop=prop: latest(ev, prop))
    for condition, passes in FILTERS.items():
        if condition:
            ask(f"last(buy.sku{condition})")(lambda ev, now, z, passes=passes: latest(ev, "sku", passes))

    def latest_time(events, signals, passes=lambda e: True):
        return max((e["time"] for e in of(events, *signals) if passes(e) is True), default=None)
    for signals in (("buy",), ("opened",), ("seen_page", "closed")):
        ask(f"last_at({', '.join(signals)})")(lambda ev, now, z, s=signals: latest_time(ev, s))

        def age(events, now, zone, signals=signals):
            time = latest_time(events, signals)
            return DURATION_MAX if time is None else now - time
        ask(f"age({', '.join(signals)})")(age)


def open_questions():
    def cases(events, opening, window, now):
        opened, closed = {}, {}
        for e in events:
            kept = opened if e["signal"] in opening else closed if e["signal"] == "closed" else None
            if kept is not None and has(e, "case"):
                kept[e["case"]] = max(kept.get(e["case"], e["time"]), e["time"])
        return sum(1 for k, t in opened.items() if t > now - window and (k not in closed or t > closed[k]))
    for text, window in WINDOWS.items():
        ask(f"open(opened.case, closed.case, {text})")(
            lambda ev, now, z, w=window: cases(ev, ("opened",), w, now))
    ask("[[opened.case, reopened.case], closed.case] 90d")(
        lambda ev, now, z: cases(ev, ("opened", "reopened"), 90 * DAY, now))


def keys_questions():
    for prop, signal in (("sku", "buy"), ("qty", "buy"), ("topic", "contact"), ("gift", "buy")):
        for text, window in (("90m", 90 * MINUTE), ("30d", 30 * DAY)):
            for what in ("distinct", "repeats"):
                def keys(events, now, zone, prop=prop, signal=signal, window=window, what=what):
                    width = window // 24
                    counts, cells = {}, set()
                    for e in of(events, signal):
                        if has(e, prop) and visible(e["time"], window, now):
                            counts[e[prop]] = counts.get(e[prop], 0) + 1
                    # what was dropped while it was still visible: all cells that the window ever saw at once
                    for e in of(events, signal):
                        if has(e, prop):
                            cells.add((e["time"] // width, e[prop]))
                    value = len(counts) if what == "distinct" else max(counts.values(), default=0)
                    return ("below", value) if len(cells) > CELLS_MAX else value
                ask(f"{what}({signal}.{prop}, {text})")(keys)


def decayed(pairs, half_life, now):
    """(Σ value × w, Σ w) of (time, value)."""
    if not pairs:
        return 0.0, 0.0
    latest, step = max(t for t, _ in pairs), max(half_life // 64, 1)
    at = max(now // step * step, latest)
    if at - latest > 64 * half_life:
        return 0.0, 0.0
    weights = [math.pow(2.0, -(at - t) / half_life) for t, _ in pairs]
    return math.fsum(v * w for (_, v), w in zip(pairs, weights)), math.fsum(weights)


def decay_questions():
    for text, h in HALF_LIVES.items():
        def amounts(events, now, zone, h=h):
            """The sum, and what roundings and dropped weights are relative to."""
            pairs = [(e["time"], e["amount"]) for e in of(events, "buy") if has(e, "amount")]
            sizes = decayed([(t, abs(v)) for t, v in pairs], h, now)[0]
            return decayed(pairs, h, now)[0], sizes + 1e-9 * max((abs(v) for _, v in pairs), default=0.0)
        ask(f"decayed(buy.amount, {text})", "near")(amounts)
        ask(f"decayed(seen_page, buy, {text})", "near")(
            lambda ev, now, z, h=h: decayed([(e["time"], 1.0) for e in of(ev, "seen_page", "buy")], h, now)[0])

        def mood(events, now, zone, h=h):
            total_, weight = decayed([(e["time"], e["sentiment"]) for e in of(events, "contact") if has(e, "sentiment")],
                                     h, now)
            return total_ / max(1.0, weight)
        ask(f"mood({text})", "near")(mood)

    def negative(events, now, window):
        n = len(windowed(of(events, "fault"), window, now))
        for e in windowed(of(events, "contact"), window, now):
            n += cel_or(None if not has(e, "sentiment") else e["sentiment"] < -0.25,
                        None if not has(e, "channel") else e["channel"] == "phone") is True
        return n
    ask("negative_moments(24h)")(lambda ev, now, z: negative(ev, now, DAY))
    ask("negative_moments(90d)")(lambda ev, now, z: negative(ev, now, 90 * DAY))

    def weights(events, prop, h, now):
        pairs = {}
        for e in of(events, "buy"):
            if has(e, prop):
                pairs.setdefault(str(e[prop]), []).append((e["time"], 1.0))
        everything = [p for ps in pairs.values() for p in ps]
        if not everything:
            return {}
        latest, step = max(t for t, _ in everything), max(h // 64, 1)  # parts do not change while all fades alike
        if max(now // step * step, latest) - latest > 32 * h:
            return {}
        return {k: math.fsum(math.pow(2.0, -(latest - t) / h) for t, _ in ps) for k, ps in pairs.items()}

    for text, h in HALF_LIVES.items():
        for prop in ("category", "qty"):
            def top(events, now, zone, prop=prop, h=h):
                ranked = sorted(((w, k) for k, w in weights(events, prop, h, now).items()), key=lambda x: (-x[0], x[1]))
                if len(ranked) > KEYS_MAX or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 1e-9):
                    return "skip"
                return ranked[0][1] if ranked else None
            ask(f"top(buy.{prop}, {text})")(top)

        def affinity(key, h=h):
            def part(events, now, zone, h=h):
                found = weights(events, "category", h, now)
                if not found or key is None:
                    return None
                return found.get(key, 0.0) / math.fsum(found.values())
            return part
        ask(f"affinity(buy.category, 'shoes', {text})", "for -")(affinity("shoes"))
        ask(f"affinity(buy.category, action.category, {text})", "for")(affinity)


def hour_questions():
    def week_hour(time, zone):
        local = datetime.datetime.fromtimestamp(time // 1000, zoneinfo.ZoneInfo(BRAND_ZONE if zone == "-" else zone))
        return local.isoweekday() % 7 * 24 + local.hour

    for text, window in (("28d", 28 * DAY), ("400d", 400 * DAY)):
        def inclined(events, now, zone, window=window):
            n = [0] * 168
            for e in of(events, "buy", "seen_page"):
                if visible(e["time"], window, now, parts=4):
                    n[week_hour(e["time"], zone)] += 1
            h = week_hour(now, zone)
            w = (n[h] + (n[h - 1] + n[(h + 1) % 168]) / 2 + sum(n[(h + 24 * d) % 168] for d in range(1, 7)) / 4) / 3.5
            return (168 * w + 1) / (sum(n) + 1)
        ask(f"hour_affinity(buy, seen_page, {text})", "near")(inclined)


for questions in (ring_questions, last_questions, open_questions, keys_questions, decay_questions, hour_questions):
    questions()


# ---- the policy ----

def print_policy():
    print("policy")
    print(f"brand: {{name: Oracle, time_zone: {BRAND_ZONE}, locales: [en]}}")
    print("profile: {zone: time_zone}")
    print("signals:")
    for name, properties in SIGNALS.items():
        body = ", ".join(f"{k}: {v}" for k, v in properties.items())
        negative = f", negative: \"{NEGATIVE[name]}\"" if name in NEGATIVE else ""
        print(f"  {name}: {{properties: {{{body}}}{negative}}}")
    print("channels: {web: {direction: inbound, content: [title]}, phone: {direction: inbound}}")
    print("features:")
    for i, (expression, _, _) in enumerate(QUESTIONS):
        if expression.startswith("[["):
            paths, window = expression.rsplit(" ", 1)
            print(f"  f{i}: {{open: {paths}, window: {window}}}")
        else:
            print(f"  f{i}: {{expr: '{expression.replace(chr(39), chr(39) * 2)}'}}")
    print("actions:")
    for name, category in ACTIONS.items():
        features = f", features: {{category: {category}}}" if category else ""
        print(f"  - {{id: {name}, issue: i, group: g, purpose: service, value: 1.0{features}, "
              "treatments: [{channel: web, title: hi}]}")
    print("end")


# ---- histories ----

def make_event(rnd, now, span, hashes, wide):
    signal = rnd.choice(["buy", "buy", "buy", "opened", "reopened", "closed", "seen_page", "contact", "fault"])
    time = rnd.randint(now - span, now + 5 * MINUTE)
    if rnd.random() < 0.3:
        time -= time % rnd.choice([1000, MINUTE, HOUR])
    event = {"signal": signal, "hash": rnd.choice([rnd.getrandbits(64), rnd.getrandbits(8)]), "time": time,
             "channel": rnd.choice([None, "web", "phone"])}
    while event["hash"] in hashes:
        event["hash"] = rnd.getrandbits(64)
    hashes.add(event["hash"])

    def maybe(value, chance=0.85):
        return value if rnd.random() < chance else None
    if signal == "buy":
        event["amount"] = maybe(float(rnd.choice(
            [round(rnd.uniform(-50, 500), 2), rnd.uniform(-1, 1), rnd.randint(-9, 9) * 0.00005, 1e12])))
        event["sku"] = maybe(rnd.choice("abcdefgh") * rnd.randint(1, 3))
        event["qty"] = maybe(rnd.randint(-5, 100))
        event["gift"] = maybe(rnd.random() < 0.5)
        names = [f"c{i}" for i in range(40)] if wide else ["shoes", "books", "toys", "garden"]
        event["category"] = maybe(rnd.choice(names + ["shoes", "books"]))
    elif signal in ("opened", "reopened", "closed"):
        event["case"] = maybe(f"k{rnd.randint(0, 6)}", 0.9)
    elif signal == "contact":
        event["topic"] = maybe(rnd.choice(["broken", "late", "billing"]))
        event["sentiment"] = maybe(rnd.choice([-1.0, 1.0, round(rnd.uniform(-1, 1), 3), -0.25]))
    return event


def text(value):
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def expectations(events, now, zone):
    print("at", now)
    for i, (_, compare, function) in enumerate(QUESTIONS):
        if compare == "for":
            for name, category in ACTIONS.items():
                print(f"for {name} f{i} {text(function(category)(events, now, zone))}")
            continue
        value = function(events, now, zone)
        if compare == "near":
            value, size = value if isinstance(value, tuple) else (value, 1.0)
            print(f"near f{i} {text(value)} {1e-9 * max(1.0, size)!r}")
        elif isinstance(value, tuple):
            print(value[0], f"f{i}", value[1])
        elif value != "skip":
            print(compare, f"f{i}", text(value))


def make_case(rnd):
    now = START + rnd.randint(0, 400 * DAY)
    zone = rnd.choice(ZONES)
    span = rnd.choice([2 * MINUTE, 3 * HOUR, 3 * DAY, 20 * DAY, 500 * DAY])
    hashes = set()
    wide = rnd.random() < 0.2
    events = [make_event(rnd, now, span, hashes, wide) for _ in range(rnd.choice([0, 1, 3, 10, 40, 150]))]
    arriving = events + [e for e in events if rnd.random() < 0.2]
    rnd.shuffle(arriving)
    arrivals = sorted(rnd.randint(now - 30 * MINUTE, now) for _ in arriving)
    if rnd.random() < 0.5:
        arrivals = [now] * len(arriving)
    print("case", now, zone)
    for arrived, e in zip(arrivals, arriving):
        properties = " ".join(f"{k}={text(e[k])}" for k in SIGNALS[e["signal"]] if has(e, k))
        print("event", arrived, e["signal"], e["hash"], e["time"], e["channel"] or "-", properties)
    for ahead in (0, rnd.choice([MINUTE + 1, 5 * HOUR, 9 * DAY, 60 * DAY])):
        expectations(events, now + ahead, zone)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    rnd = random.Random(options.seed)
    print_policy()
    for _ in range(options.count):
        make_case(rnd)


if __name__ == "__main__":
    main()
