#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The subscribers that org.virt.Hooks(5) has for people to copy, in the shell, in Python and in C: they work, and are those of the
examples."""

import itertools
import os
import re
import shlex
import subprocess
import sys
import unittest
import uuid

import tap
from client import FACTOR, wait_until
from fake_service import FakeService
from harness import TOP_SRCDIR, HooksTestCase, Watcher, read_text
from samples import GUEST, domain

EXAMPLES = os.path.join(TOP_SRCDIR, "examples", "subscribers")


def c_compiler():
    return shlex.split(os.environ.get("CC", "cc"))


class Subscriber:
    """What each of them does. `command` starts it, `shows` is how it shows a run that has finished."""

    def listen(self, option=None):
        command = [*self.command(), *([option] if option else [])]
        watcher = Watcher(self.path("listened"), command, self.client_environment())
        self.addCleanup(watcher.stop)
        return watcher

    def start_and_listen(self, option=None):
        """It listens when it shows something."""
        self.start()
        watcher = self.listen(option)
        wait_until(lambda: self.call_anything() or watcher.text(), "something from the subscriber")
        return watcher

    def test_real_service(self):
        self.script("qemu", "exit 3")
        watcher = self.start_and_listen()
        for operation, outcome, effect in (("start", "failed", "abort"), ("stopped", "failed", "ignored")):
            self.client.hook("qemu", GUEST, operation, domain())
            watcher.wait_line("qemu", GUEST, operation, outcome, effect, "qemu exited with status 3")
        self.assertNotIn("missed", watcher.text())

    def test_session_bus(self):
        watcher = self.start_and_listen("--session")
        self.client.hook("lxc", GUEST, "prepare", domain())
        watcher.wait_line("lxc", GUEST, "prepare", "no-script")

    def test_odd_name(self):
        """A guest may be called like what the service itself says."""
        name = f"', 'sequence': <uint64 7>, 'instance': <'{uuid.uuid4()}'> }}) \u202e\u65e5"
        watcher = self.start_and_listen()
        self.client.hook("lxc", name, "prepare", domain(name))
        self.client.hook("lxc", GUEST, "prepare", domain())
        watcher.wait_line("lxc", GUEST, "prepare", "no-script")
        self.assertNotIn("missed", watcher.text())

    def test_missed(self):
        service = FakeService(self.new_client()).appear()
        watcher, numbers = self.listen(), itertools.count(1)
        wait_until(lambda: service.emit(next(numbers)) or watcher.text(), "something from the subscriber")
        number = next(numbers) // 2 * 2 + 100
        for sequence in (number, number + 10, number + 11):
            service.emit(sequence, f"guest-{sequence}")
        service.emit(number + 12, "web-09")
        watcher.wait_line("web-09")
        notes = [line for line in watcher.text().splitlines() if "missed" in line]
        self.assertEqual(notes[1:], ["9 events were missed"])
        service.instance = str(uuid.uuid4())
        service.emit(4, "web-10")
        watcher.wait_line("web-10")
        notes = [line for line in watcher.text().splitlines() if "missed" in line]
        self.assertEqual(notes[1:], ["9 events were missed", "3 events were missed"])


class Shell(Subscriber, HooksTestCase):
    def command(self):
        return ["sh", os.path.join(EXAMPLES, "listen.sh")]


class Python(Subscriber, HooksTestCase):
    def command(self):
        return [sys.executable, "-B", os.path.join(EXAMPLES, "listen.py")]


class C(Subscriber, HooksTestCase):
    def command(self):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd"], check=True, capture_output=True, encoding="utf-8")
        subprocess.run([*c_compiler(), "-Wall", "-Werror", "-o", self.path("listen"), os.path.join(EXAMPLES, "listen.c"),
                        *flags.stdout.split()], check=True)
        return [self.path("listen")]


class NoBus(HooksTestCase):
    def test_python(self):
        """Where there is no bus, a line says so."""
        nobody = f"unix:path={self.directory}/nobody"
        for program, buses in (("listen.py", {"DBUS_SYSTEM_BUS_ADDRESS": nobody}),
                               ("notify.py", {"DBUS_SYSTEM_BUS_ADDRESS": nobody}),
                               ("notify.py", {"DBUS_SESSION_BUS_ADDRESS": nobody})):
            with self.subTest(program=program, buses=buses):
                done = subprocess.run([sys.executable, "-B", os.path.join(EXAMPLES, program)], encoding="utf-8", timeout=20 * FACTOR,
                                      capture_output=True, check=False, env=self.client_environment() | buses)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, rf"\A{program}: the .*bus cannot be reached: [^\n]+\n\Z")


class Manual(unittest.TestCase):
    def examples(self):
        """The programs of the chapter, as a reader sees them."""
        page = read_text(os.path.join(TOP_SRCDIR, "man", "org.virt.Hooks.5.in"))
        chapter = re.search(r"(?ms)^\.Sh SUBSCRIBERS$(.*?)^\.Sh ", page).group(1)
        return [text.replace("\\&", "").replace("\\e", "\\") for text in
                re.findall(r"(?ms)^\.Bd -literal$(.*?)^\.Ed$", chapter)]

    def test_has_the_examples(self):
        """But for their first comment, and how they are indented."""
        for name, text in zip(("listen.sh", "listen.py", "listen.c"), self.examples(), strict=True):
            with self.subTest(name):
                whole = " ".join(read_text(os.path.join(EXAMPLES, name)).split())
                shown = " ".join(text.split())
                self.assertTrue(whole.endswith(shown), f"{name} is not in the manual as it is")
                self.assertNotIn("org.virt", whole.removesuffix(shown).replace("sender='org.virt.Hooks'", ""))


if __name__ == "__main__":
    tap.main()
