#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people see: tables that fit the terminal, names that do no harm there and are whole in JSON, colour, and pipes."""

import os
import signal
import subprocess

from command import (COLOUR, VIRT_HOOKS, CommandTestCase, Terminal, columns_at, display_width, read_terminals, wait_until,
                     without_colour)
import tap
from client import FACTOR
from gi.repository import GLib
from samples import NETWORK_UUID, domain, network, port

HARMFUL = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"

# Names that a guest may have, and what is shown of them.
NAMES = {
    "two words": "two words",
    "it's \"quoted\" \\ `$(x)`": "it's \"quoted\" \\ `$(x)`",
    "h\u00e4tte": "h\u00e4tte",
    "e\u0301combined": "e\u0301combined",
    "\u65e5\u672c\u8a9e": "\u65e5\u672c\u8a9e",
    "\U0001f600 smile": "\U0001f600 smile",
    "safe\u202eexe.txt": "safe\\u{202e}exe.txt",
    "unseen\u3164\u034f\ufe0f": "unseen\\u{3164}\\u{34f}\\u{fe0f}",
    "web\u200b-01": "web\\u{200b}-01",
    "\u05d3\u05d2": "\u05d3\u05d2",
    "\ufeffmark": "\\u{feff}mark",
    "%s%n%d": "%s%n%d",
    "-n": "-n",
}


def cut_columns(line, start, end):
    """What stands between these columns of the terminal."""
    text, column = "", 0
    for character in line:
        if start <= column and (end is None or column < end):
            text += character
        column += display_width(character)
    return text


class TerminalTestCase(CommandTestCase):
    # TIME is flushed right: it belongs to what is before it here.
    COLUMNS = ("STARTED", "TYPE", "OBJECT", "OPERATION", "OUTCOME", "RUN", "REASON")

    def history(self, columns, **environment):
        result = self.on_terminal(columns, "history", "--memory", **environment)
        self.assertEqual((result.status, result.errors), (0, b""))
        return result.text

    def table(self, columns, *arguments, headings=COLUMNS):
        """The rows of a table without colour, as dictionaries; each column begins where its heading does."""
        result = self.on_terminal(columns, *arguments, NO_COLOR="1")
        self.assertEqual((result.status, result.errors), (0, b""))
        self.assertNotRegex(result.text, HARMFUL)
        first, *rows = result.text.partition("\n\n")[0].splitlines()
        for line in (first, *rows):
            self.assertLessEqual(display_width(line), columns, line)
            self.assertEqual(line, line.rstrip())
        places = columns_at(first, *headings)
        for row in rows:
            for start, _ in list(places.values())[1:]:
                self.assertIn(cut_columns(row, start - 1, start), ("", " "), f"not under its heading:\n{first}\n{row}")
        return [{name: cut_columns(row, *place).strip() for name, place in places.items()} for row in rows]


class Names(TerminalTestCase):
    def call_all(self):
        for name in NAMES:
            self.call("lxc", name, "prepare", domain(name))

    def test_wide(self):
        self.start()
        self.call_all()
        rows = self.table(200, "history", "--memory")
        self.assertEqual([row["OBJECT"] for row in rows], list(NAMES.values()))
        self.assertEqual({(row["OPERATION"], row["OUTCOME"].split()[0]) for row in rows}, {("prepare", "no-script")})

    def test_narrow(self):
        """What does not fit is cut and says so."""
        self.start()
        self.call_all()
        long_name = "\u65e5\u672c" * 20
        self.call("lxc", long_name, "prepare", domain(long_name))
        rows = [row["OBJECT"] for row in self.table(80, "history", "--memory")]
        for shown, whole in zip(rows, [*NAMES.values(), long_name], strict=True):
            if shown != whole:
                self.assertTrue(shown.endswith("\u2026") and whole.startswith(shown[:-1]) and display_width(shown) > 10, shown)
        self.assertEqual(rows[0], "two words")
        self.assertNotEqual(rows[-1], long_name)

    def test_list(self):
        door = self.gate()
        self.script("lxc", door.wait)
        self.start()
        calls = [self.client.send_hook("lxc", name, "prepare", domain(name)) for name in NAMES]
        wait_until(lambda: self.client.property("Running") == len(NAMES), "the runs")
        for columns in (80, 200):
            rows = self.table(columns, "list", headings=("TYPE", "OBJECT", "OPERATION", "STATE", "RUN", "CALLER", "SCRIPT"))
            self.assertEqual([(row["STATE"].split()[0], row["CALLER"], row["SCRIPT"]) for row in rows],
                             [("running", "python3", "lxc")] * len(NAMES))
        self.assertEqual([row["OBJECT"] for row in rows], list(NAMES.values()))
        door.open(len(NAMES))
        for call in calls:
            call.wait()

    def test_below_each_other(self):
        """Where names would be cut to nothing they are whole, and so is the rest."""
        self.script("network", "exit 3")
        door = self.gate()
        self.script("qemu.d/20-vlan", door.wait)
        self.start()
        guest, bridge = "guest-with-a-rather-long-name", "bridge\u202e"
        self.call("lxc", guest, "prepare", domain(guest))
        self.call("network", bridge, "port-created", network(bridge), port())
        calls = [self.client.send_hook("qemu", guest, operation, domain(guest)) for operation in ("prepare", "start")]
        wait_until(lambda: self.client.property("Queued") == 1, "the calls")
        ended = self.virt_hooks("history", "--memory", "--json").objects
        for columns in (60, 80):
            text = self.history(columns, NO_COLOR="1")
            if columns == 80:
                self.assertEqual(len(text.splitlines()), 3)
                continue
            self.assertRegex(text, rf"\Alxc {guest} prepare: no-script\n  [-\d]+ [:\d]+, took \w+, run {ended[0]['run'][:8]}\n"
                             r"network bridge\\u\{202e\} port-created: failed\n"
                             rf"  [-\d]+ [:\d]+, took \w+, run {ended[1]['run'][:8]}\n  network exited with status 3\n\Z")
            runs = self.virt_hooks("list", "--json").objects
            for arguments in (("list",), ("status",)):
                result = self.on_terminal(columns, *arguments, NO_COLOR="1")
                self.assertRegex(result.text, rf"(?m)^qemu {guest} prepare: running\n"
                                 rf"  for [.\w]+, run {runs[0]['run'][:8]}, called by python3\n  qemu\.d/20-vlan\n")
            self.assertRegex(self.on_terminal(columns, "list", NO_COLOR="1").text,
                             rf"\nqemu {guest} start: waiting\n  for [.\w]+, run {runs[1]['run'][:8]}, called by python3\n\Z")
        door.open(2)
        for call in calls:
            call.wait()

    def test_json(self):
        """Nothing is cut, nothing is escaped."""
        self.start()
        self.call_all()
        self.assertEqual([run["object"] for run in self.virt_hooks("history", "--memory", "--json").objects], list(NAMES))
        self.assertEqual([run["object"] for run in self.virt_hooks("--json", "history", "--object=safe\u202eexe.txt").objects],
                         ["safe\u202eexe.txt"])

    def test_pipe(self):
        """Whole names, for there is no width to keep to."""
        self.start()
        name = "long " * 50
        self.call("lxc", name, "prepare", domain(name))
        self.assertIn(name, self.virt_hooks("history", "--memory").text)

    def test_show_and_monitor(self):
        follower = self.follow("monitor")
        follower.wait_line("not there")
        self.start()
        for name, shown in NAMES.items():
            run = self.call("lxc", name, "prepare", domain(name))
            follower.wait_line(f" {shown} ", "no-script")
            text = self.on_terminal(80, "show", run, NO_COLOR="1").text
            self.assertIn(f"Object:  {shown}\n", text)
            self.assertNotRegex(text, HARMFUL)
        self.assertNotRegex("\n".join(follower.lines), HARMFUL)


class ForeignOperation(TerminalTestCase):
    documents_are_checked = False

    def test_name(self):
        """A lenient caller may name one that nobody knows."""
        operation = "tele\u202e\u200bport"
        follower = self.follow("monitor")
        follower.wait_line("not there")
        self.start()
        with open(self.write(self.path("domain.xml"), domain()), "rb") as file:
            reply = self.client.run("qemu", "web-01", operation, file.fileno(), lenient=GLib.Variant("b", True))
        self.addCleanup(reply.close)
        follower.wait_line("web-01", "no-script")
        self.assertNotRegex("\n".join(follower.lines), HARMFUL)
        self.assertNotRegex(self.virt_hooks("show", self.assert_return(reply).run).text, HARMFUL)
        self.assertEqual(self.table(200, "history", "--memory")[0]["OPERATION"], "tele\\u{202e}\\u{200b}port")


class Scripts(TerminalTestCase):
    """Names of files and programs may have anything but a slash and a NUL."""

    POINTER = "This is by owner and mode; 'virt-hooks check DIR' finds what is wrong inside.\n"
    FILE, SHOWN = "\x1b]0;t\x07 10\nx\t\u202e\u00e4", "\\x1b]0;t\\x07 10\\x0ax\\x09\\u{202e}\u00e4"

    def test_reason(self):
        self.script(f"qemu.d/{self.FILE}", "exit 3")
        self.start()
        run = self.call("qemu", "web-01", "start", domain("web-01"))
        row, = self.table(200, "history", "--memory")
        self.assertEqual(row["REASON"], f"qemu.d/{self.SHOWN} exited with status 3")
        self.assertTrue(self.table(80, "history", "--memory")[0]["REASON"].endswith("\u2026"))
        text = self.virt_hooks("show", run).text
        self.assertNotRegex(text, HARMFUL)
        self.assertIn(f"/qemu.d/{self.SHOWN}\n", text)
        details, = self.virt_hooks("--json", "show", run).objects
        self.assertEqual(details["reason"], f"qemu.d/{self.FILE} exited with status 3")
        self.assertEqual(details["results"][0]["path"], f"{self.hooks}/qemu.d/{self.FILE}")

    def test_scripts(self):
        headings = ("TYPE", "RUNS", "SCRIPT", "WHY NOT")
        self.script(f"qemu.d/{self.FILE}", "")
        self.script("qemu.d/" + "long-" * 30, "", mode=0o644)
        self.start()
        rows = self.table(600, "scripts", headings=headings)
        self.assertEqual(rows[0]["SCRIPT"], f"{self.hooks}/qemu.d/{self.SHOWN}")
        self.assertEqual([script["path"] for script in self.virt_hooks("--json", "scripts").objects],
                         [f"{self.hooks}/qemu.d/{name}" for name in (self.FILE, "long-" * 30)])
        why_not = rows[1]["WHY NOT"]
        self.assertIn("chmod", why_not)
        for columns in (80, 200):
            self.assertEqual(self.on_terminal(columns, "scripts", NO_COLOR="1").text,
                             f"{self.hooks}/qemu.d/{self.SHOWN}\n  qemu: it runs\n"
                             f"{self.hooks}/qemu.d/{'long-' * 30}\n  qemu: it does not run; {why_not}\n\n{self.POINTER}")
            self.assertTrue(self.on_terminal(600, "scripts").text.endswith(f"\n\n{self.POINTER}"))

    def test_pointer_to_check(self):
        """The service looks at owners and modes. People are told who looks further; programs count lines."""
        self.script("qemu", "", mode=0o644)
        self.start()
        self.assertNotIn("check", self.on_terminal(200, "scripts").text)
        self.script("network", "")
        self.assertTrue(self.on_terminal(200, "scripts").text.endswith(f"\n\n{self.POINTER}"))
        for option, command in (("--user", "'virt-hooks check DIR'"), ("--system", "'virt-hooks check'")):
            variable = "DBUS_SESSION_BUS_ADDRESS" if option == "--user" else "DBUS_SYSTEM_BUS_ADDRESS"
            self.assertIn(f"; {command} finds", self.on_terminal(200, option, "scripts", **{variable: self.bus.address}).text)
        self.assertNotIn("check", self.virt_hooks("scripts").text + self.on_terminal(200, "--json", "scripts").text)

    def test_no_text(self):
        """A name that is no UTF-8 is told with U+FFFD."""
        path = os.path.join(os.fsencode(self.hooks), b"qemu.d/\xff\xfe10")
        os.makedirs(os.path.dirname(path))
        self.write(self.path("script"), "#!/bin/sh\nexit 3\n", 0o755)
        os.rename(self.path("script"), path)
        self.start()
        run = self.call("qemu", "web-01", "start", domain("web-01"))
        self.assertIn("qemu.d/\ufffd\ufffd10 exited with status 3", self.virt_hooks("history", "--memory").text)
        self.assertEqual(self.virt_hooks("--json", "show", run).objects[0]["results"][0]["path"],
                         f"{self.hooks}/qemu.d/\ufffd\ufffd10")

    def test_caller(self):
        """The name of its program, which the kernel cuts where it likes: here in the middle of a character."""
        door = self.gate()
        self.script("network", door.wait)
        self.start()
        program = self.path("\x1b[7m\nvirtnetwo\u00e4")
        os.symlink(VIRT_HOOKS, program)
        xml = self.write(self.path("network.xml"), network("n"))
        follower = self.follow("run", "network", "n", "started", f"--xml={xml}", program=program)
        wait_until(lambda: self.client.property("Running") == 1, "the run")
        row, = self.table(200, "list", headings=("CALLER", "SCRIPT"))
        self.assertEqual((row["CALLER"], row["SCRIPT"]), ("\\x1b[7m\\x0avirtnetwo\ufffd", "network"))
        run, = self.virt_hooks("--json", "list").objects
        self.assertEqual((run["caller_comm"], run["uuid"]), ("\x1b[7m\nvirtnetwo\ufffd", NETWORK_UUID))
        text = self.virt_hooks("show", run["run"]).text
        self.assertNotRegex(text, HARMFUL)
        door.open()
        self.assert_done(follower.result())


class Colour(TerminalTestCase):
    def setUp(self):
        super().setUp()
        self.script("qemu", "exit 3")
        self.start()
        self.run_id = self.call("qemu", "web-01", "start", domain("web-01"))

    def every_verb(self):
        return (("history", "--memory"), ("show", self.run_id), ("status",), ("scripts",))

    def test_on_a_terminal(self):
        for arguments in self.every_verb():
            with self.subTest(arguments=arguments):
                text = self.on_terminal(80, *arguments).text
                self.assertIn("\x1b[0m", text)
                self.assertNotIn("\x1b", COLOUR.sub("", text))
                # The colour ends with the line.
                for line in text.splitlines():
                    self.assertTrue(not COLOUR.search(line) or COLOUR.findall(line)[-1] == "\x1b[0m", line)

    def test_nowhere_else(self):
        for arguments in self.every_verb():
            with self.subTest(arguments=arguments):
                self.assertNotIn("\x1b", self.virt_hooks(*arguments).text)
                for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}, {"TERM": ""}):
                    self.assertNotIn("\x1b", self.on_terminal(80, *arguments, **environment).text)
        self.assertIn("\x1b", self.on_terminal(80, "status", NO_COLOR="").text)

    def test_not_in_json(self):
        for arguments in self.every_verb():
            self.assertNotIn("\x1b", self.on_terminal(80, "--json", *arguments).text)

    def test_takes_no_room(self):
        """With colour the table is the same but for it."""
        self.assertEqual(without_colour(self.history(80)), self.history(80, NO_COLOR="1"))

    def test_width_from_the_environment(self):
        wide = self.history(80, NO_COLOR="1", COLUMNS="200")
        self.assertIn("qemu exited with status 3", wide)
        self.assertEqual(self.history(200, NO_COLOR="1", COLUMNS="nonsense"), wide)
        self.assertEqual(self.history(0, NO_COLOR="1"), self.history(80, NO_COLOR="1"))

    def test_tiny_terminals(self):
        """Nothing fits, and nothing breaks."""
        for columns in (1, 10, 40):
            self.assertEqual(len(self.history(columns, NO_COLOR="1").splitlines()), 3)

    def test_other_locales(self):
        """Signs of our own are ASCII where the locale does not have them; names are what they are."""
        long_name = "h\u00e4tte-" * 20
        self.call("lxc", long_name, "prepare", domain(long_name))
        for locale in ("C", "POSIX", "nonsense", ""):
            environment = {"LC_ALL": locale, "LANG": locale, "LC_CTYPE": locale, "NO_COLOR": "1"}
            text = self.history(80, **environment)
            self.assertIn("web-01", text)
            self.assertIn(" h\u00e4tte", text)
            self.assertRegex(text, r"(?m) q[a-z]* ?[a-z]*\.\.\.$")
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
            for arguments, begin in ((("show", self.run_id), "* qemu"), (("status",), "* virt-hooksd")):
                text = self.on_terminal(80, *arguments, **environment).text
                self.assertTrue(text.startswith(begin) and text.isascii(), text)
        self.assertIn("\u2026", self.history(80))


class Pipes(TerminalTestCase):
    def setUp(self):
        super().setUp()
        self.start()
        for number in range(400):
            self.call("lxc", f"guest-with-a-rather-long-name-{number}", "prepare",
                      domain(f"guest-with-a-rather-long-name-{number}"))

    def test_reader_goes(self):
        """`| head -1` gets its line, and no complaint follows."""
        for arguments in (("history", "--memory"), ("--json", "history", "--memory")):
            # Whether or not whoever starts it ignores SIGPIPE, as Python does.
            for restore in (True, False):
                with subprocess.Popen([VIRT_HOOKS, self.address, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      restore_signals=restore, pipesize=4096, env=self.command_environment()) as process:
                    self.assertNotEqual(process.stdout.readline(), b"")
                    process.stdout.close()
                    self.assertEqual(process.stderr.read(), b"")
                    self.assertEqual(process.wait(10 * FACTOR), -signal.SIGPIPE)

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([VIRT_HOOKS, self.address, "history", "--memory"], stdout=full, stderr=subprocess.PIPE,
                                    env=self.command_environment(), check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"No space left", result.stderr)

    def test_errors_on_a_terminal_and_output_in_a_pipe(self):
        """It is standard output that counts."""
        errors = Terminal(80)
        self.addCleanup(errors.close)
        with subprocess.Popen([VIRT_HOOKS, self.address, "history", "--memory"], stdout=subprocess.PIPE, stderr=errors.slave,
                              env=self.command_environment()) as process:
            errors.leave()
            text = process.stdout.read().decode()
            read_terminals([errors], 10 * FACTOR)
        self.assertEqual((process.returncode, errors.written), (0, b""))
        self.assertNotIn("\x1b", text)
        self.assertIn("guest-with-a-rather-long-name-399 ", text)


if __name__ == "__main__":
    tap.main()
