#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks-forward: libvirt sees what the scripts said, and each of them runs once, whatever happens to the service."""

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import time

from attachment import APPEND_NAME, CHANGES, FORWARDER, Mover
from command import VIRT_HOOKS, wait_until
import tap
from client import FACTOR, Call
from forwarder import ENVIRONMENT, FORWARD, NOBODY, SYSCONFDIR, ForwardTestCase
from gi.repository import GLib
from harness import PATH, VIRT_HOOKSD, read_text
from journal import IDS
import mounts
from samples import GUEST, OPERATIONS, domain

BY_NAME = {(operation.kind, operation.name): operation for operation in OPERATIONS}
VETO, FILTER, TOO_LATE, RECONNECT = (BY_NAME["qemu", name] for name in ("start", "restore", "stopped", "reconnect"))
PORT, DAEMON = BY_NAME["network", "port-created"], BY_NAME["daemon", "start"]

# One of each column of the table that virt-hooks-forward(8) has.
COLUMNS = (VETO, FILTER, TOO_LATE, RECONNECT, PORT, DAEMON)
KINDS = ("daemon", "qemu", "network")

NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere/bus"}


class Faithful(ForwardTestCase):
    """libvirt can't tell it from the script: through the service, and without it."""

    def both_ways(self):
        """What the environment of a hook has that the service serves, and of one that has no bus."""
        self.start()
        return None, NO_BUS

    def test_every_operation(self):
        """Arguments, document and output of all rows of libvirt's table."""
        seen = self.path("seen")
        for kind in ("daemon", "qemu", "lxc", "libxl", "network"):
            self.tracing_script(kind, f'cat > {seen}; echo "<out/>"; echo words >&2')
        for changes in self.both_ways():
            for operation in OPERATIONS:
                with self.subTest(operation=operation):
                    result = self.call(operation, environment=changes)
                    self.assert_hook(result, 0, b"<out/>\n" if operation.is_filter else b"")
                    self.assert_ran_once(operation)
                    self.assertEqual(read_text(seen), operation.stdin)

    def test_the_service_is_used(self):
        """It emits the signals, and the forwarder stays silent."""
        self.script("qemu", "exit 0")
        self.start()
        self.assert_hook(self.call(VETO))
        event = wait_until(lambda: next((event for event in self.client.events if event.name == "HookFinished"), None),
                           "the signal")
        self.assertEqual((event.object, event.outcome, event.details["caller_comm"]), (GUEST, "success", "virt-hooks-forw"))
        self.assertEqual(self.entries(SYSLOG_IDENTIFIER="virt-hooks-forward"), [])

    def test_exit_statuses(self):
        self.script("qemu", 'printf "no XYZZY\\n\\n" >&2; echo "<domain/>"; exit $4')
        for changes in self.both_ways():
            for status in (1, 3, 126, 127, 255):
                result = self.hook("qemu", GUEST, "restore", "begin", str(status), document=domain(), environment=changes)
                self.assert_hook(result, status, b"", b"no XYZZY\n\n")

    def test_signals(self):
        """It dies as the script did, for libvirt tells of that; and leaves no core of its own."""
        self.script("qemu", "echo dying >&2; ulimit -c 0; kill -$4 $$")
        where = self.make_directory("cores")
        for changes in self.both_ways():
            for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1):
                result = self.hook("qemu", GUEST, "start", "begin", str(int(number)), document=domain(), environment=changes)
                self.assert_hook(result, -number, b"", b"dying\n")
        self.assertEqual(os.listdir(where), [])

    def test_bytes_are_not_touched(self):
        """Not UTF-8, with a NUL, with line ends of another system: libvirt judges what a filter prints."""
        document = b"\xff\xfe<no-xml \x00\r\n" * 1000
        self.write(f"{self.hooks}/qemu", b"#!/bin/sh\ncat > " + self.path("seen").encode() +
                   b"\nprintf '\\377<\\r\\n' \nprintf '\\377\\001\\r\\n' >&2\nexit $4\n", 0o755)
        for changes in self.both_ways():
            result = self.hook("qemu", GUEST, "migrate", "begin", "0", document=document, environment=changes)
            self.assert_hook(result, 0, b"\xff<\r\n", b"")
            with open(self.path("seen"), "rb") as file:
                self.assertEqual(file.read(), document)
            result = self.hook("qemu", GUEST, "migrate", "begin", "9", document=document, environment=changes)
            self.assert_hook(result, 9, b"", b"\xff\x01\r\n")

    def test_large_documents(self):
        document = domain(inside="<description>" + "x" * 4000000 + "</description>").encode()
        self.script("qemu", "cat")
        for changes in self.both_ways():
            result = self.hook("qemu", GUEST, "restore", "begin", "-", document=document, environment=changes)
            self.assert_hook(result, 0, document)

    def test_environment(self):
        """What libvirt passes, in its order, and the run's id: not what is ours."""
        self.script("qemu", "cat /proc/$$/environ >&2; exit 1")
        given = {"LD_LIBRARY_PATH": "/nowhere", "HOME": "/h o", "TMPDIR": "/var/tmp"}
        for changes in self.both_ways():
            address = {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address} if changes is None else changes
            result = self.hook("qemu", GUEST, "start", "begin", "-", document=domain(), environment=address | given)
            names = result.errors.decode().split("\0")[:-1]
            expected = [f"{name}={value}" for name, value in (ENVIRONMENT | given).items()]
            self.assertEqual(names[:-1], expected)
            self.assertTrue(names[-1].startswith("VIRT_HOOKS_RUN="), names)

    def test_script_path(self):
        """Scripts look at $0 to find what lies beside them; and the chain runs whole."""
        self.script("qemu", 'echo "$0" >&2; exit 1')
        self.script("qemu.d/10-more", 'echo "$0" >&2; exit 2')
        for changes in self.both_ways():
            self.assert_hook(self.call(VETO, environment=changes), 2, b"", f"{self.hooks}/qemu.d/10-more\n".encode())

    def test_no_script(self):
        for changes in self.both_ways():
            for operation in COLUMNS:
                self.assert_hook(self.call(operation, environment=changes))

    def test_operation_of_a_newer_libvirt(self):
        self.script("qemu", 'echo "<out/>"; exit $4')
        for changes in self.both_ways():
            self.assert_hook(self.hook("qemu", GUEST, "frobnicate", "begin", "0", document="<new/>", environment=changes),
                             0, b"<out/>\n")
            self.assert_hook(self.hook("qemu", GUEST, "frobnicate", "middle", "4", document="<new/>", environment=changes), 4)

    def test_odd_objects(self):
        """What the bus does not carry, or the service does not take, runs all the same."""
        self.tracing_script("qemu")
        self.start()
        for name in (b"caf\xe9", b"a\x01b", b"x" * 300, "\ufdd0".encode()):
            with self.subTest(name=name):
                self.assert_hook(self.hook("qemu", name, "start", "begin", "-", document=domain()))
                with open(self.path("trace"), "rb") as file:
                    self.assertEqual(file.read(), b"qemu " + name + b" start begin -\n")
                os.unlink(self.path("trace"))

    def test_no_standard_input(self):
        self.tracing_script("daemon", "cat")
        for changes in self.both_ways():
            for close in (lambda: os.close(0), lambda: None):
                self.assert_hook(self.send_hook("daemon", "-", "start", "-", "start", environment=changes,
                                                stdin=subprocess.DEVNULL, preexec_fn=close).wait())
                self.assert_ran_once(DAEMON)

    def test_output_that_nobody_takes(self):
        """Half a document must not pass for a success."""
        self.script("qemu", "cat")
        for changes in self.both_ways():
            with open("/dev/full", "wb") as full:
                hook = self.send_call(FILTER, environment=changes, stdout=full)
                self.assertEqual(hook.wait().status, 1)

    def test_background_child(self):
        """It does not delay the guest, though it holds the pipes."""
        pid = self.path("pid")
        self.script("qemu", f"sleep 300 & echo $! > {pid}")
        for changes in self.both_ways():
            self.assert_hook(self.call(VETO, environment=changes, seconds=10))
            os.kill(int(read_text(pid)), signal.SIGKILL)

    def test_many_at_once(self):
        """Each gets its own answer."""
        self.script("qemu", 'echo "$1" >&2; exit 7')
        self.start()
        hooks = {n: self.send_hook("qemu", f"guest-{n}", "start", "begin", "-", document=domain(f"guest-{n}")) for n in range(30)}
        for n, hook in hooks.items():
            self.assert_hook(hook.wait(), 7, b"", f"guest-{n}\n".encode())


    def test_as_long_as_the_script_takes(self):
        """The bus has a time limit for calls, 25 seconds where the environment gives no other."""
        door = self.gate()
        self.tracing_script("qemu", f"cat > /dev/null; {door.wait}; exit 7")
        self.start()
        limit = 0.2 * FACTOR
        hook = self.send_call(VETO, environment={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,
                                                 "SYSTEMD_BUS_TIMEOUT": f"{limit * 1000:.0f}ms"})
        self.wait_traced(self.line_of(VETO))
        over = time.monotonic() + 3 * limit
        wait_until(lambda: time.monotonic() > over, "the limit")
        self.assertIsNone(hook.process.poll())
        door.open()
        self.assert_hook(hook.wait(), 7)


class WhatItIs(ForwardTestCase):
    def test_what_it_needs(self):
        """libxml2 alone, with what it needs in turn, would make it start slowly."""
        libraries = subprocess.run(["ldd", FORWARD], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
        self.assertIn("libsystemd", libraries)
        self.assertNotRegex(libraries, "libxml2|libjson|libicu")

    def test_by_its_own_name(self):
        for option, status, words in (("--help", 0, r"Usage: virt-hooks-forward .*\n *LINK OBJECT"), ("--version", 0, r"virt-hooks \d"),
                                      ("--frobnicate", 2, "virt-hooks: "), ("qemu", 2, "virt-hooks: ")):
            done = subprocess.run([FORWARD, option], capture_output=True, encoding="utf-8", check=False, timeout=10)
            self.assertEqual((done.returncode, done.stderr if status == 0 else done.stdout), (status, ""))
            self.assertRegex(done.stdout + done.stderr, f"^{words}")
        for name in (FORWARD, "/somewhere/qemu.sh"):
            done = subprocess.run([name, GUEST, "start", "begin", "-"], executable=FORWARD, capture_output=True, encoding="utf-8",
                                  check=False, timeout=10)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1))
            self.assertIn("as a link with the name of their type (daemon, qemu, lxc, libxl, network), "
                          f"not as '{os.path.basename(name)}'; see 'virt-hooks-forward --help'", done.stderr)

    def test_wrong_arguments(self):
        self.tracing_script("qemu")
        for words in ((), (GUEST,), (GUEST, "start", "begin"), (GUEST, "start", "begin", "-", "more")):
            result = self.hook("qemu", *words)
            self.assertEqual(result.status, 2)
            self.assertIn("four arguments", result.complaint)
        self.assertEqual(self.trace(), [])


class NoVerdict(ForwardTestCase):
    """Where the service will not run the scripts to their end, libvirt is told why; but no guest is killed for it."""

    def test_refused(self):
        for kind in KINDS:
            self.tracing_script(kind, mode=0o777)
        self.start()
        for operation in COLUMNS:
            with self.subTest(operation=operation):
                self.assert_no_verdict(operation, self.call(operation), "is not safe to run", f"{self.hooks}/{operation.kind}")
        self.assertEqual(self.trace(), [])

    def test_refused_without_the_service(self):
        for kind in KINDS:
            self.tracing_script(kind, mode=0o777)
        for operation in COLUMNS:
            with self.subTest(operation=operation):
                result = self.call(operation, environment=NO_BUS)
                self.assert_no_verdict(operation, result, "is not safe to run", f"{self.hooks}/{operation.kind}")
        self.assertEqual(self.trace(), [])

    def test_timed_out(self):
        for kind in KINDS:
            self.script(kind, "exec sleep 300")
        settings = self.settings("[Scripts]\nTimeout=200ms\n")
        self.start(settings)
        for operation in COLUMNS:
            with self.subTest(operation=operation):
                self.assert_no_verdict(operation, self.call(operation), "timed out")

    def test_timed_out_without_the_service(self):
        self.script("qemu", "exec sleep 300")
        self.settings("[Scripts]\nTimeout=200ms\n")
        for operation in (VETO, RECONNECT):
            self.assert_no_verdict(operation, self.call(operation, environment=NO_BUS), "timed out")

    def cancel(self, state):
        def find():
            runs = Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({"state": GLib.Variant("s", state)},))).wait().values[0]
            return runs[0]["run"] if runs else None
        run = wait_until(find, f"a {state} run")
        self.assert_return(Call(self.client, "Cancel", GLib.Variant("(s)", (run,))).wait())

    def test_cancelled(self):
        for kind in KINDS:
            self.script(kind, "exec sleep 300")
        self.start()
        for operation in COLUMNS:
            with self.subTest(operation=operation):
                hook = self.send_call(operation)
                self.cancel("running")
                self.assert_no_verdict(operation, hook.wait(), "cancelled")

    def test_cancelled_in_the_queue(self):
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start()
        first = self.send_hook("qemu", GUEST, "prepare", "begin", "-", document=domain())
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        for operation in (VETO, FILTER, TOO_LATE, RECONNECT):
            with self.subTest(operation=operation):
                hook = self.send_call(operation)
                self.cancel("waiting")
                self.assert_no_verdict(operation, hook.wait(), "cancelled")
        gate.open()
        self.assert_hook(first.wait())
        self.assertEqual(self.trace(), [f"qemu {GUEST} prepare begin -"])

    def test_would_deadlock(self):
        """A script that calls the hook of its own guest."""
        for operation in (VETO, RECONNECT):
            with self.subTest(operation=operation):
                inner = self.path("inner")
                self.script("qemu", f"cat | DBUS_SYSTEM_BUS_ADDRESS={self.bus.address} "
                            f"{self.libvirt_hooks}/qemu {GUEST} {operation.name} begin - 2> {inner}; echo $? >> {inner}")
                if not self.services:
                    self.start()
                self.assert_hook(self.hook("qemu", GUEST, "prepare", "begin", "-", document=domain()))
                text = read_text(inner)
                if operation is RECONNECT:
                    self.assertEqual(text, "0\n")
                else:
                    self.assertRegex(text, r"\Avirt-hooks: .*comes from a hook that it would have to wait for.*1\n\Z")
                self.wait_entry(MESSAGE_ID=IDS["NO_VERDICT"], VIRT_HOOKS_OPERATION=operation.name)

    def test_endless_document(self):
        self.tracing_script("qemu")
        with open("/dev/zero", "rb") as zero:
            self.assert_reason(self.send_call(VETO, stdin=zero).wait(), "cannot be read", "File too large")
        self.assertEqual(self.trace(), [])

    def test_a_copy_among_the_scripts(self):
        """Nothing goes round for ever."""
        shutil.copy(FORWARD, f"{self.hooks}/qemu")
        self.assert_reason(self.call(VETO, environment=NO_BUS), "a copy of it among the scripts")


class Explained(ForwardTestCase):
    def test_catalog(self):
        """journalctl -x explains what the forwarder writes of its own."""
        self.install_catalog()
        self.script("qemu", "", mode=0o777)
        for operation in (VETO, RECONNECT):
            self.assert_no_verdict(operation, self.call(operation, environment=NO_BUS), "is not safe to run")
        for kind in ("RUN_DIRECTLY", "RUN_FAILED", "NO_VERDICT"):
            self.check_explained(kind)


class Itself(ForwardTestCase):
    """What has not run and won't is run by the forwarder: a guest never depends on the service."""

    def assert_itself(self, why, environment=None, seconds=20):
        """All columns of the table; a failure is the script's own."""
        for kind in KINDS:
            self.tracing_script(kind, '[ "$2" != restore ] || echo "<out/>"')
        for operation in COLUMNS:
            with self.subTest(operation=operation):
                result = self.call(operation, environment=environment, seconds=seconds)
                self.assert_hook(result, 0, b"<out/>\n" if operation.is_filter else b"")
                self.assert_ran_once(operation)
                self.assert_direct(operation, why)
        self.script("qemu", "echo veto >&2; exit 3")
        for name in ("prepare", "reconnect"):
            self.assert_hook(self.hook("qemu", GUEST, name, "begin", "-", document=domain(), environment=environment,
                                       seconds=seconds), 3, b"", b"veto\n")

    def assert_all_direct(self, why, operations):
        """The service lives, but does not take these calls."""
        os.unlink(self.path("trace"))
        for kind in KINDS:
            self.tracing_script(kind, "exit 0")
        for operation in operations:
            with self.subTest(operation=operation):
                self.assert_hook(self.call(operation))
                self.assert_ran_once(operation)
                self.assert_direct(operation, why)

    def test_no_bus(self):
        self.assert_itself("there is no bus", NO_BUS)

    def test_no_service(self):
        self.assert_itself("The name org.virt.Hooks was not provided by any .service files")

    def test_hung_bus(self):
        self.tracing_script("qemu")
        self.bus.process.send_signal(signal.SIGSTOP)
        try:
            hook = self.send_call(VETO)
            self.assert_hook(hook.wait(30))
        finally:
            self.bus.process.send_signal(signal.SIGCONT)
        self.assert_ran_once(VETO)
        self.assert_direct(VETO, "there is no bus: Connection timed out")

    def test_cap_reached(self):
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start("[Bridge]\nMaxWaiting=1\n")
        first = self.send_call(VETO)
        self.wait_traced(self.line_of(VETO))
        waiting = self.client.send_hook("qemu", GUEST, "prepare", domain())
        wait_until(lambda: self.client.property("Queued") == 1, "the call to wait")
        self.assert_all_direct("wait", (VETO, FILTER, TOO_LATE, RECONNECT))
        gate.open()
        self.assert_hook(first.wait())
        self.assert_return(waiting.wait())

    def test_shutting_down(self):
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        service = self.start()
        first = self.send_call(VETO)
        self.wait_traced(self.line_of(VETO))
        service.signal(signal.SIGTERM)
        wait_until(lambda: self.client.hook("libxl", "x", "stopped", domain("x")).error, "the service to stop")
        self.assert_all_direct("shutting down", COLUMNS)
        gate.open()
        self.assert_hook(first.wait())

    def test_short_of_descriptors(self):
        """Wherever they run out in the service, also after it has told that scripts start."""
        self.tracing_script("qemu", "cat >/dev/null")
        service = self.start()
        self.assert_return(self.client.call("ListScripts"))
        pid = service.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
        limit = highest + 16
        while "cannot be looked up" not in service.stderr():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
            self.assert_hook(self.call(VETO))
            self.assert_ran_once(VETO)
            limit -= 1
        self.assertIn("could not be started", service.stderr())
        entries = wait_until(lambda: self.entries(MESSAGE_ID=IDS["RUN_DIRECTLY"]), "entries")
        self.assertTrue(any("could not be started" in entry["VIRT_HOOKS_REASON"] for entry in entries))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))


class Denied(Itself):
    """The bus does not let the call through."""

    bus_configuration = """<policy context="mandatory"><deny send_destination="org.virt.Hooks" send_interface="org.virt.Hooks" send_member="Run"/></policy>"""

    test_no_bus = test_hung_bus = test_cap_reached = test_shutting_down = test_short_of_descriptors = None

    def test_no_service(self):
        self.start()
        self.assert_itself("Rejected send message")


class Lost(ForwardTestCase):
    """The service or the bus goes away while the call is under way: no script is left out, and none runs twice."""

    def kill_service(self, service):
        service.expected_status = -signal.SIGKILL
        service.name = None  # There is no good order to be checked.
        service.process.kill()
        service.process.wait()

    def kill_bus(self, service):
        service.expected_status = 1
        self.bus.process.kill()
        self.bus.process.wait()

    def lose_while_it_runs(self, operation, lose):
        gate = self.gate(f"gate-{operation.name}")
        self.tracing_script(operation.kind, gate.wait)
        service = self.start()
        hook = self.send_call(operation)
        self.wait_traced(self.line_of(operation))
        lose(service)
        result = hook.wait()
        gate.open()
        self.assert_no_verdict(operation, result, "lost while the scripts ran")
        self.assert_ran_once(operation)

    def lose_when_it_has_run(self, operation, lose):
        """The script has ended, and the service has not seen it yet."""
        gate, ended = self.gate(f"gate-{operation.name}"), self.path(f"ended-{operation.name}")
        self.tracing_script(operation.kind, f"echo $$ > {ended}; {gate.wait}")
        service = self.start()
        hook = self.send_call(operation)
        self.wait_traced(self.line_of(operation))
        wait_until(lambda: os.path.exists(ended) and read_text(ended), "the script's pid")
        service.signal(signal.SIGSTOP)
        gate.open()
        self.wait_ended(ended)
        lose(service)
        if lose == self.kill_bus:
            service.signal(signal.SIGCONT)
        self.assert_no_verdict(operation, hook.wait(), "lost while the scripts ran")
        self.assert_ran_once(operation)

    def lose_while_it_waits(self, operation, lose):
        """Another call on the object runs, so that this one has not begun."""
        gate = self.gate(f"gate-{operation.name}")
        begun = self.path(f"begun-{operation.name}")
        self.script(operation.kind, f": > {begun}; {gate.wait}; exit")
        service = self.start()
        self.client.send_hook(operation.kind, operation.object, "prepare" if operation.kind == "qemu" else "start",
                              *(operation.documents if operation.kind == "qemu" else (operation.documents[0], "")))
        wait_until(lambda: self.client.property("Running") == 1, "the first call to run")
        hook = self.send_call(operation)
        wait_until(lambda: self.client.property("Queued") == 1, "the call to wait")
        # The file is written anew: its shell must have read all of the old one by then, up to the exit.
        wait_until(lambda: os.path.exists(begun), "the first script to have been read")
        self.tracing_script(operation.kind)
        lose(service)
        self.assert_hook(hook.wait())
        gate.open()
        self.assert_ran_once(operation)
        self.assert_direct(operation, "")


    def test_service_that_reads_the_call_too_late(self):
        """It gets to it when the forwarder has done the work already."""
        self.tracing_script("qemu")
        service = self.start()
        service.signal(signal.SIGSTOP)
        hook = self.send_call(VETO)
        wait_until(lambda: self.monitor.calls_to(service.name), "the call on the bus")
        self.kill_bus(service)
        self.assert_hook(hook.wait())
        service.signal(signal.SIGCONT)
        service.wait_exit()
        self.assert_ran_once(VETO)
        self.assert_direct(VETO, "")


class OnTheMove(ForwardTestCase):
    """attach and detach go on all the time, and the service runs."""

    def setUp(self):
        super().setUp()
        self.libvirt_hooks = os.path.join(SYSCONFDIR, "libvirt", "hooks")
        os.makedirs(self.libvirt_hooks)
        for number, folder in enumerate((os.path.dirname(FORWARDER), "/etc/apparmor.d")):
            place = self.make_directory(f"cover-{number}")
            os.makedirs(folder, exist_ok=True)
            self.addCleanup(mounts.unmount, place)
            self.addCleanup(mounts.unmount, folder)
            mounts.cover(folder, place)
        shutil.rmtree("/etc/apparmor.d", ignore_errors=True)
        shutil.copy(FORWARD, FORWARDER)

    def test_each_script_runs_once(self):
        shutil.copy(APPEND_NAME, f"{self.libvirt_hooks}/qemu")
        trace = self.path("trace")
        service = self.start(hooks=[self.hooks, self.libvirt_hooks])
        mover = Mover(self.path("moves"))
        self.addCleanup(mover.stop)
        number = 0
        while number < 200 or mover.moves < 20 or self.client.property("Runs") < 20:
            self.assert_hook(self.hook("qemu", f"guest-{number}", "start", "begin", trace, document=domain(f"guest-{number}")))
            # A monitor that does not read makes the bus wait, for messages hold descriptors.
            self.client.settle()
            number += 1
        self.assertEqual(self.trace(), [f"guest-{n}" for n in range(number)])
        self.assertIsNone(service.process.poll())

    def lock(self):
        """As attach and detach do."""
        self.tracing_script("qemu", "cat > /dev/null")
        os.symlink(FORWARDER, f"{self.libvirt_hooks}/qemu")
        fd = os.open(os.path.join(SYSCONFDIR, "virt-hooks", "attach.state"), os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def test_hook_waits_until_they_have_moved(self):
        fd = self.lock()
        hook = self.send_call(VETO, environment=NO_BUS)
        over = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > over, "a while")
        self.assertEqual((hook.process.poll(), self.trace()), (None, []))
        fcntl.flock(fd, fcntl.LOCK_UN)
        self.assert_hook(hook.wait())
        self.assert_ran_once(VETO)

    def test_hook_does_not_wait_for_ever(self):
        """Whoever moves them hangs."""
        self.lock()
        began = time.monotonic()
        self.assert_hook(self.call(VETO, environment=NO_BUS, seconds=30))
        self.assertGreaterEqual(time.monotonic() - began, 10)
        self.assert_ran_once(VETO)

    def assert_whole_or_refused(self, guest):
        """A caller that is not libvirt gets both scripts, or an error. Returns whether it got them."""
        reply = self.client.hook("qemu", guest, "start", domain(guest))
        ran = [line for line in self.trace() if line.split()[1] == guest]
        if reply.error:
            return False
        self.assertEqual(ran, [f"{script} {guest} start begin -" for script in ("qemu", "qemu.d/10-x")], str(reply))
        return True

    def make_scripts(self):
        for name in ("qemu", "qemu.d/10-x"):
            self.tracing_script(name, "cat > /dev/null", directory=self.libvirt_hooks)

    def test_other_callers(self):
        """Nobody waits for them, and they miss none of a type's scripts."""
        self.make_scripts()
        service = self.start(hooks=[self.hooks, self.libvirt_hooks])
        mover = Mover(self.path("moves"))
        self.addCleanup(mover.stop)
        number = served = 0
        while number < 300 or mover.moves < 20 or served < 20:
            served += self.assert_whole_or_refused(f"guest-{number}")
            self.client.settle()
            number += 1
        self.assertIsNone(service.process.poll())

    def attach(self, verb, *prefix):
        return subprocess.run([*prefix, VIRT_HOOKS, verb, "qemu"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              env=ENVIRONMENT | {"ASAN_OPTIONS": "detect_leaks=0"})

    def run_as_libvirt(self, guest):
        """The main script, then what is in the folder beside it."""
        folder = os.path.join(self.libvirt_hooks, "qemu.d")
        for name in ["qemu", *(f"qemu.d/{name}" for name in (os.listdir(folder) if os.path.isdir(folder) else ()))]:
            self.assert_hook(self.hook(name, guest, "start", "begin", "-", document=domain(guest)))
        self.assertEqual(sorted(line for line in self.trace() if line.split()[1] == guest),
                         [f"{script} {guest} start begin -" for script in ("qemu", "qemu.d/10-x")])

    def test_broken_off_anywhere(self):
        """libvirt's guests start as ever, each script having run once; others are refused where scripts are in both places."""
        self.make_scripts()
        service = self.start(hooks=[self.hooks, self.libvirt_hooks])
        trace = self.path("strace")
        refused = killed = 0
        for verb, before in (("attach", "detach"), ("detach", "attach")):
            for call in CHANGES:
                for number in range(1, 100):
                    self.assertEqual(self.attach(before).returncode, 0)
                    done = self.attach(verb, "strace", "-qq", "-o", trace, "-e", f"trace={call}", "-e",
                                       f"inject={call}:signal=KILL:when={number}")
                    if done.returncode == 0:
                        break
                    killed += 1
                    with self.subTest(f"{verb}, {call} {number}"):
                        refused += not self.assert_whole_or_refused(f"other-{killed}")
                        self.run_as_libvirt(f"guest-{killed}")
        self.assertEqual(self.attach("detach").returncode, 0)
        self.assertTrue(self.assert_whole_or_refused("last"))
        self.assertGreater(refused, 10)
        self.assertIsNone(service.process.poll())


def add_losses():
    """A test for each column, each loss and both moments: a bus that was killed serves no second one."""
    for operation in COLUMNS:
        for lose in ("kill_service", "kill_bus"):
            for moment in ("lose_while_it_runs", "lose_when_it_has_run", "lose_while_it_waits"):
                if operation is DAEMON and moment == "lose_while_it_waits":
                    continue  # daemon calls do not wait for one another

                def test(self, operation=operation, lose=lose, moment=moment):
                    getattr(self, moment)(operation, getattr(self, lose))
                setattr(Lost, f"test_{lose}_{moment}_{operation.kind}_{operation.name.replace('-', '_')}", test)


add_losses()


class Activated(ForwardTestCase):
    """The first call starts the service, but not that of a daemon that stops."""

    @property
    def bus_configuration(self):
        self.services_directory = self.make_directory("services")
        starter = self.write(self.path("starter"), "#!/bin/sh\n"
                             f": > {self.path('activated')}\n"
                             f"PATH={PATH} exec {VIRT_HOOKSD} --address=unix:path={self.directory}/bus "
                             f"2> {self.path('activated.stderr')}\n", 0o755)
        self.write(f"{self.services_directory}/org.virt.Hooks.service",
                   f"[D-BUS Service]\nName=org.virt.Hooks\nExec={starter}\n")
        return f"<servicedir>{self.services_directory}</servicedir>"

    def test_first_call(self):
        self.tracing_script("qemu")
        self.assert_hook(self.call(VETO))
        self.assert_ran_once(VETO)
        self.assertTrue(os.path.exists(self.path("activated")))
        self.assertEqual(self.entries(VIRT_HOOKS_VIA="direct"), [])

    def test_daemon_that_stops(self):
        shutdown = BY_NAME["daemon", "shutdown"]
        self.tracing_script("daemon")
        self.assert_hook(self.call(shutdown))
        self.assert_ran_once(shutdown)
        self.assert_direct(shutdown, "")
        self.assertFalse(os.path.exists(self.path("activated")))

    def test_service_that_does_not_start(self):
        self.write(self.path("starter"), f"#!/bin/sh\n: > {self.path('activated')}\nexit 1\n", 0o755)
        self.tracing_script("qemu")
        self.assert_hook(self.call(VETO))
        self.assert_ran_once(VETO)
        self.assert_direct(VETO, "")
        self.assertTrue(os.path.exists(self.path("activated")))


class PlainUser(ForwardTestCase):
    """A session daemon's hooks are no business of the system's service."""

    def setUp(self):
        super().setUp()
        self.traces = self.make_directory("traces")
        os.chmod(self.traces, 0o777)
        self.script("qemu", f'echo "$VIRT_HOOKS_RUN" "$@" >> {self.traces}/trace; id -u >> {self.traces}/trace')

    def hook_of_user(self, **environment):
        result = self.hook("qemu", GUEST, "start", "begin", "-", document=domain(), user=NOBODY,
                           environment={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, **environment})
        self.assert_hook(result)
        lines = read_text(f"{self.traces}/trace").splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assertEqual(lines[1], str(NOBODY))
        return lines[0].split()[0]

    def test_without_a_bus(self):
        self.start()
        run = self.hook_of_user()
        self.assertEqual(self.assert_direct(VETO, "there is no bus")["VIRT_HOOKS_RUN"], run)
        self.assertEqual(self.client.events, [])

    def test_user_bus_without_a_service(self):
        self.start()
        bus = self.user_bus()
        self.hook_of_user(DBUS_SESSION_BUS_ADDRESS=bus)
        self.assert_direct(VETO, "not provided")
        self.assertEqual(self.client.events, [])

    def user_bus(self, directory="user"):
        path = self.make_directory(directory)
        os.chown(path, NOBODY, NOBODY)
        config = self.write(f"{path}/bus.conf", f"""<busconfig><type>session</type><listen>unix:path={path}/bus</listen>
            <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
            </policy></busconfig>""")
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                                    "dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.assertTrue(process.stdout.readline())
        return f"unix:path={path}/bus"

    def user_service(self, bus):
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                                    VIRT_HOOKSD, f"--address={bus}"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def has_owner():
            done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "busctl",
                                   f"--address={bus}", "status", "org.virt.Hooks"], capture_output=True, check=False)
            return done.returncode == 0
        wait_until(has_owner, "the user's service")

    def test_user_service(self):
        bus = self.user_bus()
        self.user_service(bus)
        self.hook_of_user(DBUS_SESSION_BUS_ADDRESS=bus)
        self.assertEqual(self.entries(VIRT_HOOKS_VIA="direct"), [])
        self.assertEqual(self.client.events, [])

    def test_user_service_where_logind_puts_the_bus(self):
        """libvirt has cleared the environment: the bus is found all the same."""
        mounts.mount("tmpfs", "/run/user" if os.path.isdir("/run/user") else self.made("/run/user"))
        self.addCleanup(mounts.unmount, "/run/user")
        bus = self.user_bus(f"/run/user/{NOBODY}")
        self.user_service(bus)
        self.hook_of_user()
        self.assertEqual(self.entries(VIRT_HOOKS_VIA="direct"), [])

    @staticmethod
    def made(path):
        os.makedirs(path)
        return path


if __name__ == "__main__":
    tap.main()
