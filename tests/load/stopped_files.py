# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system that stops: what asks it for anything then waits, whatever signal it gets, as for a server that is gone."""

import os
import select
import stat
import struct
import threading

import mounts

# fuse.h of the kernel
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, INIT, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 26, 36, 42
DIRECT_IO = 1
ROOT, FILE = 1, 2
ENOSYS = 38


def attributes(node):
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
    return struct.pack("=6Q10I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class StoppedFiles:
    """Has one file, which can be opened until stop(), and read never."""

    def __init__(self, directory):
        self.directory = directory
        self.stopped = False
        self.asked = []
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        mounts.mount("fuse", directory, f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other")
        self.end, self.aborted = os.pipe()
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()
        # It has no need to hear of what is closed, and says so once: who closes the file later does not wait for it.
        os.close(self.open())

    def open(self):
        return os.open(os.path.join(self.directory, "file"), os.O_RDONLY | os.O_CLOEXEC)

    def stop(self):
        self.stopped = True

    def abort(self):
        """Whoever waits hears that it is gone."""
        if self.server.is_alive():
            os.close(self.aborted)
            self.server.join()
            mounts.unmount(self.directory)

    def serve(self):
        while self.end not in select.select([self.device, self.end], [], [])[0]:
            self.answer(os.read(self.device, 1 << 18))
        os.close(self.device)
        os.close(self.end)

    def answer(self, request):
        _, operation, unique, node = struct.unpack_from("=IIQQ", request)
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        self.asked.append(operation)
        if operation == READ or (self.stopped and operation != RELEASE):
            return
        error = 0
        if operation == INIT:
            data = struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
        elif operation == LOOKUP:
            data = struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
        elif operation == GETATTR:
            data = struct.pack("=Q2I", 0, 0, 0) + attributes(node)
        elif operation == OPEN:
            data = struct.pack("=Q2I", 0, DIRECT_IO, 0)
        else:
            data, error = b"", 0 if operation == RELEASE else -ENOSYS
        os.write(self.device, struct.pack("=IiQ", 16 + len(data), error, unique) + data)
