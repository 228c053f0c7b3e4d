/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The text of a shell script, for 'virt-hooks check': it is followed to its end, wherever that is.
 */

#include "shell-commands.h"

#include "fuzz.h"

/* All that is behind it may be read. */
static bool is_wanted(const char *name, const char *rest, size_t size) {
        return streq(name, "virsh") && (size == 0 || rest[size - 1] != '#');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        ShellCommand command = {};
        unsigned lines = 1;

        if (!shell_commands_find((const char *) data, size, is_wanted, &command))
                return 0;
        for (size_t i = 0; i < size; i++)
                lines += data[i] == '\n';
        must(command.line >= 1 && command.line <= lines);
        must(streq(command.name, "virsh"));
        return 0;
}
