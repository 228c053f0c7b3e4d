#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory, descriptors and watches refused once, at each place where a call asks for any: it gets its one reply and its two signals,
no script runs twice, and no shortage looks like a script's verdict."""

import mmap
import os
import signal
import struct
import subprocess
from collections import Counter

from load import IS_SANITIZED, LoadTestCase, wait_until
import samples
import tap
from client import INTERFACE
from gi.repository import GLib
from run_case import RunTestCase

HERE = os.path.dirname(os.path.abspath(__file__))

# What a caller hears of whom nothing was run, who may try elsewhere; and where something may have run, who must not.
LOST = {"NoReply", "ServiceUnknown"}
NOTHING_RAN = {"LimitExceeded", "NoMemory", *LOST}
SOMETHING_RAN = {"ScriptRefused", "refused", "Failed"}


class Need(LoadTestCase, RunTestCase):
    seconds = 300

    def setUp(self):
        super().setUp()
        self.library = self.path("fail.so")
        # A sanitized program has its own ways to get memory.
        options = ["-DWITHOUT_MEMORY"] if IS_SANITIZED else []
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", *options, "-o", self.library, os.path.join(HERE, "fail.c")],
                       check=True)
        with open(self.write(self.path("faults"), bytes(16)), "r+b") as file:
            self.faults = mmap.mmap(file.fileno(), 16)

        self.environment = {"FAULTS": self.path("faults"), "LD_PRELOAD": self.library,
                            "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def start_in_need(self, settings=""):
        return self.start(settings, environment=self.environment)

    def refuse(self, number, in_a_row=1):
        self.faults[:] = struct.pack("iiii", 1, 0, number, in_a_row)

    def refuse_nothing(self):
        """Returns how many times something was asked for."""
        count = struct.unpack("iiii", self.faults[:])[1]
        self.faults[:] = bytes(16)
        return count

    def sweep(self, script, send, verdict):
        self.tracing_script("qemu", script)
        service = self.start_in_need()
        heard = Counter()
        number, reached = 0, True
        while reached:
            number += 1
            guest = f"guest-{number}"
            self.refuse(number)
            reply = send(guest).wait()
            reply.close()
            # All is over when the service answers something else, which may be what is refused it.
            lost = LOST & {(call.error or "").rpartition(".")[2] for call in (reply, self.settle())}
            reached = self.refuse_nothing() >= number
            if lost:
                service = self.start_anew(service, self.start_in_need)
            what = reply.error.rpartition(".")[2] if reply.error else str(reply.values[0])
            heard[what] += 1
            runs = sum(line.split()[1] == guest for line in self.trace())
            self.assertIn(what, {verdict} | NOTHING_RAN | SOMETHING_RAN, f"fault {number}: {reply}")
            self.assertIn(runs, {1} if what == verdict else {0} if what in NOTHING_RAN else {0, 1}, f"fault {number}: {reply}")
        self.note(f"{number - 1} faults: {dict(heard)}")
        self.assertGreater(heard[verdict], 0)
        self.assertGreater(heard["LimitExceeded"], 0)

    def settle(self):
        return self.client.properties_call("Get", "(ss)", INTERFACE, "Running")

    def start_anew(self, service, start):
        """sd-bus could not read what came, or not answer, and gave up the connection: so does the service."""
        service.wait_exit()
        service.expected_status = 1
        # What it could not say is not to be looked for.
        last = self.new_caller()
        last.bus_call("GetId")
        wait_until(lambda: any(seen.sender == last.name for seen in self.monitor.seen), "the monitor to have seen all before")
        service.name = None
        self.monitor.seen.clear()
        return start()

    def test_filter(self):
        def send(guest):
            document = self.sealed(samples.domain(guest))
            call = self.client.send_run("qemu", guest, "migrate", document)
            os.close(document)
            return call
        self.sweep("cat", send, "success")

    def test_method(self):
        self.sweep("echo words >&2; exit 3", lambda guest: self.client.send_hook("qemu", guest, "start", samples.domain(guest)),
                   "ScriptFailed")

    def test_refused(self):
        """Who is refused hears so, also where nothing more is to be had but what was kept for that."""
        service = self.start_in_need()
        heard = Counter()
        number, reached = 0, True
        while reached:
            number += 1
            self.client.call("Cancel", "no such run")  # what was needed the last time is kept anew
            self.refuse(number, in_a_row=100)
            reply = self.client.hook("qemu", "nobody", "start", "<nothing/>")
            reached = self.refuse_nothing() >= number
            what = reply.error.rpartition(".")[2]
            heard[what] += 1
            if what in LOST:
                service = self.start_anew(service, self.start_in_need)
        self.note(f"{number - 1} faults: {dict(heard)}")
        self.assertGreater(heard["InvalidDocument"], 0)

    def sweep_cancel(self, script, settings=""):
        """Whoever is cancelled is answered, whatever is refused to the service while it ends what runs."""
        self.script("qemu", f"echo $$ > {self.path('pids')}/$1; {script}")
        self.make_directory("pids")
        service = self.start_in_need(settings)
        heard = Counter()
        # Whether the group has others is looked up in /proc, with an allocation for each process of the machine.
        for number in range(1, 50):
            guest = f"guest-{number}"
            call = self.client.send_hook("qemu", guest, "start", samples.domain(guest))
            self.wait_started(guest)
            run = self.client.call("ListRuns", {"object": GLib.Variant("s", guest)}).values[0][0]["run"]
            self.refuse(number)
            what = (self.client.call("Cancel", run).error or "success").rpartition(".")[2]
            heard[what] += 1
            if what not in NOTHING_RAN:
                self.assert_error(call.wait(), "Cancelled", guest)  # what the service does until then may be refused as well
            lost = LOST & {what, (self.settle().error or "").rpartition(".")[2]}
            self.refuse_nothing()
            if lost:
                service.signal(signal.SIGTERM)
                call.wait()
                service = self.start_anew(service, lambda: self.start_in_need(settings))
            elif not call.done:
                self.client.call("Cancel", run)  # which may be under way already
                self.assert_error(call.wait(), "Cancelled", guest)
        self.note(f"{dict(heard)}")
        self.assertGreater(heard["success"], 0)

    def test_cancel_what_runs(self):
        self.wait_started = lambda guest: wait_until(lambda: os.path.exists(self.path(f"pids/{guest}")), "the script")
        self.sweep_cancel("exec sleep 1000")

    def test_cancel_what_is_waited_for(self):
        """The script has ended, and a background child holds the pipe with its last words."""
        def wait_started(guest):
            self.wait_ended(self.path(f"pids/{guest}"))
            self.settle()
            self.settle()  # by the second the service has seen it, too
        self.wait_started = wait_started
        self.sweep_cancel("sleep 1000 & exit 1", "[Scripts]\nErrorGrace=infinity\nKillAfter=infinity\n")

    def test_reload(self):
        """Settings that cannot be read for want of something are not settings that are not there."""
        settings = f"[Bridge]\nHooksDirectories={self.hooks}\n"
        self.write(self.path("virt-hooks.conf.d/50-directories.conf"), settings)

        def start():
            return self.start(hooks=[], environment=self.environment)
        service = start()
        heard = Counter()
        number, reached = 0, True
        while reached:
            number += 1
            self.refuse(number)
            what = (self.client.call("Reload").error or "success").rpartition(".")[2]
            reached = self.refuse_nothing() >= number
            heard[what] += 1
            if what in LOST:
                service = self.start_anew(service, start)
            self.assertEqual(self.client.property("HooksDirectories"), [self.hooks], f"fault {number}: {what}")
        self.note(f"{number - 1} faults: {dict(heard)}")
        self.assertGreater(heard["success"], 0)


if __name__ == "__main__":
    tap.main()
