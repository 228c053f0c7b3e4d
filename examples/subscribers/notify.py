#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows a notification on the desktop for each hook that has failed.

It needs PyGObject, Debian's package python3-gi, and no privilege.
"""

import sys

from gi.repository import Gio, GLib

# What the failure means, by its effect.
MEANING = {
    "abort": "{what}: {operation} was called off",
    "kill": "{what} is killed",
    "ignored": "{what}: {operation} went on, though its hook failed",
}


def on_finished(system, sender, path, interface, name, arguments):
    kind, what, operation, sub, extra, run, outcome, effect, *rest = arguments.unpack()
    if outcome in ("success", "no-script"):
        return
    subject = kind if what == "-" else f"{kind} {what}"
    summary = MEANING[effect].format(what=subject, operation=operation)
    body = GLib.markup_escape_text(rest[-1].get("reason", outcome))
    session.call("org.freedesktop.Notifications",
                 "/org/freedesktop/Notifications",
                 "org.freedesktop.Notifications", "Notify",
                 GLib.Variant("(susssasa{sv}i)", ("virt-hooks", 0, "dialog-warning", summary, body, [], {}, -1)),
                 None, Gio.DBusCallFlags.NONE, -1, None, None)


def connect(bus_type, name, remedy):
    try:
        return Gio.bus_get_sync(bus_type)
    except GLib.Error as error:
        sys.exit(f"notify.py: the {name} bus cannot be reached: {error.message}; {remedy}")


session = connect(Gio.BusType.SESSION, "session", "start it from a desktop session")
system = connect(Gio.BusType.SYSTEM, "system", "is dbus running?")
# The first argument is the sender. Without it anybody's signals get here.
system.signal_subscribe("org.virt.Hooks", "org.virt.Hooks", "HookFinished", "/org/virt/Hooks", None,
                        Gio.DBusSignalFlags.NONE, on_finished)
GLib.MainLoop().run()
