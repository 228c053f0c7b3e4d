# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What demo.sh and test.sh have in common: the packages of a Debian 12, and a build in a folder of its
# own, so that nothing is left behind. Sourced; $top is the source tree.

build_packages="autoconf automake gcc libc6-dev make pkg-config libsystemd-dev libxml2-dev uuid-dev libjson-c-dev"
client_packages="dbus-daemon libglib2.0-bin systemd"

# Installs what is missing of the packages in $@. Only root can; others are told what root should run.
need_packages() {
        missing=
        for package in "$@"; do
                state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
                [ "$state" = installed ] || missing="$missing $package"
        done
        [ -n "$missing" ] || return 0

        if [ "$(id -u)" -ne 0 ]; then
                echo "Some packages are missing. As root, run:" >&2
                echo "  apt-get install --no-install-recommends$missing" >&2
                exit 2
        fi
        echo "Installing:$missing"
        apt-get -qq update
        # shellcheck disable=SC2086 # a list of words
        install_stopped $missing
}

# Installs the packages in $@ and starts none of their daemons: Debian's own switch for that is this file.
install_stopped() (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
                trap 'rm -f $policy' EXIT
                trap 'exit 130' INT TERM
                printf '#!/bin/sh\nexit 101\n' >$policy
                chmod 755 $policy
        fi
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" >/dev/null
)

# Copies the source tree to the folder $1: what git knows, or in an unpacked tarball all of it.
copy_source() {
        mkdir -p "$1"
        if git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
                (cd "$top" && git ls-files -z --cached --others --exclude-standard |
                        tar -c --null --ignore-failed-read -T - 2>/dev/null) | tar -x -C "$1"
        else
                cp -a "$top/." "$1"
        fi
        # A build in the tree itself would be in the way of others.
        (cd "$1" && rm -rf build && rm -f Makefile config.status && find . -name '*.[ao]' -exec rm -f {} +)
}
