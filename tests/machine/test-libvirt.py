#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real libvirtd with virt-hooks attached does what it does with plain hooks, and the bus hears of all of it."""

import collections
import glob
import json
import os
import subprocess

import machine
import libvirtd
from battery import Battery
from inside import must, run, wait_until, write
from libvirt_case import LibvirtTestCase, attach
from libvirtd import LIBVIRT_HOOKS, PLACE, VIRT_HOOKS, define, install_recorders, records, run_of, start_with_network

from harness import is_alive

# What differs from plain hooks and is meant, in the words of virt-hooks-forward(8), and what here knows of it. Whatever else
# differs is a mistake.
DIFFERENCES = {
    "libvirt's own message names the link": "undo_differences()",
    "is in the scripts' environment": "undo_record()",
    "does not delay the guest": "test_background_child_does_not_delay_the_guest()",
    "marks networks as tainted by a hook even where a type has no script": "test_tainted_without_a_script()",
    "libvirt's log has the last alone": "compare()",
    "Scripts run below": "check_bus()",
    "A script that others could change is refused": "test_script_of_others_is_refused()",
}


class TheBattery(LibvirtTestCase):
    """All batteries in one test: the one is nothing without the others."""

    def test_battery(self):
        install_recorders(LIBVIRT_HOOKS)
        plain = Battery(LIBVIRT_HOOKS).run()
        self.assertTrue(all(record["cgroup"].endswith("/libvirtd.service") for step in plain.steps for record in step.records))

        self.setUp()
        install_recorders(LIBVIRT_HOOKS)
        attach()
        observer = self.observe()
        attached = Battery(VIRT_HOOKS).run()
        self.compare(plain, attached)
        with self.subTest("the bus"):
            self.check_bus(attached, observer.events())

        self.setUp()
        install_recorders(LIBVIRT_HOOKS)
        attach()
        self.forbid_service()
        with self.subTest("without the service"):
            alone = Battery(VIRT_HOOKS).run()
            self.compare(plain, alone)
            self.check_journal(alone)

    def forbid_service(self):
        must("systemctl", "mask", "--runtime", "--now", "virt-hooks.service")
        self.addCleanup(must, "systemctl", "unmask", "--runtime", "virt-hooks.service")

    def check_journal(self, alone):
        """The forwarder has run them below libvirtd, and said so."""
        all_records = [record for step in alone.steps for record in step.records]
        for record in all_records:
            self.assertTrue(record["cgroup"].endswith("/libvirtd.service"), record["cgroup"])
        run_ids = list(dict.fromkeys(map(run_of, all_records)))
        must("journalctl", "--sync")
        lines = must("journalctl", "-q", "-o", "json", "VIRT_HOOKS_VIA=direct", "SYSLOG_IDENTIFIER=virt-hooks-forward").splitlines()
        logged = [entry["VIRT_HOOKS_RUN"] for entry in map(json.loads, lines) if "VIRT_HOOKS_OUTCOME" in entry]
        self.assertEqual([run_id for run_id in logged if run_id in run_ids], run_ids)


class Differences(LibvirtTestCase):
    """Those of the differences that the battery can't undo, each on both sides."""

    def test_manual_has_the_same_list(self):
        with open(os.path.join(machine.TOP_SRCDIR, "man", "virt-hooks-forward.8.in"), encoding="utf-8") as file:
            section = file.read().partition(".Sh WHAT DIFFERS FROM PLAIN HOOKS")[2].partition("\n.Sh ")[0]
        self.assertEqual(section.count("\n.It\n"), len(DIFFERENCES))
        for words in DIFFERENCES:
            self.assertIn(words, section.replace("\n", " "))

    def start_guest(self):
        start_with_network()
        define("web", 1)
        must("virsh", "start", "web")

    def background_child(self, folder, seconds):
        """Starts a guest whose hook leaves a child that holds its output; returns whether that lives when the guest has started."""
        pid_file = f"{PLACE}/child"
        write(f"{folder}/qemu", f'#!/bin/sh\n[ "$2" != started ] || {{ sleep {seconds} & echo $! > {pid_file}; }}\n', 0o755)
        self.start_guest()
        with open(pid_file, encoding="ascii") as file:
            pid = file.read().strip()
        lives = is_alive(pid)
        run("kill", "-9", pid)
        return lives

    def test_background_child_delays_the_guest_of_a_plain_hook(self):
        self.assertFalse(self.background_child(LIBVIRT_HOOKS, 2))

    def test_background_child_does_not_delay_the_guest(self):
        attach()
        self.assertTrue(self.background_child(VIRT_HOOKS, 1000))

    def open_to_others(self, folder):
        """What virsh says when a hook may be written by anybody."""
        write(f"{folder}/qemu", "#!/bin/sh\n", 0o777)
        start_with_network()
        define("web", 1)
        return run("virsh", "start", "web")

    def test_script_of_others_is_run_by_libvirt(self):
        self.assertEqual(self.open_to_others(LIBVIRT_HOOKS).status, 0)

    def test_script_of_others_is_refused(self):
        attach()
        said = self.open_to_others(VIRT_HOOKS)
        self.assertEqual(said.status, 1)
        self.assertRegex(said.stderr, rf"unexpected exit status 1: virt-hooks: .*{VIRT_HOOKS}/qemu")

    def tainted(self):
        cursor = libvirtd.log_cursor()
        self.start_guest()
        return [line.split(" ")[0] for line in libvirtd.libvirtd_log(cursor) if "tainted" in line]

    def test_nothing_is_tainted_without_a_plain_hook(self):
        self.assertEqual(self.tainted(), [])

    def test_tainted_without_a_script(self):
        attach()
        self.assertEqual(sorted(set(self.tainted())), ["Network"])


class ManyGuests(LibvirtTestCase):
    """Ten guests start and stop at a time, five times over."""

    guests = [f"g{number}" for number in range(10, 20)]

    def at_a_time(self, verb):
        """virsh for all guests at once."""
        started = [subprocess.Popen(["virsh", "-q", verb, guest], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, encoding="utf-8") for guest in self.guests]
        said = [process.communicate(timeout=120 * machine.FACTOR)[0] for process in started]
        self.assertEqual([process.returncode for process in started], [0] * len(self.guests), said)

    @staticmethod
    def left():
        """What the service holds: its descriptors, its processes, its cgroups; and who else of us runs."""
        pid = must("systemctl", "show", "-P", "MainPID", "virt-hooks.service").strip()
        cgroup = f"/sys/fs/cgroup{must('systemctl', 'show', '-P', 'ControlGroup', 'virt-hooks.service').strip()}"
        processes = []
        for path in glob.glob(f"{cgroup}/**/cgroup.procs", recursive=True):
            with open(path, encoding="ascii") as file:
                processes += file.read().split()
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "processes": processes,
                "cgroups": sorted(glob.glob(f"{cgroup}/**/", recursive=True)),
                "forwarders": run("pgrep", "-x", "virt-hooks-forw").stdout}

    def test_ten_at_a_time(self):
        install_recorders(LIBVIRT_HOOKS)
        attach()
        observer = self.observe()
        start_with_network()
        for guest in self.guests:
            define(guest, int(guest[1:]))
        observer.events()
        before = self.left()
        for _ in range(5):
            self.at_a_time("start")
            self.assertEqual(sorted(must("virsh", "list", "--name").split()), self.guests)
            self.at_a_time("destroy")
        must("virsh", "net-destroy", "lan")
        libvirtd.stop_libvirtd()

        events = observer.events()
        self.check_signals(events)
        finished = [event for event in events if event.name == "HookFinished"]
        self.assertEqual({event.outcome for event in finished}, {"success"})
        for guest in self.guests:
            self.assertEqual([event.operation for event in finished if event.object == guest],
                             ["prepare", "start", "started", "stopped", "release"] * 5)
        ports = collections.Counter(event.operation for event in finished if event.kind == "network")
        self.assertEqual(ports, {"start": 1, "started": 1, "stopped": 1, "port-created": 50, "port-deleted": 50})
        self.assertEqual(collections.Counter(event.run for event in finished for _ in range(event.details["scripts"])),
                         collections.Counter(run_of(record) for record in records()))
        self.assertEqual((observer.client.property("Running"), observer.client.property("Queued")), (0, 0))
        wait_until(lambda: self.left() == before, f"{before} to be all that is left, not {self.left()}")


class Dispatchers(LibvirtTestCase):
    def life(self, base):
        """What a guest's scripts say of its life, and what virsh says when one of them objects."""
        write(f"{LIBVIRT_HOOKS}/qemu", libvirtd.DISPATCHER.replace("BASE", base), 0o755)
        script = f"""#!/bin/sh
echo "$@" >> {PLACE}/trace
[ ! -e {PLACE}/objection ] || {{ echo The card is in use >&2; exit 5; }}
"""
        for path in ("web/prepare/begin/bind.sh", "web/release/end/rebind.sh", "web/started/begin", "other/prepare/begin/never.sh"):
            write(f"{LIBVIRT_HOOKS}/qemu.d/{path}", script, 0o755)
        yield
        start_with_network()
        define("web", 1)
        must("virsh", "start", "web")
        must("virsh", "destroy", "web")
        write(f"{PLACE}/objection", "")
        yield run("virsh", "start", "web")

    @staticmethod
    def trace():
        with open(f"{PLACE}/trace", encoding="utf-8") as file:
            return file.read().splitlines()

    def compare(self, base, base_attached):
        expected = ["web prepare begin -", "web started begin -", "web release end -", "web prepare begin -", "web release end -"]
        plain = self.life(base)
        next(plain)
        told = next(plain)
        self.assertEqual(told.status, 1)
        self.assertRegex(told.stderr, r"hooks/qemu web prepare begin -\) unexpected exit status 5: The card is in use\n*$")
        self.assertEqual(self.trace(), expected)
        self.setUp()
        attached = self.life(base_attached)
        next(attached)
        attach("qemu")
        self.assertEqual(next(attached), told)
        self.assertEqual(self.trace(), expected)

    def test_beside_itself(self):
        self.compare('$(dirname "$0")', '$(dirname "$0")')

    def test_with_the_path_in_it(self):
        """The path has to be changed, or nothing is found; that it would not be the right one any more is told on the way back."""
        self.compare(LIBVIRT_HOOKS, VIRT_HOOKS)
        refused = run("virt-hooks", "detach")
        self.assertEqual(refused.status, 1)
        must("sh", "-c", refused.stderr.partition("look elsewhere: ")[2])
        must("virt-hooks", "detach")


if __name__ == "__main__":
    machine.main(seconds=360)
