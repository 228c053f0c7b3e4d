# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark itself, briefly: that it measures all that it should. How fast the service is on a machine that does something else
meanwhile says little, so a figure only has to be far from what would be a mistake."""

import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "bus"))
sys.path.insert(1, os.path.join(HERE, os.pardir, "client"))
import tap  # noqa: E402 (it lies elsewhere)

BENCH = os.path.join(os.environ.get("top_builddir", os.path.join(HERE, os.pardir, os.pardir)), "tests", "bench", "bench")
FACTOR = float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
BUS = "dbus-daemon"

# One row of each measure, at least.
ROWS = ("bare spawn", "Ping", "call, no script", "call, #!/bin/sh exit 0", "call, true",
        "virt-hooks-forward, #!/bin/sh exit 0", "call, ten of #!/bin/sh exit 0", "call, filter: cat",
        "call, #!/bin/sh exit 0, 50 ms later", "call, no script, 1,000 in the history", "call, no script, 1,000 waiting",
        "4 KiB, many elements: Run", "64 KiB, one long text: method", "1 MiB, many elements: bare spawn",
        "4 MiB, one long text: Run", "1 callers", "64 callers", "64 bare spawners", "1,000 calls in flight, sleep 1",
        "no script, 200 subscribers", "memory at rest: resident", "memory at its peak: resident",
        "start to the bus name taken", "descriptors at rest")

# Those that are measured with cold caches, too.
COLD_ROWS = ("bare spawn", "Ping", "call, no script", "1 MiB, many elements: Run", "no script, 200 subscribers")

# Times as much as a target may be missed by here.
LENIENCY = 30


# Without a mount namespace there is no journal to measure with.
WITHOUT_MOUNTS = ("setpriv", "--bounding-set=-sys_admin") if os.geteuid() == 0 else ()


def run_bench(*options, prefix=()):
    return subprocess.run([*prefix, BENCH, "--quick", f"--bus={BUS}", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8", timeout=60 * FACTOR, check=False)


class BenchTest(unittest.TestCase):

    def test_json(self):
        result = run_bench("--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        rows = {row["name"]: row for row in report["rows"] if row["caches"] == "warm"}
        for name in ROWS:
            self.assertIn(name, rows)
        is_told_of = "a cgroup" in str(report["notes"])
        self.assertNotEqual("call, #!/bin/sh exit 0, 50 ms later, with a cgroup" in rows, is_told_of)
        names = {(row["name"], row["caches"]) for row in report["rows"]}
        self.assertEqual(len(names), len(report["rows"]), "two rows have one name")
        for name in COLD_ROWS:
            self.assertIn((name, "cold"), names)
        for row in report["rows"]:
            self.assertEqual(row["bus"], BUS)
            if "median" in row:
                self.assertGreater(row["median"], 0, row)
                self.assertGreaterEqual(row["p99"], row["median"], row)
            else:
                self.assertGreater(row["value"], 0, row)
        self.assertLessEqual(rows["descriptors after them"]["value"], rows["descriptors at rest"]["value"])
        self.assertEqual(len(report["targets"]), 19 + 14)
        for target in report["targets"]:
            self.assertEqual(target["reached"], target["value"] <= target["limit"], target)
            if not report["sanitized"]:
                self.assertLessEqual(target["value"], LENIENCY * target["limit"], target)

    def test_what_is_not_measured_is_told_once(self):
        result = run_bench("--json", "calls", prefix=WITHOUT_MOUNTS)
        self.assertEqual(result.returncode, 0, result.stderr)
        notes = json.loads(result.stdout)["notes"]
        self.assertEqual(len([note for note in notes if "the journal" in note]), 1, notes)
        self.assertEqual(len(notes), len(set(notes)))

    def test_what_there_is_not_is_refused(self):
        for option, words in (("call", "no measure 'call'"), ("--bus=kdbus", "no kind of bus 'kdbus'")):
            with self.subTest(option=option):
                result = run_bench(option)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn(words, result.stderr)

    def test_tables(self):
        for option, line in (("--markdown", "| start to the bus name taken | "), ("--bus=dbus-daemon", "  start to the bus name taken ")):
            with self.subTest(option=option):
                result = run_bench(option, "start")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(line, result.stdout)
                self.assertNotIn("Ping", result.stdout, "only what was asked for is measured")

    def test_table_for_the_readme(self):
        result = run_bench("--markdown", "start")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        start = lines.index("| What | At most | dbus-daemon, warm |")
        self.assertEqual(lines[start + 1], "|---|---:|---:|")
        self.assertRegex(lines[start + 2], r"^\| ms from the start to the name \| 10\.00 \| (\d+\.\d\d|\*\*\d+\.\d\d\*\*) \|$")
        self.assertEqual(lines[start + 3], "", "one row for each target")


if __name__ == "__main__":
    tap.main()
