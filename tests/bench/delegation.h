/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cgroup such as systemd delegates to the service that is installed. It goes with the program.
 */

/* Whether there can be one here: NULL, or why not. */
const char *delegation_why_not(void);

/* Its directory. Whoever enters it must have ended before another one asks. */
const char *delegation_directory(void);
