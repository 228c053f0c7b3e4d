/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * journald's socket. An entry is sent at once, or kept until journald takes it: nobody waits.
 */

#include <systemd/sd-event.h>

typedef struct JournaldEntry JournaldEntry;

/* Returns an entry without fields, or NULL for want of memory. */
JournaldEntry *journald_entry_new(void);

/* Adds the field NAME. Without an ENTRY or a VALUE, or with an empty one, nothing happens. */
void journald_entry_add(JournaldEntry *entry, const char *name, const char *value);

/* Sends ENTRY and frees it, now or later. It may be NULL. */
void journald_entry_send(JournaldEntry *entry);

/*
 * While journald does not read, entries are kept, up to 4 MiB of them, and EVENT's loop sends them
 * when it does. Without a loop, as with NULL at the end of one, a program spends a second at most
 * on what is left, all in all, and then drops it.
 */
void journald_use_loop(sd_event *event);
