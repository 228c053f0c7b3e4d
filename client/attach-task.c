/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A type's script TYPE and folder TYPE.d go from one folder to the other. All else stays, and gets
 * a link in the other folder, since scripts look for it beside themselves; when the last type is
 * detached it goes back, too.
 *
 * Steps are in an order in which, wherever they end, libvirt finds each script once: links that
 * would lead astray are mended first, the scripts are on their new place before the forwarder is on
 * the old one, and a TYPE.d that libvirt runs by itself moves after it.
 */

#include "attach-task.h"

#include <dirent.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#include "attach-links.h"
#include "complain.h"
#include "forwarder.h"
#include "safe-path.h"
#include "script-text.h"
#include "text.h"

/* What lies at a place. */
typedef enum Thing {
        THING_NONE,
        THING_FILE,   /* or a link: it may be a script */
        THING_FOLDER, /* with something in it */
        THING_EMPTY_FOLDER,
        THING_OTHER,
} Thing;

typedef struct Planner {
        AttachTask *task;
        const char *root, *from, *to; /* the folders that scripts leave, and come to */
        AttachPlan texts, first, names, main, last;
        bool whole; /* detach: no type stays attached */
} Planner;

void attach_task_clear(AttachTask *task) {
        attach_plan_clear(&task->plan);
        task->moved = strv_free(task->moved);
        for (size_t i = 0; i < task->n_promises; i++) {
                free(task->promises[i].before);
                free(task->promises[i].after);
        }
        free(task->promises);
        task->promises = NULL;
        task->n_promises = 0;
}

/* Tells why it cannot be done. Returns -EEXIST, or -ENOMEM. */
_printf_(1, 2)
static int refuse(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        complain("%s", text ? text : "out of memory");
        return text ? -EEXIST : -ENOMEM;
}

static int add(AttachPlan *plan, AttachStepKind kind, bool backwards, const char *a, const char *b,
               const char *c) {
        const AttachStep step = { kind, backwards, (char *) a, (char *) b, (char *) c };

        if (a && b && attach_plan_add(plan, &step) == 0)
                return 0;
        complain("out of memory");
        return -ENOMEM;
}

static char *join(const char *folder, const char *name) {
        char *path;

        return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int is_no_dot(const struct dirent *entry) {
        return !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
}

/* The names in PATH, outside of the root; a folder that is not there has none. Returns their
 * number, or a negative errno, which has been told of. */
static int list_names(const char *path, struct dirent ***ret) {
        int n = scandir(path, ret, is_no_dot, alphasort);

        if (n >= 0)
                return n;
        *ret = NULL;
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        n = -errno;
        complain("%s cannot be read: %s%s", path, strerror(-n),
                 n == -EACCES ? "; run this as root" : "");
        return n;
}

static void free_names(struct dirent **names, int n) {
        for (int i = 0; i < n; i++)
                free(names[i]);
        free(names);
}

/* Returns 0, or a negative errno, which has been told of. */
static int look(const Planner *planner, const char *path, Thing *ret) {
        _cleanup_free_ char *whole = attach_path(planner->root, path);
        struct dirent **names;
        struct stat st;
        int n;

        if (!whole)
                return -ENOMEM;
        *ret = THING_NONE;
        if (lstat(whole, &st) < 0) {
                if (errno == ENOENT)
                        return 0;
                n = -errno;
                complain("%s cannot be looked at: %s", whole, strerror(-n));
                return n;
        }
        *ret = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) ? THING_FILE : THING_OTHER;
        if (!S_ISDIR(st.st_mode))
                return 0;
        n = list_names(whole, &names);
        if (n < 0)
                return n;
        free_names(names, n);
        *ret = n > 0 ? THING_FOLDER : THING_EMPTY_FOLDER;
        return 0;
}

static bool is_moved(const Planner *planner, const char *name, size_t n) {
        for (char **moved = planner->task->moved; moved && *moved; moved++)
                if (strlen(*moved) == n && memcmp(*moved, name, n) == 0)
                        return true;
        return false;
}

/* Whether the N bytes at NAME are a type's script or folder. */
static bool is_hook(const char *name, size_t n) {
        if (n > 2 && memcmp(name + n - 2, ".d", 2) == 0)
                n -= 2;
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (strlen(hook_type_to_string(type)) == n &&
                    memcmp(hook_type_to_string(type), name, n) == 0)
                        return true;
        return false;
}

static int note_moved(Planner *planner, const char *name) {
        if (strv_add(&planner->task->moved, name) >= 0)
                return 0;
        complain("out of memory");
        return -ENOMEM;
}

static int refuse_both(const Planner *planner, const char *name) {
        return refuse("%s is in both places, %s%s and %s%s: rename or remove one of them", name,
                      planner->root, planner->from, planner->root, planner->to);
}

/* Whether the service would run what lies at PATH. */
static int check_safety(const Planner *planner, const char *path) {
        _cleanup_free_ char *whole = attach_path(planner->root, path), *why = NULL;

        if (!planner->task->attachment->strict || planner->task->detach || !whole ||
            access(whole, F_OK) < 0)
                return 0;
        if (safe_path_check(whole, &why) < 0) {
                complain("out of memory");
                return -ENOMEM;
        }
        return why ? refuse("the service would refuse what is in %s: %s", whole, why) : 0;
}

/* A script that has the path of TYPE.d in it would look in vain where that was. */
static int check_text(const Planner *planner, HookType type, const char *path) {
        _cleanup_free_ char *whole = attach_path(planner->root, path), *command = NULL;
        _cleanup_free_ char *name = text_format("%s.d", hook_type_to_string(type));
        _cleanup_free_ char *folder = name ? join(planner->from, name) : NULL;
        unsigned levels = 0;
        Thing thing;
        int r;

        if (!whole || !folder)
                return -ENOMEM;
        r = look(planner, folder, &thing);
        if (r < 0 || (thing != THING_FOLDER && thing != THING_FILE) ||
            !script_text_speaks_of(whole, planner->from, name))
                return r;
        for (const char *p = path + strlen(planner->from) + 1; (p = strchr(p, '/')); p++)
                levels++;
        command = script_text_command(whole, planner->from, levels, planner->to);
        return command ? refuse("%s has the path of %s in it, which moves, or of what it is in; "
                                "this lets it look elsewhere: %s",
                                whole, folder, command)
                       : -ENOMEM;
}

/* The same for all executable files in the folder PATH and below. */
static int check_texts(const Planner *planner, HookType type, const char *path) {
        _cleanup_free_ char *whole = attach_path(planner->root, path);
        char *const folders[] = { whole, NULL };
        const FTSENT *entry;
        FTS *tree;
        int r = 0;

        tree = whole ? fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
        if (!tree)
                return -ENOMEM;
        while (r >= 0 && (entry = fts_read(tree)))
                if (entry->fts_info == FTS_F && (entry->fts_statp->st_mode & 0111))
                        r = check_text(planner, type, entry->fts_path + strlen(planner->root));
        (void) fts_close(tree);
        return r;
}

/* PATH is a script of TYPE if it is executable. */
static int take_script(Planner *planner, HookType type, const char *path) {
        struct stat st;

        if (folder_link_stat(planner->root, path, &st) < 0 || !S_ISREG(st.st_mode) ||
            !(st.st_mode & 0111))
                return 0;
        planner->task->had_script[type] = true;
        return check_safety(planner, path);
}

static int take_scripts(Planner *planner, HookType type, const char *folder) {
        _cleanup_free_ char *whole = attach_path(planner->root, folder);
        struct dirent **names = NULL;
        int n, r = 0;

        n = whole ? list_names(whole, &names) : -ENOMEM;
        for (int i = 0; i < n && r >= 0; i++) {
                _cleanup_free_ char *path = join(folder, names[i]->d_name);

                r = path ? take_script(planner, type, path) : -ENOMEM;
        }
        free_names(names, n);
        return n < 0 ? n : r;
}

/* TYPE.d, with all that is in it. */
static int plan_folder(Planner *planner, HookType type) {
        _cleanup_free_ char *name = text_format("%s.d", hook_type_to_string(type));
        _cleanup_free_ char *from = name ? join(planner->from, name) : NULL;
        _cleanup_free_ char *to = name ? join(planner->to, name) : NULL;
        Thing here, there;
        int r;

        if (!from || !to)
                return -ENOMEM;
        r = look(planner, from, &here);
        if (r >= 0)
                r = look(planner, to, &there);
        if (r < 0 || (here != THING_FOLDER && here != THING_FILE))
                return r;
        if (there != THING_NONE && there != THING_EMPTY_FOLDER)
                return refuse_both(planner, name);
        planner->task->changed[type] = true;
        r = take_scripts(planner, type, from);
        if (r >= 0)
                r = check_texts(planner, type, from);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r
                     : add(planner->task->detach ? &planner->first : &planner->last, ATTACH_MOVE,
                           false, from, to, there == THING_EMPTY_FOLDER ? "empty" : "");
}

/* SCRIPT is a link with the text TEXT when attached, and the script is PLACE. */
static int add_script(Planner *planner, const char *script, const char *place, const char *text) {
        bool backwards = planner->task->detach;
        int r;

        r = add(&planner->names, ATTACH_NAME, backwards, script, place, NULL);
        return r < 0 ? r : add(&planner->main, ATTACH_STAND, backwards, script, place, text);
}

/* Where libvirt's script TYPE is not attached yet. */
static int plan_attach_script(Planner *planner, HookType type, const char *script,
                              const char *place) {
        const char *name = hook_type_to_string(type);
        Thing here, there;
        int r;

        r = look(planner, script, &here);
        if (r >= 0)
                r = look(planner, place, &there);
        if (r < 0)
                return r;
        planner->task->changed[type] = true;
        if (here == THING_NONE) { /* what is on its new place already is libvirt's from then on */
                r = check_safety(planner, place);
                return r < 0 ? r
                             : add(&planner->main, ATTACH_LINK, false, script, FORWARDER_PATH,
                                   NULL);
        }
        if (here != THING_FILE)
                return refuse("%s%s is neither a script nor a link to one: remove it",
                              planner->root, script);
        if (there != THING_NONE)
                return refuse_both(planner, name);
        r = take_script(planner, type, script);
        if (r >= 0)
                r = check_text(planner, type, script);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r : add_script(planner, script, place, FORWARDER_PATH);
}

static int plan_detach_script(Planner *planner, HookType type, const char *script,
                              const char *place, const char *text) {
        const char *name = hook_type_to_string(type);
        Thing there;
        int r;

        r = look(planner, place, &there);
        if (r < 0)
                return r;
        planner->task->changed[type] = true;
        if (there == THING_NONE)
                return add(&planner->main, ATTACH_LINK, true, script, text, NULL);
        if (there != THING_FILE)
                return refuse("%s%s is neither a script nor a link to one: remove it",
                              planner->root, place);
        r = check_text(planner, type, place);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r : add_script(planner, script, place, text);
}

static int plan_type(Planner *planner, HookType type) {
        const Attachment *attachment = planner->task->attachment;
        const char *name = hook_type_to_string(type);
        _cleanup_free_ char *script = join(attachment->libvirt, name);
        _cleanup_free_ char *place = join(attachment->own, name), *text = NULL;
        bool attached = attachment_has(attachment, type, &text);
        int r;

        if (!script || !place || (attached && !text))
                return -ENOMEM;
        if (planner->task->detach)
                r = attached ? plan_detach_script(planner, type, script, place, text) : 0;
        else if (!attached)
                r = plan_attach_script(planner, type, script, place);
        else if (!streq(text, FORWARDER_PATH))
                r = refuse("%s%s leads to %s, which belongs to another installation: run "
                           "'virt-hooks detach %s' first",
                           planner->root, script, text, name);
        else
                r = 0;
        if (r < 0 || (planner->task->detach && !attached))
                return r;
        return plan_folder(planner, type);
}

/* NAME lies in the folder that scripts leave, and they find it beside them in the other one. */
static int plan_other(Planner *planner, const char *name) {
        _cleanup_free_ char *here = join(planner->from, name), *there = join(planner->to, name);
        _cleanup_free_ char *here_whole = here ? attach_path(planner->root, here) : NULL;
        _cleanup_free_ char *there_whole = there ? attach_path(planner->root, there) : NULL;
        bool ours, theirs;
        Thing thing;
        int r;

        if (!here_whole || !there_whole)
                return -ENOMEM;
        ours = attach_is_link(here_whole, there);
        theirs = attach_is_link(there_whole, here);
        r = look(planner, there, &thing);
        if (r < 0)
                return r;
        if (ours) /* it is a link of ours, and has had its time when all is back */
                return planner->whole ? add(&planner->last, ATTACH_LINK, true, here, there, NULL)
                                      : 0;
        if (thing != THING_NONE && !theirs)
                return refuse_both(planner, name);
        if (!theirs)
                r = add(&planner->first, ATTACH_LINK, false, there, here, NULL);
        if (r < 0 || !planner->whole)
                return r;
        r = note_moved(planner, name);
        if (r >= 0)
                r = add(&planner->last, ATTACH_LINK, true, there, here, NULL);
        return r < 0 ? r : add(&planner->last, ATTACH_MOVE, false, here, there, NULL);
}

static int plan_others(Planner *planner) {
        _cleanup_free_ char *folder = attach_path(planner->root, planner->from);
        struct dirent **names = NULL;
        int n, r = 0;

        n = folder ? list_names(folder, &names) : -ENOMEM;
        for (int i = 0; i < n && r >= 0; i++)
                /* A positive number comes with names. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                if (!is_hook(names[i]->d_name, strlen(names[i]->d_name)))
                        r = plan_other(planner, names[i]->d_name);
        free_names(names, n);
        return n < 0 ? n : r;
}

static int refuse_link(const Planner *planner, const FolderLink *link, const char *target,
                       size_t n) {
        return refuse(
                "%s%s/%s leads to %.*s, and only one of the two would move: name the types of "
                "both, or put a file in the link's place",
                planner->root, planner->from, link->path, (int) n, target);
}

/* The link FOLDER/NAME changes its text, and the folder that it lies in does not show it. */
static int add_text(Planner *planner, AttachPlan *plan, const char *folder, const FolderLink *link,
                    const char *text) {
        const char *slash = strrchr(link->path, '/');
        _cleanup_free_ char *path = join(folder, link->path), *around = NULL, *whole = NULL;
        _cleanup_free_ char *time = NULL;
        struct stat st;
        int r;

        if (!slash)
                return add(plan, ATTACH_TEXT, false, path, link->text, text);
        if (path)
                around = strndup(path, strlen(path) - strlen(slash));
        if (asprintf(&whole, "%s%s/%.*s", planner->root, planner->from, (int) (slash - link->path),
                     link->path) < 0)
                whole = NULL;
        if (whole && stat(whole, &st) == 0)
                time = text_format("%ld.%ld", (long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        r = add(plan, ATTACH_TIME, false, around, time, NULL); /* for the way back */
        if (r >= 0)
                r = add(plan, ATTACH_TEXT, false, path, link->text, text);
        return r < 0 ? r : add(plan, ATTACH_TIME, false, around, time, NULL);
}

/* An absolute link. */
static int plan_absolute(Planner *planner, const FolderLink *link, bool moved) {
        const char *inside = folder_link_behind(link->text, planner->from), *back;
        _cleanup_free_ char *text = NULL;

        if (inside && is_moved(planner, inside, strcspn(inside, "/"))) {
                if (!moved)
                        return refuse_link(planner, link, inside, strcspn(inside, "/"));
                text = join(planner->to, inside);
                return add_text(planner, &planner->last, planner->to, link, text);
        }
        /* The other way round it was made of a relative one. */
        back = moved ? folder_link_behind(link->text, planner->to) : NULL;
        if (!back || (strncmp(back, "../", 3) != 0 && !streq(back, "..")))
                return 0;
        text = folder_link_relative(link->path, back);
        return add_text(planner, &planner->last, planner->to, link, text);
}

/* LEADS: it does not lead to nothing. */
static int plan_link(Planner *planner, const FolderLink *link, bool leads) {
        bool moved = is_moved(planner, link->path, strcspn(link->path, "/"));
        _cleanup_free_ char *text = NULL;
        const char *rest;
        size_t up, folder, n;

        if (*link->text == '/')
                return plan_absolute(planner, link, moved);
        rest = folder_link_follow(link, &up, &folder);
        if (up > 0) {
                if (!moved)
                        return 0;
                text = folder_link_absolute(planner->from, up, rest);
                return add_text(planner, &planner->texts, planner->from, link, text);
        }
        n = strcspn(rest, "/");
        if (!leads || folder > 0 || moved == is_moved(planner, rest, n) ||
            (moved && !is_hook(rest, n))) /* it moves along, or finds a link of ours */
                return 0;
        return refuse_link(planner, link, rest, n);
}

/* The links of ours lead there, and others to those: both change, with what they stand for. */
static bool is_forwarder_file(const Planner *planner, const struct stat *st) {
        struct stat forwarder;

        return folder_link_stat(planner->root, FORWARDER_PATH, &forwarder) == 0 &&
               forwarder.st_dev == st->st_dev && forwarder.st_ino == st->st_ino;
}

/*
 * Where LINK, in FOLDER, leads now it must lead afterwards. Returns 1; 0 where it leads to nothing,
 * or to the forwarder; or -ENOMEM.
 */
static int promise(Planner *planner, const char *folder, const FolderLink *link) {
        AttachTask *task = planner->task;
        bool moved = streq(folder, planner->from) &&
                     is_moved(planner, link->path, strcspn(link->path, "/"));
        const char *other = streq(folder, planner->from) ? planner->to : planner->from;
        _cleanup_free_ char *counterpart = join(other, link->path);
        LinkPromise *grown, made = {};
        struct stat st;

        if (!counterpart)
                return -ENOMEM;
        if (streq(link->text, counterpart)) /* a link of ours */
                return 0;
        made.before = join(folder, link->path);
        made.after = join(moved ? planner->to : folder, link->path);
        grown = reallocarray(task->promises, task->n_promises + 1, sizeof(LinkPromise));
        if (grown)
                task->promises = grown;
        if (!grown || !made.before || !made.after) {
                free(made.before);
                free(made.after);
                return -ENOMEM;
        }
        if (folder_link_stat(planner->root, made.before, &st) < 0 ||
            is_forwarder_file(planner, &st)) {
                free(made.before);
                free(made.after);
                return 0;
        }
        made.device = st.st_dev;
        made.inode = st.st_ino;
        task->promises[task->n_promises++] = made;
        return 1;
}

static bool is_forwarder(const FolderLink *link) {
        const char *slash = strrchr(link->text, '/');

        return streq(slash ? slash + 1 : link->text, FORWARDER_NAME);
}

static int plan_links(Planner *planner, const char *folder, bool promises_only) {
        _cleanup_free_ char *whole = attach_path(planner->root, folder);
        FolderLinks links;
        int r;

        r = whole ? folder_links_find(&links, whole) : -ENOMEM;
        if (r < 0) {
                complain("%s cannot be read: %s", folder, strerror(-r));
                return r;
        }
        for (size_t i = 0; i < links.n && r >= 0; i++) {
                if (is_forwarder(&links.links[i]))
                        continue;
                r = promise(planner, folder, &links.links[i]);
                if (r < 0)
                        complain("out of memory");
                if (r >= 0 && !promises_only)
                        r = plan_link(planner, &links.links[i], r > 0);
        }
        folder_links_clear(&links);
        return MIN(r, 0);
}

/* TO's steps, then FROM's, which is empty afterwards. */
static int append(AttachPlan *to, AttachPlan *from) {
        int r = 0;

        for (size_t i = 0; i < from->n && r >= 0; i++)
                r = add(to, from->steps[i].kind, from->steps[i].backwards, from->steps[i].a,
                        from->steps[i].b, from->steps[i].c);
        attach_plan_clear(from);
        return r;
}

/* Detach: whether no type stays attached. */
static bool is_whole(const AttachTask *task) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (!task->wanted[type] && attachment_has(task->attachment, type, NULL))
                        return false;
        return task->detach;
}

/* Nobody can rename anything there: it need not be tried first. */
static int check_writable(const Planner *planner, const char *folder) {
        _cleanup_free_ char *whole = attach_path(planner->root, folder);

        if (!whole)
                return -ENOMEM;
        return access(whole, W_OK) < 0 && errno == EROFS
                       ? refuse("%s is on a read-only file system", whole)
                       : 0;
}

static int check_both_folders(const Planner *planner) {
        const char *const folders[] = { planner->from, planner->to };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(folders) && r >= 0; i++) {
                r = check_writable(planner, folders[i]);
                if (r >= 0)
                        r = check_safety(planner, folders[i]);
        }
        return r;
}

/* The folder is remembered from the first attach to the last detach. */
static int plan_memory(Planner *planner) {
        const Attachment *attachment = planner->task->attachment;
        bool detach = planner->task->detach;

        if (detach ? !planner->whole || !attachment->remembers : attachment->remembers)
                return 0;
        return add(detach ? &planner->last : &planner->first, ATTACH_LINK, detach,
                   ATTACHMENT_FOLDER_PATH, attachment->own, NULL);
}

static int plan_all(Planner *planner) {
        AttachTask *task = planner->task;
        int r = 0;

        for (HookType type = 0; type < HOOK_TYPE_MAX && r >= 0; type++)
                if (task->wanted[type])
                        r = plan_type(planner, type);
        if (r >= 0 && (planner->first.n > 0 || planner->main.n > 0 || planner->last.n > 0)) {
                r = check_both_folders(planner);
                if (r >= 0)
                        r = plan_memory(planner);
        }
        if (r >= 0 && (task->moved || (planner->whole && planner->main.n > 0)))
                r = plan_others(planner);
        if (r >= 0 && task->moved) {
                r = plan_links(planner, planner->from, false);
                if (r >= 0)
                        r = plan_links(planner, planner->to, true);
        }
        if (r >= 0)
                r = append(&task->plan, &planner->texts);
        if (r >= 0)
                r = append(&task->plan, &planner->first);
        if (r >= 0)
                r = append(&task->plan, task->detach ? &planner->main : &planner->names);
        if (r >= 0)
                r = append(&task->plan, task->detach ? &planner->names : &planner->main);
        if (r >= 0)
                r = append(&task->plan, &planner->last);
        return r;
}

int attach_task_plan(AttachTask *task) {
        const Attachment *attachment = task->attachment;
        Planner planner = {
                .task = task,
                .root = attachment->root,
                .from = task->detach ? attachment->own : attachment->libvirt,
                .to = task->detach ? attachment->libvirt : attachment->own,
                .whole = is_whole(task),
        };
        int r;

        r = plan_all(&planner);
        attach_plan_clear(&planner.texts);
        attach_plan_clear(&planner.first);
        attach_plan_clear(&planner.names);
        attach_plan_clear(&planner.main);
        attach_plan_clear(&planner.last);
        return r;
}

int attach_task_verify(const void *userdata) {
        const AttachTask *task = userdata;
        struct stat st;

        for (const LinkPromise *p = task->promises; p < task->promises + task->n_promises; p++)
                if (folder_link_stat(task->attachment->root, p->after, &st) < 0 ||
                    st.st_dev != p->device || st.st_ino != p->inode)
                        return refuse("the link %s%s would no longer lead where it leads: put a "
                                      "file in its place",
                                      task->attachment->root, p->before);
        return 0;
}
