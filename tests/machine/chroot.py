# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine without a systemd: a bus that starts services by itself, and cgroups of version 1, which libvirt's LXC driver wants.

What runs in it has processes and mounts of its own, and of each kind of cgroup one that is the root for it.
"""

import os
import subprocess
import sys

import machine
import mounts

# What is below is what the driver does not do without.
NEEDED = {"cpuacct", "devices", "memory"}

# The first process. It has entered its cgroups before it becomes this one.
FIRST = """
set -e
root=$0 source=$1 build=$2 results=$3
shift 3
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
while [ "$1" != -- ]; do
        mkdir "$root/sys/fs/cgroup/$1"
        mount -t cgroup -o "$1" cgroup "$root/sys/fs/cgroup/$1"
        shift
done
shift
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$source" "$root/mnt/virt-hooks/source"
mount --bind "$build" "$root/mnt/virt-hooks/build"
mount --bind "$results" "$root/mnt/virt-hooks/results"
exec chroot "$root" "$@"
"""

# Takes the cgroups away when its standard input ends: when the test lets go of them, or is killed.
GUARD = """
trap '' HUP INT TERM
read -r _
for cgroup; do
        # Who was killed may take a moment to go.
        until find "$cgroup" -depth -type d -exec rmdir {} \\; 2>/dev/null && [ ! -d "$cgroup" ]; do
                sleep 0.05
        done
done
"""


def hierarchies():
    """Those of version 1 that this kernel has: "memory", "cpu,cpuacct"."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        kinds = [line.split(":")[1] for line in file]
    return [kind for kind in kinds if kind and "=" not in kind]


def has_cgroups():
    return NEEDED <= {kind for names in hierarchies() for kind in names.split(",")}


class Chroot(machine.Machine):
    """`with Chroot() as chroot:` as a Machine. run() runs a command in its root, and boots nothing."""

    def __enter__(self):
        super().__enter__()
        try:
            self.kinds = hierarchies()
            self.cgroups = [self._make_cgroup(kind) for kind in self.kinds]
            self.cgroup_guard = subprocess.Popen(["sh", "-c", GUARD, "guard", *self.cgroups], stdin=subprocess.PIPE,
                                                 start_new_session=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *arguments):
        if guard := getattr(self, "cgroup_guard", None):
            guard.stdin.close()
            guard.wait()
        super().__exit__(*arguments)

    def _make_cgroup(self, kind):
        top = self._folder(f"cgroup-{kind}")
        mounts.mount("cgroup", top, kind)
        path = os.path.join(top, os.path.basename(self.directory))
        os.mkdir(path)
        for name in ("cpuset.cpus", "cpuset.mems"):  # empty in a new one, where nothing may run
            if os.path.exists(os.path.join(top, name)):
                with open(os.path.join(top, name), encoding="ascii") as given, \
                        open(os.path.join(path, name), "w", encoding="ascii") as taken:
                    taken.write(given.read())
        return path

    def run(self, *command, seconds, output=None):
        enter = ("sh", "-c", 'for cgroup; do shift; [ "$cgroup" != -- ] || exec "$@"; echo $$ >"$cgroup/cgroup.procs"; done', "enter",
                 *self.cgroups, "--")
        first = ("unshare", "--cgroup", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", FIRST, self.root, machine.TOP_SRCDIR,
                 machine.TOP_BUILDDIR, self.results, *self.kinds, "--")
        sys.stdout.flush()
        return subprocess.run(["setpriv", "--pdeathsig", "KILL", *enter, *first, *command], stdin=subprocess.DEVNULL, check=False,
                              stdout=output, timeout=seconds * machine.FACTOR).returncode
