# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of virt-hooks(1) for bash. It needs no function of the bash-completion package.

# Column $1 of the table of operations, of those rows that have the type $2 and the operation $3 where these are not empty.
_virt_hooks_table() {
    local row
    while read -r -a row; do
        [[ ${2:-${row[0]}} == "${row[0]}" && ${3:-${row[1]}} == "${row[1]}" ]] && echo "${row[$1]}"
    done <<'END'
@OPERATIONS@
END
}

# The extra arguments that libvirt gives with the operation $2 of the type $1.
_virt_hooks_extra() {
    _virt_hooks_table 3 "$1" "$2"
    case $1,$2 in
    qemu,release | lxc,release) echo unknown shutdown destroyed crashed migrated saved failed daemon ;;
    esac
}

# The lines that the service has for "$@ --json", as the sed script $1 makes them. Over ssh and in
# containers it is not asked, for that may take long or want a password.
_virt_hooks_ask() {
    local expression=$1
    shift
    [[ $remote ]] || "$program" "${bus[@]}" "$@" --json 2>/dev/null </dev/null | sed -n "$expression"
}

# The ids of runs that the command $@ prints.
_virt_hooks_runs() {
    _virt_hooks_ask 's/^{"run":"\([0-9a-f-]*\)".*/\1/p' "$@"
}

# Guests or networks of the type $1 that had hooks, of any type where that is empty. Names that need
# quoting are left out.
_virt_hooks_objects() {
    if [[ $1 == daemon ]]; then
        echo -
        return
    fi
    local expression='s/^{"run":"[^"]*","type":"'${1:-[a-z]*}'","object":"\([A-Za-z0-9._+-]*\)".*/\1/p'
    {
        _virt_hooks_ask "$expression" list
        _virt_hooks_ask "$expression" history --memory
    } | sort -u
}

# Offers the words $1, each once: the table has a row for each operation.
_virt_hooks_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current" | sort -u)
}

# Offers directories, and files that match $1 where it is given.
_virt_hooks_files() {
    mapfile -t COMPREPLY < <(
        compgen -d -- "$current"
        [[ $1 ]] && compgen -f -X "!$1" -- "$current"
    )
    compopt -o filenames
}

# Offers words with commas between.
_virt_hooks_list() {
    local before=
    [[ $current == *,* ]] && before=${current%,*},
    mapfile -t COMPREPLY < <(compgen -P "$before" -W "$1" -- "${current##*,}" | sort -u)
    compopt -o nospace
}

# Offers values of the option $1. Returns 1 where it takes none.
_virt_hooks_value() {
    case $1 in
    --type) _virt_hooks_words "$(_virt_hooks_table 0)" ;;
    --object) _virt_hooks_words "$(_virt_hooks_objects "$type")" ;;
    --operation) _virt_hooks_words "$(_virt_hooks_table 1 "$type")" ;;
    --operations) _virt_hooks_list "$(_virt_hooks_table 1 "$type")" ;;
    --since | --until) _virt_hooks_words 'today yesterday now' ;;
    --xml | --port-xml) _virt_hooks_files '*.xml' ;;
    --config) _virt_hooks_files '*.conf' ;;
    --directory | --hooks-directory | --root) _virt_hooks_files ;;
    --host | -H) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current") ;;
    --machine | -M)
        _virt_hooks_words "$(machinectl --no-legend list 2>/dev/null | cut -d ' ' -f 1)"
        ;;
    --address | --timeout | --lines | -n) ;;
    *) return 1 ;;
    esac
}

_virt_hooks_options() {
    local options='--json --version --help'
    case $1 in
    check | rehearse | attach | detach) ;;
    *) options+=' --system --user --address= --host= --machine=' ;;
    esac
    case $1 in
    run) options+=' --xml= --port-xml= --timeout=' ;;
    monitor) options+=' --type= --object= --operation= --failed' ;;
    history)
        options+=' --since= --until= --type= --object= --operation= --failed --lines= --directory= --memory'
        ;;
    show) options+=' --directory=' ;;
    check) options+=' --config=' ;;
    attach | detach) options+=' --dry-run --root=' ;;
    rehearse) options+=' --hooks-directory= --operations= --port-xml= --config=' ;;
    esac
    _virt_hooks_words "$options"
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}

_virt_hooks() {
    local program=$1 current remote='' command='' type='' word option value i
    local words=() bus=() arguments=()
    local commands='run monitor list history show cancel status scripts reload check rehearse attach detach help'
    local line=${COMP_LINE:0:COMP_POINT}

    COMPREPLY=()

    # bash splits words at equals signs and colons, too. Here they are joined again.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ! $line || $line == [[:space:]]* || $i -eq 0 ]]; then
            words+=("$word")
        else
            words[-1]+=$word
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"$word"}
    done
    current=${words[-1]}
    unset 'words[-1]'

    # What stands before the cursor: the bus, the command and its arguments.
    option=
    for word in "${words[@]:1}"; do
        value=$word
        if [[ ! $option && $word == --*=* ]]; then
            option=${word%%=*} value=${word#*=}
        elif [[ ! $option ]]; then
            case $word in
            --user | --system) bus=("$word") ;;
            --address | --host | -H | --machine | -M | --type | --object | --operation | --operations | \
                --since | --until | --lines | -n | --directory | --hooks-directory | --root | --config | --xml | \
                --port-xml | --timeout) option=$word ;;
            -?*) ;;
            *) if [[ $command ]]; then arguments+=("$word"); else command=$word; fi ;;
            esac
            continue
        fi
        case $option in
        --address) bus=("--address=$value") ;;
        --host | -H | --machine | -M) remote=yes ;;
        --type) type=$value ;;
        esac
        option=
    done
    case $command in
    run | rehearse) type=${arguments[0]} ;;
    esac

    if [[ $option ]] && _virt_hooks_value "$option"; then
        return
    fi
    case $current in
    --*=*)
        # Only what stands behind the last equals sign or colon is replaced.
        option=${current%%=*} current=${current#*=}
        _virt_hooks_value "$option"
        return
        ;;
    -?*)
        _virt_hooks_options "$command"
        return
        ;;
    esac
    case $command,${#arguments[@]} in
    ,* | help,0) _virt_hooks_words "$commands" ;;
    run,0 | rehearse,0) _virt_hooks_words "$(_virt_hooks_table 0)" ;;
    run,1) _virt_hooks_words "$(_virt_hooks_objects "$type")" ;;
    run,2) _virt_hooks_words "$(_virt_hooks_table 1 "$type")" ;;
    run,3) _virt_hooks_words "$(_virt_hooks_table 2 "$type" "${arguments[2]}")" ;;
    run,4) _virt_hooks_words "$(_virt_hooks_extra "$type" "${arguments[2]}")" ;;
    rehearse,1) _virt_hooks_files '*.xml' ;;
    check,*) _virt_hooks_files ;;
    attach,* | detach,*) _virt_hooks_words "$(_virt_hooks_table 0)" ;;
    cancel,0) _virt_hooks_words "$(_virt_hooks_runs list)" ;;
    show,0)
        _virt_hooks_words "$(
            _virt_hooks_runs list
            _virt_hooks_runs history --memory
        )"
        ;;
    esac
}

complete -F _virt_hooks virt-hooks
