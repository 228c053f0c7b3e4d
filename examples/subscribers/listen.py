#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints a line for each hook that has finished, and says how many events
were missed.

    listen.py [--session]

It needs PyGObject, Debian's package python3-gi.
"""

import sys

from gi.repository import Gio, GLib

last = {"instance": None, "sequence": 0}


def note_gap(instance, sequence):
    """The sequence of an instance has no gaps and starts with 1."""
    if last["instance"] is not None:
        before = last["sequence"] if instance == last["instance"] else 0
        if sequence > before + 1:
            print(sequence - before - 1, "events were missed", flush=True)
    last.update(instance=instance, sequence=sequence)


def on_event(bus, sender, path, interface, name, arguments):
    kind, what, operation, sub, extra, run, *rest = arguments.unpack()
    details = rest[-1]
    note_gap(details["instance"], details["sequence"])
    if name == "HookFinished":
        outcome, effect, usec = rest[:3]
        print(f"{kind} {what!r} {operation}: {outcome} ({effect}, "
              f"{usec // 1000} ms)", details.get("reason", ""), flush=True)


try:
    bus = Gio.bus_get_sync(Gio.BusType.SESSION if "--session" in sys.argv
                           else Gio.BusType.SYSTEM)
except GLib.Error as error:
    sys.exit(f"listen.py: the bus cannot be reached: {error.message}")
# The first argument is the sender. Without it anybody's signals get here.
bus.signal_subscribe("org.virt.Hooks", "org.virt.Hooks", None,
                     "/org/virt/Hooks", None, Gio.DBusSignalFlags.NONE,
                     on_event)
GLib.MainLoop().run()
