#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The clients that people have: busctl, gdbus, python3-dbus."""

import json

import dbus.bus
import dbus.exceptions
import dbus.mainloop.glib
import samples
import tap
from client import ERROR, INTERFACE, OBJECT_PATH, wait_until
from harness import HooksTestCase, failure_text
from samples import GUEST, NETWORK, domain, hook_data, network, port


class ClientsTestCase(HooksTestCase):
    def assert_succeeded(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def assert_failed(self, result):
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertEqual(result.stdout, "")
        return result.stderr


class Busctl(ClientsTestCase):
    def busctl(self, *arguments):
        return self.run_program("busctl", f"--address={self.bus.address}", *arguments)

    def call(self, member, *arguments):
        return self.busctl("call", INTERFACE, OBJECT_PATH, INTERFACE, member, *arguments)

    def test_success(self):
        self.tracing_script("qemu")
        self.start()
        output = self.assert_succeeded(self.call("Qemu", "sssss", GUEST, "prepare", "begin", "-", domain()))
        kind, text, scripts, run = output.split()
        self.assertEqual((kind, text, scripts), ("sus", '""', "1"))
        self.assert_finished(run.strip('"'), "success", "proceed")
        self.assertEqual(self.trace(), ["qemu web-01 prepare begin -"])

    def test_failure(self):
        self.script("qemu", "echo 'no bridge br0' >&2; exit 1")
        self.start()
        error = self.assert_failed(self.call("Qemu", "sssss", GUEST, "start", "", "", domain()))
        expected = failure_text(f"{self.hooks}/qemu", (GUEST, "start", "begin", "-"), "exit status 1: no bridge br0")
        self.assertEqual(error.strip(), f"Call failed: {expected}")

    def test_filter(self):
        """The document that comes back can be taken from JSON, whole."""
        self.script("qemu", "sed 's|</uuid>|</uuid><title>moved</title>|'")
        self.start()
        result = self.busctl("--json=short", "call", INTERFACE, OBJECT_PATH, INTERFACE, "Qemu", "sssss", GUEST,
                             "migrate", "", "", domain())
        answer = json.loads(self.assert_succeeded(result))
        self.assertEqual(answer["type"], "sus")
        self.assertEqual(answer["data"][:2], [domain().replace("</uuid>", "</uuid><title>moved</title>"), 1])

    def test_other_methods(self):
        for kind in ("lxc", "libxl", "network", "daemon"):
            self.tracing_script(kind)
        self.start()
        for member, arguments in (("Lxc", ["sssss", GUEST, "start", "", "", domain()]),
                                  ("Libxl", ["sssss", GUEST, "start", "", "", domain()]),
                                  ("Network", ["ssssss", NETWORK, "port-created", "", "", network(), port()]),
                                  ("Daemon", ["sss", "start", "", ""])):
            self.assert_succeeded(self.call(member, *arguments))
        self.assertEqual([line.split()[0] for line in self.trace()], ["lxc", "libxl", "network", "daemon"])
        self.assert_succeeded(self.call("Reload"))
        listed = self.assert_succeeded(self.call("ListScripts"))
        self.assertTrue(listed.startswith("a(ssbs) 4 "), listed)

    def test_properties(self):
        self.start()
        result = self.busctl("get-property", INTERFACE, OBJECT_PATH, INTERFACE, "Runs", "Running")
        self.assertEqual(self.assert_succeeded(result), "t 0\nu 0\n")

    def test_introspect_and_tree(self):
        self.start()
        table = self.assert_succeeded(self.busctl("introspect", INTERFACE, OBJECT_PATH, INTERFACE))
        for member in (".Qemu", ".Network", ".Run", ".HookStarted", ".HookFinished", ".Version"):
            self.assertIn(member, table)
        self.assertIn(OBJECT_PATH, self.assert_succeeded(self.busctl("tree", "--list", INTERFACE)))

    def test_monitor(self):
        self.start()
        match = f"type='signal',sender='{INTERFACE}',interface='{INTERFACE}'"
        monitor = self.watch("busctl", f"--address={self.bus.address}", "--json=short", f"--match={match}", "monitor")
        reply = self.assert_return(self.client.hook("qemu", GUEST, "started", domain()))
        hook = ["qemu", GUEST, "started", "begin", "-", reply.run]
        for member, rest in (("HookStarted", []), ("HookFinished", ["no-script", "proceed"])):
            message = json.loads(monitor.wait_line(f'"member":"{member}"', reply.run))
            data = message["payload"]["data"]
            self.assertEqual(data[:len(hook + rest)], hook + rest)
            self.assertEqual(data[-1]["uuid"], {"type": "s", "data": samples.GUEST_UUID})


class Gdbus(ClientsTestCase):
    def gdbus(self, member, *arguments, options=()):
        return self.run_program("gdbus", "call", "--system", *options, "--dest", INTERFACE, "--object-path",
                                OBJECT_PATH, "--method", f"{INTERFACE}.{member}", *arguments)

    def test_success(self):
        self.tracing_script("network", f"cat > {self.path('seen')}")
        self.start()
        output = self.assert_succeeded(self.gdbus("Network", NETWORK, "port-created", "begin", "-", network(), port()))
        self.assertRegex(output, r"^\('', uint32 1, '[-0-9a-f]+'\)\n$")
        with open(self.path("seen"), encoding="utf-8") as file:
            self.assertEqual(file.read(), hook_data(network(), port()))

    def test_veto_stops_the_shell(self):
        """gdbus call && start-guest: the guest is not started."""
        self.script("qemu", "echo 'not on a Sunday' >&2; exit 1")
        self.start()
        result = self.run_program("sh", "-c", f"""gdbus call --system --dest {INTERFACE} --object-path {OBJECT_PATH} \\
            --method {INTERFACE}.Qemu web-01 prepare begin - "$1" && echo guest started""", "sh", domain())
        error = self.assert_failed(result)
        self.assertIn(f"{ERROR}ScriptFailed", error)
        self.assertIn("unexpected exit status 1: not on a Sunday", error)

    def test_timeout(self):
        """A client that waits no longer: what runs is finished, and told."""
        gate = self.gate()
        self.tracing_script("qemu", gate.wait)
        self.start()
        error = self.assert_failed(self.gdbus("Qemu", GUEST, "started", "", "", domain(), options=["--timeout", "1"]))
        self.assertIn("Timeout", error)
        wait_until(lambda: self.client.events, "HookStarted")
        gate.open()
        self.assert_finished(self.client.events[0].run, "success", "proceed")

    def test_monitor(self):
        self.script("qemu", "exit 5")
        self.start()
        monitor = self.watch("gdbus", "monitor", "--system", "--dest", INTERFACE)
        reply = self.assert_error(self.client.hook("qemu", GUEST, "stopped", domain()), "ScriptFailed")
        hook = f"'qemu', 'web-01', 'stopped', 'end', '-', '{reply.run}'"
        monitor.wait_line(f"{OBJECT_PATH}: {INTERFACE}.HookStarted ({hook}, {{")
        line = monitor.wait_line(f"{OBJECT_PATH}: {INTERFACE}.HookFinished ({hook}, 'failed', 'ignored', ")
        self.assertIn("'reason': <'qemu exited with status 5'>", line)

    def test_introspect(self):
        self.start()
        result = self.run_program("gdbus", "introspect", "--system", "--dest", INTERFACE, "--object-path", OBJECT_PATH,
                                  "--xml")
        self.assertIn('<method name="Qemu">', self.assert_succeeded(result))


class PythonDbus(ClientsTestCase):
    def setUp(self):
        super().setUp()
        self.connection = dbus.bus.BusConnection(self.bus.address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.connection.set_exit_on_disconnect(False)
        self.addCleanup(self.connection.close)

    def hooks_interface(self):
        return dbus.Interface(self.connection.get_object(INTERFACE, OBJECT_PATH), INTERFACE)

    def test_call(self):
        self.tracing_script("qemu")
        self.start()
        output, scripts, run = self.hooks_interface().Qemu(GUEST, "prepare", "begin", "-", domain())
        self.assertEqual((output, scripts), ("", 1))
        self.assert_finished(run, "success", "proceed")

    def test_exception(self):
        self.script("qemu", "exit 1")
        self.start()
        with self.assertRaises(dbus.exceptions.DBusException) as caught:
            self.hooks_interface().Qemu(GUEST, "reconnect", "", "", domain())
        self.assertEqual(caught.exception.get_dbus_name(), f"{ERROR}ScriptFailed")
        self.assertEqual(caught.exception.get_dbus_message(),
                         failure_text(f"{self.hooks}/qemu", (GUEST, "reconnect", "begin", "-"), "exit status 1"))

    def test_match_by_argument(self):
        """A listener may pick a type and an object."""
        self.start()
        seen = []
        self.connection.add_signal_receiver(lambda *arguments: seen.append(arguments), bus_name=INTERFACE,
                                            dbus_interface=INTERFACE, arg0="qemu", arg1=GUEST)
        for guest in ("web-02", GUEST, "web-011"):
            self.client.hook("qemu", guest, "started", domain(guest))
            self.client.hook("lxc", guest, "started", domain(guest))
        self.client.settle()
        wait_until(lambda: len(seen) == 2, "the two signals of the guest")
        # Nothing else is on its way: the bus answers after all that it has sent.
        self.connection.get_name_owner(INTERFACE)
        self.client.settle()
        self.assertEqual([tuple(arguments[:3]) for arguments in seen], [("qemu", GUEST, "started")] * 2)


if __name__ == "__main__":
    tap.main()
