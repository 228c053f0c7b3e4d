/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "type-argument.h"

#include "complain.h"

HookType type_argument_read(const char *name) {
        HookType type = hook_type_from_string(name);

        if (type == HOOK_TYPE_INVALID)
                complain("there is no type '%s' of hooks; there are daemon, qemu, lxc, libxl and "
                         "network",
                         name);
        return type;
}
