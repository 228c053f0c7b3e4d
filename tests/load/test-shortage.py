#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Descriptors, processes and memory run out while many call: each call is answered, what runs is not touched, trouble of the
service's own looks like no script's verdict, and when there is enough again all is as before."""

import glob
import os
import pwd
import random
import resource
import subprocess
import tempfile
import unittest
from collections import Counter

from load import IS_SANITIZED, AnsweredCall, Holdings, LoadTestCase, wait_until
import mounts
import samples
import tap
from buses import DIES_WITH_TEST, IS_ROOT
from client import SIGNATURES
from gi.repository import GLib
from harness import read_text


# root has no limit of processes. Those of a user are counted wherever they run, so each run of this program has a user of its own.
ACCOUNT = "virt-hooks-test"

OWNER = f"""<policy user="{ACCOUNT}">
    <allow own="org.virt.Hooks"/>
    <allow send_interface="org.virt.Hooks" send_type="signal"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.virt.Hooks"/>
  </policy>"""

CALLS, CLIENTS = 600, 20

# Calls Run from five new connections at once, and counts what it hears.
FLOOD = """
import collections, os, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
connections = [Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None) for _ in range(5)]
fds = Gio.UnixFDList.new()
null = os.open("/dev/null", os.O_RDONLY)
for _ in range(16):
    fds.append(null)
heard = collections.Counter()
def on_reply(connection, result):
    try:
        connection.call_with_unix_fd_list_finish(result)
        heard["success"] += 1
    except GLib.Error as error:
        heard[(Gio.DBusError.get_remote_error(error) or str(error)).rpartition(".")[2]] += 1
for number in range(300):
    connections[number % 5].call_with_unix_fd_list(
        "org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Run",
        GLib.Variant("(sssssha{sv})", ("qemu", "x", "start", "", "", number % 16, {})), None, 0, 60000, fds, None, on_reply)
while sum(heard.values()) < 300:
    GLib.MainContext.default().iteration(True)
print(dict(heard))
"""


def add_account():
    """For this program and its children. Returns the number."""
    taken = {account.pw_uid for account in pwd.getpwall()}
    for path in glob.glob("/proc/[0-9]*"):
        try:
            taken.add(os.stat(path).st_uid)
        except FileNotFoundError:
            pass
    # None of these is given to people, and containers have them.
    number = random.choice([number for number in range(61200, 65500) if number not in taken])
    mounts.enter_private_namespace()
    with tempfile.NamedTemporaryFile("w", prefix="virt-hooks-passwd-", encoding="utf-8") as file:
        file.write(f"{read_text('/etc/passwd')}{ACCOUNT}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n")
        file.flush()
        os.chmod(file.name, 0o644)
        mounts.bind(file.name, "/etc/passwd")
    return number


class Shortage(LoadTestCase):
    user = None

    def setUp(self):
        if IS_ROOT and not Shortage.user:
            number = add_account()
            Shortage.user = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups")
        super().setUp()
        self.callers = [self.new_caller() for _ in range(CLIENTS)]

    def send(self, number, document, answered):
        """By a string, by a memfd, by a pipe: every way needs something else."""
        caller, guest = self.callers[number % CLIENTS], f"guest-{number}"
        if number % 3 == 0:
            AnsweredCall(caller, "Qemu", GLib.Variant("(sssss)", (guest, "start", "", "", document(guest))), (), answered)
            return
        path = self.write(self.path(f"documents/{number}"), document(guest))
        fd = os.open(path, os.O_RDONLY)
        body = GLib.Variant(SIGNATURES["Run"], ("qemu", guest, "start", "", "", 0, {}))
        AnsweredCall(caller, "Run", body, [fd], answered)
        os.close(fd)

    def storm(self, document=samples.domain, side_by_side=100):
        """Calls about as many objects, so many at a time; returns the replies."""
        replies = {}
        left = iter(range(CALLS))

        def send_next(*_):
            number = next(left, None)
            if number is not None:
                def on_reply(call):
                    replies[number] = call.reply
                    call.reply.close()
                    send_next()
                self.send(number, document, on_reply)
        for _ in range(side_by_side):
            send_next()
        wait_until(lambda: len(replies) == CALLS, "all replies", 60)
        return list(replies.values())

    def outcomes(self, replies):
        """What the callers heard: nobody may take a shortage for a script's verdict, which would be a success here."""
        heard = Counter(reply.error.rpartition(".")[2] if reply.error else "success" if reply.signature == "sus" else reply.values[0]
                        for reply in replies)
        self.note(", ".join(f"{count} {what}" for what, count in heard.items()))
        return heard

    def check_all_is_well(self, service, before):
        for reply in self.storm():
            self.assert_return(reply)
        self.wait_quiet(service, before)

    @staticmethod
    def limit(service, kind, soft):
        """Returns what the limit was."""
        before = resource.prlimit(service.process.pid, kind)
        resource.prlimit(service.process.pid, kind, (soft, before[1]))
        return before


class Descriptors(Shortage):
    def test_storm(self):
        """Of callers whom the service does not know yet: their calls wait for the bus to say who they are, with their descriptors."""
        gate = self.gate()
        self.script("qemu", f'[ "$1" != first ] || {gate.wait}; sleep 0.05; exit 0')
        service = self.start(prefix=("prlimit", "--nofile=120:120"))
        before = Holdings.of(service.process.pid)
        first = self.client.send_hook("qemu", "first", "start", samples.domain("first"))
        wait_until(lambda: self.client.property("Running") == 1, "the first to run")

        heard = self.outcomes(self.storm(side_by_side=200))
        # Of a plain user the kernel lets no more descriptors be on their way than the process may have. Then a result cannot be
        # sent, and the answer is that.
        self.assertLessEqual(heard.keys(), {"success", "LimitExceeded"} | (set() if IS_ROOT else {"Failed"}))
        self.assertGreater(heard["LimitExceeded"], 0)
        self.assertGreater(heard["success"], 0)

        self.assertFalse(first.done)
        gate.open()
        self.assert_return(first.wait())
        self.wait_quiet(service, before)
        reply = self.assert_return(self.client.hook("qemu", "last", "start", samples.domain("last")))
        self.assertEqual(reply.values[1], 1)

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_stranger(self):
        """Who may not call at all sends descriptors, sixteen with each call: not more of them are kept than there is room for."""
        self.script("qemu", "exit 0")
        service = self.start(prefix=("prlimit", "--nofile=200:200"))
        before = Holdings.of(service.process.pid)
        flood = subprocess.Popen([*DIES_WITH_TEST, *self.user, "/usr/bin/python3", "-B", "-c", FLOOD, self.bus.address],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, encoding="utf-8")
        self.addCleanup(flood.communicate)
        self.addCleanup(flood.kill)
        # Not by waiting for it: the monitor has to take its messages meanwhile, with all that they carry.
        wait_until(lambda: flood.poll() is not None, "all to be refused", 30)
        heard = flood.stdout.read()
        self.note(heard.strip())
        self.assertIn("AccessDenied", heard)
        self.assertNotIn("NoReply", heard)
        self.assert_return(self.client.hook("qemu", "last", "start", samples.domain("last")))
        self.wait_quiet(service, before)


@unittest.skipUnless(IS_ROOT, "only root can start the service as another user")
class Processes(Shortage):
    bus_configuration = OWNER

    def test_storm(self):
        gate = self.gate()
        os.chmod(gate.path, 0o666)
        self.script("qemu", f'[ "$1" = last ] || {gate.wait}; exit 0')  # without a process more
        service = self.start(prefix=self.user)
        before = Holdings.of(service.process.pid)

        def limit(soft):
            # As the same user: root may not everywhere.
            subprocess.run([*self.user, "prlimit", f"--pid={service.process.pid}", f"--nproc={soft}:"], check=True)
        limit(10)

        # Nine scripts and the service: who comes after them hears so at once, while they run.
        replies = []
        for number in range(CALLS):
            self.send(number, samples.domain, lambda call: (replies.append(call.reply), call.reply.close()))
            if number % CLIENTS == 0:
                wait_until(lambda: self.client.property("Running") <= 9, "the refused to go")
        wait_until(lambda: len(replies) == CALLS - 9, "all but those that run to be answered", 60)
        heard = self.outcomes(replies)
        self.assertEqual(heard, {"LimitExceeded": CALLS - 9})
        gate.open(9)
        wait_until(lambda: len(replies) == CALLS, "those that ran")
        self.assertEqual(Counter(reply.error is None for reply in replies), {True: 9, False: CALLS - 9})

        limit(1000)
        self.assert_return(self.client.hook("qemu", "last", "start", samples.domain("last")))
        self.wait_quiet(service, before)


class Memory(Shortage):
    def document(self, guest):
        return samples.large_domain(700000, guest)

    @tap.leave_out_if(IS_SANITIZED, "a sanitized program cannot have a limit of address space")
    def test_storm(self):
        """Documents of 700,000 bytes, and no room for the sixty that are under way: the connection to the bus must not be lost."""
        gate = self.gate()
        self.script("qemu", f'[ "$1" != first ] || {gate.wait}; sleep 0.05; exit 0')
        service = self.start()
        before = Holdings.of(service.process.pid)
        with open(f"/proc/{service.process.pid}/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        before_it = self.limit(service, resource.RLIMIT_AS, size + (48 << 20))
        heard = self.outcomes(self.storm(self.document, side_by_side=60))
        self.assertLessEqual(heard.keys(), {"success", "LimitExceeded"})
        self.assertGreater(heard["LimitExceeded"], 0)
        self.assertGreater(heard["success"], 0)
        resource.prlimit(service.process.pid, resource.RLIMIT_AS, before_it)
        self.check_all_is_well(service, before)


if __name__ == "__main__":
    tap.main()
