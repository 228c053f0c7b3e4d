#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Sets up what the tests need, builds in a folder of its own, and runs all tests: with gcc, with clang,
# with the sanitizers, under valgrind, from the tarball. Leaves nothing behind but packages.
#
#   --quick   leaves out those that need a booted systemd, with libvirtd in it, and the packages for them

set -u
top=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/setup.sh
. "$top/tests/setup.sh"

case $#:${1:-} in
0:) quick=no ;;
1:--quick) quick=yes ;;
1:-h | 1:--help)
        cat <<END
Usage: $0 [--quick]

Builds virt-hooks and runs all its tests. Leaves nothing behind but packages.

      --quick  Leave out those that need a booted systemd
END
        exit
        ;;
*)
        echo "usage: $0 [--quick]" >&2
        exit 2
        ;;
esac

test_packages="acl bash clang clang-format clang-tidy cppcheck dbus-broker debhelper dpkg-dev libclang-rt-14-dev libcmocka-dev
        lintian mandoc polkitd python3-dbus python3-editorconfig python3-gi shellcheck strace util-linux valgrind libxml2-utils xz-utils zsh"
machine_packages="dbus dbus-broker dbus-user-session dnsmasq-base iproute2 iptables jq libvirt-clients libvirt-daemon
        libvirt-daemon-driver-lxc libvirt-daemon-system polkitd procps python3 qemu-system-x86 systemd-container"
[ "$quick" = yes ] || test_packages="$test_packages $machine_packages"
# shellcheck disable=SC2086,SC2154 # lists of words, of setup.sh
need_packages $build_packages $client_packages $test_packages || exit

work=$(mktemp -d "${TMPDIR:-/tmp}/virt-hooks-test.XXXXXX")
chmod 755 "$work" # plain users are among the tests
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

jobs=$(nproc)
passed=0 failed=0 skipped=0

# stage NAME COMMAND...: one step that is right or wrong as a whole.
stage() {
        local name=$1 log=$work/stage.log begun=$SECONDS
        shift
        printf '== %s\n' "$name"
        if "$@" >"$log" 2>&1; then
                passed=$((passed + 1))
                printf '   %s s\n' $((SECONDS - begun))
        else
                failed=$((failed + 1))
                tail -n 60 "$log"
                printf 'FAILED: %s\n' "$name"
                return 1
        fi
}

# check NAME FOLDER TARGET [MAKE'S ARGUMENTS]: runs the tests of a build, one program after another, since many of them measure
# time, and counts them one by one.
check() {
        local name=$1 folder=$2 log=$work/check.log begun=$SECONDS
        printf '== %s\n' "$name"
        make -C "$folder" "${@:3}" >"$log" 2>&1
        local status=$?
        local pass fail skip error
        pass=$(sed -n 's/^# PASS: *//p' "$log" | tail -n 1)
        skip=$(sed -n 's/^# SKIP: *//p' "$log" | tail -n 1)
        fail=$(sed -n 's/^# FAIL: *//p' "$log" | tail -n 1)
        error=$(sed -n 's/^# ERROR: *//p' "$log" | tail -n 1)
        passed=$((passed + ${pass:-0}))
        skipped=$((skipped + ${skip:-0}))
        failed=$((failed + ${fail:-0} + ${error:-0}))
        printf '   %s passed, %s failed, %s skipped in %s s\n' "${pass:-0}" $((${fail:-0} + ${error:-0})) "${skip:-0}" $((SECONDS - begun))
        if [ $status -ne 0 ]; then
                [ $((${fail:-0} + ${error:-0})) -gt 0 ] || failed=$((failed + 1))
                grep -E '^(FAIL|ERROR)' "$log"
                [ ! -f "$folder/test-suite.log" ] || tail -n 200 "$folder/test-suite.log"
                tail -n 20 "$log"
        fi
}

configure_in() {
        local folder=$1
        shift
        mkdir -p "$folder" && (cd "$folder" && "$work/source/configure" --enable-werror "$@")
}

build() {
        configure_in "$@" && make -C "$1" -j"$jobs" && make -C "$1" -j"$jobs" check TESTS=
}

# In a build of its own, of which gcc's analyser compiles all anew.
analyze() (
        { [ -f "$work/analyzed/Makefile" ] || configure_in "$work/analyzed"; } && cd "$work/analyzed" &&
                "$work/source/tests/analyze" "$1"
)

# A compiler looks into one folder after the other, and of two headers with one name takes the first.
lint_header_names() (
        cd "$work/source" || return
        for folders in 'bridge client tests/unit tests/fuzz' 'bridge tests/bench'; do
                # shellcheck disable=SC2086 # words
                twice=$(find $folders -maxdepth 1 -name '*.h' -printf '%f\n' | sort | uniq -d)
                [ -z "$twice" ] || { echo "More than one of $folders has $twice" && return 1; }
        done
)

lint_shell() {
        cd "$work/source" && shellcheck -x demo.sh test.sh .ci/run tests/setup.sh debian/tests/installed debian/virt-hooks.p* examples/hooks/network \
                tests/analyze tests/fuzz/run-fuzzers \
                examples/hooks/*.d/*
}

lint_format() {
        (cd "$work/source" && find bridge client tests -name '*.[ch]' -print0 |
                xargs -0 clang-format --dry-run --Werror)
}

lint_data() {
        mandoc -Tlint -Wwarning "$work"/gcc/man/*.[0-9] &&
                xmllint --nonet --noout "$work"/source/dbus-interfaces/*.xml &&
                xmllint --nonet --noout "$work"/source/policy/*.conf "$work"/source/policy/*.policy
}

# Says nothing that somebody new would stop at.
make_configure() {
        local words status
        words=$(cd "$work/source" && autoreconf -fi 2>&1)
        status=$?
        printf '%s\n' "$words"
        [ $status -eq 0 ] && [[ $words != *warning* ]]
}

# What the documents in the folder $1 link to is there.
follow_links() {
        local links document link
        links=$(grep -roP --include='*.md' '\]\(\K[^)#]+' "$1") || return
        while IFS=: read -r document link; do
                [ -e "${document%/*}/$link" ] || { echo "$document links to $link" && return 1; }
        done <<<"$links"
}

# Everything that make install puts somewhere is taken away by make uninstall, and libvirt has its own hook back; while a hook runs
# that cannot be, and nothing goes.
install_and_uninstall() {
        local hooks=$work/destdir/usr/local/etc/libvirt/hooks
        (umask 077 && make -C "$work/gcc" install DESTDIR="$work/destdir") && mkdir -p "$hooks" &&
                follow_links "$work/destdir/usr/local/share/doc/virt-hooks" &&
                diff -r -x polkit "$work/source/examples" "$work/destdir/usr/local/share/doc/virt-hooks/examples" &&
                [ -x "$work/destdir/usr/local/share/doc/virt-hooks/examples/hooks/network" ] &&
                [ "$(stat -c %a "$work"/destdir/usr/local/etc/virt-hooks{,/hooks,/virt-hooks.conf.d} | sort -u)" = 755 ] &&
                printf '#!/bin/sh\n' >"$hooks/qemu" && chmod +x "$hooks/qemu" &&
                "$work/destdir/usr/local/bin/virt-hooks" attach --root="$work/destdir" && [ -L "$hooks/qemu" ] &&
                ! flock -s "$work/destdir/usr/local/etc/virt-hooks/attach.state" make -C "$work/gcc" uninstall DESTDIR="$work/destdir" &&
                [ -x "$work/destdir/usr/local/sbin/virt-hooks-forward" ] &&
                make -C "$work/gcc" uninstall DESTDIR="$work/destdir" && [ ! -L "$hooks/qemu" ] &&
                [ "$(find "$work/destdir" ! -type d -o -name '*virt-hooks*')" = "$hooks/qemu" ]
}

# Whoever gets a tarball has a compiler and make, and perhaps nothing else that made it: those here would tell of it. The times of its
# files ask for none of them either.
build_from_tarball() {
        local tool stubs=$work/stubs place=$work/from-tarball
        mkdir "$stubs" "$place" && for tool in git autoconf autoheader autom4te automake automake-1.16 aclocal aclocal-1.16 autoreconf \
                m4 python3; do
                printf '#!/bin/sh\necho "%s $*" >>"%s/called"\nexit 1\n' "$tool" "$stubs" >"$stubs/$tool"
        done && chmod +x "$stubs"/* && make -C "$work/gcc" dist &&
                tar -C "$place" --strip-components=1 -xf "$work"/gcc/virt-hooks-*.tar.xz && mkdir "$place/build" &&
                (cd "$place/build" && PATH=$stubs:$PATH ../configure --enable-werror && PATH=$stubs:$PATH make -j"$jobs" &&
                        bridge/virt-hooksd --version && client/virt-hooks --help && client/virt-hooks-forward --version) || return
        [ ! -e "$stubs/called" ] || { cat "$stubs/called" && return 1; }
}

# As a plain user, who has nothing but what the tarball has.
distcheck() {
        local place=$work/plain as_plain_user=()
        mkdir "$place" && cp "$work"/gcc/virt-hooks-*.tar.xz "$place/virt-hooks.tar.xz" || return
        if [ "$(id -u)" -eq 0 ]; then
                chown -R nobody:nogroup "$place" && as_plain_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
        fi
        "${as_plain_user[@]}" env -i PATH="$PATH" HOME="$place" sh -ec '
                cd && mkdir source build && tar -C source --strip-components=1 -xf virt-hooks.tar.xz && cd build
                ../source/configure && make distcheck TEST_TIMEOUT_FACTOR=3'
}

# Told in configure.ac; the package and the news have it as well.
one_version() {
        local version
        version=$(sed -n 's/^PACKAGE_VERSION=.\(.*\).$/\1/p' "$work/source/configure")
        [ "$(dpkg-parsechangelog -l "$work/source/debian/changelog" -S Version)" = "$version" ] &&
                [ "$(head -n 1 "$work/source/NEWS")" = "virt-hooks $version" ]
}

# It builds and runs nothing for whoever asks what it does, or means something else.
demo_arguments() {
        local arguments
        "$work/source/demo.sh" --help >"$work/words" && grep -q '^Usage: ' "$work/words" && ! grep -q Building "$work/words" || return
        for arguments in --frob word '--help word'; do
                # shellcheck disable=SC2086 # words
                "$work/source/demo.sh" $arguments 2>"$work/words"
                [ $? -eq 2 ] && grep -q '^usage: ' "$work/words" || return
        done
}

# Whoever builds in a clone finds all of it again.
keeps_sources() {
        local gone
        gone=$(cd "$work/source" && find . -type f ! -path './autom4te.cache/*' -print | sort | (cd "$1" && while read -r file; do
                [ -e "$file" ] || printf '%s\n' "$file"
        done))
        [ -z "$gone" ] || { echo "The build takes away $gone" && return 1; }
}

# The tests themselves have run by now.
debian_package() {
        mkdir "$work/package" && cp -a "$work/source" "$work/package/source" && cd "$work/package/source" &&
                DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS="nocheck parallel=$jobs" dpkg-buildpackage -us -uc -b &&
                lintian --fail-on error --allow-root "$work"/package/*.changes && keeps_sources "$work/package/source" &&
                [ -f "$(dpkg-deb -x "$work"/package/virt-hooks_*.deb "$work/package/unpacked" &&
                        PKG_CONFIG_PATH=$work/package/unpacked/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/package/unpacked \
                                pkg-config --variable=interfaces_dir virt-hooks)/org.virt.Hooks.xml" ]
}

package_in_machine() {
        cp "$work"/package/virt-hooks_*.deb "$work/system/virt-hooks.deb" &&
                top_srcdir=$work/source top_builddir=$work/system TEST_TIMEOUT_FACTOR=3 \
                        /usr/bin/python3 "$work/source/tests/machine/test-package.py"
}

copy_source "$work/source"
stage 'autoreconf' make_configure || exit 1
stage 'build with gcc' build "$work/gcc"
check 'tests' "$work/gcc" check TEST_TIMEOUT_FACTOR=3
check 'load, faults and access on dbus-broker' "$work/gcc" check TEST_TIMEOUT_FACTOR=3 VIRT_HOOKS_TEST_BUS=dbus-broker \
        VIRT_HOOKS_TEST_CALLS=3000 TESTS='tests/load/test-faults.py tests/load/test-journald.py tests/load/test-linger.py tests/load/test-need.py
                tests/load/test-shortage.py tests/load/test-slow-bus.py tests/load/test-storm.py
                tests/bus/test-policy.py tests/bus/test-polkit.py'
stage 'build with clang' build "$work/clang" CC=clang
stage 'build with the address and undefined-behaviour sanitizers' \
        build "$work/sanitizers" --enable-sanitizers=address,undefined CFLAGS='-g -O1'
# Of the benchmark there would be nothing to learn.
check 'tests under the sanitizers' "$work/sanitizers" check TEST_TIMEOUT_FACTOR=4 VIRT_HOOKS_TEST_CALLS=1500 bench_tests=
stage 'build of the fuzzers' configure_in "$work/fuzzers" CC=clang --enable-fuzzers CFLAGS='-g -O1' &&
        check 'fuzzers, a fixed number of inputs each' "$work/fuzzers" fuzz-briefly -s -j"$jobs"
# Not optimised: fortified functions share an address in glibc, and valgrind takes one for another.
stage 'build for valgrind' build "$work/valgrind" CFLAGS='-g -O0'
check 'main paths under valgrind' "$work/valgrind" check TEST_TIMEOUT_FACTOR=10 VIRT_HOOKS_FUZZ_CALLS=1500 \
        VIRT_HOOKSD_WRAPPER='valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect --track-fds=no --trace-children=no' \
        TESTS='tests/bus/test-operations.py tests/bus/test-filters.py tests/bus/test-run.py tests/bus/test-recordings.py tests/bus/test-dbus-fuzz.py'
check 'commands and forwarder under valgrind' "$work/valgrind" check TEST_TIMEOUT_FACTOR=10 TESTS=tests/client/test-memory.py
if [ "$quick" = no ]; then
        stage 'build for a system' build "$work/system" --prefix=/usr --sysconfdir=/etc
        check 'tests in a booted systemd' "$work/system" check-machine TEST_TIMEOUT_FACTOR=3
fi
stage 'install and uninstall' install_and_uninstall
stage 'tarball: build without git and autotools' build_from_tarball &&
        stage 'tarball: make distcheck as a plain user' distcheck
stage 'one version' one_version
stage 'Debian package' debian_package
[ "$quick" = yes ] || stage 'Debian package in a booted systemd' package_in_machine
stage 'analysis by gcc' analyze gcc
stage 'analysis by clang-tidy' analyze clang-tidy
stage 'analysis by cppcheck' analyze cppcheck
stage 'shell scripts' lint_shell
stage 'layout of the code' lint_format
stage 'names of headers' lint_header_names
stage 'layers of the architecture' "$work/source/tests/layers"
stage 'layout of all files' "$work/source/tests/editorconfig"
stage 'manual pages and XML' lint_data
stage 'the arguments of the demo' demo_arguments
stage 'demo' "$work/source/demo.sh"
stage 'demo, again' "$work/source/demo.sh"

printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]
