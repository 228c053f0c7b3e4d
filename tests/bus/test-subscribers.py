#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The match rules and the subscribers that org.virt.Hooks(5) has for people to copy, the latter in the shell, in Python and in C:
they work, and are those of the examples."""

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
from gi.repository import Gio, GLib
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


def build_listen(test):
    """The command of the subscriber in C."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libsystemd"], check=True, capture_output=True, encoding="utf-8")
    subprocess.run([*c_compiler(), "-Wall", "-Werror", "-o", test.path("listen"), os.path.join(EXAMPLES, "listen.c"),
                    *flags.stdout.split()], check=True)
    return [test.path("listen")]


class C(Subscriber, HooksTestCase):
    def command(self):
        return build_listen(self)


def manual(title, end):
    """A part of the page, from the line that begins it."""
    page = read_text(os.path.join(TOP_SRCDIR, "man", "org.virt.Hooks.5.in"))
    return re.search(rf"(?ms)^{re.escape(title)}$(.*?)^{re.escape(end)}", page).group(1)


class MatchRules(HooksTestCase):
    def listen(self, rule):
        """What comes with this rule and no other: member and arguments of each signal."""
        connection = Gio.DBusConnection.new_for_address_sync(
            self.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
            None, None)
        self.addCleanup(connection.close_sync, None)
        seen = []

        def on_message(_connection, message, incoming):
            if incoming and message.get_message_type() == Gio.DBusMessageType.SIGNAL:
                seen.append((message.get_member(), message.get_body().unpack()))
            return message

        connection.add_filter(on_message)
        self.ask_bus(connection, "AddMatch", rule)
        seen.clear()
        return connection, seen

    @staticmethod
    def ask_bus(connection, member, argument):
        connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member,
                             GLib.Variant("(s)", (argument,)), None, Gio.DBusCallFlags.NONE, -1, None)

    def test_as_they_are_printed(self):
        rules = ["".join(text.split()) for text in
                 re.findall(r"(?ms)^\.Bd -literal -offset 2n$(.*?)^\.Ed$", manual(".Ss Match rules", ".Ss "))]
        everything, ends, guest, started, service = listeners = [self.listen(rule) for rule in rules]
        self.start()
        first, other, container = (self.client.hook(kind, name, operation, domain(name)).run for kind, name, operation in
                                   (("qemu", GUEST, "started"), ("qemu", "web-02", "prepare"), ("lxc", GUEST, "started")))
        self.client.finished(container)
        for connection, _ in listeners:
            self.ask_bus(connection, "GetNameOwner", "org.virt.Hooks")  # answered behind all that came before
        for (_, seen), runs in ((everything, [first] * 2 + [other] * 2 + [container] * 2), (ends, [first, other, container]),
                                (guest, [first] * 2), (started, [first])):
            self.assertEqual([arguments[5] for _, arguments in seen], runs)
        self.assertEqual({member for member, _ in ends[1] + started[1]}, {"HookFinished"})
        self.assertEqual([(member, arguments[0]) for member, arguments in service[1]], [("NameOwnerChanged", "org.virt.Hooks")])


class NoBus(HooksTestCase):
    """Where there is no bus, a line says so."""

    def test_c(self):
        for option, variable in ((), "DBUS_SYSTEM_BUS_ADDRESS"), (("--session",), "DBUS_SESSION_BUS_ADDRESS"):
            done = subprocess.run([*build_listen(self), *option], encoding="utf-8", timeout=20 * FACTOR, capture_output=True, check=False,
                                  env=self.client_environment() | {variable: f"unix:path={self.directory}/nobody"})
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, "listen: the bus cannot be reached: No such file or directory\n")

    def test_python(self):
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
        return [text.replace("\\&", "").replace("\\e", "\\") for text in
                re.findall(r"(?ms)^\.Bd -literal$(.*?)^\.Ed$", manual(".Sh SUBSCRIBERS", ".Sh "))]

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
