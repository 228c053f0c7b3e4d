#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Prints a line for each hook that has finished, and says how many events
# were missed.
#
#     listen.sh [--system|--session]
#
# gdbus puts sender='org.virt.Hooks' into its match rule, so that forged
# signals do not get here. It needs no privilege. ("virt-hooks monitor
# --json" does the same, and its lines are easier to take apart.)

instance=
gdbus monitor "${1:---system}" \
        --dest org.virt.Hooks --object-path /org/virt/Hooks |
    while IFS= read -r line; do
        # The last such text in the line is the service's own, whatever a
        # guest is called.
        number=$(printf '%s\n' "$line" | sed -n "s/.*'sequence': <uint64 \
\([0-9]*\)>, 'instance': <'\([0-9a-f-]*\)'>.*/\1 \2/p")
        [ -n "$number" ] || continue # about the name or a property
        sequence=${number% *}

        # The sequence of an instance has no gaps and starts with 1.
        if [ "${number#* }" != "$instance" ]; then
            expected=${instance:+1}
            instance=${number#* }
        fi
        [ "$sequence" -eq "${expected:-$sequence}" ] ||
            echo "$((sequence - expected)) events were missed"
        expected=$((sequence + 1))

        case $line in
        "/org/virt/Hooks: org.virt.Hooks.HookFinished "*)
            printf '%s\n' "${line#*HookFinished }"
            ;;
        esac
    done
