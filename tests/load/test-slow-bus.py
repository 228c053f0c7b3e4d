#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus that takes and gives when it likes: what is answered already, or left already, is not there any more for what comes late."""

import fcntl
import signal
import socket
import struct
import termios
import threading

from load import LoadTestCase, wait_until
import samples
import tap


class Relay:
    """Stands between the service and the bus. What the service says passes by at once, or when the test lets it."""

    def __init__(self, path, bus_path):
        self.address = f"unix:path={path}"
        self.bus_path = bus_path
        self.held = b""
        self.holds = False
        self.changes = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.service = self.bus = None
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        self.service, _ = self.listener.accept()
        self.bus = socket.socket(socket.AF_UNIX)
        self.bus.connect(self.bus_path)
        threading.Thread(target=self.pump, args=(self.bus, self.service), daemon=True).start()
        self.pump(self.service, self.bus)

    def pump(self, source, target):
        try:
            while source.recv(1, socket.MSG_PEEK):
                with self.changes:
                    if source is self.service and self.holds:
                        self.changes.wait_for(lambda: not self.holds)
                        continue
                    # Looked at first, and taken last: what is not in one socket is in the other.
                    data = source.recv(65536, socket.MSG_PEEK)
                    target.sendall(data)
                    source.recv(len(data))
        except OSError:
            pass
        # Closed it would not be while the other thread reads from it.
        target.shutdown(socket.SHUT_RDWR)

    def hold(self):
        with self.changes:
            self.holds = True

    def let_pass(self):
        with self.changes:
            self.holds = False
            self.changes.notify()

    def has_said(self, text):
        """Takes what the service has said since it was held, and tells whether this is in it."""
        try:
            self.held += self.service.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        return text in self.held

    def is_quiet(self):
        """Whether the service has read all that the bus has said."""
        return not any(struct.unpack("i", fcntl.ioctl(end, request, bytes(4)))[0]
                       for end, request in ((self.bus, termios.FIONREAD), (self.service, termios.TIOCOUTQ)))

    def let_pass_what_was_taken(self):
        held, self.held = self.held, b""
        self.bus.sendall(held)

    def close(self):
        for end in (self.listener, self.service, self.bus):
            if end:
                end.close()


class SlowBus(LoadTestCase):
    def setUp(self):
        super().setUp()
        self.relay = Relay(self.path("relay"), self.bus.socket_path)
        self.addCleanup(self.relay.close)

    def start_behind_relay(self, settings=""):
        return self.start(settings, arguments=(f"--address={self.relay.address}",))

    def test_the_bus_says_late_who_calls(self):
        """A call comes while the service leaves the bus; it is sent away, and then the bus tells whose it was."""
        self.script("qemu", "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1")
        service = self.start_behind_relay("[Bridge]\nMaxStderr=1M\n")
        run = self.client.hook("qemu", "loud", "stopped", samples.domain("loud")).run
        stranger = self.new_caller()

        self.relay.hold()
        service.signal(signal.SIGTERM)
        wait_until(lambda: self.relay.has_said(b"ReleaseName"), "the service to leave")
        call = stranger.send_hook("qemu", "late", "start", samples.domain("late"))
        wait_until(lambda: self.relay.has_said(b"GetConnectionCredentials"), "the service to ask who calls")
        # It has more to say than a socket takes, and so is not gone yet when the bus answers.
        calls = [self.client.send("GetRun", run) for _ in range(30)]
        self.client.bus_call("GetId")  # the bus has passed them on
        self.relay.let_pass_what_was_taken()
        stranger.bus_call("GetId")  # and has answered
        wait_until(self.relay.is_quiet, "the service to have read the answers", 20)
        self.relay.let_pass()
        self.assert_error(call.wait(20), "ShuttingDown")
        for other in calls:
            self.assert_return(other.wait(20))
        service.wait_exit(20)


if __name__ == "__main__":
    tap.main()
