"""Models that XGBoost's Python package writes, whichever version of it is installed (2.x and 3.x; 1.7 too): every objective,
booster and kind of split that `tact model import` takes, on random data, saved as JSON and as UBJSON. Each is imported with the
package's own predictions or margins as golden rows, and scored by `tact model predict`: margins must be those of Python to
5e-6 relative or 1e-6 absolute. Then models changed as no version writes them, which must be refused.

  python3 tests/conformance/xgboost_models_test.py build/release/tact

Skipped (77) without xgboost, numpy and pandas.
SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import pandas as pd
    import xgboost
except ImportError as e:
    print(f"no {e.name} here")
    sys.exit(77)

TACT = os.path.abspath(sys.argv[1])
WORK = tempfile.mkdtemp(prefix="tact-xgboost-")
VERSION = tuple(int(x) for x in xgboost.__version__.split(".")[:2])
CITIES = ["tehran", "shiraz", "tabriz, east", "yazd", "qom", "rasht"]
ABROAD = ["تهران", "شیراز", "qom"]  # names beyond ASCII are cut wrongly in files of 3.1 and 3.2: they must be listed
ROWS = 700
checked = compared = 0
worst = 0.0


def data(rng, categories):
    x = pd.DataFrame({
        "spend": rng.normal(size=ROWS),
        "visits": rng.integers(0, 30, ROWS),
        "discount": rng.choice([0, 0.1, 0.2, 0.35], ROWS),
        "days": rng.exponential(20, ROWS),
        "tiny": rng.normal(size=ROWS) * 1e-30,
    })
    for name in ("spend", "days"):
        x.loc[rng.random(ROWS) < 0.15, name] = np.nan
    if categories:
        x["city"] = pd.Categorical(rng.choice(CITIES, ROWS), categories=CITIES)
        x["band"] = pd.Categorical(rng.integers(0, 40, ROWS), categories=list(range(40)))
        x["abroad"] = pd.Categorical(rng.choice(ABROAD, ROWS), categories=ABROAD)
        x.loc[rng.random(ROWS) < 0.1, "city"] = np.nan
    # As the library sees them: so that the text of a number is that number.
    for name in x.columns:
        if x[name].dtype == np.float64:
            x[name] = x[name].astype(np.float32)
    return x


def label(rng, x, objective, classes, targets):
    z = x.spend.fillna(0.4).to_numpy() - 2 * x.discount.to_numpy()
    if "city" in x:
        z = z + x.city.isin(CITIES[1:3]).to_numpy() * 1.2 + (x.abroad == ABROAD[1]).to_numpy() * 0.7 + (x.band.cat.codes.to_numpy() % 3 - 1) * 0.5
    z = z + rng.normal(size=ROWS) * 0.3
    if classes:
        return np.clip(np.digitize(z, np.linspace(-1.5, 1.5, classes - 1)), 0, classes - 1)
    if targets > 1:
        return np.stack([z * (k + 1) + k for k in range(targets)], axis=1)
    if objective.startswith(("binary:", "rank:")):
        return (z > 0).astype(int)
    if objective == "reg:logistic":
        return 1 / (1 + np.exp(-z))
    if objective == "reg:gamma":
        return np.exp(z) + 0.01
    if objective in ("count:poisson", "reg:tweedie"):
        return rng.poisson(np.exp(np.clip(z, -3, 3)))
    return z * 40 - 7


def write_features(path, x, booster, objective, outputs):
    """What the model's file does not know."""
    lines = []
    if objective.startswith("rank:") or objective == "binary:hinge":
        lines.append("calibration: {isotonic: {x: [-50, 50], y: [0, 1]}}")
    if objective.startswith("rank:"):
        lines.append("label_type: binary")
    elif objective in ("reg:squarederror", "reg:absoluteerror", "reg:tweedie"):
        lines.append("label_type: count")
    if outputs > 1:
        lines.append("output: 1")
    lines.append("features:\n  - {name: discount, from: action}")
    named = VERSION >= (3, 1) and isinstance(booster, xgboost.Booster)
    for name in x.columns:
        if str(x[name].dtype) == "category" and (not named or name == "abroad"):
            lines.append("  - {name: %s, categories: [%s]}" % (name, ", ".join('"%s"' % c for c in x[name].cat.categories)))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


def tact(*args):
    return subprocess.run([TACT, "model", *args], capture_output=True, text=True)


def must(args):
    done = tact(*args)
    if done.returncode:
        raise AssertionError(f"tact model {' '.join(args)}: {done.stderr}")
    return done.stdout


def margins_of(bundle, rows, outputs):
    out = list(csv.reader(must(["predict", bundle, "--rows", rows]).splitlines()))
    names = ["margin"] if outputs == 1 else [f"margin.{k}" for k in range(outputs)]
    at = [out[0].index(n) for n in names]
    return np.array([[float(r[k]) for k in at] for r in out[1:]])


def check(name, params, rounds=12, categories=False, classes=0, targets=1, best=False, base=None, seed=1):
    global checked, compared, worst
    rng = np.random.default_rng(seed)
    objective = params["objective"]
    x = data(rng, categories)
    y = label(rng, x, objective, classes, targets)
    matrix = xgboost.DMatrix(x, label=y, enable_categorical=categories)
    if objective.startswith("rank:"):
        matrix.set_group([10] * (ROWS // 10))
    params = {"max_depth": 5, "eta": 0.4, "tree_method": "hist", "seed": seed, "nthread": 2, **params}
    if params.get("booster") == "gblinear":
        for k in ("tree_method", "max_depth"):
            params.pop(k)
    if classes:
        params["num_class"] = classes
    if base is not None:
        params["base_score"] = base
    booster = xgboost.train(params, matrix, rounds)
    if best:
        booster.set_attr(best_iteration=str(rounds // 3))
    # Without a DMatrix's own copy of names and categories: as a served row is.
    span = (0, rounds // 3 + 1) if best else (0, 0)
    margin = booster.predict(matrix, output_margin=True, iteration_range=span)
    margin = margin.reshape(ROWS, -1)
    outputs = margin.shape[1]
    folder = os.path.join(WORK, name)
    os.mkdir(folder)
    features, golden, rows = (os.path.join(folder, n) for n in ("features.yaml", "golden.csv", "rows.csv"))
    write_features(features, x, booster, objective, outputs)
    table = x.copy()
    table.to_csv(rows, index=False, float_format="%.9g")
    expected = ["margin"] if outputs == 1 else [f"margin.{k}" for k in range(outputs)]
    for k, column in enumerate(expected):
        table[column] = margin[:, k].astype(np.float32)
    table.to_csv(golden, index=False, float_format="%.9g")
    for ending in ("json", "ubj"):
        model, bundle = os.path.join(folder, "model." + ending), os.path.join(folder, ending)
        booster.save_model(model)
        # Told apart by content, not by name.
        disguised = os.path.join(folder, "disguised." + ("ubj" if ending == "json" else "json"))
        shutil.copy(model, disguised)
        said = must(["import", disguised, "--features", features, "--golden", golden, "--out", bundle, "--name", "x"])
        if best and f"of {booster.num_boosted_rounds() * outputs * params.get('num_parallel_tree', 1)}: up to" not in said:
            raise AssertionError(f"{name}: the best iteration is not printed: {said}")
        must(["check", bundle])
        given = margins_of(bundle, rows, outputs)
        off = np.abs(given - margin)
        bad = off > np.maximum(1e-6, 5e-6 * np.abs(margin))
        if bad.any():
            i, k = np.argwhere(bad)[0]
            raise AssertionError(f"{name}.{ending}: row {i}, output {k}: {given[i, k]!r}, Python gives {margin[i, k]!r}")
        checked += 1
        compared += given.size
        worst = max(worst, float((off / np.maximum(1, np.abs(margin))).max()))
    return folder


def dart_beside(folder):
    """XGBoost 3.3 and later keep DART's weights beside the trees, under the name gbtree: the same model in that form."""
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as f:
        model = json.load(f)
    booster = model["learner"]["gradient_booster"]
    if "gbtree" in booster:
        inside = booster["gbtree"]["model"]
        inside["weight_drop"] = booster["weight_drop"]
        model["learner"]["gradient_booster"] = {"name": "gbtree", "model": inside}
    path, bundle = os.path.join(folder, "beside.json"), os.path.join(folder, "beside")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(model, f)
    must(["import", path, "--features", os.path.join(folder, "features.yaml"), "--golden", os.path.join(folder, "golden.csv"),
          "--out", bundle])
    if (margins_of(bundle, os.path.join(folder, "rows.csv"), 1) != margins_of(os.path.join(folder, "json"),
                                                                              os.path.join(folder, "rows.csv"), 1)).any():
        raise AssertionError("DART beside its trees scores otherwise")


def predictions(folder, params, classes=0):
    """Golden rows may be what predict gives."""
    rng = np.random.default_rng(3)
    x = data(rng, False)
    booster = xgboost.train({"tree_method": "hist", **params}, xgboost.DMatrix(x, label=label(rng, x, params["objective"], classes, 1)), 9)
    model, golden = os.path.join(folder, "p.json"), os.path.join(folder, "p.csv")
    booster.save_model(model)
    table = x.assign(prediction=booster.predict(xgboost.DMatrix(x)))
    table.to_csv(golden, index=False, float_format="%.9g")
    features = os.path.join(folder, "features.yaml")
    must(["import", model, "--features", features, "--golden", golden, "--out", os.path.join(folder, "p")])
    table.assign(prediction=table.prediction + 1e-3).to_csv(golden, index=False, float_format="%.9g")
    done = tact("import", model, "--features", features, "--golden", golden, "--out", os.path.join(folder, "p2"))
    assert done.returncode == 1 and "prediction is" in done.stderr and not os.path.exists(os.path.join(folder, "p2")), done.stderr


def rounds_told_apart(folder):
    """Booster.predict takes all rounds, Tact those up to the best: rows of the other ones are refused with the way out."""
    rng = np.random.default_rng(5)
    x = data(rng, False)
    matrix = xgboost.DMatrix(x, label=label(rng, x, "binary:logistic", 0, 1))
    booster = xgboost.train({"tree_method": "hist", "objective": "binary:logistic"}, matrix, 9)
    booster.set_attr(best_iteration="3")
    model, golden, features = (os.path.join(folder, n) for n in ("rounds.json", "rounds.csv", "features.yaml"))
    booster.save_model(model)
    args = ["import", model, "--features", features, "--golden", golden, "--out"]
    for span, right, wrong, hint in (((0, 4), [], ["--trees", "all"], "--trees best"), ((0, 0), ["--trees", "all"], [], "--trees all")):
        x.assign(prediction=booster.predict(matrix, iteration_range=span)).to_csv(golden, index=False, float_format="%.9g")
        done = tact(*args, os.path.join(folder, "rounds_wrong"), *wrong)
        assert done.returncode == 1 and "they are those of" in done.stderr and hint in done.stderr, done.stderr
        must([*args, os.path.join(folder, "rounds_%d" % span[1]), *right])


def refused(what, model, features, text):
    done = tact("import", model, "--features", features, "--out", os.path.join(WORK, "refused"))
    if done.returncode != 1 or text not in done.stderr or os.path.exists(os.path.join(WORK, "refused")):
        raise AssertionError(f"{what}: expected a refusal with '{text}', got {done.returncode}: {done.stderr}")


def refusals(folder):
    features = os.path.join(folder, "features.yaml")
    with open(os.path.join(folder, "model.json"), encoding="utf-8") as f:
        good = json.load(f)
    path = os.path.join(WORK, "changed.json")

    def changed(change):
        model = json.loads(json.dumps(good))
        change(model["learner"])
        with open(path, "w", encoding="utf-8") as f:
            json.dump(model, f)
        return path

    trees = lambda l: l["gradient_booster"]["model"]["trees"]
    refused("child", changed(lambda l: trees(l)[0]["left_children"].__setitem__(0, 10 ** 6)), features, "a child out of range")
    refused("cycle", changed(lambda l: trees(l)[0]["left_children"].__setitem__(0, 0)), features, "tree 0, node 0")
    refused("feature", changed(lambda l: trees(l)[1]["split_indices"].__setitem__(0, 99)), features, "does not have")
    refused("objective", changed(lambda l: l["objective"].__setitem__("name", "reg:quantileerror")), features, "objective")
    refused("base score", changed(lambda l: l["learner_model_param"].__setitem__("base_score", "[1E0,2E0]")), features, "base_score")
    dump = os.path.join(WORK, "dump.json")
    booster = xgboost.Booster(model_file=os.path.join(folder, "model.json"))
    booster.dump_model(dump, dump_format="json")
    refused("dump", dump, features, "save_model")
    booster.dump_model(dump, dump_format="text")
    refused("text dump", dump, features, "save_model")
    with open(os.path.join(folder, "model.ubj"), "rb") as f:
        bytes_ = f.read()
    for cut in (1, 100, len(bytes_) // 2, len(bytes_) - 1):
        with open(path, "wb") as f:
            f.write(bytes_[:cut])
        refused(f"cut at {cut}", path, features, "not a model document")


def main():
    logistic = {"objective": "binary:logistic"}
    first = check("logistic", logistic)
    for objective in ("binary:logitraw", "binary:hinge", "reg:squarederror", "reg:logistic", "reg:absoluteerror", "reg:gamma",
                      "reg:tweedie", "count:poisson", "rank:pairwise", "rank:ndcg"):
        check(objective.replace(":", "_"), {"objective": objective}, categories=objective in ("reg:gamma", "rank:ndcg"))
    for depth in (1, 3, 8, 12):
        check(f"depth_{depth}", {**logistic, "max_depth": depth, "min_child_weight": 0}, rounds=6)
    check("leaves", {**logistic, "max_depth": 0, "max_leaves": 90, "grow_policy": "lossguide", "min_child_weight": 0}, rounds=4)
    check("onehot", {**logistic, "max_cat_to_onehot": 100}, categories=True)
    check("sets", {**logistic, "max_cat_to_onehot": 1}, categories=True)
    check("parallel", {**logistic, "num_parallel_tree": 3, "subsample": 0.6})
    check("dart", {**logistic, "booster": "dart", "rate_drop": 0.5, "one_drop": 1})
    dart_beside(check("dart_numbers", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3}, base=3.5))
    check("linear", {"objective": "reg:squarederror", "booster": "gblinear", "updater": "coord_descent"})
    check("best", logistic, rounds=15, best=True)
    check("best_classes", {"objective": "multi:softprob", "num_parallel_tree": 2}, rounds=9, classes=4, best=True)
    check("softprob", {"objective": "multi:softprob"}, classes=5, categories=True)
    predictions(check("softmax", {"objective": "multi:softmax"}, classes=3), {"objective": "multi:softmax", "num_class": 3}, 3)
    check("base", logistic, base=0.07)
    if VERSION >= (3, 2):
        check("base_0", logistic, base=0.0)
        check("base_near_0", logistic, base=5e-7)
    check("base_poisson", {"objective": "count:poisson"}, base=2.5)
    if VERSION >= (1, 6):
        check("targets", {"objective": "reg:squarederror"}, targets=3)
    if VERSION >= (2, 0):
        check("vector_leaves", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}, targets=3)
    predictions(first, logistic)
    rounds_told_apart(first)
    refusals(first)
    print(f"xgboost={xgboost.__version__} models={checked} margins={compared} largest_difference={worst:.2g}")


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
