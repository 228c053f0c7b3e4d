/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The runs' cgroups. They only hold processes together: no controller is enabled in them.
 */

#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "log.h"

#define PREFIX     "run-"
#define SWEEP_EACH 16U /* leftovers that are looked at each time */

struct CgroupRoot {
        int fd;
        char **leftovers;         /* names of cgroups that had processes when their run ended */
        size_t n_leftovers, next; /* to be looked at */
};

struct Cgroup {
        CgroupRoot *root;
        char *name;
        int fd; /* the directory */
};

/* Where the second version's hierarchy is mounted, which may be one beside the first version's. */
static char *find_mount(void) {
        _cleanup_free_ char *line = NULL;
        char *found = NULL, *mount_point;
        size_t allocated = 0;
        FILE *file;

        file = fopen("/proc/self/mountinfo", "re");
        if (!file)
                return NULL;
        while (!found && getline(&line, &allocated, file) >= 0)
                /* id parent device root mount-point options... - type source options */
                if (strstr(line, " - cgroup2 ") &&
                    sscanf(line, "%*s %*s %*s %*s %ms", &mount_point) == 1)
                        found = mount_point;
        (void) fclose(file);
        return found;
}

/* The path of our cgroup in that hierarchy. */
static char *find_path(void) {
        _cleanup_free_ char *line = NULL;
        char *found = NULL;
        size_t allocated = 0;
        FILE *file;

        file = fopen("/proc/self/cgroup", "re");
        if (!file)
                return NULL;
        while (!found && getline(&line, &allocated, file) >= 0)
                if (strncmp(line, "0::", 3) == 0)
                        found = strndup(line + 3, strcspn(line + 3, "\n"));
        (void) fclose(file);
        return found;
}

/*
 * systemd marks what it delegates. Without the mark the cgroup is somebody else's, though root
 * could write to it. A user's own systemd 252 leaves no mark: there it is enough that the cgroup is
 * the user's, and that this is a service which reports to systemd, so not a shell's child.
 */
static bool is_delegated(int fd) {
        static const char *const marks[] = { "trusted.delegate", "user.delegate" };
        struct stat status;
        char value;

        for (size_t i = 0; i < ELEMENTS(marks); i++)
                if (fgetxattr(fd, marks[i], &value, 1) == 1 && value == '1')
                        return true;
        return geteuid() != 0 && getenv("NOTIFY_SOCKET") && fstat(fd, &status) == 0 &&
               status.st_uid == geteuid();
}

static int open_delegated(void) {
        _cleanup_free_ char *mount = find_mount(), *path = find_path(), *full = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (!mount || !path)
                return -ENOENT;
        if (asprintf(&full, "%s%s", mount, path) < 0)
                return -ENOMEM;
        fd = open(full, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return is_delegated(fd) ? TAKE_FD(fd) : -EPERM;
}

static void remember(CgroupRoot *root, char *name) {
        if (strv_take(&root->leftovers, name) >= 0)
                root->n_leftovers++;
}

/*
 * An earlier start of the service may have ended without clearing up, or with background children
 * that live on: theirs are removed when they have ended.
 */
static void remove_old(CgroupRoot *root) {
        struct dirent *entry;
        DIR *directory;
        int fd;

        fd = openat(root->fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        directory = fd >= 0 ? fdopendir(fd) : NULL;
        if (!directory) {
                close_fd(fd);
                return;
        }
        while ((entry = readdir(directory)))
                if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
                    unlinkat(root->fd, entry->d_name, AT_REMOVEDIR) < 0 && errno == EBUSY)
                        remember(root, strdup(entry->d_name));
        (void) closedir(directory);
}

int cgroup_root_new(CgroupRoot **ret) {
        CgroupRoot *root;
        int fd;

        *ret = NULL;
        fd = open_delegated();
        if (fd < 0)
                return fd == -ENOMEM ? fd : 0;
        root = malloc(sizeof(CgroupRoot));
        if (!root) {
                close_fd(fd);
                return -ENOMEM;
        }
        *root = (CgroupRoot){ .fd = fd };
        remove_old(root);
        *ret = root;
        return 0;
}

CgroupRoot *cgroup_root_free(CgroupRoot *root) {
        if (!root)
                return NULL;
        strv_free(root->leftovers);
        close_fd(root->fd);
        free(root);
        return NULL;
}

/* Removes leftovers that have become empty, a few at a time. */
static void sweep(CgroupRoot *root) {
        for (size_t n = MIN(root->n_leftovers, SWEEP_EACH); n > 0; n--) {
                char **name;

                if (root->next >= root->n_leftovers)
                        root->next = 0;
                name = &root->leftovers[root->next];
                if (unlinkat(root->fd, *name, AT_REMOVEDIR) < 0 && errno == EBUSY) {
                        root->next++; /* a daemon's stays, and must not be in the others' way */
                        continue;
                }
                free(*name);
                *name = root->leftovers[--root->n_leftovers];
                root->leftovers[root->n_leftovers] = NULL;
        }
}

int cgroup_new(Cgroup **ret, CgroupRoot *root, const char *id) {
        Cgroup *cgroup;
        int r;

        sweep(root);
        cgroup = malloc(sizeof(Cgroup));
        if (!cgroup)
                return -ENOMEM;
        *cgroup = (Cgroup){
                .root = root,
                .fd = -EBADF,
        };
        if (asprintf(&cgroup->name, PREFIX "%s", id) < 0) {
                free(cgroup);
                return -ENOMEM;
        }
        if (mkdirat(root->fd, cgroup->name, 0755) < 0)
                goto fail;
        cgroup->fd = openat(root->fd, cgroup->name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        if (cgroup->fd < 0)
                goto fail;
        *ret = cgroup;
        return 0;

fail:
        r = -errno;
        cgroup_free(cgroup);
        return r;
}

int cgroup_fd(const Cgroup *cgroup) {
        return cgroup->fd;
}

static bool kill_all(const Cgroup *cgroup) {
        _cleanup_close_ int fd = openat(cgroup->fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, "1", 1) == 1;
}

void cgroup_signal(const Cgroup *cgroup, int signal) {
        FILE *file;
        int fd, pid;

        if (signal == SIGKILL && kill_all(cgroup)) /* also those that are being forked just now */
                return;
        fd = openat(cgroup->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        file = fd >= 0 ? fdopen(fd, "re") : NULL;
        if (!file) {
                close_fd(fd);
                log_warning("The processes of %s cannot be listed, ignoring: %m", cgroup->name);
                return;
        }
        while (fscanf(file, "%d", &pid) == 1)
                if (pid > 1)
                        (void) kill(pid, signal);
        (void) fclose(file);
}

bool cgroup_is_populated(const Cgroup *cgroup) {
        _cleanup_close_ int fd = openat(cgroup->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        char events[256];
        ssize_t n = fd < 0 ? -1 : read(fd, events, sizeof(events) - 1);

        if (n < 0)
                return false;
        events[n] = '\0';
        return strstr(events, "populated 1") != NULL;
}

Cgroup *cgroup_free(Cgroup *cgroup) {
        CgroupRoot *root;

        if (!cgroup)
                return NULL;
        root = cgroup->root;
        close_fd(cgroup->fd);
        if (unlinkat(root->fd, cgroup->name, AT_REMOVEDIR) < 0 && errno == EBUSY)
                remember(root, TAKE_PTR(cgroup->name));
        free(cgroup->name);
        free(cgroup);
        return NULL;
}
