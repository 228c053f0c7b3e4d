#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks run: documents in, output and words out, and every exit status."""

import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from command import KILLED, NO_VERDICT, TIMED_OUT, TROUBLE, USAGE, VIRT_HOOKS, CommandTestCase, wait_until
import tap
from client import FACTOR
from harness import TOP_SRCDIR, IS_ROOT, read_text
from samples import GUEST, NETWORK, domain, hook_data, large_domain, network, port

INTERFACE_FILE = os.path.join(TOP_SRCDIR, "dbus-interfaces", "org.virt.Hooks.xml")


class RunTestCase(CommandTestCase):
    def setUp(self):
        super().setUp()
        self.xml = self.write(self.path("domain.xml"), domain())
        self.seen = self.path("seen")

    def guest(self, operation, *arguments, **keywords):
        return self.virt_hooks("run", "qemu", GUEST, operation, f"--xml={self.xml}", *arguments, **keywords)

    def recorder(self, name="qemu"):
        """A script that keeps its arguments in the trace and its document."""
        return self.tracing_script(name, f"cat > {self.seen}")

    def assert_seen(self, document):
        with open(self.seen, "rb") as file:
            self.assertEqual(file.read(), document if isinstance(document, bytes) else document.encode())

    def assert_ended(self, result, status, operation, reason, advice):
        """No script had the last word: it is the service's, with what to do."""
        self.assert_trouble(result, status)
        self.assertEqual(result.complaint, f"virt-hooks: qemu {GUEST} {operation}: {reason} (abort); {advice}\n")

    def assert_told(self, result, status, reason, effect, operation, words=b""):
        """The script's own words, then why and what it means, in a line."""
        self.assertEqual(result.errors, words + f"virt-hooks: qemu {GUEST} {operation}: {reason} ({effect})\n".encode())
        self.assertEqual((result.status, result.output), (status, b""))


class ExitStatus(RunTestCase):
    def test_success(self):
        self.script("qemu", "echo nobody asked for this; echo nor for this >&2")
        self.start()
        result = self.assert_done(self.guest("prepare"))
        self.assertEqual(result.output, b"")

    def test_no_script(self):
        """A success, and a word about where there is none."""
        self.start()
        for operation in ("prepare", "migrate"):
            result = self.assert_trouble(self.guest(operation), 0, f"qemu {GUEST} {operation}: no script ran", self.hooks,
                                         f"'virt-hooks {self.address} scripts'")
        answer, = self.assert_done(self.guest("migrate", "--json")).objects
        self.assertEqual((answer["outcome"], answer["output"]), ("no-script", ""))
        self.script("qemu", "", mode=0o644)
        self.assertEqual(self.guest("migrate"), result)

    def test_script_status(self):
        self.script("qemu", 'exit "$4"')
        self.start()
        for status in (1, 2, 3, 77, 124, 125, 127, 128, 255):
            with self.subTest(status=status):
                result = self.virt_hooks("run", "qemu", GUEST, "start", "", str(status), f"--xml={self.xml}")
                self.assert_told(result, status, f"qemu exited with status {status}", "abort", "start")

    def test_last_failure_counts(self):
        self.script("qemu", "exit 3")
        self.script("qemu.d/10", "echo second >&2; exit 4")
        self.script("qemu.d/20", "exit 0")
        self.start()
        self.assert_told(self.guest("stopped"), 4, "qemu.d/10 exited with status 4", "ignored", "stopped", b"second\n")

    def test_signal(self):
        self.script("qemu", 'kill -"$4" $$')
        self.start()
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
            with self.subTest(number=number):
                result = self.virt_hooks("run", "qemu", GUEST, "reconnect", "", str(int(number)), f"--xml={self.xml}")
                self.assert_told(result, KILLED + number, f"qemu was killed by signal {int(number)}", "kill", "reconnect")

    def test_timed_out(self):
        self.script("qemu", self.gate().wait)
        self.start("[qemu]\nTimeout=100ms\n")
        self.assert_ended(self.guest("prepare"), TIMED_OUT, "prepare", "qemu timed out",
                          "mend the script, or give it more time than the 0.1 s that Timeout= in virt-hooks.conf allows")

    def test_cancelled(self):
        self.tracing_script("qemu", self.gate().wait)
        self.start()
        follower = self.follow("run", "qemu", GUEST, "prepare", f"--xml={self.xml}")
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        self.assert_done(self.virt_hooks("cancel", self.virt_hooks("--json", "list").objects[0]["run"]))
        result = follower.result()
        self.assertEqual((result.status, result.output), (NO_VERDICT, b""))
        self.assert_ended(result, NO_VERDICT, "prepare", f"cancelled by uid {os.geteuid()} while qemu ran", "call again if it should run")

    def test_refused(self):
        self.script("qemu", "", mode=0o777)
        self.start()
        result = self.guest("prepare")
        self.assertEqual((result.status, result.output), (NO_VERDICT, b""))
        self.assert_ended(result, NO_VERDICT, "prepare", f"qemu is not safe to run: {self.hooks}/qemu may be written by everybody; "
                          f"'chmod go-w {self.hooks}/qemu' mends it", "Ownership=libvirt in virt-hooks.conf lets it run as it is")

    def test_invalid_output(self):
        self.script("qemu", "echo '<domain>'")
        self.start()
        result = self.guest("migrate")
        self.assertEqual((result.status, result.output), (NO_VERDICT, b""))
        self.assertRegex(result.complaint, rf"^virt-hooks: qemu {GUEST} migrate: the output of its scripts is no document of the same "
                         r"domain \(abort\); it is not well-formed XML.*; print a domain with the same name and uuid, or nothing\n$")

    def test_not_executed(self):
        """What could not be executed says no more than that; who knows more is named."""
        self.start()
        for name in ("qemu", "qemu.d/10 x"):
            for content, status in (("#!/bin/sh\r\nexit 0\r\n", 127), ("#!/bin/no-such\n", 127), ("exit 0\n", 126)):
                with self.subTest(name=name, content=content):
                    self.write(os.path.join(self.hooks, name), content, 0o755)
                    result = self.guest("prepare")
                    self.assertEqual(result.status, status)
                    self.assertIn(f"{name} exited with status {status} (abort); 'virt-hooks check {self.hooks}' tells why",
                                  result.complaint)
            os.unlink(os.path.join(self.hooks, name))
        self.script("qemu", "exit 127")
        self.assert_told(self.guest("prepare"), 127, "qemu exited with status 127", "abort", "prepare")

    def test_env_finds_nothing(self):
        self.write(os.path.join(self.hooks, "qemu"), "#!/usr/bin/env sh\r\nexit 0\r\n", 0o755)
        self.start()
        self.assertIn("(abort); 'virt-hooks check' tells why", self.guest("prepare").complaint)

    def test_refused_calls(self):
        """The service's own words, which say what to do."""
        self.start()
        other = self.write(self.path("other.xml"), domain("other"))
        for arguments, fragment in (
                (("qemu", GUEST, "teleport", f"--xml={self.xml}"), "prepare, start"),
                (("qemu", GUEST, "start", "end", f"--xml={self.xml}"), "sub-operation"),
                (("bhyve", GUEST, "start", f"--xml={self.xml}"), "daemon, qemu"),
                (("qemu", GUEST, "start", f"--xml={other}"), GUEST),
                (("qemu", "a/b", "start", f"--xml={self.xml}"), "a/b")):
            with self.subTest(arguments=arguments):
                self.assert_trouble(self.virt_hooks("run", *arguments), NO_VERDICT, fragment)

    def test_no_service(self):
        self.assert_trouble(self.guest("prepare"), NO_VERDICT, "start virt-hooksd")

    def test_no_bus(self):
        address = f"unix:path={self.directory}/nobody"
        result = self.bare(f"--address={address}", "run", "qemu", GUEST, "prepare", f"--xml={self.xml}")
        self.assert_trouble(result, NO_VERDICT, address, "No such file")

    def test_service_dies(self):
        self.tracing_script("qemu", self.gate().wait)
        service = self.start()
        follower = self.follow("run", "qemu", GUEST, "prepare", f"--xml={self.xml}")
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        service.expected_status = -signal.SIGKILL
        service.name = None  # It leaves without a last signal.
        service.signal(signal.SIGKILL)
        self.assert_trouble(follower.result(), NO_VERDICT, "went away")

    def test_access_denied(self):
        if not IS_ROOT:
            self.skipTest("only root can become another user")
        self.start()
        self.write(self.path("domain.xml"), domain())
        result = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", VIRT_HOOKS, self.address,
                                 "run", "qemu", GUEST, "prepare", f"--xml={self.xml}"], capture_output=True, check=False,
                                timeout=20 * FACTOR, env=self.command_environment())
        if b"Permission denied" in result.stderr:
            self.skipTest("another user cannot reach the program")
        self.assertEqual(result.returncode, NO_VERDICT)
        self.assertIn(b"org.virt.hooks.run", result.stderr)

    def test_full_disk(self):
        """A document that did not get out whole is no success."""
        self.script("qemu", "cat")
        self.start()
        with open("/dev/full", "wb") as full:
            status = subprocess.run([VIRT_HOOKS, self.address, "run", "qemu", GUEST, "migrate", f"--xml={self.xml}"],
                                    stdout=full, stderr=subprocess.PIPE, env=self.command_environment(), check=False)
        self.assertEqual(status.returncode, TROUBLE)
        self.assertIn(b"No space left", status.stderr)


class CommandLine(RunTestCase):
    def test_usage(self):
        for arguments in ((), ("colour",), ("--colour",), ("run",), ("run", "qemu", GUEST),
                          ("run", "qemu", GUEST, "start", "begin", "-", "more"), ("run", "--colour", "qemu", GUEST, "start"),
                          ("run", "qemu", GUEST, "start", "--timeout=soon"), ("run", "qemu", GUEST, "start", "--timeout="),
                          ("run", "qemu", GUEST, "start", "--xml"), ("run", "qemu", GUEST, "start", "--json=yes"),
                          ("--address",), ("--address=foo", "list"), ("list", "more"), ("show",), ("cancel", "a", "b"), ("reload", "now"),
                          ("help", "colour"), ("help", "run", "monitor"), ("monitor", "--type=Qemu"), ("history", "--type=bhyve"),
                          ("attach", "bhyve"), ("monitor", "qemu"), ("history", "--since=soon"), ("history", "-n", "many"), ("history", "--memory", "--directory=/"),
                          ("monitor", "-n", "5"),
                          ("run", "-n", "5", "qemu", GUEST, "start"), ("check", "-n", "5"), ("list", "-n", "5")):
            with self.subTest(arguments=arguments):
                result = self.bare(*arguments)
                self.assertEqual((result.status, result.output), (USAGE, b""), result.complaint)
                self.assertNotEqual(result.complaint, "")

    def test_what_is_too_much_is_named(self):
        for arguments in (("list", "more"), ("history", "more"), ("monitor", "more"), ("cancel", "a", "more")):
            self.assert_trouble(self.bare(*arguments), USAGE, f"there is no argument 'more'; see 'virt-hooks {arguments[0]} --help'")
        self.assert_trouble(self.bare("show"), USAGE, "usage: virt-hooks show RUN; see 'virt-hooks show --help'")

    def test_wrong_option_leads_to_the_help(self):
        for arguments, remedy in ((("--colour", "list"), "--help"), (("list", "--colour"), "list --help"), (("show", "--directory"), "show --help")):
            complaint = self.bare(*arguments).complaint.splitlines()
            self.assertEqual((len(complaint), complaint[1:]), (2, [f"virt-hooks: see 'virt-hooks {remedy}'"]))

    def test_help_and_version(self):
        for arguments in (("--help",), ("-h",), ("run", "--help"), ("run", "-h"), ("monitor", "--help"), ("history", "--help"),
                          ("--version",), ("list", "--version")):
            with self.subTest(arguments=arguments):
                self.assertNotEqual(self.assert_done(self.bare(*arguments)).text, "")
        for option in ("--xml=", "--port-xml=", "--timeout=", "--address=", "--json"):
            self.assertIn(option, self.bare("run", "--help").text)

    def test_full_disk(self):
        for arguments in (("--version",), ("--help",), ("list", "--help"), ("help", "list")):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([VIRT_HOOKS, *arguments], stdout=full, stderr=subprocess.PIPE, check=False,
                                      env=self.command_environment())
            self.assertEqual(done.returncode, TROUBLE, arguments)
            self.assertIn(b"No space left", done.stderr)

    def test_help_as_a_command(self):
        """It prints the same."""
        self.assertEqual(self.assert_done(self.bare("help")), self.bare("--help"))
        for verb in re.findall(r"(?m)^  ([a-z]+) ", self.bare("--help").text.partition("\n\n")[2].partition("\n\n")[2]):
            self.assertEqual(self.assert_done(self.bare("help", verb)), self.bare(verb, "--help"))
        self.assert_trouble(self.bare("help", "colour"), USAGE, "there is no command 'colour'")

    def test_mistyped_commands(self):
        """The nearest one is named, if one is near."""
        for word, meant in (("statsu", "status"), ("histroy", "history"), ("shwo", "show"), ("detatch", "detach"), ("attch", "attach"),
                            ("rehearsal", "rehearse"), ("halt", None), ("", None), ("s", None), ("cancel" * 10, None)):
            for arguments in ((word,), ("help", word)):
                result = self.assert_trouble(self.bare(*arguments), USAGE, f"there is no command '{word}'; ", "see --help\n")
                self.assertEqual(re.findall(r"did you mean (\w+)\?", result.complaint), [meant] if meant else [])

    def test_unknown_types(self):
        """Whoever misspells one is told, and not that there is nothing."""
        for arguments in (("history", "--type=Qemu"), ("monitor", "--type=Qemu"), ("rehearse", "Qemu"), ("detach", "Qemu")):
            self.assert_trouble(self.bare(*arguments), USAGE, "'Qemu'", "daemon, qemu, lxc, libxl, network")

    def test_common_options_stand_anywhere(self):
        self.script("qemu", "exit 0")
        self.start()
        self.assert_done(self.bare("run", "qemu", GUEST, "prepare", f"--xml={self.xml}", self.address))
        self.assert_done(self.bare("run", self.address, "--xml", self.xml, "qemu", GUEST, "prepare"))

    def test_buses_of_the_environment(self):
        self.script("daemon", "exit 0")
        self.start()
        nobody = f"unix:path={self.directory}/nobody"
        for option, variable in (("--system", "DBUS_SESSION_BUS_ADDRESS"), ("--user", "DBUS_SYSTEM_BUS_ADDRESS")):
            self.assert_done(self.bare(option, "run", "daemon", "-", "start", **{variable: nobody}))
        self.assert_done(self.bare("run", "daemon", "-", "start", DBUS_SESSION_BUS_ADDRESS=nobody))
        self.assert_trouble(self.bare("--user", "run", "daemon", "-", "start", DBUS_SESSION_BUS_ADDRESS=nobody), NO_VERDICT,
                            "user's bus", "DBUS_SESSION_BUS_ADDRESS")
        self.assert_trouble(self.bare("run", "daemon", "-", "start", DBUS_SYSTEM_BUS_ADDRESS=nobody), NO_VERDICT,
                            "system bus", "--user")


class Documents(RunTestCase):
    def setUp(self):
        super().setUp()
        for name in ("qemu", "network", "daemon"):
            self.recorder(name)
        self.start()
        self.network_xml = self.write(self.path("network.xml"), network())
        self.port_xml = self.write(self.path("port.xml"), port())

    def test_file(self):
        self.assert_done(self.guest("prepare"))
        self.assert_seen(domain())
        self.assertEqual(self.trace(), [f"qemu {GUEST} prepare begin -"])

    def test_standard_input(self):
        self.assert_done(self.virt_hooks("run", "qemu", GUEST, "release", "end", "crashed", "--xml=-", document=domain().encode()))
        self.assert_seen(domain())
        self.assertEqual(self.trace(), [f"qemu {GUEST} release end crashed"])

    def test_large(self):
        document = large_domain(3 * 1024 * 1024)
        self.assert_done(self.virt_hooks("run", "qemu", GUEST, "start", "--xml", "-", document=document.encode(), seconds=30))
        self.assert_seen(document)

    def test_too_large(self):
        result = self.virt_hooks("run", "qemu", GUEST, "start", "--xml=-", document=large_domain(5 * 1024 * 1024).encode())
        self.assert_trouble(result, NO_VERDICT, "MaxDocument=")

    def test_none(self):
        self.assert_done(self.virt_hooks("run", "daemon", "-", "reload"))
        self.assertEqual(self.trace(), ["daemon - reload begin SIGHUP"])

    def test_network(self):
        self.assert_done(self.virt_hooks("run", "network", NETWORK, "started", f"--xml={self.network_xml}"))
        self.assert_seen(hook_data(network()))

    def test_port(self):
        self.assert_done(self.virt_hooks("run", "network", NETWORK, "port-created", f"--xml={self.network_xml}",
                                         f"--port-xml={self.port_xml}"))
        self.assert_seen(hook_data(network(), port()))

    def test_port_from_standard_input(self):
        self.assert_done(self.virt_hooks("run", "network", NETWORK, "port-deleted", f"--xml={self.network_xml}",
                                         "--port-xml=-", document=port().encode()))
        self.assert_seen(hook_data(network(), port()))

    def test_hook_data_as_it_is(self):
        """What libvirt itself passed may be passed again."""
        document = hook_data(network(), port())
        self.assert_done(self.virt_hooks("run", "network", NETWORK, "port-created", "--xml=-", document=document.encode()))
        self.assert_seen(document)

    def test_port_for_hook_data(self):
        """It gets into what libvirt passed without one, and the service judges that."""
        command = ("run", "network", NETWORK, "port-created", "--xml=-", f"--port-xml={self.port_xml}")
        self.assert_done(self.virt_hooks(*command, document=hook_data(network()).encode()))
        self.assert_seen(hook_data(network(), port()))
        for operation, document, fragment in (("start", hook_data(network()), "comes with a port, and this operation is not about one"),
                                              ("port-created", hook_data(network(), port()), "has more than one <networkport>"),
                                              ("port-created", "<hookData/>", "--port-xml goes with a network in --xml")):
            result = self.virt_hooks(*command[:3], operation, *command[4:], document=document.encode())
            self.assert_trouble(result, NO_VERDICT, fragment)

    def test_missing(self):
        """It is the command line that lacks it, as in rehearse."""
        for kind, command in (("qemu", "virsh dumpxml"), ("libxl", "virsh dumpxml"), ("network", "virsh net-dumpxml")):
            self.assert_trouble(self.virt_hooks("run", kind, "name", "start"), USAGE, command, "--xml=FILE")
            self.assert_trouble(self.bare("rehearse", kind), USAGE, command, "name its file, or -")
        self.assert_trouble(self.virt_hooks("run", "network", NETWORK, "port-created", f"--port-xml={self.port_xml}"), USAGE, "--xml=FILE")
        self.assertEqual(self.trace(), [])

    def test_ports_elsewhere(self):
        """They are a network's, and have a file of their own."""
        for command in ((self.address, "run", "qemu", GUEST, "start", f"--xml={self.xml}"), ("rehearse", "qemu", self.xml)):
            self.assert_trouble(self.bare(*command, f"--port-xml={self.port_xml}"), USAGE, "--port-xml goes with the type network")
        for command in ((self.address, "run", "network", NETWORK, "port-created", "--xml=-"), ("rehearse", "network", "-")):
            self.assert_trouble(self.bare(*command, "--port-xml=-"), USAGE, "standard input cannot be both")
        self.assertEqual(self.trace(), [])

    def test_wrong_files(self):
        for option in ("--xml=/nonexistent", f"--xml={self.directory}", "--port-xml=/nonexistent"):
            result = self.virt_hooks("run", "network", NETWORK, "started", f"--xml={self.network_xml}", option)
            self.assert_trouble(result, NO_VERDICT, option.partition("=")[2])
        self.assert_trouble(self.virt_hooks("run", "network", NETWORK, "port-created", f"--xml={self.network_xml}"),
                            NO_VERDICT, "'virsh net-port-dumpxml' prints, too")
        self.assert_trouble(self.virt_hooks("run", "network", NETWORK, "port-created", f"--xml={self.port_xml}",
                                            f"--port-xml={self.write(self.path('text'), 'text')}"),
                            NO_VERDICT, "--port-xml goes with a network in --xml")
        self.assert_trouble(self.virt_hooks("run", "network", NETWORK, "started", f"--xml={self.network_xml}",
                                            f"--port-xml={self.port_xml}"), NO_VERDICT, "pass the network alone")
        self.assertEqual(self.trace(), [])


class Output(RunTestCase):
    WORDS = b"\x1b[31mred\x1b[0m \xff caf\xc3\xa9\ttab\r\n"

    def test_filter(self):
        """Byte for byte: line ends, white space, and no newline at the end where the script prints none."""
        output = b"<?xml version='1.0'?>\r\n\t" + domain(inside="<title>\u00e4 \u65e5\u672c</title>").encode().rstrip()
        self.write(self.path("output"), output)
        self.script("qemu", f"cat {self.path('output')}")
        self.start()
        self.assertEqual(self.assert_done(self.guest("migrate")).output, output)

    def test_filter_on_a_terminal(self):
        """A document may have what steers a terminal: U+009B is the same as Escape and a bracket."""
        self.script("qemu", "sed 's/<name>/<title>\u009b31m\u202e<\\/title><name>/'")
        self.start()
        result = self.on_terminal(80, "run", "qemu", GUEST, "migrate", f"--xml={self.xml}")
        self.assertEqual(result.status, 0)
        self.assertNotRegex(result.text, "[\u0080-\u009f\u202e]")
        self.assertIn(f"<name>{GUEST}</name>\n", result.text)
        self.assertIn("\u009b31m\u202e", self.guest("migrate").text)

    def test_words_in_a_pipe(self):
        self.write(self.path("words"), self.WORDS)
        self.script("qemu", f"cat {self.path('words')} >&2; exit 3")
        self.start()
        self.assert_told(self.guest("start"), 3, "qemu exited with status 3", "abort", "start", self.WORDS)

    def test_words_on_a_terminal(self):
        self.write(self.path("words"), self.WORDS)
        self.script("qemu", f"cat {self.path('words')} >&2; exit 3")
        self.start()
        result = self.on_terminal(80, "run", "qemu", GUEST, "start", f"--xml={self.xml}")
        self.assertEqual((result.status, result.output), (3, b""))
        self.assertEqual(result.complaint.split("\n")[0], "\\x1b[31mred\\x1b[0m \\xff café\ttab\\x0d")

    def test_unfinished_words(self):
        """The complaint has a line of its own, also after words that do not end theirs."""
        self.script("qemu", "printf 'no newline' >&2; exit 3")
        self.start()
        result = self.on_terminal(80, "run", "qemu", GUEST, "start", f"--xml={self.xml}")
        self.assertEqual(result.complaint, f"no newline\nvirt-hooks: qemu {GUEST} start: qemu exited with status 3 (abort)\n")

    def test_script_name_on_a_terminal(self):
        """The name of a file may have anything, too."""
        self.script("qemu.d/\x1b]0;owned\x07", "exit 3")
        self.start()
        result = self.on_terminal(80, "run", "qemu", GUEST, "start", f"--xml={self.xml}")
        self.assertEqual(result.status, 3)
        self.assertNotRegex(result.complaint, "[\x1b\x07]")
        self.assertIn("\\x1b]0;owned\\x07 exited with status 3", result.complaint)


class Waiting(RunTestCase):
    BUS_TIMEOUT = 0.3 * FACTOR

    def setUp(self):
        super().setUp()
        self.door = self.gate()
        self.tracing_script("qemu", self.door.wait)

    def let_pass(self, seconds):
        deadline = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() > deadline, "the time to pass")

    def test_as_long_as_the_script_takes(self):
        """Other calls have the bus's time limit, 25 seconds where the environment gives no other."""
        service = self.start()
        environment = {"SYSTEMD_BUS_TIMEOUT": f"{self.BUS_TIMEOUT * 1000:.0f}ms"}
        follower = self.follow("run", "qemu", GUEST, "prepare", f"--xml={self.xml}", **environment)
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        service.signal(signal.SIGSTOP)
        try:
            self.assert_trouble(self.virt_hooks("list", **environment), TROUBLE)
        finally:
            service.signal(signal.SIGCONT)
        self.let_pass(2 * self.BUS_TIMEOUT)
        self.assertIsNone(follower.process.poll())
        self.door.open()
        self.assert_done(follower.result())

    def test_who_waits_goes(self):
        """The run goes on, for its guest may have started by now, and whoever ended the waiting is told so. What had not begun goes."""
        self.start()
        command = ("run", "qemu", GUEST, "prepare", f"--xml={self.xml}")
        follower = self.follow(*command)
        self.wait_traced(f"qemu {GUEST} prepare begin -")
        other = self.follow(*command)
        wait_until(lambda: self.client.property("Queued") == 1, "the other call")
        advice = (f"a hook that runs by now goes on; 'virt-hooks {self.address} list' shows it, "
                  f"'virt-hooks {self.address} cancel' with its id ends it")
        for waiting, number in ((follower, signal.SIGINT), (other, signal.SIGTERM)):
            waiting.process.send_signal(number)
            self.assert_trouble(waiting.result(), -number, advice)
        wait_until(lambda: self.client.property("Queued") == 0, "the other call to go")
        run, = self.virt_hooks("list", "--json").objects
        self.assertEqual(run["state"], "running")
        self.assert_done(self.virt_hooks("cancel", run["run"]))
        self.assert_finished(run["run"], "cancelled", "abort", f"cancelled by uid {os.geteuid()} while qemu ran")

    def test_ignored_signals(self):
        """nohup(1), and shells that start it in the background, have it ignore them."""
        self.start()
        with open(self.path("errors"), "wb") as errors, \
             subprocess.Popen(["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", VIRT_HOOKS, self.address, "run", "qemu", GUEST, "prepare",
                               f"--xml={self.xml}"], stderr=errors, env=self.command_environment()) as process:
            self.wait_traced(f"qemu {GUEST} prepare begin -")
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGHUP)
            self.door.open()
            self.assertEqual(process.wait(20 * FACTOR), 0)
        self.assertEqual(read_text(self.path("errors")), "")

    def test_timeout(self):
        self.start()
        self.assert_ended(self.guest("prepare", "--timeout=100ms"), TIMED_OUT, "prepare",
                          "qemu timed out", "mend the script, or give it more time than the 0.1 s that the caller has set")

    def test_timeout_in_place_of_the_settings(self):
        """Longer ones, and none at all."""
        self.start("[Scripts]\nTimeout=100ms\n")
        for limit in ("1min 30s", "infinity"):
            with self.subTest(limit=limit):
                follower = self.follow("run", "qemu", GUEST, "prepare", f"--xml={self.xml}", f"--timeout={limit}")
                wait_until(lambda: self.client.property("Running") == 1, "the run")
                self.let_pass(0.3)
                self.door.open()
                self.assert_done(follower.result())


class Json(RunTestCase):
    def declared_keys(self):
        """The names of Run's results; `details` stands for its own keys."""
        method = ElementTree.parse(INTERFACE_FILE).getroot().find("./interface/method[@name='Run']")
        return {argument.get("name") for argument in method.findall("arg[@direction='out']")} - {"details"}

    def details_of(self, operation):
        """What the service answers to the same call."""
        with open(self.xml, "rb") as file:
            reply = self.assert_return(self.client.run("qemu", GUEST, operation, file.fileno()))
        self.addCleanup(reply.close)
        return reply.values[5]

    def test_keys(self):
        self.script("qemu", '[ "$2" = prepare ] || exit 3')
        self.start()
        for operation in ("prepare", "start"):
            result = self.guest(operation, "--json")
            self.assertEqual(result.errors, b"")
            answer, = result.objects
            details = self.details_of(operation)
            self.assertEqual(answer.keys(), self.declared_keys() | details.keys())
            for key in details.keys() - {"duration_usec"}:
                self.assertEqual(answer[key], details[key])
            self.assertEqual(answer["run"], self.client.finished(answer["run"]).run)

    def test_failure(self):
        self.script("qemu", "printf 'red \\033[31m \\377' >&2; exit 3")
        self.start()
        result = self.guest("start", "--json")
        answer, = result.objects
        self.assertEqual(result.status, 3)
        self.assertEqual((answer["outcome"], answer["status"], answer["effect"]), ("failed", 3, "abort"))
        self.assertEqual(answer["errors"], "red \x1b[31m \ufffd")
        self.assertIs(type(answer["duration_usec"]), int)

    def test_filter(self):
        document = domain(inside='<title>"ä" \\ 日本</title>')
        self.script("qemu", "cat")
        self.start()
        answer, = self.virt_hooks("--json", "run", "qemu", GUEST, "migrate", "--xml=-", document=document.encode()).objects
        self.assertEqual((answer["output"], answer["status"]), (document, 0))

    def test_killed_and_timed_out(self):
        self.script("qemu", 'kill -9 $$')
        self.start()
        result = self.guest("start", "--json")
        self.assertEqual((result.status, result.objects[0]["outcome"], result.objects[0]["status"]), (KILLED + 9, "killed", 9))
        self.script("qemu", self.gate().wait)
        result = self.guest("start", "--json", "--timeout=100ms")
        self.assertEqual((result.status, result.objects[0]["outcome"]), (TIMED_OUT, "timed-out"))

    def test_refused(self):
        """No object where there was no run."""
        self.start()
        self.assert_trouble(self.guest("teleport", "--json"), NO_VERDICT, "teleport")


if __name__ == "__main__":
    tap.main()
