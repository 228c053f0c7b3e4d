#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journald that does not read: no hook waits for it, and when it reads again it gets what it was to get, in order."""

import os
import signal

import load  # noqa: F401 (makes the other tests' modules known)
from journal import IDS, WITH_JOURNAL, JournalTestCase
import tap
from client import wait_until
from harness import read_text
from samples import GUEST, domain


class Stopped(JournalTestCase):
    seconds = 90

    def start_journald(self):
        super().start_journald()
        children = read_text(f"/proc/{os.getpid()}/task/{os.getpid()}/children").split()
        self.journald = next(int(pid) for pid in children if read_text(f"/proc/{pid}/comm").startswith("systemd-journal"))

    def stop_journald(self):
        os.kill(self.journald, signal.SIGSTOP)
        self.addCleanup(self.continue_journald)

    def continue_journald(self):
        try:
            os.kill(self.journald, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def run_hooks(self, count, operation="start"):
        """Many more than the socket takes (net.unix.max_dgram_qlen): each is answered all the same."""
        calls = [self.client.send_hook("qemu", f"guest-{number}", operation, domain(f"guest-{number}")) for number in range(count)]
        return [call.wait(20) for call in calls]

    def test_nothing_is_lost(self):
        self.start_logged()
        self.stop_journald()
        runs = [self.assert_return(reply).run for reply in self.run_hooks(600)]
        for run in runs:
            self.client.finished(run)
        ended = [event.run for event in self.client.events if event.name == "HookFinished"]
        self.assertEqual(len(ended), 600)
        self.continue_journald()
        wait_until(lambda: len(self.entries(MESSAGE_ID=IDS["RUN_SUCCEEDED"])) == 600, "the journal to have all", 30)
        entries = self.entries(MESSAGE_ID=IDS["RUN_SUCCEEDED"])
        self.assertEqual([entry["VIRT_HOOKS_RUN"] for entry in entries], ended)
        # From here on all is as before.
        reply = self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.wait_entry(VIRT_HOOKS_RUN=reply.run)

    def test_what_is_kept_is_bounded(self):
        """4 MiB of 60,000 bytes each: what comes then is dropped, and that is told."""
        self.script("qemu", "head -c 60000 /dev/zero | tr '\\0' x >&2; exit 1")
        self.start_logged("[Bridge]\nHistoryRuns=0\n")
        self.stop_journald()
        for reply in self.run_hooks(150):
            self.assert_error(reply, "ScriptFailed")
        self.continue_journald()
        told = wait_until(lambda: [entry["MESSAGE"] for entry in self.entries(SYSLOG_IDENTIFIER="virt-hooksd", PRIORITY="4")],
                          "word of what was dropped", 30)
        self.assertRegex(told[0], r"\A\d+ entries of the log were dropped: journald did not read\Z")
        dropped = int(told[0].split()[0])
        kept = len(self.entries(MESSAGE_ID=IDS["RUN_FAILED"]))
        self.assertEqual(kept + dropped, 150)
        self.assertGreaterEqual(kept, (4 << 20) // 61000)

    def test_end(self):
        """The service spends a second on what is left, and then ends."""
        service = self.start_logged()
        self.stop_journald()
        self.run_hooks(50)
        service.signal(signal.SIGTERM)
        service.wait_exit(5)
        self.assertEqual(service.process.returncode, 0)

    def test_another_journald(self):
        """With one go its socket and what was sent to it; the next one is found."""
        self.start_logged()
        reply = self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.wait_entry(VIRT_HOOKS_RUN=reply.run)
        self.stop_journald()
        self.run_hooks(100)
        os.kill(self.journald, signal.SIGKILL)
        os.waitpid(self.journald, 0)
        for name in ("socket", "stdout", "dev-log"):
            os.unlink(f"/run/systemd/journal/{name}")
        self.start_journald()
        reply = self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.wait_entry(VIRT_HOOKS_RUN=reply.run)

    def test_entry_that_no_datagram_takes(self):
        """Without the right to a larger buffer an entry of half a megabyte goes by descriptor, as in a user's service."""
        self.script("qemu", "head -c 500000 /dev/zero | tr '\\0' x >&2; exit 1")
        self.start_logged("[Bridge]\nMaxStderr=1M\n", before=("setpriv", "--bounding-set=-net_admin"))
        self.assert_error(self.client.hook("qemu", GUEST, "start", domain()), "ScriptFailed")
        entry = self.wait_entry(MESSAGE_ID=IDS["RUN_FAILED"])
        self.assertTrue(entry["MESSAGE"].endswith("x" * 500000), entry["MESSAGE"][:200])

    def start_logged(self, settings="", before=()):
        return self.start(settings, prefix=(*before, *WITH_JOURNAL))


if __name__ == "__main__":
    tap.main()
