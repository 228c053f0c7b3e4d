#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running guest moves from one libvirtd to another, with plain hooks and with virt-hooks in between.

Both are on this machine: the other one has folders of its own in the places of libvirt's. They share the hooks, and the service.
"""

import os
import re
import shutil

import machine
from battery import Steps
from inside import must, run, write
from libvirt_case import LibvirtTestCase, attach
from libvirtd import GUEST, LIBVIRT_HOOKS, PLACE, SOCKETS, VIRT_HOOKS, install_recorders, libvirtd_log, log_cursor, run_of

OTHER = "/var/lib/other-libvirtd"
OTHER_RUN = "/run/other-libvirtd"
OTHER_UNIT = "other-libvirtd.service"
HERE = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock"
THERE = f"qemu+unix:///system?socket={OTHER_RUN}/libvirt-sock"

# A host knows another one by its uuid. A guest that machined knows already cannot come, so nothing is told to it.
OTHER_SETTINGS = f"""host_uuid = "6b0c3c3e-4f57-4a7e-9f0e-00000000ffff"
unix_sock_dir = "{OTHER_RUN}"
"""
OTHER_QEMU_SETTINGS = """cgroup_controllers = [ ]
stdio_handler = "file"
"""
UNIT = f"""[Service]
Type=notify
BindPaths={OTHER}/etc:/etc/libvirt {OTHER}/lib:/var/lib/libvirt {OTHER}/run:/run/libvirt {OTHER}/cache:/var/cache/libvirt
BindPaths={LIBVIRT_HOOKS}
ExecStart=/usr/sbin/libvirtd -p {OTHER_RUN}/pid
KillMode=process
"""

ARRIVES = ("qemu web migrate", "qemu web prepare", "qemu web start", "qemu web started")
LEAVES = ("qemu web stopped", "qemu web release")
MOVES = (*ARRIVES, *LEAVES)


def install_other():
    for path in (OTHER, OTHER_RUN):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree("/etc/libvirt", f"{OTHER}/etc", symlinks=True, ignore=shutil.ignore_patterns("hooks", "autostart"))
    for path in (f"{OTHER}/etc/hooks", f"{OTHER}/lib", f"{OTHER}/run", f"{OTHER}/cache", OTHER_RUN):
        os.mkdir(path)
    write(f"{OTHER}/etc/libvirtd.conf", OTHER_SETTINGS)
    write(f"{OTHER}/etc/qemu.conf", OTHER_QEMU_SETTINGS)
    write(f"/run/systemd/system/{OTHER_UNIT}", UNIT)
    must("systemctl", "daemon-reload")


def define_without_network():
    guest = re.sub("<interface.*</interface>", "", GUEST.format(name="web", number=1, disk=""), flags=re.DOTALL)
    must("virsh", "define", write(f"{PLACE}/web.xml", guest.replace("<memory", "<title>from here</title><memory")))


class Migrations(Steps):
    """A guest goes there and comes back, and its hooks here and there object."""

    state_commands = [f"-c {host} {command}" for host in (HERE, THERE) for command in
                      ("list --all", "domstate web --reason", "dumpxml web")]

    def move(self, name, start=HERE, end=THERE, hooks=MOVES, **keywords):
        command = f"-c {start} migrate --live web {end} --migrateuri unix:///tmp/migration.sock"
        return self.step(name, command, hooks=hooks, **keywords)

    def come_back(self, name):
        return self.move(name, THERE, HERE)

    def runs_at(self, host):
        return lambda: "running" in run("virsh", "-c", host, "domstate", "web").stdout

    def run(self):
        cursor = log_cursor()
        install_other()
        self.step("libvirtd starts", ("systemctl", "start", "libvirtd.service"), hooks=["daemon - start"])
        self.step("so does the other one", ("systemctl", "start", OTHER_UNIT), hooks=["daemon - start"])
        define_without_network()
        self.step("the guest starts", "start web", hooks=["qemu web prepare", "qemu web start", "qemu web started"])
        self.move("it goes", then=self.runs_at(THERE))
        self.come_back("it comes back")
        self.vetoes()
        self.filters()
        self.step("it stops", "destroy web", hooks=LEAVES)
        self.step("the other one stops", ("systemctl", "stop", OTHER_UNIT), hooks=["daemon - shutdown"])
        self.step("libvirtd stops", ("systemctl", "stop", *SOCKETS, "libvirtd.service"), hooks=["daemon - shutdown"])
        self.log = libvirtd_log(cursor)
        return self

    def vetoes(self):
        """Whoever objects where it would arrive keeps it where it is."""
        no = "echo The card is in use >&2; exit 3"
        for operation, hooks in (("migrate", ARRIVES[:1]), ("prepare", (*ARRIVES[:2], *LEAVES)),
                                 ("start", (*ARRIVES[:3], *LEAVES)), ("started", MOVES)):
            self.move(f"{operation} objects", hooks=hooks, behave={f"qemu-{operation}": no}, then=self.runs_at(HERE))
        self.move("the second script of migrate objects", hooks=ARRIVES[:1], behave={"10-second-migrate": no})
        self.move("stopped and release object", behave={"qemu-stopped": no, "qemu-release": no}, then=self.runs_at(THERE))
        self.come_back("it comes back from there")

    def filters(self):
        for name, behave in (
                ("a filter prints garbage", {"qemu-migrate": "cat >/dev/null; echo garbage"}),
                ("a filter prints another guest", {"10-second-migrate": "sed s,'<name>web<','<name>db<',"}),
                ("a filter prints other hardware", {"qemu-migrate": "sed s,'<vcpu placement=.static.>1<','<vcpu>2<',"}),
                ("a filter is killed", {"qemu-migrate": "cat; kill -9 $$"})):
            self.move(name, hooks=ARRIVES[:1], behave=behave, then=self.runs_at(HERE))
        self.move("two filters, one after the other", then=self.runs_at(THERE),
                  behave={"qemu-migrate": "sed 's,from here,half way,'", "10-second-migrate": "sed 's,half way,from there,'"})
        self.come_back("it comes back as another")
        self.move("a filter prints nothing", behave={"qemu-migrate": "echo"}, then=self.runs_at(THERE))
        self.come_back("it comes back as it was")


class Migration(LibvirtTestCase):
    def test_there_and_back(self):
        self.addCleanup(run, "systemctl", "stop", OTHER_UNIT)
        install_recorders(LIBVIRT_HOOKS)
        plain = Migrations(LIBVIRT_HOOKS).run()

        self.setUp()
        install_recorders(LIBVIRT_HOOKS)
        attach()
        observer = self.observe()
        attached = Migrations(VIRT_HOOKS).run()
        self.compare(plain, attached)
        moved = next(step for step in attached.steps if step.name.startswith("two filters"))
        self.assertIn("<title>from there</title>", moved.state[f"-c {THERE} dumpxml web"])
        events = observer.events()
        with self.subTest("the bus"):
            self.check_bus(attached, events)
        with self.subTest("who called"):
            self.check_callers(plain, attached, events)

    def check_callers(self, plain, attached, events):
        """A plain hook runs in the cgroup of the libvirtd that called it; of the others the service tells who it was."""
        units = {event.run: event.details["caller_unit"] for event in events}
        for expected, seen in zip(plain.steps, attached.steps, strict=True):
            self.assertEqual([units[run_of(record)] for record in seen.records],
                             [record["cgroup"].rpartition("/")[2] for record in expected.records], seen.name)
        self.assertEqual(set(units.values()), {"libvirtd.service", OTHER_UNIT})


if __name__ == "__main__":
    machine.main(seconds=240)
