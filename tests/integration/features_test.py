"""`tact features` as people run it: what a server would reject is told with its line and makes the exit code 1, and lines, times
and instants that are no history are refused with their place.
SPDX-License-Identifier: Apache-2.0"""
import json
import os
import subprocess

from harness import TACT, WORK, check, done, folder

T = 1736944200000  # 2025-01-15T12:30:00Z
POLICY = folder("features-policy")
with open(os.path.join(POLICY, "policy.yaml"), "w", encoding="utf-8") as out:
    out.write("""
brand: {name: T, time_zone: UTC, locales: [en]}
profile: {plan: {type: string, values: [basic, gold]}}
signals: {topup: {properties: {amount: number}}}
channels: {web: {direction: inbound, content: [title]}}
features: {topups: {count: topup, window: 30d}, plan: profile.plan}
actions: [{id: a, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, title: hi}]}]
""")


def write(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def features(events, at=None, *args):
    path = write("events.jsonl", "\n".join(e if isinstance(e, str) else json.dumps(e) for e in events) + "\n")
    instants = ["--at", write("at.csv", at)] if at else []
    p = subprocess.run([TACT, "features", "--policy", POLICY, "--events", path, *instants, *args], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60)
    return p.returncode, p.stdout.splitlines(), p.stderr.replace(path, "events.jsonl").replace(WORK + "/", "")


def signal(*signals, customer="c1", **request):
    told = [dict({"event_id": "e%d" % i, "name": "topup", "time_ms": T}, **s) for i, s in enumerate(signals)]
    return {"signal": dict({"customer_id": customer, "signals": told}, **request)}


code, rows, err = features([signal({}), signal({"event_id": "x"}, customer="c2")])
check("a right history gives its rows", code == 0 and rows == ["customer_id,time,topups,plan", "c1,2025-01-15T12:30:00Z,1,",
                                                              "c2,2025-01-15T12:30:00Z,1,"] and err == "2 rows of 2 customers\n", (rows, err))
code, rows, err = features(["", '  { "signal" : ' + json.dumps(signal({})["signal"]) + " } "])
check("blanks around a line's parts do not matter", code == 0 and rows[1:] == ["c1,2025-01-15T12:30:00Z,1,"], err)

code, rows, err = features([signal({}), signal({"event_id": "a"}, {"name": "tpup"}, {"properties": {"amount": {"string_value": "x"}}}),
                            signal({"name": "nothing"}), {"upsert": {"customer_id": "c1", "as_of_ms": T, "profile": {"plan": {"string_value": "glod"}}}}])
check("what is wrong is told with its line", code == 1 and err.splitlines()[:4] == [
    "events.jsonl:2: signals[1].name: unknown 'tpup'; did you mean topup?; allowed: topup",
    "events.jsonl:2: signals[2].properties[amount]: expected a number (number_value), got a string",
    "events.jsonl:3: signals[0].name: unknown 'nothing'; allowed: topup",
    "events.jsonl:4: profile[plan]: unknown 'glod'; did you mean gold?; allowed: basic, gold"], err)
check("the rest counts, and the sum says so", rows[1:] == ["c1,2025-01-15T12:30:00Z,2,"] and
      err.endswith("1 rows of 1 customers\ntact features: 4 signals or upserts were rejected, the rows do without them\n"), (rows, err))
code, rows, err = features([signal({}), signal({"name": "tpup"})], None, "--json")
check("as JSON too", code == 1 and json.loads(err.splitlines()[-1]) == {"rows": 1, "customers": 1, "rejected": 1}, err)
code, rows, err = features([signal(*({"name": "n%d" % i} for i in range(30)))])
check("a long list is cut, its sum is not", code == 1 and len(err.splitlines()) == 22 and "30 signals or upserts were rejected" in err, err)


def refused(name, text, events, at=None):
    code, rows, err = features(events, at)
    check(name, code == 1 and rows == [] and err == "tact features: " + text + "\n", err)


refused("a decision is no history", 'events.jsonl:2: expected {"signal": {…}} or {"upsert": {…}}, got the field decide',
        [signal({}), {"decide": {"customer_id": "c1", "channel": "web"}}])
refused("a contact neither", 'events.jsonl:1: expected {"signal": {…}} or {"upsert": {…}}, got the field contact', [{"contact": {}}])
refused("a flat line neither", 'events.jsonl:1: expected {"signal": {…}} or {"upsert": {…}}, got the field customer_id',
        [signal({})["signal"]])
refused("no object", 'events.jsonl:1: expected {"signal": {…}} or {"upsert": {…}}, got no object', ["[1, 2]"])
refused("a line without a time", "events.jsonl:3: no as_of_ms and no time_ms, of customer c9",
        [signal({}), "", signal({"time_ms": 0}, customer="c9")])
refused("seconds in the events", "events.jsonl:2: 1736944200 seems to be in seconds; as_of_ms and time_ms are Unix milliseconds",
        [signal({}), signal({"time_ms": T // 1000}, as_of_ms=T)])
refused("seconds in the instants", "at.csv:2: '1736944200' seems to be in seconds; write Unix milliseconds", [signal({})],
        "customer_id,time\nc1,1736944200\n")
code, rows, err = features([signal({})], "customer_id,time\nc1,1970-01-02T00:00:00Z\n")
check("but a date is what it says", code == 0 and rows[1] == "c1,1970-01-02T00:00:00Z,0,", err)
done()
