# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's folder of hooks and the service's, below a root directory of the test's own, for attach and detach."""

import os
import re
import shutil
import signal
import stat
import subprocess

from folder import TOP_BUILDDIR, VIRT_HOOKS, FolderTestCase, Result

FORWARD = os.path.abspath(os.environ.get("VIRT_HOOKS_FORWARD", os.path.join(TOP_BUILDDIR, "client", "virt-hooks-forward")))

APPEND_NAME = os.path.join(TOP_BUILDDIR, "tests", "client", "append-name")


def made_path(name):
    with open(os.path.join(TOP_BUILDDIR, "paths.h"), encoding="utf-8") as file:
        return re.search(rf'{name} "(.*?)"', file.read()).group(1)


SYSCONFDIR, SBINDIR = made_path("SYSCONFDIR"), made_path("SBINDIR")
LIBVIRT, OWN = f"{SYSCONFDIR}/libvirt/hooks", f"{SYSCONFDIR}/virt-hooks/hooks"
STATE, MEMORY = f"{SYSCONFDIR}/virt-hooks/attach.state", f"{SYSCONFDIR}/virt-hooks/attach.folder"
FORWARDER = f"{SBINDIR}/virt-hooks-forward"
KINDS = ("daemon", "qemu", "lxc", "libxl", "network")

# All calls by which the command changes the disk, as strace(1) knows them.
CHANGES = ("symlink", "link", "linkat", "rename", "renameat2", "unlink", "mkdir", "rmdir", "pwrite64", "ftruncate",
           "fsync", "utimensat", "lchown", "lsetxattr", "flock")


class Mover:
    """Attaches and detaches qemu without end, in the background."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as output:
            self.process = subprocess.Popen(["sh", "-c", f"while :; do {VIRT_HOOKS} attach qemu; {VIRT_HOOKS} detach qemu; done"],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    @property
    def moves(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read().count("tached\n")

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


def describe(path):
    """What must not change of a file: all but the time of the last change of its inode."""
    st = os.lstat(path)
    content = None
    if stat.S_ISLNK(st.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
    # A link whose text changes is made anew; a file and a folder stay what they are.
    inode = None if stat.S_ISLNK(st.st_mode) else st.st_ino
    return (stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, inode, content, attributes)


def describe_tree(folder):
    """All that is below the folder."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            whole = os.path.join(path, name)
            found[os.path.relpath(whole, folder)] = describe(whole)
    return found


class AttachTestCase(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.root = self.make_directory("root")
        self.libvirt = self.make_directory(f"root{LIBVIRT}")
        self.own = self.root + OWN
        self.install()

    def install(self):
        os.makedirs(self.root + SBINDIR, exist_ok=True)
        shutil.copy(FORWARD, self.root + FORWARDER)

    @property
    def options(self):
        return (f"--root={self.root}",)

    def run_verb(self, *arguments, prefix=(), **keywords):
        done = subprocess.run([*prefix, VIRT_HOOKS, *arguments, *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding="utf-8", check=False, env=self.environment(**keywords))
        self.assertNotIn("Sanitizer", done.stderr)
        return Result(done.returncode, done.stdout, done.stderr)

    def done(self, *arguments):
        result = self.run_verb(*arguments)
        self.assertEqual((result.status, result.complaint), (0, ""), result.text)
        return result

    def refused(self, *arguments, words=()):
        """Nothing has changed, and there is one line that says why."""
        before = self.state()
        result = self.run_verb(*arguments)
        self.assertEqual((result.status, result.text), (1, ""), result.complaint)
        self.assertRegex(result.complaint, r"\Avirt-hooks: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, result.complaint)
        self.assertEqual(self.state(), before)
        return result

    def libvirts(self, name, content="#!/bin/sh\nexit 0\n", mode=0o755):
        return self.write(os.path.join(self.libvirt, name), content, mode)

    def owns(self, name, content="#!/bin/sh\nexit 0\n", mode=0o755):
        return self.write(os.path.join(self.own, name), content, mode)

    def libvirts_link(self, target, name):
        path = os.path.join(self.libvirt, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
        return path

    def settings(self, *folders):
        return self.write(f"{self.root}{SYSCONFDIR}/virt-hooks/virt-hooks.conf",
                          "[Bridge]\n" + "".join(f"HooksDirectories={folder}\n" for folder in folders))

    def memory(self):
        """The folder that attach remembers; None where nothing is attached."""
        return os.readlink(self.root + MEMORY) if os.path.islink(self.root + MEMORY) else None

    def state(self):
        """Both folders, whatever order they are read in."""
        return {folder: describe_tree(self.root + folder) for folder in (LIBVIRT, OWN)}

    def attached(self):
        return [kind for kind in KINDS if os.path.islink(f"{self.libvirt}/{kind}")
                and os.readlink(f"{self.libvirt}/{kind}") == FORWARDER]

    def in_root(self, path):
        """Where a path leads, with the root where absolute links begin."""
        for _ in range(20):
            folder, name = os.path.split(path)
            real = os.path.join(os.path.realpath(folder) if not folder.startswith(self.root) else self.real_folder(folder), name)
            if not os.path.islink(real):
                return os.path.normpath(real)
            target = os.readlink(real)
            path = self.root + target if target.startswith("/") else os.path.join(os.path.dirname(real), target)
        raise AssertionError(f"{path} leads nowhere")

    def real_folder(self, folder):
        return folder if folder == self.root else os.path.normpath(folder)

    def make_layout(self):
        """Scripts that are files, links, folders, links out of the folder and links to each other; and what they use."""
        self.write(f"{self.root}{SYSCONFDIR}/libvirt/common/guard", "#!/bin/sh\nexit 0\n", 0o755)
        self.libvirts("qemu")
        self.libvirts("kvm.conf", "x=y\n", 0o640)
        self.libvirts("qemu.d/10-x")
        self.libvirts("qemu.d/20-not", mode=0o644)
        self.libvirts("qemu.d/web-01/prepare/begin/bind")
        self.libvirts_link("../../../../common/guard", "qemu.d/web-01/prepare/guard")
        self.libvirts_link("../../common/guard", "qemu.d/30-guard")
        self.libvirts_link("../kvm.conf", "qemu.d/conf")
        self.libvirts_link("qemu", "lxc")
        self.libvirts_link("../common/guard", "network")
        self.libvirts_link("helper", "libxl")
        self.libvirts("helper")
        os.setxattr(f"{self.libvirt}/qemu", "user.note", b"mine")
        for number, (path, folders, files) in enumerate(os.walk(self.libvirt)):
            for name in folders + files:
                os.utime(os.path.join(path, name), ns=(10 ** 18 + number, 10 ** 18 + number * 7), follow_symlinks=False)
        # What lies at the end of each link.
        self.leads = {name: self.in_root(f"{self.libvirt}/{name}") for name, about in describe_tree(self.libvirt).items()
                      if about[0].startswith("l")}

    def assert_attached(self, before):
        """All of make_layout()'s types."""
        after = self.state()
        self.assertEqual(self.attached(), list(KINDS))
        for name, about in before[LIBVIRT].items():
            if name.split("/")[0].removesuffix(".d") in KINDS:
                moved = after[OWN][name]
                self.assertEqual(moved[:5] + moved[6:], about[:5] + about[6:], name)
                if not about[0].startswith("l"):
                    self.assertEqual(moved, about)
            else:
                self.assertEqual(after[LIBVIRT][name], about)
                self.assertEqual(self.in_root(f"{self.own}/{name}"), f"{self.libvirt}/{name}")
        for name, end in self.leads.items():
            if end.startswith(self.libvirt) and end[len(self.libvirt) + 1:].split("/")[0].removesuffix(".d") in KINDS:
                end = self.own + end.removeprefix(self.libvirt)
            self.assertEqual(self.in_root(f"{self.own}/{name}"), end, name)
        self.assertEqual(sorted(name for name in after[LIBVIRT] if name.startswith(".")), [])
        self.assertEqual(self.memory(), OWN)

    def assert_guarded(self):
        """At any moment libvirt finds the script or the forwarder, and the forwarder finds the script. Each runs once."""
        for kind in ("qemu", "lxc", "network", "libxl"):
            if kind in self.attached():
                end = self.in_root(f"{self.own}/{kind}")
            else:
                end = self.in_root(f"{self.libvirt}/{kind}")
            self.assertTrue(os.path.isfile(end) and os.access(end, os.X_OK), f"{kind}: {end}")
        places = [folder for folder in (self.libvirt, self.own) if os.path.exists(f"{folder}/qemu.d/10-x")]
        self.assertEqual(len(places), 1)
        self.assertEqual(sorted(os.listdir(f"{places[0]}/qemu.d")), ["10-x", "20-not", "30-guard", "conf", "web-01"])
        # Where libvirt runs the script by itself, it runs the folder by itself, too.
        if "qemu" not in self.attached():
            self.assertEqual(places, [self.libvirt])

    def strace(self, verb, call, number, action, words=()):
        """Runs the verb with strace's `action` at the number-th `call`. Returns the result."""
        prefix = ("strace", "-qq", "-o", self.path("strace"), "-e", f"trace={call}", "-e", f"inject={call}:{action}:when={number}")
        return self.run_verb(verb, *words, prefix=prefix, ASAN_OPTIONS="detect_leaks=0")

    def was_injected(self):
        """Whether the call came to pass."""
        with open(self.path("strace"), encoding="utf-8", errors="replace") as file:
            text = file.read()
        return "INJECTED" in text or "killed by SIGKILL" in text
