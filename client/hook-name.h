/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the names of files in hooks' folders say to people, and not to libvirt: it runs what is in a
 * .d folder whatever its name, and beside it only the names of the types.
 */

#include "hook.h"
#include "util.h"

/* Whether an editor, a package manager or a careful hand has put the file aside under NAME. */
bool hook_name_is_backup(const char *name);

/* Whether NAME is that of a text or of settings: nobody expects such a file to run. */
bool hook_name_is_data(const char *name);

/* The type that NAME was probably meant for, or HOOK_TYPE_INVALID. */
HookType hook_name_resembles(const char *name);

/* The operation of TYPE that NAME was probably meant for, which is none itself; or NULL. */
const HookOperation *hook_name_resembles_operation(HookType type, const char *name);
