"""Our figures against scikit-learn's and scipy's: losses, AUC and its interval, calibration curves, isotonic and Platt fits; and
uplift figures, which those have not, against a few lines of numpy with a bootstrap that draws indexes.

    tests/conformance/metrics_test.py [build/dev/offline_metrics_test]

The test program prints its figures of made rows with --dump; the same rows are made here by the same formulas. Exit code 77
where numpy, scipy or scikit-learn are not installed.

SPDX-License-Identifier: Apache-2.0"""

import json
import subprocess
import sys
import warnings

try:
    import numpy as np
    import scipy.optimize
    import scipy.stats
    import sklearn.calibration
    import sklearn.isotonic
    import sklearn.metrics
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROWS = 4000
checks = 0


def close(name, got, want, tolerance):
    """|got - want| within tolerance (1 + |want|), everywhere."""
    global checks
    got, want = np.asarray(got, float), np.asarray(want, float)
    if got.shape != want.shape:
        sys.exit(f"{name}: {got.size} numbers, not {want.size}")
    off = np.max(np.abs(got - want) / (1 + np.abs(want)))
    if not off <= tolerance:
        sys.exit(f"{name}: {got}, not {want} (off by {off:.3g}, allowed {tolerance:.3g})")
    checks += 1


def made(k):
    """The k-th uniform number of every row: splitmix64 at 8 row + k, its upper 53 bits."""
    mask, out = (1 << 64) - 1, []
    for row in range(ROWS):
        z = (8 * row + k + 1) * 0x9E3779B97F4A7C15 & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        out.append(((z ^ z >> 31) >> 11) * 2.0**-53)
    return np.array(out)


def made_rows(ties):
    u = np.floor(made(0) * 50) / 50 + 0.01 if ties else made(0)
    r = {"p": 0.1 + 0.8 * u, "mean": 0.2 + 3 * u, "uplift": u - 0.25, "chance": 0.3 + 0.4 * u}
    r["label"] = (made(1) < 0.05 + 0.7 * u * u + 0.2 * u).astype(float)
    r["weight"] = 0.5 + np.floor(made(2) * 8) / 2
    r["number"] = np.floor(made(3) * made(4) * (1 + 8 * u))
    r["margin"] = ((u - 0.5) * 8).astype(np.float32).astype(float)
    r["treated"] = made(5) < r["chance"]
    r["gain"] = (made(6) < 0.2 + np.where(r["treated"], 0.3 * u, 0.05)).astype(float)
    return r


def check_losses(r, f):
    m, y, w = sklearn.metrics, r["label"], r["weight"]
    number, mean = r["number"], r["mean"]
    close("log loss", f["log_loss"]["value"], m.log_loss(y, r["p"]), 1e-12)
    close("weighted log loss", f["log_loss_weighted"]["value"], m.log_loss(y, r["p"], sample_weight=w), 1e-12)
    close("Brier", f["brier"]["value"], m.brier_score_loss(y, r["p"]), 1e-12)
    close("squared", f["squared_weighted"]["value"], m.mean_squared_error(number, mean, sample_weight=w), 1e-12)
    close("absolute", f["absolute_weighted"]["value"], m.mean_absolute_error(number, mean, sample_weight=w), 1e-12)
    close("Poisson", f["poisson"]["value"], m.mean_poisson_deviance(number, mean), 1e-12)
    close("weighted Poisson", f["poisson_weighted"]["value"],
          m.mean_poisson_deviance(number, mean, sample_weight=w), 1e-12)
    for name, loss in (("log_loss", -np.log(np.where(y > 0, r["p"], 1 - r["p"]))), ("brier", (r["p"] - y) ** 2)):
        half = scipy.stats.norm.ppf(0.975) * scipy.stats.sem(loss)
        close(f"{name} low", f[name]["low"], loss.mean() - half, 1e-11)
        close(f"{name} high", f[name]["high"], loss.mean() + half, 1e-11)


def check_auc(r, f):
    y, s = r["label"] > 0, r["p"]
    positives, negatives = s[y], s[~y]
    auc = sklearn.metrics.roc_auc_score(y, s)
    close("AUC", f["auc"]["value"], auc, 1e-13)
    u = scipy.stats.mannwhitneyu(positives, negatives).statistic
    close("AUC by Mann and Whitney", f["auc"]["value"], u / (len(positives) * len(negatives)), 1e-13)
    ranks = scipy.stats.rankdata(np.concatenate([positives, negatives]))  # Sun and Xu 2014
    of_positives = (ranks[:len(positives)] - scipy.stats.rankdata(positives)) / len(negatives)
    of_negatives = 1 - (ranks[len(positives):] - scipy.stats.rankdata(negatives)) / len(positives)
    variance = of_positives.var(ddof=1) / len(positives) + of_negatives.var(ddof=1) / len(negatives)
    half = scipy.stats.norm.ppf(0.975) * np.sqrt(variance)
    close("AUC low", f["auc"]["low"], auc - half, 1e-12)
    close("AUC high", f["auc"]["high"], auc + half, 1e-12)


def check_calibration(r, f, ties):
    """Bins of equal count are scikit-learn's quantile bins where no prediction occurs twice."""
    predicted, observed = np.array(f["calibration_curve"]["predicted"]), np.array(f["calibration_curve"]["observed"])
    if ties:
        return
    share, mean = sklearn.calibration.calibration_curve(r["label"], r["p"], n_bins=20, strategy="quantile")
    close("calibration curve, observed", observed, share, 1e-13)
    close("calibration curve, predicted", predicted, mean, 1e-13)
    close("calibration error", f["calibration_error"]["value"], np.abs(share - mean).mean(), 1e-13)


def smoothed_cross_entropy(margin, label, weight):
    positives, negatives = weight[label > 0].sum(), weight[label <= 0].sum()
    target = np.where(label > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(ab):
        t = ab[0] * margin + ab[1]
        off = weight * (1 / (1 + np.exp(-t)) - target)
        return np.sum(weight * (np.logaddexp(0, t) - target * t)) / weight.sum(), \
            np.array([np.sum(off * margin), np.sum(off)]) / weight.sum()
    return loss


def check_fits(r, f, weighted):
    margin, label = r["margin"], r["label"]
    weight = r["weight"] if weighted else np.ones(ROWS)
    fit = f["isotonic", weighted]
    theirs = sklearn.isotonic.IsotonicRegression(out_of_bounds="clip").fit(margin, label, sample_weight=weight)
    at = np.concatenate([margin, np.linspace(-5, 5, 10001)])
    close("isotonic", np.interp(at, fit["x"], fit["y"]), theirs.predict(at), 1e-9)
    if hasattr(scipy.optimize, "isotonic_regression"):
        x, place = np.unique(margin, return_inverse=True)
        total = np.bincount(place, weight)
        again = scipy.optimize.isotonic_regression(np.bincount(place, weight * label) / total, weights=total)
        close("isotonic (scipy)", np.interp(x, fit["x"], fit["y"]), again.x, 1e-12)
    fit = f["platt", weighted]
    best = scipy.optimize.minimize(smoothed_cross_entropy(margin, label, weight), [0, 0], jac=True, method="BFGS",
                                   options={"gtol": 1e-9})
    close("Platt", [fit["a"], fit["b"]], best.x, 1e-7)
    sigmoid = getattr(sklearn.calibration, "_sigmoid_calibration", None)  # not public
    if sigmoid:
        a, b = sigmoid(margin, label, sample_weight=weight)
        close("Platt (scikit-learn)", [fit["a"], fit["b"]], [-a, -b], 1e-4)


def uplift_figures(uplift, z):
    """Qini, AUUC, ATE and the curve (depth, gain): z summed in falling order of uplift, one point a distinct prediction."""
    order = np.argsort(-uplift, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(uplift[order])), len(z) - 1)
    depth = np.concatenate([[0], (ends + 1) / len(z)])
    gain = np.concatenate([[0], np.cumsum(z[order])[ends] / len(z)])
    area = np.sum(np.diff(depth) * (gain[1:] + gain[:-1]) / 2)
    return np.array([area - gain[-1] / 2, area, gain[-1]]), depth, gain


def check_uplift(r, f):
    z = np.where(r["treated"], r["gain"] / r["chance"], -r["gain"] / (1 - r["chance"]))
    figures, depth, gain = uplift_figures(r["uplift"], z)
    names = ("qini", "auuc", "ate")
    close("uplift", [f[k]["value"] for k in names], figures, 1e-12)
    close("uplift curve", f["uplift_curve"]["gain"], np.interp(np.arange(21) / 20, depth, gain), 1e-12)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(2000):
        take = rng.integers(ROWS, size=ROWS)
        drawn.append(uplift_figures(r["uplift"][take], z[take])[0])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    for k, name in enumerate(names):  # two bootstraps of 2,000 differ by some hundredths of the width
        close(f"{name} low", (f[name]["low"] - low[k]) / (high[k] - low[k]), 0, 0.08)
        close(f"{name} high", (f[name]["high"] - high[k]) / (high[k] - low[k]), 0, 0.08)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/dev/offline_metrics_test"
    figures = {False: {}, True: {}}
    lines = subprocess.run([program, "--dump"], check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        o = json.loads(line)
        figures[o["ties"]][(o["figure"], o["weighted"]) if "weighted" in o else o["figure"]] = o
    warnings.simplefilter("ignore", FutureWarning)
    for ties in (False, True):
        rows, f = made_rows(ties), figures[ties]
        check_losses(rows, f)
        check_auc(rows, f)
        check_calibration(rows, f, ties)
        check_fits(rows, f, False)
        check_fits(rows, f, True)
        check_uplift(rows, f)
    print(f"{checks} comparisons, scikit-learn {sklearn.__version__}, scipy {scipy.__version__}")


if __name__ == "__main__":
    main()
