# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command virt-hooks as people use it: in a pipe, on a terminal, and in the background. What it needs of a bus and
a service comes from the harness of the bus tests, which importing this module makes known.

    $VIRT_HOOKS   the command, if it is to be another one than $top_builddir's
"""

import errno
import fcntl
import json
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty
import unicodedata
from dataclasses import dataclass

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "bus"))

from client import FACTOR, wait_until  # noqa: E402
from harness import TOP_BUILDDIR, HooksTestCase, read_text  # noqa: E402

VIRT_HOOKS = os.environ.get("VIRT_HOOKS", os.path.join(TOP_BUILDDIR, "client", "virt-hooks"))

# The exit statuses that virt-hooks(1) lists.
TROUBLE, USAGE, ABSENT, TIMED_OUT, NO_VERDICT, KILLED = 1, 2, 3, 124, 125, 128

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def without_colour(text):
    return COLOUR.sub("", text)


def display_width(text):
    """The columns of a terminal that this takes; enough for what the tests print."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
               for character in text)


def parse_json(line):
    """One object, read as strictly as any reader does: no key twice, no NaN."""
    def unique(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"a key twice: {line}"
        return dict(pairs)

    def refuse(word):
        raise ValueError(f"{word} is no JSON")
    value = json.loads(line, object_pairs_hook=unique, parse_constant=refuse)
    assert isinstance(value, dict), line
    return value


def columns_at(headings, *names):
    """Where the columns of a table begin, by its first line, as (start, end) by name."""
    starts = [headings.index(name) for name in names] + [None]
    return {name: (starts[index], starts[index + 1]) for index, name in enumerate(names)}


@dataclass(frozen=True)
class Result:
    """What a command left."""
    status: int
    output: bytes
    errors: bytes

    @property
    def text(self):
        return self.output.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def complaint(self):
        return self.errors.decode(errors="replace")

    @property
    def objects(self):
        """The lines of --json: an object each."""
        assert self.text == "" or self.text.endswith("\n"), self.text
        return [parse_json(line) for line in self.text.split("\n")[:-1]]


class Terminal:
    """A pseudo-terminal that changes nothing of what is written to it."""

    def __init__(self, columns):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.written = b""

    def leave(self):
        """The command has it now."""
        os.close(self.slave)

    def read(self):
        """Reads once. Returns False when nobody can write any more."""
        try:
            data = os.read(self.master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        self.written += data
        return data != b""

    def close(self):
        os.close(self.master)


def read_terminals(terminals, seconds):
    """Reads all that is written to them, until their last writers are gone."""
    deadline = time.monotonic() + seconds
    still_open = {terminal.master: terminal for terminal in terminals}
    while still_open:
        ready, _, _ = select.select(still_open, [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError("the command does not end")
        for fd in ready:
            if not still_open[fd].read():
                del still_open[fd]


class Follower:
    """A command in the background, and the lines that it has written into its pipe so far."""

    def __init__(self, path, command, environment):
        self.path = path
        with open(path, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                            env=environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.output = b""

    @property
    def complaint(self):
        return read_text(self.path)

    @property
    def lines(self):
        """Whole lines only: what is not ended yet was not flushed in time."""
        while data := self.process.stdout.read():
            self.output += data
        return self.output.decode().split("\n")[:-1]

    def wait_line(self, *texts, count=1):
        """The count-th line that has all of these."""
        def find():
            found = [line for line in self.lines if all(text in line for text in texts)]
            return found[count - 1] if len(found) >= count else None
        try:
            return wait_until(find, f"the line {texts}")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.lines}\n{self.complaint}") from None

    def wait_exit(self):
        wait_until(lambda: self.process.poll() is not None, f"{self.process.args} to end")
        return self.process.returncode

    def result(self):
        """Waits for its end."""
        status = self.wait_exit()
        return Result(status, "".join(f"{line}\n" for line in self.lines).encode(), self.complaint.encode())

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class CommandTestCase(HooksTestCase):
    """A test with a bus; start() adds the service, and the command finds it by --address."""

    def setUp(self):
        super().setUp()
        self.n_followers = 0

    @property
    def address(self):
        return f"--address={self.bus.address}"

    def command_environment(self, **changes):
        """A user's; None takes a variable away."""
        environment = self.client_environment()
        environment |= {"TERM": "xterm-256color", "COLUMNS": None, "NO_COLOR": None, "LC_ALL": "C.UTF-8", **changes}
        return {name: value for name, value in environment.items() if value is not None}

    def bare(self, *arguments, document=b"", program=VIRT_HOOKS, seconds=20, **environment):
        """Runs the command with these arguments alone, in pipes."""
        done = subprocess.run([program, *arguments], input=document, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=seconds * FACTOR, check=False, env=self.command_environment(**environment))
        return Result(done.returncode, done.stdout, done.stderr)

    def virt_hooks(self, *arguments, **keywords):
        """The same on the test's bus."""
        return self.bare(self.address, *arguments, **keywords)

    def on_terminal(self, columns, *arguments, program=VIRT_HOOKS, seconds=20, **environment):
        """Standard output is a terminal of so many columns, standard error another one."""
        output, errors = Terminal(columns), Terminal(columns)
        try:
            with subprocess.Popen([program, self.address, *arguments], stdin=output.slave, stdout=output.slave,
                                  stderr=errors.slave, env=self.command_environment(**environment)) as process:
                output.leave()
                errors.leave()
                read_terminals([output, errors], seconds * FACTOR)
            return Result(process.returncode, output.written, errors.written)
        finally:
            output.close()
            errors.close()

    def follow(self, *arguments, program=VIRT_HOOKS, **environment):
        """Starts the command and goes on."""
        self.n_followers += 1
        follower = Follower(self.path(f"virt-hooks-{self.n_followers}.stderr"), [program, self.address, *arguments],
                            self.command_environment(**environment))
        self.addCleanup(follower.stop)
        return follower

    # What results must be

    def assert_done(self, result):
        """It did what it was asked, and had nothing to say about it."""
        self.assertEqual((result.status, result.complaint), (0, ""), result.text)
        return result

    def assert_trouble(self, result, status, *fragments):
        """It could not, said so on standard error alone, in one line, and a word about what to do."""
        self.assertEqual(result.status, status, f"{result.text}\n{result.complaint}")
        self.assertEqual(result.output, b"")
        self.assertRegex(result.complaint, r"\Avirt-hooks: [^\n]+\n\Z")
        for fragment in fragments:
            self.assertIn(fragment, result.complaint)
        return result

    # What commands are about

    def call(self, *arguments, **keywords):
        """A call of the test's own client; the run's id."""
        return self.client.hook(*arguments, **keywords).run
