/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "type-argument.h"

#include "complain.h"
#include "util.h"

HookType type_argument_read(const char *name) {
        HookType type = hook_type_from_string(name);

        if (type == HOOK_TYPE_INVALID) {
                _cleanup_free_ char *types = hook_type_names();

                complain("there is no type '%s' of hooks; there are %s", name,
                         types ? types : "others");
        }
        return type;
}
