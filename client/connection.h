/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way to the service: a connection to the bus that the options name, and calls on it whose
 * errors people can act on.
 */

#include <systemd/sd-bus.h>

#include "options.h"
#include "util.h"

/* Returns 0, or a negative errno, which has been told of. */
int connection_open(sd_bus **ret, const Options *options);

/* The command as it reaches the same bus, for advice: "virt-hooks --user". Ownership: the caller
 * frees it. NULL where memory is short. */
char *connection_command(const Options *options);

/* A new call of MEMBER of the service's interface. Returns 0, or a negative errno, which has been
 * told of. */
int connection_new_call(sd_bus *bus, sd_bus_message **ret, const char *member);

/*
 * Sends CALL and waits for the reply, for ever if FOR_EVER: hooks take their time. Asks polkit's
 * agents for a password if there is a terminal. Returns 0, or a negative errno, which has been told
 * of.
 */
int connection_call(sd_bus *bus, sd_bus_message *call, bool for_ever, sd_bus_message **ret_reply);

/* The same without telling of it: the error is the caller's. */
int connection_try_call(sd_bus *bus, sd_bus_message *call, bool for_ever,
                        sd_bus_message **ret_reply, sd_bus_error *error);

/* Whether ERROR says that there is no service. */
bool connection_is_absence(const sd_bus_error *error);

/* Tells people of R, and of ERROR if it is set, that came of a call. */
void connection_complain(int r, const sd_bus_error *error);
