/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "type-argument.h"

#include "complain.h"
#include "hook-name.h"
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

static bool is_wanted(const char *type, HookType t) {
        return !type || streq(type, hook_type_to_string(t));
}

static const HookOperation *find_mistyped(const char *type, const char *operation) {
        const HookOperation *found = NULL;

        for (HookType t = 0; t < HOOK_TYPE_MAX && !found; t++)
                if (is_wanted(type, t))
                        found = hook_name_resembles_operation(t, operation);
        return found;
}

void operation_argument_check(const char *type, const char *operation, const char *doing) {
        const HookOperation *meant;

        for (HookType t = 0; t < HOOK_TYPE_MAX; t++)
                if (is_wanted(type, t) && hook_operation_find(t, operation))
                        return;
        meant = find_mistyped(type, operation);
        complain("no operation%s%s is known by the name '%s', %s for it all the same; %s%s%s"
                 "org.virt.Hooks(5) lists them",
                 type ? " of " : "", type ? type : "", operation, doing,
                 meant ? "did you mean " : "", meant ? meant->name : "", meant ? "? " : "");
}
