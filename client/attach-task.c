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

#include <stdio.h>
#include <sys/stat.h>

#include "attach-links.h"
#include "attach-script.h"
#include "attach-thing.h"
#include "complain.h"
#include "forwarder.h"
#include "text.h"

typedef struct Planner {
        AttachTask *task;
        AttachMove move;
        AttachPlan texts, first, names, main, last;
        bool whole; /* detach: no type stays attached */
} Planner;

void attach_task_clear(AttachTask *task) {
        attach_plan_clear(&task->plan);
        task->moved = strv_free(task->moved);
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                task->left[type] = strv_free(task->left[type]);
        for (size_t i = 0; i < task->n_promises; i++) {
                free(task->promises[i].before);
                free(task->promises[i].after);
        }
        free(task->promises);
        task->promises = NULL;
        task->n_promises = 0;
}

static int add(AttachPlan *plan, AttachStepKind kind, bool backwards, const char *a, const char *b,
               const char *c) {
        const AttachStep step = { kind, backwards, (char *) a, (char *) b, (char *) c };

        if (a && b && attach_plan_add(plan, &step) == 0)
                return 0;
        complain("out of memory");
        return -ENOMEM;
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
                      planner->move.root, planner->move.from, planner->move.root, planner->move.to);
}

/* TYPE.d, with all that is in it. */
static int plan_folder(Planner *planner, HookType type) {
        _cleanup_free_ char *name = text_format("%s.d", hook_type_to_string(type));
        _cleanup_free_ char *from = name ? attach_join(planner->move.from, name) : NULL;
        _cleanup_free_ char *to = name ? attach_join(planner->move.to, name) : NULL;
        AttachThing here, there;
        int r;

        if (!from || !to)
                return -ENOMEM;
        r = attach_thing_look(planner->move.root, from, &here);
        if (r >= 0)
                r = attach_thing_look(planner->move.root, to, &there);
        if (r < 0 || (here != ATTACH_THING_FOLDER && here != ATTACH_THING_FILE))
                return r;
        if (there != ATTACH_THING_NONE && there != ATTACH_THING_EMPTY_FOLDER)
                return refuse_both(planner, name);
        planner->task->changed[type] = true;
        r = attach_script_check_folder(&planner->move, type, from,
                                       &planner->task->had_script[type]);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r
                     : add(planner->task->detach ? &planner->first : &planner->last, ATTACH_MOVE,
                           false, from, to, there == ATTACH_THING_EMPTY_FOLDER ? "empty" : "");
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
        AttachThing here, there;
        int r;

        r = attach_thing_look(planner->move.root, script, &here);
        if (r >= 0)
                r = attach_thing_look(planner->move.root, place, &there);
        if (r < 0)
                return r;
        planner->task->changed[type] = true;
        if (here == ATTACH_THING_NONE) {
                /* What is on its new place already is libvirt's from then on. */
                r = attach_script_check_safety(&planner->move, place);
                return r < 0 ? r
                             : add(&planner->main, ATTACH_LINK, false, script, FORWARDER_PATH,
                                   NULL);
        }
        if (here != ATTACH_THING_FILE)
                return refuse("%s%s is neither a script nor a link to one: remove it",
                              planner->move.root, script);
        if (there != ATTACH_THING_NONE)
                return refuse_both(planner, name);
        r = attach_script_check(&planner->move, type, script, &planner->task->had_script[type]);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r : add_script(planner, script, place, FORWARDER_PATH);
}

static int plan_detach_script(Planner *planner, HookType type, const char *script,
                              const char *place, const char *text) {
        const char *name = hook_type_to_string(type);
        AttachThing there;
        int r;

        r = attach_thing_look(planner->move.root, place, &there);
        if (r < 0)
                return r;
        planner->task->changed[type] = true;
        if (there == ATTACH_THING_NONE)
                return add(&planner->main, ATTACH_LINK, true, script, text, NULL);
        if (there != ATTACH_THING_FILE)
                return refuse("%s%s is neither a script nor a link to one: remove it",
                              planner->move.root, place);
        r = attach_script_check(&planner->move, type, place, &planner->task->had_script[type]);
        if (r >= 0)
                r = note_moved(planner, name);
        return r < 0 ? r : add_script(planner, script, place, text);
}

/* PATH is there, as a script is or the folder of some. */
static int note_left(Planner *planner, HookType type, const char *path) {
        AttachThing thing;
        int r;

        r = attach_thing_look(planner->move.root, path, &thing);
        if (r < 0 || (thing != ATTACH_THING_FILE && thing != ATTACH_THING_FOLDER))
                return r;
        if (strv_add(&planner->task->left[type], path) >= 0)
                return 0;
        complain("out of memory");
        return -ENOMEM;
}

/* Somebody has put something else in the place of the link, or removed it: that holds, and SCRIPT
 * stays in our folder. */
static int plan_left(Planner *planner, HookType type, const char *script) {
        _cleanup_free_ char *folder = text_format("%s.d", script);
        int r = folder ? note_left(planner, type, script) : -ENOMEM;

        return r < 0 ? r : note_left(planner, type, folder);
}

static int plan_type(Planner *planner, HookType type) {
        const Attachment *attachment = planner->task->attachment;
        const char *name = hook_type_to_string(type);
        _cleanup_free_ char *script = attach_join(attachment->libvirt, name);
        _cleanup_free_ char *place = attach_join(attachment->own, name), *text = NULL;
        bool attached = attachment_has(attachment, type, &text);
        int r;

        if (!script || !place || (attached && !text))
                return -ENOMEM;
        if (planner->task->detach)
                r = attached ? plan_detach_script(planner, type, script, place, text)
                             : plan_left(planner, type, place);
        else if (!attached)
                r = plan_attach_script(planner, type, script, place);
        else if (!streq(text, FORWARDER_PATH))
                r = refuse("%s%s leads to %s, which belongs to another installation: run "
                           "'virt-hooks detach %s' first",
                           planner->move.root, script, text, name);
        else
                r = 0;
        if (r < 0 || (planner->task->detach && !attached))
                return r;
        return plan_folder(planner, type);
}

/* NAME lies in the folder that scripts leave, and they find it beside them in the other one. */
static int plan_other(Planner *planner, const char *name) {
        _cleanup_free_ char *here = attach_join(planner->move.from, name),
                            *there = attach_join(planner->move.to, name);
        _cleanup_free_ char *here_whole = here ? attach_path(planner->move.root, here) : NULL;
        _cleanup_free_ char *there_whole = there ? attach_path(planner->move.root, there) : NULL;
        bool ours, theirs;
        AttachThing thing;
        int r;

        if (!here_whole || !there_whole)
                return -ENOMEM;
        ours = attach_is_link(here_whole, there);
        theirs = attach_is_link(there_whole, here);
        r = attach_thing_look(planner->move.root, there, &thing);
        if (r < 0)
                return r;
        if (ours) /* it is a link of ours, and has had its time when all is back */
                return planner->whole ? add(&planner->last, ATTACH_LINK, true, here, there, NULL)
                                      : 0;
        if (thing != ATTACH_THING_NONE && !theirs)
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
        _cleanup_free_ char *folder = attach_path(planner->move.root, planner->move.from);
        struct dirent **names = NULL;
        int n, r = 0;

        n = folder ? attach_thing_list(folder, &names) : -ENOMEM;
        for (int i = 0; i < n && r >= 0; i++)
                /* A positive number comes with names. */
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
                if (!is_hook(names[i]->d_name, strlen(names[i]->d_name)))
                        r = plan_other(planner, names[i]->d_name);
        attach_thing_free_list(names, n);
        return n < 0 ? n : r;
}

static int refuse_link(const Planner *planner, const FolderLink *link, const char *target,
                       size_t n) {
        return refuse(
                "%s%s/%s leads to %.*s, and only one of the two would move: name the types of "
                "both, or put a file in the link's place",
                planner->move.root, planner->move.from, link->path, (int) n, target);
}

/* The link FOLDER/NAME changes its text, and the folder that it lies in does not show it. */
static int add_text(Planner *planner, AttachPlan *plan, const char *folder, const FolderLink *link,
                    const char *text) {
        const char *slash = strrchr(link->path, '/');
        _cleanup_free_ char *path = attach_join(folder, link->path), *around = NULL, *whole = NULL;
        _cleanup_free_ char *time = NULL;
        struct stat st;
        int r;

        if (!slash)
                return add(plan, ATTACH_TEXT, false, path, link->text, text);
        if (path)
                around = strndup(path, strlen(path) - strlen(slash));
        if (asprintf(&whole, "%s%s/%.*s", planner->move.root, planner->move.from,
                     (int) (slash - link->path), link->path) < 0)
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
        const char *inside = folder_link_behind(link->text, planner->move.from), *back;
        _cleanup_free_ char *text = NULL;

        if (inside && is_moved(planner, inside, strcspn(inside, "/"))) {
                if (!moved)
                        return refuse_link(planner, link, inside, strcspn(inside, "/"));
                text = attach_join(planner->move.to, inside);
                return add_text(planner, &planner->last, planner->move.to, link, text);
        }
        /* The other way round it was made of a relative one. */
        back = moved ? folder_link_behind(link->text, planner->move.to) : NULL;
        if (!back || (strncmp(back, "../", 3) != 0 && !streq(back, "..")))
                return 0;
        text = folder_link_relative(link->path, back);
        return add_text(planner, &planner->last, planner->move.to, link, text);
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
                text = folder_link_absolute(planner->move.from, up, rest);
                return add_text(planner, &planner->texts, planner->move.from, link, text);
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

        return folder_link_stat(planner->move.root, FORWARDER_PATH, &forwarder) == 0 &&
               forwarder.st_dev == st->st_dev && forwarder.st_ino == st->st_ino;
}

/*
 * Where LINK, in FOLDER, leads now it must lead afterwards. Returns 1; 0 where it leads to nothing,
 * or to the forwarder; or -ENOMEM.
 */
static int promise(Planner *planner, const char *folder, const FolderLink *link) {
        AttachTask *task = planner->task;
        bool moved = streq(folder, planner->move.from) &&
                     is_moved(planner, link->path, strcspn(link->path, "/"));
        const char *other =
                streq(folder, planner->move.from) ? planner->move.to : planner->move.from;
        _cleanup_free_ char *counterpart = attach_join(other, link->path);
        LinkPromise *grown, made = {};
        struct stat st;

        if (!counterpart)
                return -ENOMEM;
        if (streq(link->text, counterpart)) /* a link of ours */
                return 0;
        made.before = attach_join(folder, link->path);
        made.after = attach_join(moved ? planner->move.to : folder, link->path);
        grown = reallocarray(task->promises, task->n_promises + 1, sizeof(LinkPromise));
        if (grown)
                task->promises = grown;
        if (!grown || !made.before || !made.after) {
                free(made.before);
                free(made.after);
                return -ENOMEM;
        }
        if (folder_link_stat(planner->move.root, made.before, &st) < 0 ||
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
        _cleanup_free_ char *whole = attach_path(planner->move.root, folder);
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
        _cleanup_free_ char *whole = attach_path(planner->move.root, folder);

        if (!whole)
                return -ENOMEM;
        return access(whole, W_OK) < 0 && errno == EROFS
                       ? refuse("%s is on a read-only file system", whole)
                       : 0;
}

static int check_both_folders(const Planner *planner) {
        const char *const folders[] = { planner->move.from, planner->move.to };
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(folders) && r >= 0; i++) {
                r = check_writable(planner, folders[i]);
                if (r >= 0)
                        r = attach_script_check_safety(&planner->move, folders[i]);
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
        if (r >= 0 && planner->move.refused)
                r = -EEXIST;
        if (r >= 0 && (planner->first.n > 0 || planner->main.n > 0 || planner->last.n > 0)) {
                r = check_both_folders(planner);
                if (r >= 0)
                        r = plan_memory(planner);
        }
        if (r >= 0 && (task->moved || (planner->whole && planner->main.n > 0)))
                r = plan_others(planner);
        if (r >= 0 && task->moved) {
                r = plan_links(planner, planner->move.from, false);
                if (r >= 0)
                        r = plan_links(planner, planner->move.to, true);
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
                .move = {
                        .root = attachment->root,
                        .from = task->detach ? attachment->own : attachment->libvirt,
                        .to = task->detach ? attachment->libvirt : attachment->own,
                        .attach = !task->detach,
                        .strict = attachment->strict,
                },
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
