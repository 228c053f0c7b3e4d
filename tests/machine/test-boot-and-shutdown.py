#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's hooks run while the machine boots and while it shuts down, with the service or, before and after it, without."""

import io
import time
import unittest

import machine
import tap
from samples import domain

FORWARD = "/etc/libvirt/hooks"
HOOK = f"""#!/bin/sh
echo "$1 $2 $(sed -n s/^0:://p /proc/self/cgroup)" >> {machine.RESULTS}/hooks
"""
# How long virt-hooks-forward waits for a bus that does not let it in.
CONNECT_TIMEOUT = 10


class BootAndShutdown(unittest.TestCase):
    def boot(self, units, *command):
        """Boots a machine with these units, and returns which hooks ran and in which cgroup."""
        with machine.Machine() as booted:
            for kind in ("qemu", "daemon"):
                booted.write(f"/etc/virt-hooks/hooks/{kind}", HOOK, mode=0o755)
                booted.link(f"{FORWARD}/{kind}", "/usr/sbin/virt-hooks-forward")
            booted.write("/srv/domain.xml", domain("web"))
            for name, (relations, service) in units.items():
                booted.write(f"/etc/systemd/system/{name}.service",
                             f"[Unit]\nRequiresMountsFor={machine.RESULTS}\n{relations}\n"
                             f"[Service]\nType=oneshot\nRemainAfterExit=yes\nStandardInput=file:/srv/domain.xml\n{service}\n")
            booted.write("/etc/systemd/system/virt-hooks-test.target.d/units.conf",
                         "[Unit]\n" + "".join(f"Wants={name}.service\n" for name in units))
            began = time.monotonic()
            status = booted.run(*command, seconds=60, output=io.BytesIO())
            self.took = time.monotonic() - began
            try:
                self.assertEqual(status, 0, booted.read("output"))
                return booted.read("hooks").splitlines()
            finally:
                booted.keep_logs()

    def assert_hooks(self, hooks, *expected):
        """Each is an object, an operation, and where it ran."""
        self.assertEqual(len(hooks), len(expected), hooks)
        for line, (what, where) in zip(hooks, expected, strict=True):
            self.assertTrue(line.startswith(f"{what} /"), hooks)
            self.assertRegex(line.split()[2], where)

    def test_early_boot(self):
        """Before there is a bus scripts run without the service, and so they do while its socket is there but nobody answers:
        the bus waits for basic.target, and that one for the hook. Nothing hangs."""
        hooks = self.boot({
            "before-bus": ("DefaultDependencies=no\nBefore=sysinit.target dbus.socket",
                           f"ExecStart={FORWARD}/qemu web prepare begin -"),
            "before-basic": ("DefaultDependencies=no\nAfter=before-bus.service dbus.socket\nRequires=dbus.socket\n"
                             "Before=basic.target dbus.service", f"ExecStart={FORWARD}/qemu web start begin -"),
            "after-basic": ("After=before-basic.service dbus.socket", f"ExecStart={FORWARD}/qemu web started begin -"),
        }, "/usr/bin/systemctl", "start", "after-basic.service")
        self.assert_hooks(hooks, ("web prepare", r"/before-bus\.service$"), ("web start", r"/before-basic\.service$"),
                          ("web started", r"/virt-hooks\.service/run-[0-9a-f-]{36}$"))
        self.assertGreater(self.took, CONNECT_TIMEOUT)

    def test_shutdown(self):
        """Who stops before the service, as libvirt's daemons do, is served by it; who stops after it does without."""
        hooks = self.boot({
            "like-libvirtd": ("After=virt-hooks.service dbus.service", f"ExecStop={FORWARD}/qemu web stopped end shutdown\n"
                              f"ExecStop={FORWARD}/daemon - shutdown - shutdown"),
            "after-service": ("Before=virt-hooks.service\nAfter=dbus.service", f"ExecStop={FORWARD}/qemu web release end -"),
            "after-bus": ("DefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target sysinit.target dbus.socket",
                          f"ExecStop={FORWARD}/qemu web stopped end -"),
        }, "/usr/bin/systemctl", "start", "like-libvirtd.service", "after-service.service", "after-bus.service",
            "virt-hooks.service")
        self.assert_hooks(hooks, ("web stopped", r"/virt-hooks\.service/run-[0-9a-f-]{36}$"),
                          ("- shutdown", r"/virt-hooks\.service/run-[0-9a-f-]{36}$"),
                          ("web release", r"/after-service\.service$"), ("web stopped", r"/after-bus\.service$"))

    def test_shutdown_without_the_service(self):
        """Nobody starts the service any more once the machine shuts down, and nobody waits for that."""
        hooks = self.boot({
            "like-libvirtd": ("After=virt-hooks.service dbus.service", f"ExecStop={FORWARD}/qemu web stopped end shutdown\n"
                              f"ExecStop={FORWARD}/daemon - shutdown - shutdown"),
        }, "/usr/bin/systemctl", "start", "like-libvirtd.service")
        self.assert_hooks(hooks, ("web stopped", r"/like-libvirtd\.service$"), ("- shutdown", r"/like-libvirtd\.service$"))


if __name__ == "__main__":
    tap.main()
