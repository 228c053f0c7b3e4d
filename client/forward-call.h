/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A hook call as libvirt makes it, handed to the service.
 *
 * Source: org.virt.Hooks(5), Run(); D-Bus specification, "Message Bus Messages", for who answers
 * when the service is gone.
 */

#include "bytes.h"
#include "request.h"
#include "verdict.h"

typedef struct ForwardCall {
        RequestArguments arguments; /* its strings are main()'s */
        Bytes *document;    /* what libvirt wrote to standard input; NULL where it is nothing */
        char **environment; /* what libvirt has given us */
} ForwardCall;

/*
 * Asks the service, and waits for as long as the scripts take. Returns true with *verdict set: the
 * scripts' own, or a refusal. Or false, with *ret_why_not (free() it; NULL where memory is short):
 * the service has not run anything for this call, and never will.
 */
bool forward_call(const ForwardCall *call, Verdict *verdict, char **ret_why_not);
