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

/* Tells that a hook of TYPE, which is not the daemon's, needs a document: the value of OPTION, or
 * an argument where that is NULL. */
void document_file_complain_missing(HookType type, const char *option);
