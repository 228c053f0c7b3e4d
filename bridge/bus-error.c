/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors that can be sent.
 */

#include "bus-error.h"

#include <stdarg.h>

#include "text.h"

int bus_error_setf(sd_bus_error *error, const char *name, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        message = text_vformat(format, arguments);
        va_end(arguments);
        return message ? sd_bus_error_set(error, name, message) : -ENOMEM;
}

int bus_reply_errorf(sd_bus_message *call, const char *name, const char *format, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        message = text_vformat(format, arguments);
        va_end(arguments);
        (void) sd_bus_error_set(&error, name, message ? message : "");
        return sd_bus_reply_method_error(call, &error);
}
