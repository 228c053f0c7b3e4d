#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service as a unit of a real systemd, on dbus-broker."""

import os

os.environ["VIRT_HOOKS_MACHINE_BUS"] = "dbus-broker"

import machine  # noqa: E402 (it reads the environment)
from systemd_cases import *  # noqa: E402, F403 (the tests)

if __name__ == "__main__":
    machine.main(seconds=240)
