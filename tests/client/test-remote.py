#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--host and --machine: the bus of another system. A program that is named ssh takes ssh's place, and carries bytes only."""

import os
import shutil
import sys

from command import NO_VERDICT, TROUBLE, USAGE, CommandTestCase
import tap
from samples import GUEST, domain

# Runs the command that ssh would run there, and carries what it reads and writes; descriptors cannot pass.
SSH = """#!{python} -B
import os, select, subprocess, sys
with open({arguments!r}, "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if "nowhere" in sys.argv:
    sys.exit("ssh: Could not resolve hostname nowhere")
bridge = subprocess.Popen([sys.argv[-1], "--bus-path={address}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
ways = {{0: bridge.stdin.fileno(), bridge.stdout.fileno(): 1}}
while True:
    for source in select.select(list(ways), [], [])[0]:
        data = os.read(source, 65536)
        if not data:
            sys.exit()
        os.write(ways[source], data)
"""


class HostTestCase(CommandTestCase):
    def setUp(self):
        if shutil.which("systemd-stdio-bridge") is None:
            self.skipTest("there is no systemd-stdio-bridge here")
        super().setUp()
        self.write(self.path("bin/ssh"), SSH.format(python=sys.executable, arguments=self.path("arguments"),
                                                    address=self.bus.address), 0o755)

    def on_host(self, *arguments, host="box", **keywords):
        path = f"{self.path('bin')}:{os.environ['PATH']}"
        # The buses here are others: what comes is from the host.
        nobody = "unix:path=/nonexistent"
        return self.bare(f"--host={host}", *arguments, PATH=path, DBUS_SYSTEM_BUS_ADDRESS=nobody,
                         DBUS_SESSION_BUS_ADDRESS=nobody, **keywords)


class Host(HostTestCase):
    def test_what_only_asks(self):
        self.script("qemu", "exit 3")
        self.start()
        run = self.call("qemu", GUEST, "start", domain())
        for arguments in (("scripts",), ("--json", "scripts"), ("history",), ("--json", "history"), ("show", run), ("list",),
                          ("reload",)):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.assert_done(self.on_host(*arguments)).output, self.virt_hooks(*arguments).output)
        with open(self.path("arguments"), encoding="utf-8") as file:
            self.assertIn(" box systemd-stdio-bridge", file.read())

    def test_status(self):
        """A process of another system has nothing to do with the one that has its number here."""
        self.start()
        result = self.assert_done(self.on_host("status"))
        self.assertIn("virt-hooksd", result.text)
        self.assertNotIn("Since:", result.text)

    def test_run(self):
        """Documents go by descriptor, which ssh does not carry: it works by another way, or is told in plain words."""
        self.tracing_script("qemu")
        self.start()
        result = self.on_host("run", "qemu", GUEST, "prepare", f"--xml={self.write(self.path('domain.xml'), domain())}")
        if result.status == 0:
            self.assertEqual(len(self.trace()), 1)
        else:
            self.assert_trouble(result, NO_VERDICT, "on that machine")

    def test_not_reached(self):
        result = self.on_host("list", host="nowhere")
        self.assertEqual((result.status, result.output), (TROUBLE, b""))
        # ssh has said something, too.
        self.assertRegex(result.complaint, r"virt-hooks: [^\n]*nowhere[^\n]*ssh")

    def test_no_service_there(self):
        self.assert_trouble(self.on_host("list"), TROUBLE, "start virt-hooksd")


class Machine(CommandTestCase):
    def test_not_there(self):
        self.assert_trouble(self.bare("--machine=nowhere", "list"), TROUBLE, "nowhere", "machinectl list")


class Local(CommandTestCase):
    def test_no_bus_can_be_named(self):
        """What would be done here is not what was asked for."""
        for verb in (("attach", "--dry-run"), ("detach", "--dry-run"), ("check", self.hooks), ("rehearse", "daemon")):
            for option in ("--host=elsewhere", "-Helsewhere", "--machine=elsewhere", "--user", "--system", "--address=unix:path=/x"):
                for words in ((option, *verb), (*verb, option)):
                    with self.subTest(words=words):
                        result = self.bare(*words)
                        self.assertEqual((result.status, result.text), (USAGE, ""))
                        self.assertRegex(result.complaint, rf"\Avirt-hooks: {verb[0]} looks at the files of this machine[^\n]+\n\Z")


if __name__ == "__main__":
    tap.main()
