#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The log's level and target, changed on the bus while the service runs, and the line that systemd is told."""

import os
import socket

import tap
from client import INVALID_ARGS, Call, wait_until
from gi.repository import GLib
from harness import HooksTestCase, read_text
from samples import GUEST, domain

LOG_CONTROL = "org.freedesktop.LogControl1"
LOG_CONTROL_PATH = "/org/freedesktop/LogControl1"


class LogControl(HooksTestCase):
    def properties(self, member, signature, *arguments):
        return Call(self.client, member, GLib.Variant(signature, (LOG_CONTROL, *arguments)),
                    interface="org.freedesktop.DBus.Properties", path=LOG_CONTROL_PATH).wait()

    def get(self, name):
        return self.properties("Get", "(ss)", name).values[0]

    def set(self, name, value):
        return self.properties("Set", "(ssv)", name, GLib.Variant("s", value))

    def test_values(self):
        self.start()
        self.assertEqual([self.get(name) for name in ("LogLevel", "LogTarget", "SyslogIdentifier")],
                         ["info", "auto", "virt-hooksd"])
        for name, values in (("LogLevel", ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")),
                             ("LogTarget", ("auto", "console", "null"))):
            for value in values:
                self.assert_return(self.set(name, value))
                self.assertEqual(self.get(name), value)
            for value in ("", "loud", "INFO", "7"):
                self.assert_error(self.set(name, value), INVALID_ARGS, f"'{value}'", values[0])
            self.assertEqual(self.get(name), values[-1])

    def test_level(self):
        """A level shows what matters as much and more; debug shows who called, and never what a script is given or says."""
        service = self.start()
        self.script("qemu", "echo secret-words >&2; cat >&2")

        def run(object_name):
            self.assert_return(self.client.hook("qemu", object_name, "start", domain(object_name)))

        run("first")
        service.wait_logged("qemu first start: success")
        self.assertNotIn("called by", service.stderr())
        self.set("LogLevel", "debug")
        run("second")
        service.wait_logged("qemu second start: called by :")
        service.wait_logged(f"({read_text('/proc/self/comm').strip()}, pid {os.getpid()}, uid {os.getuid()})")
        service.wait_logged(f"qemu second start: {self.path('hooks/qemu')} runs as pid ")
        service.wait_logged("has ended (wait status 0x0000")
        self.client.hook("qemu", "third", "start", "<network/>")
        service.wait_logged("is refused: ")
        for text in ("secret-words", "<uuid>"):
            self.assertNotIn(text, service.stderr())
        self.set("LogLevel", "warning")
        run("fourth")
        self.set("LogTarget", "null")
        self.script("qemu", "exit 1")
        self.client.hook("qemu", "fifth", "start", domain("fifth"))
        self.set("LogTarget", "auto")
        self.client.hook("qemu", "sixth", "start", domain("sixth"))
        service.wait_logged("qemu sixth start: failed")
        for name in ("fourth", "fifth"):
            self.assertNotIn(name, service.stderr())


class Status(HooksTestCase):
    """The test in systemd's place."""

    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.socket.close)
        self.socket.bind(self.path("notify"))
        os.chmod(self.path("notify"), 0o666)
        self.told = []

    def wait_told(self, what):
        def is_told():
            try:
                while True:
                    self.told.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.told and self.told[-1] == what
        wait_until(is_told, f"{what!r}, not {self.told}")

    def test_status(self):
        self.start(environment={"NOTIFY_SOCKET": self.path("notify")})
        self.wait_told("READY=1\nSTATUS=Waiting for calls")
        gate = self.gate()
        self.script("qemu", f'[ "$2" = prepare ] || exit 0\n{gate.wait}')
        calls = [self.client.send_hook("qemu", GUEST, "prepare", domain()) for _ in range(3)]
        self.wait_told(f"STATUS=Running qemu {GUEST} prepare, 2 calls wait")
        calls.append(self.client.send_hook("qemu", "other", "prepare", domain("other")))
        self.wait_told(f"STATUS=Running qemu {GUEST} prepare and 1 more, 2 calls wait")
        gate.open(4)
        for call in calls:
            self.assert_return(call.wait())
        self.wait_told("STATUS=Waiting for calls; runs so far: 4, failed: 0")

    def test_many_runs_are_told_of_once(self):
        self.start(environment={"NOTIFY_SOCKET": self.path("notify")})
        self.script("qemu", "exit 0")
        for _ in range(50):
            self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.wait_told("STATUS=Waiting for calls; runs so far: 50, failed: 0")
        self.assertLess(len(self.told), 25)


if __name__ == "__main__":
    tap.main()
