/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The type of a hook, as a command line names it.
 */

#include "hook.h"

/* Returns HOOK_TYPE_INVALID where there is none of this name, which has been told of. */
HookType type_argument_read(const char *name);
