# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of load and faults share: callers that cost little, and what the service holds of the machine.

    $VIRT_HOOKS_TEST_CALLS   how many calls a storm has, 10,000 where it is not set
"""

import os
import socket
import sys
import time
from dataclasses import dataclass

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "bus"))

from client import FACTOR, Call, Client, wait_until  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import VIRT_HOOKSD, WRAPPER, HooksTestCase, read_text  # noqa: E402

CALLS = int(os.environ.get("VIRT_HOOKS_TEST_CALLS", "10000"))


class Caller(Client):
    """A client that does not listen: fifty that did would keep the bus and this program busy with one another."""

    def __init__(self, address):
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.name = self.connection.get_unique_name()
        self.events = []


class AnsweredCall(Call):
    """A call that tells of its reply."""

    def __init__(self, client, member, body, fds, answered):
        self.answered = answered
        super().__init__(client, member, body, fds)

    def _on_reply(self, connection, result):
        super()._on_reply(connection, result)
        if self.reply:
            self.answered(self)


class RawClient:
    """A connection to the bus below all libraries, which need not read, nor make sense."""

    def __init__(self, bus):
        self.serial = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(bus.socket_path)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self.socket.recv(1000)
        self.socket.sendall(b"BEGIN\r\n")
        self.send(Gio.DBusMessage.new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                  "org.freedesktop.DBus", "Hello"))

    def blob(self, message):
        self.serial += 1
        message.set_serial(self.serial)
        return message.to_blob(Gio.DBusCapabilityFlags.NONE)

    def send(self, message):
        self.socket.sendall(self.blob(message))

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # the bus has seen enough

    def is_closed_by_bus(self):
        try:
            while self.socket.recv(65536, socket.MSG_DONTWAIT):
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def close(self):
        self.socket.close()


def hook_message(member, *arguments):
    message = Gio.DBusMessage.new_method_call("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", member)
    message.set_body(GLib.Variant(f"({'s' * len(arguments)})", arguments))
    return message


@dataclass
class Holdings:
    """What a process holds: its descriptors by what they are, its children, its resident memory in KiB."""
    descriptors: list
    children: list
    memory: int

    @classmethod
    def of(cls, pid):
        descriptors = []
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                descriptors.append(os.readlink(f"/proc/{pid}/fd/{number}").split(":")[0])
            except FileNotFoundError:
                pass
        children = read_text(f"/proc/{pid}/task/{pid}/children").split()
        memory = next(int(line.split()[1]) for line in read_text(f"/proc/{pid}/status").splitlines()
                      if line.startswith("VmRSS:"))
        return cls(sorted(descriptors), children, memory)


def is_service_sanitized():
    """Such a program keeps what it frees: its memory says nothing. It tells of leaks when it ends."""
    with open(VIRT_HOOKSD, "rb") as file:
        return bool(WRAPPER) or b"__asan_init" in file.read()


IS_SANITIZED = is_service_sanitized()


class LoadTestCase(HooksTestCase):
    seconds = 150

    def _keep_logs(self):
        """The end of each: a storm leaves tens of thousands of lines."""
        super()._keep_logs()
        self.logs = {name: text[-5000:] for name, text in self.logs.items()}

    def new_caller(self):
        caller = Caller(self.bus.address)
        self.addCleanup(caller.close)
        return caller

    def new_raw_client(self):
        client = RawClient(self.bus)
        self.addCleanup(client.close)
        return client

    def wait_quiet(self, service, like):
        """Returns what the service holds once nothing of a child, nor a descriptor, is left over `like`."""
        pid = service.process.pid

        def quiet():
            held = Holdings.of(pid)
            return held if (held.descriptors, held.children) == (like.descriptors, like.children) else None
        try:
            return wait_until(quiet, "the service to let go of all", 20)
        except AssertionError:
            self.assertEqual(Holdings.of(pid), like)
            raise

    def wait_trimmed(self, service, before):
        """The service tidies up a while after the last call: so long that its memory no longer changes."""
        held = self.wait_quiet(service, before)
        since = time.monotonic()

        def is_steady():
            nonlocal held, since
            now = Holdings.of(service.process.pid)
            if now.memory != held.memory:
                held, since = now, time.monotonic()
            return time.monotonic() - since > 3
        wait_until(is_steady, "the service's memory to settle", 20)
        return held

    def note(self, text):
        """A figure, for whoever reads the log of the test."""
        print(f"# {self.id().rpartition('.')[2]}: {text}", flush=True)


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)]


__all__ = ["CALLS", "FACTOR", "IS_SANITIZED", "AnsweredCall", "Caller", "Holdings", "LoadTestCase", "RawClient", "hook_message",
           "percentile", "wait_until"]
