#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A storm: 10,000 calls of 50 clients about 200 objects, with scripts of every bad habit and clients of most.

What must hold after it: each call has its one reply, the right one; each call that was let in has its two signals and has run its
script once, in order for each object; and the service holds not a child, a descriptor or memory more than before. Meanwhile some hooks hang
from the beginning to the end, so whoever got an answer did not wait for them.
"""

import fcntl
import json
import os
import random
import shlex
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from load import CALLS, FACTOR, IS_SANITIZED, AnsweredCall, Holdings, LoadTestCase, hook_message, percentile, wait_until
import mounts  # noqa: E402 (buses.py knows where it lies)
import samples
import tap
from buses import DIES_WITH_TEST, IS_ROOT
from gi.repository import GLib
from client import ERROR, INVALID_ARGS, SIGNATURES

CLIENTS, OBJECTS = 50, 200
HUNG = 10
SIDE_BY_SIDE = 4  # calls that a client has under way
SEED = 20

# The storm has two halves that are alike. When it has nothing to do, the service gives back the memory that it does not need;
# a leak of a few hundred bytes in a call would show. (Smaller ones are found by the leak sanitizer, under which this runs, too.)
MEMORY_SLACK = 1024  # KiB


@dataclass(frozen=True)
class Habit:
    """What a script does, and what its caller must hear of it: None is a success."""
    weight: int
    script: str
    error: str = None
    words: str = ""
    document: str = "small"
    operation: str = "start"
    runs: bool = True
    member: str = None


HABITS = {
    "succeed": Habit(44, "exit 0"),
    "fail": Habit(10, "echo no, thanks >&2; exit 3", "ScriptFailed", "exit status 3: no, thanks"),
    "crash": Habit(4, "ulimit -c 0; kill -SEGV $$", "ScriptFailed", "fatal signal 11"),
    "hang": Habit(3, "exec sleep 1000", "Cancelled", "cancelled by uid"),
    "ignore-term": Habit(1, "trap '' TERM; while :; do sleep 1000; done", "Cancelled", "cancelled by uid"),
    "flood": Habit(2, "head -c 1500000 /dev/zero | tee /dev/stderr; exit 1", "ScriptFailed", "bytes left out"),
    "daemonise": Habit(5, "sleep 1 & exit 0"),
    "daemonise-apart": Habit(2, "setsid sleep 1 & exit 4", "ScriptFailed", "exit status 4"),
    "close-stdin": Habit(3, "exec 0<&-; exit 0", document="large"),
    "close-all": Habit(3, "exec 0<&- 1<&- 2<&-; exit 0", document="large"),
    "never-read": Habit(3, "exit 0", document="large"),
    "kill-group": Habit(3, "sh -c 'kill -KILL 0'; sleep 1000", "ScriptFailed", "fatal signal 9"),
    "fill-disk": Habit(2, 'cat /dev/zero >"$full" 2>/dev/null; s=$?; [ ! -f "$full" ] || rm "$full"; exit $s', "ScriptFailed",
                       "exit status 1"),
    "filter": Habit(4, "cat; exit 0", operation="migrate"),
    "filter-junk": Habit(1, "echo '<junk'; exit 0", "InvalidOutput", operation="migrate"),
    "filter-flood": Habit(1, "yes | head -c 5000000; exit 0", "InvalidOutput", "MaxOutput=", operation="migrate"),
    "raw": Habit(2, "cat >/dev/null; exit 0", member="Run"),
    "raw-pipe": Habit(2, "cat >/dev/null; exit 0", member="Run"),
    # For calls that the test makes beside the plan.
    "stays": Habit(0, "exec sleep 1000"),
    "slow": Habit(0, "sleep 0.3; exit 0"),
    # What never comes as far as a script.
    "junk-document": Habit(2, "exit 99", "InvalidDocument", document="junk", runs=False),
    "no-such-operation": Habit(2, "exit 99", "UnknownOperation", operation="teleport", runs=False),
    "wrong-arguments": Habit(1, "exit 99", INVALID_ARGS, member="Wrong", runs=False),
}

# A client apart, in a process of its own, with an object and a script of its own: what it waits for is the service alone.
VICTIM = """
import json, sys, time
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
arguments = GLib.Variant("(sssss)", ("victim", "start", "", "", sys.argv[2]))
took = []
while not took or sys.stdin not in __import__("select").select([sys.stdin], [], [], 0.02)[0]:
    began = time.monotonic()
    bus.call_sync("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Libxl", arguments, None, 0, 2147483647, None)
    took.append(time.monotonic() - began)
print(json.dumps(took))
"""


class Planned:
    """A call of the storm. Its extra argument tells the script what to do, and the test which call a signal is about."""

    def __init__(self, number, habit, client, guest):
        self.name = habit
        self.habit = HABITS[habit]
        self.client, self.guest = client, guest
        self.tag = f"{habit}:{number}"
        self.reply = None

    def document(self):
        if self.habit.document == "junk":
            return "<domain><name>"
        return samples.large_domain(150000, self.guest) if self.habit.document == "large" else samples.domain(self.guest)

    def send(self, caller, answered):
        arguments = [self.guest, self.habit.operation, "", self.tag]
        if self.habit.member == "Run":
            reader, writer = os.pipe() if self.name == "raw-pipe" else [os.memfd_create("document", os.MFD_ALLOW_SEALING)] * 2
            os.write(writer, self.document().encode())
            if reader == writer:
                fcntl.fcntl(reader, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
            body = GLib.Variant(SIGNATURES["Run"], ("qemu", *arguments, 0, {}))
            AnsweredCall(caller, "Run", body, [reader], answered)
            for fd in {reader, writer}:
                os.close(fd)
        elif self.habit.member == "Wrong":
            AnsweredCall(caller, "Qemu", GLib.Variant("(sau)", (self.guest, [1, 2, 3])), (), answered)
        else:
            AnsweredCall(caller, "Qemu", GLib.Variant("(sssss)", (*arguments, self.document())), (), answered)


class Storm(LoadTestCase):
    seconds = 240

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.number = 0
        self.cancelled = set()
        full = self.make_disk()
        cases = "\n".join(f"{name}:*) {habit.script} ;;" for name, habit in HABITS.items())
        self.tracing_script("qemu", f'full={full}\ncase "$4" in\n{cases}\nesac\nexit 98')
        self.script("libxl", "exit 0")

    def make_disk(self):
        """A small one, for scripts to fill. Others than root have to do with a device that is always full."""
        if not IS_ROOT:
            return "/dev/full"
        disk = self.make_directory("disk")
        mounts.enter_private_namespace()
        mounts.mount("tmpfs", disk, "size=256k,mode=755")
        self.addCleanup(mounts.unmount, disk)
        return f"{shlex.quote(disk)}/$$"

    def plan(self, count):
        names, weights = list(HABITS), [habit.weight for habit in HABITS.values()]
        plan = []
        for name in self.random.choices(names, weights, k=count):
            client = self.random.randrange(CLIENTS)
            # Most objects are called by one client alone, some by all.
            guest = self.random.randrange(OBJECTS)
            guest = guest if guest < OBJECTS // 4 else guest - guest % CLIENTS + client
            plan.append(Planned(self.number, name, client, f"guest-{min(guest, OBJECTS - 1)}"))
            self.number += 1
        return plan

    # What happens meanwhile

    def cancel_what_hangs(self):
        """An administrator ends each hook that hangs, once it has begun."""
        def tick():
            for event in self.client.events[self.n_looked_at:]:
                if event.name == "HookStarted" and event.extra.split(":")[0] in ("hang", "ignore-term"):
                    self.cancels.append(AnsweredCall(self.client, "Cancel", GLib.Variant("(s)", (event.run,)), (), lambda _: None))
            self.n_looked_at = len(self.client.events)
            return True
        self.n_looked_at = len(self.client.events)
        self.cancels = []
        return GLib.timeout_add(20, tick)

    def hang_from_beginning_to_end(self, half):
        """Hooks that hang, and calls behind them of clients that will leave."""
        hung = [self.callers[0].send_hook("qemu", f"hung-{half}-{number}", "prepare", samples.domain(f"hung-{half}-{number}"),
                                          extra="stays:0") for number in range(HUNG)]
        self.wait_running(f"hung-{half}-", HUNG)
        return hung

    def wait_running(self, prefix, count):
        """There are many events by then: each is looked at once."""
        events, seen, running = self.client.events, 0, 0

        def enough():
            nonlocal seen, running
            running += sum(event.name == "HookStarted" and event.object.startswith(prefix) for event in events[seen:])
            seen = len(events)
            return running >= count
        wait_until(enough, f"{count} runs of {prefix}", 60)

    def leave(self, half):
        """One after another comes, calls, and goes without its replies: in the queue, and in the middle."""
        for number in range(5):
            leaver = self.new_caller()
            for turn in range(10):
                leaver.send_hook("qemu", f"hung-{half}-{turn}", "start", samples.domain(f"hung-{half}-{turn}"), extra="succeed:-1")
                guest = f"left-{half}-{number}-{turn}"
                leaver.send_hook("qemu", guest, "start", samples.domain(guest), extra="slow:-1")
            self.wait_running(f"left-{half}-{number}-", 10)
            leaver.close()

    def talk_nonsense(self):
        """The bus throws out who does not speak D-Bus, and passes on the odd message, which is dropped."""
        for number in range(10):
            client = self.new_raw_client()
            client.send(hook_message("NoSuchMethod", "x"))
            blob = bytearray(client.blob(hook_message("Qemu", "x", "start", "", "", samples.domain("x"))))
            for _ in range(1 + number):
                blob[self.random.randrange(16, len(blob))] = self.random.randrange(256)
            client.send_bytes(bytes(blob) + self.random.randbytes(5000))
            wait_until(client.is_closed_by_bus, "the bus to throw out who talks nonsense")

    def never_read(self, half):
        """Calls whose replies nobody takes."""
        client = self.new_raw_client()
        for turn in range(50):
            client.send(hook_message("Qemu", f"unread-{half}", "start", "", f"flood:{-turn}", samples.domain(f"unread-{half}")))
        return client

    def start_victim(self):
        victim = subprocess.Popen([*DIES_WITH_TEST, sys.executable, "-c", VICTIM, self.bus.address, samples.domain("victim")],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        return victim

    # The storm

    def send_all(self, plan):
        left = defaultdict(list)
        for call in reversed(plan):
            left[call.client].append(call)
        answered = []

        def send_next(client):
            if left[client]:
                call = left[client].pop()

                def on_reply(sent):
                    call.reply = sent.reply
                    call.reply.close()
                    answered.append(call)
                    send_next(client)
                call.send(self.callers[client], on_reply)
        for client in range(CLIENTS):
            for _ in range(SIDE_BY_SIDE):
                send_next(client)
        return answered

    def half(self, half, count):
        plan = self.plan(count)
        ticker = self.cancel_what_hangs()
        try:
            hung = self.hang_from_beginning_to_end(half)
            victim = self.start_victim()
            answered = self.send_all(plan)
            unread = self.never_read(half)
            self.leave(half)
            self.talk_nonsense()
            wait_until(lambda: len(answered) == len(plan), "all replies", 200)
            took = json.loads(victim.communicate(b"\n")[0])
        finally:
            GLib.source_remove(ticker)
        # All this time they hung, and nobody was answered for them.
        self.assertFalse(any(call.done for call in hung))
        self.assertEqual(sum(event.object.startswith(f"hung-{half}-") for event in self.client.events), HUNG)
        for event in list(self.client.events):
            if event.name == "HookStarted" and event.object.startswith(f"hung-{half}-"):
                self.assert_return(self.client.call("Cancel", event.run))
        for call in hung:
            self.assert_error(call.wait(), "Cancelled")
        wait_until(lambda: (self.client.property("Running"), self.client.property("Queued")) == (0, 0), "all to end", 30)
        unread.close()
        self.note(f"{count} calls; a stranger's call beside them: {len(took)} times, median {percentile(took, 50) * 1000:.0f} ms, "
                  f"99th percentile {percentile(took, 99) * 1000:.0f} ms, longest {max(took) * 1000:.0f} ms")
        # Two hundred others share the processors with it, but what hangs would have it wait for ever.
        self.assertLess(percentile(took, 50), 3 * FACTOR)
        return plan

    def test_storm(self):
        service = self.start("[Bridge]\nHistoryRuns=100\nHistorySize=2M\n[Scripts]\nKillAfter=200ms\n")
        pid = service.process.pid
        self.callers = [self.new_caller() for _ in range(CLIENTS)]
        for caller in self.callers:  # known from here on
            self.assert_return(caller.call("ListScripts"))
        before = Holdings.of(pid)

        plan = self.half(1, CALLS // 2)
        middle = self.wait_trimmed(service, before)
        plan += self.half(2, CALLS // 2)
        after = self.wait_trimmed(service, before)

        self.note(f"resident memory: {before.memory} KiB before, {middle.memory} after one half, {after.memory} after the other")
        if not IS_SANITIZED:
            self.assertLess(after.memory - middle.memory, MEMORY_SLACK)
        self.client.settle()
        self.check_answers(plan)
        self.check_signalled(plan)
        self.check_order(plan)
        self.check_ran(plan)
        self.note(", ".join(f"{count} {outcome}" for outcome, count in
                            Counter(event.outcome for event in self.client.events if event.outcome).items()))

    def check_answers(self, plan):
        for call in plan:
            wanted = call.habit.error
            if wanted and "." not in wanted:
                wanted = ERROR + wanted
            self.assertEqual(call.reply.error, wanted, f"{call.tag}: {call.reply}"[:2000])
            if call.habit.words:
                self.assertIn(call.habit.words, call.reply.message[-70000:], call.tag)
            if call.name == "filter":
                self.assertEqual(call.reply.values[0], call.document())

    def check_signalled(self, plan):
        """The calls that were let in, and no others, have both signals. (That they are paired is checked after every test.)"""
        numbered = Counter(event.extra for event in self.client.events
                           if event.object.startswith("guest-") and event.name == "HookFinished")
        self.assertEqual(numbered, Counter(call.tag for call in plan if call.habit.runs))
        names = Counter(event.name for event in self.client.events)
        self.assertEqual(names["HookStarted"], names["HookFinished"])
        self.assertEqual(self.client.property("Runs"), names["HookFinished"])
        # Nobody took these replies, and they ran all the same; what waited for hung objects left with its clients.
        for half in (1, 2):
            self.assertEqual(sum(event.object == f"unread-{half}" for event in self.client.events), 2 * 50)

    def check_order(self, plan):
        """
        One at a time for an object, and each client's calls in the order in which it sent them. But a call has not arrived
        before its document has, so that of a pipe may be overtaken.
        """
        client_of = {call.tag: call.client for call in plan}
        signalled = defaultdict(list)
        for event in self.client.events:
            signalled[event.object].append(event)
        for guest, events in signalled.items():
            self.assertEqual([event.name for event in events], ["HookStarted", "HookFinished"] * (len(events) // 2), guest)
            self.assertEqual([event.run for event in events[::2]], [event.run for event in events[1::2]], guest)
            last = defaultdict(lambda: -1)
            for event in events[::2] if guest.startswith("guest-") else ():
                habit, _, number = event.extra.partition(":")
                if habit != "raw-pipe":
                    client = client_of[event.extra]
                    self.assertGreater(int(number), last[client], event)
                    last[client] = int(number)

    def check_ran(self, plan):
        """Each script once."""
        ran = Counter(line.split()[4] for line in self.trace() if line.split()[1].startswith("guest-"))
        self.assertEqual(ran, Counter(call.tag for call in plan if call.habit.runs))


if __name__ == "__main__":
    tap.main()
