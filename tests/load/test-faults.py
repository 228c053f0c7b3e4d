#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ends and stops of all kinds in the middle of work: of the bus, of the service, of the clock, of who listens."""

import os
import select
import signal
import subprocess
import time
import unittest
from collections import Counter

from load import CALLS, FACTOR, IS_SANITIZED, Holdings, LoadTestCase, hook_message, wait_until
import mounts
import samples
import tap
from client import ERROR, INVALID_ARGS, Call
from forwarder import ForwardTestCase
from gi.repository import Gio, GLib
from harness import DIES_WITH_TEST, IS_ROOT, HooksTestCase, is_alive, read_text
from stopped_files import READ, StoppedFiles

HERE = os.path.dirname(os.path.abspath(__file__))
GUESTS = 30
BIRTHS = 300
NO_REPLY = "org.freedesktop.DBus.Error.NoReply"

# What happens to somebody else is heard of at once, and not when some time-out is over.
AT_ONCE = 5 * FACTOR


class EndsTestCase(LoadTestCase):
    def setUp(self):
        super().setUp()
        self.door = self.gate()
        self.ended = self.path("ended")
        self.tracing_script("qemu", f'{self.door.wait}; echo "$1" >> {self.ended}')
        self.guests = [f"guest-{number}" for number in range(GUESTS)]

    def start_all(self):
        calls = [self.client.send_hook("qemu", guest, "start", samples.domain(guest)) for guest in self.guests]
        wait_until(lambda: len(self.trace()) == GUESTS, "all scripts to run")
        return calls

    def ended_once(self):
        """Each script has run to its end, once."""
        if not os.path.exists(self.ended):
            return False
        with open(self.ended, encoding="utf-8") as file:
            return sorted(file.read().split()) == sorted(self.guests)


class Ends(EndsTestCase):
    def test_bus_is_killed(self):
        """Nobody can be answered. What runs is finished, and then the service ends, for systemd to start it anew."""
        service = self.start()
        self.start_all()
        self.bus.process.kill()
        self.bus.process.wait()
        service.wait_logged("is lost")
        self.assertIsNone(service.process.poll())
        self.door.open(GUESTS)
        service.wait_exit()
        self.assertEqual(service.process.returncode, 1)
        service.expected_status = 1
        wait_until(self.ended_once, "every script to end")
        self.assertEqual(len(self.trace()), GUESTS)

    def test_service_is_killed(self):
        """The callers hear at once, the scripts live on, and the next service knows nothing of them and works."""
        service = self.start()
        calls = self.start_all()
        began = time.monotonic()
        service.process.kill()
        for call in calls:
            self.assertEqual(call.wait().error, NO_REPLY)
        self.assertLess(time.monotonic() - began, AT_ONCE)
        service.process.wait()
        service.expected_status = -signal.SIGKILL
        wait_until(lambda: service.name in self.monitor.gone, "the service to leave the bus")
        service.name = None  # it could not have sent what the harness looks for
        self.client.events.clear()
        self.monitor.seen.clear()
        self.door.open(GUESTS)
        wait_until(self.ended_once, "every script to end")
        self.start()
        self.door.open()
        self.assert_return(self.client.hook("qemu", "after", "start", samples.domain("after")))

    def test_service_is_told_to_stop(self):
        """In the middle of a storm: each call is answered by the service, with what its scripts said or that there is no time."""
        self.script("qemu", f'echo "$1 $2" >> {self.ended}; exit 0')
        service = self.start()
        calls = [self.client.send_hook("qemu", guest, operation, samples.domain(guest))
                 for operation in ("prepare", "start", "started", "stopped", "release") for guest in self.guests]
        wait_until(lambda: sum(call.done for call in calls) >= GUESTS, "some to end")
        service.signal(signal.SIGTERM)
        heard = Counter(call.wait().error for call in calls)
        service.wait_exit()
        self.note(f"{heard}")
        self.assertLessEqual(heard.keys(), {None, ERROR + "ShuttingDown"})
        with open(self.ended, encoding="utf-8") as file:
            self.assertEqual(len(file.read().splitlines()), heard[None])

    def test_bus_is_stopped(self):
        """Scripts end, and nothing can be sent: the service neither waits nor spins, and sends all when the bus goes on."""
        service = self.start()
        calls = self.start_all()
        os.kill(self.bus.pid, signal.SIGSTOP)
        try:
            self.door.open(GUESTS)
            wait_until(self.ended_once, "every script to end")
            wait_until(lambda: not Holdings.of(service.process.pid).children, "the service to see it")
            before = self.processor_time(service)
            time.sleep(1)
            self.assertLess(self.processor_time(service) - before, 0.2)
        finally:
            os.kill(self.bus.pid, signal.SIGCONT)
        for call in calls:
            self.assert_return(call.wait())

    def test_strangers_while_bus_is_stopped(self):
        """Who they are the bus does not say now. That is waited for, but what runs is looked after meanwhile."""
        properties = "org.freedesktop.DBus.Properties"
        service = self.start()
        calls = self.start_all()
        service.signal(signal.SIGSTOP)
        strangers = [self.new_caller() for _ in range(6)]
        said = [strangers[0].send_hook("qemu", "stranger", "start", samples.domain("stranger")),
                strangers[1].send("Reload"),
                strangers[2].send("ListRuns", {}),
                Call(strangers[3], "Get", GLib.Variant("(ss)", ("org.virt.Hooks", "Version")), interface=properties),
                Call(strangers[4], "Introspect", None, interface="org.freedesktop.DBus.Introspectable"),
                Call(strangers[5], "Set", GLib.Variant("(ssv)", ("org.freedesktop.LogControl1", "LogLevel", GLib.Variant("s", "info"))),
                     interface=properties, path="/org/freedesktop/LogControl1")]
        for stranger in strangers:
            stranger.bus_call("GetId")  # the bus has passed on what came before
        os.kill(self.bus.pid, signal.SIGSTOP)
        try:
            self.door.open(GUESTS + 1)
            service.signal(signal.SIGCONT)
            wait_until(lambda: not Holdings.of(service.process.pid).children, "the service to see its scripts end")
            self.assertFalse(any(call.done for call in said))
        finally:
            os.kill(self.bus.pid, signal.SIGCONT)
        for call in [*calls, *said]:
            self.assert_return(call.wait())

    @staticmethod
    def processor_time(service):
        with open(f"/proc/{service.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class EndsWhileBusIsStopped(EndsTestCase):
    """The service is told to stop, and the bus takes nothing: it ends its hooks as ever, and itself when it has waited for 10 s."""

    GIVES_UP = 10 + AT_ONCE

    def stop_bus(self):
        os.kill(self.bus.pid, signal.SIGSTOP)
        self.addCleanup(self.let_bus_go_on)

    def let_bus_go_on(self):
        if self.bus.process.poll() is None:
            os.kill(self.bus.pid, signal.SIGCONT)

    def wait_given_up(self, service, seconds=0):
        service.wait_exit(seconds + self.GIVES_UP)
        self.assertEqual(service.process.returncode, 0)
        self.assertIn("The bus takes nothing any more", service.stderr())

    def test_nothing_runs(self):
        """One that is ready, and one that the bus has not even let in."""
        service = self.start()
        self.stop_bus()
        early = self.spawn()

        def has_come_to_the_bus():
            blocked = next(line for line in read_text(f"/proc/{early.process.pid}/status").splitlines() if line.startswith("SigBlk:"))
            return int(blocked.split()[1], 16) >> (signal.SIGTERM - 1) & 1 and "socket" in Holdings.of(early.process.pid).descriptors
        wait_until(has_come_to_the_bus, "the second to start")
        early.signal(signal.SIGTERM)
        service.signal(signal.SIGTERM)
        self.wait_given_up(service)
        self.wait_given_up(early)
        self.let_bus_go_on()

    def test_hooks_end_in_time(self):
        """What they said is heard when the bus goes on."""
        service = self.start()
        calls = self.start_all()
        self.stop_bus()
        service.signal(signal.SIGTERM)
        self.door.open(GUESTS)
        wait_until(self.ended_once, "every script to end")
        self.wait_given_up(service)
        self.let_bus_go_on()
        for call in calls:
            self.assert_return(call.wait())

    def test_hooks_hang(self):
        service = self.start("[Bridge]\nStopTimeout=1s\n")
        calls = self.start_all()
        scripts = Holdings.of(service.process.pid).children
        self.stop_bus()
        service.signal(signal.SIGTERM)
        self.wait_given_up(service, 1)
        self.assertFalse([pid for pid in scripts if is_alive(int(pid))])
        self.let_bus_go_on()
        for call in calls:
            self.assert_error(call.wait(), "Cancelled", "shutdown")

    def test_more_to_say_than_is_taken(self):
        """Who is told nothing hears from the bus that nothing will come."""
        service = self.start()
        calls = [self.client.send_hook("qemu", guest, "migrate", samples.large_domain(1000000, guest)) for guest in self.guests]
        wait_until(lambda: len(self.trace()) == GUESTS, "all scripts to run")
        self.stop_bus()
        service.signal(signal.SIGTERM)
        self.door.open(GUESTS)
        self.wait_given_up(service)
        service.name = None  # signals are lost, too
        self.let_bus_go_on()
        heard = Counter(call.wait().error for call in calls)
        self.note(f"{heard}")
        self.assertLessEqual(heard.keys(), {None, NO_REPLY})
        self.assertGreater(heard[NO_REPLY], 0)


@unittest.skipUnless(IS_ROOT, "only root can have a file system of its own")
class FileSystem(LoadTestCase):
    """A caller's descriptor is of a file system that has stopped: whoever asks it for anything waits, but the service does not."""

    @classmethod
    def setUpClass(cls):
        mounts.enter_private_namespace()

    def setUp(self):
        super().setUp()
        self.files = StoppedFiles(self.make_directory("stopped"))
        self.addCleanup(self.files.abort)
        self.file = self.files.open()
        self.addCleanup(os.close, self.file)
        self.service = self.start()
        self.addCleanup(self.files.abort)  # what waits for it cannot be ended
        self.call_anything()

    def test_caller_leaves(self):
        """The document's reader does not even end when it is killed."""
        before = Holdings.of(self.service.process.pid)
        leaver = self.new_caller()
        leaver.send_run("qemu", "web-01", "start", self.file)
        wait_until(lambda: READ in self.files.asked, "the document to be read")
        reader, = Holdings.of(self.service.process.pid).children
        leaver.close()
        for _ in range(3):
            self.call_anything()
        self.assertTrue(is_alive(int(reader)))
        self.files.abort()
        self.wait_quiet(self.service, before)

    def test_service_stops(self):
        call = self.client.send_run("qemu", "web-01", "start", self.file)
        wait_until(lambda: READ in self.files.asked, "the document to be read")
        self.service.signal(signal.SIGTERM)
        self.assert_error(call.wait(), "ShuttingDown")
        self.service.wait_exit()

    @tap.leave_out_if(IS_SANITIZED, "a sanitized program keeps what it frees")
    def test_scripts_interpreter(self):
        """Their children cannot execute yet, and each lives in our memory until it does. Nothing of that is kept."""
        self.write(self.path("hooks/qemu"), f"#!{self.files.directory}/file\n", 0o755)
        self.files.stop()
        before = Holdings.of(self.service.process.pid)
        calls = [self.client.send_hook("qemu", f"guest-{number}", "start", samples.domain(f"guest-{number}"))
                 for number in range(BIRTHS)]
        wait_until(lambda: self.client.property("Running") == BIRTHS, "all scripts to be started")
        self.call_anything()
        self.files.abort()
        for call in calls:
            self.assert_error(call.wait(), ERROR + "ScriptFailed", "cannot execute binary")
        after = self.wait_trimmed(self.service, before)
        self.note(f"resident memory: {before.memory} KiB before, {after.memory} afterwards")
        self.assertLess(after.memory - before.memory, BIRTHS * 8)

    def test_started(self):
        """What kind of a descriptor it is is not for the file system to say."""
        with open(os.memfd_create("document"), "w+b") as document:
            document.write(samples.domain().encode())
            document.seek(0)
            self.files.stop()
            call = self.client.send_run("qemu", "web-01", "start", document.fileno(), started_fd=self.file)
            self.assert_error(call.wait(), INVALID_ARGS, "'started'")
        self.call_anything()


class Forwarded(ForwardTestCase):
    seconds = 90

    def test_service_is_killed(self):
        """Behind libvirt: a hook that guards has run once, and nobody goes on as if it had agreed."""
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        service = self.start()
        guests = [f"guest-{number}" for number in range(GUESTS)]
        hooks = [self.send_hook("qemu", guest, "start", "begin", "-", document=samples.domain(guest)) for guest in guests]
        wait_until(lambda: len(self.trace()) == GUESTS, "all scripts to run", 30)
        began = time.monotonic()
        service.process.kill()
        for hook in hooks:
            self.assert_reason(hook.wait())
        self.assertLess(time.monotonic() - began, 2 * AT_ONCE)
        service.process.wait()
        service.expected_status = -signal.SIGKILL
        service.name = None
        gate.open(GUESTS)
        self.assertEqual(Counter(line.split()[1] for line in self.trace()), Counter(guests))


class Clock(HooksTestCase):
    def test_steps(self):
        """Years forward and back: no limit is met early or late, no duration is wrong, and nothing hangs."""
        library, step = self.path("clock.so"), self.path("step")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, os.path.join(HERE, "clock.c")], check=True)
        self.write(step, "0")
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        service = self.start("[qemu]\nTimeout=30s\nWarnAfter=20s\n[lxc]\nTimeout=1s\n",
                             environment={"LD_PRELOAD": library, "CLOCK_STEP": step,
                                                               "ASAN_OPTIONS": "verify_asan_link_order=0"})
        self.script("lxc", "exec sleep 1000")
        call = self.client.send_hook("qemu", "web-01", "start", samples.domain())
        self.wait_traced("qemu web-01 start begin -")
        for years in (50, -30):
            self.write(step, str(years * 365 * 86400))
            before = self.client.property("ScriptsLoadedAt")
            self.assert_return(self.client.call("Reload"))
            # It is the program's own clock that was stepped.
            self.assertGreater(abs(self.client.property("ScriptsLoadedAt") - before), 20 * 365 * 86400 * 1000000)
            # What has a limit of a second meets it, and not much later.
            began = time.monotonic()
            reply = self.assert_error(self.client.hook("lxc", "web-02", "start", samples.domain("web-02"), seconds=20), "TimedOut")
            took = time.monotonic() - began
            self.assertTrue(1 <= took < 1 + AT_ONCE, took)
            self.assertTrue(1000000 <= self.client.finished(reply.run).duration < (1 + AT_ONCE) * 1000000)
            self.assertFalse(call.done)
        self.assertNotIn("still running", service.stderr())
        gate.open()
        reply = self.assert_return(call.wait())
        self.assertLess(self.client.finished(reply.run).duration, 25 * FACTOR * 1000000)


class Messages:
    """Counts what comes over a socket, by where it ends; D-Bus says in each message's head how long it is."""

    def __init__(self, sock):
        self.socket = sock
        self.buffer = bytearray()
        self.count = Counter()

    def read(self):
        self.buffer += self.socket.recv(1 << 20)
        at = 0
        while len(self.buffer) - at >= 16:
            body = int.from_bytes(self.buffer[at + 4:at + 8], "little")
            fields = int.from_bytes(self.buffer[at + 12:at + 16], "little")
            size = 16 + (fields + 7) // 8 * 8 + body
            if len(self.buffer) - at < size:
                break
            self.count[self.buffer[at + 1]] += 1
            at += size
        del self.buffer[:at]


class Listeners(LoadTestCase):
    RETURN, SIGNAL = 2, 4

    def test_stopped_listener(self):
        """100,000 signals come for one who does not read them. Callers, other listeners and the service do not notice."""
        runs = CALLS * 5
        service = self.start("[Bridge]\nHistoryRuns=100\n")
        self.call_anything()
        stopped = subprocess.Popen([*DIES_WITH_TEST, "gdbus", "monitor", "--address", self.bus.address, "--dest", "org.virt.Hooks"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(stopped.wait)
        self.addCleanup(stopped.kill)

        def hears():
            self.call_anything()
            return select.select([stopped.stdout], [], [], 0.05)[0] and b"HookFinished" in os.read(stopped.stdout.fileno(), 65536)
        wait_until(hears, "the listener to hear")
        self.client.settle()  # no signal of these calls comes late
        stopped.send_signal(signal.SIGSTOP)
        # They would hear all of it, too. What they check after a test is checked below.
        self.monitor.close()
        self.client.close()
        service.name = None

        caller, listener = self.new_raw_client(), self.new_raw_client()
        match = Gio.DBusMessage.new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch")
        match.set_body(GLib.Variant("(s)", ("type='signal',sender='org.virt.Hooks',interface='org.virt.Hooks'",)))
        listener.send(match)
        heard, answered = Messages(listener.socket), Messages(caller.socket)
        while answered.count[self.RETURN] < 1 or heard.count[self.RETURN] < 2:
            self.read_some(heard, answered)
        own_signals = heard.count[self.SIGNAL]  # the bus's own

        before = Holdings.of(service.process.pid)
        began, sent, longest, last = time.monotonic(), 0, 0, time.monotonic()
        call = hook_message("Qemu", "web-01", "stopped", "", "", samples.domain())
        while answered.count[self.RETURN] < 1 + runs or heard.count[self.SIGNAL] < own_signals + 2 * runs:
            while sent < runs and sent - answered.count[self.RETURN] < 50:
                caller.send(call)
                sent += 1
            if self.read_some(heard, answered):
                longest = max(longest, time.monotonic() - last)
                last = time.monotonic()
        took = time.monotonic() - began
        after = self.wait_quiet_alone(service, before)
        self.note(f"{runs} calls and {2 * runs} signals in {took:.1f} s, longest silence {longest * 1000:.0f} ms, resident memory "
                  f"{before.memory} KiB before, {after.memory} after")
        self.assertEqual((answered.count[self.RETURN], heard.count[self.SIGNAL]), (1 + runs, own_signals + 2 * runs))
        self.assertLess(longest, 10 * FACTOR)
        if not IS_SANITIZED:
            self.assertLess(after.memory - before.memory, 1024)

    @staticmethod
    def read_some(*readers):
        ready = select.select([reader.socket for reader in readers], [], [], 10 * FACTOR)[0]
        if not ready:
            raise AssertionError("nothing comes any more")
        for reader in readers:
            if reader.socket in ready:
                reader.read()
        return ready

    @staticmethod
    def wait_quiet_alone(service, before):
        deadline = time.monotonic() + 20 * FACTOR
        while (held := Holdings.of(service.process.pid)).descriptors != before.descriptors:
            if time.monotonic() > deadline:
                raise AssertionError(f"{held} is not {before}")
            time.sleep(0.05)
        return held


if __name__ == "__main__":
    tap.main()
