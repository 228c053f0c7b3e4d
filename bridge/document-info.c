/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "document-info.h"

void document_info_clear(DocumentInfo *info) {
        free(info->name);
        free(info->port_mac);
        free(info->port_owner);
        *info = (DocumentInfo){};
}
