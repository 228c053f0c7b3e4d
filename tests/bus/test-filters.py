#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters: migrate and restore go on with the document that the scripts print."""

import shlex

import samples
import tap
from harness import HooksTestCase

TITLE = "s|</uuid>|</uuid><title>{}</title>|"


class Filters(HooksTestCase):
    def migrate(self, *texts, document=None, settings="", **keywords):
        """Runs a chain of scripts as filters."""
        for number, text in enumerate(texts):
            self.script(f"qemu.d/{number}0-filter", text)
        self.start(settings)
        return self.client.hook("qemu", samples.GUEST, "migrate", document or samples.domain(), **keywords)

    def assert_output(self, reply, output):
        self.assert_return(reply)
        self.assertEqual(reply.values[0], output)
        self.assert_finished(reply.run, "success", "proceed")

    def assert_invalid_output(self, reply, *fragments):
        self.assert_error(reply, "InvalidOutput", samples.GUEST, *fragments)
        event = self.client.finished(reply.run)
        self.assertEqual((event.outcome, event.effect), ("invalid-output", "abort"))
        self.assertTrue(event.details["reason"])

    def print_document(self, document):
        """The text of a script that prints this document, to the byte."""
        content = document if isinstance(document, bytes) else document.encode()
        return f"cat > /dev/null; cat {shlex.quote(self.write(self.path('printed'), content))}"

    def test_rewrites(self):
        self.assert_output(self.migrate("sed 's|web-01.img|moved.img|'",
                                        document=samples.domain(inside="  <x>web-01.img</x>\n")),
                           samples.domain(inside="  <x>moved.img</x>\n"))

    def test_output_is_taken_to_the_byte(self):
        domain = samples.domain().rstrip("\n").replace("\n", "\r\n")
        document = f"<?xml version='1.0'?>\n<!-- by hand -->\n\n{domain}  \n\n\t"
        self.assert_output(self.migrate(self.print_document(document)), document)

    def test_each_reads_what_the_last_printed(self):
        seds = [f"sed '{TITLE.format(number)}'" for number in (1, 2, 3)]
        titles = "<title>3</title><title>2</title><title>1</title>"
        self.assert_output(self.migrate(*seds), samples.domain().replace("</uuid>", f"</uuid>{titles}"))

    def test_printing_nothing_changes_nothing(self):
        self.assert_output(self.migrate("cat > /dev/null"), samples.domain())

    def test_printing_blanks_changes_nothing(self):
        self.assert_output(self.migrate("cat > /dev/null; printf ' \\n\\t\\r\\n  '"), samples.domain())

    def test_silent_script_in_a_chain_passes_on(self):
        self.assert_output(self.migrate(f"sed '{TITLE.format(1)}'", "exit 0", "printf '\\n'", "cat"),
                           samples.domain().replace("</uuid>", "</uuid><title>1</title>"))

    def test_after_a_failure_the_original(self):
        """The failed script's output is dropped, and so is all that came before it."""
        keep = [f"tee {shlex.quote(self.path(f'read-{number}'))}" for number in range(4)]
        reply = self.migrate(f"{keep[0]} | sed '{TITLE.format(1)}'", f"{keep[1]} | sed '{TITLE.format(2)}'; exit 4",
                             keep[2], keep[3])
        self.assert_error(reply, "ScriptFailed", "unexpected exit status 4")
        self.assert_finished(reply.run, "failed", "abort", "qemu.d/10-filter exited with status 4", scripts=4)
        original, titled = samples.domain(), samples.domain().replace("</uuid>", "</uuid><title>1</title>")
        for number, expected in enumerate((original, titled, original, original)):
            with open(self.path(f"read-{number}"), encoding="utf-8") as file:
                self.assertEqual(file.read(), expected, f"script {number}")

    def test_output_ends_at_its_first_nul(self):
        self.assert_output(self.migrate("cat; printf '\\000<junk'"), samples.domain())

    def test_nul_first_is_nothing(self):
        self.assert_output(self.migrate("cat > /dev/null; printf '\\000'"), samples.domain())

    def test_stderr_does_not_matter(self):
        self.assert_output(self.migrate("echo warning >&2; cat; echo more >&2"), samples.domain())

    def test_large_document(self):
        """A megabyte in and out, through a chain."""
        document = samples.large_domain(1 << 20)
        self.assert_output(self.migrate("cat", "cat", document=document), document)

    def test_writes_before_it_reads(self):
        """A filter that fills its stdout before it reads its stdin."""
        document = samples.large_domain(1 << 20)
        printed = shlex.quote(self.write(self.path("printed"), document))
        self.assert_output(self.migrate(f"cat {printed}; cat > /dev/null", document=document), document)

    def test_bash_tee_log(self):
        """The usual way of a bash hook to keep a log; the last lines come after the script's own end."""
        log = shlex.quote(self.path("log"))
        reply = self.migrate(f"#!/bin/bash\nexec > >(tee {log})\nsed '{TITLE.format('logged')}'\n")
        expected = samples.domain().replace("</uuid>", "</uuid><title>logged</title>")
        self.assert_output(reply, expected)
        with open(self.path("log"), encoding="utf-8") as file:
            self.assertEqual(file.read(), expected)

    def test_uuid_may_be_spelled_otherwise(self):
        """The same uuid in capitals is the same uuid."""
        document = samples.domain(uuid=samples.GUEST_UUID.upper())
        self.assert_output(self.migrate(self.print_document(document)), document)

    def test_not_well_formed(self):
        self.assert_invalid_output(self.migrate("sed 's|</domain>||'"))

    def test_words_instead_of_a_document(self):
        self.assert_invalid_output(self.migrate("echo hook ran; cat"))

    def test_other_root(self):
        self.assert_invalid_output(self.migrate("sed 's/domain/network/'"))

    def test_other_name(self):
        self.assert_invalid_output(self.migrate("sed 's/web-01/web-02/'"))

    def test_other_uuid(self):
        self.assert_invalid_output(self.migrate("sed 's/5c1b3b7e/00000000/'"))

    def test_no_uuid(self):
        self.assert_invalid_output(self.migrate("sed '/uuid/d'"))

    def test_no_name(self):
        self.assert_invalid_output(self.migrate("sed '/name/d'"))

    def test_not_utf8(self):
        self.assert_invalid_output(self.migrate("cat > /dev/null; printf '<domain>\\351</domain>'"))

    def test_characters_that_messages_do_not_carry(self):
        """XML has U+1FFFE, sd-bus has not."""
        self.assert_invalid_output(self.migrate(self.print_document(samples.domain(inside="<x>\U0001fffe</x>"))))

    def test_dtd_and_entities(self):
        document = "<!DOCTYPE domain [<!ENTITY e 'x'>]>\n" + samples.domain(inside="<title>&e;</title>")
        self.assert_invalid_output(self.migrate(self.print_document(document)))

    def test_only_the_end_of_the_chain_is_judged(self):
        """A script in the middle may print what it likes, as long as the next one puts it right."""
        self.assert_output(self.migrate("echo '# first line'; cat", "tail -n +2"), samples.domain())

    def test_too_much_output(self):
        """Output beyond MaxOutput ends in one error; what was cut off is never passed on."""
        reply = self.migrate("head -c 2000000 /dev/zero | tr '\\0' ' '; cat", settings="[Bridge]\nMaxOutput=64K\n")
        self.assert_invalid_output(reply)

    def test_grace_for_output(self):
        """The text of a child that outlives the script counts, if it comes within the grace."""
        gate = self.gate()
        pid = self.path("pid")
        self.script("qemu", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec 3<&0; ({gate.wait}; cat <&3) & exit 0")
        self.start("[Scripts]\nOutputGrace=30s\n")
        call = self.client.send_hook("qemu", samples.GUEST, "migrate", samples.domain("web-01"))
        self.wait_ended(pid)
        self.client.settle()
        self.assertFalse(call.done)
        gate.open()
        self.assert_output(call.wait(), samples.domain())

    def test_grace_is_over(self):
        """What was printed in time counts; the child that holds the pipe is not waited for."""
        gate = self.gate()
        self.script("qemu", f"cat; ({gate.wait}; echo late) &")
        self.start("[Scripts]\nOutputGrace=100ms\n")
        self.assert_output(self.client.hook("qemu", samples.GUEST, "migrate", samples.domain()), samples.domain())


if __name__ == "__main__":
    tap.main()
