#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package in a booted system, from installation to purge. $top_builddir has it as virt-hooks.deb."""

import contextlib
import os
import unittest

import machine
from inside import must, run, write

DEB = os.path.join(machine.TOP_BUILDDIR, "virt-hooks.deb")
HOOK, SCRIPT = "/etc/libvirt/hooks/qemu", "#!/bin/sh\nexit 0\n"


class Package(unittest.TestCase):
    def assert_hook_is_back(self):
        self.assertFalse(os.path.islink(HOOK))
        self.assertEqual(os.stat(HOOK).st_mode & 0o7777, 0o750)
        with open(HOOK, encoding="ascii") as file:
            self.assertEqual(file.read(), SCRIPT)

    def state(self):
        return run("systemctl", "is-active", "virt-hooks.service").stdout.strip()

    def test_life_of_the_package(self):
        # A system made for containers may forbid packages to start and stop services.
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/usr/sbin/policy-rc.d")
        must("dpkg", "-i", DEB)
        must(os.path.join(machine.TOP_SRCDIR, "debian", "tests", "installed"))
        write(HOOK, SCRIPT, 0o750)
        must("virt-hooks", "attach", "qemu")
        self.assertTrue(os.path.islink(HOOK))

        # An upgrade changes the program that runs, and leaves the hooks attached.
        pid = must("systemctl", "show", "-P", "MainPID", "virt-hooks.service")
        must("dpkg", "-i", DEB)
        self.assertTrue(os.path.islink(HOOK))
        self.assertEqual(self.state(), "active")
        self.assertNotEqual(must("systemctl", "show", "-P", "MainPID", "virt-hooks.service"), pid)

        must("dpkg", "-r", "virt-hooks")
        self.assert_hook_is_back()
        self.assertEqual(self.state(), "inactive")

        must("dpkg", "-i", DEB)
        must("virt-hooks", "attach", "qemu")
        must("dpkg", "--purge", "virt-hooks")
        self.assert_hook_is_back()
        self.assertFalse(os.path.exists("/etc/virt-hooks"), run("find", "/etc/virt-hooks").stdout)


if __name__ == "__main__":
    machine.main()
