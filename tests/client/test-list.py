#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks list, show and cancel: what runs and what waits, everything about a run, and its end."""

import os
import re
import signal

from command import TROUBLE, USAGE, VIRT_HOOKS, CommandTestCase, wait_until
import tap
from client import Call, span
from gi.repository import GLib
from harness import is_alive, read_text
from samples import GUEST, NETWORK, domain, network, port

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
SPAN = r"(\d+us|\d+ms|\d+\.\ds|\d+min \d+s)"


class RunsTestCase(CommandTestCase):
    """With a script that waits at a gate."""

    def setUp(self):
        super().setUp()
        self.door = self.gate()
        self.tracing_script("qemu", self.door.wait)
        self.n_calls = 0

    def send(self, operation="prepare", guest=GUEST):
        """A call that is known to have come."""
        call = self.client.send_hook("qemu", guest, operation, domain(guest))
        self.n_calls += 1
        wait_until(lambda: self.client.property("Running") + self.client.property("Queued") == self.n_calls, "the call")
        return call

    def finish(self, *calls):
        self.door.open(len(calls))
        return [call.wait().run for call in calls]

    def listed(self, *arguments):
        return self.assert_done(self.virt_hooks("--json", "list", *arguments)).objects

    def only_id(self):
        return self.listed()[0]["run"]

    def list_runs(self, **keys):
        reply = Call(self.client, "ListRuns", GLib.Variant("(a{sv})", (keys,))).wait()
        return self.assert_return(reply).values[0]

    def get_run(self, run):
        return self.assert_return(Call(self.client, "GetRun", GLib.Variant("(s)", (run,))).wait()).values[0]


class List(RunsTestCase):
    def test_nothing(self):
        """Words for people only: a program counts lines."""
        self.start()
        self.assertEqual(self.assert_done(self.virt_hooks("list")).output, b"")
        self.assertEqual(self.on_terminal(80, "list").lines, ["Nothing runs and nothing waits."])
        self.assertEqual(self.listed(), [])

    def test_finished_is_not_listed(self):
        self.start()
        self.finish(self.send())
        self.assertEqual(self.assert_done(self.virt_hooks("list")).output, b"")
        self.assertEqual(self.listed(), [])

    def test_running_and_waiting(self):
        self.start()
        calls = [self.send("prepare"), self.send("start"), self.send("prepare", "web-02")]
        headings, *rows = self.assert_done(self.virt_hooks("list")).lines
        self.assertEqual(headings.split(), ["TYPE", "OBJECT", "OPERATION", "STATE", "TIME", "RUN", "CALLER", "SCRIPT"])
        for row, guest, operation, state, script in zip(rows, (GUEST, GUEST, "web-02"), ("prepare", "start", "prepare"),
                                                        ("running", "waiting", "running"), (" qemu", "", " qemu"), strict=True):
            self.assertRegex(row, rf"^qemu +{guest} +{operation} +{state} +{SPAN} [0-9a-f]{{8}} python3{script}$")
        self.finish(*calls)

    def test_script_of_a_folder(self):
        """Its name stands first: that of the folder above says less, and would be all that a narrow terminal has room for."""
        os.makedirs(os.path.join(self.hooks, "qemu.d"))
        os.rename(os.path.join(self.hooks, "qemu"), os.path.join(self.hooks, "qemu.d", "20-vlan"))
        self.start()
        call = self.send("prepare")
        self.assertTrue(self.virt_hooks("list").lines[1].endswith(" python3 qemu.d/20-vlan"))
        self.assertIn(" python3 qemu.d/20-vlan", self.on_terminal(80, "list", NO_COLOR="1").text)
        self.finish(call)

    def test_json(self):
        """The interface's own keys and values."""
        self.start()
        calls = [self.send("prepare"), self.send("start")]
        objects, known = self.listed(), self.list_runs()
        self.assertEqual([run.pop("duration_usec") > 0 for run in objects if run["state"] == "running"], [True])
        self.assertEqual([run.pop("duration_usec") > 0 for run in known if run["state"] == "running"], [True])
        self.assertEqual(objects, known)
        self.finish(*calls)

    def test_how_long(self):
        self.start()
        call = self.send()
        usec = self.listed()[0]["duration_usec"]
        wait_until(lambda: self.listed()[0]["duration_usec"] > usec + 200000, "time to pass")
        self.assertRegex(self.virt_hooks("list").lines[1], r" (\d{3}ms|\d\.\ds) ")
        self.finish(call)

    def test_for_whom(self):
        """The caller goes by its own name."""
        self.start()
        program = self.path("virtfrob")
        os.symlink(VIRT_HOOKS, program)
        xml = self.write(self.path("domain.xml"), domain())
        follower = self.follow("run", "qemu", GUEST, "prepare", f"--xml={xml}", program=program)
        wait_until(self.listed, "the run")
        self.assertEqual(self.listed()[0]["caller_comm"], "virtfrob")
        self.assertIn(" virtfrob ", self.virt_hooks("list").text)
        self.door.open()
        self.assert_done(follower.result())

    def test_no_service(self):
        for verb in ("list", "scripts", "reload"):
            self.assert_trouble(self.virt_hooks(verb), TROUBLE, "start virt-hooksd")


class Show(RunsTestCase):
    def show(self, run, *arguments):
        return self.assert_done(self.virt_hooks("show", run, *arguments)).text

    def fields(self, run):
        """The part before the scripts, by name."""
        return dict(re.findall(r"(?m)^ *(\S[^:\n]*):  (.*)$", self.show(run)))

    def test_success(self):
        self.script("qemu", "echo out; echo words >&2")
        self.start()
        run = self.call("qemu", GUEST, "release", domain(), extra="crashed")
        text, fields = self.show(run), self.fields(run)
        self.assertEqual(text.split("\n")[0], f"● qemu {GUEST} release: success")
        known = self.get_run(run)
        self.assertEqual({key: fields[key] for key in ("Run", "Object", "Suboperation", "Extra", "Effect", "Uuid")},
                         {"Run": run, "Object": GUEST, "Suboperation": "end", "Extra": "crashed", "Effect": "proceed",
                          "Uuid": known["uuid"]})
        self.assertEqual(fields["Caller"], f"python3 (pid {os.getpid()}, uid {os.geteuid()})")
        self.assertRegex(fields["Started"], rf"^{DATE}$")
        self.assertNotIn("Reason", fields)
        self.assertRegex(text, rf"\n    {self.hooks}/qemu\n      exit status 0, started \S+, took {SPAN} \(user {SPAN}, "
                         rf"system {SPAN}\)\n")
        self.assertIn("\n      Standard error (6 bytes):\n        words\n", text)
        self.assertIn("\n      End of standard output (4 bytes):\n        out\n", text)

    def test_failure(self):
        self.script("qemu", "echo one >&2; exit 3")
        self.script("qemu.d/10", "kill -9 $$")
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        text, fields = self.show(run), self.fields(run)
        self.assertEqual(text.split("\n")[0], f"● qemu {GUEST} start: killed")
        self.assertEqual((fields["Effect"], fields["Reason"]), ("abort", "qemu.d/10 was killed by signal 9"))
        self.assertIn("unexpected fatal signal 9", fields["Message"])
        self.assertIn(f"\n    {self.hooks}/qemu\n      exit status 3, ", text)
        self.assertIn(f"\n    {self.hooks}/qemu.d/10\n      killed by signal 9, ", text)

    def test_port(self):
        self.start()
        run = self.call("network", NETWORK, "port-created", network(), port())
        fields, known = self.fields(run), self.get_run(run)
        self.assertEqual([fields[name] for name in ("Port", "Port's MAC", "Port's owner")],
                         [known["port_uuid"], known["port_mac"], f"{known['port_owner']} ({known['port_owner_uuid']})"])

    def test_running(self):
        self.script("qemu.d/10", "exit 0")
        self.start()
        call = self.send()
        run = self.only_id()
        self.assertEqual(self.show(run).split("\n")[0], f"● qemu {GUEST} prepare: running")
        self.assertEqual(self.fields(run)["Running now"], f"{self.hooks}/qemu (pid {self.get_run(run)['pid']})")
        self.assertRegex(self.fields(run)["So far"], rf"^{SPAN}$")
        self.assertNotIn("Took", self.fields(run))
        self.finish(call)

    def test_waiting(self):
        self.start()
        calls = [self.send("prepare"), self.send("start")]
        run = self.listed()[1]["run"]
        fields = self.fields(run)
        self.assertEqual(self.show(run).split("\n")[0], f"● qemu {GUEST} start: waiting")
        self.assertRegex(fields["Queued"], rf"^{DATE}$")
        self.finish(*calls)

    def test_words_as_they_were_written(self):
        """Also their empty lines and blanks, and what has no end of line."""
        self.script("qemu", r"printf '\none\n\n\n  two\tthree  \n\nfour' >&2; exit 3")
        self.start()
        text = self.show(self.call("qemu", GUEST, "start", domain()))
        lines = text[text.index("Standard error"):].split("\n")
        self.assertEqual([line.removeprefix("        ") for line in lines[1:]],
                         ["", "one", "", "", "  two\tthree  ", "", "four", ""])

    def test_words_are_safe(self):
        self.script("qemu", r"""printf 'a\033[2Jb\033]0;title\007c\rd\010 \303\244 \377 \302\233m \342\200\256x\n' >&2; exit 3""")
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        for text in (self.show(run), self.on_terminal(80, "show", run, NO_COLOR="1").text):
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
            self.assertIn("        a\\x1b[2Jb\\x1b]0;title\\x07c\\x0dd\\x08 ä \ufffd \\x9bm \\u{202e}x\n", text)

    def test_cap_is_told(self):
        self.script("qemu", "head -c 3000 /dev/zero | tr '\\0' a >&2; exit 3")
        self.start("[Bridge]\nMaxStderr=1K\n")
        text = self.show(self.call("qemu", GUEST, "start", domain()))
        self.assertIn("Standard error (3000 bytes):", text)
        self.assertIn("[... 1976 bytes left out ...]", text)

    def test_json(self):
        self.script("qemu", "printf 'red \\033[31m' >&2; echo out; exit 3")
        self.script("qemu.d/10", "kill -9 $$")
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        self.assertEqual(self.virt_hooks("--json", "show", run).objects, [self.get_run(run)])
        self.assertEqual(self.get_run(run)["results"][0]["errors"], "red \x1b[31m")

    def test_prefix(self):
        """Among 17 ids two begin with the same digit."""
        self.start()
        runs = [self.call("lxc", GUEST, "prepare", domain()) for _ in range(17)]
        first = [run[0] for run in runs]
        twice = next(digit for digit in first if first.count(digit) > 1)
        self.assert_trouble(self.virt_hooks("show", twice), TROUBLE, f"'{twice}'", "more")
        self.assertEqual(self.fields(runs[3][:13])["Run"], runs[3])
        self.assertEqual(self.fields(runs[3])["Run"], runs[3])
        self.assertEqual(self.fields(runs[3].upper())["Run"], runs[3])

    def test_the_oldest_of_many(self):
        """More than ListRuns() tells of at once."""
        self.start("[Bridge]\nHistoryRuns=20000\nHistorySize=1G\n")
        oldest, *_ = [self.assert_return(call.wait()).run for _ in range(101)
                      for call in [self.client.send_hook("daemon", "-", "start") for _ in range(100)]]
        self.assertNotIn(oldest, self.virt_hooks("history", "--memory", "--json", LC_ALL="C").text)
        for text in (oldest, oldest[:18]):
            self.assertEqual(self.fields(text)["Run"], oldest)

    def test_unknown(self):
        self.start()
        self.call("lxc", GUEST, "prepare", domain())
        for word in ("00000000-0000-0000-0000-000000000000", "x", "%s%n"):
            self.assert_trouble(self.virt_hooks("show", word), TROUBLE, f"there is no run '{word}'; 'virt-hooks {self.address} list'")

    def test_advice_is_for_the_same_bus(self):
        self.start()
        for option, variable in (("--user", "DBUS_SESSION_BUS_ADDRESS"), ("--system", "DBUS_SYSTEM_BUS_ADDRESS")):
            result = self.bare(option, "cancel", "x", **{variable: self.bus.address})
            command = "virt-hooks --user" if option == "--user" else "virt-hooks"
            self.assert_trouble(result, TROUBLE, f"there is no run 'x'; '{command} list' and '{command} history' show")

    def test_no_id(self):
        """A script's variable that was not set."""
        for verb in ("show", "cancel"):
            self.assert_trouble(self.virt_hooks(verb, ""), USAGE, "the id of the run is empty", "virt-hooks list")


class Cancel(RunsTestCase):
    def read_pid(self, name="pid"):
        """What a script has left."""
        wait_until(lambda: os.path.exists(self.path(name)) and read_text(self.path(name)).endswith("\n"), "the pid")
        return int(read_text(self.path(name)))

    def cancel(self, run):
        self.assertEqual(self.assert_done(self.virt_hooks("cancel", run)).output, b"")

    def assert_cancelled(self, call):
        reply = self.assert_error(call.wait(), "Cancelled", GUEST)
        self.assertEqual(self.client.finished(reply.run).outcome, "cancelled")
        return reply.run

    def test_running(self):
        self.start()
        call = self.send()
        run = self.only_id()
        self.cancel(run[:20].upper())
        self.assertEqual(self.assert_cancelled(call), run)
        self.assertEqual(self.listed(), [])
        self.assertRegex(self.virt_hooks("show", run).text, r"Reason:  .*cancelled by .* while qemu ran\n")

    def test_waiting(self):
        """It goes without a trace, and the one that runs is not disturbed."""
        self.start()
        running, waiting = self.send("prepare"), self.send("start")
        self.cancel(self.listed()[1]["run"])
        self.assert_error(waiting.wait(), "Cancelled", GUEST)
        self.assertFalse(running.done)
        self.finish(running)
        self.client.settle()
        self.assertEqual({event.operation for event in self.client.events}, {"prepare"})
        self.assertEqual(len(self.trace()), 1)

    def test_chain_ends(self):
        self.tracing_script("qemu.d/10")
        self.start()
        call = self.send()
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        self.cancel(self.only_id())
        self.assert_cancelled(call)
        self.assertEqual(len(self.trace()), 1)

    def test_next_one_runs(self):
        self.start()
        first, second = self.send("prepare"), self.send("start")
        self.cancel(self.only_id())
        self.assert_cancelled(first)
        self.finish(second)

    def test_unknown_and_ended(self):
        self.start()
        run = self.call("lxc", GUEST, "prepare", domain())
        self.assert_trouble(self.virt_hooks("cancel", "nothing"), TROUBLE, "'nothing'", f"'virt-hooks {self.address} list'")
        self.assert_trouble(self.virt_hooks("cancel", run), TROUBLE, run)

    def test_ignores_term(self):
        """It is told first, and killed when its grace is over."""
        told = self.path("told")
        self.tracing_script("qemu", f"trap ': > {told}' TERM; echo $$ > {self.path('pid')}; while :; do {self.door.wait}; done")
        self.start(f"[Scripts]\nKillAfter={span(400)}\n")
        call = self.send()
        pid = self.read_pid()
        self.cancel(self.only_id())
        run = self.assert_cancelled(call)
        self.assertTrue(os.path.exists(told))
        self.assertFalse(is_alive(pid))
        self.assertEqual(self.get_run(run)["results"][0]["signal"], signal.SIGKILL)

    def test_forked(self):
        """Children that ignore TERM end with the script, at once or when its grace is over."""
        for name, reaction in (("a", ""), ("b", "trap '' TERM; ")):
            child = f"{reaction}echo \\$\\$ > {self.path(name)}; while :; do {self.door.wait}; done"
            self.tracing_script("qemu", f"sh -c \"{child}\" &\nwait")
            self.start("[Scripts]\nKillAfter=200ms\n")
            self.n_calls = 0
            call = self.send()
            pid = self.read_pid(name)
            self.cancel(self.only_id())
            self.assert_cancelled(call)
            wait_until(lambda: not is_alive(pid), "the child to end")
            self.services[-1].stop()

    def test_setsid(self):
        """What has detached itself does not keep the run; whether it ends, too, is a matter of cgroups."""
        self.tracing_script("qemu", f"setsid sh -c 'echo $$ > {self.path('pid')}; exec sleep 600' &\n{self.door.wait}")
        self.start()
        call = self.send()
        self.read_pid()
        self.cancel(self.only_id())
        self.assert_cancelled(call)


if __name__ == "__main__":
    tap.main()
