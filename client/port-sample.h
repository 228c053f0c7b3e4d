/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A port of a network as libvirt would make it for a guest's interface, for rehearsals.
 *
 * Source: https://libvirt.org/formatnetworkport.html.
 */

#include "bytes.h"

/*
 * NETWORK is a checked <network> document, or a <hookData>. The same network has the same port each
 * time. Returns 0, or -ENOMEM.
 */
int port_sample_new(Bytes **ret, const Bytes *network, const char *network_uuid);
