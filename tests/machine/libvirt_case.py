# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests of a libvirtd with plain hooks and with virt-hooks in between, which must come to the same."""

import re
import unittest

from battery import Normaliser
from inside import must
from libvirtd import LIBVIRT_HOOKS, VIRT_HOOKS, event_of, let_it_restart, run_of, start_afresh

import client as bus_client
from harness import HooksTestCase

BUS = "unix:path=/run/dbus/system_bus_socket"


def attach(*types):
    must("virt-hooks", "attach", *types)


def undo_differences(text):
    text = text.replace(f"{VIRT_HOOKS}/", f"{LIBVIRT_HOOKS}/")
    return re.sub(rf"(Child process \([^)]*? {LIBVIRT_HOOKS}/\w+)\.d/[\w-]+ ", r"\1 ", text)


def undo_record(record):
    entries = [entry for entry in record["environment"].split("\0") if not entry.startswith("VIRT_HOOKS_RUN=")]
    return {**record, "argv": [undo_differences(word) for word in record["argv"]], "environment": "\0".join(entries),
            "cgroup": None}


class Observer:
    """On the bus from before the service starts, so that it hears of everything."""

    def __init__(self):
        must("systemctl", "stop", "virt-hooks.service")
        self.client = bus_client.Client(BUS)
        must("systemctl", "start", "virt-hooks.service")

    def events(self):
        self.client.settle()
        return self.client.events


class LibvirtTestCase(unittest.TestCase):
    maxDiff = None
    normaliser = Normaliser
    scripts_cgroup = "/virt-hooks.service"  # where the service runs them
    documents_are_checked = True
    check_signals = HooksTestCase.check_signals
    _check_details = HooksTestCase._check_details

    def setUp(self):
        let_it_restart()
        start_afresh()

    def observe(self):
        observer = Observer()
        self.addCleanup(observer.client.close)
        return observer

    def check_order(self, events, some_records):
        """What an observer has heard is what the scripts have seen: each run once, in pairs without a gap, and in order."""
        self.check_signals(events)
        seen = dict.fromkeys((*event_of(record), run_of(record)) for record in some_records)
        self.assertEqual([event.what for event in events if event.name == "HookStarted"], list(seen))

    def compare(self, plain, attached):
        """All that the one came to is what the other did, but for what is meant to differ."""
        normalised = [[normaliser.step(step) for step in battery.steps]
                      for battery, normaliser in ((plain, self.normaliser()), (attached, self.normaliser()))]
        for expected, seen in zip(*normalised, strict=True):
            for what in ("results", "state"):
                with self.subTest(f"{expected['name']}, {what}"):
                    self.assertEqual(undo_differences(repr(seen[what])), undo_differences(repr(expected[what])))
            with self.subTest(f"{expected['name']}, hooks"):
                self.assertEqual([undo_record(record) for record in seen["records"]],
                                 [{**record, "cgroup": None} for record in expected["records"]])
        with self.subTest("libvirtd's log"):
            self.assertGreaterEqual(sum("Hook script execution failed" in line for line in plain.log), plain.logged_failures)
            texts = [[undo_differences(normaliser.text(line)) for line in battery.log]
                     for battery, normaliser in ((plain, self.normaliser()), (attached, self.normaliser()))]
            self.assertEqual(texts[1], [text for text in texts[0] if not text.endswith(": first\n")])

    def check_bus(self, attached, events):
        all_records = [record for step in attached.steps for record in step.records]
        for record in all_records:
            self.assertIn(self.scripts_cgroup, record["cgroup"])
        self.check_order(events, all_records)
        steps = {run_of(record): step for step in attached.steps for record in step.records}
        finished = {event.run: event for event in events if event.name == "HookFinished"}
        for run_id, step in steps.items():
            event = finished[run_id]
            # What can't be executed counts as a script, and writes no record.
            is_broken = step.name.startswith("a script ") and event.kind == "qemu"
            self.assertEqual(event.outcome != "success", is_broken or step.fails(event.what), f"{step.name}: {event}")
            n_records = sum(run_of(record) == run_id for record in step.records)
            self.assertEqual(event.details["scripts"], n_records + is_broken, f"{step.name}: {event}")
