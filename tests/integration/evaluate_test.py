"""`tact evaluate` as people run it: good rows against figures worked out here, every kind of bad input with its place, the gate's exit
code, costs and their picture, and a real server's log, decided again by the policy that made it and by another one.
SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import random
import shutil
import subprocess
import xml.dom.minidom

from harness import ROOT, TACT, WORK, Redis, Server, check as harness_check, common, customers, decisions, done, folder, outcomes

RETAIL = os.path.join(ROOT, "tools/examples/retail")


def check(good, name):
    harness_check(name, good)


def run(*args):
    p = subprocess.run([TACT, "evaluate"] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    return p.returncode, p.stdout, p.stderr


def lines(*args):
    code, out, err = run("--json", *args)
    if code not in (0, 1):
        raise SystemExit(err)
    return [json.loads(x) for x in out.splitlines()]


def write(name, text, encoding="utf-8"):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding=encoding, newline="") as f:
        f.write(text)
    return path


def refused(text, *args):
    code, out, err = run(*args)
    check(code in (1, 2) and text in err and not out, "refused: %s" % text if text in err else "refused with %r, wanted %r (exit %d)" % (err, text, code))


NAMES = ["--action", "arm", "--reward", "y", "--probability", "p"]
good = write("good.csv", "arm,y,p,who\nmail,1,0.5,a\nnone,0,0.5,b\nmail,0,0.25,c\nnone,1,0.75,c\n")

# ---- figures ----
line = lines("--csv", good, *NAMES, "--silence", "none", "--arm", "mail", "--cost", "0.1", "--resamples", "200")[1]
w = [2, 0, 4, 0]
net = [0.9, 0, -0.1, 1]
ips = sum(a * b for a, b in zip(w, net)) / 4
check(abs(line["figures"]["ips"]["value"] - ips) < 1e-12 and abs(line["figures"]["snips"]["value"] - ips * 4 / 6) < 1e-12,
      "values net of contact cost: ips %.4f" % ips)
check(line["silent"] == 0 and abs(line["effective_rows"] - 36 / 20) < 1e-12, "silent share and effective sample size")
line = lines("--csv", good, *NAMES, "--silence", "none", "--arm", "silence", "--reference", "mail")[1]
check(abs(line["difference"]["value"] - ((0 + 1 / 0.75) / (2 + 1 / 0.75) - 2 / 6)) < 1e-12, "the difference from another arm")
check("mean_weight" not in line["warnings"] or not line["trusted"], "warnings and trust go together")
check("effective_sample_size" in line["warnings"] and not line["trusted"], "four rows are not to be trusted")
items = write("items.csv", "arm,y,p\n7,1,0.5\n8,0,0.5\n7,0,0.5\n8,0,0.5\n")
line = lines("--csv", items, *NAMES, "--arm", "8", "--reference", "7")[1]
check(line["difference"]["against"] == "7" and line["difference"]["value"] == -0.5, "an action whose id is a number is a reference")
line = lines("--csv", items, *NAMES, "--arm", "7", "--reference", "0.25", "--resamples", "100", "--estimator", "ips")[1]
low, high = line["figures"]["ips"]["interval"]
check(line["difference"] == {"against": "the value 0.25", "estimator": "ips", "value": 0.25, "interval": [low - 0.25, high - 0.25]} and low < high, "the difference from a number")
line = lines("--csv", write("blank.csv", "arm,y,p\nmail,1,0.5\n,0,0.5\nNA,0,0.5\n"), *NAMES, "--silence", "", "--missing", "NA", "--arm", "silence")[0]
check(line["actions"] == {"mail": 1, "silence": 2}, "empty cells of the action column as silence")
odd = write("odd.csv", "\"a, \"\"b\"\"\",k=v,arm,y,p\n" + "".join("%d,%d,mail,%d,0.5\n" % (i, i, i % 2) for i in range(40)))
found = lines("--csv", odd, *NAMES, "--arm", "mail", "--expected-features", "\"a, \"\"b\"\"\",k=v")
check("dr" in found[1]["figures"], "columns whose names hold commas, quotes, equal signs")
refused("a name with a comma in quotes", "--csv", odd, *NAMES, "--arm", "mail", "--expected-features", "\"a")
found = lines("--csv", write("new.csv", "arm,y,p,then\nmail,1,0.5,post\nnone,0,0.5,post\n"), *NAMES, "--silence", "none", "--target-choices", "then", "--costs", "0,1")
check([x["value"] for x in found] == [None, None], "over costs, a value that nobody knows is null")
code, out, err = run("--csv", write("single.csv", "arm,y,p\nmail,1,0.5\n"), *NAMES, "--arm", "mail")
check(code == 0 and "nan" not in out, "no nan for people")
worded = write("worded.csv", "arm;y;p\nmail;yes;0.5\nnone;no;0.5\nmail;no;0.5\n")
line = lines("--csv", worded, *NAMES, "--positive", "yes", "--arm", "mail")[1]
check(abs(line["logged_value"] - 1 / 3) < 1e-12, "words as rewards, semicolons found by themselves")
shares = lines("--csv", good, "--action", "arm", "--reward", "y", "--probability", "shares", "--uniform")[1]
check(abs(shares["figures"]["ips"]["value"] - 0.5) < 1e-12 and abs(shares["mean_weight"] - 1) < 1e-12, "observed shares as probabilities")

# ---- a larger experiment: gate, costs, picture, a fitted model of the reward ----
rng = random.Random(3)
with open(os.path.join(WORK, "trial.csv"), "w", newline="") as f:
    w = csv.writer(f)
    w.writerow(["age", "town", "arm", "y", "decided"])
    for _ in range(6000):
        age, town, arm = rng.randint(18, 80), rng.choice(["north", "south"]), rng.choice(["mail", "none"])
        chance = 0.1 + (0.2 if arm == "mail" and age < 40 else 0) + (0.05 if town == "south" else 0)
        w.writerow([age, town, arm, int(rng.random() < chance), "mail" if age < 40 else "silence"])
trial = os.path.join(WORK, "trial.csv")
common_args = ["--csv", trial, "--action", "arm", "--reward", "y", "--probability", "0.5", "--silence", "none", "--expected-features", "age,town"]
found = lines(*common_args, "--target-choices", "decided", "--arm", "mail", "--arm", "silence", "--cost", "0.05")
truth = 0.125 + 22 / 63 * (0.2 - 0.05)
dr = found[1]["figures"]["dr"]
check(dr["interval"][0] < truth < dr["interval"][1] and found[1]["trusted"], "the young get mail: %.4f in [%.4f, %.4f]" % (truth, *dr["interval"]))
check(dr["standard_error"] < found[1]["figures"]["ips"]["standard_error"], "a model of the reward makes the interval shorter")
code, out, err = run(*common_args, "--target-choices", "decided", "--cost", "0.05", "--reference", "silence", "--gate")
check(code == 0 and "gate: passed" in out, "the gate lets a better policy pass")
code, out, err = run(*common_args, "--arm", "mail", "--cost", "0.15", "--reference", "silence", "--gate")
check(code == 1 and "gate: FAILED" in out, "and holds a worse one back")
code, out, err = run(*common_args, "--target-choices", "decided", "--reference", "0.9", "--gate", "--reward-range", "0:1", "--anytime")
check(code == 1 and "at any time" in out, "a number as reference, the bound that holds at any time")
sure = ["--csv", trial, "--action", "arm", "--reward", "y", "--probability", "0.5", "--silence", "none", "--target-choices", "decided", "--reward-range", "0:1"]
ends = {x["target"]: x["sequence"] for x in lines(*sure, "--arm", "silence")[1:]}
code, out, err = run(*sure, "--reference", "silence", "--gate", "--anytime")
check(code == (0 if ends["column decided"][0] > ends["arm silence"][1] else 1) and "is %.5f" % ends["column decided"][0] in out
      and "upper bound %.5f" % ends["arm silence"][1] in out, "at any time, the reference is held to its upper end: %s" % out.strip().splitlines()[-1])
code, out, err = run(*sure, "--gate", "--anytime")
shown = float(out.strip().splitlines()[-1].split("upper bound ")[1])
logged = lines(*sure)[1]["logged_interval"]
check(shown > logged[1], "and so is the log: %.4f, with the bootstrap's end at %.4f" % (shown, logged[1]))
code, out, err = run(*sure, "--gate", "--resamples", "0")
check(code == 1 and "is not known" in out and "nan" not in out, "without resamples no gate passes")
svg = os.path.join(WORK, "curve.svg")
code, out, err = run(*common_args, "--target-choices", "decided", "--arm", "mail", "--arm", "silence", "--costs", "0:0.2:0.05", "--svg", svg)
check(code == 0 and out.count("\n") >= 8 and xml.dom.minidom.parse(svg).documentElement.tagName == "svg", "costs as a table and a picture")
check(lines(*common_args, "--arm", "mail", "--seed", "4") == lines(*common_args, "--arm", "mail", "--seed", "4"), "the same seed, the same figures")

# ---- bad input ----
refused("no column 'arms' (the action); did you mean 'arm'?", "--csv", good, "--action", "arms", "--reward", "y", "--probability", "p", "--arm", "mail")
refused("no row has the action 'post'", "--csv", good, *NAMES, "--arm", "post")
refused("no target", "--csv", good, *NAMES)
refused("No such file", "--csv", good + "x", *NAMES, "--arm", "mail")
for text, where, name in (("arm,y,p\nmail,1,0\n", ":2", "zero"), ("arm,y,p\nmail,1,0.5\nmail,1,1.2\n", ":3", "above"), ("arm,y,p\nmail,1,-0.1\n", ":2", "negative")):
    code, out, err = run("--csv", write(name + ".csv", text), *NAMES, "--arm", "mail")
    check(code == 1 and where in err and "probability" in err, "a probability that is %s: %s" % (name, err.strip().splitlines()[0].split("/")[-1]))
for text, what in (("arm,y,p\nmail,\"1,5\",0.5\n", "1,5"), ("arm,y,p\nmail,1\n", ":2"), ("arm,y,p\nma\"il,1,0.5\n", ":2"), ("", "empty"), ("arm,y,p\n", "row")):
    code, out, err = run("--csv", write("bad.csv", text), *NAMES, "--arm", "mail")
    check(code == 1 and what in err and not out, "refused: %s" % (err.strip().splitlines() or ["?"])[0].split("/")[-1])
code, out, err = run("--csv", write("latin.csv", "arm,y,p\ncaf\u00e9,1,0.5\n", "latin-1"), *NAMES, "--uniform")
check(code == 1 and "UTF-8" in err, "text that is not UTF-8")
code, out, err = run("--csv", write("three.csv", "arm,y,p\nmail,yes,0.5\nmail,no,0.5\nmail,maybe,0.5\n"), *NAMES, "--positive", "yes", "--arm", "mail")
check(code == 1 and ":4" in err and "maybe" in err, "a reward with three words: %s" % err.strip().split("/")[-1])
refused("has no 'nothing'", "--csv", good, *NAMES, "--silence", "nothing", "--arm", "mail")
refused("no row is silent", "--csv", good, *NAMES, "--arm", "mail", "--cost", "1")
refused("--map: 'x' is not TEXT=ACTION", "--csv", good, *NAMES, "--map", "x", "--arm", "mail")
refused("--reward-range", "--csv", good, *NAMES, "--arm", "mail", "--reward-range", "1")
refused("unknown 'best'", "--csv", good, *NAMES, "--arm", "mail", "--estimator", "best")
refused("needs expected rewards", "--csv", good, *NAMES, "--arm", "mail", "--estimator", "dr")
refused("--costs", *common_args, "--arm", "mail", "--costs", "0:1")
table = write("table.csv", "action,probability\nmail,0.6\nnone,0.5\n")
refused("add up to 1.1", "--csv", good, *NAMES, "--target-table", table)
refused("listed twice", "--csv", good, *NAMES, "--target-table", write("twice.csv", "action,probability\nmail,0.5\nmail,0.5\n"))
wide = write("wide.csv", "arm,y,p,pi_mail,pi_none\nmail,1,0.5,0.5,0.5\nnone,1,0.5,0.7,0.5\n")
refused(":3", "--csv", wide, *NAMES, "--target-columns", "pi_")
refused("begins with 'x_'", "--csv", wide, *NAMES, "--target-columns", "x_")
refused("the policy has no action 'mail'", "--csv", good, *NAMES, "--policy", RETAIL, "--channel", "email", "--silence", "none")
refused("no channel 'pigeon'", "--csv", write("known.csv", "arm,y,p\nwelcome,1,0.5\n"), *NAMES, "--map", "welcome=fashion_new_season", "--policy", RETAIL, "--channel", "pigeon")

# ---- a policy on a table's rows ----
small = folder("small-policy")
with open(os.path.join(small, "policy.yaml"), "w") as f:
    f.write("""brand: {name: T, time_zone: UTC, locales: [en]}
profile: {age: {type: int}, town: {type: string}}
channels: {email: {direction: outbound}}
actions:
  - {id: mail, issue: i, group: g, purpose: promotional, value: 1, starting_propensity: 0.1, suitability: "profile.age < 40",
     treatments: [{channel: email, locale: en, subject: s, body: b}]}
""")
with open(trial) as f, open(os.path.join(WORK, "trial.csv.zst"), "wb") as g:
    g.write(subprocess.run(["zstd", "-qc"], stdin=f, stdout=subprocess.PIPE, check=True).stdout)
asked = ["--action", "arm", "--reward", "y", "--probability", "0.5", "--silence", "none", "--policy", small, "--channel", "email", "--consent", "email:promotional", "--json"]
plain, packed = run("--csv", trial, *asked), run("--csv", os.path.join(WORK, "trial.csv.zst"), *asked)
by_age = lines("--csv", trial, "--action", "arm", "--reward", "y", "--probability", "0.5", "--silence", "none", "--target-choices", "decided")[1]["figures"]
check(plain[0] == 0 and json.loads(plain[1].splitlines()[1])["figures"] == by_age and not plain[2], "a policy decides as its rule says, on every row")
check(packed[0] == 0 and packed[1].splitlines()[1] == plain[1].splitlines()[1], "and on a zstd-compressed table")
with open(trial) as f:
    renamed = write("renamed.csv", f.read().replace("age,", "years,", 1))
code, out, err = run("--csv", renamed, *asked)
check(code == 0 and "no column for these attributes of the policy" in err and err.split("every row: ")[1].startswith("age;"), "an attribute without a column is told")
check(run("--csv", renamed, *asked, "--column", "years=age")[1:] == (plain[1].replace("trial.csv", "renamed.csv"), ""), "and can be named")
shutil.rmtree(small)

# ---- a server's log ----
redis = Redis()
server = Server(RETAIL, redis.url, extra=["--allow-as-of"])
now = 1737000000000
rewarded = total = half_filled = 0
chosen = {}
for i in range(120):
    who = "c%d" % (i % 40)
    at = now + i * 60000
    if i < 40:
        server.client.Upsert(customers.UpsertRequest(customer_id=who, as_of_ms=at, consents=[
            customers.Consent(channel="email", purpose="promotional", granted=True, time_ms=at)]))
        if i % 3 == 0:
            server.client.Signal(customers.SignalRequest(customer_id=who, as_of_ms=at, signals=[common.Signal(
                event_id="e%d" % i, name="cart_add", time_ms=at, properties={"price": common.Value(number_value=50), "category": common.Value(string_value="fashion")})]))
    slots = ["home_hero", "cart_banner"][:1 + (i % 5 == 0)]
    r = server.client.Decide(decisions.DecideRequest(customer_id=who, channel="web", placements=slots, as_of_ms=at))
    filled = {c.placement: c.action_id for c in r.decision.choices}
    for slot in slots:
        action = filled.get(slot, "silence")
        chosen[action] = chosen.get(action, 0) + 1
        half_filled += action == "silence" and len(filled) == 1
        total += 1
    if r.handles and i % 4 == 0:
        late = i % 8 == 4
        server.client.Record(outcomes.RecordRequest(outcome_id="o%d" % i, kind=outcomes.RecordRequest.RESPONSE, handle=r.handles[0],
                                                    time_ms=at + (10 * 86400000 if late else 1000), as_of_ms=at + (10 * 86400000 if late else 1000)))
        rewarded += not late
server.stop()
log = os.path.join(server.data, "log")
found = lines("--log", log, "--policy", RETAIL, "--reward-from", "response", "--within", "7d")
check(found[0]["rows"] == total and {a: n for a, n in found[0]["actions"].items() if n} == chosen, "every slot of every decision of the log is a row: %d" % total)
check(found[0]["positions"] == 2 and half_filled > 0, "%d of them stayed empty beside another" % half_filled)
line = found[1]
check(line["mean_weight"] == 1 and abs(line["figures"]["ips"]["value"] - rewarded / total) < 1e-12 and line["largest_weight"] == 1,
      "the policy that made it decides the same again: weights of 1, value %.4f as logged" % (rewarded / total))
found = lines("--log", log, "--policy", RETAIL, "--reward-from", "response", "--within", "30d")
check(found[1]["figures"]["ips"]["value"] > rewarded / total, "with a longer window late answers count")
other = folder("other-policy")
for name in os.listdir(RETAIL):
    if name.endswith(".yaml"):
        shutil.copy(os.path.join(RETAIL, name), other)
most = max((a for a in chosen if a != "silence"), key=lambda a: chosen[a])
with open(os.path.join(other, "block.yaml"), "w") as f:
    f.write("suppressions:\n  - {id: never_%s, when: \"true\", block: {action: %s}, reason: tried out}\n" % (most, most))
os.remove(os.path.join(other, "tests.yaml"))
code, out, err = run("--json", "--log", log, "--policy", other)
line = json.loads((out.splitlines() + ["{}", err])[1]) if code == 0 else {"mean_weight": 9, "trusted": True, "warnings": [err]}
check(code == 0 and line["mean_weight"] < 1 - chosen[most] / total / 2 and not line["trusted"] and "mean_weight" in line["warnings"],
      "a policy that never says what was said most: mean weight %.2f, warnings %s" % (line["mean_weight"], ", ".join(line["warnings"])))
refused("No such file", "--log", log + "x", "--policy", RETAIL)
refused("--within: 'soon'", "--log", log, "--policy", RETAIL, "--within", "soon")
refused("unknown 'joy'", "--log", log, "--policy", RETAIL, "--reward-from", "joy")
shutil.rmtree(other)
done()
