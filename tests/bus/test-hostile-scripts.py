#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scripts that misbehave: the caller has its one reply all the same, in time, and observers their two signals."""

import os
import shlex
import signal
import time

import samples
import tap
from client import FACTOR, span, wait_until
from harness import HooksTestCase, failure_text

# What is far from the minute that hostile children live, and yet forgiving to a slow machine.
SOON = 6 * FACTOR


class HostileTestCase(HooksTestCase):
    def call(self, script, operation="start", document=None, settings="", **keywords):
        self.script("qemu", script)
        if not self.services:
            self.start(settings)
        return self.client.hook("qemu", samples.GUEST, operation, document or samples.domain(), **keywords)

    def assert_success(self, reply):
        self.assert_return(reply)
        self.assert_finished(reply.run, "success", "proceed", scripts=1)

    def failure(self, ending):
        return failure_text(os.path.join(self.hooks, "qemu"), (samples.GUEST, "start", "begin", "-"), ending)


class Files(HostileTestCase):
    """What lies where a script should."""

    def assert_no_script(self):
        self.start()
        reply = self.assert_return(self.client.hook("qemu", samples.GUEST, "start", samples.domain()))
        self.assertEqual(reply.values[:2], ("", 0))
        self.assert_finished(reply.run, "no-script", "proceed", scripts=0)

    def test_not_executable(self):
        self.script("qemu", "exit 1", mode=0o644)
        self.assert_no_script()

    def test_directory(self):
        os.mkdir(os.path.join(self.hooks, "qemu"))
        self.assert_no_script()

    def test_dangling_link(self):
        os.symlink("/nowhere/qemu", os.path.join(self.hooks, "qemu"))
        self.assert_no_script()

    def test_link_to_itself(self):
        os.symlink("qemu", os.path.join(self.hooks, "qemu"))
        self.assert_no_script()

    def test_fifo(self):
        """Nobody may be kept waiting for its other side."""
        os.mkfifo(os.path.join(self.hooks, "qemu"), 0o755)
        self.assert_no_script()

    def test_d_is_a_file(self):
        self.script("qemu.d", "exit 1")
        self.assert_no_script()

    def test_all_of_them_beside_a_good_one(self):
        os.mkdir(os.path.join(self.hooks, "qemu"))
        self.tracing_script("qemu.d/50-good")
        self.script("qemu.d/10-no-bit", "exit 1", mode=0o644)
        os.symlink("nowhere", os.path.join(self.hooks, "qemu.d/20-dangling"))
        self.start()
        reply = self.client.hook("qemu", samples.GUEST, "start", samples.domain())
        self.assert_success(reply)
        self.assertEqual(len(self.trace()), 1)


class Output(HostileTestCase):
    def test_stderr_not_utf8(self):
        """Each bad byte becomes one U+FFFD; what is good stays."""
        reply = self.call("printf 'caf\\351 \\377\\376 gr\\303\\274n \\303' >&2; exit 1")
        self.assert_error(reply, "ScriptFailed")
        self.assertEqual(reply.message, self.failure("exit status 1: caf\ufffd \ufffd\ufffd grün \ufffd"))
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 1")

    def test_stderr_with_noncharacters(self):
        """UTF-8 has U+FFFE and U+10FFFF, sd-bus does not carry them: the error must come all the same."""
        reply = self.call("printf 'a\\357\\277\\276b\\364\\217\\277\\277c\\355\\240\\200d' >&2; exit 1")
        self.assert_error(reply, "ScriptFailed")
        self.assertRegex(reply.message, "exit status 1: a\ufffd+b\ufffd+c\ufffd+d$")

    def test_stderr_with_nul(self):
        reply = self.call("printf 'a\\000b\\n' >&2; exit 1")
        self.assert_error(reply, "ScriptFailed")
        self.assertEqual(reply.message, self.failure("exit status 1: a\ufffdb\n"))

    def test_stdout_not_utf8(self):
        self.assert_success(self.call("printf '\\377\\376\\000\\351'"))

    def test_filter_not_utf8(self):
        reply = self.call("sed 's/web/\\xe9/'", operation="migrate")
        self.assert_error(reply, "InvalidOutput", samples.GUEST)
        event = self.client.finished(reply.run)
        self.assertEqual((event.outcome, event.effect), ("invalid-output", "abort"))

    def test_megabyte_of_stderr(self):
        """The first and the last half of the cap are told, and how much is missing between."""
        lines = "".join(f"line {number:6}\n" for number in range(90000))
        printed = shlex.quote(self.write(self.path("printed"), lines))
        reply = self.call(f"cat {printed} >&2; exit 1")
        self.assert_error(reply, "ScriptFailed")
        told = reply.message.removeprefix(self.failure("exit status 1: "))
        self.assert_shortened(told, lines, 64 << 10)
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 1")

    def assert_shortened(self, told, whole, cap):
        half = cap // 2
        self.assertEqual(told, f"{whole[:half]}\n[... {len(whole) - cap} bytes left out ...]\n{whole[-half:]}")

    def test_stderr_cap_is_a_setting(self):
        text = "".join(f"{number:4}\n" for number in range(1000))
        printed = shlex.quote(self.write(self.path("printed"), text))
        reply = self.call(f"cat {printed} >&2; exit 1", settings="[Bridge]\nMaxStderr=1K\n")
        self.assert_error(reply, "ScriptFailed")
        self.assert_shortened(reply.message.removeprefix(self.failure("exit status 1: ")), text, 1 << 10)

    def test_stderr_at_its_cap_is_whole(self):
        reply = self.call("head -c 65536 /dev/zero | tr '\\0' x >&2; exit 1")
        self.assertEqual(reply.message, self.failure("exit status 1: " + "x" * 65536))

    def test_megabytes_of_stdout_that_nobody_reads(self):
        self.assert_success(self.call("head -c 20000000 /dev/zero"))

    def test_megabytes_on_both(self):
        much = "head -c 5000000 /dev/zero"
        reply = self.call(f"{much} >&2; {much}; {much} >&2; exit 1")
        self.assert_error(reply, "ScriptFailed", "bytes left out")

    def test_megabyte_of_stderr_from_a_filter(self):
        reply = self.call("head -c 1000000 /dev/zero >&2; cat", operation="migrate")
        self.assert_success(reply)
        self.assertEqual(reply.values[0], samples.domain())


class Stdin(HostileTestCase):
    """A megabyte is more than a pipe takes."""

    def setUp(self):
        super().setUp()
        self.document = samples.large_domain(1 << 20)

    def test_never_read(self):
        self.assert_success(self.call("exit 0", document=self.document))

    def test_never_read_by_a_script_that_lasts(self):
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start()
        call = self.client.send_hook("qemu", samples.GUEST, "start", self.document)
        self.wait_traced("qemu web-01 start begin -")
        gate.open()
        self.assert_success(call.wait())

    def test_closed_at_once(self):
        self.assert_success(self.call("exec 0<&-; exit 0", document=self.document))

    def test_closed_at_once_by_a_script_that_lasts(self):
        gate = self.gate()
        self.tracing_script("qemu", f"exec 0<&-; {gate.wait}; exit 3")
        self.start()
        call = self.client.send_hook("qemu", samples.GUEST, "start", self.document)
        self.wait_traced("qemu web-01 start begin -")
        gate.open()
        reply = self.assert_error(call.wait(), "ScriptFailed", "exit status 3")
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 3")

    def test_read_by_halves(self):
        self.assert_success(self.call("head -c 300000 > /dev/null", document=self.document))

    def test_one_reader_after_one_that_did_not(self):
        self.script("qemu.d/10", f"wc -c > {shlex.quote(self.path('size'))}")
        reply = self.assert_return(self.call("exit 0", document=self.document))
        self.assertEqual(reply.values[1], 2)
        with open(self.path("size"), encoding="utf-8") as file:
            self.assertEqual(int(file.read()), len(self.document))

    def test_never_read_by_a_filter(self):
        reply = self.call("exit 0", operation="migrate", document=self.document)
        self.assert_success(reply)
        self.assertEqual(reply.values[0], self.document)


class Children(HostileTestCase):
    """A script ends when its own process ends, whoever still holds its pipes."""

    def call_soon(self, script, **keywords):
        began = time.monotonic()
        reply = self.call(script, **keywords)
        self.assertLess(time.monotonic() - began, SOON)
        return reply

    def test_holds_all_pipes_of_a_success(self):
        self.assert_success(self.call_soon("sleep 60 & exit 0"))

    def test_holds_all_pipes_of_a_failure(self):
        """Failing takes the grace for stderr, and tells what was written in time."""
        reply = self.call_soon("echo reason >&2; sleep 60 & exit 1")
        self.assert_error(reply, "ScriptFailed")
        self.assertEqual(reply.message, self.failure("exit status 1: reason\n"))
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 1")

    def test_holds_all_pipes_of_a_filter(self):
        reply = self.call_soon("cat; sleep 60 & exit 0", operation="migrate")
        self.assert_success(reply)
        self.assertEqual(reply.values[0], samples.domain())

    def test_holds_stdin_with_a_large_document(self):
        script = "exec 3<&0; sleep 60 <&3 & exit 0"
        self.assert_success(self.call_soon(script, document=samples.large_domain(1 << 20)))

    def test_holds_pipes_of_every_script(self):
        for number in range(5):
            self.script(f"qemu.d/{number}", "sleep 60 & exit 0")
        self.assertEqual(self.call_soon("sleep 60 & exit 0").values[1], 6)

    def test_success_waits_for_no_grace(self):
        """Where nothing of the text counts, even a grace of an hour costs nothing."""
        self.assert_success(self.call_soon("sleep 60 & exit 0", settings="[Scripts]\nErrorGrace=1h\nOutputGrace=1h\n"))

    def test_late_words_of_a_failure(self):
        """stderr within the grace is part of the error."""
        gate, pid = self.gate(), self.path("pid")
        self.script("qemu", f"({gate.wait}; echo late words >&2) & echo $$ > {pid}.new; mv {pid}.new {pid}; exit 1")
        self.start("[Scripts]\nErrorGrace=30s\n")
        call = self.client.send_hook("qemu", samples.GUEST, "start", samples.domain())
        self.wait_ended(pid)
        self.client.settle()
        self.assertFalse(call.done)
        gate.open()
        self.assertEqual(call.wait().message, self.failure("exit status 1: late words\n"))

    def test_grace_of_a_type(self):
        gate = self.gate()
        self.script("qemu", f"({gate.wait}) & exit 1")
        self.start("[Scripts]\nErrorGrace=1h\n[qemu]\nErrorGrace=50ms\n")
        self.assert_error(self.client.hook("qemu", samples.GUEST, "start", samples.domain()), "ScriptFailed")

    def test_is_not_killed_by_a_closed_pipe(self):
        """What a script left running writes long after the reply, and lives on."""
        for verdict, operation in ((0, "start"), (1, "start"), (0, "migrate")):
            with self.subTest(verdict=verdict, operation=operation):
                name = f"{operation}-{verdict}"
                gate, alive = self.gate(name), self.path(f"alive-{name}")
                writes = "echo out; echo error >&2; " * 2 + "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"
                self.call(f"({gate.wait}; {writes}; touch {alive}) & exit {verdict}", operation)
                gate.open()
                wait_until(lambda alive=alive: os.path.exists(alive), "the child to have written")

    def test_next_call_does_not_wait(self):
        for _ in range(3):
            self.assert_success(self.call_soon("sleep 60 & exit 0"))


class Deaths(HostileTestCase):
    def test_killed(self):
        reply = self.call("echo last words >&2; kill -KILL $$")
        self.assert_error(reply, "ScriptFailed")
        self.assertEqual(reply.message, self.failure("fatal signal 9: last words\n"))
        self.assert_finished(reply.run, "killed", "abort", "qemu was killed by signal 9", scripts=1)

    def test_kills_its_process_group(self):
        """Which must not be the service's."""
        reply = self.call("kill -TERM 0")
        self.assert_error(reply, "ScriptFailed", "fatal signal 15")
        self.assert_finished(reply.run, "killed", "abort", "qemu was killed by signal 15", scripts=1)

    def test_stops_itself(self):
        """A stopped script has not ended; it may be woken and go on."""
        pid = self.path("pid")
        self.tracing_script("qemu", f"echo $$ > {pid}.new; mv {pid}.new {pid}; kill -STOP $$; exit 0")
        self.start()
        call = self.client.send_hook("qemu", samples.GUEST, "start", samples.domain())
        wait_until(lambda: os.path.exists(pid), "the script's pid")
        with open(pid, encoding="utf-8") as file:
            number = int(file.read())
        wait_until(lambda: self.state_of(number) == "T", "the script to stop")
        self.client.settle()
        self.assertFalse(call.done)
        os.kill(number, signal.SIGCONT)
        self.assert_success(call.wait())

    @staticmethod
    def state_of(pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]

    def test_removes_itself(self):
        self.assert_success(self.call('rm -- "$0"'))
        reply = self.assert_return(self.client.hook("qemu", samples.GUEST, "start", samples.domain()))
        self.assertEqual(reply.values[1], 0)

    def test_removes_the_rest_of_the_chain(self):
        """A script that is gone when its turn comes could not be executed: not found, and never forgotten."""
        self.script("qemu.d/10", "exit 0")
        reply = self.call('rm -r "$0.d"')
        self.assert_error(reply, "ScriptFailed", "exit status 127", "No such file or directory")
        self.assert_finished(reply.run, "failed", "abort", "qemu.d/10 exited with status 127", scripts=2)

    def test_time_limit(self):
        gate = self.gate()
        self.script("qemu", gate.wait)
        self.start("[qemu]\nTimeout=200ms\n")
        reply = self.client.hook("qemu", samples.GUEST, "start", samples.domain())
        self.assert_error(reply, "TimedOut", samples.GUEST)
        self.assert_finished(reply.run, "timed-out", "abort", "qemu timed out", scripts=1)

    def test_time_limit_lets_a_script_clean_up(self):
        """SIGTERM comes first, and what the script says then does not change the verdict."""
        cleaned = self.path("cleaned")
        self.script("qemu", f"trap 'touch {cleaned}; exit 0' TERM; {self.gate().wait}")
        self.start(f"[Scripts]\nTimeout={span(400)}\nKillAfter=1h\n")
        reply = self.client.hook("qemu", samples.GUEST, "start", samples.domain())
        self.assert_error(reply, "TimedOut", samples.GUEST)
        self.assertTrue(os.path.exists(cleaned))
        self.assert_finished(reply.run, "timed-out", "abort", "qemu timed out", scripts=1)

    def test_time_limit_of_a_chain(self):
        """The limit is that of the run, and what has not begun by then does not."""
        self.tracing_script("qemu", self.gate().wait)
        self.tracing_script("qemu.d/10")
        self.start(f"[Scripts]\nTimeout={span(400)}\n")
        reply = self.client.hook("qemu", samples.GUEST, "start", samples.domain())
        self.assert_error(reply, "TimedOut")
        self.assert_finished(reply.run, "timed-out", "abort", "qemu timed out", scripts=1)
        self.assertEqual(len(self.trace()), 1)

    def test_time_limit_of_a_script_that_will_not_go(self):
        gate = self.gate()
        self.script("qemu", f"trap '' TERM; while :; do {gate.wait}; done")
        self.start("[Scripts]\nTimeout=200ms\nKillAfter=200ms\n")
        reply = self.client.hook("qemu", samples.GUEST, "reconnect", samples.domain())
        self.assert_error(reply, "TimedOut", samples.GUEST)
        self.assert_finished(reply.run, "timed-out", "kill", "qemu timed out", scripts=1)


if __name__ == "__main__":
    tap.main()
