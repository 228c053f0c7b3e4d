#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program itself: options, settings, reload, its end, and its properties."""

import os
import re
import signal
import socket
import subprocess
import time

import samples
import tap
from buses import read_text
from client import FACTOR, INTERFACE, wait_until
from gi.repository import GLib
from harness import PATH, VIRT_HOOKSD, WRAPPER, HooksTestCase
from samples import GUEST, domain


class ServiceTestCase(HooksTestCase):
    def virt_hooksd(self, *arguments):
        """Runs the service for what it prints."""
        return self.run_program(*WRAPPER, VIRT_HOOKSD, *arguments)

    def send(self, operation="prepare", guest=GUEST):
        return self.client.send_hook("qemu", guest, operation, domain(guest))

    def wait_queued(self, count):
        wait_until(lambda: self.client.property("Queued") == count, f"{count} calls to wait")


class Options(ServiceTestCase):
    def test_version(self):
        result = self.virt_hooksd("--version")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^virt-hooks \d")
        version = re.search(r"\d+(\.\d+)*", result.stdout).group(0)
        self.start()
        self.assertEqual(self.client.property("Version"), version)

    def test_help(self):
        result = self.virt_hooksd("--help")
        self.assertEqual(result.returncode, 0, result.stderr)
        for option in ("--system", "--user", "--address=", "--config=", "--hooks-directory=", "--version", "--help"):
            self.assertIn(option, result.stdout)

    def test_wrong_options(self):
        for arguments in (["--colour"], ["--address"], ["word"], ["--hooks-directory"], ["--user=no"]):
            with self.subTest(arguments=arguments):
                result = self.virt_hooksd(*arguments)
                self.assertNotIn(result.returncode, (0, 99))
                self.assertGreater(result.returncode, 0, "ended by a signal")
                self.assertEqual(result.stdout, "")
                self.assertIn("see --help\n", result.stderr)

    def test_no_address(self):
        for address in ("foo", ""):
            result = self.virt_hooksd(f"--address={address}")
            self.assertEqual((result.returncode, result.stdout, result.stderr),
                             (1, "", f"virt-hooksd: '{address}' is no address of a bus; it is like "
                                     "unix:path=/run/dbus/system_bus_socket\n"))

    def test_relative_hooks_directory(self):
        """A script's $0 is a full path: a relative directory is made one or refused, but never taken as it is."""
        self.tracing_script("qemu", f'echo "$0" > {self.path("zero")}')
        service = self.spawn(hooks=["hooks"])
        wait_until(lambda: service.process.poll() is not None or self.client.owner(),
                   "the service to start or to give up")
        if service.process.poll() is not None:
            service.expected_status = service.process.returncode
            self.assertEqual(service.process.returncode, 1)
            self.assertIn("hooks", service.stderr())
            return
        service.wait_ready()
        self.assert_return(self.send().wait())
        with open(self.path("zero"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{self.hooks}/qemu\n")

    def test_user_bus(self):
        """--user takes the session's bus from the environment."""
        self.check_named_bus("--user", "DBUS_SESSION_BUS_ADDRESS")

    def test_system_bus(self):
        self.check_named_bus("--system", "DBUS_SYSTEM_BUS_ADDRESS")

    def check_named_bus(self, option, variable):
        config = self.write(self.path("virt-hooks.conf"), "")
        with subprocess.Popen([*WRAPPER, VIRT_HOOKSD, option, f"--config={config}", f"--hooks-directory={self.hooks}"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "PATH": PATH, variable: self.bus.address}) as process:
            try:
                wait_until(self.client.owner, "the service to own its name", 20)
            finally:
                process.terminate()
            self.assertEqual(process.wait(20 * FACTOR), 0)

    def test_no_bus(self):
        result = self.virt_hooksd(f"--address=unix:path={self.directory}/nobody", f"--hooks-directory={self.hooks}")
        self.assertEqual(result.returncode, 1)
        self.assertNotEqual(result.stderr, "")

    def test_bus_turns_away(self):
        """Nobody is let in there, which is not for want of a policy."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("closed"))
            listener.listen()
            with subprocess.Popen([*WRAPPER, VIRT_HOOKSD, f"--address=unix:path={self.path('closed')}", f"--hooks-directory={self.hooks}"],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8") as process:
                with listener.accept()[0] as connection:
                    connection.recv(1000)  # its wish to be let in
                _, errors = process.communicate(timeout=20 * FACTOR)
        self.assertEqual(process.returncode, 1)
        self.assertIn("The connection to the bus is lost", errors)
        self.assertNotIn("policy", errors)
        self.assertNotIn(".conf", errors)

    def test_second_service(self):
        """The name is taken: the second one says so and leaves the first one alone."""
        self.start()
        second = self.spawn()
        second.expected_status = 1
        second.wait_exit(20)
        self.assertEqual(second.process.returncode, 1)
        self.assertIn("already", second.stderr())
        self.assertIn(INTERFACE, second.stderr())
        self.assert_return(self.send().wait())


class Settings(ServiceTestCase):
    def drop_in(self, name, text):
        self.write(self.path(f"virt-hooks.conf.d/{name}"), text)

    def assert_told(self, service, file, line):
        """The wrong line is named with its file and number."""
        service.wait_logged(f"{self.path(file)}:{line}")

    def test_wrong_lines(self):
        lines = ["[Bridge]", "MaxRunning=many", "Rescan=sometimes", "Colour=red", "no setting", "Ownership=strict",
                 "[Scripts]", "Timeout=soon", "OutputGrace=-1s", "[bhyve]", "[qemu", "[qemu]", "HistoryRuns=3"]
        service = self.start("\n".join(lines) + "\n")
        for number in (2, 3, 4, 5, 8, 9, 10, 11, 13):
            with self.subTest(line=lines[number - 1]):
                self.assert_told(service, "virt-hooks.conf", number)
        for number in (1, 6, 7, 12):
            self.assertNotRegex(service.stderr(), rf"virt-hooks\.conf:{number}\b")

    def test_wrong_line_leaves_the_default(self):
        """Rescan=always holds: a script that comes late runs."""
        self.start("[Bridge]\nRescan=sometimes\nMaxWaiting=-5\nMaxDocument=4X\n")
        self.tracing_script("qemu")
        self.assertEqual(self.assert_return(self.send().wait()).values[1], 1)

    def test_wrong_line_leaves_the_others(self):
        self.tracing_script("qemu")
        self.start("[Bridge]\nMaxRunning=many\nMaxDocument=1K\n")
        reply = self.client.hook("qemu", GUEST, "start", samples.large_domain(2048))
        self.assert_not_run(reply, "LimitExceeded", GUEST)

    def test_comments_and_blanks(self):
        service = self.start("# comment\n; comment\n\n  [Bridge]  \n MaxRunning = 3 \n\tRescan=\talways\n")
        self.assertNotIn("virt-hooks.conf:", service.stderr())

    def test_every_setting_is_known(self):
        scripts = "Timeout=1min\nWarnAfter=30s\nKillAfter=5s\nOutputGrace=1500ms\nErrorGrace=200ms\n"
        service = self.start(
            f"[Bridge]\nHooksDirectories={self.hooks}\nRescan=always\nOwnership=strict\nMaxRunning=10\nMaxWaiting=10\n"
            "MaxWaitingPerCaller=10\nMaxUnauthorized=10\nMaxUnauthorizedPerUser=10\nMaxDocument=1M\nMaxDepth=64\nMaxOutput=1M\nMaxStderr=8K\nHistoryRuns=10\n"
            f"HistorySize=1M\nStopTimeout=5s\n[Scripts]\n{scripts}Timeout=infinity\n" +
            "".join(f"[{kind}]\n{scripts}" for kind in ("daemon", "qemu", "lxc", "libxl", "network")))
        self.assertNotIn("virt-hooks.conf:", service.stderr())

    def test_hooks_directories(self):
        """Where no option names them, the settings do; more than one are separated by blanks."""
        other = self.make_directory("other")
        self.tracing_script("qemu", directory=other)
        self.start(f"[Bridge]\nHooksDirectories={self.hooks} {other}\n", hooks=[])
        self.assertEqual(self.client.property("HooksDirectories"), [self.hooks, other])
        self.assertEqual(self.assert_return(self.send().wait()).values[1], 1)

    def test_option_replaces_the_settings_directories(self):
        other = self.make_directory("other")
        self.start(f"[Bridge]\nHooksDirectories={other}\n")
        self.assertEqual(self.client.property("HooksDirectories"), [self.hooks])

    def test_drop_ins(self):
        """Later names win, whatever lacks .conf is passed over, and a wrong line names its own file."""
        self.drop_in("20-second.conf", "[Bridge]\nMaxDocument=2K\nMaxDepth=deep\n")
        self.drop_in("10-first.conf", "[Bridge]\nMaxDocument=1M\n")
        self.drop_in("30-no-drop-in", "[Bridge]\nMaxDocument=8M\nnonsense\n")
        service = self.start("[Bridge]\nMaxDocument=1K\n")
        self.assert_told(service, "virt-hooks.conf.d/20-second.conf", 3)
        self.assertNotIn("30-no-drop-in", service.stderr())
        self.assert_return(self.client.hook("qemu", GUEST, "start", samples.large_domain(1500)))
        reply = self.client.hook("qemu", GUEST, "start", samples.large_domain(2500))
        self.assert_error(reply, "LimitExceeded")

    def test_pipe_in_the_place_of_a_file(self):
        """Nobody ever writes to it, and nobody waits for that."""
        os.mkdir(self.path("virt-hooks.conf.d"))
        os.mkfifo(self.path("virt-hooks.conf.d/10-pipe.conf"))
        service = self.start()
        service.wait_logged("10-pipe.conf")
        self.assert_return(self.client.call("Reload"))

    def test_no_settings_file(self):
        """A file that was named must be there: without it nobody knows what was wanted."""
        result = self.virt_hooksd(f"--address={self.bus.address}", f"--hooks-directory={self.hooks}",
                                  f"--config={self.path('virt-hooks.conf')}")
        self.assertEqual((result.returncode, result.stderr),
                         (1, f"virt-hooksd: {self.path('virt-hooks.conf')}: the settings cannot be read: No such file or directory\n"))


class Reload(ServiceTestCase):
    def test_method(self):
        self.start()
        before = self.client.property("ScriptsLoadedAt")
        self.assert_return(self.client.call("Reload"))
        self.assertGreater(self.client.property("ScriptsLoadedAt"), before)

    def test_sighup(self):
        service = self.start()
        before = self.client.property("ScriptsLoadedAt")
        service.signal(signal.SIGHUP)
        wait_until(lambda: self.client.property("ScriptsLoadedAt") > before, "the reload")
        self.assert_return(self.send().wait())

    def test_reads_the_settings_again(self):
        self.start()
        self.write(self.path("virt-hooks.conf"), "[Bridge]\nMaxDocument=1K\n")
        document = samples.large_domain(2048)
        self.assert_return(self.client.hook("qemu", GUEST, "start", document))
        self.assert_return(self.client.call("Reload"))
        self.assert_error(self.client.hook("qemu", GUEST, "start", document), "LimitExceeded", GUEST)

    def test_wrong_settings_are_told_again(self):
        """A wrong line in a reload is told like one at the start, and the service goes on."""
        service = self.start()
        self.write(self.path("virt-hooks.conf"), "[Bridge]\nRescan=sometimes\n")
        self.assert_return(self.client.call("Reload"))
        service.wait_logged(f"{self.path('virt-hooks.conf')}:2")
        self.assertEqual(self.client.property("SettingsFaults"), 1)
        self.assert_return(self.send().wait())

    def test_changed_properties_are_told(self):
        changed = []
        self.client.connection.signal_subscribe(
            None, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, None, 0,
            lambda *arguments: changed.append(arguments[5].unpack()))
        self.start()
        self.assert_return(self.client.call("Reload"))
        interface, values, invalidated = wait_until(lambda: changed, "PropertiesChanged")[0]
        self.assertEqual(interface, INTERFACE)
        self.assertEqual(values.keys() | set(invalidated), {"HooksDirectories", "ScriptsLoadedAt", "SettingsFaults"})

    def test_leaves_running_calls_alone(self):
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        service = self.start()
        calls = [self.send("prepare"), self.send("start")]
        self.wait_traced("qemu web-01 prepare begin -")
        self.assert_return(self.client.call("Reload"))
        service.signal(signal.SIGHUP)
        gate.open(2)
        for call in calls:
            self.assert_return(call.wait())


class Rest(ServiceTestCase):
    def test_nothing_wakes_the_service_without_work(self):
        service = self.start()
        self.script("qemu", "exit 0")
        self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))

        def switches():
            status = read_text(f"/proc/{service.process.pid}/status")
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M).group(1))

        def is_quiet():
            before = switches()
            time.sleep(0.3)
            return switches() <= before + 1
        wait_until(is_quiet, "the service to rest")


class End(ServiceTestCase):
    def setUp(self):
        super().setUp()
        self.door = self.gate()
        self.tracing_script("qemu", self.door.wait)

    def send_running_and_waiting(self, settings=""):
        service = self.start(settings)
        running = self.send("prepare")
        self.wait_traced("qemu web-01 prepare begin -")
        waiting = self.send("start")
        self.wait_queued(1)
        return service, running, waiting

    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            service = self.start()
            service.signal(number)
            service.wait_exit()
            self.assertEqual(service.process.returncode, 0)

    def test_running_may_finish(self):
        """What waits is turned away, what comes too, what runs is finished; then the service ends."""
        service, running, waiting = self.send_running_and_waiting()
        service.signal(signal.SIGTERM)
        self.assert_error(waiting.wait(), "ShuttingDown", GUEST)
        self.assert_error(self.send("started", "web-02").wait(), "ShuttingDown", "web-02")
        self.assertFalse(running.done)
        self.assertIsNone(service.process.poll())
        self.door.open()
        self.assert_finished(self.assert_return(running.wait()).run, "success", "proceed")
        service.wait_exit()
        self.assertEqual(len(self.trace()), 1)

    def test_second_sigterm(self):
        service, running, waiting = self.send_running_and_waiting()
        service.signal(signal.SIGTERM)
        self.assert_error(waiting.wait(), "ShuttingDown")
        service.signal(signal.SIGTERM)
        reply = self.assert_error(running.wait(), "Cancelled", GUEST)
        event = self.client.finished(reply.run)
        self.assertEqual((event.outcome, event.effect), ("cancelled", "abort"))
        service.wait_exit()

    def test_stop_timeout(self):
        """Scripts that do not end in time are ended, however they resist, and reported."""
        self.tracing_script("qemu", f"trap '' TERM; while :; do {self.door.wait}; done")
        service, running, waiting = self.send_running_and_waiting(
            "[Bridge]\nStopTimeout=200ms\n[Scripts]\nKillAfter=200ms\n")
        service.signal(signal.SIGTERM)
        self.assert_error(waiting.wait(), "ShuttingDown")
        reply = self.assert_error(running.wait(), "Cancelled", GUEST)
        self.assertEqual(self.client.finished(reply.run).outcome, "cancelled")
        service.wait_exit()

    def test_chain_is_finished(self):
        """A run is all of its scripts."""
        self.tracing_script("qemu.d/10")
        service, running, _waiting = self.send_running_and_waiting()
        service.signal(signal.SIGTERM)
        self.door.open()
        self.assertEqual(self.assert_return(running.wait()).values[1], 2)
        service.wait_exit()
        self.assertEqual(self.trace()[1], "qemu.d/10 web-01 prepare begin -")

    def test_bus_goes(self):
        """Without a bus there is nothing to do: the service ends by itself, and says that it did not want to."""
        service = self.start()
        self.assert_return(self.client.call("ListScripts"))
        self.bus.process.kill()
        self.bus.process.wait()
        service.wait_exit()
        self.assertIn(service.process.returncode, range(1, 99))
        service.expected_status = service.process.returncode
        self.assertNotEqual(service.stderr(), "")

    def test_bus_goes_while_a_script_runs(self):
        """The script is not torn down half-way."""
        done = self.path("done")
        self.tracing_script("qemu", f"{self.door.wait}; touch {done}")
        service = self.start()
        self.send()
        self.wait_traced("qemu web-01 prepare begin -")
        self.bus.process.kill()
        self.bus.process.wait()
        self.door.open()
        wait_until(lambda: os.path.exists(done), "the script to finish")
        service.wait_exit()
        self.assertIn(service.process.returncode, range(1, 99))
        service.expected_status = service.process.returncode

    def test_bus_goes_after_sigterm(self):
        """That is no second request to hurry."""
        done = self.path("done")
        self.tracing_script("qemu", f"{self.door.wait}; touch {done}")
        service = self.start()
        self.send()
        self.wait_traced("qemu web-01 prepare begin -")
        service.signal(signal.SIGTERM)
        service.wait_logged("Waiting for 1 running hook to end")
        self.bus.process.kill()
        self.bus.process.wait()
        service.wait_logged("is lost")
        self.door.open()
        wait_until(lambda: os.path.exists(done), "the script to finish")
        service.wait_exit()
        self.assertEqual(service.process.returncode, 1)
        service.expected_status = 1

    def test_calls_that_are_not_read_yet(self):
        """The bus has passed them on when the service is told to stop: they are answered by it, not by the bus."""
        service = self.start()
        self.assert_return(self.client.call("ListScripts"))
        service.signal(signal.SIGSTOP)
        calls = [self.send("prepare", f"web-{number:02}") for number in range(30)]
        self.client.owner()  # the bus has seen them all
        service.signal(signal.SIGTERM)
        service.signal(signal.SIGCONT)
        for call in calls:
            self.assert_error(call.wait(), "ShuttingDown")
        service.wait_exit()
        self.assertEqual(self.trace(), [])


class Properties(ServiceTestCase):
    TYPES = {"Version": "s", "HooksDirectories": "as", "Instance": "s", "ScriptsLoadedAt": "t", "SettingsFaults": "u",
             "Running": "u", "Queued": "u", "Runs": "t", "Failures": "t"}

    def test_all(self):
        before = int(time.time() * 1000000)
        self.start()
        reply = self.client.properties_call("GetAll", "(s)", INTERFACE)
        values = self.assert_return(reply).values[0]
        self.assertEqual(values.keys(), self.TYPES.keys())
        self.assertEqual(values["HooksDirectories"], [self.hooks])
        self.assertEqual([values[name] for name in ("SettingsFaults", "Running", "Queued", "Runs", "Failures")], [0] * 5)
        # Microseconds of the wall clock, as everywhere in systemd's world.
        self.assertTrue(before <= values["ScriptsLoadedAt"] <= time.time() * 1000000)

    def test_cannot_be_set(self):
        self.start()
        for name, kind in self.TYPES.items():
            value = GLib.Variant(kind, {"s": "x", "as": ["x"]}.get(kind, 1))
            self.assertIsNotNone(self.client.properties_call("Set", "(ssv)", INTERFACE, name, value).error)
        self.assertEqual(self.client.property("Runs"), 0)

    def test_instance(self):
        """The same in all signals of a service, another one after the next start; the numbers begin anew."""
        service = self.start()
        instance = self.client.property("Instance")
        reply = self.assert_return(self.send().wait())
        self.assertEqual(self.client.finished(reply.run).details["instance"], instance)
        service.stop()
        self.start()
        reply = self.assert_return(self.send().wait())
        event = self.client.started(reply.run)
        self.assertEqual(event.details["instance"], self.client.property("Instance"))
        self.assertNotEqual(event.details["instance"], instance)
        self.assertEqual(event.details["sequence"], 1)

    def test_counts(self):
        """Refused calls count nowhere: they are no runs."""
        self.script("qemu", '[ "$2" != stopped ]')
        self.start()
        for operation in ("prepare", "stopped", "start", "teleport", "stopped"):
            self.client.hook("qemu", GUEST, operation, domain())
        counts = [self.client.property(name) for name in ("Runs", "Failures", "Running", "Queued")]
        self.assertEqual(counts, [4, 2, 0, 0])


if __name__ == "__main__":
    tap.main()
