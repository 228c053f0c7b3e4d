/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * virt-hooks-forward in the place of a script: what libvirt runs there asks the service, so the
 * service must not run it in turn.
 */

#include <stdbool.h>

#include "paths.h"

#define FORWARDER_NAME "virt-hooks-forward"
#define FORWARDER_PATH SBINDIR "/" FORWARDER_NAME

/*
 * Whether the file at PATH is virt-hooks-forward: the installed one under whatever name, or a link
 * that leads to a file of that name, also where there is none, for then it was uninstalled.
 */
bool forwarder_is(const char *path);

/*
 * Whether the file at INSTALLED begins as a program does. Who writes a script to one of the links
 * to the forwarder has written it there.
 */
bool forwarder_is_program(const char *installed);

/*
 * Whether the file at PATH has the bytes of the forwarder INSTALLED: somebody has copied it there,
 * where it works as a script that calls the service. Its links are the same file, and no copies. A
 * script that was written over INSTALLED has no copies either: what has its bytes is a script.
 */
bool forwarder_is_copy(const char *path, const char *installed);
