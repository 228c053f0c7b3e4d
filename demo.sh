#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Shows what virt-hooks is for: builds it, starts the service on a private bus with the sample hooks of
# examples/hooks, and takes a guest through its life with the documents that a real libvirtd gave to its
# hooks. Leaves nothing behind but packages.

set -eu
top=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/setup.sh
. "$top/tests/setup.sh"

case $#:${1:-} in
0:) ;;
1:-h | 1:--help)
        cat <<END
Usage: $0

Builds virt-hooks, starts it on a bus of its own, and takes a guest through its life. Leaves nothing behind but packages.
END
        exit
        ;;
*)
        echo "usage: $0" >&2
        exit 2
        ;;
esac

# shellcheck disable=SC2086,SC2154 # lists of words, of setup.sh
need_packages $build_packages $client_packages

work=$(mktemp -d "${TMPDIR:-/tmp}/virt-hooks-demo.XXXXXX")
bus_pid='' service_pid='' monitor_pid=''
clean_up() {
        local status=$?
        for pid in $service_pid $monitor_pid $bus_pid; do
                kill "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
        done
        rm -rf "$work"
        exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
        bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
        bold='' dim='' red='' green='' plain=''
fi
title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$@"; }

# --- build --------------------------------------------------------------------------------------

say "Building in $work; this takes a minute or so ..."
copy_source "$work/source"
if ! (cd "$work/source" && autoreconf -fi && mkdir build && cd build && ../configure && make -j"$(nproc)") \
        >"$work/build.log" 2>&1; then
        tail -n 30 "$work/build.log" >&2
        exit 1
fi

# --- a bus, the service, an observer ------------------------------------------------------------

cat >"$work/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$work/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
END
address="unix:path=$work/bus"
dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --print-address >"$work/bus.log" 2>&1 &
bus_pid=$!
until [ -S "$work/bus" ]; do sleep 0.02; done

# Copied, for the service runs no hook that others may write, and a clone may well be such.
mkdir -m 755 "$work/hooks" "$work/hooks/qemu.d"
install -m 755 "$top/examples/hooks/network" "$work/hooks/"
install -m 755 "$top"/examples/hooks/qemu.d/* "$work/hooks/qemu.d/"

: >"$work/virt-hooks.conf"
# With the environment of a system service, since the hooks' own comes from there.
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
        "$work/source/build/bridge/virt-hooksd" --address="$address" --config="$work/virt-hooks.conf" \
        --hooks-directory="$work/hooks" 2>"$work/service.log" &
service_pid=$!
gdbus wait --address "$address" --timeout 10 org.virt.Hooks 2>/dev/null || {
        cat "$work/service.log" >&2
        exit 1
}
gdbus monitor --address "$address" --dest org.virt.Hooks --object-path /org/virt/Hooks >"$work/signals" &
monitor_pid=$!
until grep -q 'is owned by' "$work/signals"; do sleep 0.02; done

# --- calls --------------------------------------------------------------------------------------

call() {
        gdbus call --address "$address" --dest org.virt.Hooks --object-path /org/virt/Hooks --timeout 60 \
                --method "org.virt.Hooks.$1" -- "${@:2}" 2>&1
}

# What gdbus monitor printed since the last time, without the details, a line a signal.
signals_seen=2
show_signals() {
        local expected=$((signals_seen + $1)) tries=0
        while [ "$(wc -l <"$work/signals")" -lt "$expected" ] && [ $tries -lt 250 ]; do
                sleep 0.02
                tries=$((tries + 1))
        done
        sed -n "$((signals_seen + 1)),\$p" "$work/signals" | while read -r line; do
                local reason=''
                case $line in *"'reason': <"*) reason=${line#*"'reason': <"} reason=", ${reason%%>*}" ;; esac
                say "$line" | sed -E "
                        s/^[^ ]+ org\.virt\.Hooks\.(Hook[A-Za-z]+) \('([^']*)', '([^']*)', '([^']*)', .*'[0-9a-f-]{36}', '([a-z-]+)', '([a-z]+)', uint64 ([0-9]+), \{.*/  \1   \2 \3 \4: \5, \6 after \7 us/
                        s/^[^ ]+ org\.virt\.Hooks\.(HookStarted) \('([^']*)', '([^']*)', '([^']*)', .*/  \1    \2 \3 \4/" |
                        while read -r text; do say "    ${dim}signal${plain}  $text$reason"; done
        done
        signals_seen=$expected
}

# step METHOD OBJECT OPERATION DOCUMENT...: makes the call and shows what came of it.
step() {
        local method=$1 object=$2 operation=$3 reply
        last_reply=''
        printf '\n  %s%s %s %s%s\n' "$bold" "$method" "$object" "$operation" "$plain"
        if reply=$(call "$method" "$object" "$operation" '' '' "${@:4}"); then
                last_reply=$reply
                say "    ${green}reply${plain}   ${reply:0:100}$([ ${#reply} -le 100 ] || echo ' ...')"
        else
                say "    ${red}error${plain}   $reply"
        fi
        show_signals 2
}

recording() { cat "$top/tests/data/recordings/$1.stdin"; }

images=$work/images
mkdir "$images"
touch "$images/web-01.img"
domain() { recording "$1" | sed "s|/var/lib/libvirt/images/|$images/|"; }

title "The hooks in $work/hooks, as the service sees them"
"$work/source/build/client/virt-hooks" --address="$address" scripts

title "A guest starts: libvirt, or any other daemon, calls the hooks in this order"
step Qemu web-01 prepare "$(domain 06-qemu-prepare)"
step Network default port-created "$(recording 07-network-port-created)" ''
step Qemu web-01 start "$(domain 08-qemu-start)"
step Qemu web-01 started "$(domain 09-qemu-started)"

title "... and stops"
step Qemu web-01 stopped "$(domain 12-qemu-stopped)"
step Network default port-deleted "$(recording 13-network-port-deleted)" ''
step Qemu web-01 release "$(domain 14-qemu-release)"

title "Its disk is gone: the hook vetoes the start, and the caller reads the script's own words"
rm "$images/web-01.img"
step Qemu web-01 prepare "$(domain 06-qemu-prepare)"
say "" "    The signal tells everybody that it failed; what the script printed is for the caller alone."

title "It migrates to this host: a filter rewrites where its disk lies"
recording 15-qemu-restore >"$work/before.xml"
step Qemu web-01 migrate "$(cat "$work/before.xml")"
# The reply is gdbus's text of a string: what is in it stands between the quotes.
printf '%s\n' "$last_reply" | sed 's/^("//; s/", uint32 .*$//; s/\\n/\n/g; s/\\"/"/g' >"$work/after.xml"
diff "$work/before.xml" "$work/after.xml" | sed -n 's/^[<>].*/    &/p' || true

title "What the service counted"
"$work/source/build/client/virt-hooks" --address="$address" status | sed -n 's/^ *Runs:  /  /p'
title "The same for people: virt-hooks history"
"$work/source/build/client/virt-hooks" --address="$address" history

kill "$service_pid"
wait "$service_pid"
service_pid=''
title "Done. README.md shows how to make any of these calls by hand."
