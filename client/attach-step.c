/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each step makes at most one change that anybody can see, and that one is atomic. A script is
 * never copied: it keeps its inode, and with it owner, mode, times, labels and whoever has it open.
 * Links that need another text are made anew, with all that the old one had.
 */

#include "attach-step.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "paths.h"

#define MADE_LINK      SYSCONFDIR "/virt-hooks/attach.link"
#define ATTRIBUTES_MAX 65536U /* what the kernel allows, names and a value alike */

static const char *const kind_names[ATTACH_STEP_KIND_MAX] = {
        [ATTACH_LINK] = "link", [ATTACH_TEXT] = "text",   [ATTACH_TIME] = "time",
        [ATTACH_NAME] = "name", [ATTACH_STAND] = "stand", [ATTACH_MOVE] = "move",
};

const char *attach_step_kind_to_string(AttachStepKind kind) {
        return kind_names[kind];
}

AttachStepKind attach_step_kind_from_string(const char *name) {
        for (AttachStepKind kind = 0; kind < ATTACH_STEP_KIND_MAX; kind++)
                if (streq(kind_names[kind], name))
                        return kind;
        return ATTACH_STEP_KIND_INVALID;
}

static void step_clear(AttachStep *step) {
        free(step->a);
        free(step->b);
        free(step->c);
}

void attach_plan_clear(AttachPlan *plan) {
        for (size_t i = 0; i < plan->n; i++)
                step_clear(&plan->steps[i]);
        free(plan->steps);
        *plan = (AttachPlan){};
}

int attach_plan_add(AttachPlan *plan, const AttachStep *step) {
        AttachStep *grown = reallocarray(plan->steps, plan->n + 1, sizeof(AttachStep));
        AttachStep copy = {
                .kind = step->kind,
                .backwards = step->backwards,
                .a = strdup(step->a),
                .b = strdup(step->b),
                .c = strdup(step->c ? step->c : ""),
        };

        if (grown)
                plan->steps = grown;
        if (!grown || !copy.a || !copy.b || !copy.c) {
                step_clear(&copy);
                return -ENOMEM;
        }
        grown[plan->n++] = copy;
        return 0;
}

char *attach_path(const char *root, const char *path) {
        char *whole;

        return asprintf(&whole, "%s%s", root, path) < 0 ? NULL : whole;
}

char *attach_join(const char *folder, const char *name) {
        char *path;

        return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

bool attach_is_link(const char *path, const char *text) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target));

        return n >= 0 && (size_t) n == strlen(text) && memcmp(target, text, (size_t) n) == 0;
}

static bool exists(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

static bool is_same_file(const char *a, const char *b) {
        struct stat st_a, st_b;

        return lstat(a, &st_a) == 0 && lstat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
               st_a.st_ino == st_b.st_ino;
}

/* "/x/.NAME.virt-hooks" for "/x/NAME": where something is made before it takes its place. */
static char *aside(const char *path) {
        const char *name = strrchr(path, '/') + 1;
        char *made;

        return asprintf(&made, "%.*s.%s.virt-hooks", (int) (name - path), path, name) < 0 ? NULL
                                                                                          : made;
}

static int make_link(const char *text, const char *path) {
        if (symlink(text, path) == 0 || (errno == EEXIST && attach_is_link(path, text)))
                return 0;
        return -errno;
}

/* What is not there is not removed: a read-only file system would refuse even that. */
static int remove_if_there(const char *path) {
        return exists(path) && unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* What was begun aside and never took its place. */
static int clear_aside(const char *path, char **ret) {
        *ret = aside(path);
        return *ret ? remove_if_there(*ret) : -ENOMEM;
}

/* Removes a link that we have made; what somebody has put in its place stays. */
static int drop_link(const char *path, const char *text) {
        if (attach_is_link(path, text))
                return remove_if_there(path);
        return exists(path) ? -EEXIST : 0;
}

static int copy_attribute(const char *from, const char *to, const char *name, char *value) {
        ssize_t n = lgetxattr(from, name, value, ATTRIBUTES_MAX);

        return n < 0 || lsetxattr(to, name, value, (size_t) n, 0) < 0 ? -errno : 0;
}

static int copy_attributes(const char *from, const char *to) {
        _cleanup_free_ char *names = malloc(ATTRIBUTES_MAX), *value = malloc(ATTRIBUTES_MAX);
        ssize_t n;
        int r = 0;

        if (!names || !value)
                return -ENOMEM;
        n = llistxattr(from, names, ATTRIBUTES_MAX);
        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;
        for (const char *name = names; r >= 0 && name < names + n; name += strlen(name) + 1)
                r = copy_attribute(from, to, name, value);
        return r;
}

/* Owner, attributes and times of the link FROM for the link TO. */
static int copy_metadata(const char *from, const char *to) {
        struct stat st;
        int r;

        if (lstat(from, &st) < 0 || lchown(to, st.st_uid, st.st_gid) < 0)
                return -errno;
        r = copy_attributes(from, to);
        if (r >= 0 && utimensat(AT_FDCWD, to, (struct timespec[]){ st.st_atim, st.st_mtim },
                                AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        return r;
}

/* The time of the folder's last change is that of its owner's. */
static int set_time(const char *folder, const char *time, bool undo) {
        struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, {} };

        if (sscanf(time, "%ld.%ld", &times[1].tv_sec, &times[1].tv_nsec) != 2)
                return -EINVAL;
        if (utimensat(AT_FDCWD, folder, times, 0) == 0 || (undo && errno == ENOENT))
                return 0;
        return -errno;
}

/* The new link is MADE first, where nobody runs it: it must not lie in a TYPE.d. UNDO: the step may
 * never have been taken, and something else be there. */
static int change_text(const char *path, const char *from, const char *to, const char *made,
                       bool undo) {
        int r;

        r = remove_if_there(made);
        if (r < 0 || attach_is_link(path, to) || (undo && !attach_is_link(path, from)))
                return r;
        if (!attach_is_link(path, from))
                return -EEXIST;
        r = make_link(to, made);
        if (r >= 0)
                r = copy_metadata(path, made);
        if (r >= 0 && rename(made, path) < 0)
                r = -errno;
        return r;
}

/*
 * UNDO: if it still has the other name, that was never dropped. An overlay may show the second name
 * as another file than the first: there is no knowing what is what then.
 */
static int add_name(const char *script, const char *other, bool undo) {
        int r = linkat(AT_FDCWD, script, AT_FDCWD, other, 0) < 0 ? -errno : 0;

        if (r >= 0 && !is_same_file(script, other))
                return unlink(other) < 0 ? -errno : -EOPNOTSUPP;
        return r == -EEXIST && (undo || is_same_file(script, other)) ? 0 : r;
}

static int drop_name(const char *script, const char *other) {
        if (is_same_file(script, other))
                return remove_if_there(other);
        return exists(other) ? -EEXIST : 0;
}

/* Whoever looks at PLACE finds the script or, from one moment on, the link. */
static int put_forwarder(const char *place, const char *script, const char *text) {
        _cleanup_free_ char *made = NULL;
        int r;

        r = clear_aside(place, &made);
        if (r < 0 || attach_is_link(place, text))
                return r;
        if (!is_same_file(place, script))
                return exists(script) ? -EEXIST : -ENOENT;
        r = make_link(text, made);
        if (r >= 0 && rename(made, place) < 0)
                r = -errno;
        return r;
}

/* The same back: the script has two names then. */
static int put_script(const char *place, const char *script, const char *text) {
        _cleanup_free_ char *made = NULL;
        int r;

        r = clear_aside(place, &made);
        if (r < 0 || is_same_file(place, script))
                return r;
        if (!attach_is_link(place, text)) /* it never was the link */
                return exists(script) ? -EEXIST : 0;
        r = add_name(script, made, false);
        if (r >= 0 && rename(made, place) < 0)
                r = -errno;
        return r;
}

static int move(const char *from, const char *to) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno == EINVAL && !exists(to) && rename(from, to) == 0) /* an old file system */
                return 0;
        return -errno;
}

/* EMPTY: there may be an empty folder at TO, which must be the last thing in the way. */
static int move_once(const char *from, const char *to, bool empty) {
        if (!exists(from))
                return exists(to) ? 0 : -ENOENT;
        if (empty && rmdir(to) < 0 && errno != ENOENT)
                return -errno;
        return move(from, to);
}

/* The same back, with the empty folder. */
static int move_back(const char *from, const char *to, bool empty) {
        int r = exists(from) ? 0 : move(to, from);

        if (r < 0)
                return r;
        return empty && mkdir(to, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int step_apply(const AttachStep *step, const char *root, bool undo) {
        _cleanup_free_ char *a = attach_path(root, step->a), *b = attach_path(root, step->b);
        _cleanup_free_ char *made = attach_path(root, MADE_LINK);
        bool backwards = step->backwards != undo;

        if (!a || !b || !made)
                return -ENOMEM;
        switch (step->kind) {
        case ATTACH_LINK:
                return backwards ? drop_link(a, step->b) : make_link(step->b, a);
        case ATTACH_TEXT:
                return backwards ? change_text(a, step->c, step->b, made, undo)
                                 : change_text(a, step->b, step->c, made, undo);
        case ATTACH_TIME:
                return set_time(a, step->b, undo);
        case ATTACH_NAME:
                return backwards ? drop_name(a, b) : add_name(a, b, undo);
        case ATTACH_STAND:
                return backwards ? put_script(a, b, step->c) : put_forwarder(a, b, step->c);
        case ATTACH_MOVE:
                return backwards ? move_back(a, b, *step->c) : move_once(a, b, *step->c);
        default:
                return -EINVAL;
        }
}

int attach_plan_apply(const AttachPlan *plan, const char *root, bool undo,
                      const AttachStep **ret_failed) {
        for (size_t i = 0; i < plan->n; i++) {
                const AttachStep *step = &plan->steps[undo ? plan->n - 1 - i : i];
                int r = step_apply(step, root, undo);

                if (r < 0) {
                        *ret_failed = step;
                        return r;
                }
        }
        return 0;
}
