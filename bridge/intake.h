/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The copy of a document that a caller hands over by descriptor. A child process makes it, since a
 * read from a stranger's file may block for ever, whatever its flags say, and must block nobody but
 * that stranger.
 */

#include <systemd/sd-event.h>

#include "bytes.h"

typedef struct Intake Intake;

/*
 * The copy is complete: DOCUMENT, which may be empty, is for the callee to reference. Or it could
 * not be had, and is NULL: R is -E2BIG, or another negative errno. May free the intake.
 */
typedef void (*intake_done_t)(Intake *intake, int r, Bytes *document, void *userdata);

/*
 * Starts to read FD, which stays the caller's, to its end, but no more than MAX bytes. DONE is
 * called from the event loop. Returns 0 or a negative errno.
 */
int intake_new(Intake **ret, sd_event *event, int fd, uint64_t max, intake_done_t done,
               void *userdata);

/* Ends the child; the event loop sees to what is left of it. Takes NULL, returns NULL. */
Intake *intake_free(Intake *intake);

DEFINE_CLEANUP(Intake, intake_free);
