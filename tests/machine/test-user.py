#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plain user's own service manager and bus: the first call starts the user's own service there, which runs scripts as that user."""

import contextlib
import json
import os
import pwd
import unittest

import machine
from inside import must, run, wait_until, write
from samples import domain

USER, UID = "alice", "4711"
HOME, RUNTIME = "/srv/alice", f"/run/user/{UID}"
UNIT = "virt-hooks-user.service"
HOOK = "/etc/virt-hooks/hooks/qemu"
OWN_HOOKS = f"{HOME}/.config/virt-hooks/hooks"
DROP_IN = f"{HOME}/.config/systemd/user/{UNIT}.d/hooks.conf"
TRACE = f"{RUNTIME}/trace"
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", "-i", f"HOME={HOME}",
           "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"XDG_RUNTIME_DIR={RUNTIME}", "LC_ALL=C.UTF-8")


def by_user(*command):
    return must(*AS_USER, *command)


def show(name):
    return by_user("systemctl", "--user", "show", "-P", name, UNIT).strip()


def runs():
    return [json.loads(line) for line in by_user("virt-hooks", "--user", "--json", "history", "--memory").splitlines()]


class User(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        must("useradd", "--create-home", f"--home-dir={HOME}", f"--uid={UID}", "--shell=/bin/sh", USER)
        must("systemctl", "start", f"user@{UID}.service")
        wait_until(lambda: os.path.exists(f"{RUNTIME}/bus"), "the user's bus")

    def setUp(self):
        for path in (HOOK, DROP_IN, TRACE):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        by_user("systemctl", "--user", "daemon-reload")
        by_user("systemctl", "--user", "stop", UNIT)
        self.document = write(f"{RUNTIME}/web.xml", domain("web"))

    def trace(self):
        with open(TRACE, encoding="utf-8") as file:
            return file.read().splitlines()

    def hook(self, path=HOOK, words=""):
        write(path, f'#!/bin/sh\necho "{words}$1 $2 $(id -un) $(sed -n s/^0:://p /proc/self/cgroup)" >> {TRACE}\n', 0o755)

    def assert_run_by_the_service(self, line, what):
        self.assertRegex(line, f"^{what} {USER} /user\\.slice/.*/{UNIT}/run-[0-9a-f-]{{36}}$")

    def test_the_unit_is_what_systemd_reads(self):
        verified = run(*AS_USER, "systemd-analyze", "--user", "verify", UNIT)
        self.assertEqual((verified.status, verified.stderr), (0, ""))

    def test_first_call_starts_it(self):
        """With the user's bus, not the system's, and nobody has to be asked."""
        self.hook()
        self.assertEqual(show("ActiveState"), "inactive")
        by_user("virt-hooks", "--user", "run", "qemu", "web", "start", f"--xml={self.document}")
        self.assertEqual((show("ActiveState"), show("NRestarts")), ("active", "0"))
        self.assertEqual(os.stat(f"/proc/{show('MainPID')}").st_uid, pwd.getpwnam(USER).pw_uid)
        line, = self.trace()
        self.assert_run_by_the_service(line, "web start")
        wait_until(lambda: show("StatusText") == "Waiting for calls; runs so far: 1, failed: 0", "the status")
        pid = show("MainPID")
        by_user("systemctl", "--user", "reload", UNIT)
        self.assertEqual(show("MainPID"), pid)
        self.assertNotEqual(run("systemctl", "is-active", "virt-hooks.service").stdout, "active\n")

    def test_scripts_of_the_users_own(self):
        """As the manual says where a drop-in is the way to them."""
        own_hooks = OWN_HOOKS.replace(HOME, "%h")
        self.hook(words="not ")
        self.hook(f"{OWN_HOOKS}/qemu", words="own ")
        write(DROP_IN, f"[Service]\nExecStart=\nExecStart=/usr/sbin/virt-hooksd --user --hooks-directory={own_hooks}\n")
        must("chown", "-R", f"{USER}:", HOME)
        by_user("systemctl", "--user", "daemon-reload")
        by_user("virt-hooks", "--user", "run", "qemu", "web", "start", f"--xml={self.document}")
        line, = self.trace()
        self.assert_run_by_the_service(line, "own web start")

    def test_forwarder_of_a_session_daemon(self):
        """libvirt's session daemon has the same hooks. Its environment may say nothing of a bus: the user's is found all the same."""
        self.hook()
        link = f"{RUNTIME}/qemu"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink("/usr/sbin/virt-hooks-forward", link)
        for environment in ((), ("-u", "XDG_RUNTIME_DIR")):
            by_user("env", *environment, "sh", "-c", f"{link} web started begin - <{self.document}")
        for line in self.trace():
            self.assert_run_by_the_service(line, "web started")
        self.assertEqual([(each["object"], each["operation"], each["outcome"]) for each in runs()], [("web", "started", "success")] * 2)


if __name__ == "__main__":
    machine.main()
