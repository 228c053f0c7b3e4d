/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Valgrind, which some of what the kernel can do is too much for: a child that shares our memory
 * while we go on, and signals that come faster than it can run us in between.
 */

#include <stdbool.h>

/* Whether it runs us. */
bool valgrind_is_used(void);
