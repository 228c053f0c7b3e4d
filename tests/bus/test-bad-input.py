#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that are refused for what they pass: the right error, which names the object, and nothing has run."""

import samples
import tap
from client import INVALID_ARGS
from harness import HooksTestCase
from samples import GUEST, NETWORK, domain, hook_data, network, port

UUID = f"<uuid>{samples.GUEST_UUID}</uuid>"
KINDS = ("daemon", "qemu", "lxc", "libxl", "network")


class BadInputTestCase(HooksTestCase):
    settings = ""

    def setUp(self):
        super().setUp()
        for kind in KINDS:
            self.tracing_script(kind)
        self.start(self.settings)

    def refuse(self, error, fragments, *arguments, **keywords):
        self.assert_not_run(self.client.hook(*arguments, **keywords), error, *fragments)
        # Whatever came, the service still serves.
        self.assertEqual((self.client.property("Running"), self.client.property("Queued")), (0, 0))

    def refuse_document(self, document, error="InvalidDocument", fragments=(GUEST,)):
        self.refuse(error, fragments, "qemu", GUEST, "start", document)


class Operations(BadInputTestCase):
    def test_unknown_operation(self):
        for kind, operation in (("qemu", "teleport"), ("qemu", "suspend"), ("qemu", "port-created"),
                                ("qemu", "PREPARE"), ("qemu", " start"), ("lxc", "migrate"), ("lxc", "attach"),
                                ("libxl", "restore")):
            with self.subTest(kind=kind, operation=operation):
                self.refuse("UnknownOperation", [GUEST, operation], kind, GUEST, operation, domain())

    def test_unknown_operation_of_a_network(self):
        for operation in ("prepare", "plugged", "unplugged", "port"):
            with self.subTest(operation=operation):
                self.refuse("UnknownOperation", [NETWORK, operation], "network", NETWORK, operation, network(), "")

    def test_unknown_operation_of_the_daemon(self):
        for operation in ("stop", "started", "restart"):
            with self.subTest(operation=operation):
                self.refuse("UnknownOperation", [operation], "daemon", "-", operation)

    def test_no_operation(self):
        self.refuse("UnknownOperation", [GUEST], "qemu", GUEST, "", domain())

    def test_wrong_suboperation(self):
        for operation, suboperation in (("prepare", "end"), ("prepare", "-"), ("stopped", "begin"), ("start", "middle"),
                                        ("start", "BEGIN"), ("start", "begin ")):
            with self.subTest(operation=operation, suboperation=suboperation):
                self.refuse("UnknownOperation", [GUEST, operation], "qemu", GUEST, operation, domain(),
                            suboperation=suboperation)

    def test_wrong_suboperation_of_the_daemon(self):
        for operation, suboperation in (("start", "begin"), ("shutdown", "end"), ("reload", "-")):
            with self.subTest(operation=operation):
                self.refuse("UnknownOperation", [operation], "daemon", "-", operation, suboperation=suboperation)


class Names(BadInputTestCase):
    def test_control_characters(self):
        for name in ("a\nb", "\n", "web-01\n", "a\tb", "a\rb", "\x01", "a\x1bb", "a\x7fb", "a\x80b", "a\x9fb",
                     "a\x85b"):
            with self.subTest(name=name):
                self.refuse(INVALID_ARGS, [], "qemu", name, "start", domain(name))

    def test_slashes(self):
        for name in ("/", "a/b", "../qemu", "/etc/passwd"):
            with self.subTest(name=name):
                self.refuse(INVALID_ARGS, [], "qemu", name, "start", domain(name))

    def test_empty(self):
        self.refuse(INVALID_ARGS, [], "qemu", "", "start", domain(""))

    def test_too_long(self):
        for name in ("x" * 256, "x" * 65536, "ä" * 128):
            with self.subTest(length=len(name)):
                self.refuse(INVALID_ARGS, [], "qemu", name, "start", domain(name))

    def test_longest(self):
        """255 bytes are fine; a script gets every one of them."""
        for name in ("x" * 255, "ä" * 127):
            self.assert_return(self.client.hook("qemu", name, "start", domain(name)))
            self.assertEqual(self.trace()[-1], f"qemu {name} start begin -")

    def test_message_stays_small(self):
        """A long name is not sent back whole, nor do its control characters reach somebody's terminal."""
        for name in ("x" * 65536, "a\x1b[31mb"):
            reply = self.client.hook("qemu", name, "start", domain())
            self.assert_error(reply, INVALID_ARGS)
            self.assertLess(len(reply.message), 2048)
            self.assertNotIn("\x1b", reply.message)

    def test_extra(self):
        for extra in ("a\nb", "a\x7fb", "x" * 256, "x" * 65536):
            with self.subTest(length=len(extra)):
                self.refuse(INVALID_ARGS, [GUEST], "qemu", GUEST, "release", domain(), extra=extra)

    def test_network_and_daemon(self):
        self.refuse(INVALID_ARGS, [], "network", "a/b", "start", network("a/b"), "")
        self.refuse(INVALID_ARGS, [], "daemon", "-", "start", extra="a\nb")


class Documents(BadInputTestCase):
    settings = "[Bridge]\nMaxDocument=256K\n"

    def test_empty(self):
        for document in ("", " \n\t\n"):
            with self.subTest(document=document):
                self.refuse_document(document)

    def test_not_well_formed(self):
        for document in ("no document", "<domain", "<domain>", domain() + "<", domain() + "junk", domain() + domain(),
                         domain().replace("</name>", ""), domain(inside="<a><b></a></b>"), domain(inside="<a b=1/>"),
                         domain(inside="<a b='1' b='2'/>"), domain(inside="a & b"), domain(inside="<x:y:z/>\x01"),
                         domain(inside="<![CDATA[ x"), domain(inside="<!-- -- -->"), domain(inside="&#0;"),
                         " " + "<?xml version='1.0'?>" + domain()):
            with self.subTest(document=document[-60:]):
                self.refuse_document(document)

    def test_wrong_root(self):
        for document in (network(GUEST), "<Domain/>", domain().replace("domain", "domains"), hook_data(domain()),
                         f"<domainsnapshot>{domain()}</domainsnapshot>"):
            with self.subTest(document=document[:30]):
                self.refuse_document(document)

    def test_wrong_root_of_a_network(self):
        for document in (domain(NETWORK), "<hookData/>", hook_data(domain(NETWORK)), hook_data(network() + network()),
                         f"<hookdata>{network()}</hookdata>"):
            with self.subTest(document=document[:30]):
                self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start", document, "")

    def test_other_name_than_the_call(self):
        for name in ("web-02", "web-0", "web-011", "WEB-01", ""):
            with self.subTest(name=name):
                self.refuse_document(domain(name))

    def test_name_that_is_not_the_domains(self):
        """A name deeper in the document is not the domain's."""
        self.refuse_document(f"<domain>{UUID}<metadata><name>{GUEST}</name></metadata></domain>")
        self.refuse_document(f"<domain>{UUID}</domain>")

    def test_two_names_or_uuids(self):
        """Which of them is meant, the scripts would have to guess."""
        self.refuse_document(domain(inside="<name>web-02</name>"))
        self.refuse_document(domain(inside=f"<name>{GUEST}</name>"))
        self.refuse_document(domain(inside=f"<uuid>{samples.NETWORK_UUID}</uuid>"))

    def test_other_name_of_a_network(self):
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start", network("other"), "")
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start", hook_data(network("other")), "")

    def test_no_uuid(self):
        self.refuse_document(f"<domain><name>{GUEST}</name></domain>")
        self.refuse_document(f"<domain><name>{GUEST}</name><devices>{UUID}</devices></domain>")
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start",
                    f"<network><name>{NETWORK}</name></network>", "")

    def test_bad_uuid(self):
        good = samples.GUEST_UUID
        for bad in ("", "none", good[:-1], good + "0", good.replace("5", "g"), "{" + good + "}", f"{good} {good}"):
            with self.subTest(uuid=bad):
                self.refuse_document(domain(uuid=bad))
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start", network(uuid="bad"), "")

    def test_bad_port(self):
        bad = {"no uuid": "<networkport/>", "bad uuid": port(uuid="bad"), "not well-formed": port()[:-5],
               "wrong root": port().replace("networkport", "port"), "two": port() + port()}
        for what, document in bad.items():
            with self.subTest(what=what):
                self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "port-created", network(), document)

    def test_wrapping_cannot_be_broken_out_of(self):
        """Two halves that are well-formed only together."""
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "port-created",
                    network().replace("</network>", "<x>"), "</x></network>" + port())

    def test_port_operation_without_a_port(self):
        for operation in ("port-created", "port-deleted"):
            self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, operation, network(), "")
            self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, operation, hook_data(network()), "")

    def test_port_with_a_network_operation(self):
        for operation in ("start", "started", "stopped", "updated"):
            self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, operation, network(), port())
            self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, operation, hook_data(network(), port()), "")

    def test_hook_data_and_a_port(self):
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "port-created", hook_data(network()), port())

    def test_dtd(self):
        for dtd in ("<!DOCTYPE domain>", "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'>",
                    "<!DOCTYPE domain PUBLIC '-//X' 'http://192.0.2.1/x.dtd'>",
                    "<!DOCTYPE domain [<!ELEMENT domain ANY>]>"):
            with self.subTest(dtd=dtd):
                self.refuse_document(f"{dtd}\n{domain()}")
        self.refuse("InvalidDocument", [NETWORK], "network", NETWORK, "start", "<!DOCTYPE network>" + network(), "")

    def test_entities(self):
        self.refuse_document(domain(inside="<x>&undefined;</x>"))
        for definition in ("'text'", "SYSTEM 'file:///etc/passwd'"):
            self.refuse_document(f"<!DOCTYPE domain [<!ENTITY e {definition}>]>" + domain(inside="<x>&e;</x>"))
        self.refuse_document(f"<!DOCTYPE domain [<!ENTITY e '{GUEST}'>]>" + domain("&e;"))

    def test_a_billion_laughs(self):
        entities = "<!ENTITY a0 'ha'>" + "".join(
            f"<!ENTITY a{level} '{f'&a{level - 1};' * 10}'>" for level in range(1, 10))
        self.refuse_document(f"<!DOCTYPE domain [{entities}]>" + domain(inside="<x>&a9;</x>"))

    def test_too_deep(self):
        for depth in (200, 10000):
            with self.subTest(depth=depth):
                self.refuse_document(domain(inside="<a>" * depth + "</a>" * depth), "LimitExceeded")

    def test_too_large(self):
        self.refuse_document(samples.large_domain(300 << 10), "LimitExceeded")
        large_network = network().replace("</network>", f"<x>{'x' * (300 << 10)}</x></network>")
        self.refuse("LimitExceeded", [NETWORK], "network", NETWORK, "start", large_network, "")

    def test_too_large_or_too_deep_a_port(self):
        for inside in (f"<x>{'x' * (300 << 10)}</x>", "<a>" * 200 + "</a>" * 200):
            self.refuse("LimitExceeded", [NETWORK], "network", NETWORK, "port-created", network(),
                        port().replace("</networkport>", f"{inside}</networkport>"))

    def test_noncharacters(self):
        """D-Bus lets them pass, sd-bus does not, and XML has no place for them."""
        for character in "\ufffe\uffff":
            self.refuse_document(domain(inside=character))


class Accepted(BadInputTestCase):
    """What looks odd and is right."""

    def accept(self, *arguments):
        self.assert_return(self.client.hook(*arguments))
        self.assertEqual(self.trace().pop().split()[0], arguments[0])

    def test_domains(self):
        for document in (domain().rstrip("\n"), "<?xml version='1.0' encoding='UTF-8'?>\n" + domain(),
                         "<!-- a comment first -->\n" + domain() + "<!-- and last -->\n",
                         domain(inside="<x>&amp;&lt;&#228;&#xe4;<![CDATA[<not a tag>]]></x>"),
                         domain(inside="<q:commandline xmlns:q='urn:q'><q:arg value='-s'/></q:commandline>"),
                         domain(inside="<y:z xmlns:y='u'/>" + "<a>" * 100 + "</a>" * 100),
                         domain(uuid=samples.GUEST_UUID.upper()), domain().replace("\n", "\r\n")):
            with self.subTest(document=document[:60]):
                self.accept("qemu", GUEST, "start", document)

    def test_name_with_markup(self):
        self.accept("qemu", "<a> & 'b'", "start", domain("&lt;a> &amp; 'b'"))

    def test_default_size(self):
        """4 MiB is libvirt's own limit for a string, and the default for documents."""
        self.accept("qemu", GUEST, "start", samples.large_domain((4 << 20) - 4096))
        self.client.settle()
        before = len(self.client.events)
        reply = self.client.hook("qemu", GUEST, "start", samples.large_domain(4 << 20))
        self.assert_error(reply, "LimitExceeded", GUEST)
        self.client.settle()
        self.assertEqual(len(self.client.events), before)


if __name__ == "__main__":
    tap.main()
