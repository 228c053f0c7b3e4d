#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What make install puts in place makes a service: the first call starts it."""

import subprocess
import unittest

import machine


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          check=False)


class Boot(unittest.TestCase):
    def state(self):
        return run("systemctl", "is-active", "virt-hooks.service").stdout.strip()

    def test_first_call_starts_the_service(self):
        self.assertEqual(self.state(), "inactive")
        call = run("busctl", "call", "org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Daemon", "sss", "start", "", "")
        self.assertEqual(call.returncode, 0, call.stdout)
        self.assertRegex(call.stdout, r'^sus "" 0 "[0-9a-f-]{36}"\n$')
        self.assertEqual(self.state(), "active")
        status = run("systemctl", "status", "--no-pager", "virt-hooks.service")
        self.assertEqual(status.returncode, 0, status.stdout)
        self.assertIn("virt-hooksd", status.stdout)


if __name__ == "__main__":
    machine.main()
