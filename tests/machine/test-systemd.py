#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service as a unit of a real systemd, on dbus-daemon."""

import machine
from systemd_cases import *  # noqa: F403 (the tests)

if __name__ == "__main__":
    machine.main(seconds=240)
