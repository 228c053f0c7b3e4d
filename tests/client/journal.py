# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real journald of the test's own, and the service's and other programs' entries in it. Only root can have one."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

from command import CommandTestCase, wait_until
import mounts
from harness import IS_ROOT, TOP_SRCDIR

JOURNALD = shutil.which("systemd-journald", path="/usr/lib/systemd:/lib/systemd")
SOCKET, STREAM_SOCKET = "/run/systemd/journal/socket", "/run/systemd/journal/stdout"

# It must keep its hands off the kernel's log and auditing, and take whatever the test sends.
JOURNALD_CONF = ("[Journal]\nStorage=volatile\nRuntimeMaxUse=400M\nRuntimeKeepFree=0\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=\n"
                 "ForwardToSyslog=no\nForwardToKMsg=no\nForwardToConsole=no\nForwardToWall=no\nSyncIntervalSec=0\nCompress=no\n")

# What systemd does for a unit: standard error is a stream to the journal, and the variable says which.
CONNECT_STDERR = f"""
import os, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect({STREAM_SOCKET!r})
stream.sendall(b"virt-hooksd\\n\\n6\\n1\\n0\\n0\\n0\\n")
os.dup2(stream.fileno(), 2)
about = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{{about.st_dev}}:{{about.st_ino}}"
os.execv(sys.argv[1], sys.argv[1:])
"""
WITH_JOURNAL = (sys.executable, "-B", "-c", CONNECT_STDERR)


def identifiers():
    """What journal-ids.h defines, by the last part of the name: JOURNAL_ID_RUN_FAILED is RUN_FAILED."""
    with open(os.path.join(TOP_SRCDIR, "bridge", "journal-ids.h"), encoding="utf-8") as file:
        return dict(re.findall(r'#define\s+JOURNAL_ID_(\w+)[\s\\]+"([0-9a-f]{32})"', file.read()))


IDS = identifiers()
CATALOG = os.path.join(TOP_SRCDIR, "units", "virt-hooks.catalog")


class JournalTestCase(CommandTestCase):
    """With tmpfs where the journal and its sockets are, and a journald."""

    is_private = False
    reason = None

    @classmethod
    def setUpClass(cls):
        if not IS_ROOT:
            cls.reason = "only root can have a journald of its own"
        elif JOURNALD is None or shutil.which("journalctl") is None:
            cls.reason = "there is no journald here"
        elif not JournalTestCase.is_private:
            try:
                mounts.enter_private_namespace()
                JournalTestCase.is_private = True
            except OSError as error:
                cls.reason = f"there are no mounts of its own to be had here: {error}"

    def setUp(self):
        if self.reason:
            self.skipTest(self.reason)
        super().setUp()
        for place in ("/run/systemd", "/run/log", "/var/log/journal"):
            if os.path.isdir(place):
                mounts.mount("tmpfs", place)
                self.addCleanup(mounts.unmount, place)
        self.start_journald()

    def start_journald(self):
        self.write("/run/systemd/journald.conf.d/test.conf", JOURNALD_CONF)
        with open(self.path("journald.stderr"), "wb") as errors:
            journald = subprocess.Popen([JOURNALD], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        self.addCleanup(journald.wait)
        self.addCleanup(journald.kill)
        try:
            wait_until(lambda: os.path.exists(SOCKET) and os.path.exists(STREAM_SOCKET) and self.journal_directory(),
                       "journald")
        except AssertionError as error:
            self.skipTest(f"journald does not run here: {error}")

    def journal_directory(self):
        """Where its files are."""
        return next((os.path.dirname(path) for path in glob.glob("/run/log/journal/*/system.journal")), None)

    # Entries

    def start_logged(self, settings="", **keywords):
        return self.start(settings, prefix=WITH_JOURNAL, **keywords)

    def entries(self, **fields):
        """All that have these fields, the oldest first."""
        matches = [f"{name}={value}" for name, value in fields.items()]
        result = subprocess.run(["journalctl", f"--directory={self.journal_directory()}", "--all", "--output=json", "--quiet",
                                 *matches], capture_output=True, check=False, timeout=20)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def wait_entry(self, **fields):
        """The only one that has these fields."""
        entries = wait_until(lambda: self.entries(**fields), f"an entry with {fields}")
        self.assertEqual(len(entries), 1, entries)
        return entries[0]

    # What journalctl says of them

    def install_catalog(self):
        """Ours alone, whatever the machine has."""
        for directory in ("/usr/lib/systemd/catalog", "/var/lib/systemd/catalog"):
            if not os.path.isdir(directory):
                self.skipTest(f"there is no {directory}")
            mounts.mount("tmpfs", directory)
            self.addCleanup(mounts.unmount, directory)
        shutil.copy(CATALOG, "/usr/lib/systemd/catalog")
        subprocess.run(["journalctl", "--update-catalog"], check=True, capture_output=True)

    def check_explained(self, kind):
        """journalctl -x has a text for the entries of this kind, and a value for all that the text names."""
        wait_until(lambda: self.entries(MESSAGE_ID=IDS[kind]), kind)
        text = subprocess.run(["journalctl", f"--directory={self.journal_directory()}", "-x", f"MESSAGE_ID={IDS[kind]}"],
                              capture_output=True, check=True, encoding="utf-8").stdout
        self.assertIn("Defined-By: virt-hooks", text)
        self.assertNotRegex(text, "(?m)^.*@?VIRT_HOOKS_")

    def send(self, *entries, wait=True):
        """Writes entries as sd_journal_send() does: a datagram each, with lengths where a value has line ends."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for entry in entries:
                sender.sendto(b"".join(self.field(name, value) for name, value in entry.items()), SOCKET)
        if wait and entries:
            wait_until(lambda: self.entries(VIRT_HOOKS_RUN=entries[-1]["VIRT_HOOKS_RUN"]), "the entries")

    @staticmethod
    def field(name, value):
        data = value if isinstance(value, bytes) else str(value).encode()
        if b"\n" not in data:
            return name.encode() + b"=" + data + b"\n"
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"

    @staticmethod
    def run_entry(number, outcome="success", effect="proceed", **fields):
        """What the service writes of a run."""
        failed = effect != "proceed"
        entry = {"MESSAGE": f"qemu guest-{number} start: {outcome}", "PRIORITY": 3 if failed else 6,
                 "MESSAGE_ID": IDS["RUN_FAILED" if failed else "RUN_SUCCEEDED"], "SYSLOG_IDENTIFIER": "virt-hooksd",
                 "VIRT_HOOKS_RUN": f"00000000-0000-4000-8000-{number:012}", "VIRT_HOOKS_TYPE": "qemu",
                 "VIRT_HOOKS_OBJECT": f"guest-{number}", "VIRT_HOOKS_OPERATION": "start", "VIRT_HOOKS_SUBOPERATION": "begin",
                 "VIRT_HOOKS_EXTRA": "-", "VIRT_HOOKS_OUTCOME": outcome, "VIRT_HOOKS_EFFECT": effect,
                 "VIRT_HOOKS_STARTED_AT": int(time.time() * 1000000), "VIRT_HOOKS_DURATION_USEC": 1234, **fields}
        return {name: value for name, value in entry.items() if value is not None}

    def send_as_nobody(self, entry):
        """As another user: the journal takes what anybody sends, and notes who it was."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                self.send(entry, wait=False)
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        wait_until(lambda: self.entries(VIRT_HOOKS_RUN=entry["VIRT_HOOKS_RUN"], _UID=65534), "the forged entry")
