#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-hooks rehearse: the lives, what follows a failure, and what scripts find, which is what the service gives them."""

import json
import os
import pwd
import re
import shlex
import signal
import time
import unittest
import uuid

from folder import FACTOR, IS_ROOT, NO_VERDICT, NOBODY, TOP_SRCDIR, TROUBLE, USAGE, FolderTestCase
import tap

RECORDINGS = os.path.join(TOP_SRCDIR, "tests", "data", "recordings")
GUEST, GUEST_UUID = "web-01", "5c1b3b7e-7f0e-4a5e-9a52-0d2f3f0c9b11"
NETWORK_UUID = "afe4733d-5c0d-4baf-8afa-32cf4e9e2f3f"
PORT = f"<networkport>\n  <uuid>{GUEST_UUID}</uuid>\n  <mac address='52:54:00:00:00:01'/>\n</networkport>\n"

START = ["prepare", "start", "started", "reconnect", "stopped", "release"]
SAVE = ["restore", "prepare", "start", "started", "stopped", "release"]
MIGRATION = ["migrate", "prepare", "start", "started", "stopped", "release"]
NETWORK = ["start", "started", "port-created", "updated", "port-deleted", "stopped"]
DAEMON = ["start", "reload", "shutdown"]
LIVES = {"qemu": [START, SAVE, MIGRATION], "lxc": [START], "libxl": [START, MIGRATION], "network": [NETWORK], "daemon": [DAEMON]}
NAMES = {"qemu": ["start", "managed-save", "migration"], "lxc": ["start"], "libxl": ["start", "migration"],
         "network": ["network"], "daemon": ["daemon"]}

KEYS = {"event": str, "life": str, "type": str, "object": str, "operation": str, "suboperation": str, "extra": str, "run": str,
        "outcome": str, "effect": str, "script": str, "status": int, "signal": int, "duration_usec": int, "errors": str,
        "reason": str, "meaning": str, "message": str, "rewritten": bool}


def domain(name=GUEST, inside="", kind="qemu"):
    return f"<domain type='{kind}'>\n  <name>{name}</name>\n  <uuid>{GUEST_UUID}</uuid>\n{inside}</domain>\n"


def network(name="default", inside="  <bridge name='virbr0'/>\n"):
    return f"<network>\n  <name>{name}</name>\n  <uuid>{NETWORK_UUID}</uuid>\n{inside}</network>\n"


def living_members(group):
    """The processes of this group; those that have ended may still be waited for."""
    alive = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                state, _, its_group, *_ = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state not in "ZX":
            alive.append(int(pid))
    return alive


class RehearseTestCase(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.trace_path = self.path("trace")

    def tracing(self, name, text=""):
        """A script that first leaves its name and arguments in the trace."""
        return self.script(name, f'#!/bin/sh\necho {shlex.quote(name)} "$@" >> {self.trace_path}\n{text}\n')

    def trace(self):
        if not os.path.exists(self.trace_path):
            return []
        with open(self.trace_path, encoding="utf-8") as file:
            return file.read().splitlines()

    def operations(self):
        """The operations that tracing scripts have seen so far."""
        return [line.split(" ")[2] for line in self.trace()]

    def rehearse(self, kind="qemu", *arguments, document=None, **keywords):
        if kind == "daemon":
            words = [kind]
        else:
            words = [kind, "-"]
            document = document or (network() if kind == "network" else domain())
        return self.virt_hooks("rehearse", *words, f"--hooks-directory={self.hooks}", *arguments, document=document, **keywords)

    def rehearse_json(self, kind="qemu", *arguments, **keywords):
        """The objects, each of which must be as the manual has it."""
        result = self.rehearse(kind, *arguments, "--json", **keywords)
        failed = False
        for seen in result.objects:
            self.assertEqual({key: type(value) for key, value in seen.items()}, {key: KEYS[key] for key in seen})
            self.assertEqual(seen["event"], "Rehearsed")
            uuid.UUID(seen["run"])
            self.assertEqual("reason" in seen, seen["outcome"] not in ("success", "no-script"), seen)
            self.assertEqual("meaning" in seen, "reason" in seen)
            self.assertEqual("rewritten" in seen, seen["operation"] in ("migrate", "restore"))
            self.assertEqual("message" in seen, seen["outcome"] == "invalid-output")
            self.assertEqual(seen["effect"] == "proceed", "reason" not in seen)
            failed |= "reason" in seen
        if result.objects:
            self.assertEqual(result.status, TROUBLE if failed else 0, result.complaint)
        return result.objects

    def assert_usage(self, result, *fragments):
        self.assertEqual((result.status, result.text), (USAGE, ""), result.complaint)
        for fragment in fragments:
            self.assertIn(fragment, result.complaint)
        self.assertEqual(self.trace(), [])

    def assert_wrong_document(self, result, *fragments):
        """Nothing has run."""
        self.assertEqual((result.status, result.text), (NO_VERDICT, ""), result.complaint)
        self.assertEqual(result.complaint.count("\n"), 1)
        for fragment in fragments:
            self.assertIn(fragment, result.complaint)
        self.assertEqual(self.trace(), [])


class Lives(RehearseTestCase):
    def test_all_types(self):
        for kind, lives in LIVES.items():
            with self.subTest(kind=kind):
                if os.path.exists(self.trace_path):
                    os.unlink(self.trace_path)
                self.tracing(kind)
                seen = self.rehearse_json(kind)
                self.assertEqual(self.operations(), sum(lives, []))
                self.assertEqual([one["operation"] for one in seen], self.operations())
                self.assertEqual([one["life"] for one in seen],
                                 sum(([name] * len(life) for name, life in zip(NAMES[kind], lives)), []))

    def test_arguments(self):
        for kind in ("qemu", "network", "daemon"):
            self.tracing(kind)
            self.rehearse(kind)
        trace = self.trace()
        for line in ("qemu web-01 prepare begin -", "qemu web-01 stopped end -", "qemu web-01 migrate begin -",
                     "network default port-deleted begin -", "daemon - start - start", "daemon - reload begin SIGHUP",
                     "daemon - shutdown - shutdown"):
            self.assertIn(line, trace)

    def test_json(self):
        self.tracing("qemu", "echo words >&2; [ $2 != started ] || exit 3")
        self.tracing("qemu.d/10-x", "[ $2 != stopped ] || kill -9 $$")
        seen = self.rehearse_json()
        started = next(one for one in seen if one["operation"] == "started")
        started.pop("duration_usec")
        started.pop("run")
        self.assertEqual(started, {
            "event": "Rehearsed", "life": "start", "type": "qemu", "object": GUEST, "operation": "started", "suboperation": "begin",
            "extra": "-", "outcome": "failed", "effect": "abort", "script": self.hook("qemu"), "status": 3, "errors": "words\n",
            "reason": "qemu exited with status 3",
            "meaning": "The guest, which runs by now, is killed; stopped and release follow."})
        killed = next(one for one in seen if one["outcome"] == "killed")
        self.assertEqual((killed["signal"], killed["effect"], killed["script"]), (9, "ignored", self.hook("qemu.d/10-x")))
        self.assertNotIn("status", killed)

    def test_table(self):
        self.tracing("qemu", "echo \"it is $2\" >&2")
        self.tracing("qemu.d/10-x")
        result = self.rehearse()
        self.assertEqual((result.status, result.complaint), (0, ""))
        title, heading, *rows = result.text.split("\n\n")[0].splitlines()
        self.assertEqual(title, "web-01: a first start and stop")
        self.assertEqual(heading.split(), ["OPERATION", "SCRIPT", "STATUS", "TIME", "WORDS"])
        self.assertEqual([row.split()[:3] for row in rows[:-1]],
                         [[operation, script, "ok"] for operation in START for script in ("qemu", "qemu.d/10-x")])
        self.assertEqual(rows[0][heading.index("WORDS"):], "it is prepare")
        self.assertEqual(rows[-1], "Every script succeeded. The guest starts, outlives a restart of libvirtd, and stops.")
        self.assertIn("web-01: a start from a managed save\n", result.text)
        self.assertIn("web-01: a migration to this host\n", result.text)

    def test_chosen_operations(self):
        """Just these, in this order, whatever fails."""
        self.tracing("qemu", "exit 1")
        seen = self.rehearse_json("qemu", "--operations=release,attach,prepare,prepare,start")
        self.assertEqual(self.operations(), ["release", "attach", "prepare", "prepare", "start"])
        self.assertEqual({one["life"] for one in seen}, {"operations"})

    def test_real_documents(self):
        for name, kind in (("06-qemu-prepare", "qemu"), ("15-qemu-restore", "qemu"), ("17-lxc-prepare", "lxc")):
            self.tracing(kind, f"cat > {self.path('seen')}")
            recorded = os.path.join(RECORDINGS, f"{name}.stdin")
            result = self.virt_hooks("rehearse", kind, recorded, f"--hooks-directory={self.hooks}")
            self.assertEqual((result.status, result.complaint), (0, ""))
            with open(recorded, "rb") as expected, open(self.path("seen"), "rb") as seen:
                self.assertEqual(seen.read(), expected.read())


class Failures(RehearseTestCase):
    """What follows the failure of each operation."""

    def rehearse_failing(self, kind, operation):
        """The operations of each life of which this one fails."""
        if os.path.exists(self.trace_path):
            os.unlink(self.trace_path)
        self.tracing(kind, f"[ $2 != {operation} ]")
        lives = {}
        for seen in self.rehearse_json(kind):
            lives.setdefault(seen["life"], []).append(seen["operation"])
            if seen["operation"] == operation:
                self.assertEqual((seen["outcome"], seen["status"]), ("failed", 1))
        self.assertEqual(sum(lives.values(), []), self.operations())
        return list(lives.values())

    def test_guests(self):
        end = ["stopped", "release"]
        for operation, lives in {
                "prepare": [["prepare", *end], ["restore", "prepare", *end], ["migrate", "prepare", *end]],
                "start": [[*START[:2], *end], [*SAVE[:3], *end], [*MIGRATION[:3], *end]],
                "started": [[*START[:3], *end], [*SAVE[:4], *end], [*MIGRATION[:4], *end]],
                "reconnect": [[*START[:4], *end], SAVE, MIGRATION],
                "stopped": [START, SAVE, MIGRATION],
                "release": [START, SAVE, MIGRATION],
                "restore": [START, ["restore"], MIGRATION],
                "migrate": [START, SAVE, ["migrate"]]}.items():
            with self.subTest(operation=operation):
                self.assertEqual(self.rehearse_failing("qemu", operation), lives)

    def test_xen_guests(self):
        """libxl calls no hook for what it takes back of a guest that was only prepared."""
        end = ["stopped", "release"]
        for operation, lives in {
                "prepare": [["prepare"], ["migrate", "prepare"]],
                "start": [[*START[:2], *end], [*MIGRATION[:3], *end]],
                "started": [[*START[:3], *end], [*MIGRATION[:4], *end]],
                "reconnect": [[*START[:4], *end], MIGRATION],
                "migrate": [START, ["migrate"]]}.items():
            with self.subTest(operation=operation):
                self.assertEqual(self.rehearse_failing("libxl", operation), lives)

    def test_containers(self):
        end = ["stopped", "release"]
        for n, operation in enumerate(START[:4], 1):
            with self.subTest(operation=operation):
                self.assertEqual(self.rehearse_failing("lxc", operation), [[*START[:n], *end]])

    def test_networks(self):
        for operation, life in {"start": ["start"], "started": ["start", "started"],
                                "port-created": ["start", "started", "port-created", "updated", "stopped"],
                                "updated": NETWORK, "port-deleted": NETWORK, "stopped": NETWORK}.items():
            with self.subTest(operation=operation):
                self.assertEqual(self.rehearse_failing("network", operation), [life])

    def test_daemons(self):
        for operation in DAEMON:
            with self.subTest(operation=operation):
                self.assertEqual(self.rehearse_failing("daemon", operation), [DAEMON])

    def test_the_whole_chain_runs(self):
        for name in ("qemu", "qemu.d/10-x", "qemu.d/20-x"):
            self.tracing(name, "echo no >&2; exit 1" if name != "qemu.d/20-x" else "")
        seen = self.rehearse_json("qemu", "--operations=start")
        self.assertEqual([(one["script"], one["outcome"], one["reason"] if "reason" in one else None) for one in seen],
                         [(self.hook("qemu"), "failed", "qemu exited with status 1"),
                          (self.hook("qemu.d/10-x"), "failed", "qemu.d/10-x exited with status 1"),
                          (self.hook("qemu.d/20-x"), "success", None)])

    def test_words_and_meaning(self):
        self.tracing("qemu", "[ $2 = start ] || exit 0; printf 'no disk\\nno cry\\n' >&2; exit 3")
        result = self.rehearse()
        self.assertEqual(result.status, TROUBLE)
        self.assertRegex(result.text, r"\nstart +qemu +exit 3 +\S+ no disk\n")
        self.assertIn("\nstart: qemu exited with status 3\n    no disk\n    no cry\n"
                      "  The guest is not started; stopped and release follow.\n", result.text)

    def test_meanings(self):
        for kind, operations in {"qemu": [*START, "restore", "migrate", "attach"], "lxc": START, "libxl": [*START, "migrate"], "network": NETWORK,
                                 "daemon": DAEMON}.items():
            self.tracing(kind, "exit 1")
            for seen in self.rehearse_json(kind, f"--operations={','.join(operations)}"):
                self.assertTrue(seen["meaning"].endswith("."), seen)

    def test_scripts_that_cannot_run(self):
        """As libvirt and the service have it: the kernel's refusal is the script's failure."""
        self.script("qemu", "no interpreter\n")
        self.script("qemu.d/10-x", "#!/no/such/program\n")
        for seen, status, name, reason in zip(self.rehearse_json("qemu", "--operations=start"), (126, 127), ("qemu", "qemu.d/10-x"),
                                              ("Exec format error", "No such file or directory")):
            self.assertEqual(seen["status"], status)
            # A sanitizer may have its own words to add.
            self.assertTrue(seen["errors"].startswith(f"libvirt:  error : cannot execute binary {self.hook(name)}: {reason}\n"), seen)
        self.assertEqual(self.rehearse("qemu", "--operations=start").text.count(f"  'virt-hooks check {self.hooks}' tells why"), 2)

    def test_refused(self):
        """A folder that cannot be listed hides guards: nothing runs."""
        self.tracing("qemu")
        self.link("qemu.d", "qemu.d")
        result = self.rehearse("qemu", "--operations=start")
        self.assertEqual(result.status, TROUBLE)
        self.assertIn("refused", result.text)
        seen = self.rehearse_json("qemu", "--operations=start")
        self.assertEqual([(one["outcome"], one["effect"], one["script"]) for one in seen], [("refused", "abort", "")])
        self.assertEqual(self.trace(), [])

    def test_scripts_that_go_away(self):
        self.tracing("qemu", "rm -f \"$0\"")
        seen = self.rehearse_json("qemu", "--operations=start,started")
        self.assertEqual([(one["outcome"], one["script"]) for one in seen], [("success", self.hook("qemu")), ("no-script", "")])

    def test_time_limit(self):
        """The settings' limits hold, as in the service."""
        self.tracing("qemu", "sleep 60")
        config = self.path("virt-hooks.conf")
        self.write(config, "[qemu]\nTimeout=200ms\n")
        seen, = self.rehearse_json("qemu", f"--config={config}", "--operations=start")
        self.assertEqual((seen["outcome"], seen["signal"], seen["reason"]), ("timed-out", 15, "qemu timed out"))

    def test_long_run_is_told(self):
        self.tracing("qemu", "sleep 0.3")
        config = self.path("virt-hooks.conf")
        self.write(config, "[Scripts]\nWarnAfter=50ms\n")
        result = self.rehearse("qemu", f"--config={config}", "--operations=start")
        self.assertEqual(result.status, 0)
        self.assertRegex(result.complaint, r"^virt-hooks: qemu still runs after 0\.05 s, with pid \d+; Ctrl-C ends it\n$")


class Filters(RehearseTestCase):
    def record(self, text=""):
        """Keeps what each operation reads."""
        self.tracing("qemu", f"tee {self.path('seen')}-$2 > {self.path('in')}\n{text}")

    def seen(self, operation):
        with open(f"{self.path('seen')}-{operation}", encoding="utf-8") as file:
            return file.read()

    def test_output_is_the_document_of_the_rest_of_the_life(self):
        self.record(f"[ $2 != restore ] || sed 's|</uuid>|</uuid><title>moved</title>|' {self.path('in')}")
        result = self.rehearse()
        self.assertEqual((result.status, result.complaint), (0, ""))
        self.assertEqual(self.seen("restore"), domain())
        # The migration, which is the last life, has the original again.
        self.assertEqual(self.seen("migrate"), domain())
        self.assertEqual(self.seen("release"), domain())
        self.rehearse("qemu", "--operations=restore,prepare,release")
        for operation in ("prepare", "release"):
            self.assertEqual(self.seen(operation), domain().replace("</uuid>", "</uuid><title>moved</title>"))

    def test_output_of_others_is_thrown_away(self):
        self.record("echo '<domain/>'")
        self.rehearse("qemu", "--operations=prepare,start")
        self.assertEqual(self.seen("start"), domain())

    def test_blank_output(self):
        self.record("echo")
        self.assertEqual(self.rehearse("qemu", "--operations=migrate,start").status, 0)
        self.assertEqual(self.seen("start"), domain())

    def test_chain(self):
        self.tracing("qemu", "sed 's/web one/web two/'")
        self.tracing("qemu.d/10-x", "sed 's/web two/web three/'")
        self.tracing("qemu.d/20-x", f"cat > {self.path('seen')}-last")
        document = domain(inside="  <title>web one</title>\n")
        self.assertEqual(self.rehearse("qemu", "--operations=restore", document=document).status, 0)
        self.assertEqual(self.seen("last"), document.replace("one", "three"))

    def test_rewriting_is_told(self):
        """Only that of filters, and only where they print a document."""
        document = domain(inside="  <title>web one</title>\n")
        for script, words in (("sed s/one/three/", f"the XML was rewritten, from {len(document)} to {len(document) + 2} bytes; "
                               "libvirt goes on with the new one."),
                              ("cat", "the XML was printed as it was."), ("cat >/dev/null", None)):
            self.tracing("qemu", script)
            result = self.rehearse("qemu", "--operations=prepare,migrate", document=document)
            told = [line for line in result.text.splitlines() if "the XML" in line]
            self.assertEqual((result.status, told), (0, [f"migrate: {words}"] if words else []))
            seen = self.rehearse_json("qemu", "--operations=prepare,migrate", document=document)
            self.assertEqual([row.get("rewritten") for row in seen], [None, script.startswith("sed")])

    def test_invalid_output(self):
        for output, fragment in (("echo debug; cat", "not well-formed"), ("sed s/web-01/web-02/", "has the name"),
                                 ("echo '<network/>'", "root element")):
            with self.subTest(output=output):
                self.tracing("qemu", output)
                self.tracing("qemu.d/10-x")
                first, second = self.rehearse_json("qemu", "--operations=migrate")
                self.assertEqual((first["outcome"], first["effect"]), ("invalid-output", "abort"))
                self.assertEqual((first["status"], second["outcome"]), (0, "success"))
                self.assertIn(fragment, first["message"])
                result = self.rehearse("qemu", "--operations=migrate")
                self.assertEqual(result.status, TROUBLE)
                self.assertRegex(result.text, r"\nmigrate +qemu +invalid-output ")
                self.assertIn(fragment, result.text)
                self.assertRegex(result.text, r"  It printed \d+ bytes:\n    \S")

    def test_too_much_output(self):
        self.tracing("qemu", "head -c 2000 /dev/zero | tr '\\0' x")
        self.tracing("qemu.d/10-x", "echo x")
        first, second = self.rehearse_json("qemu", self.config("MaxOutput=1K"), "--operations=migrate")
        self.assertEqual((first["outcome"], second["outcome"]), ("invalid-output", "success"))
        self.assertIn("MaxOutput=", self.rehearse("qemu", self.config("MaxOutput=1K"), "--operations=migrate").text)

    def test_output_that_is_late(self):
        """exec > >(tee) writes on when the script has ended: the service waits for it, and so do we."""
        self.tracing("qemu", "exec 3<&0\n(sleep 0.3; sed 's|</uuid>|</uuid><title>late</title>|' <&3) &\nexit 0")
        self.tracing("qemu.d/10-x", f"cat > {self.path('seen')}-last")
        self.assertEqual(self.rehearse("qemu", "--operations=migrate").status, 0)
        self.assertIn("late", self.seen("last"))


class Networks(RehearseTestCase):
    def setUp(self):
        super().setUp()
        self.tracing("network", f"cat > {self.path('seen')}-$2")

    def seen(self, operation):
        with open(f"{self.path('seen')}-{operation}", encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def indented(text):
        return re.sub(r"(?m)^(?=.)", "  ", text)

    def test_hook_data(self):
        self.assertEqual(self.rehearse("network").status, 0)
        for operation in ("start", "started", "updated", "stopped"):
            self.assertEqual(self.seen(operation), f"<hookData>\n{self.indented(network())}</hookData>")

    def test_port_is_made_up(self):
        self.rehearse("network")
        first = self.seen("port-created")
        self.assertTrue(first.startswith(f"<hookData>\n{self.indented(network())}  <networkport>\n    <uuid>"), first)
        self.assertIn("\n    <mac address='52:54:00:", first)
        self.assertIn("\n    <plug type='network' bridge='virbr0'/>\n  </networkport>\n</hookData>", first)
        self.assertEqual(self.seen("port-deleted"), first)
        # Each time it is the same, and another network has another.
        self.rehearse("network")
        self.assertEqual(self.seen("port-created"), first)
        self.rehearse("network", document=network().replace("afe4733d", "afe4733e"))
        self.assertNotIn(re.search("<networkport>\n *(.*)", first).group(1), self.seen("port-created"))

    def test_hook_data_without_port(self):
        """What libvirt passed to the start of a network does for all of its life."""
        recorded = os.path.join(RECORDINGS, "04-network-start.stdin")
        with open(recorded, encoding="utf-8") as file:
            document = file.read()
        command = ["rehearse", "network", recorded, f"--hooks-directory={self.hooks}"]
        result = self.virt_hooks(*command)
        self.assertEqual((result.status, result.complaint), (0, ""))
        for operation in ("start", "started", "updated", "stopped"):
            self.assertEqual(self.seen(operation), document)
        made_up = self.seen("port-created")
        self.assertTrue(made_up.startswith(document.removesuffix("</hookData>") + "  <networkport>\n    <uuid>"), made_up)
        self.assertTrue(made_up.endswith("\n    <plug type='network' bridge='virbr0'/>\n  </networkport>\n</hookData>"), made_up)
        self.assertEqual(self.seen("port-deleted"), made_up)
        # As from the network alone.
        with open(self.write(self.path("network.xml"), re.sub("(?m)^  ", "", re.sub("</?hookData>\n?", "", document))),
                  encoding="utf-8") as file:
            self.rehearse("network", document=file.read())
        self.assertEqual(self.seen("port-created"), made_up)
        port = self.write(self.path("port.xml"), PORT)
        self.assertEqual(self.virt_hooks(*command, f"--port-xml={port}").status, 0)
        self.assertEqual(self.seen("port-created"), document.removesuffix("</hookData>") + self.indented(PORT) + "</hookData>")

    def test_port_of_other_networks(self):
        for inside, plug in (("", None), ("<bridge name='b&quot;&apos;&lt;&amp;r'/>", "bridge='b&quot;&apos;&lt;&amp;r'"),
                             ("<forward mode='bridge'/><bridge name='br0'/>", "type='bridge' bridge='br0'")):
            result = self.rehearse("network", document=network(inside=inside))
            self.assertEqual(result.status, 0, result.complaint)
            found = re.search("<plug (.*)/>", self.seen("port-created"))
            if plug:
                self.assertIn(plug, found.group(1))
            else:
                self.assertIsNone(found)

    def test_port_of_ones_own(self):
        port = self.write(self.path("port.xml"), PORT)
        self.assertEqual(self.rehearse("network", f"--port-xml={port}").status, 0)
        self.assertEqual(self.seen("port-created"), f"<hookData>\n{self.indented(network() + PORT)}</hookData>")

    def test_wrong_port(self):
        self.assert_wrong_document(self.rehearse("network", "--port-xml=" + self.write(self.path("port.xml"), "<port/>")), "port document")
        self.assert_wrong_document(self.rehearse("network", "--port-xml=/no/such/file"), "/no/such/file cannot be read")
        for wrong in ("text", "<port/>", "<networkport/>"):
            result = self.rehearse("network", f"--port-xml={self.write(self.path('port.xml'), wrong)}",
                                   document=f"<hookData>\n{self.indented(network())}</hookData>")
            self.assert_wrong_document(result, "port document", "net-port-dumpxml")

    def test_recorded_hook_data(self):
        """What libvirt passed to a hook is right for that hook alone."""
        recorded = os.path.join(RECORDINGS, "07-network-port-created.stdin")
        command = ["rehearse", "network", recorded, f"--hooks-directory={self.hooks}"]
        self.assert_wrong_document(self.virt_hooks(*command), "comes with a port", "net-dumpxml")
        self.assertEqual(self.virt_hooks(*command, "--operations=port-created,port-deleted").status, 0)
        with open(recorded, encoding="utf-8") as file:
            self.assertEqual(self.seen("port-created"), file.read())

    def test_names(self):
        document = network(name="it's &lt;odd&gt; &amp; \u65e5\u672c")
        result = self.rehearse("network", document=document)
        self.assertEqual(result.status, 0)
        self.assertTrue(result.text.startswith("it's <odd> & \u65e5\u672c: a start and stop\n"), result.text)


class Surroundings(RehearseTestCase):
    """What a script finds is what the service gives it."""

    def test_environment(self):
        self.tracing("qemu", f"/usr/bin/env > {self.path('environment')}")
        self.rehearse("qemu", "--operations=start", TMPDIR="/somewhere", PATH=f"{self.directory}:{os.environ['PATH']}", FOO="bar")
        with open(self.path("environment"), encoding="utf-8") as file:
            found = dict(line.split("=", 1) for line in file.read().splitlines())
        account = pwd.getpwuid(os.geteuid())
        uuid.UUID(found.pop("VIRT_HOOKS_RUN"))
        for shells_own in ("PWD", "OLDPWD", "SHLVL", "_"):
            found.pop(shells_own, None)
        self.assertEqual(found, {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
                                 "HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name})

    def test_process(self):
        """The root directory, its own session, default signals, no descriptor but three, its path as $0."""
        self.tracing("qemu", f"""exec > {self.path('seen')}
            pwd; echo "$0"; umask; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; cut -d' ' -f6 /proc/$$/stat; echo $$""")
        self.rehearse("qemu", "--operations=start", cwd=self.hooks)
        with open(self.path("seen"), encoding="utf-8") as file:
            directory, path, umask, blocked, ignored, descriptors, session, pid = file.read().splitlines()
        self.assertEqual((directory, path, umask), ("/", self.hook("qemu"), "0022"))
        # 32 and 33 are the C library's own, and nobody can set them back.
        self.assertEqual((int(blocked.split()[1], 16), int(ignored.split()[1], 16) & ~(3 << 31)), (0, 0))
        # ls itself has one more, for the directory.
        self.assertEqual(descriptors.strip(), "4")
        self.assertEqual(session, pid)

    def test_relative_directory(self):
        self.tracing("qemu", f"echo \"$0\" >> {self.path('paths')}")
        for name, cwd in (("hooks", self.directory), (".", self.hooks), ("../hooks/", self.hooks)):
            result = self.virt_hooks("rehearse", "qemu", "-", "--hooks-directory", name, "--operations=start", document=domain(), cwd=cwd)
            self.assertEqual(result.status, 0, result.complaint)
        with open(self.path("paths"), encoding="utf-8") as file:
            self.assertEqual(set(file.read().splitlines()), {self.hook("qemu")})

    def test_first_directory_that_has_the_type(self):
        first, second = self.make_directory("first"), self.make_directory("second")
        self.script("network", directory=first)
        self.script("qemu", directory=second)
        self.script("qemu", directory=self.hooks)
        result = self.virt_hooks("rehearse", "qemu", "-", f"--hooks-directory={first}", f"--hooks-directory={second}",
                                 f"--hooks-directory={self.hooks}", "--operations=start", "--json", document=domain())
        self.assertEqual([one["script"] for one in result.objects], [f"{second}/qemu"])

    def test_directories_of_the_settings(self):
        self.tracing("qemu")
        config = self.config(directories=[self.path("missing"), self.hooks])
        result = self.virt_hooks("rehearse", "qemu", "-", config, "--operations=start", document=domain())
        self.assertEqual((result.status, result.complaint), (0, ""))
        self.assertEqual(self.operations(), ["start"])

    def test_whoever_owns_the_scripts(self):
        """An author's own folder is neither root's nor closed to others."""
        self.tracing("qemu")
        os.chmod(self.hook("qemu"), 0o777)
        os.chmod(self.hooks, 0o777)
        if IS_ROOT:
            os.chown(self.hook("qemu"), NOBODY, NOBODY)
        self.assertEqual(self.rehearse().status, 0)

    def test_no_script(self):
        self.script("network")
        result = self.rehearse("qemu")
        self.assertEqual((result.status, result.text), (0, ""))
        self.assertEqual(result.complaint, f"virt-hooks: there is no qemu script to run in {self.hooks}\n")

    def test_script_that_is_passed_over(self):
        self.script("qemu", mode=0o644)
        result = self.rehearse("qemu")
        self.assertEqual((result.status, result.text), (0, ""))
        self.assertIn(f"{self.hook('qemu')}: not run: it is not executable", result.complaint)

    def test_background_child(self):
        """It does not hold up the guest, nor us."""
        self.tracing("qemu", f"sleep 60 &\necho $! >> {self.path('pids')}")
        before = time.monotonic()
        self.assertEqual(self.rehearse().status, 0)
        self.assertLess(time.monotonic() - before, 20 * FACTOR)
        with open(self.path("pids"), encoding="ascii") as file:
            for pid in file.read().split():
                os.kill(int(pid), signal.SIGKILL)

    def test_document_that_is_not_read(self):
        self.tracing("qemu", "exec <&-")
        document = domain(inside="  <description>" + "x" * 3_000_000 + "</description>\n")
        self.assertEqual(self.rehearse(document=document).status, 0)

    def test_children_that_are_ignored(self):
        """Whoever started us may not have wanted to know of its own children."""
        self.tracing("qemu", "exit 3")
        result = self.rehearse("qemu", "--operations=start", "--json", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(result.objects[0]["status"], 3)


class Usage(RehearseTestCase):
    def test_command_lines(self):
        self.tracing("qemu")
        xml = self.write(self.path("web-01.xml"), domain())
        hooks = f"--hooks-directory={self.hooks}"
        for arguments, fragment in (([], "usage: "), (["qemu"], "XML"), (["Qemu", xml], "there is no type 'Qemu' of hooks"),
                                    (["qemu", xml, "more"], "there is no argument 'more'"),
                                    (["qemu", xml, "--operations=prepare,dance"], "no qemu operation 'dance'"),
                                    (["qemu", xml, "--operations="], "no qemu operation ''"),
                                    (["lxc", xml, "--operations=restore"], "libvirt has prepare, start"),
                                    (["qemu", xml, f"--port-xml={xml}"], "--port-xml"),
                                    (["network", "-", "--port-xml=-"], "standard input"),
                                    (["qemu", xml, "--no-such-option"], "no-such-option"),
                                    (["qemu", xml, "--hooks-directory=missing"], "/missing cannot be looked at"),
                                    (["qemu", xml, f"--hooks-directory={xml}"], "Not a directory")):
            with self.subTest(arguments=arguments):
                self.assert_usage(self.virt_hooks("rehearse", hooks, *arguments), fragment)

    def test_help(self):
        result = self.virt_hooks("rehearse", "--help")
        self.assertEqual(result.status, 0)
        self.assertIn("Usage: virt-hooks [OPTION...] rehearse TYPE [XML]", result.text)
        for option in ("--hooks-directory=DIR", "--operations=", "--port-xml=FILE", "--config=FILE"):
            self.assertIn(option, result.text)

    def test_help_is_aligned(self):
        """A command's own options with those that all have."""
        for verb in re.findall(r"(?m)^  ([a-z]+) ", self.virt_hooks("--help").text.partition("Commands:\n")[2].partition("\n\n")[0]):
            options = self.virt_hooks(verb, "--help").text.partition("Options:\n")[2].partition("\n\n")[0]
            for line in options.splitlines():
                self.assertRegex(line, r"^.{24} \S|^      --\S+$", verb)

    def test_wrong_documents(self):
        self.tracing("qemu")
        self.tracing("network")
        for document, fragment in (("", "is empty"), ("web-01", "not well-formed"), (domain()[:-5], "not well-formed"),
                                   (network(), "root element <network>, not <domain>"),
                                   (domain(name=""), "has no <name>"), ("<domain><name>a</name></domain>", "has no <uuid>"),
                                   (domain(name="a\nb"), "control character"), (domain(name="a" * 256), "255 bytes"),
                                   ("<!DOCTYPE domain>" + domain(), "DTD")):
            with self.subTest(document=document[:40]):
                path = self.write(self.path("web-01.xml"), document)
                self.assert_wrong_document(self.virt_hooks("rehearse", "qemu", path, f"--hooks-directory={self.hooks}"), fragment)
        self.assert_wrong_document(self.rehearse("network", document=domain()), "root element <domain>", "net-dumpxml")
        self.assert_wrong_document(self.rehearse("qemu", self.config("MaxDocument=1K"), document=domain(inside=" " * 2000)), "1024")

    def test_documents_that_cannot_be_read(self):
        self.tracing("qemu")
        for name in ("/no/such/file", self.directory):
            self.assert_wrong_document(self.virt_hooks("rehearse", "qemu", name, f"--hooks-directory={self.hooks}"), f"{name} cannot be read")

    def test_the_daemon_has_no_document(self):
        self.tracing("daemon")
        self.assert_wrong_document(self.virt_hooks("rehearse", "daemon", "-", f"--hooks-directory={self.hooks}", document=domain()),
                                   "daemon hook has no document")
        self.assertEqual(self.virt_hooks("rehearse", "daemon", "/dev/null", f"--hooks-directory={self.hooks}").status, 0)
        self.assertEqual(self.operations(), DAEMON)


class Signals(RehearseTestCase):
    def start_hanging(self, *arguments, operation="start", before=""):
        """A rehearsal whose script has come to where it hangs, and the script's pid."""
        pid_path = self.path("pid")
        self.tracing("qemu", f"[ $2 = {operation} ] || exit 0\n{before}\necho said >&2\necho $$ > {pid_path}.new\n"
                             f"mv {pid_path}.new {pid_path}\nsleep 600")
        xml = self.write(self.path("web-01.xml"), domain())
        process = self.start("rehearse", "qemu", xml, f"--hooks-directory={self.hooks}", *arguments)
        while not os.path.exists(pid_path):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        with open(pid_path, encoding="ascii") as file:
            return process, int(file.read())

    def assert_gone(self, group):
        """The script is, and what it started: nobody of its process group runs."""
        deadline = time.monotonic() + 10 * FACTOR
        while alive := living_members(group):
            self.assertLess(time.monotonic(), deadline, f"{alive} of the script's group are still there")
            time.sleep(0.01)

    def test_signals_end_the_scripts(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                process, pid = self.start_hanging()
                process.send_signal(number)
                text, complaint = process.communicate()
                # As whoever sent it expects: of the signal.
                self.assertEqual(process.returncode, -number)
                self.assert_gone(pid)
                self.assertRegex(text, r"\nprepare +qemu +ok ")
                self.assertRegex(text, r"\nstart +qemu +cancelled .* said\n")
                self.assertEqual(complaint, "virt-hooks: ending the scripts; once more kills them\n")
                self.assertEqual(self.operations(), ["prepare", "start"])
                os.unlink(self.path("pid"))
                os.unlink(self.trace_path)

    def test_json(self):
        process, pid = self.start_hanging("--json")
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate()
        self.assert_gone(pid)
        self.assertEqual([json.loads(line)["outcome"] for line in text.splitlines()], ["success", "cancelled"])

    def test_script_that_ignores_it(self):
        """KILL comes after the settings' grace, or when the user insists."""
        config = self.path("virt-hooks.conf")
        self.write(config, "[Scripts]\nKillAfter=100ms\n")
        process, pid = self.start_hanging(f"--config={config}", before="trap '' TERM INT HUP")
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assert_gone(pid)
        os.unlink(self.path("pid"))
        self.write(config, "[Scripts]\nKillAfter=infinity\n")
        process, pid = self.start_hanging(f"--config={config}", before="trap '' TERM INT HUP")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stderr.readline(), "virt-hooks: ending the scripts; once more kills them\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), -signal.SIGINT)
        self.assert_gone(pid)

    def test_reader_that_leaves(self):
        """| head"""
        self.tracing("qemu", "head -c 60000 /dev/zero | tr '\\0' x >&2; exit 1")
        process = self.start("rehearse", "qemu", self.write(self.path("x"), domain()), f"--hooks-directory={self.hooks}")
        process.stdout.close()
        self.assertEqual(process.wait(), -signal.SIGPIPE)
        process.stdout = open(os.devnull, encoding="ascii")


class Terminals(RehearseTestCase):
    def rehearse_on(self, columns, **environment):
        xml = self.write(self.path("web-01.xml"), domain())
        return self.on_terminal(columns, "rehearse", "qemu", xml, f"--hooks-directory={self.hooks}", "--operations=prepare", **environment)

    def test_width(self):
        self.tracing("qemu.d/10-a-script-with-a-name-that-is-rather-long", "echo words of one syllable or two, and more of them >&2")
        for columns in (60, 80, 200):
            text = self.rehearse_on(columns, NO_COLOR="1").text
            table = text.splitlines()[1:3]
            self.assertLessEqual(max(len(line) for line in table), columns, text)
            self.assertEqual("…" in text, columns < 200)

    def test_words_do_no_harm(self):
        self.script("qemu", "#!/bin/sh\nprintf '\\033[31mred\\007\\n\\342\\200\\256back\\r\\n\\377\\n' >&2\nexit 1\n")
        text = self.rehearse_on(100, NO_COLOR="1").text
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
        self.assertIn("    \\x1b[31mred\\x07\n    \\u{202e}back\\x0d\n    \\xff\n", text)

    def test_words_without_end(self):
        self.tracing("qemu", "head -c 5000000 /dev/zero | tr '\\0' x >&2; exit 1")
        result = self.rehearse("qemu", "--operations=start")
        self.assertLess(len(result.text), 70000)
        self.assertRegex(result.text, r"\n    \[\.\.\. \d+ bytes left out \.\.\.\]\n")
        seen, = self.rehearse_json("qemu", "--operations=start")
        self.assertLess(len(seen["errors"]), 70000)

    def test_colour(self):
        self.tracing("qemu")
        self.assertIn("\x1b[", self.rehearse_on(80).text)
        self.assertNotIn("\x1b", self.rehearse_on(80, NO_COLOR="1").text)
        self.assertNotIn("\x1b", self.rehearse("qemu").text)


if __name__ == "__main__":
    tap.main()
