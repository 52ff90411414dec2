"""Real, public data for tests: TACT_DATA, or shared/data beside the project. Not part of the project; a test ends with exit code 77 and
says so where they are missing. SPDX-License-Identifier: Apache-2.0"""
import os
import shutil
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_DATA = os.environ.get("TACT_DATA", os.path.join(os.path.dirname(ROOT), "shared", "data"))


def need(*paths):
    """The files, or the end of the test."""
    files = [os.path.join(_DATA, p) for p in paths]
    missing = [f for f in files if not os.path.exists(f)]
    if missing or not shutil.which("zstd"):
        print("no zstd here" if not missing else "no real data here: %s" % missing[0])
        sys.exit(77)
    return files


class Checks:
    """check(good, text) prints a line; done() ends the test with the counts."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, good, text):
        self.passed += bool(good)
        self.failed += not good
        print(("ok    " if good else "FAIL  ") + text, flush=True)

    def done(self):
        print("%d passed, %d failed" % (self.passed, self.failed))
        sys.exit(self.failed > 0)
