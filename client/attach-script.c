/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "attach-script.h"

#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#include "attach-links.h"
#include "attach-step.h"
#include "attach-thing.h"
#include "complain.h"
#include "forwarder.h"
#include "safe-path.h"
#include "script-text.h"
#include "text.h"

int attach_script_check_safety(const AttachMove *move, const char *path) {
        _cleanup_free_ char *whole = attach_path(move->root, path), *why = NULL;

        if (!move->attach || !move->strict || (whole && access(whole, F_OK) < 0))
                return 0;
        if (!whole || safe_path_check(whole, &why) < 0) {
                complain("out of memory");
                return -ENOMEM;
        }
        return why ? refuse("the service would refuse what is in %s: %s", whole, why) : 0;
}

/* A script that has the path of TYPE.d in it would look in vain where that was. */
static int check_text(AttachMove *move, HookType type, const char *path) {
        _cleanup_free_ char *whole = attach_path(move->root, path), *remedy = NULL;
        _cleanup_free_ char *name = text_format("%s.d", hook_type_to_string(type));
        _cleanup_free_ char *folder = name ? attach_join(move->from, name) : NULL;
        unsigned levels = 0, line;
        AttachThing thing;
        int r;

        if (!whole || !folder)
                return -ENOMEM;
        r = attach_thing_look(move->root, folder, &thing);
        if (r < 0 || (thing != ATTACH_THING_FOLDER && thing != ATTACH_THING_FILE))
                return r;
        line = script_text_speaks_of(whole, move->from, name);
        if (line == 0)
                return 0;
        for (const char *p = path + strlen(move->from) + 1; (p = strchr(p, '/')); p++)
                levels++;
        remedy = script_text_remedy(whole, move->from, levels, move->to,
                                    move->attach ? "detach" : "attach");
        if (!remedy)
                return -ENOMEM;
        complain("%s has in line %u the path of %s, which moves, or of what it is in; this lets it "
                 "look elsewhere: %s",
                 whole, line, folder, remedy);
        move->refused = true;
        return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The same for all executable files in the folder PATH and below. */
static int check_texts(AttachMove *move, HookType type, const char *path) {
        _cleanup_free_ char *whole = attach_path(move->root, path);
        char *const folders[] = { whole, NULL };
        const FTSENT *entry;
        FTS *tree;
        int r = 0;

        tree = whole ? fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
        if (!tree)
                return -ENOMEM;
        while (r >= 0 && (entry = fts_read(tree)))
                if (entry->fts_info == FTS_F && (entry->fts_statp->st_mode & 0111))
                        r = check_text(move, type, entry->fts_path + strlen(move->root));
        (void) fts_close(tree);
        return r;
}

/* The service must not run what calls it. */
static int check_copy(const AttachMove *move, const char *path) {
        _cleanup_free_ char *whole = attach_path(move->root, path);
        _cleanup_free_ char *forwarder = attach_path(move->root, FORWARDER_PATH);

        if (!whole || !forwarder)
                return -ENOMEM;
        return move->attach && forwarder_is_copy(whole, forwarder)
                       ? refuse("%s is a copy of %s and no script: remove it, and attach makes a "
                                "link where it is needed",
                                whole, forwarder)
                       : 0;
}

/* PATH is a script if it is executable. */
static int check_script(const AttachMove *move, const char *path, bool *found) {
        struct stat st;
        int r;

        if (folder_link_stat(move->root, path, &st) < 0 || !S_ISREG(st.st_mode) ||
            !(st.st_mode & 0111))
                return 0;
        *found = true;
        r = check_copy(move, path);
        return r < 0 ? r : attach_script_check_safety(move, path);
}

static int check_scripts(const AttachMove *move, const char *folder, bool *found) {
        _cleanup_free_ char *whole = attach_path(move->root, folder);
        struct dirent **names = NULL;
        int n, r = 0;

        n = whole ? attach_thing_list(whole, &names) : -ENOMEM;
        for (int i = 0; i < n && r >= 0; i++) {
                _cleanup_free_ char *path = attach_join(folder, names[i]->d_name);

                r = path ? check_script(move, path, found) : -ENOMEM;
        }
        attach_thing_free_list(names, n);
        return n < 0 ? n : r;
}

int attach_script_check(AttachMove *move, HookType type, const char *path, bool *found) {
        int r = check_script(move, path, found);

        return r < 0 ? r : check_text(move, type, path);
}

int attach_script_check_folder(AttachMove *move, HookType type, const char *path, bool *found) {
        int r = check_scripts(move, path, found);

        return r < 0 ? r : check_texts(move, type, path);
}
