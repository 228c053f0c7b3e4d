#compdef virt-hooks
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of virt-hooks(1) for zsh.

# Sets $bus to the options that say where the bus is. Over ssh and in containers the service is not
# asked, for that may take long or want a password: then it returns 1. The options before the command
# are in $before.
_virt_hooks_bus() {
  local -A all=("${(@kv)before}" "${(@kv)opt_args}")
  bus=()
  (( $+all[--host] || $+all[-H] || $+all[--machine] || $+all[-M] )) && return 1
  (( $+all[--user] )) && bus=(--user)
  # _arguments quotes colons in values.
  (( $+all[--address] )) && bus=(--address=${all[--address]//\\:/:})
  return 0
}

# The runs that the service knows, those that run or wait and, with the argument "all", those that have
# ended: their ids in $ids, a description of each in $descriptions, their types and objects.
_virt_hooks_ask() {
  local -a bus commands=(list)
  local command text
  _virt_hooks_bus || return 1
  [[ $1 == all ]] && commands+=('history --memory')
  for command in $commands; do
    for text in ${(f)"$(_call_program runs virt-hooks ${(q)bus} $command --json 2>/dev/null </dev/null)"}; do
      [[ $text == (#b)'{"run":"'([0-9a-f-]##)'","type":"'([a-z]##)'","object":"'([^\"\\]#)'","operation":"'([^\"\\]#)'"'* ]] || continue
      ids+=($match[1])
      descriptions+=("$match[1] -- $match[2] $match[3] $match[4]")
      types+=($match[2])
      objects+=("$match[3]")
    done
  done
}

_virt_hooks_waiting_runs() {
  local -a ids descriptions types objects
  _virt_hooks_ask && _wanted runs expl run compadd -l -d descriptions -a ids
}

_virt_hooks_known_runs() {
  local -a ids descriptions types objects
  _virt_hooks_ask all && _wanted -V runs expl run compadd -l -d descriptions -a ids
}

# Guests and networks that had hooks, for the command run those of its type.
_virt_hooks_objects() {
  local -a ids descriptions types objects
  local -aU values
  local -i i
  if [[ $verb == run && $line[1] == daemon ]]; then
    values=(-)
  else
    _virt_hooks_ask all || return 1
    for ((i = 1; i <= $#types; i++)); do
      [[ $types[i] == daemon ]] && continue
      [[ $verb == run && $types[i] != $line[1] ]] || values+=($objects[i])
    done
  fi
  _wanted objects expl 'guest or network' compadd -a values
}

# Puts column $1 of the table of operations into $values, of those rows that have the type $2 and the operation $3 where these
# are not empty.
_virt_hooks_table() {
  local -a row
  values=()
  while read -r -A row; do
    [[ ${2:-$row[1]} == "$row[1]" && ${3:-$row[2]} == "$row[2]" ]] && values+=("$row[$1]")
  done <<'END'
@OPERATIONS@
END
}

_virt_hooks_types() {
  local -aU values
  _virt_hooks_table 1
  _wanted types expl type compadd -a values
}

_virt_hooks_operations() {
  local -aU values
  _virt_hooks_table 2 "${opt_args[--type]:-$line[1]}"
  _wanted operations expl operation compadd -a values
}

_virt_hooks_operation_list() {
  local -aU values
  _virt_hooks_table 2 "$line[1]"
  _values -s , operation $values
}

_virt_hooks_suboperation() {
  local -aU values
  _virt_hooks_table 3 "$line[1]" "$line[3]"
  _wanted values expl sub-operation compadd -a values
}

_virt_hooks_extra() {
  local -aU values
  _virt_hooks_table 4 "$line[1]" "$line[3]"
  case $line[1],$line[3] in
    qemu,release | lxc,release)
      values+=(unknown shutdown destroyed crashed migrated saved failed 'from snapshot' daemon) ;;
  esac
  _wanted values expl 'extra argument' compadd -a values
}

_virt_hooks_commands() {
  local -a commands=(
    'run:run a hook now'
    'monitor:print a line for each event as it happens'
    'list:list what runs and what waits'
    'history:list what ran'
    'show:show everything about a run'
    'cancel:end a run or a call that waits'
    'status:tell whether the service is up, and what runs'
    'scripts:list the scripts that would run'
    'reload:let the service read its settings again'
    'check:find scripts that do not do what their author thinks'
    'rehearse:take a guest or a network through its life, without a service'
    "attach:let libvirt's hooks run through the service"
    'detach:let libvirt run its hooks itself again'
    'help:print the commands, or the options of one'
  )
  _describe -t commands command commands
}

_virt-hooks() {
  setopt localoptions extendedglob
  local curcontext=$curcontext expl state verb
  local -a line
  typeset -A opt_args before
  local -a bus=(
    '(--user --address -H --host -M --machine)--system[use the system bus]'
    '(--system --address -H --host -M --machine)--user[use the session bus]'
    '(--system --user -H --host -M --machine)--address=[use the bus at an address]:address:'
    '(--system --user --address -M --machine -H --host)'{-H+,--host=}'[use the system bus of another host]:host:_hosts'
    '(--system --user --address -H --host -M --machine)'{-M+,--machine=}'[use the system bus of a container]:machine:'
  )
  local -a common=(
    '--json[print one JSON object a line]'
    '--version[print the version and exit]'
    '(-h --help)'{-h,--help}'[print help and exit]'
  )
  local -a own

  _arguments -C -S -A '-*' $bus $common '1: :_virt_hooks_commands' '*:: :->command' && return
  [[ $state == command ]] || return 1
  before=("${(@kv)opt_args}") verb=$words[1]

  case $verb in
    run)
      own=(
        '--xml=[the document]:document:_files -g "*.xml(-.)"'
        '--port-xml=[the port of a network]:document:_files -g "*.xml(-.)"'
        '--timeout=[end the scripts after a time]:time:'
        '1: :_virt_hooks_types'
        '2: :_virt_hooks_objects'
        '3: :_virt_hooks_operations'
        '4: :_virt_hooks_suboperation'
        '5: :_virt_hooks_extra'
      ) ;;
    monitor)
      own=(
        '--type=[only hooks of a type]: :_virt_hooks_types'
        '--object=[only of a guest or network]: :_virt_hooks_objects'
        '--operation=[only of an operation]: :_virt_hooks_operations'
        '--failed[only what failed]'
      ) ;;
    history)
      own=(
        '--since=[not before a time]:time:(today yesterday now)'
        '--until=[not after a time]:time:(today yesterday now)'
        '--type=[only hooks of a type]: :_virt_hooks_types'
        '--object=[only of a guest or network]: :_virt_hooks_objects'
        '--operation=[only of an operation]: :_virt_hooks_operations'
        '--failed[only what failed]'
        '(-n --lines)'{-n+,--lines=}'[only the newest]:number:'
        '(--memory)--directory=[read the journal files in a directory]:directory:_directories'
        '(--directory)--memory[ask the service, not the journal]'
      ) ;;
    show)
      own=(
        '--directory=[look into the journal files in a directory]:directory:_directories'
        '1: :_virt_hooks_known_runs'
      ) ;;
    cancel) own=('1: :_virt_hooks_waiting_runs') ;;
    help) own=('1: :_virt_hooks_commands') ;;
    check)
      own=(
        '--config=[take the directories from these settings]:file:_files -g "*.conf(-.)"'
        '*:directory:_directories'
      ) ;;
    attach | detach)
      own=(
        '--dry-run[say what would be done]'
        '--root=[take all paths below a directory]:directory:_directories'
        '*: :_virt_hooks_types'
      ) ;;
    rehearse)
      own=(
        '*--hooks-directory=[run the scripts in a directory]:directory:_directories'
        '--operations=[only these operations]: :_virt_hooks_operation_list'
        '--port-xml=[the port of a network]:document:_files -g "*.xml(-.)"'
        '--config=[take the limits from these settings]:file:_files -g "*.conf(-.)"'
        '1: :_virt_hooks_types'
        '2:document:_files -g "*.xml(-.)"'
      ) ;;
  esac
  [[ $verb == (check|rehearse|attach|detach) ]] || own+=($bus)
  _arguments -S $common $own
}

_virt-hooks "$@"
