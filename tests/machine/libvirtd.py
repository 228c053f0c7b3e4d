# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd in a booted machine, guests and a network for it, and hook scripts that write down how they were called.

The battery takes a guest and a network through all that calls a hook, and through what happens when each of them objects. The same
battery runs with plain hooks and with virt-hooks in between; what it returns is compared.
"""

import json
import os
import re
import shutil
import signal
from dataclasses import dataclass

from inside import must, run, wait_until, write

LIBVIRT_HOOKS, VIRT_HOOKS = "/etc/libvirt/hooks", "/etc/virt-hooks/hooks"
PLACE = "/var/lib/hook-test"
RECORDS = f"{PLACE}/records"
IMAGES = "/var/lib/libvirt/images"
BRIDGE = "virbr77"
SOCKETS = ("libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket")

# It does what a file in `behave` says, named after the script and the operation. What it prints must be nobody's business unless
# the operation is a filter.
RECORDER = f"""#!/usr/bin/python3 -BIS
import fcntl, json, os, sys

def read(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")

status = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines())
record = {{
    "argv": sys.argv,
    "environment": read("/proc/self/environ"),
    "stdin": os.readlink("/proc/self/fd/0").partition(":")[0],
    "fds": [number for number in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + number)],
    "cwd": os.getcwd(),
    "umask": status["Umask"].strip(),
    "blocked": status["SigBlk"].strip(),
    "cgroup": read("/proc/self/cgroup").strip(),
    "document": sys.stdin.buffer.read().decode("latin-1"),
}}
with open("{RECORDS}", "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(json.dumps(record) + "\\n")
behaviour = "{PLACE}/behave/" + os.path.basename(sys.argv[0]) + "-" + sys.argv[2]
if os.path.exists(behaviour):
    document = os.memfd_create("document")
    os.write(document, record["document"].encode("latin-1"))
    os.lseek(document, 0, os.SEEK_SET)
    os.dup2(document, 0)
    os.execv("/bin/sh", ["sh", behaviour, *sys.argv])
if sys.argv[2] not in ("restore", "migrate"):
    print("This is not a document.")
"""

NETWORK = f"""<network>
  <name>lan</name>
  <uuid>6b0c3c3e-4f57-4a7e-9f0e-000000000001</uuid>
  <bridge name='{BRIDGE}'/>
  <mac address='52:54:00:00:77:01'/>
  <ip address='192.168.77.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.77.2' end='192.168.77.100'/></dhcp>
  </ip>
</network>
"""

GUEST = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>6b0c3c3e-4f57-4a7e-9f0e-0000000001{number:02}</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    {disk}
    <interface type='network'>
      <mac address='52:54:00:00:77:{number:02}'/>
      <source network='lan'/>
      <model type='e1000'/>
      <rom enabled='no'/>
    </interface>
    <memballoon model='none'/>
  </devices>
</domain>
"""
DISK = f"""<disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{IMAGES}/web.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""


# The layout that many who pass devices through to guests use: /etc/libvirt/hooks/qemu runs what it finds in
# qemu.d/GUEST/OPERATION/SUB-OPERATION/. There are two kinds: one finds the folder beside itself, one knows where it is.
DISPATCHER = """#!/bin/bash
guest=$1 operation=$2 suboperation=$3
folder=BASE/qemu.d/$guest/$operation/$suboperation
if [ -f "$folder" ] && [ -x "$folder" ]; then
        "$folder" "$@" || exit
elif [ -d "$folder" ]; then
        for file in "$folder"/*; do
                [ ! -x "$file" ] || "$file" "$@" || exit
        done
fi
"""


def install_recorders(folder):
    """Two scripts for qemu, one for each other type that libvirtd has drivers for here."""
    os.makedirs(PLACE, exist_ok=True)
    for name in ("daemon", "network", "qemu", "qemu.d/10-second"):
        write(os.path.join(folder, name), RECORDER, 0o755)


def define(name, number, disk=""):
    must("virsh", "define", write(f"{PLACE}/{name}.xml", GUEST.format(name=name, number=number, disk=disk)))


def let_it_restart():
    """As often as the tests like, which is more than systemd has patience for."""
    write("/run/systemd/system/libvirtd.service.d/test.conf", "[Unit]\nStartLimitIntervalSec=0\n")
    must("systemctl", "daemon-reload")


def start_afresh():
    """No hooks, and libvirtd stopped, without guests, networks, or a memory of either: it numbers them from one."""
    must("virt-hooks", "detach")
    for folder in (LIBVIRT_HOOKS, VIRT_HOOKS):
        shutil.rmtree(folder)
        os.mkdir(folder, 0o755)
    shutil.rmtree(PLACE, ignore_errors=True)
    must("systemctl", "start", "libvirtd.service")
    for name in must("virsh", "list", "--name").split():
        must("virsh", "destroy", name)
    for name in must("virsh", "list", "--all", "--name").split():
        must("virsh", "undefine", name, "--managed-save")
    for name in must("virsh", "net-list", "--name").split():
        must("virsh", "net-destroy", name)
    for name in must("virsh", "net-list", "--all", "--name").split():
        must("virsh", "net-undefine", name)
    stop_libvirtd()


def start_with_network():
    must("systemctl", "start", "libvirtd.service")
    must("virsh", "net-define", write(f"{PLACE}/lan.xml", NETWORK))
    must("virsh", "net-start", "lan")


def stop_libvirtd():
    """Its sockets as well, so that nobody starts it again meanwhile."""
    must("systemctl", "stop", *SOCKETS, "libvirtd.service")


def clear_network():
    """A network whose `started` has failed is not active, but its dnsmasq and its bridge are there."""
    with open("/run/libvirt/network/lan.pid", encoding="ascii") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the network's dnsmasq to end")
    must("ip", "link", "delete", BRIDGE)


def log_cursor():
    """Where the journal ends."""
    must("journalctl", "--sync")
    return must("journalctl", "-n", "0", "--show-cursor", "-q").rpartition("-- cursor: ")[2].strip()


def libvirtd_log(cursor):
    """What libvirtd has said since of hooks: where a failure is ignored, nobody else hears of it."""
    must("journalctl", "--sync")
    lines = must("journalctl", "-q", "-o", "json", f"--after-cursor={cursor}", "_COMM=libvirtd").splitlines()
    messages = [json.loads(line)["MESSAGE"] for line in lines]
    return [message for message in messages if re.search("[Hh]ook", message)]


def records():
    if not os.path.exists(RECORDS):
        return []
    # The last of them may be in the making. Line by line its second half would be taken for a line.
    with open(RECORDS, encoding="utf-8") as file:
        *lines, _ = file.read().split("\n")
    return [json.loads(line) for line in lines]


def event_of(record):
    """(type, object, operation, sub-operation, extra): what an observer on the bus hears of a script's run."""
    path, *words = record["argv"]
    kind = next(word.removesuffix(".d") for word in path.split("/") if word.removesuffix(".d") in ("daemon", "network", "qemu"))
    return (kind, *words)


def operation_of(script):
    """Of the name of a file in `behave`."""
    known = ("port-created", "port-deleted", script.rpartition("-")[2])
    return next(operation for operation in known if script.endswith(operation))


def run_of(record):
    variables = dict(entry.partition("=")[::2] for entry in record["environment"].split("\0"))
    return variables.get("VIRT_HOOKS_RUN")


def events_of(all_records):
    """The events in order. Scripts of one run follow one another, where nothing else happens meanwhile."""
    return [event_of(record) for record in all_records if not record["argv"][0].endswith(".d/10-second")]


# What calls which hooks, as hook-operations.md has it: an event is "type object operation".
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


class Battery:
    """Runs the steps one after the other; `scripts` is where the scripts are."""

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
        state = {command: run("virsh", *command.split()).stdout for command in
                 ("list --all --managed-save", "domstate web --reason", "domiflist web", "domblklist web", "net-list --all",
                  "net-port-list lan", "net-dumpxml lan")}
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
