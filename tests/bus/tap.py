# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the unittest cases of a test program and reports them as TAP, for automake's tap-driver.

A program ends with `tap.main()`. Words on its command line pick the tests whose names contain them.
"""

import signal
import sys
import unittest


class Interrupted(Exception):
    """Somebody wants the program to end. Unlike KeyboardInterrupt it leaves unittest the time to clean up."""


class TapResult(unittest.TestResult):
    """One line per test; what went wrong follows as comments, with the test's own logs."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.problems = []
        self.skip_reason = None

    def startTest(self, test):
        super().startTest(test)
        self.problems = []
        self.skip_reason = None

    def addError(self, test, err):
        super().addError(test, err)
        self._add_problem(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._add_problem(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.problems.append(f"in {subtest.id().rpartition('.')[2]}")
            self._add_problem(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skip_reason = reason

    def stopTest(self, test):
        super().stopTest(test)
        self.number += 1
        verdict = "not ok" if self.problems else "ok"
        skip = f" # SKIP {self.skip_reason}" if self.skip_reason and not self.problems else ""
        print(f"{verdict} {self.number} - {test_name(test)}{skip}")
        for problem in self.problems:
            self._print_comment(problem)
        if self.problems:
            for title, text in getattr(test, "logs", {}).items():
                self._print_comment(f"--- {title}:\n{text}")
        sys.stdout.flush()

    def _add_problem(self, test, err):
        self.problems.append(self._exc_info_to_string(err, test))

    @staticmethod
    def _print_comment(text):
        for line in text.rstrip("\n").split("\n"):
            print(f"# {line}")


def leave_out_if(condition, reason):
    """
    For a test that a build cannot have, such as one with sanitizers. It is no part of the plan there, and so is not skipped
    either: a skipped one is one that this machine ought to have run.
    """
    def mark(test):
        if condition:
            test.left_out = reason
        return test
    return mark


def reason_to_leave_out(test):
    return getattr(getattr(test, test.id().rpartition(".")[2], None), "left_out", None)


def test_name(test):
    return ".".join(test.id().split(".")[-2:])


def all_tests(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from all_tests(item)
        else:
            yield item


def clean_up_when_told_to_end(result):
    """The test that runs fails, undoes what it did, and is the last."""
    def on_signal(number, _frame):
        if not result.shouldStop:
            result.stop()
            raise Interrupted(signal.Signals(number).name)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)


def main():
    words = sys.argv[1:]
    suite = unittest.TestLoader().loadTestsFromModule(sys.modules["__main__"])
    chosen = [test for test in all_tests(suite)
              if not words or any(word in test_name(test) for word in words)]
    for test in chosen:
        if reason := reason_to_leave_out(test):
            print(f"# {test_name(test)} is left out: {reason}")
    chosen = [test for test in chosen if not reason_to_leave_out(test)]
    print(f"1..{len(chosen)}")
    result = TapResult()
    clean_up_when_told_to_end(result)
    unittest.TestSuite(chosen).run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
