/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Against descriptors that do not want to be closed. Who sends us one may have close(2) wait, a
 * socket with SO_LINGER for as long as its sender likes, and sd-bus closes what came with a
 * message. A signal ends that wait.
 *
 * Source: socket(7), SO_LINGER; tcp_close() in Linux's net/ipv4/tcp.c.
 */

/* From here on what waits is interrupted, some milliseconds later and again. */
void interrupt_begin(void);
void interrupt_end(void);
