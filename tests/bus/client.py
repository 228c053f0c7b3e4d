# SPDX-License-Identifier: LGPL-2.1-or-later
"""D-Bus clients for the tests: a caller that also listens, and a monitor that sees every message on the bus."""

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field

import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib
import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402 (require_version has to come first)

BUS_NAME = INTERFACE = "org.virt.Hooks"
OBJECT_PATH = "/org/virt/Hooks"
ERROR = INTERFACE + ".Error."
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"

SIGNATURES = {
    "Daemon": "(sss)",
    "Qemu": "(sssss)",
    "Lxc": "(sssss)",
    "Libxl": "(sssss)",
    "Network": "(ssssss)",
    "Run": "(sssssha{sv})",
    "Cancel": "(s)",
    "Reload": "()",
    "ListScripts": "()",
    "ListRuns": "(a{sv})",
    "GetRun": "(s)",
}

# Everything that waits is given this much longer: valgrind and busy machines need it.
FACTOR = float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))


def span(milliseconds):
    """A time for the settings within which something is to happen first: longer on a slow machine."""
    return f"{milliseconds * FACTOR:.0f}ms"


def wait_until(condition, what, seconds=10):
    """Runs the main loop until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + seconds * FACTOR
    context = GLib.MainContext.default()
    tick = GLib.timeout_add(5, lambda: True)
    try:
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > deadline:
                raise AssertionError(f"timed out waiting for {what}")
            context.iteration(True)
    finally:
        GLib.source_remove(tick)


class Reply:
    """The answer to a method call, taken apart; `error` is None where it is a return.

    `events` is the list that its client collects signals in, and `subject` the object and operation of the call.
    """

    def __init__(self, message, events, subject):
        body = message.get_body()
        self.events = events
        self.subject = subject
        self.n_events_before = len(events)
        self.sender = message.get_sender()
        self.error = message.get_error_name()
        self.signature = message.get_signature()
        self.values = body.unpack() if body else ()
        fd_list = message.get_unix_fd_list()
        self.fds = fd_list.steal_fds() if fd_list else []

    @property
    def message(self):
        """An error's text."""
        return self.values[0] if self.error else None

    @property
    def run(self):
        """The id of the run that this answers. An error does not tell it: the HookFinished that follows does, perhaps
        behind those of other calls."""
        if self.error:
            return wait_until(self._finished_next, f"a HookFinished after {self}").run
        return self.values[{"sus": 2, "sihhsa{sv}": 4}[self.signature]]

    def _finished_next(self):
        return next((event for event in self.events[self.n_events_before:]
                     if event.name == "HookFinished" and (event.object, event.operation) == self.subject and
                     event.outcome not in ("success", "no-script")), None)

    def read(self, handle):
        """The content of a memfd in the reply."""
        fd = self.fds[handle]
        assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:"), "a reply's descriptor is no memfd"
        return os.pread(fd, os.fstat(fd).st_size, 0)

    def close(self):
        while self.fds:
            os.close(self.fds.pop())

    def __str__(self):
        return f"{self.error or 'a return'} {self.values}"


class Call:
    """A call that was sent; `reply` is there once it is answered."""

    def __init__(self, client, member, body, fds=(), interface=INTERFACE, destination=BUS_NAME, path=OBJECT_PATH,
                 subject=None):
        self.member = member
        self.reply = None
        self.events = client.events
        self.subject = subject
        message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
        if body is not None:
            message.set_body(body)
        if fds:
            fd_list = Gio.UnixFDList.new()
            for fd in fds:
                fd_list.append(fd)
            message.set_unix_fd_list(fd_list)
        client.connection.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, GLib.MAXINT, None,
                                                  self._on_reply)

    def _on_reply(self, connection, result):
        try:
            self.reply = Reply(connection.send_message_with_reply_finish(result), self.events, self.subject)
        except GLib.Error:
            # The connection is gone, and so is whoever would look at the reply.
            pass

    @property
    def done(self):
        return self.reply is not None

    def wait(self, seconds=10):
        return wait_until(lambda: self.reply, f"the reply to {self.member}", seconds)


@dataclass
class Event:
    """A HookStarted or HookFinished as it was received."""
    name: str
    sender: str
    kind: str
    object: str
    operation: str
    suboperation: str
    extra: str
    run: str
    outcome: str
    effect: str
    duration: int
    details: dict
    types: dict = field(repr=False)
    text: str = field(repr=False)

    @classmethod
    def from_signal(cls, sender, name, parameters):
        kind, object_name, operation, suboperation, extra, run, *rest, details = parameters.unpack()
        outcome, effect, duration = rest or (None, None, None)
        entries = parameters.get_child_value(parameters.n_children() - 1)
        types = {}
        for index in range(entries.n_children()):
            entry = entries.get_child_value(index)
            types[entry.get_child_value(0).get_string()] = entry.get_child_value(1).get_variant().get_type_string()
        return cls(name, sender, kind, object_name, operation, suboperation, extra, run, outcome, effect, duration,
                   details, types, parameters.print_(True))

    @property
    def what(self):
        """The part that must be the same in a run's two signals."""
        return (self.kind, self.object, self.operation, self.suboperation, self.extra, self.run)


class Client:
    """A connection that calls the service, and collects its signals in `events`."""

    def __init__(self, address):
        flags = (Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION)
        self.connection = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
        self.name = self.connection.get_unique_name()
        self.events = []
        self.gone = set()
        self.connection.signal_subscribe(None, INTERFACE, None, OBJECT_PATH, None, Gio.DBusSignalFlags.NONE,
                                         self._on_hook_signal)
        self.connection.signal_subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None,
                                         None, Gio.DBusSignalFlags.NONE, self._on_name_owner_changed)
        # The bus has both match rules once it answers anything that was sent after them.
        self.bus_call("GetId")

    def close(self):
        try:
            self.connection.close_sync(None)
        except GLib.Error:
            # Closed before, or the bus is gone.
            pass

    def _on_hook_signal(self, _connection, sender, _path, _interface, name, parameters):
        self.events.append(Event.from_signal(sender, name, parameters))

    def _on_name_owner_changed(self, _connection, _sender, _path, _interface, _name, parameters):
        name, _old, new = parameters.unpack()
        if name.startswith(":") and not new:
            self.gone.add(name)

    def bus_call(self, member, signature=None, *arguments):
        body = GLib.Variant(signature, arguments) if signature else None
        return Call(self, member, body, interface="org.freedesktop.DBus",
                    destination="org.freedesktop.DBus", path="/org/freedesktop/DBus").wait()

    def owner(self):
        """The unique name of the service, None where there is no service."""
        reply = self.bus_call("GetNameOwner", "(s)", BUS_NAME)
        return None if reply.error else reply.values[0]

    def send(self, member, *arguments, fds=()):
        subject = {"Daemon": ("-", *arguments[:1]), "Run": arguments[1:3]}.get(member, arguments[:2])
        return Call(self, member, GLib.Variant(SIGNATURES[member], arguments), fds, subject=subject)

    def call(self, member, *arguments, seconds=10):
        return self.send(member, *arguments).wait(seconds)

    def send_hook(self, kind, object_name, operation, *documents, suboperation="", extra=""):
        """Calls the method of a type; an empty sub-operation and extra stand for the table's own."""
        if kind == "daemon":
            return self.send("Daemon", operation, suboperation, extra)
        return self.send(kind.capitalize(), object_name, operation, suboperation, extra, *documents)

    def hook(self, *arguments, seconds=10, **keywords):
        return self.send_hook(*arguments, **keywords).wait(seconds)

    def send_run(self, kind, object_name, operation, document_fd, suboperation="", extra="", started_fd=None,
                 **options):
        """Calls Run; the options are variants, but for `started_fd`, whose descriptor becomes the option `started`."""
        fds = [document_fd]
        if started_fd is not None:
            options["started"] = GLib.Variant("h", len(fds))
            fds.append(started_fd)
        return self.send("Run", kind, object_name, operation, suboperation, extra, 0, options, fds=fds)

    def run(self, *arguments, seconds=10, **keywords):
        return self.send_run(*arguments, **keywords).wait(seconds)

    def property(self, name):
        reply = self.properties_call("Get", "(ss)", INTERFACE, name)
        assert not reply.error, str(reply)
        return reply.values[0]

    def properties_call(self, member, signature, *arguments):
        return Call(self, member, GLib.Variant(signature, arguments),
                    interface="org.freedesktop.DBus.Properties").wait()

    def introspect(self):
        return Call(self, "Introspect", None, interface="org.freedesktop.DBus.Introspectable").wait().values[0]

    def settle(self):
        """Returns when all that the service has sent so far has arrived: messages do not overtake one another.

        This would be what Ping is for, but libdbus answers every Ping that it sees, even a monitor's.
        """
        self.properties_call("Get", "(ss)", INTERFACE, "Version")

    def started(self, run):
        return self._event("HookStarted", run)

    def finished(self, run):
        return self._event("HookFinished", run)

    def _event(self, name, run):
        def find():
            return next((event for event in self.events if (event.name, event.run) == (name, run)), None)
        return wait_until(find, f"the signal {name} of run {run}")


@dataclass(frozen=True)
class Seen:
    """A message that went over the bus; `answers` is the serial of the call that it replies to."""
    type: int
    sender: str
    destination: str
    member: str
    serial: int
    answers: int
    wants_reply: bool


class Monitor:
    """Sees every message in the order in which the bus took it. (GDBus has no filter that Python could use.)"""

    CALL, RETURN, ERROR, SIGNAL = (dbus.lowlevel.MESSAGE_TYPE_METHOD_CALL, dbus.lowlevel.MESSAGE_TYPE_METHOD_RETURN,
                                   dbus.lowlevel.MESSAGE_TYPE_ERROR, dbus.lowlevel.MESSAGE_TYPE_SIGNAL)

    def __init__(self, address):
        self.seen = []
        self.answers = defaultdict(list)
        self.gone = set()
        self.connection = dbus.bus.BusConnection(address, mainloop=dbus.mainloop.glib.DBusGMainLoop())
        self.connection.set_exit_on_disconnect(False)
        self.connection.add_message_filter(self._on_message)
        self.connection.call_blocking("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", ([], 0))

    def close(self):
        self.connection.close()

    def _on_message(self, _connection, message):
        name = message.get_error_name() if message.get_type() == self.ERROR else message.get_member()
        seen = Seen(message.get_type(), message.get_sender(), message.get_destination(), name, message.get_serial(),
                    message.get_reply_serial(), not message.get_no_reply())
        self.seen.append(seen)
        if seen.type in (self.RETURN, self.ERROR):
            self.answers[seen.destination, seen.answers].append(seen)
        if message.get_member() == "NameOwnerChanged":
            name, _old, new = message.get_args_list()
            if name.startswith(":") and not new:
                self.gone.add(str(name))
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    def replies(self, call):
        return self.answers.get((call.sender, call.serial), [])

    def calls_to(self, service):
        return [seen for seen in self.seen if seen.type == self.CALL and seen.destination in (BUS_NAME, service)]
