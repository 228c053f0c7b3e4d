#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may call what, as a table, with the project's bus policy, its polkit actions, its example of a rule, and a real polkitd."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import unittest

import buses
import mounts
import samples
import tap
from client import ACCESS_DENIED, INTERFACE, wait_until
from harness import IS_ROOT, PATH, HooksTestCase, read_text
from samples import GUEST, domain

POLKITD = "/usr/lib/polkit-1/polkitd"
POLKIT_POLICY = "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
ACTIONS = os.path.join(buses.TOP_SRCDIR, "policy", "org.virt.Hooks.policy")
RULE = os.path.join(buses.TOP_SRCDIR, "examples", "polkit", "50-virt-hooks.rules")

# Accounts that every Debian has, in the place of the rule's own names. The last one runs the service in some tests.
PLAIN, MEMBER, DAEMON, OWN = "nobody", "news", "uucp", "games"

RUNS = ("Daemon", "Qemu", "Lxc", "Libxl", "Network", "Run")
MANAGES = ("Cancel", "Reload")
INSPECTS = ("GetRun",)
FOR_ALL = ("ListScripts", "ListRuns", "Get", "GetAll", "Introspect")
SETS_LOG = ("Set",)  # the log's level, for which polkit is not asked
MEMBERS = RUNS + MANAGES + INSPECTS + FOR_ALL + SETS_LOG

# Whatever is not here is refused.
ALLOWED = {
    "root": MEMBERS,
    MEMBER: RUNS + MANAGES + INSPECTS + FOR_ALL,
    DAEMON: RUNS + FOR_ALL,
    PLAIN: FOR_ALL,
}

# Calls every member and prints what the bus or the service said to each.
CALL_ALL = """
import json, os, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
guest, document = "web-01", sys.argv[2]
calls = {
    "Daemon": ("(sss)", ("start", "", "")),
    "Qemu": ("(sssss)", (guest, "start", "", "", document)),
    "Lxc": ("(sssss)", (guest, "start", "", "", document)),
    "Libxl": ("(sssss)", (guest, "start", "", "", document)),
    "Network": ("(ssssss)", ("default", "start", "", "", sys.argv[3], "")),
    "Run": ("(sssssha{sv})", ("qemu", guest, "start", "", "", 0, {})),
    "Cancel": ("(s)", ("00000000-0000-0000-0000-000000000000",)),
    "Reload": ("()", ()),
    "GetRun": ("(s)", ("00000000-0000-0000-0000-000000000000",)),
    "ListScripts": ("()", ()),
    "ListRuns": ("(a{sv})", ({},)),
    "Get": ("(ss)", ("org.virt.Hooks", "Version")),
    "GetAll": ("(s)", ("org.virt.Hooks",)),
    "Introspect": ("()", ()),
    "Set": ("(ssv)", ("org.freedesktop.LogControl1", "LogLevel", GLib.Variant("s", "notice"))),
}
interfaces = {"Get": "org.freedesktop.DBus.Properties", "GetAll": "org.freedesktop.DBus.Properties",
              "Set": "org.freedesktop.DBus.Properties", "Introspect": "org.freedesktop.DBus.Introspectable"}
paths = {"Set": "/org/freedesktop/LogControl1"}
said = {}
for member, (signature, arguments) in calls.items():
    fds = Gio.UnixFDList.new()
    if member == "Run":
        fd = os.memfd_create("document")
        os.write(fd, document.encode())
        os.lseek(fd, 0, os.SEEK_SET)
        fds.append(fd)
    try:
        bus.call_with_unix_fd_list_sync("org.virt.Hooks", paths.get(member, "/org/virt/Hooks"),
                                        interfaces.get(member, "org.virt.Hooks"), member,
                                        GLib.Variant(signature, arguments), None, 0, 20000, fds, None)
        said[member] = ""
    except GLib.Error as error:
        said[member] = Gio.DBusError.get_remote_error(error) or str(error)
print(json.dumps(said))
"""

# Is its own agent: it would show the dialog, and never answers. Prints a line when the dialog is up, and what the call came to.
ASK_AND_WAIT = """
import os, sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
AGENT = Gio.DBusNodeInfo.new_for_xml('''<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
<method name="BeginAuthentication"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="a{ss}" direction="in"/><arg type="s" direction="in"/><arg type="a(sa{sv})" direction="in"/></method>
<method name="CancelAuthentication"><arg type="s" direction="in"/></method></interface></node>''')
def on_call(connection, sender, path, interface, member, parameters, invocation):
    if member == "BeginAuthentication":
        print("dialog", parameters[0], flush=True)
        kept.append(invocation)
kept = []
bus.register_object("/agent", AGENT.interfaces[0], on_call, None, None)
with open("/proc/self/stat") as file:
    started = int(file.read().rpartition(")")[2].split()[19])
subject = ("unix-process", {"pid": GLib.Variant("u", os.getpid()), "start-time": GLib.Variant("t", started)})
bus.call_sync("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority",
              "RegisterAuthenticationAgent", GLib.Variant("((sa{sv})ss)", (subject, "C", "/agent")), None, 0, -1, None)
loop = GLib.MainLoop()
def on_reply(connection, result):
    try:
        connection.call_finish(result)
        print("allowed", flush=True)
    except GLib.Error as error:
        print("refused", error.message, flush=True)
    loop.quit()
bus.call("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Qemu",
         GLib.Variant("(sssss)", ("web-01", "start", "", "", sys.argv[2])), None,
         Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, 2147483647, None, on_reply)
loop.run()
"""

# The name may be owned by another account as well, for a service that is not root.
OWNER = f"""<policy user="{OWN}">
    <allow own="{INTERFACE}"/>
    <allow send_interface="{INTERFACE}" send_type="signal"/>
  </policy>"""


def become(user):
    account = pwd.getpwnam(user)
    return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups")


@unittest.skipUnless(IS_ROOT, "only root can become other users")
class PolkitTestCase(HooksTestCase):
    bus_configuration = f"<include ignore_missing=\"yes\">{POLKIT_POLICY}</include>{OWNER}"
    is_private = False

    def setUp(self):
        super().setUp()
        for kind in ("daemon", "qemu", "lxc", "libxl", "network"):
            self.tracing_script(kind)

    def as_user(self, user, program, *arguments):
        environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
        command = [*buses.DIES_WITH_TEST, *become(user), "/usr/bin/python3", "-B", "-c", program, self.bus.address, domain(), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                                   cwd="/", encoding="utf-8")
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def what_is_said(self, user):
        output, errors = self.as_user(user, CALL_ALL, samples.network()).communicate(timeout=60)
        self.assertTrue(output, errors)
        return json.loads(output)

    def assert_table(self, user, allowed):
        said = self.what_is_said(user)
        self.assertEqual(said.keys(), set(MEMBERS))
        denied = {member for member, error in said.items() if error == ACCESS_DENIED}
        self.assertEqual(denied, set(MEMBERS) - set(allowed), f"{user}: {said}")
        # Who may call has a proper answer: there is no such run, and all else works.
        for member in allowed:
            self.assertEqual(said[member], f"{INTERFACE}.Error.NoSuchRun" if member in ("Cancel", "GetRun") else "", member)

    # polkit

    def start_polkit(self):
        if not os.path.exists(POLKITD):
            self.skipTest("there is no polkitd here")
        if not PolkitTestCase.is_private:
            mounts.enter_private_namespace()
            PolkitTestCase.is_private = True
        for place in ("/usr/share/polkit-1/actions", "/usr/share/polkit-1/rules.d", "/etc/polkit-1/rules.d"):
            mounts.mount("tmpfs", place, "mode=755")
            self.addCleanup(mounts.unmount, place)
        shutil.copy(ACTIONS, "/usr/share/polkit-1/actions")
        rule = read_text(RULE)
        for name, account in (("virt-operators", MEMBER), ("vmm", DAEMON)):
            self.assertIn(f'"{name}"', rule)
            rule = rule.replace(f'"{name}"', f'"{account}"')
        self.write("/etc/polkit-1/rules.d/50-virt-hooks.rules", rule)
        with open(self.path("polkitd.stderr"), "wb") as errors:
            polkit = subprocess.Popen([*buses.DIES_WITH_TEST, POLKITD, "--no-debug"], stdin=subprocess.DEVNULL, stdout=errors,
                                      stderr=errors, env={"PATH": PATH, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        self.addCleanup(polkit.wait)
        self.addCleanup(polkit.kill)
        wait_until(lambda: not self.client.bus_call("GetNameOwner", "(s)", "org.freedesktop.PolicyKit1").error, "polkitd")
        return polkit


class Table(PolkitTestCase):
    def test_polkit(self):
        self.start_polkit()
        self.start()
        for user, allowed in ALLOWED.items():
            with self.subTest(user=user):
                before = len(self.trace())
                self.assert_table(user, allowed)
                self.assertEqual(len(self.trace()) - before, sum(member in RUNS for member in allowed))

    def test_without_polkit(self):
        """root needs none. All others are refused, and told why."""
        self.start()
        for user in ALLOWED:
            with self.subTest(user=user):
                self.assert_table(user, MEMBERS if user == "root" else FOR_ALL)
        self.assertEqual(len(self.trace()), len(RUNS))

    def test_service_of_another_user(self):
        """It and root pass without polkit, which would not tell such a service about others."""
        self.start_polkit()
        self.write(self.path("trace"), "", 0o666)
        self.start(prefix=become(OWN))
        for user in ("root", OWN, PLAIN, MEMBER):
            with self.subTest(user=user):
                self.assert_table(user, MEMBERS if user in ("root", OWN) else FOR_ALL)

    def test_service_of_another_user_without_polkit(self):
        """Early in the boot there is none, and the service's own user needs none."""
        self.write(self.path("trace"), "", 0o666)
        self.start(prefix=become(OWN))
        for user in ("root", OWN, PLAIN, MEMBER):
            with self.subTest(user=user):
                self.assert_table(user, MEMBERS if user in ("root", OWN) else FOR_ALL)

    def test_rule_is_what_lets_them_in(self):
        """Without it they are plain users: so the table can fail."""
        self.start_polkit()
        os.unlink("/etc/polkit-1/rules.d/50-virt-hooks.rules")
        self.start()
        wait_until(lambda: self.what_is_said(MEMBER)["Reload"] == ACCESS_DENIED, "polkit to see the change")
        for user in (MEMBER, DAEMON):
            self.assert_table(user, FOR_ALL)


# Sends so many calls at once, and prints what each comes to as soon as it has come.
ASK_OFTEN = """
import sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], flags, None, None)
loop, left = GLib.MainLoop(), int(sys.argv[3])
def on_reply(connection, result):
    global left
    try:
        connection.call_finish(result)
        print("allowed", flush=True)
    except GLib.Error as error:
        print(error.message, flush=True)
    left -= 1
    if left == 0:
        loop.quit()
for number in range(left):
    bus.call("org.virt.Hooks", "/org/virt/Hooks", "org.virt.Hooks", "Qemu",
             GLib.Variant("(sssss)", ("web-01", "start", "", "", sys.argv[2])), None, 0, 2147483647, None, on_reply)
loop.run()
"""


class Caps(PolkitTestCase):
    """Calls that wait for polkit, which stands still: below the cap, at it, and above."""

    def setUp(self):
        super().setUp()
        self.polkit = self.start_polkit()
        self.start("[Bridge]\nMaxUnauthorized=5\nMaxUnauthorizedPerUser=3\n")
        self.polkit.send_signal(signal.SIGSTOP)
        self.addCleanup(self.polkit.send_signal, signal.SIGCONT)

    def asked(self):
        """How many questions polkit has been sent."""
        return sum(seen.member == "CheckAuthorization" for seen in self.monitor.seen)

    def test_of_one_user(self):
        for count in (2, 3):
            before = self.asked()
            asker = self.as_user(MEMBER, ASK_OFTEN, str(count))
            wait_until(lambda: self.asked() == before + count, "all to be asked about")
            self.polkit.send_signal(signal.SIGCONT)
            self.assertEqual([asker.stdout.readline() for _ in range(count)], ["allowed\n"] * count)
            self.polkit.send_signal(signal.SIGSTOP)
        asker = self.as_user(MEMBER, ASK_OFTEN, "4")
        self.assertIn("MaxUnauthorizedPerUser=", line := asker.stdout.readline())
        self.assertIn("LimitExceeded", line)
        # Another connection of that user has no more; another user has, and root does not wait.
        self.assertIn("MaxUnauthorizedPerUser=", self.as_user(MEMBER, ASK_OFTEN, "1").stdout.readline())
        another = self.as_user(DAEMON, ASK_OFTEN, "2")
        wait_until(lambda: self.asked() == 2 + 3 + 3 + 2, "the other's to be asked about")
        self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.polkit.send_signal(signal.SIGCONT)
        self.assertEqual([asker.stdout.readline() for _ in range(3)] + [another.stdout.readline() for _ in range(2)],
                         ["allowed\n"] * 5)

    def test_of_all(self):
        askers = [self.as_user(user, ASK_OFTEN, str(count)) for user, count in ((MEMBER, 2), (DAEMON, 2))]
        wait_until(lambda: self.asked() == 4, "all to be asked about")
        askers.append(self.as_user(PLAIN, ASK_OFTEN, "1"))
        wait_until(lambda: self.asked() == 5, "the last to be asked about")
        self.assertIn("MaxUnauthorized=", line := self.as_user(PLAIN, ASK_OFTEN, "1").stdout.readline())
        self.assertIn("LimitExceeded", line)
        self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.polkit.send_signal(signal.SIGCONT)
        said = [askers[0].stdout.readline(), askers[0].stdout.readline(), askers[1].stdout.readline(), askers[1].stdout.readline()]
        self.assertEqual(said, ["allowed\n"] * 4)
        self.assertIn("AccessDenied", askers[2].stdout.readline())


class Dialog(PolkitTestCase):
    def setUp(self):
        super().setUp()
        self.polkit = self.start_polkit()
        self.service = self.start()
        self.asker = self.as_user(PLAIN, ASK_AND_WAIT)
        self.first_line = self.asker.stdout.readline()

    def test_nobody_answers(self):
        """The dialog is up, and everybody else is served: whom polkit lets in, whom it refuses, and whom it is not asked about."""
        self.assertEqual(self.first_line, "dialog org.virt.hooks.run\n")
        for user, allowed in ALLOWED.items():
            self.assert_table(user, allowed)
        self.assertIsNone(self.asker.poll())
        ran = len(self.trace())
        self.asker.kill()  # who leaves takes its question along
        self.asker.wait()
        self.assert_return(self.client.hook("qemu", GUEST, "start", domain()))
        self.assertEqual(len(self.trace()), ran + 1)

    def test_polkit_dies(self):
        """What it was asked is denied at once, and root is served as ever."""
        self.assertEqual(self.first_line, "dialog org.virt.hooks.run\n")
        self.polkit.send_signal(signal.SIGKILL)
        self.assertIn("refused", line := self.asker.stdout.readline())
        self.assertIn("polkit could not be asked", line)
        self.assertEqual(self.trace(), [])
        self.assert_table("root", MEMBERS)
        self.assert_table(MEMBER, FOR_ALL)

    def test_service_stops(self):
        """Who still waits for an answer has one."""
        self.service.signal(signal.SIGTERM)
        self.assertIn("ShuttingDown", self.asker.stdout.readline())
        self.service.wait_exit()


if __name__ == "__main__":
    tap.main()
