# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd in a booted machine, guests and a network for it, and hook scripts that write down how they were called."""

import json
import os
import re
import shutil
import signal

from inside import must, wait_until, write

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


def install_recorders(folder, guests="qemu"):
    """Two scripts for guests, one for each other type."""
    os.makedirs(PLACE, exist_ok=True)
    for name in ("daemon", "network", guests, f"{guests}.d/10-second"):
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
    kinds = ("daemon", "network", "qemu", "lxc")
    kind = next(word.removesuffix(".d") for word in path.split("/") if word.removesuffix(".d") in kinds)
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
