# SPDX-License-Identifier: LGPL-2.1-or-later
"""A folder of hooks, and the commands that need neither a bus nor a service: check and rehearse.

    $VIRT_HOOKS            the command, if it is to be another one than $top_builddir's
    $TEST_TIMEOUT_FACTOR   how much slower than usual this machine may be
"""

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, os.pardir, "bus"))

TOP_SRCDIR = os.path.abspath(os.environ.get("top_srcdir", os.path.join(HERE, os.pardir, os.pardir)))
TOP_BUILDDIR = os.path.abspath(os.environ.get("top_builddir", TOP_SRCDIR))
VIRT_HOOKS = os.path.abspath(os.environ.get("VIRT_HOOKS", os.path.join(TOP_BUILDDIR, "client", "virt-hooks")))
FACTOR = float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
IS_ROOT = os.geteuid() == 0
NOBODY = 65534

TROUBLE, USAGE, NO_VERDICT = 1, 2, 125

os.umask(0o022)


@dataclass(frozen=True)
class Result:
    """What a command left."""
    status: int
    text: str
    complaint: str

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def objects(self):
        """The lines of --json."""
        return [json.loads(line) for line in self.text.split("\n")[:-1]]


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class FolderTestCase(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 40 * FACTOR)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        self.directory = os.path.realpath(tempfile.mkdtemp(prefix="virt-hooks-"))
        os.chmod(self.directory, 0o755)
        self.addCleanup(shutil.rmtree, self.directory)
        self.hooks = self.make_directory("hooks")

    @staticmethod
    def _on_alarm(_number, _frame):
        raise TimeoutError("the test hangs")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def hook(self, *names):
        return os.path.join(self.hooks, *names)

    def make_directory(self, *names):
        os.makedirs(self.path(*names), mode=0o755, exist_ok=True)
        return self.path(*names)

    def write(self, path, content, mode=0o644):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def script(self, name, content="#!/bin/sh\nexit 0\n", mode=0o755, directory=None):
        """Writes HOOKS/name as it is."""
        return self.write(os.path.join(directory or self.hooks, name), content, mode)

    def link(self, target, name):
        os.makedirs(os.path.dirname(self.hook(name)), mode=0o755, exist_ok=True)
        os.symlink(target, self.hook(name))
        return self.hook(name)

    def config(self, *lines, directories=()):
        """A settings' file with these lines under [Bridge]."""
        listed = [f"HooksDirectories={directory}" for directory in directories]
        return "--config=" + self.write(self.path("virt-hooks.conf"), "\n".join(["[Bridge]", *listed, *lines, ""]))

    @staticmethod
    def environment(**changes):
        changes = {"TERM": "xterm-256color", "COLUMNS": None, "NO_COLOR": None, "LC_ALL": "C.UTF-8", **changes}
        return {name: value for name, value in {**os.environ, **changes}.items() if value is not None}

    def virt_hooks(self, *arguments, document=None, cwd=None, preexec_fn=None, **environment):
        """Runs the command in pipes."""
        done = subprocess.run([VIRT_HOOKS, *arguments], input=document, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL if document is None else None, encoding="utf-8",
                              check=False, cwd=cwd or self.directory, preexec_fn=preexec_fn,
                              env=self.environment(**environment))
        self.assertNotIn("Sanitizer", done.stderr)
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments):
        """Starts the command in pipes and goes on."""
        process = subprocess.Popen([VIRT_HOOKS, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, encoding="utf-8", cwd=self.directory, env=self.environment())
        self.addCleanup(self._stop, process)
        return process

    @staticmethod
    def _stop(process):
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def on_terminal(self, columns, *arguments, **environment):
        """Runs the command on a terminal of so many columns; the text has no carriage returns."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen([VIRT_HOOKS, *arguments], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
                              cwd=self.directory, env=self.environment(**environment)) as process:
            os.close(slave)
            written = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                written += data
            complaint = process.stderr.read().decode()
        os.close(master)
        return Result(process.returncode, written.decode().replace("\r\n", "\n"), complaint)
