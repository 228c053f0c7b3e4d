#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package in a booted system, from installation to purge. $top_builddir has it as virt-hooks.deb."""

import contextlib
import os
import subprocess
import unittest

import machine

DEB = os.path.join(machine.TOP_BUILDDIR, "virt-hooks.deb")
HOOK = "/etc/libvirt/hooks/qemu"


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          check=False)


class Package(unittest.TestCase):
    def do(self, *command):
        result = run(*command)
        self.assertEqual(result.returncode, 0, f"{command}\n{result.stdout}")
        return result.stdout

    def write_hook(self):
        with open(HOOK, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(HOOK, 0o750)

    def assert_hook_is_back(self):
        self.assertFalse(os.path.islink(HOOK))
        self.assertEqual(os.stat(HOOK).st_mode & 0o7777, 0o750)
        with open(HOOK, encoding="ascii") as file:
            self.assertEqual(file.read(), "#!/bin/sh\nexit 0\n")

    def state(self):
        return run("systemctl", "is-active", "virt-hooks.service").stdout.strip()

    def test_life_of_the_package(self):
        # A system made for containers may forbid packages to start and stop services.
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/usr/sbin/policy-rc.d")
        self.do("dpkg", "-i", DEB)
        self.do(os.path.join(machine.TOP_SRCDIR, "debian", "tests", "installed"))
        self.write_hook()
        self.do("virt-hooks", "attach", "qemu")
        self.assertTrue(os.path.islink(HOOK))

        # An upgrade changes the program that runs, and leaves the hooks attached.
        pid = self.do("systemctl", "show", "-P", "MainPID", "virt-hooks.service")
        self.do("dpkg", "-i", DEB)
        self.assertTrue(os.path.islink(HOOK))
        self.assertEqual(self.state(), "active")
        self.assertNotEqual(self.do("systemctl", "show", "-P", "MainPID", "virt-hooks.service"), pid)

        self.do("dpkg", "-r", "virt-hooks")
        self.assert_hook_is_back()
        self.assertEqual(self.state(), "inactive")

        self.do("dpkg", "-i", DEB)
        self.do("virt-hooks", "attach", "qemu")
        self.do("dpkg", "--purge", "virt-hooks")
        self.assert_hook_is_back()
        self.assertFalse(os.path.exists("/etc/virt-hooks"), run("find", "/etc/virt-hooks").stdout)


if __name__ == "__main__":
    machine.main()
