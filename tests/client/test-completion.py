#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion in real shells on a terminal: it offers what the command has, and what the service knows."""

import os
import pty
import re
import select
import shutil
import signal
import time

from command import FACTOR, CommandTestCase, wait_until
import tap
from harness import TOP_BUILDDIR
from samples import GUEST, NETWORK, OPERATIONS, RELEASE_REASONS, domain, network

COMPLETION = os.path.join(TOP_BUILDDIR, "client", "completion")
KINDS = ["daemon", "qemu", "lxc", "libxl", "network"]
BEGIN_OF_LINE, READY = "\x01", "r-e-a-d-y"


class Shell:
    """An interactive shell. complete() has it replace a line by all that it offers there, and print that."""

    def __init__(self, command, environment, setup):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)
        self.written = ""
        for line in setup:
            self.enter(line)

    def enter(self, line):
        """Types a line, and returns what comes of it."""
        # The shell prints the word without the quotes only when it has done all before it.
        os.write(self.fd, f"{line}\n".encode())
        os.write(self.fd, f"echo '{READY[:3]}''{READY[3:]}'\n".encode())
        deadline = time.monotonic() + 20 * FACTOR
        before = len(self.written)
        while f"{READY}\r\n" not in self.written[before:]:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"the shell does not answer: {self.written}")
            self.written += os.read(self.fd, 65536).decode()
        return self.written[before:]

    def complete(self, line, key):
        """The words that are offered at the end of the line."""
        output = self.enter(f"{line}{key}{BEGIN_OF_LINE}printf '<%s>\\n' ")
        words = re.findall(r"(?m)^<(.*)>\r$", output)
        *before, last = line.split(" ")
        option = last[:last.find("=") + 1]
        return [word.removeprefix(option) for word in words[len(before):] if word != last]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Completion:
    """What is the same in all shells. `offered` gives the words for what stands behind virt-hooks."""

    def long_options(self, *verb):
        """Those that --help has, without their arguments."""
        return sorted(re.findall(r"(?m)^ .*?(--[a-z-]+)", self.assert_done(self.bare(*verb, "--help")).text))

    def verbs(self):
        commands = self.assert_done(self.bare("--help")).text.partition("Commands:\n")[2].partition("\n\n")[0]
        return sorted(re.findall(r"(?m)^  ([a-z]+) ", commands))

    def test_commands(self):
        self.assertEqual(sorted(self.offered("")), self.verbs())
        self.assertEqual(sorted(self.offered("help ")), self.verbs())
        self.assertEqual(self.offered("rep"), [])
        self.assertEqual(sorted(self.offered("--json re")), ["rehearse", "reload"])

    def test_options(self):
        """Of the command, and of every subcommand."""
        self.assertEqual(sorted(word.rstrip("=") for word in self.offered("--")), self.long_options())
        for verb in self.verbs():
            with self.subTest(verb=verb):
                self.assertEqual(sorted(word.rstrip("=") for word in self.offered(f"{verb} --")), self.long_options(verb))

    def test_table_of_operations(self):
        for verb in ("run", "rehearse"):
            self.assertEqual(sorted(self.offered(f"{verb} ")), sorted(KINDS))
        for kind in KINDS:
            rows = [operation for operation in OPERATIONS if operation.kind == kind]
            names = sorted(operation.name for operation in rows)
            self.assertEqual(sorted(self.offered(f"run {kind} name ")), names)
            self.assertEqual(sorted(self.offered(f"rehearse {kind} --operations=")), names)
            for operation in rows:
                with self.subTest(operation=operation):
                    line = f"run {kind} name {operation.name} "
                    self.assertEqual(self.offered(line), [operation.suboperation])
                    extra = [word.replace("\\ ", " ") for word in self.offered(f"{line}{operation.suboperation} ")]
                    if operation.name == "release" and kind in ("qemu", "lxc"):
                        self.assertLessEqual({"-", "shutdown", "crashed"}, set(extra))
                        self.assertLessEqual(set(extra), {"-", *RELEASE_REASONS})
                    else:
                        self.assertEqual(extra, [operation.extra])

    def test_runs_and_objects(self):
        """From the service on the bus that is named."""
        self.tracing_script("qemu", self.gate().wait)
        self.start()
        ended = self.call("network", NETWORK, "updated", network(), "")
        self.client.send_hook("qemu", GUEST, "prepare", domain())
        wait_until(lambda: self.client.property("Running") == 1, "the run")
        running = self.virt_hooks("list", "--json").objects[0]["run"]
        self.assertEqual(self.offered(f"{self.address} cancel "), [running])
        self.assertEqual(sorted(self.offered(f"{self.address} show ")), sorted([running, ended]))
        self.assertEqual(self.offered(f"{self.address} run qemu "), [GUEST])
        self.assertEqual(sorted(self.offered(f"{self.address} history --object=")), sorted([GUEST, NETWORK]))
        self.assert_done(self.virt_hooks("cancel", running))

    def test_files(self):
        self.write(self.path("here/one.xml"), "")
        self.write(self.path("here/one.txt"), "")
        self.make_directory("here/one.d")
        for option in ("--xml ", "--xml="):
            offered = [word.rstrip("/") for word in self.offered(f"run {option}{self.directory}/here/o")]
            self.assertIn(f"{self.directory}/here/one.xml", offered)
            self.assertNotIn(f"{self.directory}/here/one.txt", offered)


class Bash(Completion, CommandTestCase):
    INSERT_ALL = "\x1b*"

    def setUp(self):
        super().setUp()
        environment = self.command_environment(PATH=f"{TOP_BUILDDIR}/client:{os.environ['PATH']}", PS1="", TERM="dumb", HOME=self.directory)
        self.shell = Shell(["bash", "--norc", "--noprofile", "-i"], environment,
                           ["bind 'set enable-bracketed-paste off'", f". {COMPLETION}/virt-hooks"])
        self.addCleanup(self.shell.close)

    def offered(self, line):
        return self.shell.complete(f"virt-hooks {line}", self.INSERT_ALL)

    def test_nothing_twice(self):
        """readline hides it, other users of the function do not."""
        for words in (("run", ""), ("attach", ""), ("monitor", "--type", ""), ("monitor", "--operation", "")):
            line = " ".join(("virt-hooks", *words))
            self.shell.enter(f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_CWORD={len(words)}; COMP_WORDS=(virt-hooks {' '.join(words[:-1])} '')")
            offered = re.findall(r"(?m)^<(.*)>\r$", self.shell.enter("_virt_hooks virt-hooks; printf '<%s>\\n' \"${COMPREPLY[@]}\""))
            self.assertEqual(offered, sorted(set(offered)))
            self.assertIn("start" if words[-2] == "--operation" else "qemu", offered)


class Zsh(Completion, CommandTestCase):
    INSERT_ALL = "\x18a"

    def setUp(self):
        if shutil.which("zsh") is None:
            self.skipTest("there is no zsh here")
        super().setUp()
        environment = self.command_environment(PATH=f"{TOP_BUILDDIR}/client:{os.environ['PATH']}", PS1="", TERM="vt100", HOME=self.directory)
        self.shell = Shell(["zsh", "-f", "-i"], environment, [
            f"fpath=({COMPLETION} $fpath); autoload -Uz compinit; compinit -u -D; PS1= PS2= RPS1=",
            "zle -C insert-all complete-word _generic; bindkey '^Xa' insert-all; bindkey '^A' beginning-of-line",
            "zstyle ':completion:insert-all:*' completer _all_matches _complete; zstyle ':completion:insert-all:*' insert yes"])
        self.addCleanup(self.shell.close)

    def offered(self, line):
        """A short option is offered with its long one."""
        return [word for word in self.shell.complete(f"virt-hooks {line}", self.INSERT_ALL) if not re.match("-[a-zA-Z]$", word)]


if __name__ == "__main__":
    tap.main()
