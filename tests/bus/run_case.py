# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of Run share: documents in descriptors, and the check of a raw result."""

import fcntl
import os

from harness import HooksTestCase


class RunTestCase(HooksTestCase):
    def setUp(self):
        super().setUp()
        self.seen = self.path("seen")

    def keep(self, fd):
        """Closes the descriptor when the test ends."""
        self.addCleanup(self.close, fd)
        return fd

    @staticmethod
    def close(fd):
        try:
            os.close(fd)
        except OSError:
            # The test has closed it already.
            pass

    def memfd(self, content, seals=0):
        fd = self.keep(os.memfd_create("document", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.write(fd, content if isinstance(content, bytes) else content.encode())
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd

    def sealed(self, content):
        return self.memfd(content, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)

    def pipe(self):
        reader, writer = os.pipe()
        return self.keep(reader), self.keep(writer)

    def recorder(self, name="qemu", after=""):
        """A script that keeps the document it was given."""
        return self.tracing_script(name, f"cat > {self.seen}\n{after}")

    def assert_seen(self, document):
        with open(self.seen, encoding="utf-8") as file:
            self.assertEqual(file.read(), document)

    def assert_result(self, reply, outcome, status, output="", errors="", effect="proceed", scripts=1, reason=None):
        """Every run that began is answered with its result, and HookFinished says the same."""
        self.assert_return(reply)
        self.addCleanup(reply.close)
        self.assertEqual(reply.signature, "sihhsa{sv}")
        told_outcome, told_status, output_handle, errors_handle, run, details = reply.values
        self.assertEqual((told_outcome, told_status), (outcome, status))
        self.assertEqual(reply.read(output_handle), output if isinstance(output, bytes) else output.encode())
        self.assertEqual(reply.read(errors_handle), errors if isinstance(errors, bytes) else errors.encode())
        self.assertEqual((details["effect"], details["scripts"], details.get("reason")), (effect, scripts, reason))
        self.assertEqual("message" in details, outcome not in ("success", "no-script"))
        self.assertEqual("remedy" in details, outcome not in ("success", "no-script", "failed", "killed"))
        if "remedy" in details:
            self.assertTrue(details["message"].endswith(f": {reason}: {details['remedy']}"), details)
        event = self.assert_finished(run, outcome, effect, reason, scripts)
        self.assertEqual(event.duration, details["duration_usec"])
        return details
