#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls at the same time: in order for an object, side by side for others, under caps, with one reply each."""

import gi
import samples
import tap
from client import BUS_NAME, INTERFACE, OBJECT_PATH, Monitor, wait_until
from harness import HooksTestCase

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402


# Microseconds of a run whose HookStarted surely still waits when it ends: it does for 10 ms.
QUICK = 8000


class ConcurrencyTestCase(HooksTestCase):
    def setUp(self):
        super().setUp()
        self.door = self.gate()
        for kind in ("qemu", "lxc"):
            self.tracing_script(kind, self.door.wait)

    def send(self, guest, operation="prepare", client=None, kind="qemu"):
        return (client or self.client).send_hook(kind, guest, operation, samples.domain(guest))

    def wait_running(self, *guests, operation="prepare"):
        self.wait_traced(*(f"qemu {guest} {operation} begin -" for guest in guests))

    def wait_counts(self, running, queued):
        wait_until(lambda: (self.client.property("Running"), self.client.property("Queued")) == (running, queued),
                   f"{running} running and {queued} queued")

    def finish(self, *calls):
        """Lets all of them through, and returns the runs in the order of the calls."""
        self.door.open(len(calls))
        return [self.assert_return(call.wait()).run for call in calls]


class Order(ConcurrencyTestCase):
    def test_one_object_in_order_of_arrival(self):
        self.start()
        operations = ["prepare", "start", "started", "reconnect", "attach", "prepare", "start"]
        calls = [self.send("a", operation) for operation in operations]
        self.wait_running("a")
        self.wait_counts(1, len(calls) - 1)
        self.assertEqual(len(self.trace()), 1)
        runs = self.finish(*calls)
        self.client.finished(runs[-1])
        self.assertEqual(self.trace(), [f"qemu a {operation} begin -" for operation in operations])
        self.assertEqual([(event.name, event.run) for event in self.client.events],
                         [(name, run) for run in runs for name in ("HookStarted", "HookFinished")])

    def test_one_object_called_by_many(self):
        """Arrival is what counts, not the caller."""
        self.start()
        clients = [self.new_client() for _ in range(4)]
        calls = []
        for turn in range(12):
            calls.append(self.send("a", client=clients[turn % 4]))
            # The next one is sent when this one is known to have come.
            self.wait_counts(1, turn)
        runs = self.finish(*calls)
        self.client.finished(runs[-1])
        self.assertEqual([event.run for event in self.client.events if event.name == "HookStarted"], runs)

    def test_other_objects_side_by_side(self):
        self.start()
        guests = [f"guest-{number}" for number in range(20)]
        calls = [self.send(guest) for guest in guests]
        self.wait_running(*guests)
        self.wait_counts(20, 0)
        self.finish(*calls)

    def test_same_name_of_another_type(self):
        self.start()
        calls = [self.send("a"), self.send("a", kind="lxc")]
        self.wait_traced("qemu a prepare begin -", "lxc a prepare begin -")
        self.finish(*calls)

    def test_object_goes_on_after_a_failure(self):
        self.tracing_script("qemu", f'{self.door.wait}; [ "$2" != prepare ]')
        self.start()
        calls = [self.send("a"), self.send("a", "start")]
        self.wait_running("a")
        self.door.open(2)
        self.assert_error(calls[0].wait(), "ScriptFailed")
        self.assert_return(calls[1].wait())

    def test_daemon_calls_do_not_wait(self):
        """A modular daemon's hook may start another daemon."""
        self.tracing_script("daemon", self.door.wait)
        self.start()
        operations = ("start", "start", "reload", "shutdown")
        calls = [self.client.send_hook("daemon", "-", operation) for operation in operations]
        wait_until(lambda: len(self.trace()) == 4, "all four to run")
        self.wait_counts(4, 0)
        self.finish(*calls)

    def test_chain_is_not_interleaved(self):
        """All of a call's scripts, then all of the next call's."""
        self.tracing_script("qemu")
        self.tracing_script("qemu.d/10", self.door.wait)
        self.start()
        calls = [self.send("a", operation) for operation in ("prepare", "start")]
        self.wait_traced("qemu.d/10 a prepare begin -")
        self.finish(*calls)
        self.assertEqual(self.trace(), [f"{name} a {operation} begin -" for operation in ("prepare", "start")
                                        for name in ("qemu", "qemu.d/10")])

    def test_many(self):
        """A crowd of calls from a crowd of callers: each has its reply, and its signals come in order."""
        self.script("qemu", "exit 0")
        self.start()
        clients = [self.new_client() for _ in range(5)]
        calls = [self.send(f"guest-{number % 15}", client=clients[number % 5]) for number in range(300)]
        runs = [self.assert_return(call.wait(30)).run for call in calls]
        for run in runs:
            self.client.finished(run)
        for guest in range(15):
            started = [event.run for event in self.client.events
                       if event.name == "HookStarted" and event.object == f"guest-{guest}"]
            self.assertEqual(started, runs[guest::15])
        self.assertEqual(self.client.property("Runs"), 300)


class Replies(ConcurrencyTestCase):
    def test_reply_comes_before_hook_finished(self):
        """No caller waits for the observers."""
        self.script("qemu", "exit 0")
        self.script("lxc", "exit 1")
        self.start()
        ended = {"Qemu": self.client.finished(self.assert_return(self.send("a").wait()).run),
                 "Lxc": self.client.finished(self.assert_error(self.send("a", kind="lxc").wait(), "ScriptFailed").run)}
        wait_until(lambda: sum(seen.member == "HookFinished" for seen in self.monitor.seen) == 2,
                   "the monitor to see all")
        for member, event in ended.items():
            call = next(seen for seen in self.monitor.seen if seen.member == member)
            after = self.monitor.seen[self.monitor.seen.index(call):]
            interesting = [seen.member if seen.type == Monitor.SIGNAL else "reply" for seen in after
                           if seen in self.monitor.replies(call) or seen.member in ("HookStarted", "HookFinished")]
            orders = [["reply", "HookStarted", "HookFinished"]]
            if event.duration > QUICK:
                orders.append(["HookStarted", "reply", "HookFinished"])
            self.assertIn(interesting[:3], orders)

    def test_no_reply_wanted(self):
        """The call runs like any other; the harness checks that no reply is sent."""
        self.start()
        message = Gio.DBusMessage.new_method_call(BUS_NAME, OBJECT_PATH, INTERFACE, "Qemu")
        message.set_body(GLib.Variant("(sssss)", ("a", "prepare", "", "", samples.domain("a"))))
        message.set_flags(Gio.DBusMessageFlags.NO_REPLY_EXPECTED)
        self.client.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)
        self.wait_running("a")
        self.door.open()
        wait_until(lambda: self.client.events[1:], "both signals")
        self.assertEqual(self.client.events[1].outcome, "success")


class Leaving(ConcurrencyTestCase):
    def test_waiting_call_leaves_with_its_caller(self):
        """No run, no signal; those that waited behind it move up."""
        self.start()
        leaver = self.new_client()
        first = self.send("a")
        self.wait_running("a")
        self.send("a", "start", client=leaver)
        self.wait_counts(1, 1)
        last = self.send("a", "started")
        self.wait_counts(1, 2)
        leaver.close()
        self.wait_counts(1, 1)
        runs = self.finish(first, last)
        self.client.finished(runs[-1])
        self.assertEqual(self.trace(), ["qemu a prepare begin -", "qemu a started begin -"])
        self.assertEqual([event.operation for event in self.client.events], ["prepare"] * 2 + ["started"] * 2)

    def test_running_call_is_finished(self):
        self.start()
        leaver = self.new_client()
        self.send("a", client=leaver)
        self.wait_running("a")
        leaver.close()
        wait_until(lambda: leaver.name in self.client.gone, "the caller to be gone")
        next_one = self.send("a", "start")
        self.wait_counts(1, 1)
        self.door.open()
        self.finish(next_one)

        # Signals come after the replies.
        def outcomes():
            return [event.outcome for event in self.client.events if event.name == "HookFinished"]
        wait_until(outcomes, "HookFinished")
        self.assertEqual(outcomes()[0], "success")
        self.assertEqual(self.trace(), ["qemu a prepare begin -", "qemu a start begin -"])

    def test_all_of_a_callers_calls_leave(self):
        self.start()
        leaver = self.new_client()
        first = self.send("a")
        self.wait_running("a")
        for _ in range(50):
            self.send("a", "start", client=leaver)
        self.wait_counts(1, 50)
        leaver.close()
        self.wait_counts(1, 0)
        self.finish(first)


class Caps(ConcurrencyTestCase):
    def assert_limit(self, call, *fragments):
        self.assert_error(call.wait(), "LimitExceeded", *fragments)

    def test_max_running(self):
        """Other objects wait too once so many run, in order of arrival."""
        self.start("[Bridge]\nMaxRunning=2\n")
        calls = [self.send(guest) for guest in "abcd"]
        self.wait_running("a", "b")
        self.wait_counts(2, 2)
        self.door.open()
        self.wait_running("c")
        self.wait_counts(2, 1)
        self.door.open(3)
        for call in calls:
            self.assert_return(call.wait())
        self.assertEqual([line.split()[1] for line in self.trace()[2:]], ["c", "d"])

    def test_max_running_passes_over_a_busy_object(self):
        """A free place is not kept for a call that could not use it."""
        self.start("[Bridge]\nMaxRunning=2\n")
        calls = [self.send("a"), self.send("a", "start"), self.send("b")]
        self.wait_running("a", "b")
        self.wait_counts(2, 1)
        self.finish(*calls)

    def test_max_waiting(self):
        self.start("[Bridge]\nMaxWaiting=2\n")
        calls = [self.send("a") for _ in range(3)]
        self.wait_counts(1, 2)
        self.assert_limit(self.send("a"), "a")
        self.assert_limit(self.send("a", client=self.new_client()))
        # Who need not wait is not refused.
        other = self.send("b")
        self.wait_running("b")
        self.finish(*calls, other)
        self.assertEqual(len(self.trace()), 4)

    def test_max_waiting_per_caller(self):
        self.start("[Bridge]\nMaxWaitingPerCaller=1\n")
        calls = [self.send("a"), self.send("a")]
        self.wait_counts(1, 1)
        self.assert_limit(self.send("a"), "a")
        calls.append(self.send("a", client=self.new_client()))
        self.wait_counts(1, 2)
        self.finish(*calls)
        self.assertEqual(len(self.trace()), 3)

    def test_place_is_free_again(self):
        self.start("[Bridge]\nMaxWaiting=1\nMaxWaitingPerCaller=1\n")
        first, second = self.send("a"), self.send("a")
        self.wait_counts(1, 1)
        self.assert_limit(self.send("a"))
        self.door.open()
        self.assert_return(first.wait())
        self.wait_counts(1, 0)
        third = self.send("a")
        self.wait_counts(1, 1)
        self.finish(second, third)

    def test_default_per_caller(self):
        """256 of one caller's calls may wait. (Fewer of one whom the service has not seen yet.)"""
        self.start()
        self.call_anything()
        calls = [self.send("a") for _ in range(257)]
        self.wait_counts(1, 256)
        self.assert_limit(self.send("a"), "a")
        self.assertFalse(any(call.done for call in calls))
        # Those that wait find another script, which lets them through.
        self.script("qemu", "exit 0")
        self.door.open()
        for call in calls:
            self.assert_return(call.wait(30))


if __name__ == "__main__":
    tap.main()
