/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The type of a hook and its operation, as a command line names them.
 */

#include "hook.h"

/* Returns HOOK_TYPE_INVALID where there is none of this name, which has been told of. */
HookType type_argument_read(const char *name);

/* Tells that there is no OPERATION of TYPE, which may be NULL, while the caller is "waiting" for
 * it: a newer libvirt may have it, and the service passes it on, so this is no error. */
void operation_argument_check(const char *type, const char *operation, const char *doing);
