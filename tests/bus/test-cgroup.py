#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in cgroups of their own, where the service's cgroup is delegated to it: what a script starts cannot hide."""

import os
import shlex
import signal
import statistics
import sys
import time
import unittest

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "client"))

import mounts  # noqa: E402
import tap  # noqa: E402
from client import FACTOR, Call, span, wait_until  # noqa: E402
from gi.repository import GLib  # noqa: E402
from harness import IS_ROOT, WRAPPER, HooksTestCase, is_alive, read_text  # noqa: E402
from samples import GUEST, domain  # noqa: E402


def mount_point():
    """Where the second version of cgroups is mounted, if it is."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return next((line.split()[4] for line in file if " - cgroup2 " in line), None)


def cgroup_of(text):
    """The path in the second version's hierarchy, by the content of a /proc/PID/cgroup."""
    return next((line[3:] for line in text.splitlines() if line.startswith("0::")), None)


def mount_hierarchy():
    """Mounts it anew, for a container may have it read-only, and returns this program's own directory in it."""
    mounts.enter_private_namespace()
    place = None
    while found := mount_point():
        mounts.unmount(found)
        place = found
    if place is None:
        place = "/mnt"
    mounts.mount("cgroup2", place)
    path = cgroup_of(read_text("/proc/self/cgroup"))
    if path is None or ".." in path:
        raise OSError(f"this program's own cgroup is not in reach: {path}")
    return place + path.rstrip("/")


def set_mark(directory, mark="user.delegate", value=b"1"):
    os.setxattr(directory, mark, value)


def remove_tree(directory):
    """Every cgroup has to be removed by itself, when its last process is gone."""
    for parent, _, _ in os.walk(directory, topdown=False):
        def is_removed(path=parent):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                return True
            except OSError:
                return False
            return True
        wait_until(is_removed, f"{parent} to be empty")


class CgroupTestCase(HooksTestCase):
    base = None
    reason = None

    @classmethod
    def setUpClass(cls):
        try:
            CgroupTestCase.base = CgroupTestCase.base or mount_hierarchy()
            probe = f"{cls.base}/virt-hooks-probe-{os.getpid()}"
            os.mkdir(probe)
            try:
                set_mark(probe)
            finally:
                os.rmdir(probe)
        except OSError as error:
            cls.reason = f"there are no cgroups to use here: {error}"

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)
        self.cgroup = f"{self.base}/virt-hooks-test-{os.getpid()}"
        os.mkdir(self.cgroup)
        # The first cleanup is the last to be done: nothing runs any more.
        self.addCleanup(remove_tree, self.cgroup)
        super().setUp()

    def start_inside(self, settings="", mark=True):
        if mark:
            set_mark(self.cgroup)
        enter = f"echo $$ > {shlex.quote(self.cgroup)}/cgroup.procs && exec \"$@\""
        return self.start(settings, prefix=("sh", "-c", enter, "sh"))

    def cgroups(self):
        return sorted(entry.name for entry in os.scandir(self.cgroup) if entry.is_dir())

    def wait_cgroups(self, *names):
        wait_until(lambda: self.cgroups() == sorted(names), f"the cgroups {names}")

    def wait_swept(self, *names):
        """Leftovers are looked at with each run."""
        def sweep():
            self.call_anything_with_a_script()
            return self.cgroups() == sorted(names)
        wait_until(sweep, f"nothing but {names} to be left of the cgroups")

    def call_anything_with_a_script(self):
        self.script("libxl", "")
        self.call_anything()

    def send(self, operation="prepare", guest=GUEST):
        return self.client.send_hook("qemu", guest, operation, domain(guest))

    def run_ids(self, state):
        reply = Call(self.client, "ListRuns", GLib.Variant("(a{sv})", ({"state": GLib.Variant("s", state)},))).wait()
        return [run["run"] for run in self.assert_return(reply).values[0]]

    def wait_running(self, count=1):
        return wait_until(lambda: len(runs := self.run_ids("running")) == count and runs, f"{count} runs")

    def cancel(self, run):
        self.assert_return(Call(self.client, "Cancel", GLib.Variant("(s)", (run,))).wait())

    def read_pid(self, name="pid"):
        wait_until(lambda: os.path.exists(self.path(name)) and read_text(self.path(name)).endswith("\n"), "the pid")
        return int(read_text(self.path(name)))

    def detached(self, name="pid"):
        """The shell command of a child that has left session and group, and ignores TERM."""
        inside = f"trap '' TERM HUP INT; echo $$ > {shlex.quote(self.path(name))}; while :; do sleep 60 & wait; done"
        return f"setsid sh -c {shlex.quote(inside)} > /dev/null 2>&1 < /dev/null &"

    def cgroup_of_pid(self, pid):
        return cgroup_of(read_text(f"/proc/{pid}/cgroup"))


@unittest.skipUnless(IS_ROOT, "only root can mount cgroups")
class Delegated(CgroupTestCase):
    def test_run_has_its_own(self):
        door, seen = self.gate(), self.path("cgroup-of-script")
        self.script("qemu", f"cat /proc/self/cgroup > {seen}; {door.wait}")
        service = self.start_inside()
        call = self.send()
        run, = self.wait_running()
        wait_until(lambda: os.path.exists(seen) and cgroup_of(read_text(seen)), "the script to look")
        self.assertEqual(cgroup_of(read_text(seen)), f"{self.cgroup_of_pid(service.process.pid)}/run-{run}")
        self.assertEqual(self.cgroups(), [f"run-{run}"])
        door.open()
        self.assert_return(call.wait())
        self.wait_cgroups()

    def test_all_scripts_of_a_run_share_it(self):
        for name in ("qemu", "qemu.d/10"):
            self.tracing_script(name, f"grep ^0:: /proc/self/cgroup >> {self.path('seen')}")
        self.start_inside()
        self.assert_return(self.send().wait())
        first, second = read_text(self.path("seen")).splitlines()
        self.assertEqual(first, second)

    def test_side_by_side(self):
        door = self.gate()
        self.script("qemu", door.wait)
        self.start_inside()
        calls = [self.send(guest=guest) for guest in ("a", "b", "c")]
        runs = self.wait_running(3)
        self.assertEqual(self.cgroups(), sorted(f"run-{run}" for run in runs))
        door.open(3)
        for call in calls:
            self.assert_return(call.wait())
        self.wait_cgroups()

    def test_no_script_no_cgroup(self):
        self.start_inside()
        self.call_anything()
        self.assertEqual(self.cgroups(), [])

    @unittest.skipIf(WRAPPER, "valgrind does not know births of that kind")
    def test_costs_little_time(self):
        """A script is born in it. To enter it would take ten milliseconds and more, for who does not do so all the time."""
        self.script("qemu", "")

        def took():
            self.call_anything()  # who calls is known from here on
            times = []
            for _ in range(15):
                time.sleep(0.1)
                began = time.monotonic()
                self.assert_return(self.send().wait())
                times.append(time.monotonic() - began)
            return statistics.median(times)

        service = self.start()
        without = took()
        service.stop()
        self.start_inside()
        inside = took()
        print(f"# {without * 1000:.1f} ms without a cgroup, {inside * 1000:.1f} ms with one", flush=True)
        self.assertLess(inside, without + 0.006 * FACTOR)

    def test_other_mark(self):
        """systemd's older mark, which only root can set."""
        try:
            set_mark(self.cgroup, "trusted.delegate")
        except OSError as error:
            self.skipTest(f"there are no trusted attributes here: {error}")
        door = self.gate()
        self.script("qemu", door.wait)
        self.start_inside(mark=False)
        call = self.send()
        run, = self.wait_running()
        self.assertEqual(self.cgroups(), [f"run-{run}"])
        door.open()
        self.assert_return(call.wait())

    def test_leftovers_of_an_earlier_start(self):
        """Its own, where they are empty; what others made there is theirs."""
        for name in ("run-5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11", "other"):
            os.mkdir(f"{self.cgroup}/{name}")
        self.start_inside()
        self.assertEqual(self.cgroups(), ["other"])

    def test_none_to_be_had(self):
        """A run can do without."""
        with open(f"{self.cgroup}/cgroup.max.descendants", "w", encoding="ascii") as file:
            file.write("0")
        self.tracing_script("qemu")
        service = self.start_inside()
        self.assert_return(self.send().wait())
        service.wait_logged("no cgroup")
        self.assertEqual(len(self.trace()), 1)


@unittest.skipUnless(IS_ROOT, "only root can mount cgroups")
class End(CgroupTestCase):
    SETTINGS = "[Scripts]\nKillAfter=200ms\n"

    def assert_all_gone(self, *pids):
        for pid in pids:
            wait_until(lambda pid=pid: not is_alive(pid), f"{pid} to end")
        self.wait_swept()

    def test_cancel_of_what_hides(self):
        self.script("qemu", f"{self.detached()}\ntrap '' TERM; while :; do {self.gate().wait}; done")
        service = self.start_inside(self.SETTINGS)
        call = self.send()
        pid = self.read_pid()
        run, = self.wait_running()
        self.assertEqual(os.path.basename(self.cgroup_of_pid(pid)), f"run-{run}")
        self.assertNotEqual(os.getsid(pid), os.getpgid(service.process.pid))
        self.cancel(run)
        self.assert_error(call.wait(), "Cancelled", GUEST)
        self.assert_all_gone(pid)
        self.assertIsNone(service.process.poll())

    def test_script_that_obeys_takes_its_children_along(self):
        """The script ends at once; what it left ends with it, TERM or not."""
        self.script("qemu", f"{self.detached('a')}\n{self.detached('b')}\n{self.gate().wait}")
        self.start_inside(self.SETTINGS)
        call = self.send()
        pids = [self.read_pid("a"), self.read_pid("b")]
        self.cancel(self.wait_running()[0])
        self.assert_error(call.wait(), "Cancelled", GUEST)
        self.assert_all_gone(*pids)

    def test_time_out(self):
        self.script("qemu", f"{self.detached()}\n{self.gate().wait}")
        self.start_inside(f"[Scripts]\nKillAfter=200ms\nTimeout={span(1000)}\n")
        call = self.send()
        pid = self.read_pid()
        self.assert_error(call.wait(), "TimedOut", GUEST)
        self.assert_all_gone(pid)

    def test_earlier_scripts_of_the_run(self):
        """What the first script left behind belongs to the run that the second one keeps."""
        self.script("qemu", self.detached())
        self.script("qemu.d/10", self.gate().wait)
        self.start_inside(self.SETTINGS)
        call = self.send()
        pid = self.read_pid()
        self.cancel(self.wait_running()[0])
        self.assert_error(call.wait(), "Cancelled", GUEST)
        self.assert_all_gone(pid)

    def test_others_are_left_alone(self):
        """Neither the service nor another run is in the cgroup that is killed."""
        door = self.gate()
        self.script("qemu", f"{self.detached()}\n{self.gate('other').wait}")
        self.tracing_script("lxc", door.wait)
        self.start_inside(self.SETTINGS)
        other = self.client.send_hook("lxc", GUEST, "prepare", domain())
        self.wait_traced(f"lxc {GUEST} prepare begin -")
        run, = self.wait_running()
        call = self.send()
        pid = self.read_pid()
        self.cancel(next(each for each in self.wait_running(2) if each != run))
        self.assert_error(call.wait(), "Cancelled", GUEST)
        wait_until(lambda: not is_alive(pid), "the child to end")
        self.assertFalse(other.done)
        door.open()
        self.assert_return(other.wait())


@unittest.skipUnless(IS_ROOT, "only root can mount cgroups")
class Background(CgroupTestCase):
    """What a successful script leaves behind is meant to be there: a dnsmasq, a logger."""

    def start_with_a_child(self):
        self.script("qemu", self.detached())
        service = self.start_inside()
        run = self.assert_return(self.send().wait()).run
        return service, run, self.read_pid()

    def test_lives_on(self):
        _service, run, pid = self.start_with_a_child()
        self.wait_swept(f"run-{run}")
        self.assertTrue(is_alive(pid))
        self.assertEqual(os.path.basename(self.cgroup_of_pid(pid)), f"run-{run}")
        os.killpg(pid, signal.SIGKILL)
        self.wait_swept()

    def test_outlives_the_service(self):
        service, run, pid = self.start_with_a_child()
        service.stop()
        self.assertTrue(is_alive(pid))
        # And the next service, as far as it knows of it, leaves it alone, too.
        self.start_inside()
        self.call_anything_with_a_script()
        self.wait_cgroups(f"run-{run}")
        self.assertTrue(is_alive(pid))

    def test_of_a_failed_script(self):
        """A failure is a verdict, no order to kill."""
        self.script("qemu", f"{self.detached()}\nexit 3")
        self.start_inside()
        self.assert_error(self.send().wait(), "ScriptFailed")
        self.assertTrue(is_alive(self.read_pid()))

    def test_many(self):
        """Each run looks at some of the leftovers only, but all go in the end."""
        self.script("qemu", "sleep 60 > /dev/null 2>&1 < /dev/null &\necho $! >> " + self.path("pids"))
        self.start_inside()
        for _ in range(40):
            self.assert_return(self.send().wait())
        left = {cgroup_of(read_text(f"/proc/{pid}/cgroup")).rpartition("/")[2]: int(pid)
                for pid in read_text(self.path("pids")).split()}
        self.assertEqual(self.cgroups(), sorted(left))
        # The first twenty belong to daemons, whose stay, and are not in the way of the others'.
        for names in (list(left)[20:], list(left)[:20]):
            for name in names:
                os.kill(left.pop(name), signal.SIGKILL)
            self.wait_swept(*left)


@unittest.skipUnless(IS_ROOT, "only root can mount cgroups")
class NotDelegated(CgroupTestCase):
    def check_none_is_made(self):
        seen = self.path("cgroup-of-script")
        self.script("qemu", f"cat /proc/self/cgroup > {seen}")
        service = self.start_inside(mark=False)
        self.assert_return(self.send().wait())
        self.assertEqual(cgroup_of(read_text(seen)), self.cgroup_of_pid(service.process.pid))
        self.assertEqual(self.cgroups(), [])
        self.assertNotIn("cgroup", service.stderr())

    def test_no_mark(self):
        """root may write everywhere; but what is not delegated is somebody else's."""
        self.check_none_is_made()

    def test_mark_says_no(self):
        set_mark(self.cgroup, value=b"0")
        self.check_none_is_made()

    def test_cancel_without(self):
        """The process group must do: what left it lives on."""
        self.script("qemu", f"{self.detached()}\n{self.gate().wait}")
        self.start_inside("[Scripts]\nKillAfter=100ms\n", mark=False)
        call = self.send()
        pid = self.read_pid()
        self.cancel(self.wait_running()[0])
        self.assert_error(call.wait(), "Cancelled")
        self.assertTrue(is_alive(pid))


if __name__ == "__main__":
    tap.main()
