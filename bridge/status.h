/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The line that "systemctl status" shows: what runs and what waits.
 */

#include <systemd/sd-event.h>

#include "util.h"

typedef struct Status Status;

/*
 * What is to be shown now, without a line break, which would begin another notification. Ownership:
 * it is freed by the status. NULL where memory is short.
 */
typedef char *(*status_text_t)(void *userdata);

/* Returns 0 or a negative errno. Without a systemd that listens the status does nothing. */
int status_new(Status **ret, sd_event *event, status_text_t text, void *userdata);
Status *status_free(Status *status); /* takes NULL, returns NULL */

/*
 * TEXT would say something else now. systemd is told soon, but once in a second at most: a change
 * costs next to nothing.
 */
void status_changed(Status *status);

DEFINE_CLEANUP(Status, status_free);
