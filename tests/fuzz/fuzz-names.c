/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names that others choose: of files in a hooks folder, and of processes, which the kernel shows
 * amid what it says of them.
 */

#include "fuzz.h"
#include "hook-name.h"
#include "hook.h"
#include "proc-stat.h"

#include <sys/prctl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *name = strndup(size > 0 ? (const char *) data : "", size);
        HookType type = hook_name_resembles(name);
        ProcStat stat;

        must(type == HOOK_TYPE_INVALID || (type >= 0 && type < HOOK_TYPE_MAX));
        (void) hook_name_is_backup(name);
        (void) hook_name_is_data(name);

        must(prctl(PR_SET_NAME, name) == 0);
        must(proc_stat_read(getpid(), &stat));
        must(stat.parent == getppid() && stat.group == getpgrp());
        must(stat.state != 'Z' && stat.state != 'X');
        return 0;
}
