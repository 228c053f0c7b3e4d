/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The scripts. The one in use is a hard link to the one at hooks_path(): the same file for the
 * kernel, so that nobody has it in a cache that the others do not have.
 */

#include "hooks.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "fatal.h"
#include "place.h"

#define CHAIN_LENGTH 10
#define SH           "#!/bin/sh\nexit 0\n"

static struct {
        char *directory, *main, *folder, *spare_folder, *next;
        char *paths[HOOK_SCRIPT_MAX];
        HookScript used;
} hooks;

static void copy_true(char *path) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        struct stat st;

        from = (int) must_sys(open("/bin/true", O_RDONLY | O_CLOEXEC), "/bin/true");
        to = (int) must_sys(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755), path);
        must_sys(fstat(from, &st), path);
        if (sendfile(to, from, NULL, (size_t) st.st_size) != st.st_size)
                fatal("%s: /bin/true cannot be copied: %m", path);
}

/* Whoever reads from it waits until we are gone, as nobody writes. */
static void make_gate(void) {
        _cleanup_free_ char *gate = place_path("gate"), *text = NULL;

        must_sys(mkfifo(gate, 0644), gate);
        must_sys(open(gate, O_RDWR | O_CLOEXEC), gate);
        if (asprintf(&text, "#!/bin/sh\nread -r _ <'%s'\n", gate) < 0)
                fatal("memory is short");
        place_write(place_path("hooks/lxc"), text, 0755);
}

void hooks_make(void) {
        static const char *const texts[HOOK_SCRIPT_MAX] = {
                [SCRIPT_SHELL] = SH,
                [SCRIPT_CAT] = "#!/bin/sh\nexec cat\n",
                [SCRIPT_READ] = "#!/bin/sh\nexec cat >/dev/null\n",
                [SCRIPT_SLEEP] = "#!/bin/sh\nexec sleep 1\n",
        };
        _cleanup_free_ char *spare = place_path("spare");

        hooks.directory = place_path("hooks");
        hooks.main = place_path("hooks/qemu");
        hooks.folder = place_path("hooks/qemu.d");
        hooks.spare_folder = place_path("spare/qemu.d");
        hooks.next = place_path("hooks/.next");
        must_sys(mkdir(hooks.directory, 0755), hooks.directory);
        must_sys(mkdir(spare, 0755), spare);
        must_sys(mkdir(hooks.spare_folder, 0755), hooks.spare_folder);
        for (HookScript script = 0; script < HOOK_SCRIPT_MAX; script++) {
                hooks.paths[script] = place_path("spare/%u", script);
                if (texts[script])
                        place_write(place_path("spare/%u", script), texts[script], 0755);
        }
        copy_true(hooks.paths[SCRIPT_TRUE]);
        for (unsigned i = 0; i < CHAIN_LENGTH; i++)
                place_write(place_path("spare/qemu.d/%u", i), SH, 0755);
        make_gate();
}

const char *hooks_directory(void) {
        return hooks.directory;
}

const char *hooks_path(HookScript script) {
        return hooks.paths[script];
}

void hooks_use(HookScript script) {
        if (script == hooks.used)
                return;
        if (hooks.used == SCRIPT_CHAIN)
                must_sys(rename(hooks.folder, hooks.spare_folder), hooks.folder);
        if (script == SCRIPT_NONE || script == SCRIPT_CHAIN)
                (void) unlink(hooks.main);
        else {
                must_sys(link(hooks.paths[script], hooks.next), hooks.next);
                must_sys(rename(hooks.next, hooks.main), hooks.main);
        }
        if (script == SCRIPT_CHAIN)
                must_sys(rename(hooks.spare_folder, hooks.folder), hooks.folder);
        hooks.used = script;
}
