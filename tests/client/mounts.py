# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts that only the test program and its children see, and that go with them. Only root can make them."""

import ctypes
import os

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def enter_private_namespace():
    """From here on mounts are this program's own."""
    _check(_libc().unshare(CLONE_NEWNS), "unshare")
    _check(_libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")


def mount(kind, target, data=None):
    _check(_libc().mount(kind.encode(), os.fsencode(target), kind.encode(), 0, data and data.encode()),
           f"mount -t {kind} {target}")


def bind(source, target):
    """The file `source` is found at `target`, too."""
    _check(_libc().mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None), f"mount --bind {source} {target}")


def cover(target, place):
    """What is changed below the folder `target` from here on lands in the empty folder `place`, and goes with it."""
    mount("tmpfs", place, "mode=755")
    upper, work = os.path.join(place, "upper"), os.path.join(place, "work")
    os.mkdir(upper)
    os.mkdir(work)
    mount("overlay", target, f"lowerdir={target},upperdir={upper},workdir={work}")


def unmount(target):
    _check(_libc().umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")
