# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus, the real service on it, and scripts for it to run: what every bus test needs.

Each test gets a temporary directory and a private bus, which loads the project's own policy file. It writes
its scripts, starts the service, and calls it. When it ends, the service must end in good order, each call must have had
its one reply, and the signals must be paired and numbered without a gap: that is checked after every test.

    $top_srcdir, $top_builddir   where the policy file and the service are found
    $VIRT_HOOKS_TEST_BUS         which bus: see buses.py
    $VIRT_HOOKSD                 the service, if it is to be another one
    $VIRT_HOOKSD_WRAPPER         a command to run it under, such as "valgrind --error-exitcode=99"
    $TEST_TIMEOUT_FACTOR         how much slower than usual this machine may be
"""

import ctypes
import glob
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest
import uuid

from buses import DIES_WITH_TEST, HERE, IS_ROOT, TOP_SRCDIR, new_bus, read_text
from client import FACTOR, INTERFACE, Client, Monitor, wait_until
from samples import domain

TOP_BUILDDIR = os.path.abspath(os.environ.get("top_builddir", TOP_SRCDIR))
VIRT_HOOKSD = os.environ.get("VIRT_HOOKSD", os.path.join(TOP_BUILDDIR, "bridge", "virt-hooksd"))
WRAPPER = shlex.split(os.environ.get("VIRT_HOOKSD_WRAPPER", ""))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

os.umask(0o022)


def become_subreaper():
    """Orphans of this program's children become its own, so that none outlives a test."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


become_subreaper()


def children():
    pids = []
    for path in glob.glob("/proc/self/task/*/children"):
        with open(path, encoding="ascii") as file:
            pids += [int(pid) for pid in file.read().split()]
    return pids


def kill_children():
    """Kills whatever a test left behind, and what that leaves behind, until nothing is left."""
    while pids := children():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def quoted(word):
    """A word as libvirt's virBufferEscapeShell() puts it."""
    if word and not re.search(r"""[\r\t\n !"#$&'()*;<>?\[\\\]^`{|}~]""", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def script_environment():
    """What a script finds in its environment, but for the run's id."""
    account = pwd.getpwuid(os.geteuid())
    return ["LC_ALL=C", f"PATH={PATH}", f"HOME={account.pw_dir}", f"USER={account.pw_name}",
            f"LOGNAME={account.pw_name}"]


def failure_text(path, arguments, ending, environment=None):
    """libvirt's error for a script that failed; the ending begins with "exit status" or "fatal signal"."""
    words = [f"{name}={quoted(value)}" for name, _, value in
             (entry.partition("=") for entry in environment or script_environment())]
    words += [quoted(word) for word in (path, *arguments)]
    return f"Hook script execution failed: internal error: Child process ({' '.join(words)}) unexpected {ending}"


def is_alive(pid):
    """Whether it runs: who has ended may still be waited for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Service:
    """The virt-hooksd of a test."""

    def __init__(self, test, arguments, environment, prefix):
        self.stderr_path = os.path.join(test.directory, f"virt-hooksd-{len(test.services)}.stderr")
        self.client = test.client
        self.expected_status = 0
        command = [*DIES_WITH_TEST, *prefix, *WRAPPER, VIRT_HOOKSD, f"--address={test.bus.address}", *arguments]
        # The sanitizers and gcov are told by their variables what to do; scripts do not get to see them.
        passed_on = {name: value for name, value in os.environ.items() if re.match("(A|L|T|UB)SAN_|GCOV_", name)}
        with open(self.stderr_path, "wb") as stderr:
            # A session of its own, as systemd gives it: a script that signals its group must not reach the test.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                            env={"PATH": PATH, **passed_on, **environment}, cwd=test.directory,
                                            start_new_session=True)
        self.name = None

    def wait_ready(self):
        def owner_or_exit():
            if self.process.poll() is not None:
                raise AssertionError(f"virt-hooksd ended with {self.process.returncode}: {self.stderr()}")
            return self.client.owner()
        self.name = wait_until(owner_or_exit, "the service to own its name", 20)
        return self

    def stderr(self):
        return read_text(self.stderr_path)

    def signal(self, number):
        self.process.send_signal(number)

    def wait_logged(self, text):
        wait_until(lambda: text in self.stderr(), f"{text!r} on the service's stderr")

    def wait_exit(self, seconds=10):
        return wait_until(lambda: self.process.poll() is not None, "the service to exit", seconds)

    def stop(self):
        """Ends the service, if it has not ended, and tells whether it did so as it should."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait_exit()
            except AssertionError:
                self.process.kill()
                self.process.wait()
                raise
        if self.process.returncode != self.expected_status:
            raise AssertionError(f"virt-hooksd ended with {self.process.returncode}, not {self.expected_status}")


class Gate:
    """Where scripts wait until the test lets them on: a line in a FIFO for each that may pass."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        # Open for both, so that neither side waits for the other to come.
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @property
    def wait(self):
        """The shell command that waits at this gate."""
        return f"read -r _ < {shlex.quote(self.path)}"

    def open(self, count=1):
        os.write(self.fd, b"\n" * count)

    def close(self):
        os.close(self.fd)


class Watcher:
    """A client that runs on, and what it has printed."""

    def __init__(self, path, command, environment):
        self.path = path
        with open(path, "wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=environment)

    def text(self):
        return read_text(self.path)

    def wait_line(self, *texts):
        """The first line that has all of these."""
        def find():
            return next((line for line in self.text().splitlines() if all(text in line for text in texts)), None)
        return wait_until(find, f"{texts} from {self.process.args[0]}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class HooksTestCase(unittest.TestCase):
    """A test with a bus and a client of its own; start() adds the service."""

    maxDiff = None

    # A test that takes longer hangs.
    seconds = 40

    # What the bus's configuration has besides.
    bus_configuration = ""

    # A lenient call may pass a document that has no uuid.
    documents_are_checked = True

    def setUp(self):
        self.logs = {}
        self.services = []
        self._limit_time()
        self.directory = os.path.realpath(tempfile.mkdtemp(prefix="virt-hooks-"))
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self._keep_logs)
        self.addCleanup(kill_children)
        self.hooks = self.make_directory("hooks")
        self.bus = new_bus(self.directory, self.bus_configuration)
        self.addCleanup(self.bus.stop)
        self.monitor = Monitor(self.bus.address)
        self.addCleanup(self.monitor.close)
        self.client = self.new_client()

    def _limit_time(self):
        def on_alarm(_number, _frame):
            raise TimeoutError(f"the test takes more than {self.seconds * FACTOR:g} s")
        signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, self.seconds * FACTOR)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)

    def _keep_logs(self):
        for path in sorted(glob.glob(os.path.join(self.directory, "*.stderr"))):
            self.logs[os.path.basename(path)] = read_text(path)

    def new_client(self):
        client = Client(self.bus.address)
        self.addCleanup(client.close)
        return client

    # Files

    def path(self, name):
        return os.path.join(self.directory, name)

    def make_directory(self, name):
        os.makedirs(self.path(name), mode=0o755)
        return self.path(name)

    def write(self, path, content, mode=0o644):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def script(self, name, text, directory=None, mode=0o755):
        """Writes the script HOOKS/name; text without an interpreter's line is for sh."""
        if isinstance(text, str) and not text.startswith("#!"):
            text = "#!/bin/sh\n" + text + "\n"
        return self.write(os.path.join(directory or self.hooks, name), text, mode)

    def tracing_script(self, name, text="", **keywords):
        """A script that first leaves its name and arguments in the trace."""
        trace = shlex.quote(self.path("trace"))
        return self.script(name, f'echo {shlex.quote(name)} "$@" >> {trace}\n{text}', **keywords)

    def trace(self):
        """The lines that tracing scripts have left so far."""
        path = self.path("trace")
        return read_text(path).splitlines() if os.path.exists(path) else []

    def wait_traced(self, *lines):
        wait_until(lambda: all(line in self.trace() for line in lines), f"the trace of {lines}")

    def wait_ended(self, pid_path):
        """Waits until a script has left its pid in this file and is gone, whatever it left behind."""
        def has_ended():
            pid = read_text(pid_path).strip() if os.path.exists(pid_path) else ""
            return pid and not is_alive(pid)

        wait_until(has_ended, "the script to end")

    def gate(self, name="gate"):
        gate = Gate(self.path(name))
        self.addCleanup(gate.close)
        return gate

    def client_environment(self):
        return {**os.environ, "LC_ALL": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,
                "DBUS_SESSION_BUS_ADDRESS": self.bus.address}

    def run_program(self, *command, seconds=20):
        """Runs a real client with this test's bus as its system and session bus."""
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", errors="replace", timeout=seconds * FACTOR, check=False,
                              env=self.client_environment())

    def watch(self, *command):
        """Starts a client that prints the signals that it sees, and returns when it sees them."""
        watcher = Watcher(self.path(f"watched-{len(self.services)}"), command, self.client_environment())
        self.addCleanup(watcher.stop)
        # That it runs does not mean that it listens already: it does when it shows something.
        def shows_something():
            self.call_anything()
            return "HookFinished" in watcher.text()
        wait_until(shows_something, f"{command[0]} to see signals")
        return watcher

    def call_anything(self):
        """A call that matters to no test: something happens."""
        self.assert_return(self.client.hook("libxl", "nobody", "stopped", domain("nobody")))

    # The service

    def spawn(self, settings="", hooks=None, arguments=(), environment=None, prefix=()):
        """Starts the service and does not wait for it. `hooks` are the directories to name, by default self.hooks."""
        config = self.write(self.path("virt-hooks.conf"), settings)
        directories = [self.hooks] if hooks is None else hooks
        options = [f"--config={config}", *(f"--hooks-directory={path}" for path in directories), *arguments]
        service = Service(self, options, environment or {}, prefix)
        self.services.append(service)
        self.addCleanup(self._stop_and_check, service)
        return service

    def start(self, *arguments, **keywords):
        return self.spawn(*arguments, **keywords).wait_ready()

    def _stop_and_check(self, service):
        service.stop()
        if service.name is None or self.bus.process.poll() is not None:
            return
        # The bus tells of its going after all that it sent.
        wait_until(lambda: service.name in self.client.gone and service.name in self.monitor.gone,
                   "the service to leave the bus")
        self.check_signals([event for event in self.client.events if event.sender == service.name])
        self.check_replies(service)

    def check_signals(self, events):
        """Signals come in pairs, numbered one after the other, and say of themselves what they must."""
        self.assertEqual([event.details["sequence"] for event in events], list(range(1, len(events) + 1)))
        self.assertLessEqual(len({event.details["instance"] for event in events}), 1)
        started = {event.run: event for event in events if event.name == "HookStarted"}
        finished = {event.run: event for event in events if event.name == "HookFinished"}
        self.assertEqual(len(events), len(started) + len(finished), "a run has two signals of one name")
        self.assertEqual(started.keys(), finished.keys(), "a run has only one of its two signals")
        for run, first in started.items():
            last = finished[run]
            self.assertEqual(first.what, last.what)
            self.assertLess(first.details["sequence"], last.details["sequence"])
            self.assertEqual(first.details.get("uuid"), last.details.get("uuid"))
            self.assertEqual(str(uuid.UUID(run)).replace("-", ""), run.replace("-", ""))
            self._check_details(first)
            self._check_details(last)

    def _check_details(self, event):
        known = {"uuid": "s", "sequence": "t", "instance": "s", "caller_pid": "u", "caller_uid": "u",
                 "caller_comm": "s", "caller_unit": "s", "port_uuid": "s", "port_mac": "s", "port_owner": "s",
                 "port_owner_uuid": "s"}
        needed = {"sequence", "instance", "caller_pid", "caller_uid", "caller_comm"}
        if event.name == "HookFinished":
            known |= {"scripts": "u", "reason": "s"}
            needed |= {"scripts"} | ({"reason"} if event.outcome not in ("success", "no-script") else set())
        self.assertEqual(event.types, {key: known.get(key, "no such key") for key in event.types})
        self.assertLessEqual(needed, event.types.keys())
        if self.documents_are_checked:
            self.assertEqual("uuid" in event.types, event.kind != "daemon")

    def check_replies(self, service):
        """Every call that wants a reply has exactly one, and has it from the service itself."""
        for call in self.monitor.calls_to(service.name):
            replies = self.monitor.replies(call)
            self.assertLessEqual(len(replies), 1 if call.wants_reply else 0, f"too many replies: {call}: {replies}")
            if call.wants_reply and call.sender not in self.monitor.gone:
                self.assertEqual(len(replies), 1, f"no reply: {call}")
                self.assertIn(replies[0].sender, [service.name for service in self.services], f"not its reply: {call}")

    # What replies and signals must be

    def assert_return(self, reply):
        self.assertIsNone(reply.error, str(reply))
        return reply

    def assert_error(self, reply, name, *fragments):
        """Short names are the project's own. GDBus shows the message of an error that has a string and nothing else."""
        self.assertEqual(reply.signature, "s", str(reply))
        self.assertEqual(reply.error, name if "." in name else f"{INTERFACE}.Error.{name}", str(reply))
        for fragment in fragments:
            self.assertIn(fragment, reply.message)
        return reply

    def assert_not_run(self, reply, name, *fragments):
        """The call was refused before anything ran: no script, no signal."""
        self.assert_error(reply, name, *fragments)
        self.client.settle()
        self.assertEqual(self.client.events, [])
        self.assertEqual(self.trace(), [])

    def assert_finished(self, run, outcome, effect=None, reason=None, scripts=None):
        event = self.client.finished(run)
        self.assertEqual(event.outcome, outcome, str(event))
        if effect is not None:
            self.assertEqual(event.effect, effect)
        if scripts is not None:
            self.assertEqual(event.details["scripts"], scripts)
        self.assertEqual(event.details.get("reason"), reason)
        return event
