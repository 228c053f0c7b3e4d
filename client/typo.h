/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Words that were meant to be others.
 */

#include <limits.h>

#include "util.h"

#define TYPO_MAX  16U /* a longer word, its end included, is no slip of any name of ours */
#define TYPO_NONE UINT_MAX

/*
 * How many characters of WORD must be put in, left out, replaced or swapped with their neighbour to
 * make NAME of it: at most one in a short name, two in a long one. TYPO_NONE where it takes more.
 */
unsigned typo_distance(const char *word, const char *name);
