/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a script calls libvirt, which waits for it.
 *
 * Source: https://libvirt.org/hooks.html, "Calling libvirt functions from within a hook script".
 */

#include "findings.h"

/* Adds that the script at SUBJECT, which PROGRAM interprets, seems to call libvirt, if it does. */
void libvirt_call_check(const Subject *subject, const char *program, Findings *findings);
