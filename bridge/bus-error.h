/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Errors that can be sent. A message that is no valid text, because a name was cut in the middle of
 * a character, say, would not get to the caller, who would wait for ever.
 */

#include <systemd/sd-bus.h>

#include "util.h"

/* As sd_bus_error_setf(), with the message made valid. Returns a negative errno. */
_printf_(3, 4)
int bus_error_setf(sd_bus_error *error, const char *name, const char *format, ...);

/* As sd_bus_reply_method_errorf(), with the message made valid. Returns 0 or a negative errno. */
_printf_(3, 4)
int bus_reply_errorf(sd_bus_message *call, const char *name, const char *format, ...);

/* As sd_bus_reply_method_errno(). A failure is logged. */
void bus_reply_errno(sd_bus_message *call, int r, const sd_bus_error *error);
