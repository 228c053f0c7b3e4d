#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a real libvirtd passed to its hooks, passed through the methods: scripts must see the very same."""

import os
import re
import shlex

import samples
import tap
from client import INTERFACE
from harness import HooksTestCase


class Recordings(HooksTestCase):
    def setUp(self):
        super().setUp()
        self.seen = shlex.quote(self.path("seen"))
        for kind in ("daemon", "qemu", "lxc", "network"):
            self.script(kind, f"""printf '%s\\n' "$@" > {self.seen}.argv\ncat > {self.seen}.stdin""")
        self.recordings = samples.recordings()

    def replay(self, recording, *documents, spelled_out):
        words = {"suboperation": recording.arguments[2], "extra": recording.arguments[3]} if spelled_out else {}
        reply = self.client.hook(recording.kind, recording.object, recording.operation, *documents, **words)
        self.assert_return(reply)
        self.assert_seen(recording)
        for event in (self.client.started(reply.run), self.assert_finished(reply.run, "success", "proceed", scripts=1)):
            self.assertEqual(event.what[:-1], (recording.kind, *recording.arguments))
            self.assertEqual(event.details.get("uuid"), recording.uuid)
        return reply

    def assert_seen(self, recording):
        for suffix, expected in ((".argv", "".join(f"{word}\n" for word in recording.arguments).encode()),
                                 (".stdin", recording.stdin)):
            with open(self.path("seen") + suffix, "rb") as file:
                self.assertEqual(file.read(), expected)
            os.unlink(self.path("seen") + suffix)

    def network_recordings(self):
        return [recording for recording in self.recordings if recording.kind == "network"]

    def test_all_are_here(self):
        self.assertEqual(len(self.recordings), 21)
        self.assertEqual(len(self.network_recordings()), 6)

    def test_bare_documents(self):
        self.start()
        for recording in self.recordings:
            with self.subTest(recording.name):
                self.replay(recording, *recording.documents(), spelled_out=True)

    def test_bare_documents_and_words_of_the_table(self):
        self.start()
        for recording in self.recordings:
            with self.subTest(recording.name):
                self.replay(recording, *recording.documents(), spelled_out=False)

    def test_hook_data_passed_whole(self):
        self.start()
        for recording in self.network_recordings():
            with self.subTest(recording.name):
                self.replay(recording, recording.stdin.decode(), "", spelled_out=True)

    def test_documents_without_a_last_newline(self):
        """Shells strip it: "$(virsh net-dumpxml default)"."""
        self.start()
        for recording in self.network_recordings():
            with self.subTest(recording.name):
                self.replay(recording, *(part.rstrip("\n") for part in recording.documents()), spelled_out=False)

    def test_what_stands_around_the_root(self):
        """As in the files below /etc/libvirt: a declaration could not stand inside a hookData, and nothing needs it."""
        self.start()
        for recording in self.network_recordings():
            with self.subTest(recording.name):
                before, after = "<?xml version='1.0' encoding='UTF-8'?>\n<!-- by hand: a > b\n-->\n", "<!-- end -->\n"
                self.replay(recording, *(part and before + part + after for part in recording.documents()),
                            spelled_out=False)

    def test_text_is_not_indented(self):
        """Indenting goes between the elements, and never into somebody's words."""
        text = ("\n  <description>two\nlines, a &gt; b</description>\n  <!-- a\ncomment -->\n"
                "  <x a='1\n2'><![CDATA[c\nd]]></x>")
        document = samples.network().replace("</name>", f"</name>{text}")
        self.start()
        self.assert_return(self.client.hook("network", samples.NETWORK, "started", document, ""))
        with open(self.path("seen") + ".stdin", encoding="utf-8") as file:
            seen = file.read()
        for words in ("two\nlines, a &gt; b", "<!-- a\ncomment -->", "'1\n2'", "<![CDATA[c\nd]]>"):
            self.assertIn(words, seen)
        self.assertTrue(seen.startswith("<hookData>\n  <network>\n    <name>default</name>\n    <description>"), seen)

    def test_all_at_once(self):
        """Each call gets its own reply, and its signals tell of it alone, whatever else goes on."""
        for kind in ("daemon", "qemu", "lxc", "network"):
            self.script(kind, "cat > /dev/null")
        self.start()
        calls = [(recording, self.client.send_hook(recording.kind, recording.object, recording.operation,
                                                   *recording.documents()))
                 for recording in self.recordings for _ in range(3)]
        for recording, call in calls:
            reply = self.assert_return(call.wait(30))
            event = self.assert_finished(reply.run, "success", "proceed", scripts=1)
            self.assertEqual(event.what[:-1], (recording.kind, *recording.arguments))
        self.assertEqual(len({call.reply.run for _, call in calls}), len(calls))

    def test_order_of_a_guests_life(self):
        """The signals of calls that follow one another follow one another."""
        self.start()
        guest = [recording for recording in self.recordings if recording.object == samples.GUEST]
        runs = [self.replay(recording, *recording.documents(), spelled_out=False).run for recording in guest]
        self.client.finished(runs[-1])
        self.assertEqual([(event.name, event.operation) for event in self.client.events],
                         [(name, recording.operation) for recording in guest
                          for name in ("HookStarted", "HookFinished")])

    def test_restore_is_given_back(self):
        """The scripts printed nothing, so that the document that went in is the one to go on with."""
        self.start()
        recording = next(item for item in self.recordings if item.operation == "restore")
        reply = self.replay(recording, *recording.documents(), spelled_out=False)
        self.assertEqual(reply.values[0].encode(), recording.stdin)

    def test_signals_carry_nothing_of_the_document(self):
        """restore's document has a password in it; what scripts print is for the caller alone."""
        for kind in ("daemon", "qemu", "lxc", "network"):
            self.script(kind, "cat; echo 'printed words'; echo 'more printed words' >&2; exit 1")
        self.start()
        for recording in self.recordings:
            reply = self.client.hook(recording.kind, recording.object, recording.operation, *recording.documents())
            self.assert_error(reply, f"{INTERFACE}.Error.ScriptFailed", "more printed words")
            self.client.finished(reply.run)
        self.assertTrue(any(b"s3cret" in recording.stdin for recording in self.recordings))
        for event in self.client.events:
            self.assertIsNone(re.search("s3cret|printed|</|<[a-z]+>", event.text), event.text)

    def test_caller_is_told(self):
        with open("/proc/self/comm", encoding="utf-8") as file:
            comm = file.read().rstrip("\n")
        self.start()
        reply = self.client.hook("daemon", "-", "start")
        for event in (self.client.started(reply.run), self.client.finished(reply.run)):
            self.assertEqual(event.details["caller_pid"], os.getpid())
            self.assertEqual(event.details["caller_uid"], os.geteuid())
            self.assertEqual(event.details["caller_comm"], comm)


if __name__ == "__main__":
    tap.main()
