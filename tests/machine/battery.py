# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes a guest and a network through all that calls a hook, and through what happens when each of them objects.

The same steps are run with plain hooks and with virt-hooks in between; what they return is compared.
"""

import os
import re
import shutil
from dataclasses import dataclass

from inside import must, run, wait_until, write
from libvirtd import (DISK, IMAGES, NETWORK, PLACE, SOCKETS, clear_network, define, events_of, libvirtd_log, log_cursor, operation_of,
                      records)

# What calls which hooks, as libvirt's hooks page has it: an event is "type object operation".
GUEST_STARTS = ("qemu web prepare", "network lan port-created", "qemu web start", "qemu web started")
GUEST_STOPS = ("qemu web stopped", "network lan port-deleted", "qemu web release")
DAEMON_RESTARTS = ("daemon - shutdown", "daemon - start")
NETWORK_STARTS = ("network lan start", "network lan started")


@dataclass
class Step:
    """A part of the battery and what came of it."""
    name: str
    results: list
    records: list
    state: dict
    behave: dict

    def fails(self, event):
        """Whether a script was told to fail at such an event."""
        return any(operation_of(script) == event[2] and re.search(r"exit [1-9]|kill -", text)
                   for script, text in self.behave.items())


class Steps:
    """Runs the steps one after the other; `scripts` is where the scripts are."""

    # What virsh tells of the state of things after each step.
    state_commands = ()
    # So many errors at least libvirtd logs.
    logged_failures = 1

    def __init__(self, scripts):
        self.scripts = scripts
        self.steps = []
        self.log = []

    def step(self, name, *commands, hooks=(), behave=None, then=None):
        """Runs virsh's commands, or a tuple as it is. `behave` has what scripts do meanwhile, `hooks` are the events that come of
        it, `then` is a condition that holds after it. Returns when all of that has come."""
        for script, text in (behave or {}).items():
            write(f"{PLACE}/behave/{script}", text)
        before = len(records())
        results = [run(*(command if isinstance(command, tuple) else ("virsh", *command.split()))) for command in commands]
        try:
            wait_until(lambda: len(events_of(records()[before:])) >= len(hooks), f"the hooks of {name}")
            wait_until(then or (lambda: True), f"what becomes of {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there were {self.short_events(records()[before:])}, {results}") from None
        # The daemon answers again, and is done with what it did.
        state = {command: run("virsh", *command.split()).stdout for command in self.state_commands}
        shutil.rmtree(f"{PLACE}/behave", ignore_errors=True)
        step = Step(name, results, records()[before:], state, behave or {})
        self.steps.append(step)
        happened = self.short_events(step.records)
        if happened != list(hooks):
            raise AssertionError(f"{name}: libvirtd called {happened}, not {list(hooks)}; {results}")
        return step

    @staticmethod
    def short_events(some_records):
        return [" ".join(event[:3]) for event in events_of(some_records)]

    @staticmethod
    def has_state(text):
        return lambda: text in run("virsh", "domstate", "web", "--reason").stdout


class Battery(Steps):
    """All that a guest and a network can go through on one host."""

    state_commands = ("list --all --managed-save", "domstate web --reason", "domiflist web", "domblklist web", "net-list --all",
                      "net-port-list lan", "net-dumpxml lan")
    logged_failures = 21

    def run(self):
        cursor = log_cursor()
        for image in ("web", "moved"):
            write(f"{IMAGES}/{image}.img", "\0" * 1024 * 1024)
        self.step("libvirtd starts", ("systemctl", "start", "libvirtd.service"), hooks=["daemon - start"])
        must("virsh", "net-define", write(f"{PLACE}/lan.xml", NETWORK))
        define("web", 1, DISK)
        self.life()
        self.daemon()
        self.save_and_restore()
        self.vetoes()
        self.network_vetoes()
        self.too_late()
        self.step("a guest is left running", "net-start lan", "start web", hooks=[*NETWORK_STARTS, *GUEST_STARTS])
        self.step("reconnect fails", ("systemctl", "restart", "libvirtd.service"), then=self.has_state("shut off"),
                  behave={"qemu-reconnect": "echo I do not know it >&2; exit 1"},
                  hooks=[*DAEMON_RESTARTS, "network lan port-created", "qemu web reconnect", *GUEST_STOPS])
        self.step("the network stops", "net-destroy lan", hooks=["network lan stopped"])
        self.step("libvirtd stops", ("systemctl", "stop", *SOCKETS, "libvirtd.service"), hooks=["daemon - shutdown"])
        self.log = libvirtd_log(cursor)
        return self

    def life(self):
        new_host = "<host mac='52:54:00:00:77:09' ip='192.168.77.9'/>"
        update = ("virsh", "net-update", "lan", "add", "ip-dhcp-host", new_host, "--live", "--config")
        self.step("the network starts", "net-start lan", hooks=NETWORK_STARTS)
        self.step("the guest starts", "start web", hooks=GUEST_STARTS)
        self.step("nobody is told of these", "suspend web", "resume web", "reset web", "net-dumpxml lan")
        self.step("an interface is attached", "attach-interface web network lan --mac 52:54:00:00:77:33 --model usb-net --live",
                  hooks=["network lan port-created"])
        self.step("and detached", "detach-interface web network --mac 52:54:00:00:77:33 --live", hooks=["network lan port-deleted"])
        self.step("the network is updated", update, hooks=["network lan updated"])
        self.step("an update fails", update)
        self.step("the guest stops", "destroy web", hooks=GUEST_STOPS)
        self.step("it starts again", "start web", hooks=GUEST_STARTS)
        self.step("its process is killed", ("sh", "-c", "kill -9 $(cat /run/libvirt/qemu/web.pid)"), hooks=GUEST_STOPS,
                  then=self.has_state("crashed"))

    def daemon(self):
        restart = ("systemctl", "restart", "libvirtd.service")
        again = [*DAEMON_RESTARTS, "network lan port-created", "qemu web reconnect"]
        self.step("a guest for the daemon to find", "start web", hooks=GUEST_STARTS)
        self.step("libvirtd restarts", restart, hooks=again, then=self.has_state("running"))
        self.step("and again", restart, hooks=again, then=self.has_state("running"))
        self.step("libvirtd reloads", ("systemctl", "reload", "libvirtd.service"), hooks=["daemon - reload"])
        object_to = "echo Not now; echo Not now >&2; exit 1"
        self.step("the daemon's hooks fail", restart, hooks=again, then=self.has_state("running"),
                  behave={"daemon-shutdown": object_to, "daemon-start": object_to})
        self.step("so does its reload", ("systemctl", "reload", "libvirtd.service"), hooks=["daemon - reload"],
                  behave={"daemon-reload": object_to})
        self.step("a port's hook fails again", restart, then=self.has_state("running"), hooks=again,
                  behave={"network-port-created": "echo No more ports >&2; exit 4"})
        self.step("the found guest stops", "destroy web", hooks=GUEST_STOPS)

    def save_and_restore(self):
        move = f"sed s,{IMAGES}/web.img,{IMAGES}/moved.img,"
        restores = ["qemu web restore", *GUEST_STARTS]
        self.step("a guest to be saved", "start web", hooks=GUEST_STARTS)
        self.step("it is saved", "managedsave web", hooks=GUEST_STOPS)
        for name, behave in (
                ("a filter fails", {"qemu-restore": "echo '<domain/>'; echo The disk has gone >&2; exit 1"}),
                ("a filter prints garbage", {"10-second-restore": "echo garbage"}),
                ("a filter prints half a document", {"10-second-restore": "head -c 300"}),
                ("a filter prints another guest", {"qemu-restore": "sed s,'<name>web<','<name>db<',"}),
                ("a filter prints another uuid", {"qemu-restore": "sed s,000000000101,000000000177,"}),
                ("a filter prints another root", {"qemu-restore": "echo '<network><name>web</name></network>'"}),
                ("a filter is killed", {"10-second-restore": "cat; kill -9 $$"})):
            self.step(name, "start web", hooks=["qemu web restore"], behave=behave)
        self.step("a filter moves a disk", "start web", hooks=restores, behave={"qemu-restore": move})
        self.step("it is saved again", "managedsave web", hooks=GUEST_STOPS)
        self.step("two filters, one after the other", "start web", hooks=restores,
                  behave={"qemu-restore": "sed s,moved.img,other.img,", "10-second-restore": "sed s,other.img,web.img,"})
        self.step("it is saved once more", "managedsave web", hooks=GUEST_STOPS)
        self.step("a filter prints nothing", "start web", hooks=restores, behave={"qemu-restore": "echo; echo"})
        self.step("it is saved to a file", f"save web {PLACE}/web.save", hooks=GUEST_STOPS)
        self.step("a filter may not break its disk", f"restore {PLACE}/web.save", hooks=["qemu web restore", "qemu web prepare",
                  "network lan port-created", *GUEST_STOPS],
                  behave={"qemu-restore": f"sed s,{IMAGES}/web.img,{IMAGES}/nowhere.img,"})
        self.step("it is restored from the file", f"restore {PLACE}/web.save", hooks=restores)
        self.step("the restored guest stops", "destroy web", hooks=GUEST_STOPS)

    def vetoes(self):
        words = """printf '%s\\n' "Could not find 'XYZZY' in \\"the cave\\"" 'second line  ' "\tthird: %s" >&2; exit 1"""
        failed_prepare = ["qemu web prepare", "qemu web stopped", "qemu web release"]
        for name, behave in (
                ("prepare fails", {"qemu-prepare": words}),
                ("prepare's second script fails", {"10-second-prepare": words}),
                ("both fail", {"qemu-prepare": "echo first >&2; exit 1", "10-second-prepare": "echo second >&2; exit 255"}),
                ("prepare fails without a word", {"qemu-prepare": "exit 3"}),
                ("prepare says its own name", {"qemu-prepare": 'echo "$1: no" >&2; exit 3'}),
                ("prepare is killed", {"qemu-prepare": "echo last words >&2; kill -9 $$"}),
                ("prepare aborts", {"10-second-prepare": "kill -6 $$"}),
                ("a filter's output is no excuse", {"qemu-prepare": "cat; exit 1"})):
            self.step(name, "start web", hooks=failed_prepare, behave=behave)
        for number, (name, text, mode) in enumerate((
                ("a script without an interpreter", "#!/nonexistent/interpreter\n", 0o755),
                ("a script of an unknown kind", "\x7fELF\n", 0o755))):
            path = write(f"{self.scripts}/qemu.d/2{number}-broken", text, mode)
            self.step(name, "start web", hooks=failed_prepare)
            os.unlink(path)
        path = write(f"{self.scripts}/qemu.d/30-not-executable", "#!/bin/false\n")
        self.step("start fails", "start web", behave={"qemu-start": words}, hooks=[*GUEST_STARTS[:3], *GUEST_STOPS])
        os.unlink(path)
        self.step("started fails", "start web", behave={"qemu-started": words}, hooks=[*GUEST_STARTS, *GUEST_STOPS])
        self.step("port-created fails", "start web", behave={"network-port-created": words},
                  hooks=["qemu web prepare", "network lan port-created", "qemu web stopped", "qemu web release"])

    def network_vetoes(self):
        no = "echo The cable is out >&2; exit 2"
        add = ("virsh", "net-update", "lan", "add", "ip-dhcp-host", "<host mac='52:54:00:00:77:10' ip='192.168.77.10'/>")
        delete = ("virsh", "net-update", "lan", "delete", "ip-dhcp-host", "<host mac='52:54:00:00:77:10'/>")
        self.step("a guest to attach to", "start web", hooks=GUEST_STARTS)
        self.step("an attached port is refused", "attach-interface web network lan --mac 52:54:00:00:77:33 --model usb-net --live",
                  behave={"network-port-created": no}, hooks=["network lan port-created"])
        self.step("an interface to detach", "attach-interface web network lan --mac 52:54:00:00:77:34 --model usb-net --live",
                  hooks=["network lan port-created"])
        self.step("its detaching is too late to refuse", "detach-interface web network --mac 52:54:00:00:77:34 --live",
                  behave={"network-port-deleted": no}, hooks=["network lan port-deleted"])
        self.step("a live update fails", (*add, "--live"), behave={"network-updated": no}, hooks=["network lan updated"])
        self.step("a saved update fails", (*add, "--config"), behave={"network-updated": no}, hooks=["network lan updated"])
        self.step("both are taken back", (*delete, "--live", "--config"), hooks=["network lan updated"])
        self.step("the attached guest stops", "destroy web", hooks=GUEST_STOPS)
        self.step("stopped is too late for a network", "net-destroy lan", behave={"network-stopped": no},
                  hooks=["network lan stopped"])
        self.step("a network's start fails", "net-start lan", behave={"network-start": no}, hooks=["network lan start"])
        self.step("a network's started fails", "net-start lan", behave={"network-started": no}, hooks=NETWORK_STARTS)
        clear_network()
        self.step("a network starts at last", "net-start lan", hooks=NETWORK_STARTS)

    def too_late(self):
        no = "echo Too late >&2; exit 1"
        self.step("a guest to stop", "start web", hooks=GUEST_STARTS)
        self.step("stopped, port-deleted and release fail", "destroy web", hooks=GUEST_STOPS,
                  behave={"qemu-stopped": no, "network-port-deleted": no, "qemu-release": no})
        self.step("a guest to crash", "start web", hooks=GUEST_STARTS)
        self.step("they fail after a crash", ("sh", "-c", "kill -9 $(cat /run/libvirt/qemu/web.pid)"), hooks=GUEST_STOPS,
                  then=self.has_state("crashed"), behave={"qemu-stopped": no, "network-port-deleted": no, "qemu-release": no})
        self.step("the network is left", "net-destroy lan", hooks=["network lan stopped"])


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OUR_UUID = "6b0c3c3e-4f57-4a7e-9f0e-"


class Normaliser:
    """Makes the same of what is another one each time: the uuids of ports, by the order in which they come."""

    def __init__(self):
        self.uuids = {}

    def text(self, text):
        def name(match):
            uuid = match.group()
            return uuid if uuid.startswith(OUR_UUID) else self.uuids.setdefault(uuid, f"UUID-{len(self.uuids) + 1}")
        return UUID.sub(name, text)

    def step(self, step):
        return {
            "name": step.name,
            "results": [(result.command, result.status, self.text(result.stdout), self.text(result.stderr))
                        for result in step.results],
            "records": [{**record, "document": self.text(record["document"])} for record in step.records],
            # Ports are listed in the order of a hash table.
            "state": {command: sorted(self.text(text).splitlines()) for command, text in step.state.items()},
        }
