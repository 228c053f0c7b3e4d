#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random arguments for every method that introspection tells of: the service stays up, answers, and does not grow.

    $VIRT_HOOKS_FUZZ_SEED    what the random numbers start from; each run tells it
    $VIRT_HOOKS_FUZZ_CALLS   how many calls
"""

import fcntl
import os
import random
import re
import socket
import xml.etree.ElementTree as ElementTree

import samples
import tap
from buses import read_text
from client import BUS_NAME, INTERFACE, OBJECT_PATH, Call, wait_until
from gi.repository import GLib
from harness import HooksTestCase
from samples import GUEST, NETWORK, domain, network, port

SEED = int(os.environ.get("VIRT_HOOKS_FUZZ_SEED", "20220611"))
LOG_CONTROL, LOG_CONTROL_PATH = "org.freedesktop.LogControl1", "/org/freedesktop/LogControl1"
CALLS = int(os.environ.get("VIRT_HOOKS_FUZZ_CALLS", "20000"))
IN_FLIGHT = 40

WORDS = ["", "-", "*", "daemon", "qemu", "lxc", "libxl", "network", "prepare", "start", "started", "stopped", "release",
         "migrate", "restore", "reconnect", "attach", "begin", "end", "port-created", "updated", "shutdown", "reload",
         GUEST, NETWORK, samples.GUEST_UUID, INTERFACE, "org.freedesktop.DBus.Properties", "Version", "Running",
         "HooksDirectories", "../../etc/passwd", "a/b", "%s%n%n", "$(reboot)", "`id`", "\n", "\x1b[2J", "\x7f", "\u202e",
         "\U0010ffff", "ä" * 130, "x" * 255, "x" * 256, "running", "finished", "failed"]
DOCUMENTS = [domain(), network(), port(), samples.hook_data(network(), port()), domain()[:40], "<domain>" * 300,
             "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>", domain(inside="<a/>" * 5000), "<", "\ufeff" + domain(),
             "<?xml version='1.0' encoding='utf-16'?>" + domain(), domain(inside="<![CDATA[" + "x" * 100000 + "]]>")]
KEYS = ["environment", "lenient", "timeout", "started", "type", "object", "outcome", "state", "limit", "", "x"]
BASIC = "ybnqiuxtdsogh"


class Arguments:
    """Random values, and the descriptors that they name."""

    def __init__(self, directory):
        self.random = random.Random(SEED)
        self.directory = directory
        self.open_fds = []
        self.fds = []
        self.may_wait = False

    def start(self):
        """A message begins."""
        self.fds = []
        self.may_wait = False

    def close(self):
        while self.open_fds:
            os.close(self.open_fds.pop())

    # Descriptors

    def keep(self, fd):
        self.open_fds.append(fd)
        return fd

    def memfd(self, content, seals=0, size=None):
        fd = os.memfd_create("fuzz", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, content)
        if size:
            os.truncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return self.keep(fd)

    def pipe(self, content, stays_open):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        os.write(writer, content[:4096])
        if stays_open:
            self.keep(writer)
            self.may_wait = True
        else:
            os.close(writer)
        return self.keep(reader)

    def writing_end(self):
        reader, writer = os.pipe()
        os.close(reader)
        return self.keep(writer)

    def socket(self, kind):
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.send(b"<domain/>")
        ours.close()
        self.may_wait |= kind == socket.SOCK_DGRAM  # which has no end
        return self.keep(theirs.detach())

    def file(self, content, size, flags=os.O_RDWR):
        path = os.path.join(self.directory, "fuzz-file")
        with open(path, "wb") as file:
            file.write(content)
            file.truncate(size)
        fd = os.open(path, flags | os.O_CLOEXEC)
        os.unlink(path)
        return self.keep(fd)

    def fd(self):
        seal = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        content = self.random.choice(DOCUMENTS).encode()
        make = self.random.choice([
            lambda: self.memfd(content, seal), lambda: self.memfd(content, seal | fcntl.F_SEAL_SEAL),
            lambda: self.memfd(content), lambda: self.memfd(content, fcntl.F_SEAL_WRITE),
            lambda: self.memfd(content, seal, size=1 << 40), lambda: self.memfd(content, size=1 << 40),
            lambda: self.memfd(b"", seal),
            lambda: self.pipe(content, False), lambda: self.pipe(content, self.random.random() < 0.2), self.writing_end,
            lambda: self.socket(socket.SOCK_STREAM), lambda: self.socket(socket.SOCK_DGRAM),
            lambda: self.socket(socket.SOCK_SEQPACKET),
            lambda: self.file(content, len(content)), lambda: self.file(content, 1 << 40),
            lambda: self.file(content, len(content), os.O_PATH), lambda: self.file(content, len(content), os.O_WRONLY),
            lambda: self.keep(os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/", os.O_PATH | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/dev/zero", os.O_RDWR | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/dev/full", os.O_RDWR | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/proc/self/maps", os.O_RDONLY | os.O_CLOEXEC)),
            lambda: self.keep(os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)),
        ])
        fd = make()
        self.fds.append(fd)
        # Now and then an index that has no descriptor.
        return len(self.fds) - 1 if self.random.random() > 0.05 else self.random.choice([len(self.fds), 1 << 30, -1])

    # Values

    def text(self):
        chance = self.random.random()
        if chance < 0.7:
            return self.random.choice(WORDS)
        if chance < 0.9:
            return self.random.choice(DOCUMENTS)
        return "".join(chr(self.random.choice([self.random.randrange(1, 128), self.random.randrange(0xa0, 0xd800),
                                               self.random.randrange(0x10000, 0x110000)]))
                       for _ in range(self.random.randrange(400)))

    def integer(self, low, high):
        return self.random.choice([low, high, 0, 1, self.random.randint(low, high), min(1000, high)])

    def signature(self, depth=0):
        """Of one complete type."""
        chance = self.random.random()
        if depth > 4 or chance < 0.6:
            return self.random.choice(BASIC)
        if chance < 0.7:
            return "v"
        if chance < 0.8:
            return "a" + self.signature(depth + 1)
        if chance < 0.9:
            return "a{" + self.random.choice(BASIC) + self.signature(depth + 1) + "}"
        return "(" + "".join(self.signature(depth + 1) for _ in range(self.random.randint(1, 3))) + ")"

    def variant(self, signature, depth=0):
        """A GLib.Variant of a complete type."""
        integers = {"y": (0, 255), "n": (-0x8000, 0x7fff), "q": (0, 0xffff), "i": (-1 << 31, (1 << 31) - 1),
                    "u": (0, (1 << 32) - 1), "x": (-1 << 63, (1 << 63) - 1), "t": (0, (1 << 64) - 1)}
        kind = signature[0]
        if kind in integers:
            return GLib.Variant(signature, self.integer(*integers[kind]))
        if kind == "b":
            return GLib.Variant("b", self.random.random() < 0.5)
        if kind == "d":
            return GLib.Variant("d", self.random.choice([0.0, -1.5, float("inf"), float("nan")]))
        if kind == "s":
            return GLib.Variant("s", self.text())
        if kind == "o":
            return GLib.Variant("o", self.random.choice(["/", OBJECT_PATH, "/a" * 100]))
        if kind == "g":
            return GLib.Variant("g", self.random.choice(["", "s", "a{sv}", "(ii)"]))
        if kind == "h":
            return GLib.Variant("h", self.fd())
        if kind == "v":
            inner = self.signature(depth + 1) if depth < 5 else "s"
            return GLib.Variant.new_variant(self.variant(inner, depth + 1))
        if signature == "a{sv}":
            return self.options(depth)
        if kind == "a":
            items = [self.variant(signature[1:], depth + 1) for _ in range(self.random.choice([0, 1, 2, 9]))]
            return GLib.Variant.new_array(GLib.VariantType(signature[1:]), items)
        if kind == "{":
            key, value = signature[1], signature[2:-1]
            return GLib.Variant.new_dict_entry(self.variant(key, depth + 1), self.variant(value, depth + 1))
        return GLib.Variant.new_tuple(*(self.variant(part, depth + 1) for part in self.parts(signature[1:-1])))

    def options(self, depth):
        """Keys that some method knows, twice or once, mostly with values of the types that they may have."""
        entries = []
        for _ in range(self.random.choice([0, 0, 1, 2, 5])):
            signature = self.random.choice(["s", "u", "t", "b", "as", "h", self.signature(depth + 1)])
            entries.append(GLib.Variant.new_dict_entry(
                GLib.Variant("s", self.random.choice(KEYS)),
                GLib.Variant.new_variant(self.variant(signature, depth + 1))))
        return GLib.Variant.new_array(GLib.VariantType("{sv}"), entries)

    @staticmethod
    def parts(signature):
        """The complete types in a signature."""
        parts = []
        while signature:
            for end in range(1, len(signature) + 1):
                if GLib.VariantType.string_is_valid(signature[:end]):
                    break
            parts.append(signature[:end])
            signature = signature[end:]
        return parts

    def likely(self, name, signature):
        """A value that an argument of this name may well have."""
        texts = {"type": ["qemu", "network"], "object": [GUEST, NETWORK], "guest": [GUEST], "network": [NETWORK],
                 "suboperation": [""], "extra": [""], "domain_xml": [domain()], "network_xml": [network()], "port_xml": ["", port()],
                 "operation": ["prepare", "start", "stopped", "migrate", "port-created", "updated"],
                 "interface_name": [INTERFACE, LOG_CONTROL], "property_name": ["LogLevel", "LogTarget", "Runs", "Version"]}
        if name == "value" and self.random.random() < 0.8:
            return GLib.Variant.new_variant(GLib.Variant("s", self.random.choice(["debug", "info", "auto", "null", "loud"])))
        if name in texts and self.random.random() < 0.95:
            return GLib.Variant("s", self.random.choice(texts[name]))
        return self.variant(signature)

    def body(self, signature, names):
        """The arguments of a call: of the right types, or now and then of others."""
        parts = self.parts(signature)
        if self.random.random() < 0.4:
            return GLib.Variant.new_tuple(*(self.likely(*each) for each in zip(names, parts)))
        chance = self.random.random()
        if chance < 0.05:
            parts = parts[:-1]
        elif chance < 0.1:
            parts.append(self.signature())
        elif chance < 0.15:
            parts = [self.signature() for _ in range(self.random.randint(0, 4))]
        return GLib.Variant.new_tuple(*(self.variant(part) for part in parts))


class Fuzz(HooksTestCase):
    seconds = 90

    # What is random here may be lenient.
    documents_are_checked = False

    def setUp(self):
        super().setUp()
        self.thrown_out = 0
        # libdbus answers all calls of the interface Peer itself, a monitor's as well, and the bus throws it out.
        self.monitor.close()

    def _stop_and_check(self, service):
        """The calls' replies were waited for."""
        service.stop()

    def objects(self, path="/"):
        """The paths and the descriptions of all objects that have more than the bus's own interfaces."""
        root = ElementTree.fromstring(Call(self.client, "Introspect", None, path=path,
                                           interface="org.freedesktop.DBus.Introspectable").wait().values[0])
        if any(not interface.get("name").startswith("org.freedesktop.DBus.") for interface in root.iter("interface")):
            yield path, root
        for node in root.findall("node"):
            yield from self.objects(f"{path.rstrip('/')}/{node.get('name')}")

    def methods(self):
        """(path, interface, name, signature, names of the arguments) of all that introspection tells of."""
        methods = []
        for path, root in self.objects():
            for interface in root.iter("interface"):
                for method in interface.iter("method"):
                    taken = [arg for arg in method.iter("arg") if arg.get("direction", "in") == "in"]
                    methods.append((path, interface.get("name"), method.get("name"), "".join(arg.get("type") for arg in taken),
                                    [arg.get("name") for arg in taken]))
        for path, interface, count in ((OBJECT_PATH, INTERFACE, 11), (OBJECT_PATH, "org.freedesktop.DBus.Properties", 3),
                                       (OBJECT_PATH, "org.freedesktop.DBus.Introspectable", 1),
                                       (OBJECT_PATH, "org.freedesktop.DBus.Peer", 2),
                                       (LOG_CONTROL_PATH, "org.freedesktop.DBus.Properties", 3)):
            self.assertEqual(sum(method[:2] == (path, interface) for method in methods), count, interface)
        # What runs hooks is what matters: the other object has a few calls of it.
        return [method for method in methods for _ in range(1 if method[0] == LOG_CONTROL_PATH else 4)]

    def resident(self, service):
        return int(re.search(r"VmRSS:\s*(\d+) kB", read_text(f"/proc/{service.process.pid}/status")).group(1))

    def descriptors(self, service):
        return len(os.listdir(f"/proc/{service.process.pid}/fd"))

    def send(self, arguments, client, methods):
        path, interface, member, signature, names = arguments.random.choice(methods)
        arguments.start()
        body = arguments.body(signature, names)
        path = arguments.random.choice([path] * 30 + ["/", OBJECT_PATH + "/x"])
        call = Call(client, member, body, arguments.fds, interface, BUS_NAME, path)
        call.may_wait = arguments.may_wait
        return call

    def storm(self, arguments, methods, count):
        """So many calls of a client of their own, each with its reply but those whose documents never end."""
        client = self.new_client()
        calls = []
        for _ in range(count):
            calls.append(self.send(arguments, client, methods))
            if len(calls) >= IN_FLIGHT:
                self.wait_done(client, calls)
                calls = [call for call in calls if not call.done]
                if len(calls) < IN_FLIGHT // 2 and not client.connection.is_closed():
                    continue
                # All that never ends goes with its caller. (The bus has thrown out who sent what it does not carry.)
                self.thrown_out += client.connection.is_closed()
                client.close()
                arguments.close()
                client, calls = self.new_client(), []
        self.wait_done(client, calls)
        client.close()
        arguments.close()

    def wait_done(self, client, calls):
        wait_until(lambda: client.connection.is_closed() or all(call.done or call.may_wait for call in calls),
                   "the replies", 30)
        for call in calls:
            if call.done:
                call.reply.close()

    def test_random_calls(self):
        print(f"# seed {SEED}, {CALLS} calls", flush=True)
        self.script("qemu", "cat")
        self.script("network", "exit 3")
        service = self.start("[Bridge]\nHistoryRuns=20\nMaxDocument=1M\n")
        methods = self.methods()
        arguments = Arguments(self.directory)
        self.addCleanup(arguments.close)

        before = self.descriptors(service)
        self.storm(arguments, methods, CALLS // 4)
        first = self.resident(service)
        self.storm(arguments, methods, CALLS - CALLS // 4)
        grown = self.resident(service) - first
        print(f"# {first} KiB after a quarter of the calls, {grown} KiB more at the end", flush=True)

        wait_until(lambda: self.descriptors(service) == before, "the descriptors to be closed")
        self.assertIsNone(service.process.poll())
        print(f"# {self.client.property('Runs')} of the calls ran hooks, {self.thrown_out} closed their connection", flush=True)
        self.assertGreater(self.client.property("Runs"), CALLS // 50)
        self.assertEqual((self.client.property("Running"), self.client.property("Queued")), (0, 0))
        # All kinds of calls still work.
        self.assertEqual(self.assert_return(self.client.hook("qemu", GUEST, "migrate", domain())).values[0], domain())
        self.assert_error(self.client.hook("network", NETWORK, "start", network(), ""), "ScriptFailed")
        # The sanitizers and valgrind keep freed memory for a while, and count leaks themselves.
        if not self.is_instrumented(service):
            self.assertLess(grown, 2048, "the service has grown")

    @staticmethod
    def is_instrumented(service):
        return re.search("libasan|valgrind", read_text(f"/proc/{service.process.pid}/maps")) is not None


if __name__ == "__main__":
    tap.main()
