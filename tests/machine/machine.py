# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with a real systemd, the project installed in it, and a test program that runs there as a unit.

The machine is a container: systemd-nspawn boots an overlay over this system's own root, so that it has every package that is
installed here, and whatever it changes goes with it. Its mounts are in a namespace of their own and its processes in a cgroup
of their own: nothing is left, however it ends. Only root can have one. `make check-machine` runs these tests.

A test program is an ordinary one that ends with `machine.main()` where others have `tap.main()`. Started by make, it boots a
machine, runs itself in it, and passes on what it says; its own folders are seen below /mnt/virt-hooks there.

    $top_srcdir, $top_builddir   the sources, and a build that was configured with --prefix=/usr --sysconfdir=/etc
    $TEST_TIMEOUT_FACTOR         how much slower than usual this machine may be
    $VIRT_HOOKS_MACHINE_BUS      the system bus in the machine: dbus-daemon (the default) or dbus-broker
    $VIRT_HOOKS_MACHINE_KEEP     a folder that gets the machine's console and journal, for whoever looks for the reason

With `Machine` itself a test program can look at a machine from outside: boot it more than once, or pull its plug.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [os.path.join(HERE, os.pardir, "bus"), os.path.join(HERE, os.pardir, "client")]

import mounts  # noqa: E402 (the path comes first)
import tap  # noqa: E402

TOP_SRCDIR = os.path.abspath(os.environ.get("top_srcdir", os.path.join(HERE, os.pardir, os.pardir)))
TOP_BUILDDIR = os.path.abspath(os.environ.get("top_builddir", TOP_SRCDIR))
FACTOR = float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))
BUS = os.environ.get("VIRT_HOOKS_MACHINE_BUS", "dbus-daemon")

# Where the machine finds what is ours.
INSIDE = "/mnt/virt-hooks"
RESULTS = f"{INSIDE}/results"

# Set in the machine, and nowhere else.
IS_INSIDE_NAME = "VIRT_HOOKS_MACHINE"
IS_INSIDE = IS_INSIDE_NAME in os.environ

# Not multi-user.target: what this system's administrator has enabled is none of the tests' business.
TARGET = """[Unit]
Description=The test of virt-hooks
Requires=basic.target
Wants=virt-hooks-test.service
After=basic.target
AllowIsolate=yes
"""

UNIT = """[Unit]
Description=The test program
After=basic.target dbus.socket
SuccessAction=poweroff
FailureAction=poweroff

[Service]
Type=oneshot
ExecStart={command}
ExecStopPost=/bin/sh -c 'echo "$EXIT_STATUS" > {results}/status; journalctl -q -o short-monotonic > {results}/journal'
WorkingDirectory=/
StandardOutput=append:{results}/output
StandardError=append:{results}/output
TimeoutStartSec=infinity
"""

# Nothing comes by itself: no clock's timers, and no sockets of libvirtd's that nobody asked for.
MASKED = ("timers.target", "libvirtd-tls.socket", "libvirtd-tcp.socket", "systemd-networkd.service", "systemd-resolved.service",
          "console-getty.service", "getty.target", "libvirt-guests.service", "networking.service")


class MachineError(Exception):
    """The machine did not do what it is there for. That is never the fault of the test that was to run in it."""


def _run(*command, **keywords):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                            errors="replace", check=False, **keywords)
    if result.returncode != 0:
        raise MachineError(f"{shlex.join(command)} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


# Ends the machine and takes all away when its standard input ends: when the test lets go of it, or is killed.
GUARD = """
trap '' HUP INT TERM
read -r _
cgroup=$1 directory=$2
if [ -d "$cgroup" ]; then
        echo 1 >"$cgroup/cgroup.kill"
        # Who was killed may take a moment to go.
        until find "$cgroup" -depth -type d -exec rmdir {} \\; 2>/dev/null && [ ! -d "$cgroup" ]; do
                sleep 0.05
        done
fi
for place in "$directory/root" "$directory" /sys/fs/cgroup /run; do
        ! mountpoint -q "$place" || umount -l "$place"
done
rmdir "$directory"
"""


class Machine:
    """`with Machine() as machine:` has it installed; run() boots it. `root` is its root folder, to be changed at will."""

    def __init__(self):
        self.process = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise MachineError("only root can boot a machine (test.sh --quick does without)")
        mounts.enter_private_namespace()
        self.directory = tempfile.mkdtemp(prefix="virt-hooks-machine-")
        self.cgroup = os.path.join("/sys/fs/cgroup", os.path.basename(self.directory))
        self.guard = subprocess.Popen(["sh", "-c", GUARD, "guard", self.cgroup, self.directory], stdin=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.guard.stdin.close()
        status = self.guard.wait()
        if self.process is not None:
            self.process.wait()
        if status != 0:
            raise MachineError(f"something is left of the machine in {self.directory}")

    def _set_up(self):
        # nspawn writes to the one which machines it runs, and sees in the other cgroup v2 alone, whatever is here.
        mounts.mount("tmpfs", "/run", "mode=755")
        mounts.mount("cgroup2", "/sys/fs/cgroup")
        os.mkdir(self.cgroup)
        mounts.mount("tmpfs", self.directory, "mode=755")
        self.root, self.results = self._folder("root"), self._folder("results")
        mounts.mount("overlay", self.root, f"lowerdir=/,upperdir={self._folder('upper')},workdir={self._folder('work')}")
        self._install()

    def _folder(self, name):
        path = os.path.join(self.directory, name)
        os.mkdir(path, mode=0o755)
        return path

    def path(self, path):
        """Where a path of the machine is, seen from here."""
        return self.root + path

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(path)), mode=0o755, exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(path), mode)

    def link(self, path, target):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(path))
        os.symlink(target, self.path(path))

    def _install(self):
        # Not that of this system, if it has it installed.
        for path in ("/etc/virt-hooks", "/etc/libvirt/hooks"):
            shutil.rmtree(self.path(path), ignore_errors=True)
        _run("make", "-C", TOP_BUILDDIR, "install", f"DESTDIR={self.root}",
             env={name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})
        if not os.path.exists(self.path("/usr/share/dbus-1/system.d/org.virt.Hooks.conf")):
            raise MachineError(f"{TOP_BUILDDIR} must be configured with --prefix=/usr --sysconfdir=/etc")
        for path in ("/etc/virt-hooks/hooks", "/etc/libvirt/hooks"):
            os.makedirs(self.path(path), mode=0o755, exist_ok=True)
        # systemd makes a new one.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("/etc/machine-id"))
        self.write("/etc/systemd/journald.conf.d/virt-hooks-test.conf",
                   "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nForwardToConsole=no\n")
        for unit in MASKED:
            self.link(f"/etc/systemd/system/{unit}", "/dev/null")
        bus_unit = {"dbus-daemon": "dbus.service", "dbus-broker": "dbus-broker.service"}[BUS]
        self.link("/etc/systemd/system/dbus.service", f"/lib/systemd/system/{bus_unit}")
        self.write("/etc/systemd/system/virt-hooks-test.target", TARGET)
        os.makedirs(self.path(INSIDE))
        for name in ("source", "build", "results"):
            os.mkdir(self.path(f"{INSIDE}/{name}"))

    def start(self, *command):
        """Boots it, and runs this command in it. The machine is powered off when the command has ended."""
        for name in ("status", "output", "journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.results, name))
        open(self.output_path, "wb").close()
        self.write("/etc/systemd/system/virt-hooks-test.service",
                   UNIT.format(results=RESULTS, command=" ".join(f'"{word}"' for word in command)))
        # The process enters the cgroup before it becomes nspawn, which makes the machine's below its own.
        enter = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.cgroup)
        nspawn = ("setpriv", "--pdeathsig", "KILL", "systemd-nspawn", "-q", "-D", self.root, "-b", "--register=no", "--keep-unit",
                  "--private-network", "--capability=all", f"--machine=virt-hooks-test-{os.getpid()}",
                  f"--bind-ro={TOP_SRCDIR}:{INSIDE}/source", f"--bind-ro={TOP_BUILDDIR}:{INSIDE}/build",
                  f"--bind={self.results}:{RESULTS}", "--console=pipe", "--", "--unit=virt-hooks-test.target",
                  "--show-status=no", "--log-target=journal")
        with open(os.path.join(self.results, "console"), "ab") as console:
            self.process = subprocess.Popen([*enter, *nspawn], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})

    def run(self, *command, seconds, output=None):
        """Boots it, runs a command in it, and returns its exit status. What it says is passed on at once."""
        self.start(*command)
        deadline = time.monotonic() + seconds * FACTOR
        with open(self.output_path, "rb") as said:
            while True:
                ended = self.process.poll() is not None
                if text := said.read():
                    (output or sys.stdout.buffer).write(text)
                    (output or sys.stdout.buffer).flush()
                if ended:
                    break
                if time.monotonic() > deadline:
                    self.pull_plug()
                    raise MachineError(f"after {seconds * FACTOR:g} s the machine still runs\n{self.read('console')}")
                time.sleep(0.05)
        status = self.read("status").strip()
        if not status:
            raise MachineError(f"the machine did not run its test:\n{self.read('console')}")
        return int(status) if status.isdigit() else status

    @property
    def output_path(self):
        return os.path.join(self.results, "output")

    def read(self, name):
        """A file that the machine has written to its results; empty where it has not."""
        try:
            with open(os.path.join(self.results, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def journal(self):
        """The lines of the last boot's."""
        return self.read("journal").splitlines()

    def pull_plug(self):
        """Ends it at once, as a power failure would."""
        with open(os.path.join(self.cgroup, "cgroup.kill"), "w", encoding="ascii") as file:
            file.write("1")
        if self.process is not None:
            self.process.wait()

    def keep_logs(self):
        folder = os.environ.get("VIRT_HOOKS_MACHINE_KEEP")
        if folder:
            shutil.copytree(self.results, folder, dirs_exist_ok=True)


def _exit_on_signals():
    """Whoever interrupts the test interrupts it once: cleaning up is not to be interrupted in turn."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

    def on_signal(number, _frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in numbers:
        signal.signal(number, on_signal)


def main(seconds=120, new_machine=Machine):
    """Runs the program's tests, in a machine of their own that gets this much time."""
    if IS_INSIDE:
        tap.main()
    _exit_on_signals()
    program = os.path.relpath(os.path.abspath(sys.argv[0]), TOP_SRCDIR)
    environment = {IS_INSIDE_NAME: "1", "top_srcdir": f"{INSIDE}/source", "top_builddir": f"{INSIDE}/build",
                   "TEST_TIMEOUT_FACTOR": f"{FACTOR:g}", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "VIRT_HOOKS_MACHINE_BUS": BUS}
    try:
        with new_machine() as machine:
            try:
                status = machine.run("/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()),
                                     "/usr/bin/python3", f"{INSIDE}/source/{program}", *sys.argv[1:], seconds=seconds)
                if status != 0:
                    print("".join(f"# {line}\n" for line in ["--- the end of the journal:", *machine.journal()[-100:]]), end="")
            finally:
                machine.keep_logs()
    except MachineError as error:
        print(f"Bail out! {str(error).splitlines()[0]}")
        print("\n".join(f"# {line}" for line in str(error).splitlines()[1:]))
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 1)
