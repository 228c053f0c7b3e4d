/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A hook call without the service: its scripts are run in here, by the service's own code and
 * settings, so that a guest never depends on the service.
 */

#include "forward-call.h"

/* Runs the scripts of CALL to their end. WHY is for the log. *verdict is set in any case. */
void forward_direct(ForwardCall *call, const char *why, Verdict *verdict);
