#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What make install puts in place makes a service: the first call starts it."""

import unittest

import machine
from inside import must, run


class Boot(unittest.TestCase):
    def state(self):
        return run("systemctl", "is-active", "virt-hooks.service").stdout.strip()

    def test_first_call_starts_the_service(self):
        self.assertEqual(self.state(), "inactive")
        said = must("busctl", "call", "org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Daemon", "sss", "start", "", "")
        self.assertRegex(said, r'^sus "" 0 "[0-9a-f-]{36}"\n$')
        self.assertEqual(self.state(), "active")
        self.assertIn("virt-hooksd", must("systemctl", "status", "--no-pager", "virt-hooks.service"))


if __name__ == "__main__":
    machine.main()
