#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The published interface is what the running service has, and documents all of it."""

import os
import re
from xml.dom import Node, minidom

import tap
from client import INTERFACE, Call
from gi.repository import GLib
from harness import TOP_SRCDIR, HooksTestCase

PUBLISHED = os.path.join(TOP_SRCDIR, "dbus-interfaces", "org.virt.Hooks.xml")

ERRORS = ["ScriptFailed", "TimedOut", "Cancelled", "InvalidOutput", "InvalidDocument", "UnknownOperation",
          "ScriptRefused", "WouldDeadlock", "LimitExceeded", "ShuttingDown"]

GUEST_METHOD = ("sssss", "sus")
METHODS = {
    "Daemon": ("sss", "sus"), "Qemu": GUEST_METHOD, "Lxc": GUEST_METHOD, "Libxl": GUEST_METHOD,
    "Network": ("ssssss", "sus"), "Run": ("sssssha{sv}", "sihhsa{sv}"), "Reload": ("", ""),
    "ListScripts": ("", "a(ssbs)"),
}
HOOK = [(name, "s") for name in ("type", "object", "operation", "suboperation", "extra", "run")]
SIGNALS = {
    "HookStarted": [*HOOK, ("details", "a{sv}")],
    "HookFinished": [*HOOK, ("outcome", "s"), ("effect", "s"), ("duration_usec", "t"), ("details", "a{sv}")],
}
PROPERTIES = {"Version": "s", "HooksDirectories": "as", "Instance": "s", "ScriptsLoadedAt": "t", "SettingsFaults": "u",
              "Running": "u", "Queued": "u", "Runs": "t", "Failures": "t"}


def elements(parent, tag):
    return [node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE and node.tagName == tag]


def interface_of(text):
    interfaces = elements(minidom.parseString(text).documentElement, "interface")
    return next(node for node in interfaces if node.getAttribute("name") == INTERFACE)


def annotations(element):
    """Those that clients may rely on: not what describes or helps code generators, nor what says the default."""
    pairs = [(node.getAttribute("name"), node.getAttribute("value")) for node in elements(element, "annotation")]
    return sorted((name, value) for name, value in pairs if not name.startswith("org.gtk.GDBus.")
                  and (name, value) != ("org.freedesktop.DBus.Property.EmitsChangedSignal", "true"))


def arguments(element, direction):
    return [(node.getAttribute("name"), node.getAttribute("type"), node.getAttribute("direction") or direction)
            for node in elements(element, "arg")]


def signature(member_arguments, direction):
    return "".join(argument[1] for argument in member_arguments if argument[2] == direction)


def normalised(interface):
    """All that a client may rely on, in an order of its own; arguments stay in theirs."""
    methods = {node.getAttribute("name"): (sorted(arguments(node, "in"), key=lambda argument: argument[2]),
                                           annotations(node))
               for node in elements(interface, "method")}
    signals = {node.getAttribute("name"): ([argument[:2] for argument in arguments(node, "")], annotations(node))
               for node in elements(interface, "signal")}
    properties = {node.getAttribute("name"): (node.getAttribute("type"), node.getAttribute("access"), annotations(node))
                  for node in elements(interface, "property")}
    return {"methods": methods, "signals": signals, "properties": properties, "annotations": annotations(interface)}


def comment_before(element):
    """The comment right before an element, as D-Bus interfaces are documented in most projects."""
    node = element.previousSibling
    while node is not None and node.nodeType == Node.TEXT_NODE:
        node = node.previousSibling
    return node.data if node is not None and node.nodeType == Node.COMMENT_NODE else ""


def own_documentation(element):
    """What an element says of itself: a comment before it, a doc element in it, or an annotation."""
    texts = [comment_before(element)]
    for node in element.childNodes:
        if node.nodeType == Node.ELEMENT_NODE and node.tagName.rpartition(":")[2] in ("doc", "docstring"):
            texts += [text.data for text in text_nodes(node)]
        elif node.nodeType == Node.ELEMENT_NODE and node.tagName == "annotation" and "Doc" in node.getAttribute("name"):
            texts.append(node.getAttribute("value"))
    return " ".join(texts).strip()


def text_nodes(element):
    for node in element.childNodes:
        if node.nodeType == Node.TEXT_NODE:
            yield node
        else:
            yield from text_nodes(node)


def argument_documentation(member, argument):
    """An argument's own words, or its "@name:" in those of its method or signal."""
    name = argument.getAttribute("name")
    found = re.search(rf"@{name}\s*:?\s*(\w.*)", own_documentation(member))
    return own_documentation(argument) or (found.group(1) if found else "")


class Introspection(HooksTestCase):
    def setUp(self):
        super().setUp()
        with open(PUBLISHED, encoding="utf-8") as file:
            self.published_text = file.read()
        self.published = interface_of(self.published_text)

    def test_published_is_live(self):
        self.start()
        self.assertEqual(normalised(self.published), normalised(interface_of(self.client.introspect())))

    def test_arguments_are_named(self):
        self.start()
        live = normalised(interface_of(self.client.introspect()))
        for members in (live["methods"], live["signals"]):
            for member, (member_arguments, _annotations) in members.items():
                for argument in member_arguments:
                    self.assertNotEqual(argument[0], "", member)

    def test_contract(self):
        """Once more by hand: neither of the two can move alone, nor both together. The interface only ever grows."""
        live = normalised(self.published)
        methods = {name: (signature(member, "in"), signature(member, "out"))
                   for name, (member, _annotations) in live["methods"].items()}
        self.assertLessEqual(METHODS.items(), methods.items())
        self.assertEqual({name: member for name, (member, _annotations) in live["signals"].items()}, SIGNALS)
        self.assertLessEqual(PROPERTIES.items(), {name: value[0] for name, value in live["properties"].items()}.items())
        self.assertEqual({value[1] for value in live["properties"].values()}, {"read"})

    def test_everything_is_documented(self):
        undocumented = []
        for tag in ("method", "signal", "property"):
            for member in elements(self.published, tag):
                name = member.getAttribute("name")
                if len(own_documentation(member)) < 20:
                    undocumented.append(name)
                undocumented += [f"{name}.{argument.getAttribute('name')}" for argument in elements(member, "arg")
                                 if not argument_documentation(member, argument)]
        self.assertEqual(undocumented, [])

    def test_errors_are_documented(self):
        """By their last part; the first is told once for all."""
        self.assertIn("org.virt.Hooks.Error", self.published_text)
        self.assertEqual([name for name in ERRORS if not re.search(rf"\b{name}\b", self.published_text)], [])

    def test_every_method_names_its_errors(self):
        for member in elements(self.published, "method"):
            self.assertRegex(own_documentation(member), "Errors: ", member.getAttribute("name"))

    def test_parent_objects(self):
        """The object can be found from the root, as busctl tree does."""
        self.start()
        for path, children in (("/", ["org"]), ("/org", ["freedesktop", "virt"]), ("/org/virt", ["Hooks"])):
            reply = Call(self.client, "Introspect", None, interface="org.freedesktop.DBus.Introspectable",
                         path=path).wait()
            nodes = elements(minidom.parseString(reply.values[0]).documentElement, "node")
            self.assertEqual(sorted(node.getAttribute("name") for node in nodes), children)

    def test_unknown_members(self):
        self.start()
        for path, interface, member, error in (
                ("/org/virt/Hooks", INTERFACE, "Nothing", "UnknownMethod"),
                ("/org/virt/Hooks", "org.virt.Nothing", "Qemu", "UnknownMethod"),
                ("/org/virt/Nothing", INTERFACE, "Qemu", "UnknownObject")):
            reply = Call(self.client, member, None, interface=interface, path=path).wait()
            self.assertEqual(reply.error, f"org.freedesktop.DBus.Error.{error}")

    def test_wrong_signature(self):
        self.start()
        for body in (None, GLib.Variant("(s)", ["web-01"]), GLib.Variant("(ssssu)", ["a", "b", "c", "d", 1])):
            reply = Call(self.client, "Qemu", body).wait()
            self.assert_not_run(reply, "org.freedesktop.DBus.Error.InvalidArgs")


if __name__ == "__main__":
    tap.main()
