#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container of libvirt's, with plain hooks and with virt-hooks in between; and a bus without systemd, which starts the service."""

import os
import re
import shutil
import signal
import subprocess

import machine
import tap
from battery import DAEMON_RESTARTS, Normaliser, Steps
from chroot import Chroot, has_cgroups
from inside import must, run, wait_until, write
from libvirt_case import BUS, LibvirtTestCase, attach
from libvirtd import LIBVIRT_HOOKS, PLACE, VIRT_HOOKS, install_recorders

import client as bus_client

CONTAINER = """<domain type='lxc'>
  <name>web</name>
  <uuid>6b0c3c3e-4f57-4a7e-9f0e-000000000101</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type>exe</type><init>/bin/sleep</init><initarg>1000</initarg></os>
  <devices><console type='pty'/></devices>
</domain>
"""
WHY_NOT = "libvirt's LXC driver needs cgroups of version 1 here"

STARTS = ("lxc web prepare", "lxc web start", "lxc web started")
STOPS = ("lxc web stopped", "lxc web release")

PID = "/run/libvirtd.pid"
START = ("sh", "-c", f"libvirtd -d -p {PID} && until virsh list >/dev/null 2>&1; do sleep 0.05; done")
STOP = ("sh", "-c", f"kill $(cat {PID}) && while [ -e {PID} ]; do sleep 0.05; done")
RESTART = ("sh", "-c", f"{STOP[2]} && {START[2]}")

os.environ["LIBVIRT_DEFAULT_URI"] = "lxc:///system"


class Containers(Steps):
    """A container's life, and what happens when its hooks object."""

    state_commands = ("list --all --name", "domstate web --reason")
    logged_failures = 0  # they are in no journal

    def run(self):
        self.step("libvirtd starts", START, hooks=["daemon - start"])
        must("virsh", "define", write(f"{PLACE}/web.xml", CONTAINER))
        no = "echo The card is in use >&2; exit 3"
        for operation, hooks in (("prepare", STARTS[:1]), ("start", STARTS[:2])):
            self.step(f"{operation} objects", "start web", hooks=[*hooks, *STOPS], behave={f"lxc-{operation}": no})
        self.step("the container starts", "start web", hooks=STARTS)
        self.step("libvirtd restarts", RESTART, hooks=[*DAEMON_RESTARTS, "lxc web reconnect"], then=self.has_state("running"))
        return self

    @staticmethod
    def end():
        """Of the end of a container that ran libvirt tells once or twice: two of its threads do, unless one of them is late."""
        must("virsh", "destroy", "web")
        must(*STOP)


class ContainerNormaliser(Normaliser):
    """A container's number is its process's, and its console is one of many."""

    def text(self, text):
        return re.sub(r"(\bid='|/dev/pts/)\d+", r"\1N", super().text(text))


class Lxc(LibvirtTestCase):
    normaliser = ContainerNormaliser
    scripts_cgroup = ""  # nobody delegates any to the service

    def setUp(self):
        for folder in (LIBVIRT_HOOKS, VIRT_HOOKS, PLACE, "/var/lib/libvirt/lxc", "/etc/libvirt/lxc", "/run/libvirt"):
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder, 0o755)

    @classmethod
    def setUpClass(cls):
        os.makedirs("/run/dbus", exist_ok=True)
        cls.bus = subprocess.Popen(["dbus-daemon", "--system", "--nofork", "--nopidfile"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists("/run/dbus/system_bus_socket"), "the bus")

    @classmethod
    def tearDownClass(cls):
        cls.bus.send_signal(signal.SIGTERM)
        cls.bus.wait()

    def attach(self):
        install_recorders(LIBVIRT_HOOKS, "lxc")
        attach()
        observer = bus_client.Client(BUS)
        self.addCleanup(observer.close)
        return observer

    @tap.leave_out_if(not has_cgroups(), WHY_NOT)
    def test_life(self):
        install_recorders(LIBVIRT_HOOKS, "lxc")
        plain = Containers(LIBVIRT_HOOKS).run()
        plain.end()

        self.setUp()
        observer = self.attach()
        attached = Containers(VIRT_HOOKS).run()
        observer.settle()
        events = list(observer.events)
        attached.end()
        self.compare(plain, attached)
        with self.subTest("the bus"):
            self.check_bus(attached, events)

    def events(self, observer):
        observer.settle()
        return [(event.kind, event.object, event.operation, event.outcome, event.effect) for event in observer.events
                if event.name == "HookFinished"]

    @tap.leave_out_if(not has_cgroups(), WHY_NOT)
    def test_objections_that_end_it(self):
        """To a container that runs."""
        observer = self.attach()
        must(*START)
        must("virsh", "define", write(f"{PLACE}/web.xml", CONTAINER))
        for operation, effect in (("started", "abort"), ("reconnect", "kill")):
            write(f"{PLACE}/behave/lxc-{operation}", "echo I do not know it >&2; exit 1")
            self.assertEqual(run("virsh", "start", "web").status, operation == "started")
            if operation == "reconnect":
                must(*RESTART)
            wait_until(lambda: self.events(observer)[-1] == ("lxc", "web", "release", "success", "proceed"), "the container's end")
            self.assertIn(("lxc", "web", operation, "failed", effect), self.events(observer))
            shutil.rmtree(f"{PLACE}/behave")
        must(*STOP)


if __name__ == "__main__":
    if not has_cgroups():
        tap.main()
    machine.main(seconds=120, new_machine=Chroot)
