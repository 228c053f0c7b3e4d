/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where virt-hooks-forward stands in a script's place, the scripts may be on the move: attach and
 * detach.
 */

/*
 * Waits, but not for long, until nobody moves scripts, and keeps them from being moved until this
 * process ends. If the script has come back meanwhile to the path by which we were executed,
 * becomes that script with the arguments ARGV, and does not return.
 */
void forward_lock(char **argv);
