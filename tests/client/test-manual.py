#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual says of the command and of the settings what they say of themselves. (The interface has its own test.)"""

import glob
import os
import re
import unittest

from command import CommandTestCase, parse_json, wait_until
import tap
from harness import TOP_BUILDDIR, TOP_SRCDIR, VIRT_HOOKSD, read_text
from samples import GUEST, NETWORK, OPERATIONS, domain, network, port


def source(*names):
    return read_text(os.path.join(TOP_SRCDIR, *names))


def chapter(page, title):
    return re.search(rf"(?ms)^\.Sh {re.escape(title)}$(.*?)(?=^\.Sh |\Z)", source("man", page)).group(1)


def items(text, mark):
    """The text behind each .It that has the mark, by its name."""
    parts = re.split(rf"(?m)^\.It {mark} ([\w.=-]+).*$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class Command(CommandTestCase):
    PAGE = "virt-hooks.1.in"

    def help(self, *verb):
        return self.assert_done(self.bare(*verb, "--help")).text

    def options(self, *verb):
        return set(re.findall(r"(?m)^ .*?--([a-z-]+)", self.help(*verb)))

    def verbs(self):
        return re.findall(r"(?m)^  ([a-z]+) ", self.help().partition("Commands:\n")[2].partition("\n\n")[0])

    def test_commands(self):
        described = re.findall(r"(?m)^\.It Cm ([a-z]+)", chapter(self.PAGE, "COMMANDS"))
        self.assertEqual(sorted(described), sorted(self.verbs()))

    def test_options(self):
        """Of each command there are those, and no others."""
        common = self.options()
        self.assertEqual(set(re.findall(r"(?m)^\.It.*? Fl -([a-z-]+)", chapter(self.PAGE, "OPTIONS"))), common)
        texts = items(chapter(self.PAGE, "COMMANDS"), "Cm")
        for verb in self.verbs():
            with self.subTest(verb=verb):
                described = set(re.findall(r"(?m)^\.It.*? Fl -([a-z-]+)", texts[verb]))
                self.assertEqual(described, self.options(verb) - common)

    def test_synopsis(self):
        """It has all of them, too, with the letter alone where there is one."""
        usages = {}
        for text in re.split(r"(?m)^\.Nm\n\.Cm ", chapter(self.PAGE, "SYNOPSIS"))[1:]:
            verbs, _, rest = text.partition("\n")
            usages |= {verb: set(re.findall(r"Fl (-?[a-z-]+)", rest)) for verb in verbs.split(" | ")}
        self.assertEqual(sorted(usages), sorted(self.verbs()))
        for verb, used in usages.items():
            common = self.help().partition("Options:\n")[2].splitlines()
            own = "\n".join(line for line in self.help(verb).splitlines() if line not in common)
            self.assertEqual(used, {letter or option for letter, option in re.findall(r"(?m)^  (?:-([a-z]),|   ) -(-[a-z-]+)", own)}, verb)

    def keys(self, verb):
        """Those that are explained for the JSON of a command; some refer to another one's."""
        text = items(chapter(self.PAGE, "JSON"), "Cm")[verb]
        return set(re.findall(r"\.Li ([A-Za-z_]+)", text)).union(*map(self.keys, re.findall(r"(?m)^\.Cm ([a-z]+)$", text)))

    def check_keys(self, verb, objects):
        self.assertNotEqual(objects, [])
        for each in objects:
            self.assertLessEqual(each.keys(), self.keys(verb), verb)

    def test_json(self):
        """No key is printed that is not explained."""
        door = self.gate()
        self.script("qemu", f"echo words >&2; [ $2 != started ] || {door.wait}; [ $2 != start ]")
        self.script("network", "kill -9 $$")
        xml = self.write(self.path("web-01.xml"), domain())
        follower = self.follow("monitor", "--json")
        follower.wait_line("ServiceGone")
        self.start()
        self.check_keys("run", self.virt_hooks("--json", "run", "qemu", GUEST, "start", f"--xml={xml}").objects)
        self.client.hook("network", NETWORK, "port-created", network(), port())
        self.client.send_hook("qemu", GUEST, "started", domain())
        waiting = self.client.send_hook("qemu", GUEST, "stopped", domain())
        wait_until(lambda: self.client.property("Queued") == 1, "a call to wait")
        for verb in ("list", "status", "scripts"):
            self.check_keys(verb, self.virt_hooks("--json", verb).objects)
        self.check_keys("show", self.virt_hooks("--json", "show", self.virt_hooks("--json", "list").objects[0]["run"]).objects)
        door.open()
        waiting.wait()
        follower.wait_line("HookFinished", "stopped")
        self.check_keys("monitor", [parse_json(line) for line in follower.lines])
        runs = self.virt_hooks("--json", "history", "--memory").objects
        self.check_keys("history", runs)
        for run in runs:
            shown, = self.virt_hooks("--json", "show", run["run"]).objects
            self.assertLessEqual(shown.keys() | {key for result in shown["results"] for key in result}, self.keys("show"))
        self.check_keys("rehearse", self.bare("--json", "rehearse", "qemu", xml, f"--hooks-directory={self.hooks}",
                                              "--operations=prepare,start").objects)
        self.script("lxc", "", mode=0o644)
        self.check_keys("check", self.bare("--json", "check", self.hooks).objects)

    def test_kinds_of_findings(self):
        """Each word that check has for what it finds."""
        text = items(chapter(self.PAGE, "JSON"), "Cm")["check"]
        listed = re.findall(r"\.Li ([a-z-]+)", text.partition("one of these words")[2])
        files = [read_text(path) for path in glob.glob(os.path.join(TOP_SRCDIR, "client", "*.c"))]
        used = {kind for file in files for kind in re.findall(r'findings_add\([^;"]*"([a-z-]+)"', file)}
        self.assertEqual(listed, sorted(used))

    def test_exit_statuses(self):
        """Each has a name in the source, and its place in the manual."""
        statuses = re.findall(r"(?m)^\s*EXIT_\w+ = (\d+)", source("client", "verbs.h"))
        text = chapter(self.PAGE, "EXIT STATUS")
        for status in statuses:
            self.assertRegex(text, rf"(?m)^\.It {status}\b")


class Service(CommandTestCase):
    def test_options(self):
        described = re.findall(r"(?m)^\.It Fl -([a-z-]+)", chapter("virt-hooksd.8.in", "OPTIONS"))
        result = self.bare("--help", program=VIRT_HOOKSD)
        self.assertEqual(sorted(described), sorted(set(re.findall(r"--([a-z-]+)", result.text)) | {"help"}))


class Settings(CommandTestCase):
    PAGE = "virt-hooks.conf.5.in"

    def described(self):
        """The settings of each section with their defaults."""
        sections = {}
        for name in ("Bridge", "Scripts"):
            texts = items(chapter(self.PAGE, f"THE [{name}] SECTION"), "Sy")
            sections[name] = {setting.rstrip("="): re.findall(r"(?m)^Default:\n\.Li (.*)$", text)[-1] for setting, text in texts.items()}
        return sections

    def exampled(self):
        """The same of the file that comes along."""
        sections = {}
        for line in source("bridge", "virt-hooks.conf.example.in").splitlines():
            if match := re.match(r"\[(\w+)\]$", line):
                settings = sections.setdefault(match.group(1), {})
            elif match := re.match(r"#(\w+)=(.*)$", line):
                settings[match.group(1)] = match.group(2)
        return {name: settings for name, settings in sections.items() if settings}

    def test_example_has_the_defaults(self):
        self.assertEqual(self.exampled(), self.described())

    def test_service_takes_the_example(self):
        """Also with all its lines in force."""
        text = read_text(os.path.join(TOP_BUILDDIR, "bridge", "virt-hooks.conf.example"))
        service = self.start(re.sub(r"(?m)^#(\w+=)", r"\1", text))
        self.call_anything()
        self.assertNotIn("virt-hooks.conf", service.stderr())

    def test_names(self):
        """All that the source knows."""
        known = re.findall(r'(?m)^\s*\{ "(\w+)",\s+(?:NUMBER|SIZE|TIME|offsetof)', source("bridge", "settings.c"))
        described = self.described()
        self.assertEqual(sorted([*known, "HooksDirectories"]), sorted([*described["Bridge"], *described["Scripts"]]))


class Interface(unittest.TestCase):
    def test_operations(self):
        """The table has all of them, with what is theirs."""
        rows = [tuple(row.split(" Ta ")) for row in re.findall(r"(?m)^\.It ([a-z]+ Ta .*)$", chapter("org.virt.Hooks.5.in", "OPERATIONS"))]

        def document(operation):
            kind = {"daemon": "none", "network": "network"}.get(operation.kind, "domain")
            return kind + (" and port" if operation.is_port else "") + (", filter" if operation.is_filter else "")
        self.assertEqual(rows, [(each.kind, each.name, each.suboperation, each.extra, document(each), each.effect) for each in OPERATIONS])


class Pages(unittest.TestCase):
    def test_references(self):
        """What is named as a page of ours is one."""
        pages = {os.path.basename(path).removesuffix(".in") for path in glob.glob(os.path.join(TOP_SRCDIR, "man", "*.in"))}
        for page in pages:
            named = re.findall(r"(?m)^\.Xr ((?:org\.)?virt\S*) (\d)", source("man", f"{page}.in"))
            self.assertLessEqual({f"{name}.{section}" for name, section in named}, pages | {"virtlogd.8"}, page)


if __name__ == "__main__":
    tap.main()
