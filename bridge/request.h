/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a caller asks for: one operation on one object, with its document. A request that exists is
 * valid: its operation is in the table (or the caller was lenient), its strings may become
 * arguments, its document is about its object.
 */

#include <systemd/sd-bus.h>

#include "bytes.h"
#include "document.h"
#include "hook.h"

/* libvirt keeps a file named after each object, so no name is longer. Bytes, without the NUL. */
#define REQUEST_ARGUMENT_MAX 255U

typedef struct Request Request;

/*
 * Checks what a chain of filters printed, SIZE bytes at DATA: it must be a document that is about
 * the same domain as the request's. Returns 0; or -EBADMSG with *ret_problem set to a sentence's
 * second half (free() it); or -ENOMEM.
 */
typedef int (*request_check_output_t)(const Request *request, const char *data, size_t size,
                                      const DocumentLimits *limits, char **ret_problem);

struct Request {
        HookOperation operation; /* its strings belong to the table, or are this request's own */
        char *object;
        char *suboperation;
        char *extra;
        char *unknown_operation; /* holds operation.name where the table does not know it */

        Bytes *document;   /* what goes to the scripts' standard input; NULL is /dev/null */
        DocumentInfo info; /* whom it is about */
        bool lenient;      /* an operation or a document that we do not know is passed on */

        char **environment; /* the scripts' whole environment; NULL for the service's own */
        uint64_t timeout;   /* microseconds, UINT64_MAX for none; 0 where the settings hold */

        request_check_output_t check_output; /* set with the document; NULL: nothing is judged */
};

/*
 * The four arguments of libvirt's hooks and the type. An empty SUBOPERATION or EXTRA, and for the
 * daemon an empty OBJECT, stands for the table's value.
 */
typedef struct RequestArguments {
        HookType type;
        const char *object;
        const char *operation;
        const char *suboperation;
        const char *extra;
        bool lenient;
} RequestArguments;

/*
 * Checks ARGUMENTS and makes a request without a document.
 * Returns 0, or a negative errno with *error set: InvalidArgs, UnknownOperation.
 */
int request_new(Request **ret, const RequestArguments *arguments, sd_bus_error *error);

/*
 * Makes a request of what libvirt itself passes to a hook: whatever it is, a guard must see it, so
 * nothing is refused. What the table does not know is as for a lenient caller. Returns 0 or
 * -ENOMEM.
 */
int request_new_unchecked(Request **ret, const RequestArguments *arguments);

/*
 * Gives the request its document, which is MAIN: a domain, a network, a <hookData>, or nothing for
 * the daemon; and for networks PORT, a <networkport> or NULL. Both are referenced, not copied. An
 * empty document is NULL. Returns 0, or a negative errno with *error set: InvalidDocument,
 * LimitExceeded.
 */
int request_set_document(Request *request, Bytes *main, Bytes *port, const DocumentLimits *limits,
                         sd_bus_error *error);

/*
 * Replaces the environment of the scripts. Each of ENVIRONMENT is NAME=value with a name that
 * libvirt passes to its hooks. Returns 0, or a negative errno with *error set: InvalidArgs.
 */
int request_set_environment(Request *request, char *const *environment, sd_bus_error *error);

Request *request_free(Request *request); /* takes NULL, returns NULL */

DEFINE_CLEANUP(Request, request_free);
