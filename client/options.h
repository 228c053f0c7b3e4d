/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What all subcommands have in common on the command line.
 */

#include <stdbool.h>

typedef enum Transport {
        TRANSPORT_SYSTEM,
        TRANSPORT_USER,
        TRANSPORT_ADDRESS,
        TRANSPORT_HOST,
        TRANSPORT_MACHINE,
} Transport;

typedef struct Options {
        Transport transport;
        const char *where; /* of TRANSPORT_ADDRESS, _HOST and _MACHINE */
        bool names_bus;    /* the user has said which */
        bool json;         /* one object a line, for programs */
} Options;
