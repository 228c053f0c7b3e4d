/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A document that the command line names.
 */

#include "bytes.h"
#include "hook.h"

/*
 * Reads the file at PATH; "-" is standard input, NULL is nothing, and then *ret is NULL. What is in
 * it is somebody else's to judge. Returns 0, or a negative errno, which has been told of.
 */
int document_file_read(const char *path, Bytes **ret);

/*
 * Whether a command line names what a hook of TYPE needs: the file XML, which is the value of
 * OPTION, or an argument where that is NULL; and PORT_XML, that of --port-xml. Each may be NULL.
 * Returns 0, or -EINVAL, which has been told of.
 */
int document_file_check_names(HookType type, const char *xml, const char *option,
                              const char *port_xml);
