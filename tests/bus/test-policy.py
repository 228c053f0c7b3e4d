#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the project's bus policy, and the service's own check where no polkit is there to ask."""

import os
import pwd
import unittest

import samples
import tap
from client import ACCESS_DENIED, INTERFACE, OBJECT_PATH, wait_until
from harness import IS_ROOT, PATH, HooksTestCase
from samples import GUEST, domain

PLAIN_USER = "nobody"

# What a program of the plain user begins with: it is on the bus.
CONNECT = """
import os
import sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
def call_bus(member, parameters=None):
    bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", member, parameters,
                  None, 0, -1, None)
"""

OWN = """
call_bus("RequestName", GLib.Variant("(su)", ("org.virt.Hooks", 4)))
"""

# Sends signals of all interfaces that it is told, and returns when the bus has taken them.
EMIT = """
hook = ("qemu", "web-01", "started", "begin", "-", "00000000-0000-0000-0000-000000000000")
started = GLib.Variant("(ssssssa{sv})", (*hook, {"sequence": GLib.Variant("t", 1)}))
finished = GLib.Variant("(ssssssssta{sv})", (*hook, "success", "proceed", 1, {"sequence": GLib.Variant("t", 2)}))
for interface in sys.argv[2:]:
    bus.emit_signal(None, "/org/virt/Hooks", interface, "HookStarted", started)
    bus.emit_signal(None, "/org/virt/Hooks", interface, "HookFinished", finished)
bus.flush_sync(None)
call_bus("GetId")
"""

# Calls Run with an open pipe, and shows the error and what is left in the pipe.
RUN = """
reader, writer = os.pipe()
os.write(writer, b"unread")
fds = Gio.UnixFDList.new()
fds.append(reader)
try:
    bus.call_with_unix_fd_list_sync("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Run",
                                    GLib.Variant("(sssssha{sv})", ("qemu", "web-01", "start", "", "", 0, {})),
                                    None, 0, -1, fds, None)
except GLib.Error as error:
    print(Gio.DBusError.get_remote_error(error), os.read(reader, 100))
"""


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class PolicyTestCase(HooksTestCase):
    # Root's environment must not go with it.
    AS_PLAIN_USER = ("setpriv", f"--reuid={PLAIN_USER}", "--regid=nogroup", "--clear-groups", "--reset-env")

    def on_bus(self, *command):
        """The command of a plain user's client."""
        return (*self.AS_PLAIN_USER, "env", f"PATH={PATH}", f"DBUS_SYSTEM_BUS_ADDRESS={self.bus.address}", *command)

    def as_plain_user(self, *command):
        return self.run_program(*self.on_bus(*command))

    def busctl(self, *arguments):
        return self.as_plain_user("busctl", "--system", "--timeout=20", *arguments)

    def gdbus_call(self, member, *arguments):
        return self.as_plain_user("gdbus", "call", "--system", "--dest", INTERFACE, "--object-path", OBJECT_PATH,
                                  "--method", f"{INTERFACE}.{member}", *arguments)

    def assert_denied(self, result):
        self.assertNotEqual(result.returncode, 0, result.stdout)
        self.assertIn(ACCESS_DENIED, result.stderr)

    def python(self, program, *arguments):
        return self.as_plain_user("/usr/bin/python3", "-c", CONNECT + program, self.bus.address, *arguments)


class Signals(PolicyTestCase):
    def test_forged_signal_is_stopped_by_the_bus(self):
        """The same signals of another interface arrive: it is the policy that makes the difference."""
        seen = []
        self.client.connection.signal_subscribe(
            None, "org.example.Control", None, None, None, 0, lambda *arguments: seen.append(arguments[4]))
        self.start()
        result = self.python(EMIT, INTERFACE, "org.example.Control")
        self.assertEqual(result.returncode, 0, result.stderr)
        wait_until(lambda: len(seen) == 2, "the signals that are allowed")
        self.client.settle()
        self.assertEqual(self.client.events, [])

    def test_forged_signal_to_one_connection(self):
        """Not even where it is addressed to a listener."""
        self.start()
        program = EMIT.replace("emit_signal(None", f"emit_signal('{self.client.name}'")
        self.python(program, INTERFACE)
        self.client.settle()
        self.assertEqual(self.client.events, [])

    def test_owner_of_the_name_is_believed(self):
        """The very same program as root and with the name: so the tests above can fail."""
        result = self.run_program("/usr/bin/python3", "-c", CONNECT + OWN + EMIT, self.bus.address, INTERFACE)
        self.assertEqual(result.returncode, 0, result.stderr)
        wait_until(lambda: len(self.client.events) == 2, "the signals of the name's owner")

    def test_name_is_roots(self):
        result = self.python(OWN)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("AccessDenied", result.stderr)
        self.assertIsNone(self.client.owner())

    def test_plain_user_hears(self):
        """Everybody may listen."""
        self.start()
        monitor = self.watch(*self.on_bus("gdbus", "monitor", "--system", "--dest", INTERFACE))
        reply = self.assert_return(self.client.hook("qemu", GUEST, "started", domain()))
        for name in ("HookStarted", "HookFinished"):
            monitor.wait_line(f"{INTERFACE}.{name} ('qemu', 'web-01', 'started', 'begin', '-', '{reply.run}'")


class Calls(PolicyTestCase):
    def setUp(self):
        super().setUp()
        self.tracing_script("qemu")
        self.tracing_script("daemon")
        self.tracing_script("network")
        self.start()

    def assert_nothing_ran(self):
        self.client.settle()
        self.assertEqual((self.trace(), self.client.events), ([], []))

    def test_hooks_are_denied(self):
        guest = [GUEST, "start", "", "", domain()]
        for member, arguments in (("Qemu", guest), ("Lxc", guest), ("Libxl", guest), ("Daemon", ["start", "", ""]),
                                  ("Network", ["default", "start", "", "", samples.network(), ""])):
            with self.subTest(member=member):
                self.assert_denied(self.gdbus_call(member, *arguments))
        self.assert_nothing_ran()

    def test_reload_is_denied(self):
        before = self.client.property("ScriptsLoadedAt")
        self.assert_denied(self.gdbus_call("Reload"))
        self.assertEqual(self.client.property("ScriptsLoadedAt"), before)

    def test_denied_before_anything_is_parsed(self):
        """A stranger is not told what is wrong with a document: it is not looked at."""
        for arguments in ([GUEST, "start", "", "", "junk"], [GUEST, "start", "", "", domain("web-02")]):
            self.assert_denied(self.gdbus_call("Qemu", *arguments))
        self.assert_nothing_ran()

    def test_run_is_denied_and_the_descriptor_not_read(self):
        """busctl cannot pass a descriptor, a program of the plain user's can."""
        result = self.python(RUN)
        self.assertEqual(result.stdout, f"{ACCESS_DENIED} b'unread'\n", result.stderr)
        self.assert_nothing_ran()

    def test_error_says_what_was_denied(self):
        result = self.gdbus_call("Qemu", GUEST, "start", "", "", domain())
        self.assertIn("Qemu", result.stderr.partition("AccessDenied")[2])
        self.assertIn("org.virt.hooks.run", result.stderr)

    def test_list_scripts_is_for_all(self):
        result = self.busctl("call", INTERFACE, OBJECT_PATH, INTERFACE, "ListScripts")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(os.path.join(self.hooks, "qemu"), result.stdout)

    def test_properties_are_for_all(self):
        for name in ("Version", "HooksDirectories", "Instance", "ScriptsLoadedAt", "SettingsFaults", "Running", "Queued", "Runs",
                     "Failures"):
            result = self.busctl("get-property", INTERFACE, OBJECT_PATH, INTERFACE, name)
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_introspection_is_for_all(self):
        result = self.busctl("introspect", INTERFACE, OBJECT_PATH)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(".Qemu", result.stdout)

    def test_plain_user_is_what_it_says(self):
        """Should setpriv not do what we think, everything above would be worth nothing."""
        result = self.as_plain_user("id", "-u")
        self.assertEqual(result.stdout, f"{pwd.getpwnam(PLAIN_USER).pw_uid}\n")


class Owner(HooksTestCase):
    """Whoever runs the tests runs the service too, and needs no polkit."""

    def test_own_user_is_allowed(self):
        self.tracing_script("qemu")
        self.start()
        reply = self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.assertEqual(self.client.started(reply.run).details["caller_uid"], os.geteuid())
        self.assert_return(self.client.call("Reload"))


if __name__ == "__main__":
    tap.main()
