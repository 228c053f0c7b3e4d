#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The programs for people and for libvirt under valgrind: nothing leaks, and nothing is read that was not written. It needs
a build without optimisation and sanitizers, and runs when it is named: make check TESTS=tests/client/test-memory.py
"""

import atexit
import glob
import os
import shutil
import signal
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(os.path.abspath(os.environ.get("top_builddir", os.path.join(HERE, os.pardir, os.pardir))), "client")

PLACE = tempfile.mkdtemp(prefix="virt-hooks-valgrind-")
atexit.register(shutil.rmtree, PLACE)
os.chmod(PLACE, 0o755)

KINDS = ("daemon", "qemu", "lxc", "libxl", "network")

# One of its own exit statuses would be lost, and one of a script's: what is wrong is in a file for each process.
VALGRIND = ("exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect"
            f" --child-silent-after-fork=yes --log-file={PLACE}/%p.log")


def under_valgrind(name, program):
    """A program that runs another one under valgrind, which is to find its name as it was called."""
    path = os.path.join(PLACE, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\n{VALGRIND} {program} "$@"\n')
    os.chmod(path, 0o755)
    return path


def links_to_forwarder():
    """By its name it knows which hook it is."""
    folder = os.path.join(PLACE, "links")
    os.mkdir(folder)
    for kind in KINDS:
        os.symlink(os.path.join(CLIENT, "virt-hooks-forward"), os.path.join(folder, kind))
    return folder


# The modules below take their programs from here.
os.environ["VIRT_HOOKS"] = under_valgrind("virt-hooks", os.path.join(CLIENT, "virt-hooks"))
FORWARD = under_valgrind("virt-hooks-forward", f'{links_to_forwarder()}/"${{0##*/}}"')

from attachment import AttachTestCase  # noqa: E402
from command import CommandTestCase, wait_until  # noqa: E402
from journal import JournalTestCase  # noqa: E402
import forwarder  # noqa: E402
import tap  # noqa: E402
from samples import GUEST, NETWORK, domain, network, port  # noqa: E402

forwarder.FORWARD = FORWARD


class Checked:
    """After each test valgrind must have seen something, and found nothing wrong."""

    def setUp(self):
        self.addCleanup(self.check)
        super().setUp()

    def check(self):
        logs = glob.glob(f"{PLACE}/*.log")
        found = ""
        for path in logs:
            with open(path, encoding="utf-8", errors="replace") as file:
                # Its remarks, that it does not know a system call, begin otherwise.
                found += "".join(line for line in file if line.startswith("=="))
            os.unlink(path)
        self.assertEqual(found, "")
        self.assertTrue(logs, "nothing has run under valgrind")


class Service(Checked, CommandTestCase):
    """Verbs that ask the service."""

    seconds = 90

    def ends(self, status, *arguments, **keywords):
        result = self.virt_hooks(*arguments, **keywords)
        self.assertEqual(result.status, status, f"{arguments}: {result.text}\n{result.complaint}")
        return result

    def run_hook(self, status, kind, guest, operation, *options, document=None):
        return self.ends(status, "run", kind, guest, operation, "--xml=-", *options,
                         document=(domain(guest) if document is None else document).encode())

    def test_none_is_there(self):
        for verb in ("status", "list", "scripts", "history --memory", "show 0", "cancel 0", "reload"):
            self.assertNotEqual(self.virt_hooks(*verb.split()).status, 0)
        self.ends(0, "--version")
        self.ends(0, "help", "run")
        self.ends(2, "run", "--nonsense")

    def test_run(self):
        self.script("qemu", 'echo words >&2; case "$2" in start) exit 3 ;; stopped) kill -9 $$ ;; *) exec cat ;; esac')
        self.start()
        self.assertIn("words", self.run_hook(3, "qemu", GUEST, "start").complaint)
        self.run_hook(137, "qemu", GUEST, "stopped", "--json")
        self.assertEqual(self.run_hook(0, "qemu", GUEST, "migrate").text, domain(GUEST))
        self.run_hook(125, "qemu", GUEST, "teleport")
        self.run_hook(125, "qemu", GUEST, "start", document="<domain>")
        port_xml = self.write(self.path("port.xml"), port())
        self.run_hook(0, "network", NETWORK, "port-created", f"--port-xml={port_xml}", document=network())

    def test_what_runs(self):
        gate = self.gate()
        self.script("qemu", gate.wait)
        self.start()
        calls = [self.client.send_hook("qemu", GUEST, "start", domain()) for _ in range(2)]
        wait_until(lambda: self.client.property("Queued") == 1, "one to wait")
        for verb in ("status", "list"):
            self.assertIn(GUEST, self.ends(0, verb).text)
            self.ends(0, verb, "--json")
        run = self.ends(0, "list", "--json").objects[0]["run"]
        self.ends(0, "show", run)
        self.ends(0, "cancel", run)
        gate.open(2)
        self.assertIn("Cancelled", {call.wait().error and call.reply.error.rpartition(".")[2] for call in calls})

    def test_what_ran(self):
        self.script("qemu", "echo words >&2; exit 3")
        self.script("qemu.d/10-none", "exit 0", mode=0o644)
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        self.client.finished(run)
        for arguments in (("history", "--memory"), ("history", "--memory", "--json", "--failed", f"--object={GUEST}", "--since=-1h"),
                          ("show", run), ("show", run, "--json"), ("scripts",), ("scripts", "--json"), ("reload",)):
            self.ends(0, *arguments)
        self.assertNotEqual(self.virt_hooks("show", "none").status, 0)

    def test_monitor(self):
        """Until the bus goes, for it has no other end."""
        monitors = [self.follow("monitor"), self.follow("monitor", "--json", "--type=qemu", "--failed")]
        monitors[0].wait_line("waiting for it")
        monitors[1].wait_line("ServiceGone")
        self.script("qemu", "exit 3")
        service = self.start()
        run = self.call("qemu", GUEST, "start", domain())
        monitors[0].wait_line(GUEST, "failed")
        monitors[1].wait_line(run)
        service.stop()
        monitors[0].wait_line("the service is gone")
        self.bus.stop()
        for monitor in monitors:
            self.assertEqual(monitor.wait_exit(), 1)


class Journal(Checked, JournalTestCase):
    """Verbs that read the journal."""

    seconds = 90

    def test_history(self):
        self.script("qemu", "echo words >&2; exit 3")
        self.start_logged()
        run = self.call("qemu", GUEST, "start", domain())
        self.wait_entry(VIRT_HOOKS_RUN=run)
        self.send(self.run_entry(1), self.run_entry(2, "failed", "abort"))
        directory = f"--directory={self.journal_directory()}"
        for arguments in (("history",), ("history", "--json", "--until=now"), ("history", directory, "-n", "2"), ("show", run),
                          ("show", run, directory, "--json"), ("list",), ("status",)):
            self.assert_done(self.bare(*arguments))


class Folder(Checked, AttachTestCase):
    """Verbs that need no service."""

    def ends(self, status, *arguments, **keywords):
        result = self.virt_hooks(*arguments, **keywords)
        self.assertEqual(result.status, status, f"{arguments}: {result.text}\n{result.complaint}")

    def test_check(self):
        self.script("qemu")
        self.ends(0, "check", self.hooks)
        self.script("network", "#!/no/such/interpreter\r\n")
        self.script("qemu.d/10-x~", mode=0o646)
        self.script("lxd")
        self.link("qemu", "lxc")
        self.ends(1, "check", self.hooks)
        self.ends(1, "check", "--json", self.hooks)
        self.ends(2, "check", self.path("nowhere"))
        self.ends(1, "check", self.config(directories=[self.hooks, self.path("nowhere")]))

    def test_rehearse(self):
        self.script("qemu", '#!/bin/sh\nif [ "$2" = start ]; then echo words >&2; exit 3; fi\nexec cat\n')
        self.script("network")
        folder = f"--hooks-directory={self.hooks}"
        self.ends(1, "rehearse", "qemu", "-", folder, document=domain())
        self.ends(1, "rehearse", "qemu", "-", folder, "--json", "--operations=migrate,start", document=domain())
        self.ends(0, "rehearse", "network", "-", folder, document=network())
        self.ends(0, "rehearse", "daemon", folder)
        self.ends(125, "rehearse", "qemu", "-", folder, document="<domain>")

    def test_attach_and_detach(self):
        self.libvirts("qemu", "#!/bin/sh\n. ${0%/*}/shared\n")
        self.libvirts("qemu.d/10-more")
        self.libvirts("shared", mode=0o644)
        self.libvirts_link("qemu", "lxc")
        before = self.state()
        for verb in ("attach", "detach"):
            for arguments in (("--dry-run",), ("qemu",), ()):
                self.done(verb, *arguments)
            self.done(verb)
        self.assertEqual(self.state(), before)
        self.owns("qemu")
        self.libvirts("qemu", mode=0o644)
        self.refused("attach", "qemu")


class Forward(Checked, forwarder.ForwardTestCase):
    """In the place of libvirt's scripts: through the service, without a bus, and when the service goes."""

    seconds = 90

    def check_outcomes(self, **keywords):
        for kind, guest, operation, document in (("qemu", GUEST, "prepare", domain()), ("network", NETWORK, "start", network()),
                                                 ("lxc", GUEST, "start", domain()), ("daemon", "-", "start", "")):
            self.assert_hook(self.hook(kind, guest, operation, "begin", "-", document=document, **keywords))
        self.assert_hook(self.hook("qemu", GUEST, "migrate", "begin", "-", document=domain(), **keywords), 0, domain().encode())
        self.assert_hook(self.hook("qemu", GUEST, "start", "begin", "-", document=domain(), **keywords), 3, b"", b"words\n")
        killed = self.hook("qemu", GUEST, "stopped", "end", "-", document=domain(), **keywords)
        self.assertEqual(killed.status, -signal.SIGTERM)

    def setUp(self):
        super().setUp()
        self.script("qemu", 'case "$2" in start) echo words >&2; exit 3 ;; stopped) kill $$ ;; migrate) exec cat ;; esac')
        self.script("network", "exit 0")

    def test_service(self):
        self.start()
        self.check_outcomes()

    def test_direct(self):
        self.check_outcomes(environment={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere/bus"})

    def test_refused(self):
        self.script("libxl", mode=0o777, text="exit 0")
        self.start()
        for changes in (None, {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere/bus"}):
            self.assert_reason(self.hook("libxl", GUEST, "start", "begin", "-", document=domain(), environment=changes))

    def test_service_is_killed(self):
        gate = self.gate()
        self.tracing_script("lxc", gate.wait)
        service = self.start()
        hook = self.send_hook("lxc", GUEST, "start", "begin", "-", document=domain())
        self.wait_traced(f"lxc {GUEST} start begin -")
        service.process.kill()
        self.assert_reason(hook.wait())
        service.process.wait()
        service.expected_status = -signal.SIGKILL
        service.name = None


if __name__ == "__main__":
    tap.main()
