#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files are scripts, in what order they run, when a type has any, and which failure of a chain is told."""

import os
import signal

import samples
import tap
from client import wait_until
from harness import HooksTestCase


class ScriptsTestCase(HooksTestCase):
    def prepare(self):
        """The names of the scripts that a qemu call runs."""
        before = len(self.trace())
        reply = self.assert_return(self.client.hook("qemu", samples.GUEST, "prepare", samples.domain()))
        ran = [line.split(" web-01 ")[0] for line in self.trace()[before:]]
        self.assertEqual(reply.values[1], len(ran))
        return ran


class Which(ScriptsTestCase):
    def test_order(self):
        """The main script, then qemu.d by its bytes."""
        names = ["10-net", "9-late", "A", "Z", "_", "a", "a~", "b.sh", "é"]
        for name in reversed(names):
            self.tracing_script(f"qemu.d/{name}")
        self.tracing_script("qemu")
        self.start()
        self.assertEqual(self.prepare(), ["qemu", *(f"qemu.d/{name}" for name in names)])

    def test_d_alone(self):
        self.tracing_script("qemu.d/50-only")
        self.start()
        self.assertEqual(self.prepare(), ["qemu.d/50-only"])

    def test_a_type_runs_its_own(self):
        for name in ("qemu", "lxc", "network.d/10", "daemon", "qemu.dd/10", "qemux", "qem", "QEMU"):
            self.tracing_script(name)
        self.start()
        self.assertEqual(self.prepare(), ["qemu"])

    def test_what_is_no_script(self):
        self.tracing_script("qemu.d/20-real")
        self.tracing_script("qemu.d/30-not-executable", mode=0o644)
        self.tracing_script("qemu.d/40-directory/script")
        self.tracing_script("qemu", mode=0o644)
        os.symlink("nowhere", os.path.join(self.hooks, "qemu.d", "50-dangling"))
        os.mkfifo(os.path.join(self.hooks, "qemu.d", "60-fifo"))
        os.chmod(os.path.join(self.hooks, "qemu.d", "60-fifo"), 0o755)
        self.start()
        self.assertEqual(self.prepare(), ["qemu.d/20-real"])

    def test_any_execute_bit_will_do(self):
        self.tracing_script("qemu", mode=0o744)
        self.tracing_script("qemu.d/10", mode=0o755)
        self.start()
        self.assertEqual(self.prepare(), ["qemu", "qemu.d/10"])

    def test_links_are_followed(self):
        elsewhere = self.make_directory("elsewhere")
        self.tracing_script("real", directory=elsewhere)
        self.tracing_script("d/10", directory=elsewhere)
        os.symlink("../elsewhere/real", os.path.join(self.hooks, "qemu"))
        os.symlink("../elsewhere/d", os.path.join(self.hooks, "qemu.d"))
        self.start()
        self.assertEqual(self.prepare(), ["real", "d/10"])

    def test_first_directory_that_has_the_type(self):
        first, second = self.make_directory("first"), self.make_directory("second")
        self.tracing_script("network", directory=first)
        self.tracing_script("qemu.d/10-not-executable", directory=first, mode=0o644)
        self.tracing_script("network.d/10-passed-over", directory=second)
        self.tracing_script("qemu", directory=second)
        self.start(hooks=[self.path("missing"), first, second])
        self.assertEqual(self.prepare(), ["qemu"])
        self.assert_return(self.client.hook("network", samples.NETWORK, "start", samples.network(), ""))
        self.assertEqual(self.trace()[-1], "network default start begin -")
        self.assertEqual(self.client.property("HooksDirectories"), [self.path("missing"), first, second])

    def test_not_executable_is_warned_of_once(self):
        path = self.tracing_script("qemu.d/30-no-bit", mode=0o644)
        service = self.start()
        for _ in range(3):
            self.assertEqual(self.prepare(), [])
        service.wait_logged(path)
        self.assertEqual(len([line for line in service.stderr().splitlines() if path in line]), 1)

    def test_list_scripts(self):
        good = self.tracing_script("qemu")
        no_bit = self.tracing_script("qemu.d/30-no-bit", mode=0o644)
        network = self.tracing_script("network.d/10")
        self.start()
        listed = self.assert_return(self.client.call("ListScripts")).values[0]
        usable = {(kind, path): (is_usable, why_not) for kind, path, is_usable, why_not in listed}
        self.assertEqual(usable["qemu", good], (True, ""))
        self.assertEqual(usable["network", network], (True, ""))
        self.assertFalse(usable["qemu", no_bit][0])
        self.assertIn("execut", usable["qemu", no_bit][1])
        self.assertEqual(len(listed), 3)


class Chain(ScriptsTestCase):
    """Whatever fails, all of the chain runs, and its last failure is the one told."""

    def hook(self, *texts):
        self.tracing_script("qemu", texts[0])
        for number, text in enumerate(texts[1:], 1):
            self.tracing_script(f"qemu.d/{number}0-more", text)
        self.start()
        return self.client.hook("qemu", samples.GUEST, "start", samples.domain())

    def test_all_run_after_a_failure(self):
        reply = self.assert_error(self.hook("echo first >&2; exit 1", "exit 0", "exit 0"), "ScriptFailed",
                                  f"{self.hooks}/qemu web-01 start begin -", "exit status 1: first")
        self.assertEqual(len(self.trace()), 3)
        self.assert_finished(reply.run, "failed", "abort", "qemu exited with status 1", scripts=3)

    def test_last_failure_is_told(self):
        reply = self.assert_error(self.hook("echo first >&2; exit 1", "echo second >&2; exit 2", "echo fine >&2"),
                                  "ScriptFailed", "qemu.d/10-more web-01", "exit status 2: second")
        self.assertNotIn("first", reply.message)
        self.assertEqual(len(self.trace()), 3)
        self.assert_finished(reply.run, "failed", "abort", "qemu.d/10-more exited with status 2", scripts=3)

    def test_outcome_is_that_of_the_last_failure(self):
        reply = self.assert_error(self.hook("exit 1", "kill -9 $$"), "ScriptFailed", "unexpected fatal signal 9")
        self.assert_finished(reply.run, "killed", "abort", "qemu.d/10-more was killed by signal 9", scripts=2)

    def test_exit_after_a_signal(self):
        reply = self.assert_error(self.hook("kill -9 $$", "exit 7"), "ScriptFailed", "unexpected exit status 7")
        self.assert_finished(reply.run, "failed", "abort", "qemu.d/10-more exited with status 7", scripts=2)

    def test_every_script_reads_the_whole_document(self):
        count = f"wc -c >> {self.path('sizes')}"
        self.assert_return(self.hook(count, count, count))
        with open(self.path("sizes"), encoding="utf-8") as file:
            self.assertEqual(file.read().split(), [str(len(samples.domain()))] * 3)


class PresenceAlways(ScriptsTestCase):
    """Rescan=always, the default: what is put in place guards at once."""

    def test_comes_and_goes(self):
        self.start()
        self.assertEqual(self.prepare(), [])
        path = self.tracing_script("qemu")
        self.assertEqual(self.prepare(), ["qemu"])
        self.tracing_script("qemu.d/10")
        self.assertEqual(self.prepare(), ["qemu", "qemu.d/10"])
        os.unlink(path)
        self.assertEqual(self.prepare(), ["qemu.d/10"])

    def test_directory_comes_late(self):
        late = self.path("late")
        self.start(hooks=[late])
        self.assertEqual(self.prepare(), [])
        self.tracing_script("qemu", directory=late)
        self.assertEqual(self.prepare(), ["qemu"])

    def test_execute_bit_comes_late(self):
        path = self.tracing_script("qemu", mode=0o644)
        self.start()
        self.assertEqual(self.prepare(), [])
        os.chmod(path, 0o755)
        self.assertEqual(self.prepare(), ["qemu"])


class PresenceDaemon(ScriptsTestCase):
    """Rescan=daemon, libvirt's own rule: a type that had no script has none until the next look."""

    SETTINGS = "[Bridge]\nRescan=daemon\n"

    def test_type_without_script_stays_without(self):
        self.start(self.SETTINGS)
        self.tracing_script("qemu")
        self.assertEqual(self.prepare(), [])

    def test_within_a_type_files_are_read_at_each_call(self):
        self.tracing_script("qemu")
        self.start(self.SETTINGS)
        self.tracing_script("qemu.d/10")
        self.assertEqual(self.prepare(), ["qemu", "qemu.d/10"])
        os.unlink(os.path.join(self.hooks, "qemu"))
        self.assertEqual(self.prepare(), ["qemu.d/10"])

    def test_not_executable_at_the_start(self):
        path = self.tracing_script("qemu", mode=0o644)
        self.start(self.SETTINGS)
        os.chmod(path, 0o755)
        self.assertEqual(self.prepare(), [])

    def check_looked_up_after(self, action):
        self.start(self.SETTINGS)
        loaded = self.client.property("ScriptsLoadedAt")
        self.tracing_script("qemu")
        self.assertEqual(self.prepare(), [])
        action()
        wait_until(lambda: self.client.property("ScriptsLoadedAt") > loaded, "the scripts to be loaded")
        self.assertEqual(self.prepare(), ["qemu"])

    def test_reload_looks(self):
        self.check_looked_up_after(lambda: self.assert_return(self.client.call("Reload")))

    def test_sighup_looks(self):
        self.check_looked_up_after(lambda: self.services[0].signal(signal.SIGHUP))

    def test_daemon_operations_look(self):
        self.start(self.SETTINGS)
        for kind, operation in (("qemu", "start"), ("lxc", "reload"), ("libxl", "shutdown")):
            with self.subTest(operation=operation):
                path = self.tracing_script(kind)
                arguments = (kind, samples.GUEST, "prepare", samples.domain())
                self.assertEqual(self.assert_return(self.client.hook(*arguments)).values[1], 0)
                self.assert_return(self.client.hook("daemon", "-", operation))
                self.assertEqual(self.assert_return(self.client.hook(*arguments)).values[1], 1)
                os.unlink(path)


if __name__ == "__main__":
    tap.main()
