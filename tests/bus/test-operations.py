#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every row of libvirt's table of operations: what a script is called with, and what its verdict means."""

import unittest

import samples
import tap
from harness import HooksTestCase


class Operations:
    """The tests of one type; the classes below name it."""

    kind = None

    def setUp(self):
        super().setUp()
        self.rows = [row for row in samples.OPERATIONS if row.kind == self.kind]

    def hook(self, row, **keywords):
        return self.client.hook(row.kind, row.object, row.name, *row.documents, **keywords)

    def expected_output(self, row):
        """What a call gives back where no script changed anything."""
        return row.stdin if row.is_filter else ""

    def assert_told(self, row, event):
        """A signal says which hook it is about, with the table's own words in the place of empty ones."""
        self.assertEqual(event.what[:-1], (row.kind, row.object, row.name, row.suboperation, row.extra))
        self.assertEqual(event.details.get("uuid"), row.uuid)

    def check_rows(self, check):
        self.start()
        for row in self.rows:
            with self.subTest(operation=row.name):
                check(row)

    def test_success(self):
        self.tracing_script(self.kind)

        def check(row):
            reply = self.assert_return(self.hook(row))
            self.assertEqual(reply.values[:2], (self.expected_output(row), 1))
            self.assertEqual(self.trace()[-1], f"{row.kind} {row.object} {row.name} {row.suboperation} {row.extra}")
            self.assert_told(row, self.client.started(reply.run))
            self.assert_told(row, self.assert_finished(reply.run, "success", "proceed", scripts=1))
        self.check_rows(check)

    def test_words_of_the_table_spelled_out(self):
        self.tracing_script(self.kind)

        def check(row):
            reply = self.assert_return(self.hook(row, suboperation=row.suboperation, extra=row.extra))
            self.assertEqual(self.trace()[-1], f"{row.kind} {row.object} {row.name} {row.suboperation} {row.extra}")
            self.assert_told(row, self.client.started(reply.run))
        self.check_rows(check)

    def test_failure(self):
        self.script(self.kind, "echo no >&2; exit 3")

        def check(row):
            reply = self.assert_error(self.hook(row), "ScriptFailed", row.object, "unexpected exit status 3: no")
            event = self.assert_finished(reply.run, "failed", row.effect, f"{row.kind} exited with status 3", scripts=1)
            self.assert_told(row, event)
        self.check_rows(check)

    def test_fatal_signal(self):
        self.script(self.kind, "kill -TERM $$")

        def check(row):
            reply = self.assert_error(self.hook(row), "ScriptFailed", "unexpected fatal signal 15")
            self.assert_finished(reply.run, "killed", row.effect, f"{row.kind} was killed by signal 15", scripts=1)
        self.check_rows(check)

    def test_no_script(self):
        def check(row):
            reply = self.assert_return(self.hook(row))
            self.assertEqual(reply.values[:2], (self.expected_output(row), 0))
            self.assert_told(row, self.client.started(reply.run))
            self.assert_told(row, self.assert_finished(reply.run, "no-script", "proceed", scripts=0))
        self.check_rows(check)

    def test_output_counts_for_filters_alone(self):
        self.script(self.kind, "sed 's|</uuid>|</uuid><title>filtered</title>|'")

        def check(row):
            reply = self.assert_return(self.hook(row))
            filtered = row.stdin.replace("</uuid>", "</uuid><title>filtered</title>")
            self.assertEqual(reply.values[0], filtered if row.is_filter else "")
        self.check_rows(check)

    def test_counters(self):
        self.script(self.kind, f'[ "$2" != {self.rows[0].name} ]')
        self.start()
        for row in self.rows:
            self.hook(row)
        self.assertEqual(self.client.property("Runs"), len(self.rows))
        self.assertEqual(self.client.property("Failures"), 1)


class Daemon(Operations, HooksTestCase):
    kind = "daemon"


class Qemu(Operations, HooksTestCase):
    kind = "qemu"

    def test_release_reasons(self):
        self.tracing_script("qemu")
        self.start()
        for reason in samples.RELEASE_REASONS:
            reply = self.client.hook("qemu", samples.GUEST, "release", samples.domain(), extra=reason)
            self.assert_return(reply)
            self.assertEqual(self.trace()[-1], f"qemu web-01 release end {reason}")
            self.assertEqual(self.client.started(reply.run).extra, reason)


class Lxc(Operations, HooksTestCase):
    kind = "lxc"


class Libxl(Operations, HooksTestCase):
    kind = "libxl"


class Network(Operations, HooksTestCase):
    kind = "network"

    def test_port_is_told(self):
        self.start()
        for operation in ("port-created", "port-deleted"):
            reply = self.client.hook("network", samples.NETWORK, operation, samples.network(), samples.port())
            for event in (self.client.started(reply.run), self.client.finished(reply.run)):
                self.assertEqual(event.details["port_uuid"], samples.PORT_UUID)
                self.assertEqual(event.details["port_mac"], samples.PORT_MAC)
                self.assertEqual(event.details["port_owner"], samples.GUEST)
                self.assertEqual(event.details["port_owner_uuid"], samples.GUEST_UUID)

    def test_port_without_owner_and_mac(self):
        port = f"<networkport>\n  <uuid>{samples.PORT_UUID}</uuid>\n</networkport>\n"
        self.start()
        reply = self.assert_return(
            self.client.hook("network", samples.NETWORK, "port-created", samples.network(), port))
        details = self.client.started(reply.run).details
        self.assertEqual(details["port_uuid"], samples.PORT_UUID)
        self.assertEqual({"port_mac", "port_owner", "port_owner_uuid"} & details.keys(), set())

    def test_port_with_characters_that_no_message_has(self):
        """XML has them, D-Bus does not: the signals come all the same, and the run is listed."""
        port = samples.port().replace(samples.GUEST, "a&#xFDD0;b").replace(samples.PORT_MAC, "&#x1FFFE;")
        self.start()
        reply = self.assert_return(
            self.client.hook("network", samples.NETWORK, "port-created", samples.network(), port))
        for event in (self.client.started(reply.run), self.client.finished(reply.run)):
            self.assertEqual((event.details["port_owner"], event.details["port_mac"]), ("a\ufffd\ufffd\ufffdb", "\ufffd" * 4))
        self.assert_return(self.client.call("GetRun", reply.run))
        listed, = self.assert_return(self.client.call("ListRuns", {})).values[0]
        self.assertEqual(listed["port_owner"], "a\ufffd\ufffd\ufffdb")

    def test_no_port_details_without_a_port(self):
        self.start()
        reply = self.client.hook("network", samples.NETWORK, "started", samples.network(), "")
        details = self.client.finished(reply.run).details
        self.assertEqual([key for key in details if key.startswith("port_")], [])


class Table(unittest.TestCase):
    def test_is_whole(self):
        counts = {kind: sum(row.kind == kind for row in samples.OPERATIONS)
                  for kind in ("daemon", "qemu", "lxc", "libxl", "network")}
        self.assertEqual(counts, {"daemon": 3, "qemu": 9, "lxc": 6, "libxl": 7, "network": 6})


if __name__ == "__main__":
    tap.main()
