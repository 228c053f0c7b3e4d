# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks-forward where libvirt expects its scripts, called as libvirt calls them."""

import os
import re
import shutil
import subprocess

from command import FACTOR, Result
import mounts
from harness import DIES_WITH_TEST, PATH, TOP_BUILDDIR, read_text
from journal import IDS, JournalTestCase

FORWARD = os.environ.get("VIRT_HOOKS_FORWARD", os.path.join(TOP_BUILDDIR, "client", "virt-hooks-forward"))
SYSCONFDIR = re.search(r'SYSCONFDIR "(.*)"', read_text(os.path.join(TOP_BUILDDIR, "paths.h"))).group(1)

NOBODY = 65534
PIPE_SIZE = 65536

# What libvirt gives to its hooks under systemd.
ENVIRONMENT = {"LC_ALL": "C", "PATH": PATH}


def existing_folder_above(path):
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


class Hook:
    """A hook of libvirt's that runs. What does not fit into the pipe is written by wait()."""

    def __init__(self, process, document):
        self.process = process
        self.document = document
        if process.stdin and len(document) <= PIPE_SIZE:
            process.stdin.write(document)
            process.stdin.close()
            process.stdin = self.document = None

    def wait(self, seconds=20):
        output, errors = self.process.communicate(self.document, timeout=seconds * FACTOR)
        return Result(self.process.returncode, output, errors)


class ForwardTestCase(JournalTestCase):
    """Scripts are where both the service and a forwarder without it find them; the journal is a real one."""

    documents_are_checked = False

    def setUp(self):
        super().setUp()
        self.cover_settings()
        self.hooks = self.make_directory(os.path.join(SYSCONFDIR, "virt-hooks", "hooks"))
        self.libvirt_hooks = self.make_directory("libvirt-hooks")
        for kind in ("daemon", "qemu", "lxc", "libxl", "network"):
            os.symlink(FORWARD, os.path.join(self.libvirt_hooks, kind))

    def cover_settings(self):
        """An empty place for scripts and settings, on whatever machine this is."""
        target, place = existing_folder_above(SYSCONFDIR), self.make_directory("cover")
        self.addCleanup(mounts.unmount, place)
        self.addCleanup(mounts.unmount, target)
        mounts.cover(target, place)
        for name in ("virt-hooks", "libvirt"):
            shutil.rmtree(os.path.join(SYSCONFDIR, name), ignore_errors=True)

    def settings(self, text):
        """For a forwarder that runs the scripts itself; the service of a test has its own file."""
        self.write(os.path.join(SYSCONFDIR, "virt-hooks", "virt-hooks.conf"), text)
        return text

    def send_hook(self, kind, *words, document=b"", user=None, environment=None, **keywords):
        """Starts a hook as libvirt does, with all four arguments, and goes on."""
        changes = {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address} if environment is None else environment
        become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups") if user else ()
        path = os.path.join(self.libvirt_hooks, kind)
        keywords = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | keywords
        process = subprocess.Popen([*DIES_WITH_TEST, *become, path, *words], cwd="/", env=ENVIRONMENT | changes, **keywords)
        hook = Hook(process, document if isinstance(document, bytes) else document.encode())
        self.addCleanup(self.drop_hook, hook)
        return hook

    @staticmethod
    def drop_hook(hook):
        hook.process.kill()
        for stream in (hook.process.stdin, hook.process.stdout, hook.process.stderr):
            if stream and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        hook.process.wait()

    def hook(self, *arguments, seconds=20, **keywords):
        return self.send_hook(*arguments, **keywords).wait(seconds)

    def call(self, operation, **keywords):
        """The hook of a row of the table."""
        return self.hook(*self.words(operation), document=operation.stdin, **keywords)

    def send_call(self, operation, **keywords):
        return self.send_hook(*self.words(operation), document=operation.stdin, **keywords)

    @staticmethod
    def words(operation):
        return operation.kind, operation.object, operation.name, operation.suboperation, operation.extra

    # What came of it

    def assert_hook(self, result, status=0, output=b"", errors=b""):
        """Nothing but this has libvirt seen."""
        self.assertEqual((result.status, result.output, result.errors), (status, output, errors))

    def assert_reason(self, result, *fragments):
        """No script has decided: a failure, with a reason and nothing else."""
        self.assertEqual((result.status, result.output), (1, b""), result.complaint)
        self.assertRegex(result.complaint, r"\Avirt-hooks: [^\n]+\Z")
        for fragment in fragments:
            self.assertIn(fragment, result.complaint)

    def assert_no_verdict(self, operation, result, *fragments):
        """The same, for any operation: but where a failure would kill a guest it is a success, and the journal is loud."""
        if operation.effect == "kill":
            self.assert_hook(result)
        else:
            self.assert_reason(result, *fragments)
        entry = self.wait_entry(MESSAGE_ID=IDS["NO_VERDICT"], VIRT_HOOKS_TYPE=operation.kind, VIRT_HOOKS_OPERATION=operation.name)
        self.assertEqual(entry["PRIORITY"], "2" if operation.effect == "kill" else "3")
        self.assertEqual(entry["VIRT_HOOKS_OBJECT"], operation.object)
        for fragment in fragments:
            self.assertIn(fragment, entry["MESSAGE"])

    def assert_direct(self, operation, why, outcome="success"):
        """The scripts were run without the service, and the journal has why, and the run."""
        about = {"VIRT_HOOKS_TYPE": operation.kind, "VIRT_HOOKS_OPERATION": operation.name, "VIRT_HOOKS_VIA": "direct"}
        entry = self.wait_entry(MESSAGE_ID=IDS["RUN_DIRECTLY"], **about)
        self.assertIn(why, entry["VIRT_HOOKS_REASON"])
        run = self.wait_entry(VIRT_HOOKS_OUTCOME=outcome, **about)
        self.assertEqual((run["VIRT_HOOKS_OBJECT"], run["SYSLOG_IDENTIFIER"]), (operation.object, "virt-hooks-forward"))
        self.assertEqual(run.get("VIRT_HOOKS_UUID"), operation.uuid)
        return run

    def line_of(self, operation, script=None):
        """What a tracing script leaves of a call."""
        return " ".join([script or operation.kind, *self.words(operation)[1:]])

    def assert_ran_once(self, operation, script=None):
        self.assertEqual(self.trace(), [self.line_of(operation, script)])
        os.unlink(self.path("trace"))
