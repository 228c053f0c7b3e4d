# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests feed to the service: libvirt's operations, small documents, and the recordings of a real libvirtd."""

import os
import re
from dataclasses import dataclass

RECORDINGS_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "data", "recordings")

GUEST = "web-01"
GUEST_UUID = "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"
NETWORK = "default"
NETWORK_UUID = "afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f"
PORT_UUID = "6da5607b-ed8c-4c06-9f6a-7a9102a34147"
PORT_MAC = "52:54:00:12:34:56"


@dataclass(frozen=True)
class Operation:
    """A row of libvirt's table: what it passes, whether it reads the output, what a failure means."""
    kind: str
    name: str
    suboperation: str
    extra: str
    is_filter: bool
    effect: str

    @property
    def object(self):
        return {"daemon": "-", "network": NETWORK}.get(self.kind, GUEST)

    @property
    def uuid(self):
        return {"daemon": None, "network": NETWORK_UUID}.get(self.kind, GUEST_UUID)

    @property
    def is_port(self):
        return self.name.startswith("port-")

    @property
    def documents(self):
        """The method's document arguments."""
        if self.kind == "daemon":
            return ()
        if self.kind == "network":
            return (network(), port() if self.is_port else "")
        return (domain(),)

    @property
    def stdin(self):
        """What a script must read."""
        if self.kind == "daemon":
            return ""
        if self.kind == "network":
            return hook_data(*self.documents)
        return domain()


def _operations(kind, rows):
    return [Operation(kind, name, suboperation, extra, is_filter, effect)
            for name, suboperation, extra, is_filter, effect in rows]


OPERATIONS = (
    _operations("daemon", [
        ("start", "-", "start", False, "ignored"),
        ("shutdown", "-", "shutdown", False, "ignored"),
        ("reload", "begin", "SIGHUP", False, "ignored"),
    ]) +
    _operations("qemu", [
        ("prepare", "begin", "-", False, "abort"),
        ("start", "begin", "-", False, "abort"),
        ("started", "begin", "-", False, "abort"),
        ("stopped", "end", "-", False, "ignored"),
        ("release", "end", "-", False, "ignored"),
        ("migrate", "begin", "-", True, "abort"),
        ("restore", "begin", "-", True, "abort"),
        ("reconnect", "begin", "-", False, "kill"),
        ("attach", "begin", "-", False, "abort"),
    ]) +
    _operations("lxc", [
        ("prepare", "begin", "-", False, "abort"),
        ("start", "begin", "-", False, "abort"),
        ("started", "begin", "-", False, "abort"),
        ("stopped", "end", "-", False, "ignored"),
        ("release", "end", "-", False, "ignored"),
        ("reconnect", "begin", "-", False, "kill"),
    ]) +
    _operations("libxl", [
        ("prepare", "begin", "-", False, "abort"),
        ("start", "begin", "-", False, "abort"),
        ("started", "begin", "-", False, "abort"),
        ("stopped", "end", "-", False, "ignored"),
        ("release", "end", "-", False, "ignored"),
        ("migrate", "begin", "-", True, "abort"),
        ("reconnect", "begin", "-", False, "kill"),
    ]) +
    _operations("network", [
        ("start", "begin", "-", False, "abort"),
        ("started", "begin", "-", False, "abort"),
        ("stopped", "end", "-", False, "ignored"),
        ("port-created", "begin", "-", False, "abort"),
        ("port-deleted", "begin", "-", False, "ignored"),
        ("updated", "begin", "-", False, "ignored"),
    ])
)

RELEASE_REASONS = ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot",
                   "daemon")


def domain(name=GUEST, uuid=GUEST_UUID, inside=""):
    return f"<domain type='qemu'>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n{inside}</domain>\n"


def large_domain(size, name=GUEST):
    """A domain of at least this many bytes, most of them in a description as users write them."""
    line = "    a line of a long description\n"
    return domain(name, inside=f"  <description>\n{line * (size // len(line))}  </description>\n")


def network(name=NETWORK, uuid=NETWORK_UUID):
    return (f"<network>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n"
            "  <bridge name='virbr0' stp='on' delay='0'/>\n</network>\n")


def port(uuid=PORT_UUID):
    return (f"<networkport>\n  <uuid>{uuid}</uuid>\n"
            f"  <owner>\n    <name>{GUEST}</name>\n    <uuid>{GUEST_UUID}</uuid>\n  </owner>\n"
            f"  <mac address='{PORT_MAC}'/>\n</networkport>\n")


def hook_data(network_xml, port_xml=""):
    """libvirt's wrapping: each document indented by two spaces, and no newline at the end."""
    inside = re.sub(r"(?m)^(?=.)", "  ", network_xml + port_xml)
    return f"<hookData>\n{inside}</hookData>"


@dataclass(frozen=True)
class Recording:
    """One call of a hook script as a real libvirtd made it."""
    name: str
    kind: str
    arguments: tuple
    stdin: bytes

    @property
    def object(self):
        return self.arguments[0]

    @property
    def operation(self):
        return self.arguments[1]

    @property
    def uuid(self):
        """The first uuid of a recorded document is that of the guest or of the network."""
        found = re.search(rb"<uuid>([^<]+)</uuid>", self.stdin)
        return found.group(1).decode() if found else None

    def parts(self):
        """The bare network and port documents in a recorded hookData, as a network driver would hold them."""
        lines = self.stdin.decode().splitlines(keepends=True)
        assert lines[0] == "<hookData>\n" and lines[-1] == "</hookData>", self.name
        inside = "".join(line.removeprefix("  ") for line in lines[1:-1])
        network_xml, tag, port_xml = inside.partition("<networkport>")
        return network_xml, tag + port_xml

    def documents(self):
        """The document arguments of this recording's method."""
        if self.kind == "daemon":
            return ()
        if self.kind == "network":
            return self.parts()
        return (self.stdin.decode(),)


def recordings():
    names = sorted(name.removesuffix(".argv") for name in os.listdir(RECORDINGS_DIRECTORY) if name.endswith(".argv"))
    return [_load_recording(name) for name in names]


def _load_recording(name):
    path = os.path.join(RECORDINGS_DIRECTORY, name)
    with open(f"{path}.argv", encoding="utf-8") as file:
        arguments = tuple(file.read().splitlines())
    stdin = b""
    if os.path.exists(f"{path}.stdin"):
        with open(f"{path}.stdin", "rb") as file:
            stdin = file.read()
    return Recording(name, name.split("-")[1], arguments, stdin)
