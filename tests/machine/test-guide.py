#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What docs/behind-libvirt.md tells people to do works, and says what is written there."""

import os
import re
import subprocess
import unittest

import machine
import libvirtd
from inside import must, run, wait_until, write
from libvirtd import LIBVIRT_HOOKS, PLACE, start_afresh

GUIDE = os.path.join(machine.TOP_SRCDIR, "docs", "behind-libvirt.md")
USER = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")

# The part of a desktop that shows notifications.
DESKTOP = '''
from gi.repository import Gio, GLib

INTERFACE = """<node><interface name="org.freedesktop.Notifications"><method name="Notify">
<arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="a{sv}" direction="in"/><arg type="i" direction="in"/>
<arg type="u" direction="out"/></method></interface></node>"""

def on_call(_bus, _sender, _path, _interface, _method, arguments, invocation):
    print("notification:", *arguments.unpack()[3:5], flush=True)
    invocation.return_value(GLib.Variant("(u)", (1,)))

def on_bus(bus, _name):
    bus.register_object("/org/freedesktop/Notifications", Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], on_call)

Gio.bus_own_name(Gio.BusType.SESSION, "org.freedesktop.Notifications", 0, on_bus, None, None)
GLib.MainLoop().run()
'''


def blocks():
    """[(prompt, command, what it says)] in the order of the guide."""
    with open(GUIDE, encoding="utf-8") as file:
        lines = re.findall(r"(?m)^    (.*)$", file.read())
    found = []
    for line in lines:
        if line[:2] in ("# ", "$ "):
            found.append((line[0], line[2:], []))
        else:
            found[-1][2].append(line)
    return [(prompt, command, "\n".join(said)) for prompt, command, said in found]


def pattern(text):
    """`...` is any text, a line of it any lines; blanks between words are as many as there are."""
    lines = []
    for line in text.split("\n"):
        if line == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            words = [".*".join(map(re.escape, word.split("..."))) for word in line.split()]
            lines.append(r"\s*" + r"\s+".join(words) + r"\n" if words else "")
    return r"(?m)\A" + "".join(lines) + r"\s*\Z"


class Guide(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        libvirtd.let_it_restart()
        start_afresh()
        libvirtd.start_with_network()
        disk = libvirtd.DISK.replace("web.img", "web-01.img")
        libvirtd.define("web-01", 1, disk)
        self.document = f"{PLACE}/web-01.xml"
        # A script that finds its folder by its path, as many have it.
        write(f"{LIBVIRT_HOOKS}/qemu", libvirtd.DISPATCHER.replace("BASE", LIBVIRT_HOOKS), 0o755)
        write(f"{LIBVIRT_HOOKS}/qemu.d/web-01/prepare/begin/bind", f"#!/bin/sh\necho $1 $2 >> {PLACE}/trace\n", 0o755)

    def start_session(self):
        """A user's session with a desktop, and the commands of the guide that any user may run there."""
        write(f"{PLACE}/desktop.py", DESKTOP)
        commands = [f"/usr/bin/python3 {PLACE}/desktop.py", *(command for prompt, command, _ in blocks() if prompt == "$")]
        with open(f"{PLACE}/session.log", "ab") as log:
            process = subprocess.Popen([*USER, "dbus-run-session", "--", "sh", "-c", " & ".join([*commands, "wait"])],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=machine.TOP_SRCDIR,
                                       env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    @staticmethod
    def seen(guest):
        """What this user's monitor and desktop show of a guest."""
        with open(f"{PLACE}/session.log", encoding="utf-8") as file:
            lines = [line for line in file if f"qemu {guest}" in " ".join(line.split())]
        return ([line for line in lines if not line.startswith("notification: ")],
                [line for line in lines if line.startswith("notification: ")])

    def wait_listening(self):
        """Both listen when they show something."""
        with open(self.document, encoding="utf-8") as file:
            document = write(f"{PLACE}/probe.xml", file.read().replace("<name>web-01<", "<name>probe<"))

        def is_shown():
            run("virt-hooks", "run", "qemu", "probe", "prepare", "--xml", document)
            return all(self.seen("probe"))
        wait_until(is_shown, "the monitor and the desktop to listen", 40)

    def do(self, command, expected):
        result = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, encoding="utf-8", check=False, cwd=machine.TOP_SRCDIR,
                                timeout=60 * machine.FACTOR)
        self.assertRegex(result.stdout, pattern(expected), command)

    def test_guide(self):
        monitor = next(expected for prompt, command, expected in blocks() if command.startswith("virt-hooks monitor"))
        is_listening = False
        for prompt, command, expected in blocks():
            if prompt == "#":
                self.do(command, expected)
            elif not is_listening:
                self.start_session()
                self.wait_listening()
                is_listening = True
        lines, notifications = wait_until(lambda: all(self.seen("web-01")) and self.seen("web-01"), "the user to see it")
        self.assertRegex("".join(lines), pattern(monitor))
        self.assertEqual(notifications, ["notification: qemu web-01: prepare was called off "
                                         "qemu.d/10-disks-exist exited with status 1\n"])
        # The guest's own script has run, though its folder moved.
        with open(f"{PLACE}/trace", encoding="utf-8") as file:
            self.assertEqual(file.read(), "web-01 prepare\n")
        self.assertEqual(sorted(os.listdir(LIBVIRT_HOOKS)), ["qemu", "qemu.d"])

    def test_link_that_leads_nowhere(self):
        """The last sentence of the guide, for whoever does not believe it."""
        write(f"{LIBVIRT_HOOKS}/qemu", "#!/bin/sh\nexit 1\n", 0o755)
        self.addCleanup(os.unlink, write(f"{libvirtd.IMAGES}/web-01.img", "\0" * 512))
        must("virt-hooks", "attach", "qemu")
        must("systemctl", "reload", "libvirtd.service")
        self.assertEqual(run("virsh", "start", "web-01").status, 1)
        forwarder = os.readlink(f"{LIBVIRT_HOOKS}/qemu")
        os.rename(forwarder, f"{forwarder}.gone")
        self.addCleanup(os.rename, f"{forwarder}.gone", forwarder)
        must("virsh", "start", "web-01")


if __name__ == "__main__":
    machine.main(seconds=60)
