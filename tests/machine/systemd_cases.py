# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service as a unit of a real systemd: what its administrator does with it, and what it does alone."""

import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import time
import unittest

import machine
from inside import must, run, write

import client as bus_client
from client import ERROR, wait_until
from harness import Gate, is_alive
from samples import domain

BUS = "unix:path=/run/dbus/system_bus_socket"
UNIT = "virt-hooks.service"
HOOK = "/etc/virt-hooks/hooks/qemu"
SETTINGS = "/etc/virt-hooks/virt-hooks.conf"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
PLACE = "/run/hook-test"
PLAIN_USER = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
THOUSAND = 1000


def show(name):
    return must("systemctl", "show", "-P", name, UNIT).strip()


def main_pid():
    return int(show("MainPID"))


def cgroup():
    return f"/sys/fs/cgroup{show('ControlGroup')}"


def run_cgroups():
    return glob.glob(f"{cgroup()}/run-*")


def journal(*matches):
    return [json.loads(line) for line in must("journalctl", "-q", "-o", "json", *matches).splitlines()]


class SystemdTestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        # What a test that went wrong has left.
        for path in run_cgroups():
            must("sh", "-c", f"echo 1 > {path}/cgroup.kill")
        must("systemctl", "stop", UNIT)
        for path in (HOOK, SETTINGS, DROP_IN):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        must("systemctl", "daemon-reload")
        run("systemctl", "reset-failed", UNIT)
        must("rm", "-rf", PLACE)
        os.mkdir(PLACE)
        self.client = bus_client.Client(BUS)
        self.addCleanup(self.client.close)

    def gate(self, name="gate"):
        gate = Gate(f"{PLACE}/{name}")
        self.addCleanup(gate.close)
        return gate

    def hook(self, text):
        write(HOOK, f"#!/bin/sh\n{text}\n", mode=0o755)

    def drop_in(self, text):
        write(DROP_IN, f"[Service]\n{text}\n")
        must("systemctl", "daemon-reload")

    def send(self, guest, operation="start"):
        return self.client.send_hook("qemu", guest, operation, domain(guest))

    def call(self, guest, operation="start"):
        return self.send(guest, operation).wait()

    def assert_good(self, reply):
        self.assertIsNone(reply.error, str(reply))

    def wait_for_file(self, path):
        wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, f"{path} to be there")
        with open(path, encoding="utf-8") as file:
            return file.read().strip()

    def watch(self, *command):
        """What a program prints until the test ends, as a function."""
        path = f"{PLACE}/output"
        with open(path, "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def said():
            with open(path, encoding="utf-8") as file:
                return file.read()
        return said


class Unit(SystemdTestCase):
    def test_the_unit_is_what_systemd_reads(self):
        """Nothing in the unit is misspelt, and all that libvirt has are ordered after it."""
        verified = run("systemd-analyze", "verify", f"/lib/systemd/system/{UNIT}")
        self.assertEqual((verified.status, verified.stdout, verified.stderr), (0, "", ""))
        self.assertLessEqual({"libvirtd.service", "virtqemud.service", "virtlxcd.service", "virtxend.service",
                              "virtnetworkd.service"}, set(show("Before").split()))
        self.assertLessEqual({"dbus.socket", must("systemctl", "show", "-P", "Id", "dbus.service").strip()}, set(show("After").split()))
        for name, value in (("Type", "notify"), ("BusName", "org.virt.Hooks"), ("Delegate", "yes"), ("KillMode", "process"),
                            ("Restart", "on-failure"), ("TasksMax", "infinity"), ("WatchdogUSec", "3min")):
            self.assertEqual(show(name), value, name)

    def test_exposure_is_what_the_manual_says(self):
        """The score, and for each point that is open what it is open for."""
        said = must("systemd-analyze", "security", "--no-pager", UNIT)
        figure = re.search(r"exposure level for virt-hooks\.service: ([\d.]+)", said).group(1)
        with open("/usr/share/man/man8/virt-hooksd.8", encoding="utf-8") as file:
            manual = file.read()
        self.assertEqual(re.search(r"([\d.]+) of 10 points", manual).group(1), figure)
        described = {name for line in re.findall(r"(?m)^\.It (\w+=.*)$", manual) for name in re.findall(r"(\w+)=", line)}
        self.assertEqual(set(re.findall(r"(?m)^\W*✗ (\w+)=", said)) - described, set())
        self.assertIn("CapabilityBoundingSet", re.findall(r"(?m)^\W*✗ (\w+)=", said))

    def test_status(self):
        gate = self.gate()
        self.hook(gate.wait)
        first, second = self.send("web"), self.send("web")
        wait_until(lambda: show("StatusText") == "Running qemu web start, 1 calls wait", "the status")
        self.assertIn('Status: "Running qemu web start, 1 calls wait"', must("systemctl", "status", "--no-pager", UNIT))
        gate.open(2)
        for each in (first, second):
            self.assert_good(each.wait())
        wait_until(lambda: show("StatusText") == "Waiting for calls; runs so far: 2, failed: 0", "the status")

    def test_reload(self):
        self.call("web")
        pid = main_pid()
        os.mkdir(f"{PLACE}/hooks")
        write(SETTINGS, f"[Bridge]\nHooksDirectories={PLACE}/hooks\n")
        must("systemctl", "reload", UNIT)
        self.assertEqual(self.client.property("HooksDirectories"), [f"{PLACE}/hooks"])
        self.assertEqual(main_pid(), pid)

    def test_log_level(self):
        self.call("before")
        self.assertEqual(must("systemctl", "service-log-level", UNIT), "info\n")
        self.assertEqual(must("systemctl", "service-log-target", UNIT), "auto\n")
        must("systemctl", "service-log-level", UNIT, "debug")
        self.call("after")
        entries = wait_until(lambda: [entry for entry in journal("-u", UNIT, "-p", "7")
                                      if entry["MESSAGE"].startswith("qemu after start: called by ")], "the debug message")
        self.assertEqual(entries[0]["PRIORITY"], "7")
        self.assertFalse([entry for entry in journal("-u", UNIT) if entry["MESSAGE"].startswith("qemu before start: called by ")])
        property_of = ("org.virt.Hooks", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel")
        refused = run(*PLAIN_USER, "busctl", "set-property", *property_of, "s", "emerg")
        self.assertIn("Access denied", refused.stderr)
        self.assertEqual(must(*PLAIN_USER, "busctl", "get-property", *property_of), 's "debug"\n')

    def test_watchdog(self):
        """A service that hangs is ended and comes back; its hook goes on; who waited gets an error and not silence."""
        self.drop_in(f"WatchdogSec={machine.FACTOR}s\nTimeoutAbortSec=5s")
        gate = self.gate()
        self.hook(f"echo $$ > {PLACE}/pid; {gate.wait}; echo done > {PLACE}/done")
        call = self.send("web")
        script, pid = int(self.wait_for_file(f"{PLACE}/pid")), main_pid()
        os.kill(pid, signal.SIGSTOP)
        self.assertEqual(call.wait(seconds=30).error, "org.freedesktop.DBus.Error.NoReply")
        wait_until(lambda: show("ActiveState") == "active" and main_pid() not in (0, pid), "the service to be back", seconds=30)
        self.assertEqual(show("NRestarts"), "1")
        self.assertTrue([entry for entry in journal(f"UNIT={UNIT}") if "Watchdog timeout" in entry["MESSAGE"]])
        self.assertTrue(is_alive(script))
        gate.open()
        self.wait_for_file(f"{PLACE}/done")
        self.hook("exit 0")
        self.assert_good(self.call("web"))


class Restart(SystemdTestCase):
    def restart(self, change):
        """Restarts it while a hook runs and another caller waits; whoever calls afterwards never hears of it."""
        gate = self.gate()
        self.hook(f'[ "$1" != web ] || {{ echo x > {PLACE}/runs; {gate.wait}; }}')
        runs = self.send("web")
        self.wait_for_file(f"{PLACE}/runs")
        waits = self.send("web", "prepare")
        wait_until(lambda: self.client.property("Queued") == 1, "the second call to wait")
        pid, instance = main_pid(), self.client.property("Instance")
        change()
        must("systemctl", "try-restart", "--no-block", UNIT)
        reply = waits.wait()
        self.assertEqual(reply.error, ERROR + "ShuttingDown", str(reply))
        wait_until(lambda: show("StatusText").startswith("Stopping after qemu web start"), "the status")
        # libvirt's hooks are served even now.
        os.symlink("/usr/sbin/virt-hooks-forward", f"{PLACE}/qemu")
        must("sh", "-c", f"echo '{domain('other')}' | {PLACE}/qemu other start begin -")
        self.assertEqual(main_pid(), pid)
        gate.open()
        self.assert_good(runs.wait())

        def is_served():
            reply = self.call("third")
            if reply.error:
                self.assertEqual(reply.error, ERROR + "ShuttingDown", str(reply))
            return not reply.error
        wait_until(is_served, "the new service to answer")
        wait_until(lambda: main_pid() not in (0, pid), "the new service")
        self.assertNotEqual(self.client.property("Instance"), instance)
        self.assertEqual(show("Result"), "success")

    def test_restart(self):
        self.restart(lambda: None)

    def test_upgrade(self):
        def install():
            for name in ("bridge/virt-hooksd", "client/virt-hooks-forward"):
                must("install", "-m", "755", os.path.join(machine.TOP_BUILDDIR, name), "/usr/sbin")
            must("systemctl", "daemon-reload")
        self.restart(install)
        self.assertEqual(os.readlink(f"/proc/{main_pid()}/exe"), "/usr/sbin/virt-hooksd")

    def test_background_child_lives_on(self):
        self.hook(f'[ "$1" != web ] || setsid sh -c "echo \\$\\$ > {PLACE}/pid; exec sleep 1000" >/dev/null 2>&1 &')
        self.assert_good(self.call("web"))
        child = int(self.wait_for_file(f"{PLACE}/pid"))
        self.addCleanup(run, "kill", "-9", str(child))
        must("systemctl", "restart", UNIT)
        self.assertTrue(is_alive(child))
        self.assertEqual(len(run_cgroups()), 1)
        os.kill(child, signal.SIGKILL)

        def is_swept():
            self.assert_good(self.call("other"))
            return not run_cgroups()
        wait_until(is_swept, "the cgroup of the child to go")

    def test_longer_than_the_unit_gives(self):
        """A StopTimeout= that is longer than TimeoutStopSec= holds all the same."""
        for seconds in ("1min", "infinity"):
            with self.subTest(seconds):
                self.setUp()
                self.drop_in(f"TimeoutStopSec={machine.FACTOR}s")
                write(SETTINGS, f"[Bridge]\nStopTimeout={seconds}\n")
                gate = self.gate()
                self.hook(f"echo x > {PLACE}/runs; {gate.wait}")
                call = self.send("web")
                self.wait_for_file(f"{PLACE}/runs")
                must("systemctl", "stop", "--no-block", UNIT)
                wait_until(lambda: show("StatusText").startswith("Stopping after qemu web start"), "the status")
                time.sleep(1.5 * machine.FACTOR)  # nothing is to happen
                self.assertEqual(show("ActiveState"), "deactivating")
                gate.open()
                self.assert_good(call.wait())
                wait_until(lambda: show("ActiveState") == "inactive", "the service to stop")
                self.assertEqual(show("Result"), "success")

    def test_crash(self):
        self.call("web")
        pid = main_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: show("ActiveState") == "active" and main_pid() not in (0, pid), "the service to be back")
        self.assert_good(self.call("web"))


class Hooks(SystemdTestCase):
    def test_cgroup_and_cancel(self):
        """What a script starts is in its run's own cgroup, however it detaches itself, and Cancel ends it."""
        self.hook(f'setsid sh -c "echo \\$\\$ > {PLACE}/pid; exec sleep 1000" </dev/null >/dev/null 2>&1 & sleep 1000')
        call = self.send("web")
        child = int(self.wait_for_file(f"{PLACE}/pid"))
        event = wait_until(lambda: self.client.events, "the signal")[0]
        with open(f"{cgroup()}/run-{event.run}/cgroup.procs", encoding="ascii") as file:
            self.assertIn(str(child), file.read().split())
        must("virt-hooks", "cancel", event.run)
        self.assertEqual(call.wait().error, ERROR + "Cancelled")
        wait_until(lambda: not is_alive(child), "the child to be ended")
        wait_until(lambda: not run_cgroups(), "the cgroup to go")

    def test_no_sandbox(self):
        """What a hook does to the host, the host has."""
        self.hook(f"set -e; mkdir -p {PLACE}/mount; mount -t tmpfs hook {PLACE}/mount; echo hook > {PLACE}/mount/file\n"
                  "echo hook > /tmp/hook-test; ip link add hook0 type bridge; ip netns add hook-test\n"
                  "iptables -A FORWARD -i hook0 -j ACCEPT; echo 1 > /proc/sys/net/ipv4/ip_forward; echo hook > ~/hook-test\n"
                  "chrt -f 1 true; echo hook > /usr/hook-test; mknod /dev/hook-test c 1 3; runuser -u nobody true")
        try:
            reply = self.call("web")
            self.assert_good(reply)
            for path in (f"{PLACE}/mount/file", "/tmp/hook-test", os.path.expanduser("~/hook-test"), "/usr/hook-test"):
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), "hook\n")
            must("ip", "link", "show", "hook0")
            self.assertIn("hook-test", must("ip", "netns", "list"))
            must("iptables", "-C", "FORWARD", "-i", "hook0", "-j", "ACCEPT")
        finally:
            run("umount", f"{PLACE}/mount")
            run("ip", "netns", "del", "hook-test")
            run("ip", "link", "del", "hook0")

    def test_a_thousand_at_once(self):
        # So many at once are for a caller that is known already.
        self.assert_good(self.call("web"))
        self.hook(f"echo >> {PLACE}/started; until [ -e {PLACE}/go ]; do sleep 1; done")
        self.addCleanup(write, f"{PLACE}/go", "")
        begun = time.monotonic()
        calls = [self.send(f"guest-{number}") for number in range(THOUSAND)]

        def all_started():
            try:
                return os.path.getsize(f"{PLACE}/started") == THOUSAND
            except FileNotFoundError:
                return False
        wait_until(all_started, f"{THOUSAND} hooks to run at once", seconds=60)
        print(f"# {THOUSAND} hooks run after {time.monotonic() - begun:.1f} s")
        self.assertEqual((self.client.property("Running"), self.client.property("Queued")), (THOUSAND, 0))
        self.assertEqual(len(run_cgroups()), THOUSAND)
        pid = main_pid()
        write(f"{PLACE}/go", "")
        for call in calls:
            self.assert_good(call.wait(seconds=60))
        self.assertEqual((main_pid(), show("NRestarts")), (pid, "0"))
        self.assertEqual([entry["MESSAGE"] for entry in journal(f"_PID={pid}", "-p", "warning")], [])
        wait_until(lambda: not run_cgroups(), "the cgroups to go")


class People(SystemdTestCase):
    def test_plain_user_watches(self):
        """Everybody may know that a hook ran, and nobody but an administrator what it was given and what it said."""
        said = self.watch(*PLAIN_USER, "virt-hooks", "monitor")
        self.call("first")
        wait_until(lambda: "the service is there" in said() or "first" in said(), "the monitor to begin")
        self.hook("cat >&2; echo secret-words >&2; exit 3")
        self.assertEqual(self.call("web").error, ERROR + "ScriptFailed")
        wait_until(lambda: "web start failed" in said(), "the monitor to tell")
        history = must(*PLAIN_USER, "virt-hooks", "history")
        self.assertIn("web", history)
        status = must(*PLAIN_USER, "virt-hooks", "status", "--json")
        self.assertEqual(json.loads(status)["Failures"], 1)
        run_id = wait_until(lambda: [event.run for event in self.client.events if event.object == "web"], "the run")[0]
        shown = run(*PLAIN_USER, "virt-hooks", "show", run_id)
        self.assertNotEqual(shown.status, 0)
        self.assertIn("secret-words", must("virt-hooks", "show", run_id))
        for text in (said(), history, status, shown.stdout + shown.stderr):
            for secret in ("secret-words", "<domain", "<uuid>"):
                self.assertNotIn(secret, text)

    def test_plain_user_needs_an_administrator(self):
        """The real polkit is asked, and without somebody who could give the password it says no."""
        must("systemctl", "stop", "polkit.service")
        self.hook(f"echo x > {PLACE}/ran")
        document = write(f"{PLACE}/web.xml", domain("web"))
        for command in (("run", "qemu", "web", "start", f"--xml={document}"), ("reload",)):
            refused = run(*PLAIN_USER, "virt-hooks", *command)
            self.assertNotEqual(refused.status, 0)
            self.assertIn("polkit wants an administrator's password", refused.stderr)
        self.assertEqual(must("systemctl", "is-active", "polkit.service"), "active\n")
        self.assertFalse(os.path.exists(f"{PLACE}/ran"))
        must("virt-hooks", "run", "qemu", "web", "start", f"--xml={document}")
        self.assertTrue(os.path.exists(f"{PLACE}/ran"))

    def test_journal(self):
        """A guest's runs are found by its name, and explained."""
        must("journalctl", "--update-catalog")
        self.hook('[ "$1" != bad ] || { echo no room >&2; exit 3; }')
        self.call("good")
        self.assertEqual(self.call("bad").error, ERROR + "ScriptFailed")
        entries = wait_until(lambda: journal("VIRT_HOOKS_OBJECT=bad"), "the entry")
        self.assertEqual([(entry["VIRT_HOOKS_OUTCOME"], entry["VIRT_HOOKS_EXIT_STATUS"], entry["PRIORITY"], entry["_SYSTEMD_UNIT"])
                          for entry in entries], [("failed", "3", "3", UNIT)])
        self.assertIn("no room", entries[0]["MESSAGE"])
        explained = must("journalctl", "-q", "-x", "VIRT_HOOKS_OBJECT=bad")
        self.assertIn("Subject: The qemu hook start for bad failed (failed)", explained)
        self.assertIn(f"virt-hooks show {entries[0]['VIRT_HOOKS_RUN']}", explained)
        self.assertNotRegex(explained, "@[A-Z_]+@")
        self.assertIn("Subject: The qemu hook start for good did not object",
                      must("journalctl", "-q", "-x", "VIRT_HOOKS_OBJECT=good"))

    def test_journal_of_a_storm(self):
        """No run is missing in the history, whatever journald takes of other units in a while."""
        write("/run/systemd/journald.conf.d/zz-limit.conf", "[Journal]\nRateLimitIntervalSec=1h\nRateLimitBurst=10\n")
        self.addCleanup(must, "systemctl", "restart", "systemd-journald.service")
        self.addCleanup(os.unlink, "/run/systemd/journald.conf.d/zz-limit.conf")
        must("systemctl", "restart", "systemd-journald.service")
        runs = {self.call("web").run for _ in range(THOUSAND)}
        must("journalctl", "--sync")
        self.assertLessEqual(runs, {entry["VIRT_HOOKS_RUN"] for entry in journal("VIRT_HOOKS_OBJECT=web")})
