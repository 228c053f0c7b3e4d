/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The plan of an attach or detach on disk, while it is carried out: whoever comes after one that
 * was killed can take it back.
 */

#include "attach-step.h"

/*
 * Writes PLAN into the file FD, so that it survives a loss of power. Returns 0 or a negative errno:
 * then the file holds no plan.
 */
int attach_journal_write(int fd, const AttachPlan *plan);

/*
 * Reads the plan from FD, empty where it holds none, or only the beginning of one: then nothing was
 * changed yet. Returns 0 or a negative errno: -EPROTO where another version has written it.
 * attach_plan_clear() it.
 */
int attach_journal_read(int fd, AttachPlan *ret);

/* FD holds no plan any more. Returns 0 or a negative errno. */
int attach_journal_clear(int fd);
