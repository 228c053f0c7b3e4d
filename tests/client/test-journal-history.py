#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks history from a real journal: after the service's end, a long one, and one that somebody writes into."""

import glob
import os
import re
import shutil
import time

from command import TROUBLE
from journal import IDS, JournalTestCase
import tap
from client import FACTOR, Call
from gi.repository import GLib
from samples import GUEST, NETWORK, domain, network, port

# What the journal tells of a run that the service does not, and the other way round.
JOURNAL_ONLY = {"script", "status", "signal"}
SERVICE_ONLY = {"state", "queued_at", "scripts", "sequence_started", "sequence_finished", "caller_uid", "caller_pid",
                "caller_comm", "caller_unit", "port_uuid", "port_mac", "port_owner", "port_owner_uuid"}


class HistoryTestCase(JournalTestCase):
    def history(self, *arguments, **keywords):
        """Of the system bus, which the test's bus is: so it is the journal that is read."""
        return self.assert_done(self.bare("history", *arguments, **keywords))

    def objects(self, *arguments):
        return [run["object"] for run in self.history("--json", *arguments).objects]

    def call_several(self):
        self.script("qemu", '[ "$2" != stopped ] && [ "$2" != start ] || exit 3')
        self.script("network", "kill -9 $$")
        self.call("qemu", GUEST, "prepare", domain())
        self.call("qemu", GUEST, "start", domain())
        self.call("qemu", "web-02", "stopped", domain("web-02"))
        last = self.call("network", NETWORK, "port-created", network(), port())
        self.client.finished(last)
        self.wait_entry(VIRT_HOOKS_RUN=last)

    def list_runs(self):
        return self.assert_return(Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({},))).wait()).values[0]


class Real(HistoryTestCase):
    """Entries of the service itself."""

    def test_agrees_with_memory(self):
        """The same keys and values, as far as both know them."""
        self.start_logged()
        self.call_several()
        runs, known = self.history("--json").objects, self.list_runs()[::-1]
        self.assertEqual(len(runs), len(known))
        for run, memory in zip(runs, known, strict=True):
            self.assertLessEqual(run.keys() ^ memory.keys(), JOURNAL_ONLY | SERVICE_ONLY)
            for key in run.keys() & memory.keys():
                self.assertEqual(run[key], memory[key], key)
        self.assertEqual([run.get("status") for run in runs], [0, 3, 3, None])
        self.assertEqual([run.get("signal") for run in runs], [None, None, None, 9])

    def test_same_table(self):
        self.start_logged()
        self.call_several()
        self.assertEqual(self.history().text, self.history("--memory").text)

    def test_survives_the_service(self):
        """And the next one's entries follow."""
        self.start_logged().stop()
        self.start_logged()
        self.call_several()
        self.services[-1].stop()
        before = self.history("--json").objects
        self.assertEqual(len(before), 4)
        self.assertEqual(self.history("--json", DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent").objects, before)
        self.start_logged()
        run = self.call("lxc", GUEST, "release", domain())
        self.wait_entry(VIRT_HOOKS_RUN=run)
        self.assertEqual([each["run"] for each in self.history("--json").objects], [each["run"] for each in before] + [run])

    def test_lasting_runs_are_told_once(self):
        self.script("qemu", "while ! [ -e " + self.path("go") + " ]; do :; done")
        self.start_logged("[Scripts]\nWarnAfter=20ms\n")
        call = self.client.send_hook("qemu", GUEST, "prepare", domain())
        self.wait_entry(MESSAGE_ID=IDS["RUN_LASTS"])
        self.write(self.path("go"), "")
        run = self.assert_return(call.wait()).run
        self.client.finished(run)
        self.assertEqual([each["run"] for each in self.history("--json").objects], [run])

    def test_memory_where_the_journal_knows_nothing(self):
        """A service whose standard error is no journal."""
        self.start()
        self.call("lxc", GUEST, "prepare", domain())
        self.assertEqual(self.objects(), [GUEST])

    def test_nothing_anywhere(self):
        self.assert_trouble(self.bare("history"), TROUBLE, "start virt-hooksd")

    def test_no_match(self):
        """A journal that has runs, but none of these, has the last word."""
        self.start_logged()
        self.call_several()
        self.services[-1].stop()
        self.assertEqual(self.history("--object=nobody").output, b"")


class Written(HistoryTestCase):
    """Entries as the service would write them."""

    def test_filters(self):
        self.send(self.run_entry(1), self.run_entry(2, "failed", "abort"), self.run_entry(3, "no-script", VIRT_HOOKS_TYPE="lxc"),
                  self.run_entry(4, "killed", "ignored", VIRT_HOOKS_TYPE="network"),
                  self.run_entry(5, VIRT_HOOKS_OPERATION="release"))
        for arguments, numbers in (((), (1, 2, 3, 4, 5)), (("--failed",), (2, 4)), (("--type=lxc",), (3,)),
                                   (("--object=guest-2",), (2,)), (("--operation=release",), (5,)), (("--failed", "-n1"), (4,)), (("-n", "2"), (4, 5)),
                                   (("--type=qemu", "--failed"), (2,)), (("-n0",), ()), (("--since=now",), ()),
                                   (("--since=-1h", "--until=now"), (1, 2, 3, 4, 5)),
                                   (("--until=-1h",), ()), (("--object=guest",), ())):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.objects(*arguments), [f"guest-{number}" for number in numbers])

    def test_directory(self):
        """Files that were brought from elsewhere: who wrote them cannot be told, and no service is asked."""
        self.send(self.run_entry(1), self.run_entry(2, "failed", "abort"))
        other = self.path("journal")
        shutil.copytree(self.journal_directory(), other)
        self.send(self.run_entry(3))
        self.assertEqual(self.objects(f"--directory={other}"), ["guest-1", "guest-2"])
        self.assertEqual(self.objects("--directory", other, "--failed"), ["guest-2"])
        self.assertEqual(self.objects(), ["guest-1", "guest-2", "guest-3"])

    def test_wrong_directories(self):
        self.send(self.run_entry(1))
        empty = self.make_directory("empty")
        for arguments in (("history",), ("history", "--json"), ("show", "1")):
            self.assert_trouble(self.bare(*arguments, f"--directory={empty}"), TROUBLE, f"there is no journal with entries in '{empty}'")
        for place in ("/nonexistent", self.write(self.path("file"), "")):
            self.assert_trouble(self.bare("history", f"--directory={place}"), TROUBLE, "journal")

    def test_damaged_files(self):
        """What can be read is read; nothing crashes, and nothing goes on for ever."""
        self.send(*(self.run_entry(number) for number in range(200)))
        path = os.path.join(self.journal_directory(), "system.journal")
        with open(path, "rb") as file:
            content = file.read()
        used = len(content.rstrip(b"\0"))
        for name, size, holes in (("short", used // 2, ()), ("stub", 100, ()), ("empty", 0, ()),
                                  ("holes", len(content), range(used // 2, used, used // 50))):
            damaged = bytearray(content[:size])
            for hole in holes:
                damaged[hole:hole + 16] = b"\xff" * 16
            os.makedirs(self.path(name))
            self.write(self.path(f"{name}/system.journal"), bytes(damaged))
            result = self.bare("history", f"--directory={self.path(name)}", "--json")
            self.assertIn(result.status, (0, TROUBLE), result.complaint)
            self.assertLessEqual(len(result.objects), 200)

    def test_names(self):
        """An entry may have anything; it is shown safe, and JSON has it as it is."""
        name = "a\x1b[31m\nb \"c\" \u202ed\u00e4 \u65e5\u672c"
        self.send(self.run_entry(1, "failed", "abort", VIRT_HOOKS_OBJECT=name, VIRT_HOOKS_REASON=b"no \xff\x00text"))
        run, = self.history("--json").objects
        self.assertEqual((run["object"], run["reason"]), (name, "no \ufffd\ufffdtext"))
        self.assertIn(" a\\x1b[31m\\x0ab \"c\" \\u{202e}d\u00e4 \u65e5\u672c ", self.history().text)
        self.assertEqual(self.objects(f"--object={name}"), [name])

    def test_wrong_numbers(self):
        """No other program is trusted to write numbers."""
        self.send(self.run_entry(1, VIRT_HOOKS_STARTED_AT="yesterday", VIRT_HOOKS_DURATION_USEC="-5"),
                  self.run_entry(2, VIRT_HOOKS_STARTED_AT="9" * 30, VIRT_HOOKS_DURATION_USEC=str(2**64 - 1)),
                  self.run_entry(3, VIRT_HOOKS_STARTED_AT=None, VIRT_HOOKS_OBJECT=None, VIRT_HOOKS_EFFECT=None))
        runs = self.history("--json").objects
        self.assertEqual([("started_at" in run, run.get("duration_usec")) for run in runs], [
            (False, None), (False, 2**64 - 1), (False, 1234)])
        self.assertEqual(len(self.history().lines), 4)


class Show(HistoryTestCase):
    """A run that the service has forgotten is shown from the journal: history has led there."""

    def show(self, run, *arguments, **keywords):
        return self.bare("show", run, *arguments, **keywords)

    def shown(self, run, *arguments):
        result = self.assert_done(self.show(run, *arguments))
        return result.text, dict(re.findall(r"(?m)^ *(\S[^:\n]*):  (.*)$", result.text))

    def ids(self):
        return [run["run"] for run in self.history("--json").objects]

    def test_after_a_restart(self):
        self.start_logged()
        self.call_several()
        _, failed, _, killed = self.ids()
        whole, = self.assert_done(self.show(failed, "--json")).objects
        self.services[-1].stop()
        self.start_logged()
        text, fields = self.shown(failed[:8])
        self.assertEqual(text.split("\n")[0], f"● qemu {GUEST} start: failed")
        self.assertEqual({name: fields[name] for name in ("Run", "Object", "Effect", "Reason", "Script", "Exit status", "Uuid")},
                         {"Run": failed, "Object": GUEST, "Effect": "abort", "Reason": "qemu exited with status 3",
                          "Script": f"{self.hooks}/qemu", "Exit status": "3", "Uuid": whole["uuid"]})
        self.assertEqual(fields["Message"], whole["message"])
        self.assertLessEqual({"Caller", "Queued", "Signal", "Via"} & fields.keys(), set())
        self.assertIn("The service does not know the run", text)
        run, = self.assert_done(self.show(failed, "--json")).objects
        self.assertEqual(run, {key: whole[key] for key in run.keys() & whole.keys()} |
                         {"script": f"{self.hooks}/qemu", "status": 3})
        self.assertEqual(self.shown(killed)[1]["Signal"], "9")

    def test_the_service_comes_first(self):
        """It knows more."""
        self.start_logged()
        self.call_several()
        self.assertIn(f"\n    {self.hooks}/network\n      killed by signal 9,", self.shown(self.ids()[-1])[0])

    def test_without_the_service(self):
        """A line says so; the run is shown all the same."""
        self.start_logged()
        self.call_several()
        self.services[-1].stop()
        for environment, fragment in (({}, "start virt-hooksd"), ({"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}, "bus")):
            result = self.show(self.ids()[0], **environment)
            self.assertEqual(result.status, 0)
            self.assertIn(f"● qemu {GUEST} prepare: success\n", result.text)
            self.assertRegex(result.complaint, rf"\Avirt-hooks: [^\n]*{fragment}[^\n]*\n\Z")

    def test_words(self):
        """All that a failed script said, line by line, and harmless."""
        self.script("qemu", r"printf 'first\n\n second \033[31m\n' >&2; head -c 100000 /dev/zero | tr '\0' a >&2; exit 3")
        self.start_logged("[Bridge]\nMaxStderr=1M\n")
        run = self.call("qemu", GUEST, "start", domain())
        self.wait_entry(VIRT_HOOKS_RUN=run)
        self.services[-1].stop()
        self.start_logged()
        lines = self.shown(run)[0].split("\n")
        first = next(number for number, line in enumerate(lines) if line.endswith("exit status 3: first"))
        self.assertEqual(lines[first + 1:first + 4],
                         [" " * 15, " " * 15 + " second \\x1b[31m", " " * 15 + "a" * 100000])

    def test_fields_do_no_harm(self):
        """Files that were brought from elsewhere may have anything in all of them."""
        evil = "a\x1b[2J\x9b1m\u202eb\n"
        texts = ("RUN", "TYPE", "OBJECT", "OPERATION", "SUBOPERATION", "EXTRA", "UUID", "OUTCOME", "EFFECT", "REASON", "SCRIPT", "VIA")
        self.send(self.run_entry(1, MESSAGE=evil, **{f"VIRT_HOOKS_{name}": evil for name in texts}))
        text, fields = self.shown("a", f"--directory={self.journal_directory()}")
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
        self.assertEqual(text.count("a\\x1b[2J\\x9b1m\\u{202e}b"), len(texts) + 2)

    def test_unknown_and_ambiguous(self):
        self.start_logged()
        self.send(self.run_entry(1), self.run_entry(2))
        for text in ("1", "00000000-0000-4000-8000-000000000003", "%s"):
            self.assert_trouble(self.show(text), TROUBLE, f"there is no run '{text}'", "virt-hooks history")
        self.assert_trouble(self.show("0000"), TROUBLE, "more than one run begins with '0000'")
        self.assertEqual(self.shown("00000000-0000-4000-8000-000000000002")[1]["Object"], "guest-2")

    def test_others_are_not_believed(self):
        self.start_logged()
        self.send_as_nobody(self.run_entry(2))
        self.assert_trouble(self.show("0000"), TROUBLE, "there is no run")

    def test_directory(self):
        self.send(self.run_entry(1, VIRT_HOOKS_VIA="direct"))
        other = self.path("journal")
        shutil.copytree(self.journal_directory(), other)
        self.assertEqual(self.shown("0000", f"--directory={other}")[1]["Via"], "direct")
        self.assert_trouble(self.show("1", f"--directory={other}"), TROUBLE, "there is no run '1'")
        self.assert_trouble(self.show("1", "--directory=/nonexistent"), TROUBLE, "journal")

    def test_other_buses(self):
        """The journal here tells nothing of the service at some address."""
        self.start_logged()
        self.send(self.run_entry(1))
        self.assert_trouble(self.virt_hooks("show", "0000"), TROUBLE, "there is no run")


class Forged(HistoryTestCase):
    """Everybody may write to the journal; it notes who did."""

    def test_others_are_not_believed(self):
        self.send(self.run_entry(1))
        self.send_as_nobody(self.run_entry(2, _UID=0))
        self.assertEqual(self.objects(), ["guest-1"])
        self.assertEqual(self.objects(f"--directory={self.journal_directory()}"), ["guest-1", "guest-2"])

    def test_others_do_not_hide_the_memory(self):
        """A forged entry is none: it does not make the journal one that knows runs."""
        self.start()
        self.call("lxc", GUEST, "prepare", domain())
        self.send_as_nobody(self.run_entry(2))
        self.assertEqual(self.objects(), [GUEST])


class Long(HistoryTestCase):
    RUNS = 10000

    def timed(self, *arguments):
        before = time.monotonic()
        objects = self.objects(*arguments)
        return objects, time.monotonic() - before

    def test_ten_thousand_runs(self):
        """All of them, and few of them at once: what is not shown is not read."""
        entries = [self.run_entry(number, *(("failed", "abort") if number % 100 == 0 else ())) for number in range(self.RUNS)]
        self.send(*entries)
        everything, all_seconds = self.timed()
        self.assertEqual(everything, [f"guest-{number}" for number in range(self.RUNS)])
        figures = [f"all {all_seconds:.2f} s"]
        for arguments, numbers in ((("-n", "10"), range(self.RUNS - 10, self.RUNS)), (("--failed",), range(0, self.RUNS, 100)),
                                   (("--object=guest-5000",), [5000]), (("--since=now",), [])):
            objects, seconds = self.timed(*arguments)
            self.assertEqual(objects, [f"guest-{number}" for number in numbers])
            figures.append(f"{' '.join(arguments)} {seconds:.2f} s")
        before = time.monotonic()
        self.assertEqual(len(self.history().lines), self.RUNS + 1)
        figures.append(f"as a table {time.monotonic() - before:.2f} s")
        size = sum(os.path.getsize(path) for path in glob.glob(f"{self.journal_directory()}/*.journal"))
        print(f"# {self.RUNS} runs in {size // 2**20} MiB of journal: {', '.join(figures)}")
        self.assertLess(all_seconds, 15 * FACTOR)


if __name__ == "__main__":
    tap.main()
