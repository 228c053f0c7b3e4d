#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refused, and not skipped: scripts that others could have written, and calls that would wait for themselves."""

import os
import pwd
import re
import shlex
import unittest

import tap
from client import INTERFACE, OBJECT_PATH, wait_until
from harness import IS_ROOT, HooksTestCase
from samples import GUEST, domain

STRANGER = pwd.getpwnam("nobody").pw_uid


class Unsafe(HooksTestCase):
    """The run begins, is refused, and nothing of its chain runs."""

    def setUp(self):
        super().setUp()
        # Safe itself: it must not run beside one that is not.
        self.tracing_script("qemu")
        self.other = self.tracing_script("qemu.d/50-other")

    def start_guest(self):
        return self.client.hook("qemu", GUEST, "start", domain())

    def assert_refused(self, *fragments, effect="abort"):
        self.start()
        self.assert_refused_reply(self.start_guest(), effect, *fragments)

    def assert_refused_reply(self, reply, effect, *fragments):
        self.assert_error(reply, "ScriptRefused", GUEST, *fragments)
        event = self.client.finished(reply.run)
        self.assertEqual((event.outcome, event.effect, event.details["scripts"]), ("refused", effect, 0))
        self.assertEqual(self.trace(), [])
        self.assertEqual(self.client.property("Failures"), 1)

    def test_safe(self):
        """Without a flaw it runs, so that the tests below can fail."""
        self.start()
        self.assertEqual(self.assert_return(self.start_guest()).values[1], 2)

    def test_world_writable(self):
        os.chmod(self.other, 0o757)
        self.assert_refused(self.other)

    def test_group_writable(self):
        os.chmod(self.other, 0o775)
        self.assert_refused(self.other)

    def test_directory_that_others_may_write(self):
        for name, mode in (("hooks/qemu.d", 0o775), ("hooks/qemu.d", 0o757), ("hooks", 0o777), ("", 0o775)):
            with self.subTest(directory=name, mode=oct(mode)):
                os.chmod(self.path(name), mode)
                if not self.services:
                    self.start()
                reply = self.assert_error(self.start_guest(), "ScriptRefused", GUEST)
                self.assert_finished(reply.run, "refused", "abort", self.client.finished(reply.run).details["reason"])
                os.chmod(self.path(name), 0o755)
                self.assertEqual(self.trace(), [])
        self.assert_return(self.start_guest())

    def test_sticky_directory(self):
        """As /tmp: others may write there, but not touch what is ours."""
        os.chmod(self.path("hooks"), 0o1777)
        self.start()
        self.assert_return(self.start_guest())

    def test_link_into_a_directory_that_others_may_write(self):
        """What counts is the file that would run."""
        loose = self.make_directory("loose")
        target = self.tracing_script("target", directory=loose)
        os.chmod(loose, 0o777)
        os.unlink(self.other)
        os.symlink(target, self.other)
        self.assert_refused()

    def test_link_to_a_writable_file(self):
        target = self.tracing_script("target", directory=self.make_directory("elsewhere"), mode=0o777)
        os.unlink(self.other)
        os.symlink(target, self.other)
        self.assert_refused()

    def test_link_on_the_way(self):
        """hooks/qemu.d leads through a directory that others may write."""
        loose = self.make_directory("loose")
        self.tracing_script("d/10", directory=loose)
        os.chmod(loose, 0o777)
        os.unlink(self.other)
        os.rmdir(os.path.dirname(self.other))
        os.symlink("../loose/d", os.path.dirname(self.other))
        self.assert_refused()

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_foreign_owner(self):
        os.chown(self.other, STRANGER, -1)
        self.assert_refused(self.other)

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_foreign_directory(self):
        os.chown(os.path.dirname(self.other), STRANGER, -1)
        self.assert_refused()

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_foreign_entry_of_a_sticky_directory(self):
        """In a sticky directory an entry is its owner's."""
        os.chmod(self.path("hooks"), 0o1777)
        os.chown(os.path.join(self.hooks, "qemu"), STRANGER, -1)
        self.assert_refused()

    def test_set_uid_and_set_gid(self):
        """Hooks have no use for it, and on a file that somebody else could fill it is a trap."""
        self.start()
        for mode in (0o4755, 0o2755):
            with self.subTest(mode=oct(mode)):
                os.chmod(self.other, mode)
                reply = self.assert_error(self.start_guest(), "ScriptRefused", self.other, "set-uid or set-gid")
                self.assertEqual(self.client.finished(reply.run).outcome, "refused")
        self.assertEqual(self.trace(), [])

    @unittest.skipUnless(IS_ROOT, "only root can give files away")
    def test_foreign_link(self):
        """Whose link it is decides what runs tomorrow, however safe its target is today."""
        target = self.tracing_script("target", directory=self.make_directory("elsewhere"))
        os.unlink(self.other)
        os.symlink(target, self.other)
        os.lchown(self.other, STRANGER, -1)
        self.assert_refused(self.other)

    def test_the_command_mends_it(self):
        """Each refusal names what is at fault and a command; after that, as the administrator would give it, the script runs."""
        self.start()
        directory = os.path.dirname(self.other)
        link = os.path.join(directory, "60-link")
        os.symlink(self.tracing_script("target", directory=self.make_directory("a folder with blanks")), link)
        flaws = {
            "everybody may write it": (self.other, lambda path: os.chmod(path, 0o777)),
            "a group may write it": (self.other, lambda path: os.chmod(path, 0o775)),
            "it is set-uid": (self.other, lambda path: os.chmod(path, 0o4755)),
            "everybody may write its folder": (directory, lambda path: os.chmod(path, 0o777)),
            "everybody may write a folder above": (self.hooks, lambda path: os.chmod(path, 0o757)),
            "a script and a folder above": (f"{self.hooks}/qemu", lambda path: [os.chmod(each, 0o777) for each in (self.hooks, path)]),
            "a link's target may be replaced": (self.path("a folder with blanks"), lambda path: os.chmod(path, 0o777)),
        }
        if IS_ROOT:
            flaws |= {
                "it is a stranger's": (self.other, lambda path: os.chown(path, STRANGER, -1)),
                "its folder is a stranger's": (directory, lambda path: os.chown(path, STRANGER, -1)),
                "the link is a stranger's": (link, lambda path: os.lchown(path, STRANGER, -1)),
            }
        for name, (path, spoil) in flaws.items():
            with self.subTest(flaw=name):
                spoil(path)
                reply = self.assert_error(self.start_guest(), "ScriptRefused", GUEST, path)
                self.client.finished(reply.run)
                command = re.search(r"; '(.*)' mends it", reply.message).group(1)
                result = self.run_program("sh", "-c", command)
                self.assertEqual((result.returncode, result.stderr), (0, ""), command)
                self.assert_return(self.start_guest())

    def test_writable_but_not_executable(self):
        """What would not run is not judged."""
        os.chmod(self.other, 0o666)
        self.start()
        self.assertEqual(self.assert_return(self.start_guest()).values[1], 1)

    def test_effect_is_the_operations(self):
        os.chmod(self.other, 0o777)
        self.start()
        for operation, effect in (("stopped", "ignored"), ("reconnect", "kill"), ("migrate", "abort")):
            reply = self.assert_error(self.client.hook("qemu", GUEST, operation, domain()), "ScriptRefused")
            self.assertEqual(self.client.finished(reply.run).effect, effect)

    def test_ownership_libvirt(self):
        """libvirt checks nothing."""
        os.chmod(self.other, 0o777)
        os.chmod(self.hooks, 0o777)
        if IS_ROOT:
            os.chown(self.other, STRANGER, -1)
        self.start("[Bridge]\nOwnership=libvirt\n")
        self.assertEqual(self.assert_return(self.start_guest()).values[1], 2)
        self.assertTrue(all(usable for _, _, usable, _ in self.client.call("ListScripts").values[0]))

    def test_list_scripts_tells_why(self):
        os.chmod(self.other, 0o777)
        self.start()
        listed = {path: (usable, why) for _, path, usable, why in self.client.call("ListScripts").values[0]}
        self.assertFalse(listed[self.other][0])
        self.assertNotEqual(listed[self.other][1], "")
        self.assertEqual(listed[os.path.join(self.hooks, "qemu")], (True, ""))


class Nested(HooksTestCase):
    """Scripts that call the service themselves."""

    def gdbus(self, member, words, out="nested"):
        """The shell command for a call by gdbus, whose answer goes to a file of the given name."""
        return (f"DBUS_SYSTEM_BUS_ADDRESS={self.bus.address} gdbus call --system --dest {INTERFACE} "
                f"--object-path {OBJECT_PATH} --method {INTERFACE}.{member} {words} > {self.path(out)} 2>&1")

    def nested_call(self, guest, operation="start", out="nested"):
        document = self.write(self.path(f"{guest}.xml"), domain(guest))
        return self.gdbus("Qemu", f"{guest} {operation} '' '' \"$(cat {document})\"", out)

    def answer(self, out="nested"):
        with open(self.path(out), encoding="utf-8") as file:
            return file.read()

    def assert_deadlock(self, guest, out="nested"):
        self.assertIn(f"{INTERFACE}.Error.WouldDeadlock", self.answer(out))
        self.assertIn(guest, self.answer(out))

    def assert_answered(self, out="nested"):
        self.assertTrue(self.answer(out).startswith("('', uint32 "), self.answer(out))

    def start_guest(self, guest=GUEST, operation="start"):
        return self.client.hook("qemu", guest, operation, domain(guest), seconds=15)

    def test_same_object(self):
        """Refused at once, and without signals; the script goes on as it likes."""
        self.tracing_script("qemu", f"{self.nested_call(GUEST, 'started')}; exit 0")
        self.start()
        reply = self.assert_return(self.start_guest())
        self.assert_deadlock(GUEST)
        self.client.finished(reply.run)
        self.client.settle()
        self.assertEqual([event.run for event in self.client.events], [reply.run] * 2)
        self.assertEqual(self.trace(), ["qemu web-01 start begin -"])

    def test_other_object(self):
        self.tracing_script("qemu", f'[ "$1" != web-01 ] || {self.nested_call("web-02")}')
        self.start()
        self.assert_return(self.start_guest())
        self.assert_answered()
        self.assertEqual(self.trace(), ["qemu web-01 start begin -", "qemu web-02 start begin -"])

    def test_there_and_back(self):
        """A's script calls B, whose script calls A, which would wait for the first."""
        self.tracing_script("qemu", f"""case "$1" in
web-01) {self.nested_call("web-02", out="of-a")} ;;
web-02) {self.nested_call("web-01", "started", out="of-b")} ;;
esac
exit 0""")
        self.start()
        self.assert_return(self.start_guest())
        self.assert_answered("of-a")
        self.assert_deadlock(GUEST, "of-b")
        self.assertEqual(len(self.trace()), 2)

    def test_from_a_grandchild(self):
        self.tracing_script("qemu", f"bash -c 'sh -c \"$1\"; exit 0' x {shlex.quote(self.nested_call(GUEST))}; exit 0")
        self.start()
        self.assert_return(self.start_guest())
        self.assert_deadlock(GUEST)

    def test_behind_a_waiting_call_of_another_object(self):
        """B waits for B's own script, which waits for A: a circle through the queue."""
        gate = self.gate()
        self.tracing_script("qemu", f"""case "$1-$2" in
web-01-start) {gate.wait}; {self.nested_call("web-02", "started", out="of-a")} ;;
web-02-start) {gate.wait}; {self.nested_call("web-01", "started", out="of-b")} ;;
esac
exit 0""")
        self.start()
        calls = [self.client.send_hook("qemu", guest, "start", domain(guest)) for guest in ("web-01", "web-02")]
        self.wait_traced("qemu web-01 start begin -", "qemu web-02 start begin -")
        gate.open(2)
        for call in calls:
            self.assert_return(call.wait(15))
        refused = [out for out in ("of-a", "of-b") if "WouldDeadlock" in self.answer(out)]
        self.assertEqual(len(refused), 1, "one of the two must give way")

    def test_last_free_place(self):
        """A nested call needs no place of its own: its caller's script, which has the only one, waits for it."""
        self.tracing_script("qemu", f'[ "$1" != web-01 ] || {self.nested_call("web-02")}; exit 0')
        self.start("[Bridge]\nMaxRunning=1\n")
        self.assert_return(self.start_guest())
        self.assert_answered()

    def test_last_free_place_and_a_call_before(self):
        """What stands before a nested call, and waits for the only place, must not wait for it either."""
        gate = self.gate()
        nested_call = self.nested_call("web-02", "started")
        self.tracing_script("qemu", f'[ "$1" != web-01 ] || {{ {gate.wait}; {nested_call}; }}')
        self.start("[Bridge]\nMaxRunning=1\n")
        first = self.client.send_hook("qemu", GUEST, "start", domain())
        self.wait_traced("qemu web-01 start begin -")
        second = self.client.send_hook("qemu", "web-02", "start", domain("web-02"))
        wait_until(lambda: self.client.property("Queued") == 1, "the second call to wait")
        gate.open()
        self.assert_return(first.wait(15))
        self.assert_answered()
        self.assert_return(second.wait())
        self.assertEqual([line.split()[1:3] for line in self.trace()],
                         [["web-01", "start"], ["web-02", "start"], ["web-02", "started"]])

    def test_daemon_from_a_guests_script(self):
        """Daemon calls wait for nobody."""
        self.tracing_script("qemu", self.gdbus("Daemon", "start '' ''"))
        self.tracing_script("daemon")
        self.start()
        self.assert_return(self.start_guest())
        self.assert_answered()
        self.assertEqual(self.trace()[1], "daemon - start - start")

    def test_daemon_from_the_daemons_script(self):
        """A modular daemon's hook may start another daemon, whose hook is the same."""
        call = self.gdbus("Daemon", "reload '' ''")
        self.tracing_script("daemon", f'[ "$2" != start ] || {call}')
        self.start()
        self.assert_return(self.client.hook("daemon", "-", "start"))
        self.assert_answered()
        self.assertEqual(self.trace(), ["daemon - start - start", "daemon - reload begin SIGHUP"])

    def test_stranger_may_wait(self):
        """A call for the same object from outside is no deadlock."""
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start()
        calls = [self.client.send_hook("qemu", GUEST, operation, domain()) for operation in ("prepare", "start")]
        self.wait_traced("qemu web-01 prepare begin -")
        gate.open(2)
        for call in calls:
            self.assert_return(call.wait())

    def test_orphan_may_call_later(self):
        """A child that outlives its script is nobody's descendant any more."""
        gate, done = self.gate(), self.path("done")
        call = self.nested_call(GUEST, "started")
        self.tracing_script("qemu", f'[ "$2" != start ] || ( {gate.wait}; {call}; touch {done} ) & exit 0')
        self.start()
        self.assert_return(self.start_guest())
        gate.open()
        self.wait_traced("qemu web-01 started begin -")
        wait_until(lambda: os.path.exists(done), "the child to have its answer")
        self.assert_answered()


if __name__ == "__main__":
    tap.main()
