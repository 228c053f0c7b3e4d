/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A settings file. Whatever is in it, there are settings, and each is in its range.
 */

#include "fuzz.h"
#include "settings.h"

#define MIB (UINT64_C(1024) * 1024)

static void check_range(uint64_t value, uint64_t min, uint64_t max) {
        must(value >= min && value <= max);
}

/* The ranges of virt-hooks.conf(5). */
static void check_settings(const Settings *s) {
        must(s->hooks_directories && s->hooks_directories[0]);
        for (char **d = s->hooks_directories; *d; d++)
                must(**d == '/');
        check_range(s->rescan, RESCAN_ALWAYS, RESCAN_DAEMON);
        check_range(s->ownership, OWNERSHIP_STRICT, OWNERSHIP_LIBVIRT);
        check_range(s->max_running, 1, 100000);
        check_range(s->max_waiting, 0, 1000000);
        check_range(s->max_waiting_per_caller, 0, 1000000);
        check_range(s->max_unauthorized, 0, 1000000);
        check_range(s->max_unauthorized_per_user, 0, 1000000);
        check_range(s->document.size, 1024, 16 * MIB);
        check_range(s->document.depth, 4, 2048);
        check_range(s->max_output, 1024, 16 * MIB);
        check_range(s->max_stderr, 1024, MIB);
        check_range(s->history_runs, 0, 1000000);
        check_range(s->history_size, 0, 1024 * MIB);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++) {
                check_range(s->scripts[type].timeout, 1, UINT64_MAX);
                check_range(s->scripts[type].warn_after, 1, UINT64_MAX);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Settings *settings;

        must(settings_load(&settings, fuzz_file(data, size), true) == 0);
        check_settings(settings);
        settings_free(settings);
        return 0;
}
