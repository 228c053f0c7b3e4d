/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plan is on disk before its first step is taken, in the file that is the lock as well, and gone
 * when the last one is. Who finds one there takes it back. The file stays while a type is attached,
 * since the forwarder looks for the lock there. Beside it a link remembers the folder of the
 * scripts: the settings may change. The plan makes and removes it with all else.
 *
 * What a hook sees that runs meanwhile: libvirt finds at each moment either the script in its place
 * or the forwarder. The forwarder waits for the lock, at most ten seconds, so it finds the scripts
 * in one of the two folders and whole; if the script is back in the forwarder's place by then, the
 * forwarder becomes the script. What is under way in the forwarder has the lock, and nothing is
 * moved. The service takes no call while there is a plan, also one that was broken off; the
 * forwarder then runs what libvirt does not run by itself. What libvirt has started as a plain
 * script is the one that cannot be seen: where the kernel has just begun to execute it, its
 * interpreter may open the forwarder in its place, and fail; and if it still runs when its TYPE.d
 * is moved, libvirt does not find that folder afterwards.
 */

#include "attachment.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "attach-journal.h"
#include "attach-links.h"
#include "complain.h"
#include "forwarder.h"
#include "hooks-lock.h"
#include "settings.h"
#include "text.h"

#define LIBVIRT_HOOKS SYSCONFDIR "/libvirt/hooks"
#define LOCK_TIMEOUT  (5 * USEC_PER_SEC)

static bool has_any(const Attachment *attachment) {
        for (HookType type = 0; type < HOOK_TYPE_MAX; type++)
                if (attachment_has(attachment, type, NULL))
                        return true;
        return false;
}

/* Of an attachment whose links somebody has removed by hand. */
static void forget_folder(const Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, ATTACHMENT_FOLDER_PATH);

        if (path && !has_any(attachment))
                (void) unlink(path);
}

/* The forwarder needs no lock where nothing is attached. */
static void drop_unused_files(const Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, HOOKS_LOCK_PATH);
        struct stat st;

        if (!path || fstat(attachment->lock_fd, &st) < 0 || st.st_size > 0 || has_any(attachment))
                return;
        forget_folder(attachment);
        (void) unlink(path);
}

void attachment_unlock(Attachment *attachment, bool done) {
        if (attachment->lock_fd >= 0 && (done || !attachment->had_state))
                drop_unused_files(attachment);
        attachment->lock_fd = close_fd(attachment->lock_fd);
}

Attachment *attachment_free(Attachment *attachment) {
        if (!attachment)
                return NULL;
        attachment_unlock(attachment, false);
        free(attachment->root);
        free(attachment->libvirt);
        free(attachment->own);
        settings_free(attachment->settings);
        free(attachment);
        return NULL;
}

const char *attachment_settings_folder(const Attachment *attachment) {
        for (char **d = attachment->settings->hooks_directories; d && *d; d++)
                if (!streq(*d, LIBVIRT_HOOKS))
                        return *d;
        return NULL;
}

/* An attachment older than the link that remembers has the settings' folder. */
static int find_folder(Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, ATTACHMENT_FOLDER_PATH);
        const char *folder = attachment_settings_folder(attachment);
        char target[PATH_MAX];
        ssize_t n;

        if (!path)
                return -ENOMEM;
        n = has_any(attachment) ? readlink(path, target, sizeof(target) - 1) : -1;
        attachment->remembers = n > 0 && *target == '/';
        if (attachment->remembers) {
                target[n] = '\0';
                folder = target;
        }
        return replace_string(&attachment->own, folder);
}

bool attachment_has_other_settings(const Attachment *attachment) {
        const char *folder = attachment_settings_folder(attachment);
        struct stat st, own;

        if (!attachment->remembers || (folder && streq(folder, attachment->own)))
                return false;
        return !folder || folder_link_stat(attachment->root, folder, &st) < 0 ||
               folder_link_stat(attachment->root, attachment->own, &own) < 0 ||
               st.st_dev != own.st_dev || st.st_ino != own.st_ino;
}

static int load_settings(Attachment *attachment) {
        _cleanup_free_ char *file = attach_path(attachment->root, SETTINGS_FILE);
        int r;

        r = file ? settings_load(&attachment->settings, file, false) : -ENOMEM;
        if (r >= 0)
                attachment->strict = attachment->settings->ownership == OWNERSHIP_STRICT;
        return r;
}

int attachment_new(Attachment **ret, const char *root) {
        _cleanup_(attachment_free_pointer) Attachment *attachment = malloc(sizeof(Attachment));
        size_t n = root ? strlen(root) : 0;
        int r;

        if (!attachment)
                return -ENOMEM;
        while (n > 0 && root[n - 1] == '/')
                n--;
        *attachment = (Attachment){
                .root = strndup(root ? root : "", n),
                .libvirt = strdup(LIBVIRT_HOOKS),
                .lock_fd = -EBADF,
        };
        r = attachment->root && attachment->libvirt ? load_settings(attachment) : -ENOMEM;
        if (r >= 0)
                r = find_folder(attachment);
        if (r >= 0)
                *ret = TAKE_PTR(attachment);
        return r;
}

bool attachment_has(const Attachment *attachment, HookType type, char **ret_text) {
        char path[PATH_MAX], target[PATH_MAX];
        const char *name;
        ssize_t n;

        if (ret_text)
                *ret_text = NULL;
        (void) snprintf(path, sizeof(path), "%s%s/%s", attachment->root, attachment->libvirt,
                        hook_type_to_string(type));
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = '\0';
        name = strrchr(target, '/');
        if (!streq(name ? name + 1 : target, FORWARDER_NAME))
                return false;
        if (ret_text)
                *ret_text = strdup(target);
        return true;
}

bool attachment_has_state(const Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, HOOKS_LOCK_PATH);

        return path && access(path, F_OK) == 0;
}

bool attachment_is_half_done(const Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, HOOKS_LOCK_PATH);
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (!path || stat(path, &st) < 0 || st.st_size == 0)
                return false;
        fd = hooks_lock(path, HOOKS_LOCK_RUN, 0);
        return fd == -EACCES || (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0);
}

static int sync_folder(const Attachment *attachment, const char *folder) {
        _cleanup_free_ char *path = attach_path(attachment->root, folder);
        _cleanup_close_ int fd = -EBADF;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

/* What was changed is on disk; after it the plan is not needed any more. */
static int settle(Attachment *attachment) {
        int r;

        r = sync_folder(attachment, attachment->libvirt);
        if (r >= 0)
                r = sync_folder(attachment, attachment->own);
        if (r >= 0)
                r = sync_folder(attachment, SYSCONFDIR "/virt-hooks");
        return r < 0 ? r : attach_journal_clear(attachment->lock_fd);
}

static int take_back(Attachment *attachment, const AttachPlan *plan) {
        const AttachStep *failed = NULL;
        int r;

        r = attach_plan_apply(plan, attachment->root, true, &failed);
        if (r >= 0)
                r = settle(attachment);
        if (r < 0)
                complain("what has been done cannot be taken back%s%s: %s; mend that, then run "
                         "'virt-hooks check'",
                         failed ? " at " : "", failed ? failed->a : "", strerror(-r));
        return r;
}

static int mend(Attachment *attachment) {
        AttachPlan plan = {};
        int r;

        r = attach_journal_read(attachment->lock_fd, &plan);
        if (r >= 0 && plan.n == 0)
                r = attach_journal_clear(attachment->lock_fd);
        if (r < 0)
                complain("%s%s cannot be read: %s", attachment->root, HOOKS_LOCK_PATH,
                         r == -EPROTO ? "it is another version's, which alone can take back what "
                                        "it has begun"
                                      : strerror(-r));
        else if (plan.n > 0) {
                r = take_back(attachment, &plan);
                if (r >= 0)
                        complain("an attach or detach that did not come to its end has been taken "
                                 "back");
        }
        attach_plan_clear(&plan);
        return r;
}

/* Makes the folder PATH where only it is missing, with this mode, whatever the umask is. */
static int make_folder(const char *path, mode_t mode) {
        int r;

        if ((mkdir(path, 0700) == 0 && chmod(path, mode) == 0) || errno == EEXIST)
                return 0;
        r = -errno;
        complain("%s cannot be made: %s%s", path, strerror(-r),
                 r == -EACCES || r == -EPERM ? "; run this as root" : "");
        return r;
}

/* And those above it, up to the root. */
static int make_folders(const Attachment *attachment, const char *path, mode_t mode) {
        _cleanup_free_ char *whole = attach_path(attachment->root, path);
        int r = whole ? 0 : -ENOMEM;

        for (char *slash = whole ? whole + strlen(attachment->root) + 1 : NULL;
             r >= 0 && (slash = strchr(slash, '/')); *slash++ = '/') {
                *slash = '\0';
                r = make_folder(whole, mode);
        }
        return r < 0 ? r : make_folder(whole, mode);
}

int attachment_find_libvirt(const Attachment *attachment, mode_t *ret_mode) {
        _cleanup_free_ char *whole = attach_path(attachment->root, attachment->libvirt);
        struct stat st;
        int r;

        if (!whole)
                return -ENOMEM;
        *strrchr(whole, '/') = '\0';
        if (stat(whole, &st) < 0) {
                r = -errno;
                complain("libvirt's hooks are looked for in %s, and %s cannot be looked at: %s; is "
                         "libvirt installed?%s",
                         attachment->libvirt, whole, strerror(-r),
                         streq(SYSCONFDIR, "/etc") ? ""
                                                   : " It mostly is with --sysconfdir=/etc, and "
                                                     "virt-hooks must be then, too");
                return r;
        }
        *ret_mode = st.st_mode;
        return 0;
}

int attachment_make_folders(const Attachment *attachment) {
        _cleanup_free_ char *whole = attach_path(attachment->root, attachment->libvirt);
        struct stat st;
        mode_t mode = 0;
        int r;

        if (!whole)
                return -ENOMEM;
        r = attachment_find_libvirt(attachment, &mode);
        if (r < 0)
                return r;
        mode = 0700 | (mode & 0055);
        r = make_folders(attachment, attachment->libvirt, mode);
        if (r < 0)
                return r;
        /* What libvirt's folder hides the other one hides, too. */
        if (stat(whole, &st) == 0)
                mode &= 0700 | (st.st_mode & 0055);
        return make_folders(attachment, attachment->own, mode);
}

/* Whether everybody may look into FOLDER. */
static bool is_open(const Attachment *attachment, const char *folder) {
        _cleanup_free_ char *whole = attach_path(attachment->root, folder);
        char *slash = whole ? strrchr(whole, '/') : NULL;
        struct stat st;

        if (!slash || stat(whole, &st) < 0 || !(st.st_mode & S_IXOTH))
                return false;
        *slash = '\0';
        return stat(whole, &st) == 0 && (st.st_mode & S_IXOTH);
}

bool attachment_is_more_open(const Attachment *attachment) {
        return is_open(attachment, attachment->own) && !is_open(attachment, attachment->libvirt);
}

/* Whether DIRECTORY is one of those out of which libvirt's AppArmor profiles run any program. */
static bool is_allowed_folder(const char *path) {
        static const char *const folders[] = { "/usr/bin", "/usr/sbin", "/bin", "/sbin" };
        size_t n = (size_t) (strrchr(path, '/') - path);

        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (strlen(folders[i]) == n && memcmp(folders[i], path, n) == 0)
                        return true;
        return false;
}

/* The profile of a daemon of libvirt's; NULL where there is none, or memory is short. */
static char *find_profile(const Attachment *attachment) {
        static const char *const daemons[] = { "libvirtd", "virtqemud", "virtlxcd", "virtxend",
                                               "virtnetworkd" };

        for (size_t i = 0; i < ELEMENTS(daemons); i++) {
                _cleanup_free_ char *path = NULL, *disabled = NULL;

                if (asprintf(&path, "%s/etc/apparmor.d/usr.sbin.%s", attachment->root, daemons[i]) <
                    0)
                        path = NULL;
                if (asprintf(&disabled, "%s/etc/apparmor.d/disable/usr.sbin.%s", attachment->root,
                             daemons[i]) < 0)
                        disabled = NULL;
                if (path && disabled && access(path, F_OK) == 0 && access(disabled, F_OK) < 0)
                        return TAKE_PTR(path);
        }
        return NULL;
}

char *attachment_find_profile(const Attachment *attachment) {
        return is_allowed_folder(FORWARDER_PATH) ? NULL : find_profile(attachment);
}

bool attachment_forwarder_is_lost(const Attachment *attachment) {
        _cleanup_free_ char *forwarder = attach_path(attachment->root, FORWARDER_PATH);

        return forwarder && access(forwarder, X_OK) == 0 && !forwarder_is_program(forwarder);
}

char *attachment_find_hindrance(const Attachment *attachment) {
        _cleanup_free_ char *forwarder = attach_path(attachment->root, FORWARDER_PATH);
        _cleanup_free_ char *profile = attachment_find_profile(attachment);
        struct stat st;

        if (!forwarder || stat(forwarder, &st) < 0 || !S_ISREG(st.st_mode) ||
            !(st.st_mode & 0111) || !forwarder_is_program(forwarder))
                return text_format("%s%s is not there or is no program: install virt-hooks whole",
                                   attachment->root, FORWARDER_PATH);
        if (profile)
                return text_format("libvirt's AppArmor profile %s lets it run programs in /usr/bin "
                                   "and /usr/sbin, and not " FORWARDER_PATH
                                   ": build virt-hooks with --prefix=/usr, or disable the profile",
                                   profile);
        return NULL;
}

static int explain_lock(const char *path, int r) {
        if (r == -EWOULDBLOCK) {
                _cleanup_close_ int fd = hooks_lock(path, HOOKS_LOCK_RUN, 0);

                if (fd >= 0)
                        complain("hooks of libvirt are running, so their scripts stay where they "
                                 "are; see 'virt-hooks list', and try again");
                else
                        complain("another attach or detach is at work; try again");
        } else
                complain("%s cannot be locked: %s%s", path, strerror(-r),
                         r == -EACCES || r == -EPERM ? "; run this as root" : "");
        return r;
}

int attachment_lock(Attachment *attachment) {
        _cleanup_free_ char *path = attach_path(attachment->root, HOOKS_LOCK_PATH);
        int r;

        if (!path) {
                complain("out of memory");
                return -ENOMEM;
        }
        attachment->had_state = attachment_has_state(attachment);
        attachment->lock_fd = hooks_lock(path, HOOKS_LOCK_MOVE, LOCK_TIMEOUT);
        if (attachment->lock_fd < 0)
                return explain_lock(path, attachment->lock_fd);
        r = mend(attachment);
        if (r < 0)
                return r;
        forget_folder(attachment);
        r = find_folder(attachment); /* what has been taken back may have remembered another one */
        if (r < 0)
                complain("out of memory");
        return r;
}

static const char *explain_step(int r) {
        switch (r) {
        case -EXDEV:
                return " (the two folders must be on one file system; see HooksDirectories= in "
                       "virt-hooks.conf(5))";
        case -EOPNOTSUPP:
                return " (an overlay shows it as two files; copy it to itself there: 'cp -a FILE "
                       "FILE.new && mv FILE.new FILE')";
        case -EACCES:
        case -EPERM:
                return "; run this as root, or mend the file's attributes";
        default:
                return "";
        }
}

int attachment_carry_out(Attachment *attachment, const AttachPlan *plan,
                         int (*verify)(const void *userdata), const void *userdata) {
        const AttachStep *failed = NULL;
        int r, taken_back;

        r = attach_journal_write(attachment->lock_fd, plan);
        if (r < 0) {
                complain("%s%s cannot be written: %s", attachment->root, HOOKS_LOCK_PATH,
                         strerror(-r));
                return r;
        }
        r = attach_plan_apply(plan, attachment->root, false, &failed);
        if (r < 0)
                complain("%s%s cannot be changed: %s%s", attachment->root, failed->a, strerror(-r),
                         explain_step(r));
        else
                r = verify(userdata);
        if (r >= 0) {
                r = settle(attachment);
                if (r < 0)
                        complain("the change cannot be written to disk: %s", strerror(-r));
        }
        if (r >= 0)
                return 0;
        taken_back = take_back(attachment, plan);
        return taken_back < 0 ? taken_back : r;
}
