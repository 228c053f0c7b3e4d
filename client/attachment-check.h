/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is wrong with libvirt's hooks that are attached, or half so.
 */

#include "attachment.h"
#include "findings.h"

/*
 * Takes back what was left half done, where this user may; otherwise that is a finding. Adds the
 * others to FINDINGS: a forwarder that AppArmor keeps from running or that somebody has written
 * over, other settings than those it was attached by, a type whose link is gone, a script that both
 * libvirt and the service run. Returns 0; -ENOMEM; or another negative errno, which has been told
 * of: it cannot be taken back.
 */
int attachment_check(Attachment *attachment, Findings *findings);
