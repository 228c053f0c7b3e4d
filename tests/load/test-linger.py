#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sockets that come with a call and take their time to be closed: the service does not wait for them."""

import signal
import socket
import subprocess
import time

from load import FACTOR, LoadTestCase
import tap
from harness import DIES_WITH_TEST

SOCKETS, CALLS = 16, 3

# Sends sockets that are full, and stay so when they are closed, with calls that are refused; then the sender goes.
SENDER = """
import socket, struct, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
connection = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
for _ in range(int(sys.argv[4])):
    fds = Gio.UnixFDList.new()
    for _ in range(int(sys.argv[3])):
        full = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
        full.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
        full.setblocking(False)
        try:
            while True:
                full.send(bytes(65536))
        except BlockingIOError:
            pass
        fds.append(full.fileno())
        full.setblocking(True)
    connection.call_with_unix_fd_list("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Run",
                                      GLib.Variant("(sssssha{sv})", ("no-type", "x", "start", "", "", 0, {})), None, 0, -1, fds)
connection.flush_sync()
print("sent", flush=True)
sys.stdin.read()
"""


class Linger(LoadTestCase):
    def test_refused(self):
        self.monitor.close()  # it would get each descriptor, too, and close the last
        service = self.start()
        service.name = None
        self.client.property("Version")
        listener = socket.create_server(("127.0.0.1", 0), backlog=SOCKETS * CALLS)
        self.addCleanup(listener.close)
        sender = subprocess.Popen([*DIES_WITH_TEST, "/usr/bin/python3", "-B", "-c", SENDER, self.bus.address,
                                   str(listener.getsockname()[1]), str(SOCKETS), str(CALLS)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(sender.communicate)
        self.addCleanup(sender.kill)

        service.signal(signal.SIGSTOP)
        self.assertEqual(sender.stdout.readline(), b"sent\n")
        self.client.bus_call("GetId")
        sender.kill()
        sender.wait()
        service.signal(signal.SIGCONT)
        began = time.monotonic()
        self.client.property("Version")
        took = time.monotonic() - began
        self.note(f"{took * 1000:.0f} ms for {SOCKETS * CALLS} sockets")
        self.assertLess(took, 5 * FACTOR)


if __name__ == "__main__":
    tap.main()
