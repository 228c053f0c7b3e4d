#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ListRuns, GetRun and Cancel; how long the service remembers; and the time limits of runs."""

import os
import signal
import time
import unittest

import tap
from client import ACCESS_DENIED, INTERFACE, INVALID_ARGS, OBJECT_PATH, Call, span, wait_until
from gi.repository import GLib
from harness import IS_ROOT, PATH, HooksTestCase, failure_text
from samples import GUEST, GUEST_UUID, NETWORK, PORT_MAC, PORT_UUID, domain, network, port

SUMMARY = {"run": "s", "type": "s", "object": "s", "operation": "s", "suboperation": "s", "extra": "s", "state": "s",
           "queued_at": "t", "uuid": "s", "caller_uid": "u", "caller_pid": "u", "caller_comm": "s"}
STARTED = {"started_at": "t", "duration_usec": "t", "scripts": "u", "sequence_started": "t"}
RUNNING = {"pid": "u", "script": "s"}
FINISHED = {"sequence_finished": "t", "outcome": "s", "effect": "s"}
RESULT = {"path": "s", "started_at": "t", "duration_usec": "t", "user_usec": "t", "system_usec": "t", "errors_size": "t",
          "output_size": "t"}


def types_of(dictionary):
    """The types of an a{sv}'s values, by key."""
    entries = [dictionary.get_child_value(index) for index in range(dictionary.n_children())]
    return {entry.get_child_value(0).get_string(): entry.get_child_value(1).get_variant().get_type_string()
            for entry in entries}


class RunsTestCase(HooksTestCase):
    def setUp(self):
        super().setUp()
        self.door = self.gate()

    def send(self, operation="prepare", guest=GUEST, kind="qemu"):
        return self.client.send_hook(kind, guest, operation, domain(guest))

    def call(self, *arguments, **keywords):
        """The run's id."""
        return self.client.hook(*arguments, **keywords).run

    def fill(self, count):
        """Runs without a script, in order."""
        return [self.call("lxc", f"guest-{number}", "prepare", domain(f"guest-{number}")) for number in range(count)]

    def send_list(self, **keys):
        return Call(self.client, "ListRuns", GLib.Variant("(a{sv})", (
            {key: value if isinstance(value, GLib.Variant) else GLib.Variant("s", value) for key, value in keys.items()},)))

    def list(self, **keys):
        return self.assert_return(self.send_list(**keys).wait()).values[0]

    def ids(self, **keys):
        return [run["run"] for run in self.list(**keys)]

    def send_get(self, run):
        return Call(self.client, "GetRun", GLib.Variant("(s)", (run,)))

    def get(self, run):
        return self.assert_return(self.send_get(run).wait()).values[0]

    def get_types(self, run):
        """The same, as the bus has it: the types of the keys, and those of each result."""
        body = self.client.connection.call_sync(INTERFACE, OBJECT_PATH, INTERFACE, "GetRun", GLib.Variant("(s)", (run,)),
                                                None, 0, -1, None).get_child_value(0)
        results = body.lookup_value("results", GLib.VariantType("aa{sv}"))
        return types_of(body), [types_of(results.get_child_value(index)) for index in range(results.n_children())]

    def cancel(self, run):
        return Call(self.client, "Cancel", GLib.Variant("(s)", (run,))).wait()

    def wait_counts(self, running, queued):
        wait_until(lambda: (self.client.property("Running"), self.client.property("Queued")) == (running, queued),
                   f"{running} running and {queued} queued")

    def start_several(self):
        """One that runs, one that waits for it, one that runs beside it."""
        self.tracing_script("qemu", self.door.wait)
        self.start()
        calls = []
        for operation, guest, counts in (("prepare", GUEST, (1, 0)), ("start", GUEST, (1, 1)), ("prepare", "web-02", (2, 1))):
            calls.append(self.send(operation, guest))
            self.wait_counts(*counts)
        return calls

    def finish(self, calls):
        self.door.open(len(calls))
        return [self.assert_return(call.wait()).run for call in calls]


class ListRuns(RunsTestCase):
    def test_order(self):
        """What runs and waits by arrival, then what has ended, the newest first."""
        calls = self.start_several()
        ended = self.fill(3)
        runs = self.list()
        self.assertEqual([(run["object"], run["operation"], run["state"]) for run in runs[:3]],
                         [(GUEST, "prepare", "running"), (GUEST, "start", "waiting"), ("web-02", "prepare", "running")])
        self.assertEqual([run["run"] for run in runs[3:]], ended[::-1])
        self.assertEqual(self.finish(calls), [run["run"] for run in runs[:3]])
        self.assertEqual({run["state"] for run in self.list()}, {"finished"})

    def test_keys(self):
        calls = self.start_several()
        self.fill(1)
        running, waiting, _, finished = self.list()
        self.assertEqual(running.keys(), {*SUMMARY, *STARTED, *RUNNING})
        self.assertEqual(waiting.keys(), {*SUMMARY})
        self.assertEqual(finished.keys(), {*SUMMARY, *STARTED, *FINISHED})
        self.assertEqual((running["script"], running["scripts"]), (f"{self.hooks}/qemu", 0))
        with open(f"/proc/{running['pid']}/cmdline", "rb") as file:
            self.assertIn(os.fsencode(f"{self.hooks}/qemu"), file.read())
        self.assertEqual((running["caller_pid"], running["caller_uid"], running["caller_comm"]),
                         (os.getpid(), os.geteuid(), "python3"))
        self.assertLess(abs(running["queued_at"] / 1e6 - time.time()), 60)
        self.assertLessEqual(running["queued_at"], running["started_at"])
        self.finish(calls)

    def test_agrees_with_the_signals(self):
        self.script("network", "exit 3")
        self.start()
        run = self.call("network", NETWORK, "port-created", network(), port())
        known, = self.list()
        event = self.client.finished(run)
        self.assertEqual((known["sequence_started"], known["sequence_finished"]),
                         (self.client.started(run).details["sequence"], event.details["sequence"]))
        for key, value in event.details.items():
            if key not in ("sequence", "instance"):
                self.assertEqual(known[key], value, key)
        self.assertEqual((known["outcome"], known["effect"], known["duration_usec"]), (event.outcome, event.effect, event.duration))
        self.assertEqual((known["port_uuid"], known["port_mac"]), (PORT_UUID, PORT_MAC))

    def test_filters(self):
        self.script("qemu", '[ "$2" != start ] || exit 3')
        self.script("libxl", "kill -9 $$")
        self.start()
        qemu, failed, other, killed, none = (
            self.call("qemu", GUEST, "prepare", domain()), self.call("qemu", GUEST, "start", domain()),
            self.call("qemu", "web-02", "prepare", domain("web-02")), self.call("libxl", GUEST, "started", domain()),
            self.call("daemon", "-", "start"))
        for keys, runs in (({}, [none, killed, other, failed, qemu]), ({"type": "qemu"}, [other, failed, qemu]),
                           ({"object": GUEST}, [killed, failed, qemu]), ({"type": "qemu", "object": "web-02"}, [other]),
                           ({"outcome": "failed"}, [failed]), ({"outcome": "killed"}, [killed]), ({"outcome": "no-script"}, [none]),
                           ({"state": "finished"}, [none, killed, other, failed, qemu]), ({"state": "running"}, []),
                           ({"object": "web"}, []), ({"type": "bhyve"}, []), ({"outcome": "success", "type": "libxl"}, []),
                           ({"limit": GLib.Variant("u", 2)}, [none, killed]), ({"limit": GLib.Variant("u", 0)}, []),
                           ({"limit": GLib.Variant("u", 1), "type": "qemu"}, [other]), ({"run": killed}, [killed]),
                           ({"run": failed[:-1]}, [failed]), ({"run": failed + "0"}, []), ({"run": failed[1:]}, []),
                           ({"run": ""}, [none, killed, other, failed, qemu]), ({"run": other, "type": "libxl"}, [])):
            with self.subTest(keys=keys):
                self.assertEqual(self.ids(**keys), runs)

    def test_states(self):
        calls = self.start_several()
        running, waiting, beside = self.ids()
        self.assertEqual(self.ids(state="running"), [running, beside])
        self.assertEqual(self.ids(state="waiting"), [waiting])
        self.assertEqual(self.ids(outcome="success"), [])
        self.assertEqual(self.ids(limit=GLib.Variant("u", 2)), [running, waiting])
        self.finish(calls)

    def test_since(self):
        self.start()
        self.fill(3)
        newest, middle, oldest = self.list()
        for since, runs in ((0, 3), (oldest["queued_at"], 3), (oldest["queued_at"] + 1, 2), (middle["queued_at"], 2),
                            (newest["queued_at"], 1), (newest["queued_at"] + 1, 0), (2**64 - 1, 0)):
            self.assertEqual(len(self.list(since=GLib.Variant("t", since))), runs)

    def test_bad_filters(self):
        self.start()
        self.assertEqual(self.list(), [])
        for key, kind, value in (("colour", "s", "red"), ("limit", "t", 3), ("type", "u", 1), ("since", "s", "yesterday"),
                                 ("state", "as", ["running"])):
            with self.subTest(key=key):
                self.assert_error(self.send_list(**{key: GLib.Variant(kind, value)}).wait(), INVALID_ARGS, key)


class GetRun(RunsTestCase):
    def test_every_key(self):
        self.script("qemu", "echo out; echo words >&2; exit 3")
        self.script("qemu.d/10", "kill -9 $$")
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        details, results = self.get_types(run)
        self.assertEqual(details, {**SUMMARY, **STARTED, **FINISHED, "reason": "s", "instance": "s", "message": "s",
                                   "results": "aa{sv}"})
        self.assertEqual(results, [{**RESULT, "status": "i", "errors": "s", "output": "s"}, {**RESULT, "signal": "i"}])

    def test_values(self):
        self.script("qemu", "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo out; echo words >&2; exit 3")
        self.script("qemu.d/10", "exit 0")
        self.start()
        reply = self.client.hook("qemu", GUEST, "start", domain())
        run = self.get(reply.run)
        event = self.client.finished(reply.run)
        self.assertEqual((run["outcome"], run["effect"], run["reason"], run["scripts"], run["uuid"]),
                         ("failed", "abort", "qemu exited with status 3", 2, GUEST_UUID))
        self.assertEqual(run["message"], reply.message)
        arguments = (GUEST, "start", "begin", "-")
        self.assertEqual(run["message"], failure_text(f"{self.hooks}/qemu", arguments, "exit status 3: words\n"))
        self.assertEqual((run["instance"], run["duration_usec"]), (event.details["instance"], event.duration))
        first, second = run["results"]
        self.assertEqual((first["path"], first["status"], first["errors"], first["output"]),
                         (f"{self.hooks}/qemu", 3, "words\n", "out\n"))
        self.assertEqual((first["errors_size"], first["output_size"]), (6, 4))
        self.assertEqual((second["path"], second["status"], second["errors_size"]), (f"{self.hooks}/qemu.d/10", 0, 0))
        self.assertGreater(first["user_usec"] + first["system_usec"], 0)
        self.assertGreaterEqual(run["duration_usec"], first["duration_usec"] + second["duration_usec"])
        self.assertLessEqual(run["started_at"], first["started_at"])
        self.assertLessEqual(first["started_at"], second["started_at"])

    def test_no_script(self):
        self.start()
        run, = self.fill(1)
        details = self.get(run)
        self.assertEqual((details["results"], details["scripts"], details["outcome"]), ([], 0, "no-script"))
        self.assertNotIn("message", details)
        self.assertNotIn("reason", details)

    def test_while_it_runs(self):
        self.script("qemu", "echo first >&2")
        self.script("qemu.d/10", self.door.wait)
        self.start()
        call = self.send()
        run, = wait_until(lambda: [each["run"] for each in self.list() if each.get("scripts") == 1], "the second script")
        details = self.get(run)
        self.assertEqual((details["state"], details["script"]), ("running", f"{self.hooks}/qemu.d/10"))
        self.assertEqual([result["errors"] for result in details["results"]], ["first\n"])
        self.finish([call])

    def test_failed_while_it_runs(self):
        """Why it failed is told when it has ended, for what fails later takes the place of what failed before."""
        self.script("qemu", "exit 3")
        self.script("qemu.d/10", self.door.wait)
        self.start()
        call = self.send()
        run, = wait_until(lambda: [each["run"] for each in self.list() if each.get("scripts") == 1], "the second script")
        details = self.get(run)
        self.assertEqual((details["state"], [result["status"] for result in details["results"]]), ("running", [3]))
        self.assertEqual({"outcome", "effect", "reason", "message"} & set(details), set())
        self.door.open(1)
        message = call.wait().message
        self.assertIn("status 3", message)
        self.assertEqual(self.get(run)["message"], message)

    def test_capped_errors(self):
        """The first and the last half, and between them how much is missing; at the cap nothing is."""
        for size in (1023, 1024, 1025, 5000):
            with self.subTest(size=size):
                self.script("qemu", f"(printf '%0{size - 3}d' 0; printf END) >&2; exit 3")
                service = self.start("[Bridge]\nMaxStderr=1K\n")
                result, = self.get(self.call("qemu", GUEST, "start", domain()))["results"]
                self.assertEqual(result["errors_size"], size)
                if size <= 1024:
                    self.assertEqual(result["errors"], "0" * (size - 3) + "END")
                else:
                    self.assertEqual(result["errors"], f"{'0' * 512}\n[... {size - 1024} bytes left out ...]\n{'0' * 509}END")
                service.stop()

    def test_more_than_fits(self):
        """What of a whole chain's words goes into no message is said to be missing, and the next script's are told."""
        for number in range(1, 7):
            self.script(f"qemu.d/{number}", "head -c 900000 /dev/zero | tr '\\0' a >&2; exit 1" if number < 6 else
                        "echo words >&2; echo out; exit 3")
        self.start("[Bridge]\nMaxStderr=1M\n")
        results = self.get(self.call("qemu", GUEST, "start", domain()))["results"]
        self.assertEqual([result["errors_size"] for result in results], [900000] * 5 + [6])
        self.assertEqual([len(result["errors"]) for result in results[:4]], [900000] * 4)
        self.assertEqual(results[4]["errors"], "[... 900000 bytes left out ...]\n")
        self.assertEqual((results[5]["errors"], results[5]["output"]), ("words\n", "out\n"))

    def test_end_of_output(self):
        """Of a script that is no filter, and of one that is."""
        for operation in ("start", "migrate"):
            self.script("qemu", "printf '%05000d' 0; printf END; exit 3")
            service = self.start()
            result, = self.get(self.call("qemu", GUEST, operation, domain()))["results"]
            self.assertEqual(result["output_size"], 5003)
            self.assertEqual(result["output"], "[... 907 bytes left out ...]\n" + "0" * 4093 + "END")
            service.stop()

    def test_no_text(self):
        self.script("qemu", r"""printf 'a\377b\000c\303\244\033[m' >&2; printf '\360\237' ; exit 3""")
        self.start()
        result, = self.get(self.call("qemu", GUEST, "start", domain()))["results"]
        self.assertEqual(result["errors"], "a\ufffdb\ufffdc\u00e4\x1b[m")
        self.assertEqual((result["output"], result["output_size"]), ("\ufffd\ufffd", 2))

    def test_unknown(self):
        self.start()
        self.fill(1)
        for run in ("", "x", "00000000-0000-0000-0000-000000000000", "x" * 5000):
            self.assert_error(self.send_get(run).wait(), "NoSuchRun", run[:64])


class Cancel(RunsTestCase):
    def test_running(self):
        self.tracing_script("qemu", self.door.wait)
        self.tracing_script("qemu.d/10")
        self.start()
        call = self.send()
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        run, = self.ids()
        self.assert_return(self.cancel(run))
        self.assert_error(call.wait(), "Cancelled", GUEST, f"uid {os.geteuid()}")
        event = self.client.finished(run)
        self.assertEqual((event.outcome, event.effect), ("cancelled", "abort"))
        self.assertEqual([result["signal"] for result in self.get(run)["results"]], [signal.SIGTERM])
        self.assertEqual(len(self.trace()), 1)

    def test_waiting(self):
        """Its caller is told at once, nobody else, and nothing is remembered of it."""
        calls = self.start_several()
        run = self.ids()[1]
        self.assert_return(self.cancel(run))
        self.assert_error(calls[1].wait(), "Cancelled", GUEST)
        self.assert_error(self.send_get(run).wait(), "NoSuchRun")
        self.finish([calls[0], calls[2]])
        self.client.settle()
        self.assertNotIn(run, {event.run for event in self.client.events})
        self.assertEqual(len(self.ids()), 2)

    def test_twice(self):
        self.tracing_script("qemu", f"trap '' TERM; {self.door.wait}")
        self.start("[Scripts]\nKillAfter=infinity\n")
        call = self.send()
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        run, = self.ids()
        self.assert_return(self.cancel(run))
        self.assert_return(self.cancel(run))
        self.assertEqual(self.ids(state="running"), [run])
        self.door.open()
        self.assert_error(call.wait(), "Cancelled")
        self.assert_error(self.cancel(run), "NoSuchRun", run)

    def test_unknown(self):
        self.start()
        ended, = self.fill(1)
        for run in (ended, "", "x" * 5000, "00000000-0000-0000-0000-000000000000"):
            self.assert_error(self.cancel(run), "NoSuchRun", run[:64])


class Bounds(RunsTestCase):
    def test_number(self):
        """One below the cap, at it, one above; and a smaller cap holds at once."""
        self.start("[Bridge]\nHistoryRuns=5\n")
        runs = self.fill(4)
        self.assertEqual(self.ids(), runs[::-1])
        runs += self.fill(1)
        self.assertEqual(self.ids(), runs[::-1])
        runs += self.fill(1)
        self.assertEqual(self.ids(), runs[:0:-1])
        self.assert_error(self.send_get(runs[0]).wait(), "NoSuchRun")
        self.assertEqual(self.get(runs[1])["run"], runs[1])
        self.write(self.path("virt-hooks.conf"), "[Bridge]\nHistoryRuns=2\n")
        self.assert_return(self.client.call("Reload"))
        self.assertEqual(self.ids(), runs[:3:-1])

    def test_none(self):
        for setting in ("HistoryRuns=0", "HistorySize=0"):
            service = self.start(f"[Bridge]\n{setting}\n")
            run, = self.fill(1)
            self.client.finished(run)
            self.assertEqual(self.ids(), [])
            service.stop()

    def test_running_does_not_count(self):
        self.tracing_script("qemu", self.door.wait)
        self.start("[Bridge]\nHistoryRuns=1\n")
        calls = [self.send(guest=guest) for guest in ("a", "b", "c")]
        self.wait_counts(3, 0)
        self.assertEqual(len(self.ids()), 3)
        self.finish(calls)
        self.assertEqual(len(self.ids()), 1)

    def set_size(self, size):
        self.write(self.path("virt-hooks.conf"), f"[Bridge]\nHistorySize={size}\n")
        self.assert_return(self.client.call("Reload"))

    def remembered(self, size, count):
        """How many of so many equal runs are remembered under this cap."""
        self.set_size(size)
        for _ in range(count):
            self.call("qemu", GUEST, "start", domain())
        return len(self.ids())

    def test_size(self):
        """What a run costs is found by search; then one byte decides, with one run and with four."""
        self.script("qemu", "printf '%05000d' 0 >&2; exit 3")
        self.start()
        low, high = 0, 65536
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.remembered(middle, 1) else (middle, high)
        self.assertGreater(high, 5000, "less than its text alone")
        self.set_size(0)
        four = 4 * high
        for size, expected in ((high - 1, 0), (high, 1), (high + 1, 1), (four - 1, 3), (four, 4), (four + 1, 4)):
            self.assertEqual(self.remembered(size, 6), expected)


@unittest.skipUnless(IS_ROOT, "only root can become another user")
class Access(RunsTestCase):
    AS_PLAIN_USER = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--reset-env", "env", f"PATH={PATH}")

    def plain_user_calls(self, member, *arguments):
        return self.run_program(*self.AS_PLAIN_USER, f"DBUS_SYSTEM_BUS_ADDRESS={self.bus.address}", "gdbus", "call", "--system",
                                "--dest", INTERFACE, "--object-path", OBJECT_PATH, "--method", f"{INTERFACE}.{member}", *arguments)

    def test_plain_user(self):
        """Who ran and how it ended is for all; what a script said, and ending it, is not."""
        self.script("lxc", "echo secret; echo secret >&2; exit 3")
        calls = self.start_several()
        run = self.call("lxc", GUEST, "start", domain())
        result = self.plain_user_calls("ListRuns", "{}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(run, result.stdout)
        self.assertNotIn("secret", result.stdout)
        for member, action in (("GetRun", "org.virt.hooks.inspect"), ("Cancel", "org.virt.hooks.manage")):
            for each in (run, self.ids()[0], "nonsense"):
                result = self.plain_user_calls(member, each)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(ACCESS_DENIED, result.stderr)
                self.assertIn(action, result.stderr)
        self.finish(calls)


class Timeout(RunsTestCase):
    def check(self, settings, outcomes):
        """The outcomes of a qemu and of an lxc run; one that may go on is let through."""
        for kind in ("qemu", "lxc"):
            self.tracing_script(kind, self.door.wait)
        service = self.start(settings)
        calls = {kind: self.send(kind=kind) for kind in outcomes}
        for kind, outcome in outcomes.items():
            if outcome == "timed-out":
                self.assert_error(calls[kind].wait(), "TimedOut", kind, GUEST, "Timeout=")
        self.door.open(list(outcomes.values()).count("success"))
        for kind, outcome in outcomes.items():
            self.assertEqual(self.client.finished(calls[kind].wait().run if outcome == "success" else
                                                  self.list(type=kind)[0]["run"]).outcome, outcome)
        service.stop()

    def test_default(self):
        self.check("", {"qemu": "success", "lxc": "success"})

    def test_for_all(self):
        self.check("[Scripts]\nTimeout=100ms\n", {"qemu": "timed-out", "lxc": "timed-out"})

    def test_for_one_type(self):
        self.check("[lxc]\nTimeout=100ms\n", {"qemu": "success", "lxc": "timed-out"})

    def test_exception(self):
        for limit in ("infinity", "1h"):
            self.check(f"[Scripts]\nTimeout=100ms\n[qemu]\nTimeout={limit}\n", {"qemu": "success", "lxc": "timed-out"})

    def test_caller_decides(self):
        """The time limit that a call gives takes the place of the settings', shorter, longer or none."""
        self.script("qemu", self.door.wait)
        self.start("[Scripts]\nTimeout=400ms\n")
        with open(self.write(self.path("domain.xml"), domain()), "rb") as file:
            def run(usec):
                file.seek(0)
                return self.client.send_run("qemu", GUEST, "prepare", file.fileno(), timeout=GLib.Variant("t", usec))
            for usec, outcome in ((50000, "timed-out"), (3600 * 1000000, "success"), (2**64 - 1, "success")):
                with self.subTest(usec=usec):
                    call, began = run(usec), time.monotonic()
                    if outcome == "success":
                        wait_until(lambda began=began: time.monotonic() > began + 0.6, "the settings' limit to pass")
                        self.door.open()
                    reply = self.assert_return(call.wait())
                    self.addCleanup(reply.close)
                    self.assertEqual(reply.values[0], outcome)

    def test_limit_is_the_runs(self):
        """All scripts of a run together; the one that runs is told."""
        self.script("qemu", "exit 0")
        self.script("qemu.d/10-slow", self.door.wait)
        self.tracing_script("qemu.d/20")
        self.start(f"[Scripts]\nTimeout={span(400)}\n")
        reply = self.assert_error(self.send().wait(), "TimedOut", "qemu.d/10-slow timed out")
        self.assertEqual(self.client.finished(reply.run).details["reason"], "qemu.d/10-slow timed out")
        self.assertEqual(self.trace(), [])


class WarnAfter(RunsTestCase):
    def warnings(self, service):
        return [line for line in service.stderr().splitlines() if "still running" in line]

    def test_once(self):
        self.tracing_script("qemu", self.door.wait)
        service = self.start("[qemu]\nWarnAfter=50ms\n")
        call = self.send()
        self.wait_counts(1, 0)
        pid = self.list()[0]["pid"]
        service.wait_logged("still running")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 0.3, "a second warning's time")
        self.finish([call])
        line, = self.warnings(service)
        for word in ("qemu", GUEST, "prepare", "after 0.05 s", f"{self.hooks}/qemu", f"pid {pid}"):
            self.assertIn(word, line)

    def test_which_script(self):
        """The one that runs then."""
        self.script("qemu", "exit 0")
        self.script("qemu.d/10", self.door.wait)
        service = self.start(f"[Scripts]\nWarnAfter={span(300)}\n")
        call = self.send()
        service.wait_logged(f"{self.hooks}/qemu.d/10")
        self.finish([call])

    def test_waiting_does_not_count(self):
        """A call that waits for another one has not begun to take long."""
        self.tracing_script("qemu", self.door.wait)
        service = self.start(f"[Scripts]\nWarnAfter={span(400)}\n")
        first, second = self.send("prepare"), self.send("start")
        service.wait_logged("still running")
        self.finish([first])
        self.finish([second])
        self.assertEqual([" start " in line for line in self.warnings(service)], [False])


if __name__ == "__main__":
    tap.main()
