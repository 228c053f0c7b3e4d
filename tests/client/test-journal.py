#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the service writes to the journal, a real one: an entry a run and a warning, with fields, and never a document."""

import os
import re
import signal
import unittest

from journal import CATALOG, IDS, WITH_JOURNAL, JournalTestCase
import tap
from client import Call, span, wait_until
from command import CommandTestCase
from gi.repository import GLib
from harness import TOP_SRCDIR, failure_text
from samples import GUEST, GUEST_UUID, NETWORK, domain, network, port

ERROR, WARNING, INFO = "3", "4", "6"
SECRET = "s3cr3t-passw0rd"


class WrittenTestCase(JournalTestCase):
    def our_fields(self, entry):
        return {name.removeprefix("VIRT_HOOKS_"): value for name, value in entry.items() if name.startswith("VIRT_HOOKS_")}

    def entry_of(self, run):
        """Its only one, for the service writes it before it sends the signal."""
        self.client.finished(run)
        return self.wait_entry(VIRT_HOOKS_RUN=run)

    def check(self, run, kind, priority, **fields):
        """All fields of a run's entry but the times."""
        entry = self.entry_of(run)
        self.assertEqual((entry["MESSAGE_ID"], entry["PRIORITY"]), (IDS[kind], priority))
        self.assertEqual((entry["SYSLOG_IDENTIFIER"], entry["_PID"]), ("virt-hooksd", str(self.services[-1].process.pid)))
        seen = self.our_fields(entry)
        event = self.client.finished(run)
        self.assertEqual(int(seen.pop("DURATION_USEC")), event.duration)
        self.assertLess(abs(int(seen.pop("STARTED_AT")) - int(entry["__REALTIME_TIMESTAMP"])), 60 * 1000000)
        self.assertEqual(seen, {"RUN": run, "TYPE": event.kind, "OBJECT": event.object, "OPERATION": event.operation,
                                "SUBOPERATION": event.suboperation, "EXTRA": event.extra, "OUTCOME": event.outcome,
                                "EFFECT": event.effect, **fields})
        return entry["MESSAGE"]

    def send_run(self, *arguments, **keywords):
        with open(self.write(self.path("domain.xml"), domain()), "rb") as file:
            reply = self.assert_return(self.client.run(*arguments, file.fileno(), **keywords))
        self.addCleanup(reply.close)
        return reply.run


class Runs(WrittenTestCase):
    def test_success(self):
        self.script("qemu", "echo words >&2")
        self.start_logged()
        message = self.check(self.call("qemu", GUEST, "release", domain(), extra="crashed"), "RUN_SUCCEEDED", INFO,
                             UUID=GUEST_UUID, EXIT_STATUS="0")
        self.assertRegex(message, rf"^qemu {GUEST} release: success \(proceed, \d+ ms\)$")

    def test_no_script(self):
        self.start_logged()
        message = self.check(self.call("daemon", "-", "start"), "RUN_SUCCEEDED", INFO)
        self.assertTrue(message.startswith("daemon - start: no-script"), message)

    def test_failure(self):
        """The message has what libvirt would say, and its priority is by what the failure means."""
        self.script("qemu", "printf 'first\\nsecond\\n' >&2; exit 3")
        self.start_logged()
        for operation, suboperation, priority in (("start", "begin", ERROR), ("stopped", "end", WARNING),
                                                  ("reconnect", "begin", ERROR)):
            run = self.call("qemu", GUEST, operation, domain())
            message = self.check(run, "RUN_FAILED", priority, UUID=GUEST_UUID, EXIT_STATUS="3", SCRIPT=f"{self.hooks}/qemu",
                                 REASON="qemu exited with status 3")
            arguments = (GUEST, operation, suboperation, "-")
            self.assertIn(failure_text(f"{self.hooks}/qemu", arguments, "exit status 3: first\nsecond"), message)

    def test_killed(self):
        self.script("network", "kill -9 $$")
        self.start_logged()
        run = self.call("network", NETWORK, "port-created", network(), port())
        message = self.check(run, "RUN_FAILED", ERROR, UUID=self.client.finished(run).details["uuid"], SIGNAL="9",
                             SCRIPT=f"{self.hooks}/network", REASON="network was killed by signal 9")
        self.assertIn("unexpected fatal signal 9", message)

    def test_refused(self):
        self.script("qemu", "", mode=0o777)
        self.start_logged()
        reason = self.client.finished(run := self.call("qemu", GUEST, "start", domain())).details["reason"]
        self.assertIn(reason, self.check(run, "RUN_FAILED", ERROR, UUID=GUEST_UUID, REASON=reason))

    def test_timed_out(self):
        self.script("qemu", self.gate().wait)
        self.start_logged("[qemu]\nTimeout=50ms\n")
        message = self.check(self.call("qemu", GUEST, "start", domain()), "RUN_FAILED", ERROR, UUID=GUEST_UUID,
                             REASON="qemu timed out")
        self.assertIn("qemu timed out", message)

    def test_cancelled(self):
        """A run leaves one entry; a call that waited and was cancelled leaves none."""
        self.tracing_script("qemu", self.gate().wait)
        self.start_logged()
        calls = [self.client.send_hook("qemu", GUEST, operation, domain()) for operation in ("prepare", "start")]
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        wait_until(lambda: self.client.property("Queued") == 1, "the second call")
        runs = [run["run"] for run in Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({},))).wait().values[0]]
        for run, call in reversed(list(zip(runs, calls, strict=True))):
            self.assert_done(self.virt_hooks("cancel", run))
            self.assert_error(call.wait(), "Cancelled")
        self.check(runs[0], "RUN_FAILED", ERROR, UUID=GUEST_UUID, REASON=self.client.finished(runs[0]).details["reason"])
        self.assertEqual(self.entries(VIRT_HOOKS_RUN=runs[1]), [])

    def test_no_document(self):
        """Neither what goes in nor what a filter prints, whatever becomes of it."""
        document = domain(inside=f"<secret>{SECRET}</secret>")
        wrong = self.write(self.path("wrong"), document.replace(GUEST, "other"))
        broken = self.write(self.path("broken"), document[:-5])
        last = None
        for text in ("", "cat", f"cat {wrong}", f"cat {broken}", "cat; exit 3", f"cat {broken}; kill -9 $$"):
            self.script("qemu", text)
            service = self.start_logged()
            last = self.call("qemu", GUEST, "migrate", document)
            self.entry_of(last)
            service.stop()
        everything = self.entries()
        self.assertIn(last, str(everything))
        self.assertNotIn(SECRET, str(everything))
        self.assertNotIn("<domain", str(everything))

    def test_words_that_are_no_text(self):
        """They do not break the entry."""
        self.script("qemu", r"printf 'a\377\000b\033[31m\nVIRT_HOOKS_EFFECT=proceed\n' >&2; exit 3")
        self.start_logged()
        entry = self.entry_of(self.call("qemu", GUEST, "start", domain()))
        message = entry["MESSAGE"] if isinstance(entry["MESSAGE"], str) else bytes(entry["MESSAGE"]).decode()
        self.assertIn("a\ufffd\ufffdb\x1b[31m\nVIRT_HOOKS_EFFECT=proceed", message)
        self.assertEqual(entry["VIRT_HOOKS_EFFECT"], "abort")

    def test_many_words(self):
        """More than journald takes in one datagram's buffer, or journalctl shows without being asked."""
        self.script("qemu", "head -c 300000 /dev/zero | tr '\\0' a >&2; exit 3")
        self.start_logged("[Bridge]\nMaxStderr=1M\n")
        entry = self.entry_of(self.call("qemu", GUEST, "start", domain()))
        self.assertIn("a" * 300000, entry["MESSAGE"])

    def test_names(self):
        self.start_logged()
        for name in ("two words", "\u65e5\u672c", "a\u202eb", "%s%n", "x=y"):
            run = self.call("lxc", name, "prepare", domain(name))
            self.assertEqual(self.entry_of(run)["VIRT_HOOKS_OBJECT"], name)


class Warnings(WrittenTestCase):
    def test_lasts(self):
        door = self.gate()
        self.script("qemu", door.wait)
        self.start_logged("[qemu]\nWarnAfter=50ms\n")
        call = self.client.send_hook("qemu", GUEST, "prepare", domain())
        entry = self.wait_entry(MESSAGE_ID=IDS["RUN_LASTS"])
        run, = Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({},))).wait().values[0]
        fields = self.our_fields(entry)
        self.assertEqual(entry["PRIORITY"], WARNING)
        self.assertEqual((fields["RUN"], fields["OBJECT"], fields["SCRIPT"]), (run["run"], GUEST, f"{self.hooks}/qemu"))
        self.assertNotIn("OUTCOME", fields)
        self.assertIn(f"pid {run['pid']}", entry["MESSAGE"])
        door.open()
        self.check_ended(call)

    def check_ended(self, call):
        run = self.assert_return(call.wait()).run
        self.client.finished(run)
        entries = wait_until(lambda: len(found := self.entries(VIRT_HOOKS_RUN=run)) == 2 and found, "the run's entry")
        self.assertEqual([entry["MESSAGE_ID"] for entry in entries], [IDS["RUN_LASTS"], IDS["RUN_SUCCEEDED"]])

    def test_lasts_after_a_failure(self):
        """It is about the script that runs, not about the one that failed before it."""
        door = self.gate()
        self.script("qemu", "exit 3")
        self.script("qemu.d/10", door.wait)
        self.start_logged(f"[qemu]\nWarnAfter={span(400)}\n")
        call = self.client.send_hook("qemu", GUEST, "prepare", domain())
        fields = self.our_fields(self.wait_entry(MESSAGE_ID=IDS["RUN_LASTS"]))
        self.assertEqual(fields["SCRIPT"], f"{self.hooks}/qemu.d/10")
        self.assertLessEqual({"REASON", "EXIT_STATUS", "SIGNAL", "OUTCOME", "EFFECT"} & fields.keys(), set())
        door.open()
        self.assert_error(call.wait(), "ScriptFailed")

    def test_kinds(self):
        """What else the service complains of."""
        self.documents_are_checked = False
        self.script("qemu", "", mode=0o644)
        self.script("lxc", self.gate().wait)
        service = self.start_logged("[Bridge]\nColour=red\nStopTimeout=50ms\n")
        self.send_run("qemu", GUEST, "teleport", lenient=GLib.Variant("b", True))
        for kind, word in (("WRONG_SETTING", "virt-hooks.conf:2"), ("NOT_EXECUTABLE", f"{self.hooks}/qemu"),
                           ("UNKNOWN_REQUEST", "teleport")):
            entry = self.wait_entry(MESSAGE_ID=IDS[kind])
            self.assertEqual(entry["PRIORITY"], WARNING)
            self.assertIn(word, entry["MESSAGE"])
        call = self.client.send_hook("lxc", GUEST, "prepare", domain())
        wait_until(lambda: self.client.property("Running") == 1, "the run")
        service.signal(signal.SIGTERM)
        self.assert_error(call.wait(), "Cancelled")
        self.assertEqual(self.wait_entry(MESSAGE_ID=IDS["HOOKS_ENDED"])["PRIORITY"], WARNING)

    def test_catalog(self):
        """journalctl -x explains what they mean."""
        self.documents_are_checked = False
        self.install_catalog()
        self.script("qemu", "exit 3", mode=0o644)
        self.script("lxc", "sleep 1; exit 3")
        self.script("libxl", self.gate().wait)
        service = self.start_logged("[Bridge]\nColour=red\nStopTimeout=50ms\n[lxc]\nWarnAfter=10ms\nTimeout=100ms\n")
        self.call("daemon", "-", "start")
        self.send_run("qemu", GUEST, "teleport", lenient=GLib.Variant("b", True))
        self.entry_of(self.call("qemu", GUEST, "prepare", domain()))
        self.client.finished(self.call("lxc", GUEST, "prepare", domain()))
        call = self.client.send_hook("libxl", GUEST, "prepare", domain())
        wait_until(lambda: self.client.property("Running") == 1, "the run")
        service.signal(signal.SIGTERM)
        self.assert_error(call.wait(), "Cancelled")
        for kind in ("RUN_SUCCEEDED", "RUN_FAILED", "RUN_LASTS", "NOT_EXECUTABLE", "WRONG_SETTING", "UNKNOWN_REQUEST",
                     "HOOKS_ENDED"):
            self.check_explained(kind)


class Catalog(unittest.TestCase):
    """Also of the kinds that no test brings about."""

    def setUp(self):
        with open(CATALOG, encoding="utf-8") as file:
            words = re.split(r"(?m)^-- ([0-9a-f]{32})$", file.read())
        self.texts = list(zip(words[1::2], words[2::2], strict=True))

    def test_every_kind(self):
        self.assertEqual(sorted(identifier for identifier, _ in self.texts), sorted(IDS.values()))

    def test_every_text(self):
        """A subject and where to read on; then at least what happened, what it means and what to do."""
        for identifier, text in self.texts:
            with self.subTest(identifier):
                header, *paragraphs = text.strip().split("\n\n")
                self.assertEqual([line.partition(":")[0] for line in header.split("\n")],
                                 ["Subject", "Defined-By", "Support", "Documentation"])
                self.assertGreaterEqual(sum(paragraph.endswith((".", ":")) for paragraph in paragraphs), 3)

    def test_pages(self):
        """The manual has each kind, and each page that is named is there."""
        manual = os.path.join(TOP_SRCDIR, "man")
        with open(os.path.join(manual, "virt-hooksd.8.in"), encoding="utf-8") as file:
            listed = re.findall(r"(?m)^\.It Li ([0-9a-f]{32})$", file.read())
        self.assertEqual(sorted(listed), sorted(IDS.values()))
        pages = {name.removesuffix(".in") for name in os.listdir(manual)}
        for identifier, text in self.texts:
            named = re.findall(r"man:([\w.-]+)\((\d)\)", text)
            self.assertTrue(named, identifier)
            self.assertLessEqual({f"{name}.{section}" for name, section in named}, pages)


class Stream(WrittenTestCase):
    """Where standard error is the journal, the variable says so; others only have the variable."""

    def test_somebody_elses_stream(self):
        shell = "exec \"$@\" 2> " + self.path("virt-hooksd.stderr")
        self.start(prefix=(*WITH_JOURNAL, "/bin/sh", "-c", shell, "sh"))
        run = self.call("lxc", GUEST, "prepare", domain())
        self.client.finished(run)
        wait_until(lambda: os.path.getsize(self.path("virt-hooksd.stderr")), "a line on standard error")
        self.assertEqual(self.entries(VIRT_HOOKS_RUN=run), [])

    def test_entries_are_not_doubled(self):
        """Nothing goes to the stream besides."""
        self.start_logged()
        run = self.call("lxc", GUEST, "prepare", domain())
        self.entry_of(run)
        self.assertEqual([entry for entry in self.entries(_TRANSPORT="stdout") if GUEST in str(entry["MESSAGE"])], [])


class WithoutJournal(CommandTestCase):
    def test_plain_lines(self):
        """A line a run, whatever the script wrote, and no number before it."""
        self.script("qemu", r"printf 'first\nsecond\033[31m\n' >&2; exit 3")
        for environment in ({}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": "nonsense"}):
            service = self.start(environment=environment)
            run = self.call("qemu", GUEST, "start", domain())
            self.client.finished(run)
            self.call("lxc", GUEST, "prepare", domain())
            service.wait_logged("lxc")
            first, second = service.stderr().splitlines()
            self.assertRegex(first, rf"^virt-hooksd: qemu {GUEST} start: failed.*unexpected exit status 3: first second \[31m")
            self.assertRegex(second, rf"^virt-hooksd: lxc {GUEST} prepare: no-script \(proceed, \d+ ms\)$")
            self.assertNotIn("\x1b", first)
            service.stop()


if __name__ == "__main__":
    tap.main()
