# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reads the table of bridge/hook.c, then a completion script, in which its rows take the place of the line @OPERATIONS@: the type,
# the operation, the sub-operation and the extra argument.

BEGIN { FS = "\"" }

FNR == NR && /^ *[{] HOOK_[A-Z]+, *"/ {
        match($1, /_[A-Z]+/)
        rows = rows tolower(substr($1, RSTART + 1, RLENGTH - 1)) " " $2 " " $4 " " $6 "\n"
}

FNR != NR && $0 == "@OPERATIONS@" { printf "%s", rows; next }
FNR != NR

END { exit rows == "" }
