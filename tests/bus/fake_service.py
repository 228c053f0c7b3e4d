# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service that sends what the real one never would: listeners must cope."""

import uuid

from client import BUS_NAME, INTERFACE, OBJECT_PATH
from gi.repository import GLib
from samples import GUEST


class FakeService:
    """Somebody who has the service's name and sends its signals with whatever numbers the test wants."""

    def __init__(self, client):
        self.client = client
        self.instance = str(uuid.uuid4())

    def appear(self):
        assert self.client.bus_call("RequestName", "(su)", BUS_NAME, 4).values == (1,)
        return self

    def leave(self):
        self.client.bus_call("ReleaseName", "(s)", BUS_NAME)

    def emit(self, sequence, guest=GUEST):
        """Signals with odd numbers are beginnings, as they are where one hook runs after the other."""
        details = {"sequence": GLib.Variant("t", sequence), "instance": GLib.Variant("s", self.instance)}
        hook = ("qemu", guest, "start", "begin", "-", str(uuid.uuid4()))
        if sequence % 2 == 1:
            name, body = "HookStarted", GLib.Variant("(ssssssa{sv})", (*hook, details))
        else:
            name, body = "HookFinished", GLib.Variant("(ssssssssta{sv})", (*hook, "success", "proceed", 1000, details))
        self.client.connection.emit_signal(None, OBJECT_PATH, INTERFACE, name, body)
