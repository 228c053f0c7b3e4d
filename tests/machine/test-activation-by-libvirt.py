#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real libvirtd with virt-hooks attached starts the service by its first hook, and is well served by the unit."""

import unittest

import machine
from inside import must, run, write
from libvirtd import (LIBVIRT_HOOKS, PLACE, define, events_of, install_recorders, let_it_restart, records, start_afresh,
                      start_with_network, stop_libvirtd)

UNIT = "virt-hooks.service"


class Activation(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        let_it_restart()
        start_afresh()
        install_recorders(LIBVIRT_HOOKS)
        must("virt-hooks", "attach")
        must("systemctl", "stop", UNIT)

    def state(self):
        return run("systemctl", "is-active", UNIT).stdout.strip()

    def operations(self):
        return [" ".join(event[:3]) for event in events_of(records())]

    def assert_by_the_service(self):
        for record in records():
            self.assertRegex(record["cgroup"].splitlines()[-1], r"/virt-hooks\.service/run-[0-9a-f-]{36}$")

    def test_first_hook_starts_the_service(self):
        start_with_network()
        self.assertEqual(self.state(), "active")
        define("web", 1)
        must("virsh", "start", "web")
        must("virsh", "destroy", "web")
        write(f"{PLACE}/behave/qemu-start", "echo no room >&2\nexit 3\n")
        vetoed = run("virsh", "start", "web")
        self.assertNotEqual(vetoed.status, 0)
        self.assertIn("no room", vetoed.stderr)
        write(f"{PLACE}/behave/network-start", "exit 1\n")
        must("virsh", "net-destroy", "lan")
        self.assertNotEqual(run("virsh", "net-start", "lan").status, 0)
        self.assertEqual(must("virsh", "list", "--name").split(), [])
        operations = self.operations()
        self.assertEqual(operations[:3], ["daemon - start", "network lan start", "network lan started"])
        self.assertLessEqual({"qemu web prepare", "qemu web start", "qemu web started", "qemu web stopped", "qemu web release",
                              "network lan port-created", "network lan port-deleted", "network lan stopped"}, set(operations))
        self.assertEqual(must("systemctl", "show", "-P", "NRestarts", UNIT), "0\n")
        stop_libvirtd()
        self.assertEqual(self.operations()[-1], "daemon - shutdown")
        self.assert_by_the_service()

    def test_stop_without_the_service(self):
        """The last hook of a libvirtd that stops does not start the service, which would have to wait for libvirtd."""
        must("systemctl", "start", "libvirtd.service")
        must("systemctl", "stop", UNIT)
        stop_libvirtd()
        self.assertEqual(self.operations(), ["daemon - start", "daemon - shutdown"])
        self.assertEqual(self.state(), "inactive")
        self.assertRegex(records()[-1]["cgroup"].splitlines()[-1], r"/libvirtd\.service$")


if __name__ == "__main__":
    machine.main()
