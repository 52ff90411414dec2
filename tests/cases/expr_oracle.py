#!/usr/bin/env python3
"""An independent oracle for expressions: random expression trees with their values, computed by walking the tree here.

Nothing of the C code is used or imitated: values are Python ints, floats, strings; unknown and error are marks; the rules
come from CEL's definition and from engine/expr/expr.h. Trees are printed as text with only the parentheses that precedence
demands (some at random), so that the parser is tested too.

One case a line, tab-separated: the expression, the slots that it uses (name=value,...), the value expected. Values are
written as bool:true, int:5, double:<16 hex digits of the IEEE bits>, string:<hex of UTF-8>, timestamp:<ms>,
duration:<ms>, unknown:absent, unknown:unreadable, error.

  tests/cases/expr_oracle.py --seed 1 --count 5000 > cases.txt

SPDX-License-Identifier: Apache-2.0"""
import argparse
import math
import random
import struct

INT_MIN, INT_MAX = -2**63, 2**63 - 1
DURATION_MAX = 315576000000000
TS_MIN, TS_MAX = -62135596800000, 253402300799999
DAY = 86400000


class Unknown:
    def __init__(self, unreadable):
        self.unreadable = unreadable


class Error:
    pass


class V:
    """A known value with its type."""

    def __init__(self, kind, v):
        self.kind, self.v = kind, v


def missing(x):
    return not isinstance(x, V)


def absorb(args):
    """What a strict operator gives when an operand is missing, or None."""
    unknowns = [a for a in args if isinstance(a, Unknown)]
    if unknowns:
        return Unknown(any(u.unreadable for u in unknowns))
    return Error() if any(isinstance(a, Error) for a in args) else None


# ---- rules on values ----

def checked_int(x):
    return V("int", x) if INT_MIN <= x <= INT_MAX else Error()


def checked_time(kind, x):
    if kind == "duration":
        return V(kind, x) if abs(x) <= DURATION_MAX else Error()
    return V(kind, x) if TS_MIN <= x <= TS_MAX else Error()


def trunc_div(a, b):
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def arithmetic(op, a, b):
    if a.kind == "int" and b.kind == "int":
        if op in "/%" and b.v == 0:
            return Error()
        if op in "/%":
            if a.v == INT_MIN and b.v == -1:
                return Error()
            q = trunc_div(a.v, b.v)
            return checked_int(q if op == "/" else a.v - q * b.v)
        return checked_int({"+": a.v + b.v, "-": a.v - b.v, "*": a.v * b.v}[op])
    if a.kind == "double":
        if op == "/":
            if b.v != 0:
                return V("double", a.v / b.v)
            if a.v == 0 or math.isnan(a.v):
                return V("double", math.nan)
            return V("double", math.copysign(math.inf, math.copysign(1, a.v) * math.copysign(1, b.v)))
        return V("double", {"+": a.v + b.v, "-": a.v - b.v, "*": a.v * b.v}[op])
    if a.kind == "string":
        return V("string", a.v + b.v)
    total = a.v + b.v if op == "+" else a.v - b.v
    return checked_time("duration" if a.kind == b.kind else "timestamp", total)


def order(a, b):
    """-1, 0, 1, or None for NaN. Python compares int with float exactly, and str by code points."""
    if isinstance(a, float) and math.isnan(a) or isinstance(b, float) and math.isnan(b):
        return None
    return (a > b) - (a < b)


def compare(op, a, b):
    o = order(a.v, b.v)
    if o is None:
        return V("bool", op == "!=")
    return V("bool", {"==": o == 0, "!=": o != 0, "<": o < 0, "<=": o <= 0, ">": o > 0, ">=": o >= 0}[op])


def is_leap(y):
    return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)


def civil(ms):
    """Year, month, day, day of the year (from 1 on) of a local time, by counting years and months."""
    days = ms // DAY + 719162  # since 0001-01-01
    y = 1
    for span, years in ((146097, 400), (36524, 100), (1461, 4), (365, 1)):
        n = days // span
        if span in (36524, 365):
            n = min(n, 3)
        days -= n * span
        y += n * years
    yday, m = days, 0
    for length in (31, 29 if is_leap(y) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31):
        if days < length:
            break
        days -= length
        m += 1
    return y, m + 1, days + 1, yday + 1


def accessor(name, t, offset):
    if t.kind == "duration":
        if name == "getMilliseconds":
            return V("int", t.v - trunc_div(t.v, 1000) * 1000)
        return V("int", trunc_div(t.v, {"getHours": 3600000, "getMinutes": 60000, "getSeconds": 1000}[name]))
    local = t.v + offset * 60000
    y, m, d, yday = civil(local)
    return V("int", {
        "getFullYear": y, "getMonth": m - 1, "getDate": d, "getDayOfMonth": d - 1, "getDayOfYear": yday - 1,
        "getDayOfWeek": (local // DAY + 4) % 7, "getHours": local // 3600000 % 24, "getMinutes": local // 60000 % 60,
        "getSeconds": local // 1000 % 60, "getMilliseconds": local % 1000}[name])


def shortest(x):
    """A double as string() shows it: Python's repr has the shortest digits; lay them out as expr does."""
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    if x == 0:
        return "-0" if math.copysign(1, x) < 0 else "0"
    mantissa, _, exponent = ("%r" % x).lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # 0.digits * 10**point
    digits = digits.rstrip("0")
    e = point - 1
    if e < -6 or e >= 21:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e%+03d" % e
    elif e < 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if len(text) > point else "")
    return ("-" if x < 0 else "") + text


def two(n):
    return "%02d" % n


def to_string(a):
    if a.kind == "bool":
        return "true" if a.v else "false"
    if a.kind == "double":
        return shortest(a.v)
    if a.kind == "duration":
        s, ms = divmod(abs(a.v), 1000)
        return ("-" if a.v < 0 else "") + str(s) + (".%03d" % ms).rstrip("0").rstrip(".") + "s"
    if a.kind == "timestamp":
        y, m, d, _ = civil(a.v)
        text = "%04d-%s-%sT%s:%s:%s" % (y, two(m), two(d), two(a.v // 3600000 % 24), two(a.v // 60000 % 60),
                                        two(a.v // 1000 % 60))
        return text + (".%03d" % (a.v % 1000) if a.v % 1000 else "") + "Z"
    return str(a.v)


def convert(kind, a):
    if kind == "string":
        return V("string", to_string(a))
    if kind == "int":
        if a.kind == "double":
            return V("int", int(a.v)) if -2.0**63 < a.v < 2.0**63 else Error()
        if a.kind == "timestamp":
            return V("int", a.v // 1000)
        if a.kind == "string":
            text = a.v[1:] if a.v[:1] in ("+", "-") else a.v
            if not text or any(c not in "0123456789" for c in text):
                return Error()
            return checked_int(int(a.v))
        return a
    if kind == "double":
        return V("double", float(a.v))
    if kind == "bool":
        if a.kind == "bool":
            return a
        words = {"true": True, "True": True, "TRUE": True, "t": True, "T": True, "1": True,
                 "false": False, "False": False, "FALSE": False, "f": False, "F": False, "0": False}
        return V("bool", words[a.v]) if a.v in words else Error()
    if kind == "timestamp" and a.kind == "int":
        return checked_time("timestamp", a.v * 1000)
    return a


# ---- trees ----

class Node:
    """kind: type of the result; prec: how tightly the text binds (8 for a primary); evaluate(env) -> value;
    fold() -> the value when the compiler must know it, else None."""

    def __init__(self, kind, op, args, extra=None):
        self.kind, self.op, self.args, self.extra = kind, op, args, extra

    def value(self, env):
        op, args = self.op, self.args
        if op == "literal":
            return self.extra
        if op == "slot":
            return env[self.extra]
        if op in ("&&", "||"):
            values = [a.value(env) for a in args]  # all of them: order does not matter to the outcome
            decides = op == "||"
            if any(isinstance(v, V) and v.v == decides for v in values):
                return V("bool", decides)
            return absorb(values) or V("bool", not decides)
        if op == "?:":
            c = args[0].value(env)
            return c if missing(c) else args[1 if c.v else 2].value(env)
        if op == "has":
            v = args[0].value(env)
            if isinstance(v, Unknown):
                return v if v.unreadable else V("bool", False)
            return v if isinstance(v, Error) else V("bool", True)
        values = [a.value(env) for a in args]
        return absorb(values) or self.apply(values)

    def apply(self, v):
        op, a = self.op, v[0]
        if op == "!":
            return V("bool", not a.v)
        if op == "neg":
            if a.kind == "double":
                return V("double", -a.v)
            return checked_int(-a.v) if a.kind == "int" else V("duration", -a.v)
        if op in ("+", "-", "*", "/", "%"):
            return arithmetic(op, a, v[1])
        if op in ("==", "!=", "<", "<=", ">", ">="):
            return compare(op, a, v[1])
        if op == "in":
            return V("bool", any(order(a.v, x.v) == 0 for x in self.extra))
        if op == "size":
            return V("int", len(a.v))
        if op in ("startsWith", "endsWith", "contains"):
            return V("bool", {"startsWith": a.v.startswith, "endsWith": a.v.endswith,
                              "contains": a.v.__contains__}[op](v[1].v))
        if op in ("int", "double", "string", "bool", "timestamp", "duration"):
            return convert(op, a)
        if op.startswith("get"):
            return accessor(op, a, self.extra or 0)
        if op in ("min", "max"):
            if any(isinstance(x.v, float) and math.isnan(x.v) for x in v):
                return V(a.kind, math.nan)
            best = a  # among equals (0.0 and -0.0) the first
            for x in v[1:]:
                o = order(x.v, best.v)
                best = x if (o < 0 if op == "min" else o > 0) else best
            return best
        if op == "abs":
            return checked_int(abs(a.v)) if a.kind == "int" else V(a.kind, abs(a.v))
        if not math.isfinite(a.v) or abs(a.v) > 2.0**60:
            return a
        if op == "floor":
            r = math.floor(a.v)
        elif op == "ceil":
            r = math.ceil(a.v)
        else:  # round: half away from zero
            r = math.floor(abs(a.v))
            r = math.copysign(r + 1 if abs(a.v) - r >= 0.5 else r, a.v)
        return V("double", math.copysign(float(r), a.v))

    def fold(self):
        """The constant that the compiler sees, or None. Raises Fails where it must report that this always fails."""
        folded = [a.fold() for a in self.args]
        if self.op == "literal":
            return self.extra
        if self.op in ("slot", "has"):
            return None
        if self.op in ("&&", "||"):
            decides = self.op == "||"
            if any(f is not None and f.v == decides for f in folded):
                return V("bool", decides)
            return V("bool", not decides) if all(f is not None for f in folded) else None
        if self.op == "?:":
            return None if folded[0] is None else folded[1 if folded[0].v else 2]
        if any(f is None for f in folded):
            return None
        v = self.apply(folded)
        if isinstance(v, Error):
            raise Fails()
        return v

    PREC = {"?:": 0, "||": 1, "&&": 2, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "!": 6, "neg": 6}

    def prec(self):
        if self.op in ("==", "!=", "<", "<=", ">", ">=", "in"):
            return 3
        return self.PREC.get(self.op, 8)

    def text(self, r, least=0):
        t = self.bare(r)
        loose = self.prec() < least or r.random() < 0.05
        space = " " if r.random() < 0.05 else ""
        return space + ("(" + t + ")" if loose else t)

    def bare(self, r):
        op, args, p = self.op, self.args, self.prec()
        if op == "literal":
            return literal(r, self.extra)
        if op == "slot":
            return self.extra
        if op == "?:":
            return args[0].text(r, 1) + " ? " + args[1].text(r, 1) + " : " + args[2].text(r, 0)
        if op in ("&&", "||"):
            gap = r.choice((" ", "", "\n"))
            return (gap + op + gap).join(a.text(r, p + 1) for a in args)
        if op == "in":
            return args[0].text(r, 3) + " in [" + ", ".join(literal(r, x) for x in self.extra) + "]"
        if p in (3, 4, 5):
            return args[0].text(r, p) + " " + op + " " + args[1].text(r, p + 1)
        if op == "!":
            return "!" + args[0].text(r, 6)
        if op == "neg":  # in parentheses when a number follows, which would take the minus
            t = args[0].text(r, 6)
            return "-" + ("(" + t + ")" if t.strip()[:1].isdigit() or t.strip()[:1] == "." else t)
        if op in ("startsWith", "endsWith", "contains") or op == "size" and r.random() < 0.5:
            return args[0].text(r, 8) + "." + op + "(" + ", ".join(a.text(r) for a in args[1:]) + ")"
        if op.startswith("get"):
            zone = "" if self.extra is None else "'%s%s:%s'" % ("-" if self.extra < 0 else "+", two(abs(self.extra) // 60),
                                                               two(abs(self.extra) % 60))
            return args[0].text(r, 8) + "." + op + "(" + zone + ")"
        return op + "(" + ", ".join(a.text(r) for a in args) + ")"


class Fails(Exception):
    pass


def quoted(r, s):
    """A string literal in one of CEL's forms."""
    q = r.choice(("'", '"', "'''", '"""'))
    if r.random() < 0.2 and "\\" not in s and q[0] not in s and "\n" not in s:
        return r.choice("rR") + q + s + q
    out = ""
    for c in s:
        if c in "\\'\"":
            out += "\\" + c
        elif c == "\n":
            out += "\\n"
        elif r.random() < 0.1 and ord(c) < 256:
            out += r.choice(("\\x%02x", "\\%03o", "\\u%04X")) % ord(c)
        elif r.random() < 0.1:
            out += "\\U%08x" % ord(c)
        else:
            out += c
    return q + out + q


def literal(r, v):
    if v.kind == "bool":
        return "true" if v.v else "false"
    if v.kind == "int":
        hexed = r.random() < 0.2
        return ("-" if v.v < 0 else "") + ("0x%x" if hexed else "%d") % abs(v.v)
    if v.kind == "double":
        t = repr(v.v)
        return t[1:] if t.startswith("0.") and r.random() < 0.2 and "e" not in t else t
    if v.kind == "string":
        return quoted(r, v.v)
    if v.kind == "timestamp":
        return "timestamp('%s')" % to_string(v)
    ms, out, sign = abs(v.v), "", "-" if v.v < 0 else ""
    for unit, name in ((7 * DAY, "w"), (DAY, "d"), (3600000, "h"), (60000, "m"), (1000, "s"), (1, "ms")):
        if (r.random() < 0.6 or unit == 1) and ms >= unit:
            out += "%d%s" % (ms // unit, name)
            ms %= unit
    return sign + (out or "0s")


KINDS = ("bool", "int", "double", "string", "timestamp", "duration")
STRINGS = ("", "a", "b", "ab", "abc", "gold", "Zo\u00eb", "\u0645\u0634\u062a\u0631\u06cc", "\U0001F600x", "it's", 'say "hi"',
           "back\\slash", "two\nlines", "true", "F", "42", "-7", "1.5", "99999999999999999999", "\uffff", "\U00010000")


def random_value(r, kind):
    if kind == "bool":
        return V(kind, r.random() < 0.5)
    if kind == "int":
        return V(kind, r.choice((0, 1, -1, 2, 3, 7, 10, 60, r.randint(-100, 100), r.randint(-10**6, 10**6), 2**31, 2**53 + 1,
                                 INT_MAX, INT_MIN, INT_MAX - 1, r.randint(INT_MIN, INT_MAX))))
    if kind == "double":
        return V(kind, r.choice((0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 0.1, 3.0, 1e10, 2.0**53, 2.0**63, -2.0**63, 1e300, 5e-324,
                                 r.uniform(-10, 10), r.uniform(-1e6, 1e6), float(r.randint(-100, 100)))))
    if kind == "string":
        return V(kind, r.choice(STRINGS))
    if kind == "timestamp":
        return V(kind, r.choice((0, -1, 1736942400000, TS_MIN, TS_MAX, 951782399999, r.randint(0, 4 * 10**12),
                                 r.randint(TS_MIN, TS_MAX))))
    return V(kind, r.choice((0, 1, 1000, 3600000, -3600000, DAY, 30 * DAY, DURATION_MAX, -DURATION_MAX, r.randint(-10**7, 10**7),
                             r.randint(-DURATION_MAX, DURATION_MAX))))


def random_slot_value(r, kind):
    x = r.random()
    if x < 0.08:
        return Unknown(False)
    if x < 0.13:
        return Unknown(True)
    if x < 0.20:
        return Error()
    if kind == "double" and x < 0.22:
        return V(kind, r.choice((math.nan, math.inf, -math.inf)))
    return random_value(r, kind)


def leaf(r, kind):
    if r.random() < 0.4:
        return Node(kind, "literal", [], random_value(r, kind))
    return Node(kind, "slot", [], "%s%d" % (kind, r.randint(0, 3)))


def tree(r, kind, depth):
    def sub(k):
        return tree(r, k, depth - 1 if r.random() < 0.8 else 0)

    if depth <= 0:
        return leaf(r, kind)
    x = r.random()
    if x < 0.08:
        return Node(kind, "?:", [sub("bool"), sub(kind), sub(kind)])
    if x < 0.14 and kind != "bool":
        return Node(kind, r.choice(("min", "max")), [sub(kind) for _ in range(r.randint(1, 4))])
    if kind == "bool":
        choice = r.randrange(10)
        if choice < 4:
            return Node(kind, r.choice(("&&", "||")), [sub("bool") for _ in range(r.choice((2, 2, 2, 3, 5)))])
        if choice == 4:
            return Node(kind, "!", [sub("bool")])
        if choice == 5:
            k = r.choice(KINDS)
            return Node(kind, "has", [Node(k, "slot", [], "%s%d" % (k, r.randint(0, 3)))])
        if choice == 6:
            return Node(kind, r.choice(("startsWith", "endsWith", "contains")), [sub("string"), sub("string")])
        if choice == 7:
            k = r.choice(KINDS)
            other = {"int": "double", "double": "int"}.get(k, k) if r.random() < 0.3 else k
            items = [random_value(r, other) for _ in range(r.choice((0, 1, 3, 8, 9, 20)))]
            if k == "timestamp":
                items = []  # their literals are calls
            return Node(kind, "in", [sub(k)], items)
        if choice == 8 and r.random() < 0.3:
            return Node(kind, "bool", [sub(r.choice(("string", "bool")))])
        k = r.choice(KINDS)
        other = {"int": "double", "double": "int"}.get(k, k) if r.random() < 0.3 else k
        return Node(kind, r.choice(("==", "!=", "<", "<=", ">", ">=")), [sub(k), sub(other)])
    if kind == "int":
        choice = r.randrange(8)
        if choice < 4:
            return Node(kind, r.choice("+-*/%"), [sub("int"), sub("int")])
        if choice == 4:
            return Node(kind, r.choice(("neg", "abs")), [sub("int")])
        if choice == 5:
            return Node(kind, "size", [sub("string")])
        if choice == 6:
            return Node(kind, "int", [sub(r.choice(("int", "double", "string", "timestamp")))])
        if r.random() < 0.3:
            return Node(kind, r.choice(("getHours", "getMinutes", "getSeconds", "getMilliseconds")), [sub("duration")])
        zone = r.choice((None, None, 0, 210, -330, 14 * 60, -12 * 60, r.randint(-1439, 1439)))
        return Node(kind, r.choice(("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
                                    "getHours", "getMinutes", "getSeconds", "getMilliseconds")), [sub("timestamp")], zone)
    if kind == "double":
        choice = r.randrange(6)
        if choice < 4:
            return Node(kind, r.choice("+-*/"), [sub(kind), sub(kind)])
        if choice == 4:
            return Node(kind, r.choice(("neg", "abs", "floor", "ceil", "round")), [sub(kind)])
        return Node(kind, "double", [sub(r.choice(("int", "double")))])
    if kind == "string":
        if r.random() < 0.5:
            return Node(kind, "+", [sub(kind), sub(kind)])
        return Node(kind, "string", [sub(r.choice(KINDS))])
    if kind == "timestamp":
        if r.random() < 0.2:
            return Node(kind, "timestamp", [sub(r.choice(("int", "timestamp")))])
        if r.random() < 0.3:
            return Node(kind, "+", [sub("duration"), sub(kind)])
        return Node(kind, r.choice("+-"), [sub(kind), sub("duration")])
    choice = r.randrange(5)
    if choice == 0:
        return Node(kind, "-", [sub("timestamp"), sub("timestamp")])
    if choice == 1:
        return Node(kind, r.choice(("neg", "abs")), [sub(kind)])
    if choice == 2:
        return Node(kind, "duration", [sub(kind)])
    return Node(kind, r.choice("+-"), [sub(kind), sub(kind)])


# ---- cases ----

def show(v):
    if isinstance(v, Unknown):
        return "unknown:" + ("unreadable" if v.unreadable else "absent")
    if isinstance(v, Error):
        return "error"
    if v.kind == "bool":
        return "bool:true" if v.v else "bool:false"
    if v.kind == "double":
        bits = struct.pack(">d", math.nan if math.isnan(v.v) else v.v).hex()
        return "double:" + bits
    if v.kind == "string":
        return "string:" + v.v.encode().hex()
    return "%s:%d" % (v.kind, v.v)


def slots_of(node, names):
    if node.op == "slot":
        names.add(node.extra)
    for a in node.args:
        slots_of(a, names)
    return names


def main():
    parser = argparse.ArgumentParser(description="Random expressions and their values.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    r = random.Random(options.seed)
    written = 0
    while written < options.count:
        node = tree(r, r.choice(KINDS), r.randint(1, 5))
        text = node.text(r).replace("\t", " ").replace("\n", "\x1f")  # a case is a line
        if len(text.encode()) > 8000:
            continue
        try:
            node.fold()
        except Fails:
            continue  # the compiler refuses it
        env = {name: random_slot_value(r, name[:-1]) for name in sorted(slots_of(node, set()))}
        value = node.value(env)
        if not missing(value) and value.kind == "string" and len(value.v.encode()) > 60000:
            continue
        print(text, ",".join("%s=%s" % (n, show(v)) for n, v in env.items()), show(value), sep="\t")
        written += 1


if __name__ == "__main__":
    main()
