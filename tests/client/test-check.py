#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks check: each reason why a hook does not run, the remedy that mends it, and what is no reason at all."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from folder import IS_ROOT, NOBODY, TOP_SRCDIR, TROUBLE, USAGE, VIRT_HOOKS, FolderTestCase, become_nobody
from buses import read_text
import tap

SH = "#!/bin/sh\nexit 0\n"
DISPATCHER = '#!/bin/sh\nfor hook in "$(dirname "$0")/qemu.d/$1/$2/$3"/*; do\n\t"$hook" "$@" || exit\ndone\n'
DOCUMENT = "<domain><name>web-01</name><uuid>5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11</uuid></domain>"


class CheckTestCase(FolderTestCase):
    def check(self, *arguments, **keywords):
        """The findings in self.hooks, or in what is named; statuses must go with them."""
        result = self.virt_hooks("check", "--json", *(arguments or (self.hooks,)), **keywords)
        self.assertEqual(result.complaint, "")
        self.assertEqual(result.status, TROUBLE if result.objects else 0)
        for finding in result.objects:
            self.assertEqual(list(finding), ["path", "type", "kind", "problem", "remedy"])
            self.assertTrue(os.path.isabs(finding["path"]), finding)
            self.assertTrue(finding["problem"] and finding["remedy"] and finding["kind"], finding)
        return result.objects

    def kinds(self, *arguments, **keywords):
        """What is wrong, as [(path in the test's directory, kind)]."""
        return [(finding["path"].removeprefix(self.directory + "/"), finding["kind"])
                for finding in self.check(*arguments, **keywords)]

    def assert_fine(self, *arguments, **keywords):
        self.assertEqual(self.check(*arguments, **keywords), [])

    def assert_one(self, name, kind, *fragments, type="qemu"):
        """There is one thing wrong, with HOOKS/name; returns it."""
        findings = self.check()
        self.assertEqual([(finding["path"], finding["kind"], finding["type"]) for finding in findings],
                         [(self.hook(name), kind, type)])
        for fragment in fragments:
            self.assertIn(fragment, findings[0]["problem"])
        return findings[0]

    def assert_mended(self, finding):
        """The remedy is a command, and when it has run all is well."""
        done = subprocess.run(["sh", "-ec", finding["remedy"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b""), finding["remedy"])
        self.assert_fine()

    def status_of_run(self):
        """What the first qemu script really ends with."""
        result = self.virt_hooks("rehearse", "qemu", "-", "--operations=prepare", f"--hooks-directory={self.hooks}", "--json",
                                 document=DOCUMENT)
        return result.objects[0]["status"]


class Healthy(CheckTestCase):
    def test_one_line_says_so(self):
        self.script("qemu")
        result = self.virt_hooks("check", self.hooks)
        self.assertEqual((result.status, result.text, result.complaint), (0, f"All is well: 1 script in {self.hooks}.\n", ""))
        self.script("qemu.d/10-x")
        self.script("network.d/10-x")
        self.assertEqual(self.virt_hooks("check", self.hooks).text, f"All is well: 3 scripts in {self.hooks}.\n")
        self.assertEqual(self.on_terminal(80, "check", self.hooks).text, f"All is well: 3 scripts in {self.hooks}.\n")

    def test_json_says_nothing(self):
        self.script("qemu")
        self.assertEqual(self.virt_hooks("check", "--json", self.hooks).text, "")

    def test_nothing_there(self):
        result = self.virt_hooks("check", self.hooks)
        self.assertEqual((result.status, result.text), (0, f"There is no script in {self.hooks}.\n"))

    def test_all_types(self):
        for kind in ("daemon", "qemu", "lxc", "libxl", "network"):
            self.script(kind)
            self.script(f"{kind}.d/10-x")
        self.assert_fine()

    def test_what_the_kernel_takes(self):
        """Unusual, and it runs."""
        for content in ("#!/bin/sh", "#! /bin/sh -e\nexit 0\n", "#!\t/bin/sh\t-e \nexit 0\n", "#!/usr/bin/env sh\nexit 0\n",
                        "#!/usr/bin/env -S sh -e\nexit 0\n", "#!/usr/bin/env -S -i FOO=1 sh -e\nexit 0\n", "#!bin/sh\nexit 0\n",
                        "#!/usr/bin/env -S -u FOO sh\nexit 0\n", "#!/usr/bin/env --split-string=sh -e\nexit 0\n",
                        "#!/usr/bin/env -iS sh\nexit 0\n", "#!/usr/bin/env /bin/sh\nexit 0\n"):
            with self.subTest(content=content):
                self.script("qemu", content)
                self.assert_fine()
                self.assertEqual(self.status_of_run(), 0)

    def test_program(self):
        shutil.copy("/bin/true", self.hook("qemu"))
        self.assert_fine()

    def test_link_to_a_script_elsewhere(self):
        self.script("guard", directory=self.make_directory("elsewhere"))
        self.link("../elsewhere/guard", "qemu")
        self.assert_fine()

    def test_what_is_not_executable_is_nobodys_business(self):
        """Settings and texts beside the scripts, and what was put aside in a folder."""
        self.script("qemu")
        for name in ("kvm.conf", "README", "Qemu", "qemu.sh", "qemu.bak", "notes", "qemu.d/README.md", "qemu.d/web-01.conf",
                     "qemu.d/10-x~", "qemu.d/10-x.bak", "qemu.d/.10-x.swp", "qemu.d/10-x.disabled", "qemu.d/.gitignore"):
            self.script(name, mode=0o644, content="text\n")
        os.mkdir(self.hook("lib"))
        self.link("nowhere", "odd")
        self.assert_fine()

    def test_helpers(self):
        """A file that the scripts are linked to, or call by its path, is no hook with a wrong name."""
        self.script("dispatch")
        self.script("guard.sh")
        self.link("dispatch", "qemu")
        self.script("network", "#!/bin/sh\nexec \"${0%/*}/guard.sh\" \"$@\"\n")
        self.assert_fine()

    def attached(self):
        """The folders of the scripts and of libvirt, which finds the forwarder there."""
        own, libvirts = self.make_directory("own"), self.make_directory("libvirts")
        shutil.copy("/bin/true", self.path("virt-hooks-forward"))
        os.symlink(self.path("virt-hooks-forward"), os.path.join(libvirts, "qemu"))
        return own, libvirts

    def test_the_forwarder(self):
        """libvirt's folder after attach: its script is the forwarder, and the scripts are elsewhere."""
        own, libvirts = self.attached()
        os.symlink(self.path("virt-hooks-forward"), os.path.join(libvirts, "network"))
        self.script("qemu", directory=own)
        self.assert_fine(own, libvirts)
        self.script("qemu.d/10-late", directory=libvirts)
        finding, = self.check(own, libvirts)
        self.assertEqual((finding["path"], finding["kind"]), (f"{libvirts}/qemu.d/10-late", "beside-forwarder"))
        self.assertEqual(finding["remedy"], f"mkdir -p {own}/qemu.d/ && mv -n {libvirts}/qemu.d/10-late {own}/qemu.d/")
        os.unlink(self.path("virt-hooks-forward"))
        self.assertIn(("libvirts/qemu", "dangling-link"), self.kinds(own, libvirts))


    def test_folder_that_has_moved(self):
        """A script that has the path of the folder in it, from before attach."""
        own, libvirts = self.attached()
        dispatcher = self.script("qemu", f'#!/bin/sh\nexec "{libvirts}/qemu.d/$1"\n', directory=own)
        self.script("qemu.d/web-01", directory=own)
        finding, = self.check(own, libvirts)
        self.assertEqual((finding["path"], finding["kind"]), (dispatcher, "moved-folder"))
        self.assertEqual(finding["problem"], f"in line 2 it looks into {libvirts}/qemu.d, which has moved to {own}/qemu.d")
        subprocess.run(["sh", "-c", finding["remedy"]], check=True)
        self.assertEqual(subprocess.run([dispatcher, "web-01"], check=False).returncode, 0)
        self.assert_fine(own, libvirts)


class Dispatched(CheckTestCase):
    """What a script runs itself: one that does not expect it passes over it without a word."""

    def setUp(self):
        super().setUp()
        self.script("qemu", DISPATCHER)

    def test_all_is_well(self):
        for name in ("web-01/prepare/begin/10-x", "web-01/release/end/10-x", "web-01/started/begin", "db/stopped/x", "lib/common/x",
                     "start/web-01", "web-01/prepare/begin/lib/x"):
            self.script(f"qemu.d/{name}")
        for name in ("web-01/README", "web-01/prepare/begin/web.conf", "web-01/prepare/begin/10-x~", "lib/common/y", "web-01/stop"):
            self.script(f"qemu.d/{name}", mode=0o644, content="text\n")
        self.assert_fine()

    def test_ways_to_look_into_a_folder(self):
        self.script("qemu.d/web-01/prepare/begin/10-x")
        for content in ('#!/bin/sh\nexec "$0.d/$1/$2/$3/10-x"\n', '#!/bin/sh\nexec "${0}.d/$1/$2/$3/10-x"\n',
                        '#!/bin/sh\nexec "$0".d/"$1/$2/$3/10-x"\n',
                        '#!/usr/bin/python3\nimport os, sys\nprint(os.path.join(os.path.dirname(__file__), "qemu.d", *sys.argv[1:]))\n'):
            with self.subTest(content=content):
                self.script("qemu", content)
                self.assert_fine()

    def test_what_else_lies_there(self):
        """What a script reads, a repository, and what only its name makes look like an operation."""
        self.script("qemu.d/web-01/prepare/begin/10-x", "#!/bin/sh\ncd /etc/libvirt/hooks/qemu.d/$1/$2/$3 && . ./common.sh")
        for name in ("web-01/prepare/begin/common.sh", "web-01/state/x", ".git/hooks/pre-push.sample", ".git/start/x", "web-01/start/.x.sh"):
            self.script(f"qemu.d/{name}", mode=0o644, content="x=1\n")
        os.chmod(self.hook("qemu.d/.git"), 0o775)
        self.assert_fine()
        self.script("qemu.d/web-01/prepare/begin/10-x", "#!/bin/sh\n: /common.sh\n")
        self.assertEqual({kind for _, kind in self.kinds()}, {"not-executable", "no-interpreter-line"})

    def test_not_executable(self):
        for name in ("qemu.d/web-01/prepare/begin/10-x", "qemu.d/web-01/started", "qemu.d/start/web-01"):
            self.script(name, mode=0o644)
            self.assert_mended(self.assert_one(name, "not-executable"))

    def test_no_interpreter(self):
        self.script("qemu.d/web-01/prepare/begin/10-x", "#!/nowhere/sh\n")
        self.assert_one("qemu.d/web-01/prepare/begin/10-x", "no-interpreter")

    def test_dangling_link(self):
        os.makedirs(self.hook("qemu.d/web-01/prepare/begin"))
        self.link("nowhere", "qemu.d/web-01/prepare/begin/10-x")
        self.assert_one("qemu.d/web-01/prepare/begin/10-x", "dangling-link")

    def test_operations_that_are_none(self):
        for name, meant in (("relase", "release"), ("Prepare", "prepare"), ("stop", "stopped"), ("starteed", "started")):
            with self.subTest(name=name):
                self.script(f"qemu.d/web-01/{name}/10-x")
                self.assert_mended(self.assert_one(f"qemu.d/web-01/{name}", "unknown-operation", f"did you mean {meant}?"))
                self.assertTrue(os.path.exists(self.hook(f"qemu.d/web-01/{meant}/10-x")))

    def test_two_that_are_the_same(self):
        """The second remedy does not put it where nothing looks."""
        for name in ("realease", "relase"):
            self.script(f"qemu.d/web-01/{name}/{name}")
        for finding in self.check():
            subprocess.run(["sh", "-c", finding["remedy"]], stderr=subprocess.DEVNULL, check=False)
        self.assert_mended(self.assert_one("qemu.d/web-01/relase", "unknown-operation"))
        self.assertEqual(sorted(os.listdir(self.hook("qemu.d/web-01/release"))), ["realease", "relase"])

    def test_into_what_is_there(self):
        self.script("qemu.d/web-01/release/end/10-x")
        self.script("qemu.d/web-01/realease/extra")
        self.assert_mended(self.assert_one("qemu.d/web-01/realease", "unknown-operation"))
        self.assertTrue(os.path.exists(self.hook("qemu.d/web-01/release/extra")))

    def test_suboperations(self):
        for operation, wrong, right in (("prepare", "end", "begin"), ("release", "begin", "end")):
            self.script(f"qemu.d/web-01/{operation}/{wrong}/10-x")
            self.assert_mended(self.assert_one(f"qemu.d/web-01/{operation}/{wrong}", "unknown-operation",
                                               f"{operation} comes with {right} and never with {wrong}"))

    def test_unsafe(self):
        """The service does not look at it, and who can change it has root's rights."""
        script = self.script("qemu.d/web-01/prepare/begin/10-x")
        for path in (script, os.path.dirname(script), self.hook("qemu.d/web-01")):
            with self.subTest(path=path):
                os.chmod(path, 0o777)
                self.assert_mended(self.assert_one(os.path.relpath(path, self.hooks), "unsafe", "does not see"))
        os.chmod(script, 0o777)
        self.assert_fine(self.hooks, self.config("Ownership=libvirt"))

    def test_unsafe_behind_links(self):
        """What is above the .d folder has been told, but not where a link in it leads."""
        script = self.script("10-x", directory=self.make_directory("elsewhere"))
        for name in ("qemu.d/web-01/prepare/begin/10-x", "qemu.d/db/start"):
            os.makedirs(os.path.dirname(self.hook(name)))
        self.link(script, "qemu.d/web-01/prepare/begin/10-x")
        self.link(os.path.dirname(script), "qemu.d/db/start")
        self.assert_fine()
        for path in (script, os.path.dirname(script)):
            with self.subTest(path=path):
                os.chmod(path, 0o777)
                finding, = self.check()
                self.assertEqual((finding["path"], finding["kind"]), (path, "unsafe"))
                self.assert_mended(finding)
        os.chmod(self.hook("qemu.d"), 0o777)
        self.assertIn("refuses", self.assert_one("qemu.d", "unsafe")["problem"])

    def test_unsafe_and_empty(self):
        """Whoever puts a script there has root's rights."""
        os.makedirs(self.hook("qemu.d/web-01/prepare/begin"))
        for name in ("qemu.d/web-01", "qemu.d/web-01/prepare/begin"):
            with self.subTest(name=name):
                os.chmod(self.hook(name), 0o777)
                self.assert_mended(self.assert_one(name, "unsafe"))

    @unittest.skipUnless(IS_ROOT, "it needs root to become somebody else")
    def test_script_that_cannot_be_read(self):
        """Nobody but root can tell whether it looks into folders."""
        self.script("qemu.d/web-01/prepare/begin/10-x")
        os.chmod(self.hook("qemu"), 0o700)
        self.assertEqual([finding["kind"] for finding in self.check(preexec_fn=become_nobody)], ["unreadable"])

    def test_names_of_any_bytes(self):
        folder = os.fsencode(self.hook("qemu.d")) + b"/\xff/prepare"
        os.makedirs(folder)
        with open(folder + b"/\xfe", "wb"):
            pass
        self.assertEqual({(finding["path"], finding["kind"]) for finding in self.check()},
                         {(self.hook("qemu.d/\ufffd/prepare/\ufffd"), kind) for kind in ("not-executable", "empty")})

    def test_links_in_a_circle(self):
        os.makedirs(self.hook("qemu.d/web-01/prepare"))
        self.link(".", "qemu.d/web-01/prepare/begin")
        self.assert_fine()


class Files(CheckTestCase):
    def test_not_executable(self):
        self.script("qemu", mode=0o644)
        self.assert_mended(self.assert_one("qemu", "not-executable"))
        self.assertTrue(os.access(self.hook("qemu"), os.X_OK))

    def test_a_script_is_one_whatever_its_name(self):
        self.script("qemu.d/web-01.conf", mode=0o644)
        self.assert_mended(self.assert_one("qemu.d/web-01.conf", "not-executable"))

    def test_any_execute_bit_will_do(self):
        """The service is root, and needs no other."""
        self.script("qemu", mode=0o744)
        self.assert_fine()

    def test_dangling_link(self):
        self.link("nowhere/at/all", "qemu.d/10-x")
        self.assert_one("qemu.d/10-x", "dangling-link", "nowhere/at/all")

    def test_links_in_a_circle(self):
        self.link("b", "qemu.d/a")
        self.link("a", "qemu.d/b")
        self.assertEqual(self.kinds(), [("hooks/qemu.d/a", "link-loop"), ("hooks/qemu.d/b", "link-loop")])

    def test_directory_in_a_scripts_place(self):
        self.script("qemu/10-x")
        self.assert_mended(self.assert_one("qemu", "directory", "qemu.d"))

    def test_directory_beside_the_right_one(self):
        self.script("libxl/10-x")
        self.script("libxl.d/20-x")
        self.assert_mended(self.assert_one("libxl", "directory", "libxl.d", type="libxl"))
        self.assertEqual(sorted(os.listdir(self.hook("libxl.d"))), ["10-x", "20-x"])

    def test_folder_in_a_folder(self):
        self.script("qemu.d/web-01/10-x")
        finding = self.assert_one("qemu.d/web-01", "directory")
        self.assertEqual(finding["remedy"].rpartition(" ")[2], self.hook("qemu.d/"))

    def test_what_scripts_of_a_folder_read(self):
        """It runs with those that read it, and not by itself."""
        self.script("qemu", '#!/bin/bash\nsource /etc/libvirt/hooks/qemu.d/all.sh\n')
        self.script("qemu.d/10-x", '#!/bin/sh\n[ -e "${0%/*}/x.sh" ] && . "${0%/*}/x.sh"\n"${0%/*}/lib/run"\n')
        for name in ("all.sh", "x.sh", "lib/run", ".git/config", "LICENSE"):
            self.script(f"qemu.d/{name}", mode=0o644, content="x=1\n")
        self.assert_fine()
        self.script("qemu.d/10-x", '#!/bin/sh\n. "${0%/*}/x.sh.conf"\n"${0%/*}/x.sh"\n')
        self.script("qemu")
        kinds = {(os.path.basename(path), kind) for path, kind in self.kinds()}
        self.assertEqual(kinds, {("lib", "directory"), *((name, kind) for name in ("all.sh", "x.sh")
                                                         for kind in ("not-executable", "no-interpreter-line"))})

    def test_folder_in_a_folder_that_a_script_looks_into(self):
        self.script("qemu", '#!/bin/sh\nexec "$(dirname "$0")/qemu.d/$1/$2/$3"\n')
        self.script("qemu.d/web-01/prepare/begin")
        self.assert_fine()
        self.script("network.d/lan/started")
        self.assertEqual(self.kinds(), [("hooks/network.d/lan", "directory")])

    def test_no_file(self):
        os.mkdir(self.hook("qemu.d"))
        os.mkfifo(self.hook("qemu"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.hook("qemu.d", "socket"))
        self.assertEqual(self.kinds(), [("hooks/qemu", "no-file"), ("hooks/qemu.d/socket", "no-file")])

    def assert_fails_with(self, status, finding):
        self.assertIn(f"(exit status {status})", finding["problem"])
        self.assertEqual(self.status_of_run(), status)

    def test_empty(self):
        self.script("qemu", "")
        self.assert_fails_with(126, self.assert_one("qemu", "empty"))

    def test_neither_script_nor_program(self):
        self.script("qemu", "exit 0\n")
        finding = self.assert_one("qemu", "no-interpreter-line")
        self.assert_fails_with(126, finding)
        self.assert_mended(finding)
        self.assertEqual(self.status_of_run(), 0)

    def test_interpreters_line_without_its_mark(self):
        """What bash understands sh may not: a guard would let everything pass."""
        self.script("qemu", "#/bin/bash\n[[ $2 = prepare ]] && exit 7\nexit 0\n")
        finding = self.assert_one("qemu", "no-interpreter-line")
        self.assertIn("1s/^#/#!/", finding["remedy"])
        self.assert_mended(finding)
        self.assertEqual(subprocess.run([self.path("hooks/qemu"), "web", "prepare"], check=False).returncode, 7)

    def test_interpreters_line_without_a_name(self):
        self.script("qemu", "#! \nexit 0\n")
        finding = self.assert_one("qemu", "no-interpreter-line")
        self.assert_fails_with(126, finding)
        self.assert_mended(finding)

    def test_byte_order_mark(self):
        self.script("qemu", b"\xef\xbb\xbf" + SH.encode())
        finding = self.assert_one("qemu", "byte-order-mark")
        self.assert_fails_with(126, finding)
        self.assert_mended(finding)
        self.assertEqual(self.status_of_run(), 0)

    def test_blank_before_the_interpreter(self):
        for blank in (" ", "\n", "\t\n \n"):
            with self.subTest(blank=blank):
                self.script("qemu", blank + SH)
                finding = self.assert_one("qemu", "blank-before-interpreter")
                self.assert_fails_with(126, finding)
                self.assert_mended(finding)
                self.assertEqual(self.status_of_run(), 0)

    def test_crlf(self):
        for line in ("#!/bin/sh", "#!/usr/bin/env sh", "#!/bin/sh -e"):
            with self.subTest(line=line):
                self.script("qemu", f"{line}\r\nexit 0\r\n")
                finding = self.assert_one("qemu", "crlf")
                self.assertNotEqual(self.status_of_run(), 0)
                self.assert_mended(finding)
                self.assertEqual(self.status_of_run(), 0)

    def test_remedies_follow_links(self):
        """What is edited is the file, and the link stays one."""
        real = self.script("real", "#!/bin/sh\r\n", directory=self.make_directory("elsewhere"))
        self.link("../elsewhere/real", "qemu")
        self.assert_mended(self.assert_one("qemu", "crlf"))
        self.assertTrue(os.path.islink(self.hook("qemu")))
        with open(real, "rb") as file:
            self.assertEqual(file.read(), b"#!/bin/sh\n")

    def test_interpreter_missing(self):
        self.script("qemu", "#!/usr/bin/no-such-program -u\n")
        self.assert_fails_with(127, self.assert_one("qemu", "no-interpreter", "/usr/bin/no-such-program"))

    def test_interpreter_elsewhere(self):
        self.script("qemu", "#!/usr/libexec/sh -e\nexit 0\n")
        finding = self.assert_one("qemu", "no-interpreter")
        self.assert_fails_with(127, finding)
        self.assert_mended(finding)
        self.assertEqual(self.status_of_run(), 0)

    def test_interpreter_without_a_path(self):
        self.script("qemu", "#!sh\nexit 0\n")
        finding = self.assert_one("qemu", "no-interpreter", " sh ")
        self.assert_fails_with(127, finding)
        self.assert_mended(finding)

    def test_interpreter_not_executable(self):
        self.script("qemu", f"#!{self.script('shell', mode=0o644)}\n")
        self.assert_fails_with(126, self.assert_one("qemu", "interpreter-not-executable"))
        self.script("qemu", f"#!{self.directory}\n")
        self.assert_fails_with(126, self.assert_one("qemu", "interpreter-not-executable"))

    def test_env(self):
        self.script("qemu", "#!/usr/bin/env no-such-program\n")
        self.assert_fails_with(127, self.assert_one("qemu", "no-interpreter", "env does not find no-such-program"))
        self.script("qemu", "#!/usr/bin/env -S no-such-program -x\n")
        self.assert_fails_with(127, self.assert_one("qemu", "no-interpreter", "env does not find no-such-program"))

    def test_env_in_the_authors_path(self):
        """What the author's shell finds, a service does not."""
        interpreter = self.script("my-sh", "#!/bin/sh\nexec sh \"$@\"\n", directory=self.make_directory("bin"))
        self.script("qemu", "#!/usr/bin/env my-sh\nexit 0\n")
        finding, = self.check(PATH=f"{os.path.dirname(interpreter)}:{os.environ['PATH']}")
        self.assertEqual(finding["kind"], "no-interpreter")
        self.assert_fails_with(127, finding)
        self.assert_mended(finding)

    def test_env_in_the_authors_home(self):
        """That is no place for what a service runs."""
        interpreter = self.script("my-sh", "#!/bin/sh\nexec sh \"$@\"\n", directory=self.make_directory("bin"))
        self.script("qemu", "#!/usr/bin/env my-sh\nexit 0\n")
        finding, = self.check(PATH=f"{os.path.dirname(interpreter)}:{os.environ['PATH']}", HOME=self.directory)
        self.assertEqual(finding["remedy"], "install my-sh, or name another interpreter in the first line")

    @unittest.skipIf(os.path.exists("/usr/bin/python") or not os.path.exists("/usr/bin/python3"), "there is a python, or none at all")
    def test_python_that_has_another_name_now(self):
        self.script("qemu", "#!/usr/bin/env python\nexit()\n")
        self.assert_mended(self.assert_one("qemu", "no-interpreter"))

    def test_env_with_arguments(self):
        self.script("qemu", "#!/usr/bin/env sh -e\nexit 0\n")
        finding = self.assert_one("qemu", "env-arguments", "'sh -e'")
        self.assert_fails_with(127, finding)
        self.assert_mended(finding)
        self.assertEqual(self.status_of_run(), 0)

    def test_line_longer_than_the_kernel_reads(self):
        self.script("qemu", f"#!/{'x' * 300}\n")
        self.assert_fails_with(126, self.assert_one("qemu", "long-interpreter-line", "256"))
        self.script("qemu", f"#!/bin/sh {'x' * 300}\n")
        self.assert_one("qemu", "long-interpreter-line", "arguments")

    def test_line_as_long_as_the_kernel_reads(self):
        """The last length that is whole, and the first that is cut."""
        for length, kinds in ((256, []), (257, ["long-interpreter-line"])):
            with self.subTest(length=length):
                line = "#!/bin/sh "
                self.script("qemu", line + "-" * (length - len(line) - 1) + "\n")
                self.assertEqual([kind for _, kind in self.kinds()], kinds)

    def test_program_without_its_loader(self):
        with open("/bin/true", "rb") as file:
            program = file.read()
        loader = re.search(rb"/lib[^\0]*/ld-[^\0]*", program).group()
        self.script("qemu", program.replace(loader, loader[:-1] + b"X", 1))
        self.assert_fails_with(127, self.assert_one("qemu", "no-interpreter", "loader"))

    def test_syntax(self):
        """Of each shell that is here; nothing is executed for it."""
        trace = self.path("trace")
        for shell in ("sh", "bash", "dash", "zsh"):
            if not shutil.which(shell):
                continue
            for line in (f"#!{shutil.which(shell)}", f"#!/usr/bin/env {shell}"):
                with self.subTest(line=line):
                    self.script("qemu", f"{line}\ntouch {trace}\nif [ \"$2\" = prepare ]; then\n    touch {trace}\nexit 0\n")
                    finding = self.assert_one("qemu", "syntax-error", f" {shell} gives up")
                    self.assertFalse(os.path.exists(trace))
                    self.assertNotEqual(self.status_of_run(), 0)
                    command, = re.findall("'(.* -n .*)'", finding["remedy"])
                    self.assertNotEqual(subprocess.run(command, shell=True, stderr=subprocess.DEVNULL, check=False).returncode, 0)
                    if os.path.exists(trace):
                        os.unlink(trace)

    def test_syntax_and_line(self):
        self.script("qemu", "#!/bin/bash\n\nfi\n")
        self.assert_one("qemu", "syntax-error", ": line 3: ")
        self.script("qemu", "#!/bin/dash\n\nfi\n")
        self.assert_one("qemu", "syntax-error", ": line 3: ")

    def test_syntax_is_the_shells(self):
        """What one understands another may not."""
        text = "guests=(web-01 web-02)\n[[ ${guests[0]} == web-* ]]\n"
        self.script("qemu", "#!/bin/bash\n" + text)
        self.assert_fine()
        self.script("qemu", "#!/bin/dash\n" + text)
        self.assert_one("qemu", "syntax-error")

    def test_syntax_that_is_odd_and_right(self):
        for content in ("#!/bin/bash\nshopt -s extglob\ncase $1 in\n    !(web-*)) exit 0 ;;\nesac\n",
                        "#!/bin/sh\necho hello\nexit 0\nthis is ( no longer ' for the shell; fi\n",
                        "#!/bin/sh\nf() {\nexit 1\n}\nexit\n)(\n", "#!/bin/sh\n# \\\nexec true \"$0\" \"$@\"\nproc f {} { if {1} (\n", b"#!/bin/sh\nexit\n\x7fELF\0\0(\xff\n",
                        "#!/bin/sh\ncat <<EOF\nif then fi (\nEOF\n", "#!/bin/sh\n", "#!/bin/sh"):
            with self.subTest(content=content):
                self.script("qemu", content)
                self.assert_fine()
                self.assertEqual(self.status_of_run(), 0)

    def test_exit_inside_of_something(self):
        """What follows it is read nevertheless, as is what follows a redirection."""
        self.script("qemu", "#!/bin/sh\nexec 2>&1\nif true; then\n")
        self.assert_one("qemu", "syntax-error")
        self.script("qemu", "#!/bin/sh\nif [ \"$2\" = start ]; then\nexit 1\nfi\nif [ \"$2\" = stopped ]; then\nexit 0\n")
        self.assert_one("qemu", "syntax-error")

    def test_environment_of_the_shell(self):
        """It is asked in an empty one: a file that is named there is not executed."""
        trace = self.path("trace")
        self.script("qemu", "#!/bin/bash\nexit 0\n")
        for variable in ("BASH_ENV", "ENV", "ZDOTDIR"):
            self.assert_fine(**{variable: self.write(self.path(".zshenv"), f"touch {trace}\n", 0o755)})
        self.assert_fine(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.script("qemu", "#!/bin/bash\nfi\n")
        self.assertEqual(self.kinds(preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)), [("hooks/qemu", "syntax-error")])
        self.assertFalse(os.path.exists(trace))

    def test_shell_that_takes_long(self):
        self.script("qemu", f"#!{self.script('sh', '#!/bin/sh%sexec sleep 1000%s' % (chr(10), chr(10)), directory=self.path('bin'))}\n")
        self.assert_fine()

    def test_shell_of_somebody_else(self):
        """Root does not execute what others could change, not even to ask."""
        trace = self.path("trace")
        shell = self.script("sh", f"#!/bin/sh\ntouch {trace}\necho wrong >&2\nexit 2\n", directory=self.path("bin"))
        self.script("qemu", f"#!{shell}\n")
        self.assert_one("qemu", "syntax-error", "wrong")
        os.unlink(trace)
        os.chmod(shell, 0o777)
        self.assert_fine()
        self.assertFalse(os.path.exists(trace))

    def test_several_at_once(self):
        self.script("qemu", "#!/usr/bin/no-such-program\r\n", mode=0o644)
        self.assertEqual({kind for _, kind in self.kinds()}, {"not-executable", "crlf", "no-interpreter"})

    def test_any_bytes(self):
        """Nothing that a file may have in it does harm."""
        for number, content in enumerate((b"\0", b"#!", b"#!\0", b"#", b"#!/bin/sh\0x\n", b"\x7fELF", b"\x7fELF" + b"\xff" * 2000,
                                          b"#!" + b" " * 2000, b"\xff\xfe#\0!\0", b"\xef\xbb\xbf", b"\n" * 2000, b"#!/usr/bin/env -S",
                                          b"#!/usr/bin/env -S -u", b"#!/usr/bin/env -", b"#!/usr/bin/env =", b"#!/usr/bin/env -S 'a b'",
                                          b"#!/usr/bin/env --split-string", b"#!/\xff\xfe\n", b"#!/usr/bin/env \xff\n", b"\r\n#!\r\n")):
            self.script(f"qemu.d/{number}", content)
        self.assertGreater(len(self.check()), 10)


class CallsToLibvirt(CheckTestCase):
    """libvirt waits for the hook that calls it."""

    CALLS = ("virsh list", "/usr/bin/virsh list", "if virsh domstate $1; then :; fi", "x=$(virsh list)", 'x="$(virsh list)"',
             "x=`virsh list`", "echo | virsh define /dev/stdin", "true && virsh list", "timeout 5 virsh list", "sudo virsh list",
             "LC_ALL=C virsh list", "x=$(date) virsh list", "( virsh list )", "{ virsh list; }", "f() { virsh list; }", "f() {\nvirsh list\n}",
             "case $2 in\nprepare) virsh list ;;\nesac", "case $2 in prepare | start)\n  : ;;\n(*) virsh list\nesac", "! virsh list",
             "while ! virsh list; do sleep 1; done", "for g in $(virsh list --name); do :; done", "'virsh' list",
             "virsh list >/dev/null 2>&1", ">/dev/null virsh list", "cat <<EOF | virsh define /dev/stdin\ntext\nEOF",
             "cat <<EOF\ntext\nEOF\nvirsh list", "cat <<-'EOF'\n\ttext\n\tEOF\nvirsh list", "x=$((1 + 2)); virsh list",
             "x=${1:-a}; virsh list", "sleep 1 & virsh list", "( sleep 1 ) & virsh list", "virsh \\\n  list",
             "echo 'it is # no comment'; virsh list", "virt-xml $1 --edit", "exec virsh list", "x=$(f | { read y && echo $y; }); virsh list",
             "((true\nfalse) | cat) 3>&1\nvirsh list", "virsh nodedev-detach $CARD; virsh list", "virsh\nvirsh nodedev-list")
    NO_CALLS = ("# virsh list", "true # virsh list", "echo virsh list", "echo 'virsh list'", 'echo "; virsh list"', "echo '\nvirsh list\n'",
                "virt-hooks list", "virt-what", "cat <<EOF\nvirsh list\nEOF", "cat <<-EOF\n\tvirsh list\n\tEOF", "ssh host virsh list",
                "systemd-run --no-block virsh list", "virsh list &", "(sleep 1; virsh list) &", "{ sleep 1; virsh list; } >/dev/null 2>&1 &",
                "(sleep 1\nvirsh list\n) </dev/null &", "while sleep 1; do\nvirsh list\ndone &", "sleep 1 && virsh list &",
                "nohup virsh list >/dev/null 2>&1 &", "virsh=/usr/bin/virsh", "case $1 in virsh) : ;; esac", "case $1 in\nvirsh | x) : ;;\nesac",
                "for x in virsh list; do :; done", "command -v virsh-like", "my-virsh list", "virsh-x list", ": virsh", "echo a > virsh",
                "virsh nodedev-detach pci_0000_01_00_0", "/usr/bin/virsh \tnodedev-reattach $CARD",
                "echo \\\nvirsh list", "[ $1 = virsh ]", "logger \"the command 'virsh list'\"")

    def test_shell(self):
        for shell in ("sh", "bash"):
            for text in self.CALLS:
                with self.subTest(shell=shell, text=text):
                    self.script("qemu", f"#!/bin/{shell}\n{text}\n")
                    finding = self.assert_one("qemu", "calls-libvirt", "virsh" if "virsh" in text else "virt-xml")
                    line = 2 + text[:re.search(r"virsh|virt-xml", text).start()].count("\n")
                    self.assertIn(f"line {line} ", finding["problem"])
            for text in self.NO_CALLS:
                with self.subTest(shell=shell, text=text):
                    self.script("qemu", f"#!/bin/{shell}\n{text}\n")
                    self.assert_fine()

    def test_bash(self):
        for text in ("x=(a b)\nvirsh list", "[[ $2 == prepare ]] && virsh list", "cat <<< text; virsh list", "cat < <(virsh list)",
                     "(( x = 1 << 2 ))\nvirsh list", "function f {\n  virsh list\n}", "x=$'it\\'s'; virsh list"):
            with self.subTest(text=text):
                self.script("qemu", f"#!/usr/bin/env bash\n{text}\n")
                self.assert_one("qemu", "calls-libvirt")
        for text in ("x=(\n  virsh\n  list\n)", "x+=(virsh list)", "cat <<< 'virsh list'", "virsh list &>/dev/null &"):
            with self.subTest(text=text):
                self.script("qemu", f"#!/bin/bash\n{text}\n")
                self.assert_fine()

    @unittest.skipUnless(os.path.exists("/usr/bin/python3"), "there is no /usr/bin/python3")
    def test_python(self):
        for text in ("import libvirt\nlibvirt.open(None)", "import libvirt\nc = libvirt.openReadOnly('qemu:///system')",
                     "subprocess.run(['virsh', 'list'])", "subprocess.check_output([\"/usr/bin/virsh\", 'list'])", "os.system('virsh list')",
                     "os.popen(\"virsh list\")"):
            with self.subTest(text=text):
                self.script("qemu", f"#!/usr/bin/python3\nimport os, subprocess\n{text}\n")
                self.assert_one("qemu", "calls-libvirt", "libvirt.open" if "libvirt" in text else "virsh")
        for text in ("import libvirtual", "# libvirt.open()", "'''\nlibvirt.open()\n'''", "subprocess.Popen(['virsh', 'list'])",
                     "print('virsh list')", "x = ['virsh']", "log('do not use virsh')", "open('/etc/libvirt.open')"):
            with self.subTest(text=text):
                self.script("qemu", f"#!/usr/bin/python3\nimport os, subprocess\n{text}\n")
                self.assert_fine()

    def test_any_text(self):
        """What is open at the end, or closed too often."""
        for text in ("(" * 200, "$(" * 200, "`" * 99, '"' * 99, "'", "<<", "<<EOF", "<<EOF\n", "<<-EOF\n\t", "\\", "case",
                     "case x in", "esac", ")" * 200, "}\nfi\ndone", "$((", "${", "((", "x=(", ">", "2>", "&", "&>", "<(", "\0virsh", "a" * 5000, "$'\\", '"$(`"'):
            with self.subTest(text=text):
                self.script("qemu", f"#!/bin/sh\nexit\n{text}")
                self.assert_fine()

    def test_samples(self):
        self.assert_fine(os.path.join(TOP_SRCDIR, "examples", "hooks"), self.config("Ownership=libvirt"))


class Safety(CheckTestCase):
    def test_others_may_write(self):
        for mode, who in ((0o775, "a group"), (0o757, "everybody")):
            with self.subTest(mode=mode):
                self.script("qemu", mode=mode)
                self.assert_mended(self.assert_one("qemu", "unsafe", who))

    def test_directory_above(self):
        """It is told once, whatever is in it."""
        for name in ("qemu", "qemu.d/10-x", "qemu.d/20-x", "network"):
            self.script(name)
        os.chmod(self.directory, 0o777)
        finding, = self.check()
        self.assertEqual((finding["path"], finding["remedy"]), (self.directory, f"chmod go-w {self.directory}"))
        os.chmod(self.directory, 0o755)
        os.chmod(self.hook("qemu.d"), 0o777)
        self.assert_mended(self.assert_one("qemu.d", "unsafe"))

    def test_several_above(self):
        """All are told at once."""
        self.script("qemu.d/10-x", mode=0o775)
        for path in (self.directory, self.hooks):
            os.chmod(path, 0o777)
        findings = self.check()
        self.assertEqual([finding["path"] for finding in findings], [self.directory, self.hooks, self.hook("qemu.d/10-x")])
        for finding in findings:
            subprocess.run(["sh", "-ec", finding["remedy"]], check=True)
        self.assert_fine()

    def test_set_uid(self):
        self.script("qemu", mode=0o4755)
        self.assert_mended(self.assert_one("qemu", "unsafe", "set-uid"))

    @unittest.skipUnless(IS_ROOT, "only root gives files away")
    def test_somebody_elses(self):
        self.script("qemu")
        os.chown(self.hook("qemu"), NOBODY, NOBODY)
        self.assert_mended(self.assert_one("qemu", "unsafe", f"uid {NOBODY}"))

    @unittest.skipUnless(IS_ROOT, "only root gives files away")
    def test_somebody_elses_link(self):
        self.script("real", directory=self.make_directory("elsewhere"))
        self.link("../elsewhere/real", "qemu")
        os.lchown(self.hook("qemu"), NOBODY, NOBODY)
        self.assert_mended(self.assert_one("qemu", "unsafe", f"uid {NOBODY}"))

    def test_libvirts_rule(self):
        self.script("qemu", mode=0o777)
        self.assert_fine(self.config("Ownership=libvirt"), self.hooks)

    @unittest.skipUnless(IS_ROOT, "root mounts")
    def test_noexec(self):
        script = f"""mount -t tmpfs -o noexec,mode=755 none {self.hooks} || exit 77
            install -m 755 /dev/stdin {self.hooks}/qemu
            exec {VIRT_HOOKS} check --json {self.hooks}"""
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], input=SH, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", check=False)
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("no mounts here")
        finding = json.loads(done.stdout)
        self.assertEqual((finding["path"], finding["kind"]), (self.hook("qemu"), "noexec"))

    @unittest.skipUnless(IS_ROOT, "only root becomes somebody else")
    def test_unreadable(self):
        """Whoever may not read the scripts is told so, and not that all is well."""
        self.script("qemu", mode=0o711)
        self.script("network.d/10-x")
        os.chmod(self.hook("network.d"), 0o700)
        os.chmod(self.directory, 0o755)
        findings = self.check(preexec_fn=become_nobody)
        self.assertEqual([(finding["path"], finding["kind"]) for finding in findings],
                         [(self.hook("qemu"), "unreadable"), (self.hook("network.d"), "unreadable")])


class Names(CheckTestCase):
    def test_names_that_no_hook_has(self):
        for name, kind in (("Qemu", "qemu"), ("QEMU", "qemu"), ("qemu.sh", "qemu"), ("qemu-hook", "qemu"), ("qmeu", "qemu"),
                           ("quemu", "qemu"), ("kvm", "qemu"), ("libvirtd", "daemon"), ("deamon", "daemon"), ("xen", "libxl"),
                           ("libxl.py", "libxl"), ("LXC", "lxc"), ("netwrok", "network"), ("networks", "network"),
                           ("my-qemu", "qemu")):
            with self.subTest(name=name):
                self.script(name)
                finding = self.assert_one(name, "unknown-name", kind, type=kind)
                self.assertEqual(finding["remedy"], f"mv {self.hook(name)} {self.hook(kind)}")
                os.unlink(self.hook(name))

    def test_remedy(self):
        self.script("qemu.sh")
        self.assert_mended(self.assert_one("qemu.sh", "unknown-name"))
        self.script("qemu.py", "#!/bin/sh\n")
        self.assert_mended(self.assert_one("qemu.py", "unknown-name"))
        self.assertTrue(os.path.exists(self.hook("qemu.d", "qemu.py")))

    def test_remedies_one_after_the_other(self):
        """None of them undoes what an earlier one did."""
        for names, left in ((("QEMU", "qemu.sh", "kvm"), ["qemu", "qemu.d"]), (("NETWORK.d/x", "Network.d/y"), ["network.d"])):
            for name in names:
                self.script(name, f"#!/bin/sh\n: {name}\n")
            for finding in self.check():
                subprocess.run(["sh", "-ec", finding["remedy"]], check=True)
            for name in left:
                self.assertTrue(os.path.exists(self.hook(name)))
            self.assert_fine()
            self.assertEqual(self.virt_hooks("check", self.hooks).text, f"All is well: {len(names)} scripts in {self.hooks}.\n")
            shutil.rmtree(self.hooks)

    def test_remedies_overwrite_nothing(self):
        """What has the same name already may be the better one."""
        for name, there in (("qemu.sh", "qemu.d/qemu.sh"), ("libxl/10-x", "libxl.d/10-x"), ("Network.d/10-x", "network.d/10-x"),
                            ("qemu.d/web-01/relase/10-x", "qemu.d/web-01/release/10-x"),
                            ("qemu.d/web-01/prepare/end/10-x", "qemu.d/web-01/prepare/begin/10-x")):
            with self.subTest(name=name):
                self.script("qemu", DISPATCHER)
                for path in (name, there):
                    self.script(path, f"#!/bin/sh\n: in {os.path.dirname(path)}\n")
                finding, = self.check()
                subprocess.run(["sh", "-c", finding["remedy"]], stderr=subprocess.DEVNULL, check=False)
                self.assertIn(f": in {os.path.dirname(there)}\n", read_text(self.hook(there)))
                self.assertTrue(os.path.exists(self.hook(name)))
                shutil.rmtree(self.hooks)

    def test_remedies_leave_alone_what_a_link_leads_to(self):
        elsewhere = self.script("10-x", directory=self.make_directory("elsewhere"))
        for link, there in (("libxl", "libxl.d/20-x"), ("Network.d", "network.d/20-x"),
                            ("qemu.d/web-01/relase", "qemu.d/web-01/release/20-x")):
            with self.subTest(link=link):
                self.script("qemu", DISPATCHER)
                self.script(there)
                self.link(os.path.dirname(elsewhere), link)
                finding, = self.check()
                self.assert_mended(finding)
                self.assertTrue(os.path.exists(elsewhere))
                shutil.rmtree(self.hooks)

    def test_a_name_that_resembles_none(self):
        self.script("backup-guests")
        self.assert_one("backup-guests", "unknown-name", type="")

    def test_folder_that_no_hook_has(self):
        self.script("Qemu.d/10-x")
        self.make_directory("hooks", "notes.d")
        self.assert_mended(self.assert_one("Qemu.d", "unknown-name", "qemu.d"))
        self.assertTrue(os.path.exists(self.hook("qemu.d", "10-x")))

    def test_backups_in_a_folder(self):
        names = ["10-x~", "10-x.bak", "10-x.orig", "10-x.rej", "10-x.dpkg-old", "10-x.dpkg-dist", "10-x.rpmsave", "10-x.rpmnew",
                 ".10-x.swp", "#10-x#", "10-x.disabled", ".#10-x"]
        for name in names:
            self.script(f"qemu.d/{name}")
        self.assertEqual(sorted(self.kinds()), sorted((f"hooks/qemu.d/{name}", "backup-file") for name in names))

    def test_backup_beside(self):
        self.script("qemu")
        self.script("qemu.dpkg-old")
        self.assert_mended(self.assert_one("qemu.dpkg-old", "backup-file", "put aside"))

    def test_names_are_quoted_in_commands(self):
        for name in ("it's", "two words", "a;b", "$HOME", "-rf", "*", "new\nline", "tab\there", "\u202egnp"):
            with self.subTest(name=name):
                self.script(f"qemu.d/{name}", mode=0o644)
                finding, = self.check()
                self.assertEqual((finding["path"], finding["kind"]), (self.hook("qemu.d", name), "not-executable"))
                self.assert_mended(finding)
                os.unlink(self.hook("qemu.d", name))


class Readme(CheckTestCase):
    def test_the_example(self):
        """What README.md says to type comes out as it is there."""
        with open(os.path.join(TOP_SRCDIR, "README.md"), encoding="utf-8") as file:
            text = file.read()
        block, = (block for block in re.findall(r"(?m)(?:^    .*\n)+", text) if "virt-hooks check" in block)
        lines = [line[4:] for line in block.splitlines()]
        commands = "\n".join(line[2:] for line in lines if line.startswith("$ "))
        self.assertIn(" /tmp/vh ", commands)
        script = commands.replace("/tmp/vh", self.path("vh")).replace("./build/client/virt-hooks", VIRT_HOOKS)
        # The sources need not be writable, and copies of their directories would not be, either.
        clone = self.make_directory("clone")
        shutil.copytree(os.path.join(TOP_SRCDIR, "examples"), os.path.join(clone, "examples"))
        for directory, _, _ in os.walk(clone):
            os.chmod(directory, 0o755)
        done = subprocess.run(["sh", "-c", script], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (TROUBLE, ""))
        # The columns are as wide as the paths.
        self.assertEqual([line.replace(self.path("vh"), "/tmp/vh").split() for line in done.stdout.splitlines()],
                         [line.split() for line in lines if not line.startswith("$ ")])


class Folders(CheckTestCase):
    def test_folder_that_is_none(self):
        self.script("qemu.d")
        self.assert_one("qemu.d", "no-directory")
        os.unlink(self.hook("qemu.d"))
        self.link("nowhere", "qemu.d")
        self.assert_one("qemu.d", "dangling-link")
        os.unlink(self.hook("qemu.d"))
        self.link("qemu.d", "qemu.d")
        self.assert_one("qemu.d", "link-loop")

    def test_same_file_twice(self):
        self.script("qemu")
        self.link("../qemu", "qemu.d/10-x")
        self.assert_mended(self.assert_one("qemu.d/10-x", "twice", "same file as qemu,"))
        os.link(self.hook("qemu"), self.hook("qemu.d", "20-x"))
        self.assert_mended(self.assert_one("qemu.d/20-x", "twice", "same file as qemu,"))
        # Of two types there are two chains.
        os.link(self.hook("qemu"), self.hook("lxc"))
        self.assert_fine()

    def test_a_later_directory(self):
        first, second = self.make_directory("first"), self.make_directory("second")
        self.script("qemu.d/10-x", directory=first)
        self.script("network", directory=second)
        self.assert_fine(first, second)
        self.script("qemu", directory=second)
        self.script("qemu.d/20-x", directory=second)
        findings = self.check(first, second)
        self.assertEqual([(finding["path"], finding["kind"]) for finding in findings],
                         [(f"{second}/qemu", "shadowed"), (f"{second}/qemu.d/20-x", "shadowed")])
        self.assertIn(first, findings[0]["problem"])
        self.assert_fine(second)

    def test_another_script_of_the_same_name(self):
        """To move it to the other would run both, or write over that."""
        first, second = self.make_directory("first"), self.make_directory("second")
        for name in ("qemu", "network.d/10-x"):
            self.script(name, directory=first)
            self.script(name, directory=second)
        for finding, name in zip(self.check(first, second), ("qemu", "network.d/10-x"), strict=True):
            self.assertEqual((finding["path"], finding["kind"]), (f"{second}/{name}", "shadowed"))
            self.assertEqual(finding["remedy"], f"rm the one that is out of date: {second}/{name} or {first}/{name}")

    def test_what_does_not_serve_shadows_nothing(self):
        first, second = self.make_directory("first"), self.make_directory("second")
        self.script("qemu", directory=first, mode=0o644)
        self.script("qemu", directory=second)
        self.assertEqual(self.kinds(first, second), [("first/qemu", "not-executable")])

    def test_directory_named_twice(self):
        self.script("qemu")
        os.symlink(self.hooks, self.path("again"))
        self.assert_fine(self.hooks, self.hooks, "hooks/../hooks", self.path("again"))

    def test_directories_of_the_settings(self):
        """One that is missing is no mistake: the packages bring two, and many have only one."""
        self.script("Qemu")
        config = self.config(directories=[self.path("missing"), self.hooks])
        self.assertEqual(self.kinds(config), [("hooks/Qemu", "unknown-name")])
        self.assert_fine(self.config(directories=[self.path("missing")]))
        text = self.virt_hooks("check", self.config(directories=[self.path("missing")])).text
        self.assertEqual(text, f"There is no script in {self.path('missing')}.\n")

    def test_directory_of_the_command_line(self):
        for name, reason in (("missing", "No such file"), ("file", "Not a directory")):
            self.write(self.path("file"), "")
            result = self.virt_hooks("check", self.hooks, name)
            self.assertEqual((result.status, result.text), (USAGE, ""))
            self.assertIn(f"{self.path(name)} cannot be looked at: {reason}", result.complaint)

    def test_relative_directories(self):
        self.script("Qemu")
        for name, cwd in (("hooks", self.directory), (".", self.hooks), ("./", self.hooks), ("../hooks", self.hooks),
                          ("./../hooks/.", self.hooks), ("..//./hooks//", self.hooks)):
            with self.subTest(name=name):
                self.assertEqual(self.kinds(name, cwd=cwd), [("hooks/Qemu", "unknown-name")])

    def test_settings_that_are_wrong(self):
        """Whoever is told that all is well does not look at the lines above that."""
        self.script("qemu")
        config = self.config("Colour=red", "HooksDirectories=hooks", directories=[self.hooks])
        self.write(self.path("virt-hooks.conf.d/10.conf"), "[Colours]\n[qemu]\nTimeout=soon\n")
        for arguments in ([config], [config, self.hooks]):
            self.assertEqual([(finding["path"], finding["kind"], finding["problem"].partition(":")[0]) for finding in self.check(*arguments)],
                             [(self.path(name), "wrong-setting", f"line {line}") for name, line in (
                                 ("virt-hooks.conf", 3), ("virt-hooks.conf", 4), ("virt-hooks.conf.d/10.conf", 1),
                                 ("virt-hooks.conf.d/10.conf", 3))])
        result = self.virt_hooks("check", config)
        self.assertEqual(result.complaint, "")
        self.assertNotIn("All is well", result.text)

    def test_settings_that_cannot_be_read(self):
        os.makedirs(self.path("virt-hooks.conf.d/10.conf"))
        self.assertEqual(self.kinds(self.config(directories=[self.hooks])), [("virt-hooks.conf.d/10.conf", "unreadable-settings")])

    def test_settings_that_are_missing(self):
        result = self.virt_hooks("check", f"--config={self.path('missing')}")
        self.assertEqual((result.status, result.text), (TROUBLE, ""))
        self.assertIn("settings cannot be read", result.complaint)


class Output(CheckTestCase):
    def test_table(self):
        self.script("qemu", mode=0o644)
        self.script("network", "")
        result = self.virt_hooks("check", self.hooks)
        self.assertEqual((result.status, result.complaint), (TROUBLE, ""))
        heading, first, second = result.lines
        self.assertEqual(heading.split(), ["FILE", "PROBLEM", "REMEDY"])
        problem, remedy = heading.index("PROBLEM"), heading.index("REMEDY")
        self.assertEqual((first[:problem].strip(), first[remedy:]), (self.hook("qemu"), f"chmod +x {self.hook('qemu')}"))
        self.assertEqual(second[:problem].strip(), self.hook("network"))
        self.assertNotIn("\x1b", result.text)

    def test_terminals(self):
        """Where the table does not fit, nothing of a command is cut off."""
        path = self.script("qemu", mode=0o644)
        wide = self.on_terminal(250, "check", self.hooks, NO_COLOR="1")
        self.assertEqual(wide.lines[0].split(), ["FILE", "PROBLEM", "REMEDY"])
        narrow = self.on_terminal(80, "check", self.hooks, NO_COLOR="1")
        self.assertEqual(narrow.lines, [path, "  problem: it is not executable, so it does not run", f"  remedy:  chmod +x {path}"])
        self.assertIn("\x1b[", self.on_terminal(80, "check", self.hooks).text)
        self.assertNotIn("\x1b", self.on_terminal(80, "check", self.hooks, TERM="dumb").text)

    def test_odd_names_on_a_terminal(self):
        names = ["\x1b[31mred", "new\nline", "right\u202eleft", "\x9bcsi", "bell\a", "\u65e5\u672c", "rm -rf"]
        for name in names:
            self.script(f"qemu.d/{name}", mode=0o644)
        self.write(os.fsencode(self.hook("qemu.d")) + b"/\xff\xfe", SH, 0o644)
        for columns in (80, 250):
            text = self.on_terminal(columns, "check", self.hooks, NO_COLOR="1").text
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
            for shown in (r"\x1b[31mred", r"new\x0aline", r"right\u{202e}left", "\u65e5\u672c", r"/\xff\xfe"):
                self.assertIn(shown, text)
        self.assertEqual({finding["path"] for finding in self.check()},
                         {self.hook("qemu.d", name) for name in [*names, "\ufffd\ufffd"]})

    def test_many(self):
        for number in range(500):
            self.script(f"qemu.d/{number:03}", mode=0o644)
        self.assertEqual(len(self.check()), 500)

    def test_usage(self):
        self.assertEqual(self.virt_hooks("check", "--no-such-option").status, USAGE)
        result = self.virt_hooks("check", "--help")
        self.assertEqual(result.status, 0)
        self.assertIn("Usage: virt-hooks [OPTION...] check [DIR...]", result.text)
        self.assertIn("  check ", self.virt_hooks("--help").text)


if __name__ == "__main__":
    tap.main()
