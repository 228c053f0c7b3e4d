/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Errors that can be sent.
 */

#include "bus-error.h"

#include <stdarg.h>

#include "log.h"
#include "memory.h"
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
        _cleanup_free_ char *message = NULL;
        va_list arguments;
        sd_bus_error error;
        int r;

        va_start(arguments, format);
        message = text_vformat(format, arguments);
        va_end(arguments);
        error = SD_BUS_ERROR_MAKE_CONST(name, message ? message : "");
        r = sd_bus_reply_method_error(call, &error);
        return memory_try_again(r) ? sd_bus_reply_method_error(call, &error) : r;
}

void bus_reply_errno(sd_bus_message *call, int r, const sd_bus_error *error) {
        int sent = sd_bus_reply_method_errno(call, r, error);

        if (memory_try_again(sent))
                sent = sd_bus_reply_method_errno(call, r, error);
        if (sent < 0)
                log_warning("A call could not be answered, ignoring: %s", strerror(-sent));
}
