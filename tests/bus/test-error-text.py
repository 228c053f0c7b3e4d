#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The error of a failed script, word for word as libvirt tells it."""

import os
from xml.sax.saxutils import escape

import samples
import tap
from harness import WRAPPER, HooksTestCase, failure_text, script_environment

# It looks for the interpreter itself, and ends the program that it cannot go on with.
not_under_valgrind = tap.leave_out_if(WRAPPER, "valgrind does not leave it to the kernel what can be executed")


class ErrorText(HooksTestCase):
    def hook_that_fails(self, script, guest=samples.GUEST, extra="", operation="start"):
        """The reply of a call whose script fails."""
        self.script("qemu", script)
        if not self.services:
            self.start()
        return self.client.hook("qemu", guest, operation, samples.domain(escape(guest)), extra=extra)

    def path_of_script(self):
        return os.path.join(self.hooks, "qemu")

    def assert_text(self, reply, ending, arguments=(samples.GUEST, "start", "begin", "-"), environment=None):
        self.assert_error(reply, "ScriptFailed")
        self.assertEqual(reply.message, failure_text(self.path_of_script(), arguments, ending, environment))

    def test_words_of_the_script(self):
        self.assert_text(self.hook_that_fails("echo 'Could not find required XYZZY' >&2; exit 1"),
                         "exit status 1: Could not find required XYZZY\n")

    def test_nothing_on_stderr(self):
        self.assert_text(self.hook_that_fails("echo only stdout; exit 1"), "exit status 1")

    def test_stderr_is_verbatim(self):
        self.assert_text(self.hook_that_fails("printf ' two\\n\\tlines: %%s \\n\\n' >&2; exit 1"),
                         "exit status 1:  two\n\tlines: %s \n\n")

    def test_stderr_without_newline(self):
        self.assert_text(self.hook_that_fails("printf 'größer' >&2; exit 1"), "exit status 1: größer")

    def test_exit_statuses(self):
        for status in (1, 2, 64, 125, 126, 127, 128, 137, 255):
            self.assert_text(self.hook_that_fails(f"exit {status}"), f"exit status {status}")

    def test_fatal_signals(self):
        for number in (1, 2, 6, 9, 11, 13, 15):
            reply = self.hook_that_fails(f"ulimit -c 0; echo dying >&2; kill -{number} $$")
            self.assert_text(reply, f"fatal signal {number}: dying\n")
            self.assert_finished(reply.run, "killed", "abort", f"qemu was killed by signal {number}")

    def test_quoting(self):
        """Only where a shell would need it, and as libvirt does it; text beyond ASCII needs none."""
        for name, shown in (("it's a guest", "'it'\\''s a guest'"), ("a b", "'a b'"), ("$HOME", "'$HOME'"),
                            ("a;b", "'a;b'"), ("a\\b", "'a\\b'"), ("[x]", "'[x]'"), ("a=b,c:d@e%f+g", "a=b,c:d@e%f+g"),
                            ("gäst", "gäst"), ("-rf", "-rf")):
            with self.subTest(name=name):
                reply = self.hook_that_fails("exit 1", guest=name)
                self.assertIn(f"/qemu {shown} start begin -) unexpected", reply.message)
                self.assert_text(reply, "exit status 1", (name, "start", "begin", "-"))

    def test_quoting_of_extra(self):
        self.assert_text(self.hook_that_fails("exit 1", operation="release", extra="from snapshot"), "exit status 1",
                         (samples.GUEST, "release", "end", "from snapshot"))

    def test_quoting_of_path_and_environment(self):
        """A value is quoted after its name's equals sign."""
        self.hooks = self.make_directory("my hooks")
        self.script("qemu", "exit 1")
        self.start(environment={"TMPDIR": self.hooks})
        reply = self.client.hook("qemu", samples.GUEST, "start", samples.domain())
        self.assertIn(f" TMPDIR='{self.hooks}' '{self.hooks}/qemu' web-01 start", reply.message)
        self.assert_text(reply, "exit status 1", environment=[*script_environment(), f"TMPDIR={self.hooks}"])

    def test_run_id_is_not_shown(self):
        reply = self.hook_that_fails("echo $VIRT_HOOKS_RUN >> $0.run; exit 1")
        self.assertNotIn("VIRT_HOOKS_RUN", reply.message)
        self.assertNotIn(reply.run, reply.message)
        with open(f"{self.path_of_script()}.run", encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{reply.run}\n")

    def cannot_execute(self, reason):
        return f"libvirt:  error : cannot execute binary {self.path_of_script()}: {reason}\n"

    @not_under_valgrind
    def test_no_interpreter(self):
        reply = self.hook_that_fails("#!/nowhere/interpreter\nexit 0\n")
        self.assert_text(reply, f"exit status 127: {self.cannot_execute('No such file or directory')}")
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 127", scripts=1)

    @not_under_valgrind
    def test_dos_line_ends(self):
        """The kernel looks for an interpreter whose name ends in a carriage return."""
        self.assert_text(self.hook_that_fails("#!/bin/sh\r\nexit 0\r\n"),
                         f"exit status 127: {self.cannot_execute('No such file or directory')}")

    def test_empty_file(self):
        reply = self.hook_that_fails(b"")
        self.assert_text(reply, f"exit status 126: {self.cannot_execute('Exec format error')}")
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 126", scripts=1)

    def test_no_first_line(self):
        """A shell would run it; libvirt and the kernel do not."""
        self.assert_text(self.hook_that_fails(b"exit 0\n"),
                         f"exit status 126: {self.cannot_execute('Exec format error')}")

    @not_under_valgrind
    def test_interpreter_that_may_not_run(self):
        interpreter = self.write(self.path("interpreter"), "no program", 0o644)
        self.assert_text(self.hook_that_fails(f"#!{interpreter}\n"),
                         f"exit status 126: {self.cannot_execute('Permission denied')}")

    def test_chain_goes_on_after_what_cannot_run(self):
        self.tracing_script("qemu.d/10")
        reply = self.hook_that_fails(b"")
        self.assert_text(reply, f"exit status 126: {self.cannot_execute('Exec format error')}")
        self.assertEqual(self.trace(), ["qemu.d/10 web-01 start begin -"])
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 126", scripts=2)


if __name__ == "__main__":
    tap.main()
