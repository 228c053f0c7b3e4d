#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run's options: environment, timeout, started, lenient."""

import os
import socket

import tap
from client import INVALID_ARGS, wait_until
from gi.repository import GLib
from harness import failure_text, script_environment
from run_case import RunTestCase
from samples import GUEST, NETWORK, domain, hook_data, network


class Options(RunTestCase):
    def environment_of(self, **options):
        self.script("qemu", "cat /proc/$$/environ >&2; exit 1")
        if not self.services:
            self.start()
        reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()), **options)
        self.assert_return(reply)
        self.addCleanup(reply.close)
        return reply, reply.read(reply.values[3]).decode().split("\0")[:-1]

    def test_no_environment(self):
        reply, environment = self.environment_of()
        self.assertEqual(environment, [*script_environment(), f"VIRT_HOOKS_RUN={reply.run}"])

    def test_environment(self):
        """The caller's alone, in its order, plus the run's id, which the message does not show."""
        given = ["LC_ALL=C", "PATH=/usr/bin:/bin", "LD_LIBRARY_PATH=/a b", "USER=x", "TMPDIR=/var/tmp"]
        reply, environment = self.environment_of(environment=GLib.Variant("as", given))
        self.assertEqual(environment, [*given, f"VIRT_HOOKS_RUN={reply.run}"])
        self.assertTrue(reply.values[5]["message"].startswith(
            failure_text(f"{self.hooks}/qemu", (GUEST, "start", "begin", "-"), "exit status 1: ", given)))

    def test_empty_environment(self):
        reply, environment = self.environment_of(environment=GLib.Variant("as", []))
        self.assertEqual(environment, [f"VIRT_HOOKS_RUN={reply.run}"])

    def test_wrong_environment(self):
        self.tracing_script("qemu")
        self.start()
        for entry in ("FOO=bar", "BASH_ENV=/tmp/x", "VIRT_HOOKS_RUN=x", "PATH", "=x", "", "IFS= ", "path=/bin"):
            with self.subTest(entry=entry):
                reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()),
                                        environment=GLib.Variant("as", ["LC_ALL=C", entry]))
                self.assert_not_run(reply, INVALID_ARGS)

    def test_timeout(self):
        gate = self.gate()
        self.script("qemu", f"echo hanging >&2; {gate.wait}")
        self.start()
        reply = self.client.run("qemu", GUEST, "reconnect", self.sealed(domain()), timeout=GLib.Variant("t", 200000))
        self.assert_return(reply)
        self.assertEqual(reply.values[0], "timed-out")
        self.assertEqual((reply.values[5]["effect"], reply.values[5]["reason"]), ("kill", "qemu timed out"))
        self.assert_finished(reply.run, "timed-out", "kill", "qemu timed out")
        reply.close()

    def test_timeout_that_is_not_reached(self):
        self.recorder()
        self.start()
        reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()), timeout=GLib.Variant("t", 60000000))
        self.assert_result(reply, "success", 0)

    def test_started(self):
        """The byte is there when the script runs, and not while the call waits for its turn."""
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start()
        calls, readers = [], []
        for operation in ("prepare", "start"):
            reader, writer = self.pipe()
            os.set_blocking(reader, False)
            calls.append(self.client.send_run("qemu", GUEST, operation, self.sealed(domain()), started_fd=writer))
            os.close(writer)
            readers.append(reader)
        self.wait_traced("qemu web-01 prepare begin -")
        self.assertEqual(len(os.read(readers[0], 10)), 1)
        with self.assertRaises(BlockingIOError):
            os.read(readers[1], 10)
        gate.open()
        self.assert_result(calls[0].wait(), "success", 0)
        self.wait_traced("qemu web-01 start begin -")
        self.assertEqual(len(os.read(readers[1], 10)), 1)
        gate.open()
        self.assert_result(calls[1].wait(), "success", 0)
        # One byte, and then the end: the service holds the descriptor no longer than it must.
        for reader in readers:
            wait_until(lambda reader=reader: self.is_at_end(reader), "the end of the descriptor")

    def is_at_end(self, reader):
        """Whether the end has come; a byte before it is one too many."""
        try:
            self.assertEqual(os.read(reader, 10), b"")
        except BlockingIOError:
            return False
        return True

    def test_no_started_byte_for_a_refused_call(self):
        self.tracing_script("qemu")
        self.start()
        reader, writer = self.pipe()
        os.set_blocking(reader, False)
        reply = self.client.run("qemu", GUEST, "start", self.sealed("junk"), started_fd=writer)
        self.assert_not_run(reply, "InvalidDocument")
        os.close(writer)
        wait_until(lambda: self.is_at_end(reader), "the end of the descriptor")

    def test_no_started_byte_without_a_script(self):
        """Nothing was forked: the end of the descriptor comes, and no byte before it."""
        self.start()
        reader, writer = self.pipe()
        os.set_blocking(reader, False)
        reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()), started_fd=writer)
        self.assert_result(reply, "no-script", 0, scripts=0)
        os.close(writer)
        wait_until(lambda: self.is_at_end(reader), "the end of the descriptor")

    def test_started_reader_is_gone(self):
        """The caller has given up, and may be running the script itself: it must not run twice."""
        self.tracing_script("qemu")
        self.start()
        for close in (self.closed_pipe, self.shut_socket, self.reset_socket, self.closed_datagram_socket):
            with self.subTest(close.__name__):
                reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()), started_fd=close())
                self.assert_result(reply, "cancelled", 0, effect="abort", scripts=0,
                                   reason="the caller gave up before the first script was started")
        self.assertEqual(self.trace(), [])

    def closed_pipe(self):
        reader, writer = self.pipe()
        os.close(reader)
        return writer

    @staticmethod
    def reset_socket():
        """Closed with something in it that was not read."""
        ours, theirs = socket.socketpair()
        theirs.send(b"x")
        ours.close()
        return theirs.detach()

    @staticmethod
    def closed_datagram_socket():
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.close()
        return theirs.detach()

    def shut_socket(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        ours.shutdown(socket.SHUT_RD)
        return theirs.detach()

    def test_started_pipe_is_full(self):
        """Nobody reads, and there is no place: the service must not stand still."""
        self.recorder()
        self.start()
        _reader, writer = self.pipe()
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        reply = self.client.run("qemu", GUEST, "start", self.sealed(domain()), started_fd=writer)
        self.assert_result(reply, "success", 0)


class Lenient(RunTestCase):
    """A newer libvirt must not be stopped by an older bridge."""

    documents_are_checked = False
    LENIENT = {"lenient": GLib.Variant("b", True)}

    def lenient(self, operation, content, kind="qemu", object_name=GUEST, **keywords):
        return self.client.run(kind, object_name, operation, self.sealed(content), **keywords, **self.LENIENT)

    def test_unknown_operation(self):
        self.recorder()
        self.start()
        self.assert_result(self.lenient("teleport", domain(), suboperation="sideways", extra="why"), "success", 0)
        self.assertEqual(self.trace(), ["qemu web-01 teleport sideways why"])
        self.assert_seen(domain())

    def test_unknown_operation_may_be_a_filter(self):
        """What its scripts print is given back: who called knows what to make of it."""
        self.script("qemu", "cat")
        self.start()
        self.assert_result(self.lenient("teleport", domain()), "success", 0, output=domain())

    def test_unknown_operation_fails(self):
        self.script("qemu", "exit 1")
        self.start()
        self.assert_result(self.lenient("teleport", domain()), "failed", 1, effect="abort",
                           reason="qemu exited with status 1")

    def test_unknown_suboperation(self):
        self.recorder()
        self.start()
        self.assert_result(self.lenient("start", domain(), suboperation="middle"), "success", 0)
        self.assertEqual(self.trace(), ["qemu web-01 start middle -"])

    def test_unknown_document(self):
        self.recorder()
        self.start()
        for content in ("junk", "<virtualmachine/>", domain("web-02"), domain(uuid="odd")):
            self.assert_result(self.lenient("start", content), "success", 0)
            self.assert_seen(content)

    def test_output_of_a_filter_is_not_judged(self):
        self.script("qemu", "echo anything goes")
        self.start()
        self.assert_result(self.lenient("migrate", domain()), "success", 0, output="anything goes\n")

    def test_failure_still_fails(self):
        self.script("qemu", "exit 1")
        self.start()
        self.assert_result(self.lenient("start", "junk"), "failed", 1, effect="abort",
                           reason="qemu exited with status 1")

    def test_names_and_types_are_still_checked(self):
        self.tracing_script("qemu")
        self.start()
        for name in ("a/b", "a\nb", "", "x" * 256):
            self.assert_not_run(self.lenient("start", domain(), object_name=name), INVALID_ARGS)
        self.assert_not_run(self.lenient("start", domain(), kind="bhyve"), INVALID_ARGS)
        self.assert_not_run(self.lenient("a\nb", domain()), INVALID_ARGS)

    def test_known_input_is_as_ever(self):
        self.recorder("network")
        self.start()
        self.assert_result(self.lenient("start", network(), "network", NETWORK), "success", 0)
        self.assert_seen(hook_data(network()))

    def test_not_lenient(self):
        self.tracing_script("qemu")
        self.start()
        reply = self.client.run("qemu", GUEST, "teleport", self.sealed(domain()), lenient=GLib.Variant("b", False))
        self.assert_not_run(reply, "UnknownOperation", GUEST)


if __name__ == "__main__":
    tap.main()
