#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks attach and detach: all of it, back again, or nothing, whatever happens meanwhile."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
import unittest

from attachment import APPEND_NAME, CHANGES, FORWARD, FORWARDER, KINDS, LIBVIRT, MEMORY, OWN, STATE, SYSCONFDIR, AttachTestCase, Mover, describe
from folder import FACTOR, IS_ROOT, TROUBLE, USAGE, VIRT_HOOKS, become_nobody
import mounts
import tap

TAKEN_BACK = "virt-hooks: an attach or detach that did not come to its end has been taken back\n"
OTHER_FILE_SYSTEM = "/dev/shm"


class Attach(AttachTestCase):
    def test_there_and_back(self):
        self.make_layout()
        before = self.state()
        self.done("attach")
        self.assert_attached(before)
        self.assert_guarded()
        attached = self.state()
        self.assertEqual([line for line in self.done("attach").lines], [f"{kind}: is attached already" for kind in KINDS])
        self.assertEqual(self.state(), attached)
        self.done("detach")
        self.assertEqual(self.state(), before)
        self.assertEqual([path for path in (STATE, MEMORY) if os.path.lexists(self.root + path)], [])
        self.assertEqual(self.done("detach").text, "")
        self.assertEqual(self.state(), before)

    def test_check_of_another_root(self):
        """Its links lead to a forwarder of that system, and are not this one's to detach."""
        os.unlink(self.root + FORWARDER)
        os.symlink("/nowhere/virt-hooks-forward", f"{self.libvirt}/qemu")
        finding, = self.virt_hooks("check", "--json", self.libvirt).objects
        self.assertEqual((finding["kind"], finding["remedy"]),
                         ("dangling-link", f"virt-hooks detach --root={self.root} qemu, or: rm {self.libvirt}/qemu"))
        os.rename(self.libvirt, self.path("elsewhere"))
        finding, = self.virt_hooks("check", "--json", self.path("elsewhere")).objects
        self.assertEqual((finding["kind"], finding["remedy"]), ("dangling-link", f"rm {self.path('elsewhere')}/qemu"))

    def test_one_after_the_other(self):
        """All orders lead to the same."""
        self.make_layout()
        before = self.state()
        for order in (("daemon", "network", "qemu lxc", "libxl"), ("libxl", "lxc qemu", "network", "daemon")):
            for kinds in order:
                self.done("attach", *kinds.split())
                self.assert_guarded()
            self.assert_attached(before)
            for kinds in order:
                self.done("detach", *kinds.split())
                self.assert_guarded()
            self.assertEqual(self.state(), before)

    def test_dry_run(self):
        """It says the same, and changes nothing."""
        self.make_layout()
        for verb in ("attach", "detach"):
            before = self.state()
            would = self.done(verb, "--dry-run")
            self.assertEqual(self.state(), before)
            self.assertEqual(self.done(verb).lines, [line.replace("would be ", "") for line in would.lines])
            self.assertNotEqual(self.state(), before)
            self.assertEqual(os.path.exists(self.root + STATE), verb == "attach")
            self.assertEqual(self.memory(), OWN if verb == "attach" else None)

    def test_reload(self):
        """libvirt knows of the types that had an executable script."""
        self.libvirts("qemu")
        self.libvirts("lxc.d/10-x")
        self.libvirts("network", mode=0o644)
        self.libvirts("libxl.d/README", mode=0o644)
        result = self.done("attach")
        self.assertEqual(result.lines[-1], "libvirtd must be reloaded for daemon, libxl, network, which had no script: "
                         "'systemctl reload libvirtd', or SIGHUP")
        self.done("detach")
        self.assertNotIn("reload", self.done("attach", "qemu", "lxc").text)

    def test_json(self):
        self.libvirts("qemu")
        self.assertEqual(self.done("attach", "--json", "qemu", "network").objects, [
            {"type": "qemu", "attached": True, "changed": True, "reload": False},
            {"type": "network", "attached": True, "changed": True, "reload": True}])
        self.assertEqual(self.done("detach", "--json", "qemu", "lxc").objects, [
            {"type": "qemu", "attached": False, "changed": True, "reload": False},
            {"type": "lxc", "attached": False, "changed": False, "reload": False}])

    def test_no_folder(self):
        """libvirt does not need one, and neither does attach."""
        os.rmdir(self.libvirt)
        self.done("attach")
        self.assertEqual(self.attached(), list(KINDS))
        self.done("detach")
        self.assertEqual(os.listdir(self.libvirt), [])

    def test_nothing_is_attached(self):
        """What a package's removal sees where nobody ever attached: no folder, no word."""
        shutil.rmtree(f"{self.root}{SYSCONFDIR}")
        result = self.done("detach")
        self.assertEqual(result.text, "")
        self.assertFalse(os.path.exists(f"{self.root}{SYSCONFDIR}"))

    def test_forwarder_that_is_gone(self):
        """The package went first."""
        self.make_layout()
        before = self.state()
        self.done("attach")
        os.unlink(self.root + FORWARDER)
        self.done("detach")
        self.assertEqual(self.state(), before)

    def test_link_of_another_installation(self):
        self.libvirts_link("/opt/virt-hooks/sbin/virt-hooks-forward", "qemu")
        self.refused("attach", words=["another installation", "virt-hooks detach qemu"])
        self.owns("qemu")
        self.done("detach", "qemu")
        self.assertFalse(os.path.islink(f"{self.libvirt}/qemu"))
        self.done("attach")

    def test_scripts_added_since(self):
        """Those that libvirt has run through the service it runs itself."""
        self.libvirts("qemu")
        self.done("attach")
        self.owns("qemu.d/50-new")
        self.owns("settings", "x", 0o644)
        self.done("detach", "qemu")
        self.assertEqual(sorted(os.listdir(self.libvirt)), ["daemon", "libxl", "lxc", "network", "qemu", "qemu.d", "settings"])
        self.assertEqual(self.in_root(f"{self.libvirt}/settings"), f"{self.own}/settings")
        self.done("detach")
        self.assertEqual(sorted(os.listdir(self.libvirt)), ["qemu", "qemu.d", "settings"])
        self.assertFalse(os.path.islink(f"{self.libvirt}/settings"))
        self.assertEqual(os.listdir(self.own), [])

    def test_scripts_without_their_link(self):
        """libvirt runs something else, and they are not put over it: they stay, which is told."""
        for others in ((), ("network",)):
            self.libvirts("qemu")
            self.libvirts("qemu.d/10-x")
            self.done("attach", "qemu", *others)
            os.unlink(f"{self.libvirt}/qemu")
            self.libvirts("qemu", "#!/bin/sh\nexit 7\n")
            left = [f"qemu: is not attached, and libvirt does not run {OWN}/{name}, which stays there" for name in ("qemu", "qemu.d")]
            self.assertIn("in both places", self.run_verb("attach", "qemu").complaint)
            for words in (("--dry-run",), ()):
                self.assertEqual([line for line in self.done("detach", *words).lines if line.startswith("qemu")], left)
            self.assertEqual(sorted(os.listdir(self.own)), ["qemu", "qemu.d"])
            self.assertEqual(self.attached(), [])
            self.assertEqual(self.done("detach").text, "")  # for nothing tells any more whose they are
            os.unlink(f"{self.libvirt}/qemu")
            self.done("attach", "qemu")
            self.done("detach")

    def test_empty_folder_in_the_way(self):
        self.libvirts("qemu.d/10-x")
        self.make_directory(f"root{OWN}/qemu.d")
        self.done("attach", "qemu")
        self.assertTrue(os.path.exists(f"{self.own}/qemu.d/10-x"))
        self.make_directory(f"root{LIBVIRT}/qemu.d")
        self.done("detach", "qemu")
        self.assertTrue(os.path.exists(f"{self.libvirt}/qemu.d/10-x"))

    def test_link_made_since(self):
        """To a hook that is attached; nothing of ours, and not in the way."""
        self.libvirts("qemu")
        self.done("attach", "qemu")
        self.libvirts_link("qemu", "lxc")
        self.done("detach")
        self.assertEqual(self.in_root(f"{self.libvirt}/lxc"), f"{self.libvirt}/qemu")

    def test_links_that_climb(self):
        """They get their very text back."""
        self.libvirts("qemu.d/a/b/x")
        for text in ("../../../../../common", "../../../../hooks/../common/./guard", "/nowhere/at/all", "./../../../.."):
            self.libvirts_link(text, f"qemu.d/a/b/{len(text)}")
        before = self.state()
        self.done("attach")
        self.done("detach")
        self.assertEqual({name: about[5] for name, about in self.state()[LIBVIRT].items()},
                         {name: about[5].removeprefix("./") if isinstance(about[5], str) else about[5]
                          for name, about in before[LIBVIRT].items()})

    def test_absolute_link(self):
        """To a script that moves, too."""
        self.libvirts("qemu")
        self.libvirts_link(f"{LIBVIRT}/qemu", "lxc")
        before = self.state()
        self.done("attach")
        self.assertEqual(os.readlink(f"{self.own}/lxc"), f"{OWN}/qemu")
        self.done("detach")
        self.assertEqual(self.state(), before)

    def test_odd_names(self):
        for name in ("a\nb", "caf\udce9", " ", "-x", ".hidden", "\x1b[31m"):
            self.libvirts(f"qemu.d/{name}")
            self.libvirts(name)
        self.libvirts("qemu")
        before = self.state()
        result = subprocess.run([VIRT_HOOKS, "attach", *self.options], capture_output=True, check=False, env=self.environment())
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertNotIn(b"\x1b", result.stdout)
        self.done("detach")
        self.assertEqual(self.state(), before)

    @unittest.skipUnless(IS_ROOT, "only root gives files away and labels them")
    def test_owners_labels_and_lists(self):
        self.make_layout()
        folder = f"{self.libvirt}/qemu.d"
        link = f"{folder}/30-guard"
        os.chown(link, 0, 8, follow_symlinks=False)
        os.chown(f"{folder}/20-not", 7, 8)
        for path in (f"{self.libvirt}/qemu", link):
            os.setxattr(path, "security.selinux", b"system_u:object_r:virt_etc_t:s0\0", follow_symlinks=False)
            os.setxattr(path, "trusted.note", b"\0\1", follow_symlinks=False)
        subprocess.run(["setfacl", "-m", "u:nobody:r-x", f"{folder}/10-x", folder], check=True)
        os.utime(link, ns=(5, 10 ** 18), follow_symlinks=False)
        before = self.state()
        self.done("attach")
        self.assert_attached(before)
        self.assertEqual(describe(f"{self.own}/qemu.d/30-guard")[1:3], (0, 8))
        self.assertIn("security.selinux", describe(f"{self.own}/qemu.d/30-guard")[6])
        self.assertIn("system.posix_acl_access", describe(f"{self.own}/qemu.d/10-x")[6])
        self.done("detach")
        self.assertEqual(self.state(), before)

    def test_while_others_rename(self):
        """The kernel cannot always tell where a link leads while something is renamed somewhere else."""
        self.make_layout()
        before = self.state()
        self.write(self.path("here"), "")
        others = subprocess.Popen(["python3", "-c", "import os, sys\nwhile True: os.rename(*sys.argv[1:3]); os.rename(*sys.argv[2:0:-1])",
                                   self.path("here"), self.path("there")])
        try:
            for _ in range(10):
                self.done("attach")
                self.done("detach")
        finally:
            others.kill()
            others.wait()
        self.assertEqual(self.state(), before)

    def test_settings(self):
        """Another folder for the scripts, in any order."""
        for number, listed in enumerate(((f"{SYSCONFDIR}/mine", LIBVIRT), (LIBVIRT, f"{SYSCONFDIR}/mine"))):
            self.settings(*listed)
            self.libvirts("qemu", f"#!/bin/sh\nexit {number}\n")
            self.done("attach")
            self.assertEqual(self.memory(), f"{SYSCONFDIR}/mine")
            self.assertTrue(os.path.exists(f"{self.root}{SYSCONFDIR}/mine/qemu"))
            self.done("detach")
            self.assertFalse(os.path.lexists(f"{self.root}{SYSCONFDIR}/mine/qemu"))


    def test_settings_that_change(self):
        """What is attached is put back from where it is, and nothing is attached beside it."""
        mine = f"{SYSCONFDIR}/mine"
        self.make_layout()
        before = self.state()
        for listed in ((mine, OWN, LIBVIRT), (mine,), (LIBVIRT,)):
            with self.subTest(listed=listed):
                self.settings(OWN, LIBVIRT)
                self.done("attach", "qemu", "lxc")
                self.settings(*listed)
                for words in (("attach",), ("attach", "qemu"), ("attach", "--dry-run")):
                    self.refused(*words, words=[OWN, mine if mine in listed else "no place", "HooksDirectories=", "virt-hooks detach"])
                self.done("detach", "--dry-run")
                self.done("detach", "lxc", "qemu")
                self.assertEqual((self.state(), self.memory()), (before, None))
                self.assertFalse(os.path.lexists(self.root + mine))
        self.settings(mine)
        self.done("attach")
        self.assertEqual(self.memory(), mine)
        self.done("detach")
        self.assertEqual(self.state()[LIBVIRT], before[LIBVIRT])

    def test_settings_by_another_name(self):
        """It is the same folder."""
        self.libvirts("qemu")
        self.done("attach", "qemu")
        os.symlink("hooks", f"{self.root}{SYSCONFDIR}/virt-hooks/alias")
        self.settings(f"{SYSCONFDIR}/virt-hooks/alias")
        self.done("attach", "lxc")
        self.done("detach")
        self.assertIsNone(self.memory())

    def test_attached_before_it_was_remembered(self):
        """By a version that made no such link: the settings tell where the scripts are, and the next attach remembers it."""
        self.make_layout()
        before = self.state()
        for verb in ("attach", "detach"):
            self.done("attach", "qemu", "lxc")
            os.unlink(self.root + MEMORY)
            self.done("attach", "qemu")
            self.assertIsNone(self.memory())
            if verb == "attach":
                self.done("attach")
                self.assert_attached(before)
            self.done("detach")
            self.assertEqual(self.state(), before)

    def test_memory_of_nothing(self):
        """Somebody has removed the links to the forwarder by hand, and changed the settings."""
        for verb in ("attach", "detach"):
            self.settings(OWN)
            self.done("attach", "qemu")
            os.unlink(f"{self.libvirt}/qemu")
            self.settings(f"{SYSCONFDIR}/mine")
            self.done(verb, "network")
            self.assertEqual(self.memory(), f"{SYSCONFDIR}/mine" if verb == "attach" else None)
            self.done("detach")


class Refused(AttachTestCase):
    def test_usage(self):
        for words, fragment in ((("attach", "Qemu"), "no type 'Qemu'"), (("detach", "qemu.d"), "no type"),
                                (("attach", *KINDS, "qemu"), "there is no argument 'qemu'")):
            result = self.run_verb(*words)
            self.assertEqual((result.status, result.text), (USAGE, ""))
            self.assertIn(fragment, result.complaint)
        result = self.virt_hooks("attach", "--root=here")
        self.assertEqual(result.status, USAGE)
        self.assertIn("absolute", result.complaint)

    def test_both_places(self):
        for name in ("qemu", "qemu.d/10-x"):
            self.libvirts(name)
            self.owns(name)
            self.refused("attach", words=[name.split("/")[0], "in both places", self.libvirt, self.own])
            self.done("attach", "lxc")
            self.done("detach")
            os.unlink(f"{self.own}/{name}")
            self.done("attach")
            self.libvirts("qemu.d/20-late")
            self.owns("qemu.d/20-late")
            self.refused("detach", words=["qemu.d", "in both places"])
            shutil.rmtree(f"{self.libvirt}/qemu.d")
            self.done("detach")
            shutil.rmtree(f"{self.libvirt}/qemu.d")

    def test_other_file_in_both_places(self):
        self.libvirts("qemu")
        self.libvirts("kvm.conf", "a", 0o644)
        self.owns("kvm.conf", "b", 0o644)
        self.refused("attach", words=["kvm.conf is in both places"])

    def test_no_script(self):
        self.make_directory(f"root{LIBVIRT}/qemu")
        self.refused("attach", words=[f"{self.libvirt}/qemu", "neither a script nor a link"])
        os.rmdir(f"{self.libvirt}/qemu")
        os.mkfifo(f"{self.libvirt}/qemu")
        self.refused("attach", words=["neither a script nor a link"])

    def test_link_to_a_type_that_stays(self):
        self.libvirts("qemu")
        self.libvirts_link("qemu", "lxc")
        self.refused("attach", "qemu", words=["lxc leads to qemu", "name the types of both"])
        self.refused("attach", "lxc", words=["lxc leads to qemu"])
        self.done("attach", "lxc", "qemu")
        self.refused("detach", "qemu", words=["lxc leads to qemu"])

    def test_other_link_to_what_moves(self):
        self.libvirts("qemu")
        self.libvirts_link("qemu", "dispatch")
        self.refused("attach", words=["dispatch leads to qemu"])

    def test_link_that_comes_back(self):
        """Its text does not tell, but it would lead to the forwarder."""
        self.libvirts("qemu")
        self.libvirts_link("../../libvirt/hooks/qemu", "lxc")
        self.refused("attach", words=[f"{self.libvirt}/lxc", "no longer lead where it leads"])

    def test_others_may_write(self):
        for path in (self.libvirts("qemu"), self.libvirts("qemu.d/10-x"), self.libvirt):
            mode = os.stat(path).st_mode
            os.chmod(path, 0o777)
            self.refused("attach", words=[path, "may be written by everybody", "chmod go-w"])
            os.chmod(path, mode)
        os.makedirs(self.own, exist_ok=True)
        os.chmod(self.own, 0o775)
        self.refused("attach", words=[self.own, "may be written by a group"])
        self.write(f"{self.root}{SYSCONFDIR}/virt-hooks/virt-hooks.conf", "[Bridge]\nOwnership=libvirt\n")
        self.done("attach")

    def test_no_forwarder(self):
        os.unlink(self.root + FORWARDER)
        self.refused("attach", words=[FORWARDER, "install virt-hooks"])
        self.write(self.root + FORWARDER, "", 0o644)
        self.refused("attach", words=[FORWARDER, "no program"])

    @unittest.skipIf(os.path.dirname(FORWARDER) in ("/usr/bin", "/usr/sbin"), "this build's forwarder is where it may be")
    def test_apparmor(self):
        profile = self.write(f"{self.root}/etc/apparmor.d/usr.sbin.virtqemud", "profile virtqemud {}\n")
        self.refused("attach", words=[profile, "/usr/bin and /usr/sbin", FORWARDER])
        self.write(f"{self.root}/etc/apparmor.d/disable/usr.sbin.virtqemud", "")
        self.done("attach")

    def test_forwarder_that_is_none(self):
        """What cp(1) does to a link: the script is where the forwarder was."""
        self.write(self.root + FORWARDER, "#!/bin/sh\nexit 0\n", 0o755)
        self.refused("attach", words=[FORWARDER, "is no program", "install virt-hooks"])

    def test_copy_of_the_forwarder(self):
        """It is no script: somebody has done by hand what attach does by a link."""
        for name in ("qemu", "qemu.d/10-x"):
            copy = self.libvirts(name)
            shutil.copy(FORWARD, copy)
            self.refused("attach", words=[copy, "is a copy of", self.root + FORWARDER, "remove it"])
            os.unlink(copy)
            os.link(self.root + FORWARDER, copy)
            self.refused("attach", words=[copy, "is a copy of"])
            os.unlink(copy)
        self.done("attach")
        self.done("detach")

    def test_path_of_a_folder_that_moves(self):
        """A script that goes by it would find nothing, and say nothing. The command that is named mends it."""
        web = "qemu.d/web/prepare/begin/web.sh"
        for name, text, mended in (
                ("qemu", f"#!/bin/sh\nexec {LIBVIRT}/qemu.d/$1\n", 'exec $(dirname "$0")/qemu.d/$1'),
                ("qemu", f'#!/bin/bash\nhooks="{LIBVIRT}"\n', 'hooks="$(dirname "$0")"'),
                ("qemu.d/10-x", f"#!/bin/sh\nexec {LIBVIRT}/qemu.d/$1.sh\n", 'exec $(dirname "$0")/../qemu.d/$1.sh'),
                (web, f"#!/bin/sh\n. {LIBVIRT}/qemu.d/lib\n", '. $(dirname "$0")/../../../../qemu.d/lib')):
            with self.subTest(text):
                script = self.libvirts(name, text)
                self.libvirts("qemu.d/db/x")
                self.refused("attach", "--dry-run", words=[script, f"{LIBVIRT}/qemu.d", "which moves"])
                refusal = self.refused("attach", words=["which moves"])
                self.done("attach", "network")
                self.done("detach")
                subprocess.run(["sh", "-c", refusal.complaint.partition("look elsewhere: ")[2]], check=True)
                with open(script, encoding="utf-8") as file:
                    self.assertIn(mended, file.read())
                self.done("attach")
                os.unlink(script.replace(self.libvirt, self.own))
                self.done("detach")

    def test_path_in_single_quotes(self):
        """There $(dirname "$0") would be five words, and none a folder."""
        self.libvirts("qemu.d/web/x")
        text = f"#!/bin/sh\nset -e\na='{LIBVIRT}' b='{LIBVIRT}/qemu.d/web/x' c=\"{LIBVIRT}/qemu.d\"\n[ -d \"$a\"/qemu.d ]; [ -f $b ]; [ -d \"$c/web\" ]\n"
        script = self.libvirts("qemu", text)
        refusal = self.refused("attach", words=["in line 3 the path"])
        subprocess.run(["sh", "-c", refusal.complaint.partition("look elsewhere: ")[2]], check=True)
        for place in (self.libvirt, self.own):
            subprocess.run([f"{place}/qemu"], check=True)
            self.done("attach" if place == self.libvirt else "detach")
        self.assertTrue(os.path.exists(script))

    def test_path_in_python(self):
        """No command makes it good in both places. What is said does, and the command in one."""
        beside = "os.path.dirname(os.path.abspath(__file__))"
        self.libvirts("qemu.d/web/x")
        for name, path in (("qemu", beside), ("qemu.d/10-x", f'{beside} + "/.."')):
            with self.subTest(name):
                text = f"#!/usr/bin/python3\nimport os\nos.chdir('{LIBVIRT}')\nassert os.path.exists('qemu.d/web/x')\n"
                script = self.libvirts(name, text)
                refusal = self.refused("attach", words=[f"in line 3 the path of {LIBVIRT}/qemu.d", f"write {path} for {LIBVIRT},",
                                                        "works in both places", "detach"])
                subprocess.run(["sh", "-c", refusal.complaint.rpartition("refused: ")[2]], check=True)
                self.done("attach")
                refusal = self.refused("detach", words=[f"write {path} for {OWN},", "attach"])
                subprocess.run(["sh", "-c", refusal.complaint.rpartition("refused: ")[2]], check=True)
                self.done("detach")
                self.libvirts(name, text.replace(f"'{LIBVIRT}'", path))
                for verb, place in (("attach", self.own), ("detach", self.libvirt)):
                    self.done(verb)
                    subprocess.run([f"{place}/{name}"], check=True)
                os.unlink(script)

    def test_path_in_another_language(self):
        self.libvirts("qemu", f"#!/usr/bin/perl\nchdir '{LIBVIRT}';\n")
        self.libvirts("qemu.d/web/x")
        refusal = self.refused("attach", words=["let it look beside itself", "works in both places", "detach"])
        subprocess.run(["sh", "-c", refusal.complaint.rpartition("refused: ")[2]], check=True)
        self.done("attach")

    def test_path_in_many_scripts(self):
        """All are told of at once."""
        names = ("lxc.d/10-x", "qemu", "qemu.d/10-x", "qemu.d/db/release/end/a", "qemu.d/web/prepare/begin/a", "qemu.d/web/prepare/begin/b")
        scripts = [self.libvirts(name, f"#!/bin/sh\n. {LIBVIRT}/{name.split('/')[0].removesuffix('.d')}.d/lib\n") for name in names]
        self.libvirts("qemu.d/web/release/end/a")
        before = self.state()
        result = self.run_verb("attach")
        self.assertEqual((result.status, result.text, self.state()), (TROUBLE, "", before))
        told = result.complaint.splitlines()
        self.assertEqual(sorted(line.split()[1] for line in told), scripts)
        for line in told:
            subprocess.run(["sh", "-c", line.partition("look elsewhere: ")[2]], check=True)
        self.done("attach")

    def test_path_in_a_comment(self):
        """It is the place where the script was to be put, in the scripts that many have."""
        comment = f"# Copy this file to {LIBVIRT}, make sure it's called qemu.\n\t# Add hooks in {LIBVIRT}/qemu.d/vm_name.\n"
        self.libvirts("qemu.d/web/x")
        for line in ("#!/bin/bash", "#!/usr/bin/env bash", "#!/usr/bin/env -S LC_ALL=C bash -e", "#!/bin/busybox sh", "#!/usr/bin/python3.11 -u",
                     "#!/usr/bin/perl"):
            with self.subTest(line):
                self.libvirts("qemu", f"{line}\n{comment}exit 0\n")
                self.done("attach", "--dry-run")
                script = self.libvirts("qemu", f"{line}\n{comment}exec {LIBVIRT}/qemu.d/$1  # {LIBVIRT}\n")
                self.refused("attach", "--dry-run", words=[f"{script} has in line 4 the path of {LIBVIRT}/qemu.d"])
        for text in (f"#!/usr/bin/lua\n# {LIBVIRT}/qemu.d\n", f"#!{LIBVIRT}/qemu.d/sh\n"):
            with self.subTest(text):
                self.libvirts("qemu", text)
                self.refused("attach", words=[" in line "])

    def test_paths_that_stay_good(self):
        """What lies beside the scripts is found in both places, and a folder that is not there cannot move."""
        self.libvirts("kvm.conf", "x", 0o644)
        self.libvirts("qemu", f"#!/bin/sh\n. {LIBVIRT}/kvm.conf\n. /usr{LIBVIRT}-old/qemu.d.orig\n")
        self.libvirts("network", f"#!/bin/sh\nls {LIBVIRT}/network.d\n")
        self.libvirts("qemu.d/10-x")
        self.done("attach")

    def test_path_of_a_folder_on_the_way_back(self):
        self.libvirts("qemu")
        self.libvirts("qemu.d/web/x")
        self.done("attach")
        self.owns("qemu", f"#!/bin/sh\nexec {OWN}/qemu.d/$1\n")
        self.refused("detach", words=[f"{OWN}/qemu.d", "which moves"])

    def test_made_folders(self):
        """They are for the eyes of those who may look into libvirt's, whatever the umask is."""
        for mode, umask in ((0o755, 0o077), (0o700, 0o022), (0o711, 0)):
            with self.subTest(oct(mode)):
                shutil.rmtree(os.path.dirname(self.own), ignore_errors=True)
                self.libvirts("qemu")
                os.chmod(self.libvirt, mode)
                before = os.umask(umask)
                try:
                    self.done("attach", "qemu")
                finally:
                    os.umask(before)
                for folder in (self.own, os.path.dirname(self.own)):
                    self.assertEqual(os.stat(folder).st_mode & 0o7777, mode)
                self.done("detach")
        os.chmod(self.libvirt, 0o700)
        os.chmod(self.own, 0o755)
        os.chmod(os.path.dirname(self.own), 0o755)
        self.assertIn(f"'chmod 700 {self.own}' closes it", self.done("attach", "qemu").lines[-1])

    def test_script_that_is_there_already(self):
        """Of another daemon, maybe: it becomes libvirt's as well, so it must be one that may run."""
        script = self.owns("qemu", mode=0o777)
        self.refused("attach", words=[script, "may be written by everybody"])
        os.chmod(script, 0o755)
        self.done("attach", "qemu")

    @unittest.skipUnless(IS_ROOT, "only root mounts something")
    def test_read_only_mount(self):
        mounts.enter_private_namespace()
        self.libvirts("qemu")
        for verb in ("attach", "detach"):
            subprocess.run(["mount", "--bind", "-o", "ro", self.libvirt, self.libvirt], check=True)
            for words in ((verb,), (verb, "--dry-run")):
                self.refused(*words, words=[self.libvirt, "read-only file system"])
            mounts.unmount(self.libvirt)
            self.done(verb)

    @unittest.skipUnless(IS_ROOT and os.path.isdir(OTHER_FILE_SYSTEM), "only root mounts something")
    def test_overlay(self):
        """With its upper layer on another file system it shows a second name of a lower file as another file."""
        mounts.enter_private_namespace()
        self.libvirts("qemu")
        place = os.path.join(OTHER_FILE_SYSTEM, os.path.basename(self.directory))
        merged = self.make_directory("merged")
        for name in ("", "upper", "work"):
            os.mkdir(os.path.join(place, name))
        self.addCleanup(shutil.rmtree, place)
        mounts.mount("overlay", merged, f"lowerdir={self.root},upperdir={place}/upper,workdir={place}/work")
        self.addCleanup(mounts.unmount, merged)
        self.root, self.libvirt, self.own = merged, merged + LIBVIRT, merged + OWN
        result = self.run_verb("attach")
        if result.status == 0:  # this kernel knows better
            self.done("detach")
        else:
            self.assertRegex(result.complaint, r"\Avirt-hooks: .*an overlay shows it as two files.*\n\Z")
            self.assertEqual(os.listdir(self.own), [])
            self.assertEqual((os.listdir(self.libvirt), os.path.islink(f"{self.libvirt}/qemu")), (["qemu"], False))
            subprocess.run(["sh", "-c", f"cp -a {self.libvirt}/qemu {self.libvirt}/qemu.new && mv {self.libvirt}/qemu.new {self.libvirt}/qemu"],
                           check=True)
        self.done("attach")
        self.done("detach")

    def test_no_libvirt(self):
        shutil.rmtree(os.path.dirname(self.libvirt))
        for words in (("attach", "--dry-run"), ("attach",)):
            result = self.run_verb(*words)
            self.assertEqual((result.status, result.text), (TROUBLE, ""))
            self.assertIn(f"{LIBVIRT}, and {os.path.dirname(self.libvirt)} cannot be looked at", result.complaint)
            self.assertIn("is libvirt installed", result.complaint)
            self.assertEqual("--sysconfdir=/etc" in result.complaint, SYSCONFDIR != "/etc")
            self.assertFalse(os.path.exists(os.path.dirname(self.libvirt)))

    def test_no_other_folder(self):
        self.write(f"{self.root}{SYSCONFDIR}/virt-hooks/virt-hooks.conf", f"[Bridge]\nHooksDirectories={LIBVIRT}\n")
        self.refused("attach", words=["no place for the scripts", "HooksDirectories="])

    @unittest.skipUnless(os.path.isdir(OTHER_FILE_SYSTEM), "there is no second file system")
    def test_other_file_system(self):
        place = os.path.join(OTHER_FILE_SYSTEM, os.path.basename(self.directory))
        os.mkdir(place)
        self.addCleanup(shutil.rmtree, place)
        if os.stat(place).st_dev == os.stat(self.root).st_dev:
            self.skipTest("it is the same")
        os.makedirs(os.path.dirname(self.own))
        os.symlink(place, self.own)
        self.libvirts("qemu")
        self.refused("attach", words=["one file system", "HooksDirectories="])
        os.unlink(f"{self.libvirt}/qemu")
        self.libvirts("qemu.d/10-x")
        self.refused("attach", words=["one file system"])

    @unittest.skipUnless(IS_ROOT, "only root becomes somebody else")
    def test_somebody_else(self):
        self.libvirts("qemu")
        for verb in ("attach", "detach"):
            result = self.virt_hooks(verb, *self.options, preexec_fn=become_nobody)
            if verb == "attach":
                self.assertEqual(result.status, TROUBLE)
                self.assertIn("run this as root", result.complaint)
        self.assertEqual(self.virt_hooks("attach", "--dry-run", *self.options, preexec_fn=become_nobody).status, 0)
        self.done("attach")
        result = self.virt_hooks("detach", *self.options, preexec_fn=become_nobody)
        self.assertEqual(result.status, TROUBLE)
        self.assertIn("run this as root", result.complaint)


class Locked(AttachTestCase):
    def lock(self, kind):
        os.makedirs(os.path.dirname(self.own), exist_ok=True)
        fd = os.open(self.root + STATE, os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, fd)
        fcntl.flock(fd, kind)
        return fd

    def test_second_attach(self):
        self.libvirts("qemu")
        self.lock(fcntl.LOCK_EX)
        self.refused("attach", words=["another attach or detach is at work"])

    def test_hooks_that_run(self):
        self.libvirts("qemu")
        self.lock(fcntl.LOCK_SH)
        self.refused("attach", words=["hooks of libvirt are running"])

    def test_it_waits(self):
        self.libvirts("qemu")
        fd = self.lock(fcntl.LOCK_SH)
        process = self.start("attach", *self.options)
        fcntl.flock(fd, fcntl.LOCK_UN)
        self.assertEqual(process.wait(20 * FACTOR), 0)
        self.assertEqual(self.attached(), list(KINDS))

    def test_who_reads_slowly(self):
        """What is done is told when others may go on."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writer, True)
        with subprocess.Popen([VIRT_HOOKS, "attach", *self.options], stdout=writer, env=self.environment()) as process:
            while self.attached() != list(KINDS):
                time.sleep(0.01)
            self.done("detach")
            self.assertIsNone(process.poll())
            process.kill()
        os.close(reader)
        os.close(writer)

    def test_many_at_once(self):
        """Each does all, finds all done, or says that others are at work. At the end all is whole."""
        self.make_layout()
        before = self.state()
        processes = [self.start(verb, *self.options) for _ in range(8) for verb in ("attach", "detach")]
        for process in processes:
            _, complaint = process.communicate(timeout=30 * FACTOR)
            self.assertIn(process.returncode, (0, TROUBLE), complaint)
            self.assertRegex(complaint, r"\A(virt-hooks: another attach or detach is at work; try again\n)?\Z")
        if self.attached():
            self.assert_attached(before)
            self.done("detach")
        self.assertEqual(self.state(), before)


class Interrupted(AttachTestCase):
    """Something happens at each call by which the disk is changed."""

    def each_call(self, verb, action, words=()):
        """Brings the layout into the state before the verb, and has `action` happen at the next of its calls."""
        for call in CHANGES:
            number = 1
            while True:
                signal.setitimer(signal.ITIMER_REAL, 40 * FACTOR)
                self.make_anew(verb)
                result = self.strace(verb, call, number, action, words)
                if not self.was_injected():
                    self.assertEqual(result.status, 0, result.complaint)
                    break
                yield f"{call} {number}", result
                number += 1

    def make_anew(self, verb):
        shutil.rmtree(self.root)
        os.makedirs(self.libvirt)
        self.install()
        self.make_layout()
        self.plain = self.state()
        self.done("attach")
        self.whole = self.state()
        if verb == "attach":
            self.done("detach")

    def assert_whole(self, *expected):
        """The folders are in one of these states, but for the times of links of our own."""
        now = self.without_times(self.state())
        if now not in [self.without_times(state) for state in expected]:
            self.assertEqual(now, self.without_times(expected[0]))

    @staticmethod
    def without_times(state):
        def strip(about):
            ours = about[0].startswith("l") and str(about[5]).startswith((SYSCONFDIR, FORWARDER))
            return about[:3] + (about[4:] if ours else about[3:])
        return {folder: {name: strip(about) for name, about in tree.items()} for folder, tree in state.items()}

    def kill_everywhere(self, verb, *mender):
        killed = 0
        for where, result in self.each_call(verb, "signal=KILL"):
            killed += 1
            with self.subTest(where=where):
                self.assertEqual(result.status, -signal.SIGKILL)
                self.assert_guarded()
                mended = self.run_verb(*mender)
                self.assertEqual(mended.status, 0, mended.complaint)
                self.assertRegex(mended.complaint, rf"\A({TAKEN_BACK})?\Z")
                self.assert_whole(self.whole if mender == ("attach",) else self.plain)
                if mender == ("detach",):
                    self.assertEqual([path for path in (STATE, MEMORY) if os.path.lexists(self.root + path)], [])
                else:
                    self.assertEqual(self.memory(), OWN)
        self.assertGreater(killed, 30)

    def test_attach_killed_then_attach(self):
        self.kill_everywhere("attach", "attach")

    def test_attach_killed_then_detach(self):
        self.kill_everywhere("attach", "detach")

    def test_detach_killed_then_attach(self):
        self.kill_everywhere("detach", "attach")

    def test_detach_killed_then_detach(self):
        self.kill_everywhere("detach", "detach")

    def test_mending_killed(self):
        """And what comes after that one."""
        for verb in ("attach", "detach"):
            for call, number in (("renameat2", 1), ("rename", 3)):
                for again in range(1, 6):
                    self.make_anew(verb)
                    self.strace(verb, call, number, "signal=KILL")
                    self.strace("detach", "rename", again, "signal=KILL")
                    self.assert_guarded()
                    self.assertEqual(self.run_verb("detach").status, 0)
                    self.assert_whole(self.plain)

    def test_settings_changed_after_the_kill(self):
        """The plan knows where things were."""
        for number in (1, 2, 3, 5, 8):
            self.make_anew("detach")
            self.settings(OWN)
            self.strace("detach", "rename", number, "signal=KILL")
            self.settings(f"{SYSCONFDIR}/mine")
            self.assertEqual(self.run_verb("detach").status, 0)
            self.assert_whole(self.plain)
            self.assertIsNone(self.memory())

    def fail_everywhere(self, verb, error):
        failed = 0
        for where, result in self.each_call(verb, f"error={error}"):
            with self.subTest(where=where):
                self.assert_guarded()
                if result.status == 0:  # it can do without
                    self.assert_whole(self.whole if verb == "attach" else self.plain)
                    continue
                failed += 1
                self.assertEqual((result.status, result.text), (1, ""), result.complaint)
                self.assertRegex(result.complaint, r"\Avirt-hooks: ")
                if "cannot be taken back" not in result.complaint:
                    self.assert_whole(self.plain if verb == "attach" else self.whole)
                self.done("detach")
                self.assert_whole(self.plain)
        self.assertGreater(failed, 20)

    def test_no_space(self):
        self.fail_everywhere("attach", "ENOSPC")

    def test_broken_disk(self):
        self.fail_everywhere("detach", "EIO")

    def test_plan_that_is_none(self):
        """Nothing was done where it is not whole; and it is not for us to judge where it is another version's."""
        self.make_layout()
        before = self.state()
        precious = self.write(self.path("root/precious"), "x")
        for content in (b"", b"\0", b"\0" * 5000, b"virt-hooks att", b"virt-hooks attach 1\0", b"virt-hooks attach 1\0move\0+\0/x",
                        b"virt-hooks attach 1\0move\0+\0/root\0/precious\0\0", b"virt-hooks attach 1\0odd\0+\0/a\0/b\0\0end\0",
                        b"virt-hooks attach 1\0link\0-\0a\0b\0\0end\0", b"virt-hooks attach 1\0end\0"):
            with self.subTest(content=content):
                self.write(self.root + STATE, content, 0o600)
                self.done("detach")
                self.assertEqual(self.state().get(LIBVIRT), before[LIBVIRT])
                self.assertFalse(os.path.exists(self.root + STATE))
        self.write(self.root + STATE, b"virt-hooks attach 2\0end\0", 0o600)
        for verb in ("attach", "detach"):
            self.refused(verb, words=["another version"])
        self.assertTrue(os.path.exists(precious))

    def test_read_only(self):
        """From the first change on, for good."""
        for verb in ("attach", "detach"):
            self.make_anew(verb)
            result = self.strace(verb, "openat,symlink,linkat,rename,renameat2,mkdir,pwrite64", "1+", "error=EROFS")
            self.assertNotEqual(result.status, 0)
            self.assert_whole(self.plain if verb == "attach" else self.whole)


class OfTheMachine(AttachTestCase):
    """Not below a root, but where everybody looks: what check says, and hooks that run meanwhile."""

    is_private = False

    def setUp(self):
        if not IS_ROOT:
            self.skipTest("only root can cover the machine's folders")
        if not OfTheMachine.is_private:
            mounts.enter_private_namespace()
            OfTheMachine.is_private = True
        super().setUp()
        shutil.rmtree(self.root)
        for number, folder in enumerate((SYSCONFDIR, os.path.dirname(FORWARDER), "/etc/apparmor.d")):
            while not os.path.isdir(folder):
                folder = os.path.dirname(folder)
            place = self.make_directory(f"cover-{number}")
            mounts.cover(folder, place)
            self.addCleanup(mounts.unmount, place)
            self.addCleanup(mounts.unmount, folder)
        for folder in (f"{SYSCONFDIR}/virt-hooks", f"{SYSCONFDIR}/libvirt", "/etc/apparmor.d"):
            shutil.rmtree(folder, ignore_errors=True)
        self.root = ""
        self.libvirt, self.own = LIBVIRT, OWN
        os.makedirs(self.libvirt)
        self.install()

    @property
    def options(self):
        return ()

    def check(self):
        return self.run_verb("check", "--json")

    def kinds(self):
        return [(finding["path"], finding["kind"]) for finding in self.check().objects]

    def test_check(self):
        self.libvirts("qemu")
        self.libvirts("qemu.d/10-x")
        self.done("attach")
        self.assertEqual(self.kinds(), [])
        late = self.libvirts("qemu.d/20-late")
        self.assertEqual(self.kinds(), [(late, "beside-forwarder")])
        os.unlink(late)
        os.symlink(f"{self.own}/qemu.d/10-x", late)
        self.assertEqual(self.kinds(), [(late, "twice"), (late, "beside-forwarder")])
        os.unlink(late)
        os.unlink(FORWARDER)
        findings = self.check().objects
        self.assertEqual([(finding["path"], finding["kind"]) for finding in findings],
                         [(f"{self.libvirt}/{kind}", "dangling-link") for kind in KINDS])
        self.assertIn("virt-hooks detach daemon", findings[0]["remedy"])

    def status(self, *options):
        """What is told where there is no service."""
        return self.run_verb("status", *options, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere/bus")

    def test_status(self):
        """It tells what is attached, though there is no service."""
        for kinds, words in ((("qemu", "network"), "qemu, network"), ((), "daemon, qemu, lxc, libxl, network")):
            self.done("attach", *kinds)
            result = self.status()
            self.assertEqual((result.status, result.text), (TROUBLE, f"○ virt-hooksd cannot be asked\n     Attached:  {words}\n"))
        self.done("detach")
        result = self.status("--json")
        self.assertEqual(result.objects, [{"Attached": []}])

    def test_copies_of_the_forwarder(self):
        """They call the service that runs them, wherever they are."""
        for folder in (self.libvirt, self.own):
            for name in ("qemu", "qemu.d/10-x"):
                copy = self.write(f"{folder}/{name}", "", 0o755)
                shutil.copy(FORWARD, copy)
                finding, = self.check().objects
                self.assertEqual((finding["path"], finding["kind"]), (copy, "forwarder-copy"))
                subprocess.run(["sh", "-ec", finding["remedy"]], check=True)
                self.assertEqual(self.kinds(), [])

    def test_other_settings(self):
        """They have changed since; the remedy is what makes it good."""
        self.libvirts("qemu")
        self.done("attach", "qemu")
        mine = f"{SYSCONFDIR}/mine"
        for listed, words in (((mine, OWN, LIBVIRT), "run in their place"), ((mine, LIBVIRT), "none of them runs"),
                              ((LIBVIRT,), "none of them runs")):
            self.settings(*listed)
            finding, = [each for each in self.check().objects if each["kind"] == "other-settings"]
            self.assertEqual(finding["path"], OWN)
            self.assertIn(words, finding["problem"])
        self.settings(mine)
        finding = self.check().objects[0]
        subprocess.run(["sh", "-ec", finding["remedy"].replace("virt-hooks ", f"{VIRT_HOOKS} ")], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual((self.kinds(), self.attached()), ([], ["qemu"]))
        self.assertTrue(os.path.exists(f"{mine}/qemu"))
        self.done("detach")

    def test_wrong_settings(self):
        """They are told once by each: as a finding, or in the log's words."""
        settings = self.write(f"{SYSCONFDIR}/virt-hooks/virt-hooks.conf", "[Bridge]\nColour=red\n")
        result = self.check()
        self.assertEqual(([(finding["path"], finding["kind"]) for finding in result.objects], result.complaint),
                         ([(settings, "wrong-setting")], ""))
        self.assertRegex(self.run_verb("attach", "qemu").complaint, rf"\Avirt-hooks: {settings}:2: [^\n]+\n\Z")

    def test_link_that_is_gone(self):
        """libvirt runs nothing of the type any more, or something else."""
        link = f"{self.libvirt}/qemu"
        self.libvirts("qemu")
        self.done("attach", "qemu", "network")
        os.unlink(link)
        finding, = self.check().objects
        self.assertEqual((finding["path"], finding["kind"], finding["remedy"]), (link, "not-attached", "virt-hooks attach qemu"))
        self.done("attach", "qemu")
        self.assertEqual(self.kinds(), [])
        os.unlink(f"{self.libvirt}/network")  # for which there is no script
        self.assertEqual(self.kinds(), [])

    def test_script_in_the_place_of_its_link(self):
        """Deployed anew, by install(1) for example: one of the two is out of date, and it is told once."""
        link, script = f"{self.libvirt}/qemu", f"{self.own}/qemu"
        for old in (script, link):
            self.libvirts("qemu")
            self.done("attach", "qemu", "network")
            os.unlink(link)
            self.libvirts("qemu", "#!/bin/sh\nexit 7\n")
            finding, = self.check().objects
            self.assertEqual((finding["path"], finding["kind"]), (link, "not-attached"))
            self.assertEqual(finding["remedy"], f"rm the one that is out of date, {link} or {script}, then: virt-hooks attach qemu")
            self.refused("attach", "qemu", words=["in both places"])
            os.unlink(old)
            self.done("attach", "qemu")
            self.assertEqual(self.kinds(), [])
            with open(script, encoding="utf-8") as file:
                self.assertEqual("exit 7" in file.read(), old == script)
            self.done("detach")
            os.unlink(link)

    def test_script_in_the_place_of_a_link_alone(self):
        """attach takes it along."""
        link = f"{self.libvirt}/qemu"
        self.done("attach", "qemu")
        self.owns("qemu.d/10-x")
        os.unlink(link)
        self.libvirts("qemu")
        finding, = self.check().objects
        self.assertEqual((finding["path"], finding["kind"], finding["remedy"]), (link, "not-attached", "virt-hooks attach qemu"))
        self.done("attach", "qemu")
        self.assertEqual(self.kinds(), [])

    def test_what_is_written_through_a_link(self):
        script = self.write(self.path("new"), "#!/bin/sh\nexit 0\n", 0o755)
        self.done("attach", "qemu")
        subprocess.run(["cp", script, f"{self.libvirt}/qemu"], check=True)
        self.assertIn((FORWARDER, "overwritten"), self.kinds())
        self.refused("attach", "network", words=["is no program"])
        self.install()
        self.assertEqual(self.kinds(), [])

    def test_script_that_is_written_over_the_forwarder(self):
        """Both have the same bytes then, and it is not the script that is no script."""
        script = self.libvirts("qemu")
        same = shutil.copy(script, self.path("same"))
        self.done("attach", "qemu")
        subprocess.run(["cp", same, script], check=True)
        self.assertEqual(self.kinds(), [(FORWARDER, "overwritten")])

    @unittest.skipIf(os.path.dirname(FORWARDER) in ("/usr/bin", "/usr/sbin"), "this build's forwarder is where it may be")
    def test_apparmor(self):
        self.done("attach", "qemu")
        self.write("/etc/apparmor.d/usr.sbin.libvirtd", "")
        self.assertEqual(self.kinds(), [(f"{self.libvirt}/qemu", "apparmor")])

    def test_check_mends(self):
        for verb in ("attach", "detach"):
            for call, number in (("symlink", 2), ("rename", 1), ("rename", 3), ("renameat2", 1)):
                with self.subTest(verb=verb, call=call):
                    shutil.rmtree(self.libvirt)
                    shutil.rmtree(os.path.dirname(self.own), ignore_errors=True)
                    os.makedirs(self.libvirt)
                    self.make_layout()
                    before = self.state()
                    if verb == "detach":
                        self.done("attach")
                    result = self.strace(verb, call, number, "signal=KILL")
                    if result.status == 0:
                        continue
                    dry = self.run_verb(verb, "--dry-run")
                    self.assertEqual(dry.status, 1)
                    self.assertIn("virt-hooks check", dry.complaint)
                    found = self.virt_hooks("check", "--json", preexec_fn=become_nobody)
                    self.assertIn("half-attached", [finding["kind"] for finding in found.objects])
                    self.assertTrue(self.status("--json").objects[0]["HalfAttached"])
                    self.assertIn("'virt-hooks check' as root", self.status().text)
                    mended = self.run_verb("check")
                    self.assertIn("has been taken back", mended.complaint)
                    self.assertEqual(self.run_verb("check").complaint, "")
                    self.assertNotIn("HalfAttached", self.status("--json").objects[0])
                    if verb == "detach":
                        self.assertEqual(self.attached(), list(KINDS))
                        self.done("detach")
                    self.assertEqual(self.state(), before)

    def test_hooks_that_run_meanwhile(self):
        """Each runs the script once, and none is left out: plain, through the forwarder, and in between."""
        trace = self.path("trace")
        # Not a script: between the kernel and an interpreter there is a moment in which it is exchanged.
        shutil.copy(APPEND_NAME, f"{self.libvirt}/qemu")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere/bus"}
        mover = Mover(self.path("moves"))
        self.addCleanup(mover.stop)
        number = 0
        while number < 300 or mover.moves < 20:
            done = subprocess.run([f"{self.libvirt}/qemu", f"guest-{number}", "start", "begin", trace], stdin=subprocess.DEVNULL,
                                  env=environment, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), number)
            number += 1
        with open(trace, encoding="utf-8") as file:
            self.assertEqual(file.read().split(), [f"guest-{n}" for n in range(number)])


if __name__ == "__main__":
    tap.main()
