/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * <hookData>, the document of the network hooks, as libvirt writes it.
 *
 * Source: networkRunHook() in libvirt's src/network/bridge_driver.c; the recorded documents in
 * tests/data/recordings.
 */

#include "bytes.h"

/*
 * Wraps NETWORK, a checked <network> document, and PORT, a checked <networkport> document or NULL.
 * NETWORK may be a <hookData> already; then PORT gets into it. Each is taken from its root
 * element's start to that element's end: an XML declaration and comments around it do not get in.
 * Lines between elements are indented by two spaces more; a line break inside a text or a tag is
 * left alone, since white space means something there. Returns 0, -ENOMEM, or -EBADMSG where a
 * document has no root element.
 */
int hook_data_new(Bytes **ret, const Bytes *network, const Bytes *port);
