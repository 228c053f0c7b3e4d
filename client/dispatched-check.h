/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The folders in a .d folder that neither libvirt nor the service looks into, but a script there
 * does: many have one for each guest, TYPE.d/OBJECT/OPERATION/SUBOPERATION/SCRIPT, or some of these
 * levels. Such a script passes over what it does not expect, without a word.
 */

#include "findings.h"

/*
 * Adds all that is wrong below FOLDER, a folder in a .d folder. STRICT: nobody but root and this
 * user may be able to change what is there. Returns 0 or -ENOMEM.
 */
int dispatched_check(const Subject *folder, bool strict, Findings *findings);
