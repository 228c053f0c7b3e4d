#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks history --memory: what the service remembers, chosen by time, type, object and outcome."""

import re
import time

from command import TROUBLE, USAGE, CommandTestCase, wait_until
import tap
from client import Call
from gi.repository import GLib
from samples import GUEST, NETWORK, domain, network

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
SPAN = r"(\d+us|\d+ms|\d+\.\ds)"


class HistoryTestCase(CommandTestCase):
    def history(self, *arguments, **keywords):
        return self.assert_done(self.virt_hooks("history", "--memory", *arguments, **keywords))

    def operations(self, *arguments):
        """What ran, in the order that is shown."""
        return [run["operation"] for run in self.history("--json", *arguments).objects]

    def call_several(self):
        self.script("qemu", '[ "$2" != stopped ] && [ "$2" != start ] || exit 3')
        self.start()
        self.call("qemu", GUEST, "prepare", domain())
        self.call("qemu", GUEST, "start", domain())
        self.call("qemu", "web-02", "stopped", domain("web-02"))
        self.call("network", NETWORK, "updated", network(), "")


class Table(HistoryTestCase):
    def test_newest_last(self):
        self.call_several()
        headings, *rows = self.history().lines
        self.assertEqual(headings.split(), ["STARTED", "TYPE", "OBJECT", "OPERATION", "OUTCOME", "TIME", "RUN", "REASON"])
        self.assertEqual([row.split()[2:6] for row in rows], [
            ["qemu", GUEST, "prepare", "success"], ["qemu", GUEST, "start", "failed"],
            ["qemu", "web-02", "stopped", "failed"], ["network", NETWORK, "updated", "no-script"]])
        self.assertRegex(rows[1], rf"^{DATE} .* {SPAN} [0-9a-f]{{8}} qemu exited with status 3$")

    def test_id_leads_to_the_run(self):
        """What is shown of an id is enough to ask for it."""
        self.call_several()
        run = re.search(r" ([0-9a-f]{8}) qemu exited", self.history().text).group(1)
        self.assertIn(f"● qemu {GUEST} start: failed", self.assert_done(self.virt_hooks("show", run)).text)

    def test_nothing(self):
        self.start()
        self.assertEqual(self.history().output, b"")
        self.assertEqual(self.on_terminal(80, "history", "--memory").lines, ["No run is known."])
        self.assertEqual(self.history("--json").objects, [])

    def test_nothing_matches(self):
        """That is not to say that there is nothing."""
        self.call_several()
        for arguments in (("--type=lxc",), ("--object=web",), ("--operation=release",), ("--failed", "--type=network"), ("-n", "0"),
                          ("--since=now",), ("--until=yesterday",)):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.on_terminal(80, "history", "--memory", *arguments).lines, ["No run that is known matches."])
                self.assertEqual(self.history(*arguments).output, b"")

    def test_running_is_not_history(self):
        door = self.gate()
        self.script("qemu", door.wait)
        self.start()
        call = self.client.send_hook("qemu", GUEST, "prepare", domain())
        wait_until(lambda: self.client.property("Running") == 1, "the run")
        self.assertEqual(self.operations(), [])
        door.open()
        call.wait()
        self.assertEqual(self.operations(), ["prepare"])

    def test_other_buses_have_no_journal(self):
        """The journal here tells nothing of the bus at some address."""
        self.call_several()
        self.assertEqual(self.assert_done(self.virt_hooks("history")).output, self.history().output)

    def test_no_service(self):
        self.assert_trouble(self.virt_hooks("history", "--memory"), TROUBLE, "start virt-hooksd")

    def test_forgotten(self):
        self.script("qemu", "")
        self.start("[Bridge]\nHistoryRuns=2\n")
        for operation in ("prepare", "start", "started"):
            self.call("qemu", GUEST, operation, domain())
        self.assertEqual(self.operations(), ["start", "started"])


class Filters(HistoryTestCase):
    def test_filters(self):
        self.call_several()
        for arguments, operations in (
                ((), ["prepare", "start", "stopped", "updated"]),
                (("--type=network",), ["updated"]),
                (("--type", "qemu"), ["prepare", "start", "stopped"]),
                (("--object=web-02",), ["stopped"]),
                (("--object=web",), []),
                (("--failed",), ["start", "stopped"]),
                (("--failed", f"--object={GUEST}"), ["start"]),
                (("--operation=stopped",), ["stopped"]),
                (("--operation=updated", "--type=network"), ["updated"]),
                (("--operation=release",), []),
                (("-n", "2"), ["stopped", "updated"]),
                (("-n1",), ["updated"]),
                (("--lines=100",), ["prepare", "start", "stopped", "updated"]),
                (("-n", "0"), []),
                (("--failed", "-n", "1"), ["stopped"])):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.operations(*arguments), operations)

    def test_unknown_operation(self):
        """A newer libvirt may have it, so it is told of, and that is all."""
        self.call_several()
        for arguments, words, meant in ((("--operation=port-craeted",), "no operation is known by the name 'port-craeted'", "port-created"),
                                        (("--type=qemu", "--operation=preprare"), "no operation of qemu is known by the name", "prepare"),
                                        (("--type=network", "--operation=release"),
                                         "no operation of network is known by the name 'release'", None)):
            result = self.virt_hooks("history", "--memory", "--json", *arguments)
            self.assertEqual((result.status, result.output), (0, b""))
            self.assertIn(words, result.complaint)
            self.assertEqual(re.findall(r"did you mean ([-\w]+)\?", result.complaint), [meant] if meant else [])

    def next_second(self):
        second = int(time.time()) + 1
        wait_until(lambda: time.time() >= second, "the next second")
        return second

    def test_times(self):
        """Two runs in two seconds, and the bounds in every form."""
        self.start()
        before = int(time.time())
        self.call("qemu", GUEST, "prepare", domain())
        between = self.next_second()
        self.call("qemu", GUEST, "start", domain())
        local = time.localtime(between)
        today = local.tm_yday == time.localtime(before).tm_yday
        utc, day = time.gmtime(between), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        forms = [f"@{between}", f"@{between}.0", *(time.strftime(f"{before_it}%Y-%m-%d{separator}%H:%M:%S{fraction}", local)
                                                   for before_it in ("", f"{day[local.tm_wday]} ")
                                                   for separator in " T" for fraction in ("", ".0000009")),
                 *(time.strftime(f"{before_it}%Y-%m-%d{separator}%H:%M:%S{zone}", utc)
                   for before_it in ("", f"{day[utc.tm_wday]} ") for separator in " T" for zone in (" UTC", ".00 UTC", "Z"))]
        forms += [time.strftime("%H:%M:%S", local), time.strftime("%H:%M:%S.000", local)] * today
        for form in forms:
            with self.subTest(form=form):
                self.assertEqual(self.operations(f"--since={form}"), ["start"])
                self.assertEqual(self.operations(f"--until={form}"), ["prepare"])
        both, none = ["prepare", "start"], []
        for option, form, operations in (("since", "-1h", both), ("since", "1h ago", both), ("since", "yesterday", both),
                                         ("since", "now", none), ("until", "now", both), ("until", "-1h", none),
                                         ("until", "1min 30s ago", none), ("until", "yesterday", none),
                                         ("since", "tomorrow", none), ("until", "tomorrow", both), ("since", "+1min", none),
                                         ("until", "+1min", both), ("since", f"@{before - 1}.999", both),
                                         ("until", f"@{before - 1}.999", none),
                                         ("since", f"@{before}", both), ("until", f"@{before}", none),
                                         ("since", time.strftime("%Y-%m-%d", time.localtime(before)), both)):
            with self.subTest(option=option, form=form):
                self.assertEqual(self.operations(f"--{option}={form}"), operations)
        self.assertEqual(self.operations(f"--since=@{before}", f"--until=@{between}"), ["prepare"])
        self.assertEqual(self.operations(f"--until=@{between}", "-n", "1"), ["prepare"])

    def test_wrong_times(self):
        self.start()
        for form in ("", "soon", "-", "-soon", "25:00", "12:60", "2026-13-01", "2026-02-30 12:00", "@", "@x", "ago",
                     "12:00 tomorrow", "@99999999999999999999", "@1.", "@1.x", "12:00.5", "12:00:00.", "2026-11-22 UTC UTC",
                     "Mon 2026-11-22", "Sun", "+", "++1h", "+18446744073709551615us", "2026-11-22 12:00 CET", "2026-02-30Z"):
            for option in ("since", "until"):
                with self.subTest(form=form):
                    result = self.virt_hooks("history", f"--{option}={form}")
                    self.assert_trouble(result, USAGE, f"'{form}'", "yesterday")

    def test_end_before_begin(self):
        """Nothing can be in between, wherever it is looked for."""
        self.start()
        for arguments in (("--since=-1min", "--until=-2min"), ("--until=@1", "--since=@2", "--memory"),
                          ("--since=tomorrow", "--until=yesterday", f"--directory={self.directory}")):
            self.assert_trouble(self.virt_hooks("history", *arguments), USAGE, "--since is after --until")
        self.assertEqual(self.history("--since=@1", "--until=@1").output, b"")

    def test_wrong_numbers(self):
        for number in ("", "-1", "ten", "1.5", "18446744073709551616"):
            self.assert_trouble(self.virt_hooks("history", f"--lines={number}"), USAGE, f"'{number}'")


class Json(HistoryTestCase):
    def test_keys(self):
        """As ListRuns tells them, the newest last."""
        self.call_several()
        known = self.assert_return(Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({},))).wait()).values[0]
        self.assertEqual(self.history("--json").objects, known[::-1])


if __name__ == "__main__":
    tap.main()
