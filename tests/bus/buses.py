# SPDX-License-Identifier: LGPL-2.1-or-later
"""Message buses of a test's own, of both implementations, with the project's own policy file.

    $VIRT_HOOKS_TEST_BUS   dbus-daemon, the default, or dbus-broker, which only root can have
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import unittest
from xml.sax.saxutils import escape

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, os.pardir, "client"))
import mounts  # noqa: E402 (it lies elsewhere)

TOP_SRCDIR = os.path.abspath(os.environ.get("top_srcdir", os.path.join(HERE, os.pardir, os.pardir)))
POLICY_FILE = os.path.join(TOP_SRCDIR, "policy", "org.virt.Hooks.conf")
IS_ROOT = os.geteuid() == 0

# A test that is killed takes its processes along.
DIES_WITH_TEST = ("setpriv", "--pdeathsig", "KILL")

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path={socket}</listen>
  <!-- The system bus's own rules, for the project's policy to open what it needs. -->
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
  {own_rules}
  {more}
  <!-- The service's own caps are to be met before the bus's. -->
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_connections_per_user">2000</limit>
</busconfig>
"""

# The policy lets root alone own the name. Whoever else runs the service gets root's rights on this bus.
OWN_RULES = """<policy user="{user}">
    <allow own="org.virt.Hooks"/>
    <allow send_interface="org.virt.Hooks" send_type="signal"/>
    <allow send_destination="org.virt.Hooks"/>
  </policy>"""


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Bus:
    """A dbus-daemon."""

    def __init__(self, directory, more=""):
        self.stderr_path = os.path.join(directory, "bus.stderr")
        self.socket_path = os.path.join(directory, "bus")
        self.address = f"unix:path={self.socket_path}"
        self.config = os.path.join(directory, "bus.conf")
        own_rules = "" if IS_ROOT else OWN_RULES.format(user=os.geteuid())
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(socket=escape(self.socket_path), policy=escape(POLICY_FILE), own_rules=own_rules,
                                     more=more))
        with open(self.stderr_path, "wb") as stderr:
            self.process = self.start(stderr)

    def start(self, stderr):
        process = subprocess.Popen(
            [*DIES_WITH_TEST, "dbus-daemon", f"--config-file={self.config}", "--nofork", "--nopidfile", "--print-address"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
        with process.stdout:
            if not process.stdout.readline():
                raise AssertionError(f"dbus-daemon did not start: {read_text(self.stderr_path)}")
        return process

    @property
    def pid(self):
        """The process that messages go through."""
        return self.process.pid

    def stop(self):
        self.process.kill()
        self.process.wait()


class BrokerBus(Bus):
    """A dbus-broker. Its launcher gets the socket that clients connect to, as from systemd, and wants a journal."""

    JOURNAL = "/run/systemd/journal"
    journal = None

    @classmethod
    def be_journal(cls):
        """Takes what the launcher logs, and drops it: it says nothing that the tests need."""
        if cls.journal:
            return
        mounts.enter_private_namespace()
        os.makedirs(os.path.dirname(cls.JOURNAL), exist_ok=True)
        mounts.mount("tmpfs", os.path.dirname(cls.JOURNAL))
        os.mkdir(cls.JOURNAL)
        cls.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.journal.bind(os.path.join(cls.JOURNAL, "socket"))
        threading.Thread(target=cls.read_journal, daemon=True).start()

    @classmethod
    def read_journal(cls):
        while cls.journal.recv(65536):
            pass

    def start(self, stderr):
        if not IS_ROOT or shutil.which("dbus-broker-launch") is None:
            raise unittest.SkipTest("only root can have a dbus-broker of its own" if not IS_ROOT
                                    else "there is no dbus-broker here")
        self.be_journal()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.socket_path)
            os.chmod(self.socket_path, 0o666)
            listener.listen(4096)
            number = listener.fileno()
            # The launcher connects to its own bus, too.
            return subprocess.Popen(
                [*DIES_WITH_TEST, "bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{number}', "bash",
                 "dbus-broker-launch", "--scope", "user", f"--config-file={self.config}"],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, pass_fds=(number,),
                env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": self.address})

    @property
    def pid(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return int(file.read().split()[0])


KINDS = {"dbus-daemon": Bus, "dbus-broker": BrokerBus}


def new_bus(directory, more=""):
    return KINDS[os.environ.get("VIRT_HOOKS_TEST_BUS", "dbus-daemon")](directory, more)
