#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks status, scripts and reload: the service at a glance, what it would run, and its settings read anew."""

import os
import re
import signal
import subprocess
import time
import unittest

from command import ABSENT, TROUBLE, VIRT_HOOKS, CommandTestCase, wait_until
import tap
from client import FACTOR, INTERFACE
from harness import IS_ROOT
from samples import GUEST, domain


class Status(CommandTestCase):
    def status(self):
        return self.assert_done(self.virt_hooks("status")).text

    def field(self, name):
        return re.search(rf"(?m)^ *{name}:  (.*)$", self.status()).group(1)

    def test_up(self):
        service = self.start()
        self.assertEqual(self.status().split("\n")[0], f"● virt-hooksd {self.client.property('Version')}")
        self.assertEqual(self.field("Instance"), self.client.property("Instance"))
        self.assertEqual(self.field("Directories"), self.hooks)
        since, pid = re.fullmatch(r"(\S+ \S+); .* ago \(pid (\d+)\)", self.field("Since")).groups()
        self.assertEqual(int(pid), service.process.pid)
        started = time.mktime(time.strptime(since, "%Y-%m-%d %H:%M:%S"))
        self.assertLess(abs(time.time() - started), 20 * FACTOR)

    def test_counts(self):
        self.script("qemu", '[ "$2" != stopped ]')
        self.script("qemu.d/10", "")
        self.script("qemu.d/20", "", mode=0o644)
        self.script("network", "")
        self.start()
        self.assertEqual(self.field("Scripts"), "qemu 2, network 1")
        for operation in ("prepare", "start", "stopped"):
            self.call("qemu", GUEST, operation, domain())
        self.assertEqual(self.field("Runs"), "3, of them 1 failed; 0 run and 0 wait now")

    def test_no_scripts(self):
        self.start()
        self.assertEqual(self.field("Scripts"), "none")

    def test_what_runs_now(self):
        door = self.gate()
        self.tracing_script("qemu", door.wait)
        self.start()
        self.assertNotIn("CALLER", self.status())
        calls = [self.client.send_hook("qemu", guest, "prepare", domain(guest)) for guest in ("a", "a", "b")]
        wait_until(lambda: self.client.property("Queued") == 1, "the calls")
        head, table = self.status().split("\n\n")
        self.assertIn("2 run and 1 wait now", head)
        self.assertEqual([line.split()[1:4] for line in table.splitlines()[1:]],
                         [["a", "prepare", "running"], ["b", "prepare", "running"]])
        door.open(3)
        for call in calls:
            call.wait()

    def test_several_directories(self):
        other = self.make_directory("oth\u00e9r")
        self.start(hooks=[self.hooks, other])
        self.assertRegex(self.status(), rf"Directories:  {self.hooks}\n +{other}\n")

    def test_json(self):
        """The properties by their names, and the scripts as `scripts` has them."""
        self.script("qemu", "")
        service = self.start()
        status, = self.virt_hooks("--json", "status").objects
        properties = self.client.properties_call("GetAll", "(s)", INTERFACE).values[0]
        attached = status.pop("Attached")
        self.assertEqual(status.pop("Pid"), service.process.pid)
        self.assertLess(abs(time.time() - status.pop("Since") / 1e6), 20 * FACTOR)
        self.assertEqual(status, {**properties, "Scripts": self.virt_hooks("--json", "scripts").objects})
        self.assertEqual(self.field("Attached"), ", ".join(attached) or "none")

    def assert_without_service(self, result, status, title, fragment):
        """What is attached is on this machine's disk, and told all the same."""
        self.assertRegex(result.text, rf"\A○ virt-hooksd {title}\n     Attached:  \w+(, \w+)*\n\Z")
        self.assertEqual(result.status, status)
        self.assertRegex(result.complaint, r"\Avirt-hooks: [^\n]+\n\Z")
        self.assertIn(fragment, result.complaint)

    def test_absent(self):
        words = "the first call starts it"
        self.assert_without_service(self.virt_hooks("status"), ABSENT, "does not run", words)
        result = self.virt_hooks("status", "--json")
        self.assertEqual((result.status, list(result.objects[0])), (ABSENT, ["Attached"]))
        self.start().stop()
        self.assert_without_service(self.virt_hooks("status"), ABSENT, "does not run", words)

    def test_no_bus(self):
        """Nothing is known of the service then."""
        self.assert_without_service(self.bare(f"--address=unix:path={self.directory}/nobody", "status"), TROUBLE,
                                    "cannot be asked", "nobody")

    def test_hung(self):
        """It is there, though it does not answer."""
        service = self.start()
        service.signal(signal.SIGSTOP)
        try:
            self.assert_without_service(self.virt_hooks("status", SYSTEMD_BUS_TIMEOUT="300ms"), TROUBLE, "does not answer", "")
        finally:
            service.signal(signal.SIGCONT)


class Scripts(CommandTestCase):
    def test_table(self):
        self.script("qemu", "")
        self.script("qemu.d/10 second", "")
        self.script("qemu.d/20-not", "", mode=0o644)
        self.script("network", "", mode=0o777)
        self.start()
        result = self.assert_done(self.virt_hooks("scripts"))
        headings, *rows = result.lines
        self.assertEqual(headings.split(), ["TYPE", "RUNS", "SCRIPT", "WHY", "NOT"])
        path, why = headings.index("SCRIPT"), headings.index("WHY NOT")
        self.assertEqual([(*row[:path].split(), row[path:why].strip()) for row in rows], [
            ("qemu", "yes", f"{self.hooks}/qemu"), ("qemu", "yes", f"{self.hooks}/qemu.d/10 second"),
            ("qemu", "no", f"{self.hooks}/qemu.d/20-not"), ("network", "no", f"{self.hooks}/network")])
        self.assertEqual([row[why:].strip() != "" for row in rows], [False, False, True, True])

    def test_json(self):
        self.script("qemu", "")
        self.script("qemu.d/20-not", "", mode=0o644)
        self.start()
        listed = self.client.call("ListScripts").values[0]
        self.assertEqual(self.virt_hooks("--json", "scripts").objects,
                         [dict(zip(("type", "path", "usable", "why_not"), script, strict=True)) for script in listed])
        self.assertEqual([script[2] for script in listed], [True, False])

    def test_none(self):
        """As with the other lists, words are for people only."""
        self.start()
        self.assertEqual(self.on_terminal(80, "scripts").lines, ["There is no script."])
        self.assertEqual(self.assert_done(self.virt_hooks("scripts")).output, b"")
        self.assertEqual(self.virt_hooks("--json", "scripts").objects, [])


class Reload(CommandTestCase):
    def test_settings(self):
        self.script("qemu", self.gate().wait)
        self.start()
        before = self.client.property("ScriptsLoadedAt")
        self.write(self.path("virt-hooks.conf"), "[qemu]\nTimeout=50ms\n")
        self.assertEqual(self.assert_done(self.virt_hooks("reload")).output, b"")
        self.assertGreater(self.client.property("ScriptsLoadedAt"), before)
        self.assert_error(self.client.hook("qemu", GUEST, "prepare", domain()), "TimedOut")

    def test_wrong_settings(self):
        """The service goes on, and it is told how many were passed over."""
        self.start()
        for lines, fragment in (("Rescan=sometimes\n", "but for 1 fault;"), ("Rescan=sometimes\nColour=red\n", "but for 2 faults;")):
            self.write(self.path("virt-hooks.conf"), f"[Bridge]\n{lines}")
            self.assert_trouble(self.virt_hooks("reload"), 0, fragment, "'virt-hooks check'")
        self.assertRegex(self.virt_hooks("status").text, r"(?m)^     Settings:  2 wrong, ")
        self.assertEqual(self.virt_hooks("status", "--json").objects[0]["SettingsFaults"], 2)
        self.write(self.path("virt-hooks.conf"), "[Bridge]\nRescan=always\n")
        self.assert_done(self.virt_hooks("reload"))
        self.assertNotIn("Settings:", self.virt_hooks("status").text)

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_denied(self):
        """Who may not is told so; who may only look may look."""
        self.start()
        run = self.call("lxc", GUEST, "prepare", domain())
        user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
        if subprocess.run([*user, VIRT_HOOKS, "--version"], capture_output=True, check=False).returncode != 0:
            self.skipTest("another user cannot reach the program")
        for verb, status in (("reload", TROUBLE), (f"cancel {run}", TROUBLE), (f"show {run}", TROUBLE), ("list", 0), ("scripts", 0),
                             ("status", 0), ("history --memory", 0)):
            with self.subTest(verb=verb):
                result = self.run_program(*user, "env", f"HOME={os.devnull}", VIRT_HOOKS, self.address, *verb.split())
                self.assertEqual(result.returncode, status, result.stderr)
                if status != 0:
                    self.assertIn("org.virt.hooks.", result.stderr)


if __name__ == "__main__":
    tap.main()
