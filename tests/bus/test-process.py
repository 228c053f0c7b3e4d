#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process that a script runs in: arguments, environment, stdin, descriptors, signals, limits."""

import os
import resource
import shlex
import subprocess

import samples
import tap
from harness import HERE, WRAPPER, HooksTestCase, script_environment


class Process(HooksTestCase):
    def compile_probe(self, name="qemu"):
        """The compiled script that tells how it was started; the answer is in probe()."""
        path = os.path.join(self.hooks, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        subprocess.run([*compiler, "-o", path, os.path.join(HERE, "probe.c")], check=True)
        return path

    def probe(self, path):
        """All that the probe has told: a list of values for each key."""
        told = {}
        with open(f"{path}.out", encoding="utf-8") as file:
            for entry in file.read().split("\0")[:-1]:
                key, _, value = entry.partition("=")
                told.setdefault(key, []).append(value)
        return told

    def prepare(self):
        return self.assert_return(self.client.hook("qemu", samples.GUEST, "prepare", samples.domain()))

    def test_arguments(self):
        path = self.compile_probe()
        self.start()
        self.prepare()
        self.assertEqual(self.probe(path)["argv"], [path, "web-01", "prepare", "begin", "-"])

    def test_odd_arguments_stay_what_they_are(self):
        path = self.compile_probe()
        self.start()
        for name in ("a b", "it's a guest", "$(id)", "-n", "--help", "*", "a;b", "gäst", 'a"b', "a\\b"):
            xml_name = name.replace('"', "&quot;")
            reply = self.client.hook("qemu", name, "release", samples.domain(xml_name), extra="from snapshot")
            self.assert_return(reply)
            self.assertEqual(self.probe(path)["argv"], [path, name, "release", "end", "from snapshot"])

    def test_path_is_not_resolved(self):
        """Scripts look for their helpers with `dirname $0`."""
        elsewhere = self.make_directory("elsewhere")
        link = os.path.join(self.hooks, "qemu")
        self.script("shared", f"echo $0 > {shlex.quote(self.path('zero'))}", directory=elsewhere)
        os.symlink(os.path.join(elsewhere, "shared"), link)
        self.start()
        self.prepare()
        with open(self.path("zero"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"{link}\n")

    def test_environment(self):
        """Exact and in libvirt's order; the service's own variables stay outside."""
        path = self.compile_probe()
        self.start(environment={"FOO": "bar", "LANG": "C.UTF-8", "LC_ALL": "de_DE.UTF-8", "USER": "someone",
                                "HOME": "/nowhere", "DBUS_SESSION_BUS_ADDRESS": self.bus.address,
                                "NOTIFY_SOCKET": "/x"})
        reply = self.prepare()
        self.assertEqual(self.probe(path)["environment"], [*script_environment(), f"VIRT_HOOKS_RUN={reply.run}"])

    def test_environment_has_tmpdir_where_the_service_has(self):
        path = self.compile_probe()
        self.start(environment={"TMPDIR": self.directory})
        reply = self.prepare()
        self.assertEqual(self.probe(path)["environment"],
                         [*script_environment(), f"TMPDIR={self.directory}", f"VIRT_HOOKS_RUN={reply.run}"])

    def test_scripts_of_a_run_share_its_id(self):
        paths = [self.compile_probe(name) for name in ("qemu", "qemu.d/10-more")]
        self.start()
        run = self.prepare().run
        for path in paths:
            self.assertEqual(self.probe(path)["environment"][-1], f"VIRT_HOOKS_RUN={run}")

    def test_stdin_is_a_pipe(self):
        path = self.compile_probe()
        self.start()
        self.prepare()
        self.assertEqual(self.probe(path)["stdin"], ["pipe"])

    def test_stdin_of_the_daemon_hook_is_dev_null(self):
        path = self.compile_probe("daemon")
        self.start()
        self.assert_return(self.client.hook("daemon", "-", "start"))
        self.assertEqual(self.probe(path)["stdin"], ["/dev/null"])

    def test_cwd_and_umask(self):
        path = self.compile_probe()
        self.start(prefix=("sh", "-c", 'umask 077; exec "$@"', "sh"))
        self.prepare()
        self.assertEqual(self.probe(path)["cwd"], ["/"])
        self.assertEqual(self.probe(path)["umask"], [str(0o022)])

    def test_no_other_descriptors(self):
        """Neither the service's own, nor what it was started with, nor those of other scripts that run."""
        path = self.compile_probe()
        gate = self.gate()
        self.tracing_script("network", gate.wait)
        self.start(prefix=("sh", "-c", 'exec 7</dev/null 8>/dev/null; exec "$@"', "sh"))
        running = self.client.send_hook("network", samples.NETWORK, "start", samples.network(), "")
        self.wait_traced("network default start begin -")
        self.prepare()
        self.assertEqual(self.probe(path)["extra_fds"], ["0"])
        gate.open()
        self.assert_return(running.wait())

    def test_signals_are_default_and_unblocked(self):
        path = self.compile_probe()
        self.start(prefix=("env", "--ignore-signal=USR1,QUIT,PIPE", "--block-signal=USR2,WINCH"))
        self.prepare()
        self.assertEqual(self.probe(path).get("blocked", []), [])
        self.assertEqual(self.probe(path).get("handled", []), [])

    def test_children_that_are_ignored(self):
        """Whoever started the service may not have wanted to know of its own children; we want to know of ours."""
        self.script("qemu", "exit 3")
        self.start(prefix=("env", "--ignore-signal=CHLD"))
        reply = self.client.hook("qemu", "web-01", "start", samples.domain())
        self.assert_error(reply, "ScriptFailed", "exit status 3")

    def test_shell_sees_default_signals(self):
        """The same for a script in sh, through the kernel's eyes."""
        out = shlex.quote(self.path("status"))
        self.script("qemu", f"grep -E '^Sig(Blk|Ign):' /proc/self/status > {out}")
        self.start(prefix=("env", "--ignore-signal=USR1"))
        self.prepare()
        with open(self.path("status"), encoding="utf-8") as file:
            masks = dict(line.split(":\t") for line in file.read().splitlines())
        self.assertEqual({name: int(mask, 16) for name, mask in masks.items()}, {"SigBlk": 0, "SigIgn": 0})

    @tap.leave_out_if(WRAPPER, "valgrind changes the limits of what it runs")
    def test_limits_are_those_of_the_start(self):
        """The service may raise its own number of descriptors: scripts do not inherit that."""
        path = self.compile_probe()
        self.start(prefix=("prlimit", "--nofile=300:1024", "--core=0:0", "--stack=4194304:8388608"))
        self.prepare()
        changed = {resource.RLIMIT_NOFILE: (300, 1024), resource.RLIMIT_CORE: (0, 0),
                   resource.RLIMIT_STACK: (4194304, 8388608)}
        for entry in self.probe(path)["limit"]:
            number, soft, hard = (int(word) for word in entry.split(":"))
            self.assertEqual((soft, hard), changed.get(number, resource.getrlimit(number)), f"limit {number}")

    def test_languages(self):
        """Scripts in every language that users write them in."""
        document = samples.domain()
        for interpreter, text in (
                ("/bin/sh", 'test "$#" = 4 && cat'),
                ("/bin/bash", '[[ $# == 4 ]] && { mapfile -t lines; printf "%s\\n" "${lines[@]}"; }'),
                ("/usr/bin/python3", "import sys\nassert len(sys.argv) == 5\nsys.stdout.write(sys.stdin.read())"),
                ("/usr/bin/env -S python3 -B", "import sys\nsys.stdout.write(sys.stdin.read())")):
            with self.subTest(interpreter=interpreter):
                self.script("qemu", f"#!{interpreter}\n{text}\n")
                if not self.services:
                    self.start()
                reply = self.assert_return(self.client.hook("qemu", samples.GUEST, "migrate", document))
                self.assertEqual(reply.values[:2], (document, 1))


if __name__ == "__main__":
    tap.main()
