/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What our entries in the journal are known by: a MESSAGE_ID for each kind, which
 * units/virt-hooks.catalog explains, and the names of the fields. virt-hooksd(8) lists them.
 */

#define JOURNAL_ID_RUN_SUCCEEDED "507e2f50d0de4b74a1dd17e1bb5f0c7f" /* or there was no script */
#define JOURNAL_ID_RUN_FAILED    "711e0014e5c64ea39deb44b3d433ece1"
#define JOURNAL_ID_RUN_LASTS                                                                       \
        "2a1127e45a964046b1ae874a6b9144c7" /* a run takes longer than WarnAfter= */
#define JOURNAL_ID_NOT_EXECUTABLE                                                                  \
        "8731e2a683844ef1a756874a32cbcea3" /* a file where scripts lie is none */
#define JOURNAL_ID_WRONG_SETTING                                                                   \
        "c29ffeb8d1ef49989cb36033f23affea" /* a line of the settings is wrong */
#define JOURNAL_ID_UNKNOWN_REQUEST                                                                 \
        "2b060184fae445d2b2ced8b742b880d5" /* something unknown was passed on */
#define JOURNAL_ID_PIPE_CLOSED                                                                     \
        "4e7709b419fe45449f89423ce2f7ec83" /* a background child's pipe was closed */
#define JOURNAL_ID_HOOKS_ENDED                                                                     \
        "d2788d51c5524402bd55cf783d40dbc2" /* a shutdown ended running hooks */
#define JOURNAL_ID_RUN_DIRECTLY                                                                    \
        "98f09586aed64a7ea19cf7b2c86cc1c8" /* virt-hooks-forward runs the scripts itself */
#define JOURNAL_ID_NO_VERDICT                                                                      \
        "032ea85930484e66b04f4be0d8abbda2" /* virt-hooks-forward does not know what the scripts    \
                                              said */

#define JOURNAL_FIELD_RUN           "VIRT_HOOKS_RUN"
#define JOURNAL_FIELD_TYPE          "VIRT_HOOKS_TYPE"
#define JOURNAL_FIELD_OBJECT        "VIRT_HOOKS_OBJECT"
#define JOURNAL_FIELD_OPERATION     "VIRT_HOOKS_OPERATION"
#define JOURNAL_FIELD_SUBOPERATION  "VIRT_HOOKS_SUBOPERATION"
#define JOURNAL_FIELD_EXTRA         "VIRT_HOOKS_EXTRA"
#define JOURNAL_FIELD_UUID          "VIRT_HOOKS_UUID"
#define JOURNAL_FIELD_OUTCOME       "VIRT_HOOKS_OUTCOME"
#define JOURNAL_FIELD_EFFECT        "VIRT_HOOKS_EFFECT"
#define JOURNAL_FIELD_REASON        "VIRT_HOOKS_REASON"
#define JOURNAL_FIELD_SCRIPT        "VIRT_HOOKS_SCRIPT"
#define JOURNAL_FIELD_EXIT_STATUS   "VIRT_HOOKS_EXIT_STATUS"
#define JOURNAL_FIELD_SIGNAL        "VIRT_HOOKS_SIGNAL"
#define JOURNAL_FIELD_DURATION_USEC "VIRT_HOOKS_DURATION_USEC"
#define JOURNAL_FIELD_STARTED_AT    "VIRT_HOOKS_STARTED_AT"
#define JOURNAL_FIELD_VIA           "VIRT_HOOKS_VIA"
