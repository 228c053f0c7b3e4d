#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks monitor: a line an event as it happens, and what it says of the service and of events that it missed."""

import itertools
import signal
import subprocess
import uuid
from unittest import mock

from command import TROUBLE, USAGE, VIRT_HOOKS, CommandTestCase, parse_json, wait_until
import buses
import tap
from client import FACTOR, INTERFACE, OBJECT_PATH
from fake_service import FakeService
from gi.repository import GLib
from samples import GUEST, NETWORK, domain, network, port

CLOCK = r"\d\d:\d\d:\d\d\.\d{3}"
SPAN = r"(\d+us|\d+ms|\d+\.\ds)"
ABSENT, PRESENT, GONE = "the service is not there; waiting for it", "the service is there", "the service is gone"


class MonitorTestCase(CommandTestCase):
    def listen(self, *arguments, **keywords):
        """Started before the service, the command tells by its first line that it listens."""
        follower = self.follow("monitor", *arguments, **keywords)
        follower.wait_line('"ServiceGone"' if "--json" in arguments else ABSENT)
        return follower

    def call_qemu(self, operation, guest=GUEST):
        return self.client.hook("qemu", guest, operation, domain(guest))

    def events(self, follower, *last):
        """The lines about hooks, without their clock, up to the one that has all of these words."""
        follower.wait_line(*last)
        return [line.split("  ", 1)[1] for line in follower.lines
                if not line.endswith((ABSENT, PRESENT, GONE)) and " missed" not in line]


class Lines(MonitorTestCase):
    def test_each_event_at_once(self):
        """Into a pipe, too: a line is there while the hook still runs."""
        door = self.gate()
        self.script("qemu", f"{door.wait}; exit 3")
        follower = self.listen()
        self.start()
        call = self.client.send_hook("qemu", GUEST, "prepare", domain())
        line = follower.wait_line(GUEST)
        self.assertRegex(line, rf"^{CLOCK}  qemu +{GUEST} +prepare +started$")
        door.open()
        call.wait()
        line = follower.wait_line("failed")
        self.assertRegex(line, rf"^{CLOCK}  qemu +{GUEST} +prepare +failed +{SPAN}  qemu exited with status 3$")

    def test_all_kinds(self):
        self.script("lxc", "kill -9 $$")
        self.script("network", "exit 1")
        follower = self.listen()
        self.start()
        self.call_qemu("prepare")
        self.client.hook("lxc", GUEST, "stopped", domain())
        self.client.hook("network", NETWORK, "port-created", network(), port())
        self.client.hook("daemon", "-", "reload")
        lines = self.events(follower, "daemon", "no-script")
        self.assertEqual([line.split()[:4] for line in lines], [
            ["qemu", GUEST, "prepare", "started"], ["qemu", GUEST, "prepare", "no-script"],
            ["lxc", GUEST, "stopped", "started"], ["lxc", GUEST, "stopped", "killed"],
            ["network", NETWORK, "port-created", "started"], ["network", NETWORK, "port-created", "failed"],
            ["daemon", "-", "reload", "started"], ["daemon", "-", "reload", "no-script"]])

    def test_joined_late(self):
        """A service that is there needs no word."""
        self.start()
        self.call_qemu("prepare")
        self.client.settle()
        follower = self.follow("monitor")
        wait_until(lambda: self.call_anything() or follower.lines, "an event in the monitor")
        self.assertEqual([line for line in follower.lines if "nobody" not in line], [])

    def test_signals_end_it(self):
        # What a shell starts in the background ignores SIGINT, and so would the command.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        for number in (signal.SIGINT, signal.SIGTERM):
            follower = self.listen()
            follower.process.send_signal(number)
            self.assertEqual((follower.wait_exit(), follower.complaint), (-number, ""))

    def test_arguments(self):
        self.assertEqual(self.virt_hooks("monitor", "qemu").status, USAGE)


class Filters(MonitorTestCase):
    def setUp(self):
        super().setUp()
        self.script("qemu", '[ "$2" != start ] || exit 3')
        self.script("network", "exit 4")

    def seen_with(self, *arguments):
        """What is left of some calls."""
        follower = self.listen(*arguments)
        last = self.listen()
        self.start()
        for operation in ("prepare", "start"):
            for guest in ("web-01", "web-02"):
                self.call_qemu(operation, guest)
        self.client.hook("network", "web-01", "updated", network("web-01"), "")
        last.wait_line("network", "failed")
        self.client.hook("daemon", "-", "start")
        last.wait_line("daemon", "no-script")
        # Each has its events in the bus's order: when the service's end is told, all that came before was.
        self.services[-1].stop()
        follower.wait_line(GONE)
        return [" ".join(line.split()[:4]) for line in self.events(follower, GONE)]

    def test_type(self):
        self.assertEqual(self.seen_with("--type=network"), ["network web-01 updated started", "network web-01 updated failed"])

    def test_object(self):
        self.assertEqual(self.seen_with("--object=web-02"), [
            "qemu web-02 prepare started", "qemu web-02 prepare success", "qemu web-02 start started", "qemu web-02 start failed"])

    def test_operation(self):
        self.assertEqual(self.seen_with("--operation", "updated"),
                         ["network web-01 updated started", "network web-01 updated failed"])

    def test_unknown_operation(self):
        """It may be a newer libvirt's, or a slip: who waits for it is told."""
        for arguments, operation, fragment in ((["--operation=strat"], "strat", "no operation is known"),
                                               (["--operation=prepare", "--type=network"], "prepare", "no operation of network"),
                                               (["--operation=prepare", "--type=qemu"], None, None)):
            follower = self.listen(*arguments)
            if operation:
                self.assertRegex(follower.complaint, rf"\Avirt-hooks: {fragment} [^\n]*'{operation}'[^\n]*\n\Z")
            else:
                self.assertEqual(follower.complaint, "")

    def test_failed(self):
        self.assertEqual(self.seen_with("--failed"),
                         ["qemu web-01 start failed", "qemu web-02 start failed", "network web-01 updated failed"])

    def test_together(self):
        self.assertEqual(self.seen_with("--failed", "--type=qemu", "--object=web-01", "--operation=start"),
                         ["qemu web-01 start failed"])

    def test_no_match(self):
        self.assertEqual(self.seen_with("--object=web"), [])

    def test_what_is_not_shown_is_not_missed(self):
        follower = self.listen("--object=other")
        self.start()
        for _ in range(5):
            self.call_qemu("prepare")
        self.call_qemu("prepare", "other")
        follower.wait_line("other", "success")
        self.assertNotIn("missed", "\n".join(follower.lines))


class Service(MonitorTestCase):
    def test_comes_and_goes(self):
        follower = self.listen()
        for count in (1, 2):
            service = self.start()
            self.assertRegex(follower.wait_line(PRESENT, count=count), rf"^{CLOCK}  {PRESENT}$")
            service.stop()
            self.assertRegex(follower.wait_line(GONE, count=count), rf"^{CLOCK}  {GONE}$")
        self.assertEqual([line.split("  ")[1] for line in follower.lines], [ABSENT, PRESENT, GONE, PRESENT, GONE])

    def test_killed(self):
        """A run that the service took with it has no end; the next service begins anew, and nothing was missed."""
        self.tracing_script("qemu", self.gate().wait)
        follower = self.listen()
        service = self.start()
        caller = self.new_client()
        caller.send_hook("qemu", GUEST, "prepare", domain())
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        service.expected_status = -signal.SIGKILL
        service.name = None  # There is no good order to be checked.
        service.signal(signal.SIGKILL)
        follower.wait_line(GONE)
        caller.close()
        wait_until(lambda: not self.client.owner(), "the name to be free")
        self.start()
        self.client.hook("lxc", GUEST, "prepare", domain())
        follower.wait_line("lxc", "no-script")
        self.assertNotIn("missed", "\n".join(follower.lines))

    def test_bus_is_lost(self):
        follower = self.listen()
        self.bus.process.kill()
        self.bus.process.wait()
        self.assertEqual(follower.wait_exit(), TROUBLE)
        self.assertRegex(follower.complaint, r"^virt-hooks: the connection to the bus is lost\b[^\n]*\n$")

    def test_no_bus(self):
        result = self.bare(f"--address=unix:path={self.directory}/nobody", "monitor")
        self.assert_trouble(result, TROUBLE, "nobody", "No such file")



class OpenBus(MonitorTestCase):
    """A bus without the project's policy, as a user's own is."""

    def setUp(self):
        everything = '<policy context="mandatory"><allow own="*"/><allow send_destination="*"/></policy>'
        with mock.patch.object(buses, "CONFIG", buses.CONFIG.replace("<include>{policy}</include>", everything)):
            super().setUp()

    def test_forged_signals_are_not_shown(self):
        """The sender's name gives them away."""
        follower = self.listen()
        self.start()
        FakeService(self.new_client()).emit(7, "forged")
        wait_until(lambda: self.client.events, "the forged signal on the bus")
        self.call_qemu("prepare")
        follower.wait_line(GUEST, "no-script")
        self.assertNotIn("forged", "\n".join(follower.lines))
        self.assertNotIn("missed", "\n".join(follower.lines))


class Missed(MonitorTestCase):
    """A listener's own numbers tell it what the bus does not."""

    def setUp(self):
        super().setUp()
        self.follower = self.listen()
        self.service = FakeService(self.new_client()).appear()

    def emit(self, *sequences):
        for sequence in sequences:
            self.service.emit(sequence, f"guest-{sequence}")

    def notes(self, last):
        """The lines about missed events, with the event that they come before."""
        self.follower.wait_line(f"guest-{last} ")
        lines = [line.split("  ", 1)[1] for line in self.follower.lines]
        return [(line, lines[index + 1].split()[1]) for index, line in enumerate(lines) if "missed" in line]

    def test_none(self):
        self.emit(1, 2, 3)
        self.assertEqual(self.notes(3), [])

    def test_joined_late(self):
        """What was before it came it did not miss."""
        self.emit(41, 42)
        self.assertEqual(self.notes(42), [])

    def test_joined_amid_events(self):
        """From the first event that it sees it sees all: it does not start to listen by halves."""
        numbers = itertools.count(1)
        for _ in range(20):
            follower = self.follow("monitor")
            wait_until(lambda: self.emit(*itertools.islice(numbers, 50)) or len(follower.lines) > 20, "events in the monitor")
            self.assertNotIn("missed", "\n".join(follower.lines))
            follower.stop()

    def test_signals_of_a_newer_service(self):
        """The interface grows: what is not known here is passed over without a word."""
        self.emit(1)
        body = GLib.Variant("(ssssssa{sv})", ("qemu", GUEST, "start", "begin", "-", "some-run", {}))
        self.service.client.connection.emit_signal(None, OBJECT_PATH, INTERFACE, "HookPaused", body)
        self.emit(2)
        self.assertEqual(self.notes(2), [])
        self.assertEqual((len(self.follower.lines), self.follower.complaint), (4, ""))

    def test_names_do_no_harm(self):
        """Whoever has the name on a bus without a policy may say anything."""
        details = {"sequence": GLib.Variant("t", 1), "instance": GLib.Variant("s", "a"), "reason": GLib.Variant("s", "r\x1b[2J")}
        body = GLib.Variant("(ssssssssta{sv})", ("t\x1b[2J", "o\x1b[2J", "p\x1b[2J", "s", "e", "r", "u\x1b[2J", "abort", 1, details))
        self.service.client.connection.emit_signal(None, OBJECT_PATH, INTERFACE, "HookFinished", body)
        self.assertRegex(self.follower.wait_line("o\\x1b"),
                         r"  t\\x1b\[2J o\\x1b\[2J p\\x1b\[2J u\\x1b\[2J 1us  r\\x1b\[2J$")

    def test_gap(self):
        self.emit(1, 2, 12, 13)
        self.assertEqual(self.notes(13), [("9 events were missed", "guest-12")])

    def test_several_gaps(self):
        self.emit(1, 4, 5, 1000005, 2**53 + 3)
        self.assertEqual([text.split()[0] for text, _ in self.notes(2**53 + 3)], ["2", "999999", str(2**53 - 1000003)])

    def test_restart(self):
        """Those that the old service sent last cannot be known, those that the new one sent first can."""
        self.emit(1, 2)
        self.service.leave()
        self.follower.wait_line(GONE)
        self.service.instance = str(uuid.uuid4())
        self.service.appear()
        self.emit(8)
        self.assertEqual(self.notes(8), [("7 events were missed", "guest-8")])

    def test_restart_seen_from_its_start(self):
        self.emit(5, 6)
        self.service.instance = str(uuid.uuid4())
        self.emit(1, 2)
        self.assertEqual(self.notes(2), [])

    def test_json(self):
        follower = self.follow("monitor", "--json")
        wait_until(lambda: self.emit(1) or follower.lines, "an event in the monitor")
        self.emit(1, 5, 6)
        follower.wait_line("guest-6")
        events = [parse_json(line) for line in follower.lines]
        self.assertEqual([event for event in events if event["event"] == "Missed"], [{"event": "Missed", "count": 3}])


class SlowReader(MonitorTestCase):
    """The bus drops what a listener does not fetch: the one way in which events are lost on a real bus."""

    def setUp(self):
        limit = '<limit name="max_outgoing_bytes">65536</limit>\n</busconfig>'
        with mock.patch.object(buses, "CONFIG", buses.CONFIG.replace("</busconfig>", limit)):
            super().setUp()

    def test_stopped_for_a_while(self):
        follower = self.listen("--json")
        self.start()
        self.call_qemu("prepare")
        follower.wait_line("HookFinished")
        follower.process.send_signal(signal.SIGSTOP)
        for _ in range(700):
            self.call_qemu("prepare")
        follower.process.send_signal(signal.SIGCONT)
        # The bus takes messages for it again when it has fetched some.
        wait_until(lambda: self.call_qemu("prepare", "last") and '"last"' in "".join(follower.lines), "the last event")
        events = [parse_json(line) for line in follower.lines]
        sequence, missed = 0, 0
        for event in events:
            if event["event"] == "Missed":
                missed += event["count"]
                sequence += event["count"]
            elif event["event"].startswith("Hook"):
                sequence += 1
                self.assertEqual(event["sequence"], sequence)
        self.assertGreater(missed, 0)


class Json(MonitorTestCase):
    def expected(self, event):
        """An event of the interface as the object it must be."""
        names = {"event": event.name, "type": event.kind, "object": event.object, "operation": event.operation,
                 "suboperation": event.suboperation, "extra": event.extra, "run": event.run, **event.details}
        if event.name == "HookFinished":
            names |= {"outcome": event.outcome, "effect": event.effect, "duration_usec": event.duration}
        return names

    def test_events(self):
        self.script("qemu", "exit 3")
        self.script("network", "kill -9 $$")
        follower = self.listen("--json")
        self.start()
        self.call_qemu("start")
        self.client.hook("network", NETWORK, "port-created", network(), port())
        self.client.hook("daemon", "-", "shutdown")
        follower.wait_line('"daemon"', "HookFinished")
        wait_until(lambda: len(self.client.events) == 6, "the same events in the test")
        objects = [parse_json(line) for line in follower.lines]
        self.assertEqual([event["event"] for event in objects[:2]], ["ServiceGone", "ServiceAppeared"])
        self.assertEqual(objects[2:], [self.expected(event) for event in self.client.events])
        for event in objects[2:]:
            self.assertIs(type(event["sequence"]), int)

    def test_service(self):
        follower = self.listen("--json")
        self.start().stop()
        follower.wait_line('"ServiceGone"', count=2)
        self.assertEqual([parse_json(line) for line in follower.lines],
                         [{"event": "ServiceGone"}, {"event": "ServiceAppeared"}, {"event": "ServiceGone"}])

    def test_filters(self):
        self.script("qemu", '[ "$1" != web-02 ] || exit 3')
        follower = self.listen("--json", "--failed")
        self.start()
        self.call_qemu("start", "web-01")
        self.call_qemu("start", "web-02")
        event = parse_json(follower.wait_line("HookFinished"))
        self.assertEqual((event["object"], event["reason"]), ("web-02", "qemu exited with status 3"))

    def test_reader_goes(self):
        """It ends without a word at the next event."""
        with subprocess.Popen([VIRT_HOOKS, self.address, "monitor", "--json"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.command_environment()) as process:
            self.assertEqual(parse_json(process.stdout.readline().decode()), {"event": "ServiceGone"})
            process.stdout.close()
            self.start()
            self.assertEqual(process.wait(10 * FACTOR), -signal.SIGPIPE)
            self.assertEqual(process.stderr.read(), b"")


if __name__ == "__main__":
    tap.main()
