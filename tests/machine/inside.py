# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests in a booted machine do again and again."""

import os
import subprocess
import time
from dataclasses import dataclass

from machine import FACTOR


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds * FACTOR
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.01)
    return result


@dataclass
class Result:
    """What a program said."""
    command: tuple
    status: int
    stdout: str
    stderr: str


def run(*command, seconds=40):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                            errors="replace", timeout=seconds * FACTOR, check=False)
    return Result(command, result.returncode, result.stdout, result.stderr)


def must(*command):
    result = run(*command)
    if result.status != 0:
        raise AssertionError(f"{command} ended with {result.status}: {result.stdout}{result.stderr}")
    return result.stdout


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path
