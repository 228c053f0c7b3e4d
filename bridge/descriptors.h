/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Descriptors are a limit that everything in a process shares. Without one left a message that
 * carries some cannot be received, and the connection is lost, with all calls.
 */

#include <stdbool.h>

/* The limit that children start with, and then ours as high as it may be. Call it once, first of
 * all. */
void descriptors_raise_limit(void);

/* Gives a child the limit that we were started with. For one that shares our memory, too. */
void descriptors_restore_limit(void);

/*
 * One descriptor is kept to spare, so that a reply that carries some can be made whatever else has
 * used them all up: give it back, let the message have its copy, close the original, take it again.
 */
void descriptors_take_spare(void);
void descriptors_give_spare(void);

/* Whether FD, just opened for a script or a document, eats into what is kept for the bus. */
bool descriptors_are_short(int fd);

/*
 * The same for whoever has just received some with a message: whether no call should be let in.
 * Calls that wait to be let in keep their descriptors, and anybody may send some.
 */
bool descriptors_run_short(void);
