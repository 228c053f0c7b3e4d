#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run: documents by file descriptor, and raw results."""

import fcntl
import itertools
import os
import resource
import signal
import tempfile

import samples
import tap
from client import INVALID_ARGS, wait_until
from gi.repository import GLib
from harness import WRAPPER, failure_text
from run_case import RunTestCase
from samples import GUEST, NETWORK, domain, hook_data, network, port


class Documents(RunTestCase):
    def check_accepted(self, fd):
        self.recorder()
        self.start()
        details = self.assert_result(self.client.run("qemu", GUEST, "prepare", fd), "success", 0)
        self.assertEqual(details["uuid"], samples.GUEST_UUID)
        self.assert_seen(domain())
        self.assertEqual(self.trace(), ["qemu web-01 prepare begin -"])

    def test_sealed_memfd(self):
        """Used as it is: from its start, wherever its position is, which stays there."""
        fd = self.sealed(domain())
        self.check_accepted(fd)
        self.assertEqual(os.lseek(fd, 0, os.SEEK_CUR), len(domain()))

    def test_unsealed_memfd(self):
        fd = self.memfd(domain())
        os.lseek(fd, 0, os.SEEK_SET)
        self.check_accepted(fd)

    def test_unsealed_is_read_from_its_position(self):
        fd = self.memfd("what came before" + domain())
        os.lseek(fd, len("what came before"), os.SEEK_SET)
        self.check_accepted(fd)

    def test_partly_sealed_memfd(self):
        """It could still change: it is copied like any other."""
        fd = self.memfd(domain(), fcntl.F_SEAL_GROW)
        os.lseek(fd, 0, os.SEEK_SET)
        self.check_accepted(fd)

    def test_regular_file(self):
        with tempfile.TemporaryFile(dir=self.directory) as file:
            file.write(domain().encode())
            file.seek(0)
            self.check_accepted(file.fileno())

    def test_pipe(self):
        reader, writer = self.pipe()
        os.write(writer, domain().encode())
        os.close(writer)
        self.check_accepted(reader)

    def test_pipe_written_slowly(self):
        """Byte by byte, while the service serves others."""
        self.recorder()
        self.start()
        reader, writer = self.pipe()
        call = self.client.send_run("qemu", GUEST, "prepare", reader)
        os.close(reader)
        for byte in domain().encode():
            os.write(writer, bytes([byte]))
            self.client.settle()
        self.assertFalse(call.done)
        self.assertEqual(self.trace(), [])
        os.close(writer)
        self.assert_result(call.wait(), "success", 0)
        self.assert_seen(domain())

    def test_pipe_that_is_never_closed(self):
        """Holds up nobody else, and leaves with its caller."""
        self.recorder()
        self.start()
        reader, writer = self.pipe()
        os.write(writer, domain()[:20].encode())
        leaver = self.new_client()
        leaver.send_run("qemu", GUEST, "prepare", reader)
        os.close(reader)
        for _ in range(3):
            self.assert_return(self.client.hook("qemu", GUEST, "prepare", domain()))
        leaver.close()
        # The service lets go of its end: nobody could read any more.
        self.wait_no_reader(writer)
        self.assertEqual(len(self.trace()), 3)

    def test_pipe_that_is_never_closed_holds_no_script(self):
        """Whatever waits for the pipe must not have a hand on another script's stdin, or that one never ends."""
        gate = self.gate()
        self.tracing_script("lxc", f"{gate.wait}; cat > /dev/null")
        self.start()
        call = self.client.send_hook("lxc", GUEST, "prepare", samples.large_domain(3 << 20))
        self.wait_traced("lxc web-01 prepare begin -")
        reader, _writer = self.pipe()
        leaver = self.new_client()
        leaver.send_run("qemu", GUEST, "prepare", reader)
        wait_until(lambda: any(seen.member == "Run" for seen in self.monitor.seen), "the call to be sent")
        self.client.settle()
        gate.open()
        self.assert_return(call.wait())
        leaver.close()

    def wait_no_reader(self, writer):
        def is_broken():
            try:
                os.write(writer, b" ")
            except BrokenPipeError:
                return True
            return False
        wait_until(is_broken, "the service to close the document")

    def test_pipe_that_is_never_closed_and_sigterm(self):
        """The service ends, and the caller has its reply."""
        service = self.start()
        reader, _writer = self.pipe()
        call = self.client.send_run("qemu", GUEST, "prepare", reader)
        self.client.settle()
        service.signal(signal.SIGTERM)
        self.assert_error(call.wait(), "ShuttingDown")
        service.wait_exit()

    def test_large_document(self):
        document = samples.large_domain(3 << 20)
        self.recorder()
        self.start()
        self.assert_result(self.client.run("qemu", GUEST, "prepare", self.sealed(document)), "success", 0)
        self.assert_seen(document)

    def test_large_document_by_pipe(self):
        document = samples.large_domain(1 << 20)
        path = self.write(self.path("document"), document)
        self.recorder()
        self.start()
        reader, writer = self.pipe()
        # A process writes what the pipe does not hold; the test's own main loop would stand still meanwhile.
        writing = os.posix_spawn("/bin/cat", ["cat", path], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
        os.close(writer)
        call = self.client.send_run("qemu", GUEST, "prepare", reader)
        # Should the service not read to the end, the writer is not to wait for ever.
        os.close(reader)
        self.assert_result(call.wait(), "success", 0)
        os.waitpid(writing, 0)
        self.assert_seen(document)

    def test_network_hook_data(self):
        self.recorder("network")
        self.start()
        for operation, document in (("start", hook_data(network())), ("port-created", hook_data(network(), port()))):
            details = self.assert_result(
                self.client.run("network", NETWORK, operation, self.sealed(document)), "success", 0)
            self.assertEqual(details["uuid"], samples.NETWORK_UUID)
            self.assert_seen(document)

    def test_bare_network_is_wrapped(self):
        self.recorder("network")
        self.start()
        self.assert_result(self.client.run("network", NETWORK, "start", self.sealed(network())), "success", 0)
        self.assert_seen(hook_data(network()))

    def test_daemon(self):
        self.recorder("daemon")
        self.start()
        with open("/dev/null", "rb") as null:
            for name in ("-", ""):
                details = self.assert_result(self.client.run("daemon", name, "start", null.fileno()), "success", 0)
                self.assertNotIn("uuid", details)
        self.assert_seen("")
        self.assertEqual(self.trace(), ["daemon - start - start"] * 2)

    def test_every_type(self):
        for kind in ("qemu", "lxc", "libxl"):
            self.recorder(kind)
        self.start()
        for kind in ("qemu", "lxc", "libxl"):
            self.assert_result(self.client.run(kind, GUEST, "reconnect", self.sealed(domain())), "success", 0)
            self.assertEqual(self.trace()[-1], f"{kind} web-01 reconnect begin -")


class BadInput(RunTestCase):
    def setUp(self):
        super().setUp()
        self.tracing_script("qemu")
        self.tracing_script("network")
        self.start("[Bridge]\nMaxDocument=64K\n")

    def refuse(self, error, kind="qemu", object_name=GUEST, operation="start", content=domain(), fragments=(),
               **options):
        reply = self.client.run(kind, object_name, operation, self.sealed(content), **options)
        self.assert_not_run(reply, error, *fragments)

    def test_type(self):
        for kind in ("", "bhyve", "QEMU", "qemu.d", "../qemu", "qemu/../qemu", "qemu\n", "x" * 65536):
            with self.subTest(kind=kind[:20]):
                self.refuse(INVALID_ARGS, kind=kind)

    def test_arguments(self):
        self.refuse("UnknownOperation", operation="teleport", fragments=[GUEST, "teleport"])
        self.refuse("UnknownOperation", suboperation="end", fragments=[GUEST])
        for name in ("", "a/b", "a\nb", "x" * 256):
            self.refuse(INVALID_ARGS, object_name=name, content=domain(name))

    def test_documents(self):
        for content in ("", "junk", domain("web-02"), domain(uuid="bad"), "<!DOCTYPE domain>" + domain(),
                        network(GUEST), domain() + "\0", "\0", b"\xff\xfe<\0d\0", b"<domain>\xe9</domain>"):
            with self.subTest(content=content[:20]):
                self.refuse("InvalidDocument", content=content, fragments=[GUEST])
        self.refuse("LimitExceeded", content=samples.large_domain(70000), fragments=[GUEST])
        self.refuse("LimitExceeded", content=domain(inside="<a>" * 200 + "</a>" * 200), fragments=[GUEST])

    def test_other_encodings(self):
        """Whatever a document says of itself, it is UTF-8: so are the scripts, and the checks."""
        latin = "<?xml version='1.0' encoding='ISO-8859-1'?>\n" + domain(inside="<x>\xe9</x>")
        wide = [domain().encode(name) for name in ("utf-16", "utf-16-le", "utf-32")]
        for content in (latin.encode("latin-1"), *wide):
            self.refuse("InvalidDocument", content=content, fragments=[GUEST])
        self.refuse("InvalidDocument", "network", NETWORK, "start", network().encode("utf-16"), fragments=[NETWORK])

    def test_daemon_has_no_document(self):
        self.refuse("InvalidDocument", "daemon", "-", "start", "<domain/>")

    def test_networks(self):
        for operation, content in (("port-created", network()), ("port-created", hook_data(network())),
                                   ("start", hook_data(network(), port())), ("start", domain(NETWORK))):
            self.refuse("InvalidDocument", "network", NETWORK, operation, content, fragments=[NETWORK])

    def test_pipe_without_end(self):
        """A caller that writes for ever meets the cap, not the end of the memory."""
        reader, writer = self.pipe()
        call = self.client.send_run("qemu", GUEST, "start", reader)
        os.close(reader)
        os.set_blocking(writer, False)

        def write_until_done():
            try:
                os.write(writer, b" " * 4096)
            except (BlockingIOError, BrokenPipeError):
                pass
            return call.done
        wait_until(write_until_done, "the cap to be met")
        self.assert_not_run(call.reply, "LimitExceeded", GUEST)

    def test_descriptors_that_are_no_documents(self):
        """A directory cannot be read, a descriptor for writing neither; endless files meet the cap."""
        null = os.open("/dev/null", os.O_WRONLY)
        for what, fd in (("directory", os.open(self.directory, os.O_RDONLY)), ("write-only", null),
                         ("endless", os.open("/dev/zero", os.O_RDONLY))):
            with self.subTest(what=what):
                reply = self.client.run("qemu", GUEST, "start", self.keep(fd))
                self.assertIsNotNone(reply.error)
                self.client.settle()
        self.assertEqual((self.client.events, self.trace()), ([], []))

    def test_options(self):
        for name, kind, value in (("colour", "s", "red"), ("Timeout", "t", 1000000), ("timeout", "s", "1s"),
                                  ("timeout", "x", 1), ("lenient", "s", "1"), ("environment", "s", ""),
                                  ("started", "s", "3")):
            with self.subTest(name=name, kind=kind):
                self.refuse(INVALID_ARGS, **{name: GLib.Variant(kind, value)})

    def test_started_must_be_a_pipe_or_a_socket(self):
        self.refuse(INVALID_ARGS, started_fd=self.memfd(""))


class Results(RunTestCase):
    def run_script(self, text, operation="start", document=None, **options):
        self.script("qemu", text)
        if not self.services:
            self.start()
        return self.client.run("qemu", GUEST, operation, self.sealed(document or domain()), **options)

    def text(self, ending, operation="start"):
        return failure_text(f"{self.hooks}/qemu", (GUEST, operation, "begin", "-"), ending)

    def test_failure_is_no_error(self):
        details = self.assert_result(self.run_script("echo out; echo words >&2; exit 42"), "failed", 42,
                                     errors="words\n", effect="abort", reason="qemu exited with status 42")
        self.assertEqual(details["message"], self.text("exit status 42: words\n"))

    def test_signal(self):
        details = self.assert_result(self.run_script("kill -9 $$"), "killed", 9, effect="abort",
                                     reason="qemu was killed by signal 9")
        self.assertEqual(details["message"], self.text("fatal signal 9"))

    def test_no_script(self):
        self.start()
        reply = self.client.run("qemu", GUEST, "migrate", self.sealed(domain()))
        self.assert_result(reply, "no-script", 0, scripts=0)

    def test_filter(self):
        self.assert_result(self.run_script("sed 's/web-01/web-01/; s|</uuid>|</uuid><x/>|'", "migrate"), "success", 0,
                           output=domain().replace("</uuid>", "</uuid><x/>"))

    def test_filter_that_prints_nothing(self):
        """What the chain printed, unlike what the five methods give back."""
        self.assert_result(self.run_script("cat > /dev/null", "migrate"), "success", 0, output="")

    def test_filter_that_fails(self):
        self.assert_result(self.run_script("cat; echo no >&2; exit 1", "restore"), "failed", 1, errors="no\n",
                           effect="abort", reason="qemu exited with status 1")

    def test_invalid_output(self):
        reply = self.run_script("echo '<domain/>'", "migrate")
        self.assertEqual((reply.values[0], reply.values[5]["effect"]), ("invalid-output", "abort"))
        self.assertEqual(reply.read(reply.values[2]), b"")
        self.assertIn(GUEST, reply.values[5]["message"])
        self.client.finished(reply.run)
        reply.close()

    def test_output_of_others_is_dropped(self):
        self.assert_result(self.run_script("cat; echo more"), "success", 0)

    def test_stderr_of_a_success_is_dropped(self):
        self.assert_result(self.run_script("echo warning >&2"), "success", 0)

    def test_stderr_is_raw(self):
        """Byte for byte, as the forwarder must print it; the message has it as text."""
        details = self.assert_result(self.run_script("printf 'caf\\351\\000x' >&2; exit 1"), "failed", 1,
                                     errors=b"caf\xe9\0x", effect="abort", reason="qemu exited with status 1")
        self.assertEqual(details["message"], self.text("exit status 1: caf\ufffd\ufffdx"))

    def test_last_failures_stderr(self):
        self.script("qemu.d/10", "echo second >&2; exit 2")
        self.script("qemu.d/20", "echo third >&2")
        self.assert_result(self.run_script("echo first >&2; exit 1"), "failed", 2, errors="second\n", effect="abort",
                           scripts=3, reason="qemu.d/10 exited with status 2")

    def test_large_output(self):
        document = samples.large_domain(3 << 20)
        self.assert_result(self.run_script("cat", "migrate", document), "success", 0, output=document)

    @tap.leave_out_if(WRAPPER, "valgrind has descriptors of its own")
    def test_result_needs_no_free_descriptor(self):
        """Something else has used them all up by the time that the scripts have ended: the result comes all the same."""
        gate = self.gate()
        self.tracing_script("qemu", f"{gate.wait}; cat; echo words >&2; exit 5")
        self.start()
        call = self.client.send_run("qemu", GUEST, "migrate", self.sealed(domain()))
        self.wait_traced("qemu web-01 migrate begin -")
        pid = self.services[0].process.pid
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        free = next(number for number in itertools.count() if number not in used)
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, hard))
        gate.open()
        self.assert_result(call.wait(), "failed", 5, errors="words\n", effect="abort",
                           reason="qemu exited with status 5")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    tap.main()
