/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Links are found by fts(3), which follows none, and are looked through by the kernel alone. What
 * is said of a text here, its letters say.
 */

#include "attach-links.h"

#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

#define ATTEMPTS 1000U

void folder_links_clear(FolderLinks *links) {
        for (size_t i = 0; i < links->n; i++) {
                free(links->links[i].path);
                free(links->links[i].text);
        }
        free(links->links);
        *links = (FolderLinks){};
}

static int add(FolderLinks *links, const char *whole, const char *path) {
        FolderLink *grown = reallocarray(links->links, links->n + 1, sizeof(FolderLink));
        char target[PATH_MAX];
        ssize_t n;

        if (!grown)
                return -ENOMEM;
        links->links = grown;
        n = readlink(whole, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        grown += links->n;
        *grown = (FolderLink){ .path = strdup(path), .text = strdup(target) };
        links->n++; /* from here on the list owns what there is */
        return grown->path && grown->text ? 0 : -ENOMEM;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

int folder_links_find(FolderLinks *ret, const char *folder) {
        char *const folders[] = { (char *) folder, NULL };
        FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
        const FTSENT *entry;
        int r = 0;

        *ret = (FolderLinks){};
        if (!tree)
                return -errno;
        while (r >= 0 && (errno = 0, entry = fts_read(tree)))
                switch (entry->fts_info) {
                case FTS_SL:
                case FTS_SLNONE:
                        r = add(ret, entry->fts_accpath, entry->fts_path + strlen(folder) + 1);
                        break;
                case FTS_DNR:
                case FTS_ERR:
                case FTS_NS:
                        if (entry->fts_level > 0 || entry->fts_errno != ENOENT)
                                r = -entry->fts_errno;
                        break;
                default:
                        break;
                }
        if (r >= 0 && errno != 0)
                r = -errno;
        (void) fts_close(tree);
        if (r < 0)
                folder_links_clear(ret);
        return r;
}

/*
 * The kernel walks the path as a process would whose root directory is ROOT. It cannot be sure of a
 * ".." while somebody renames something, wherever that is, and then asks to be asked again.
 */
static int stat_in_root(const char *root, const char *path, struct stat *ret) {
        _cleanup_close_ int root_fd = -EBADF, fd = -EBADF;
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

        root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        for (unsigned i = 0; i < ATTEMPTS && fd < 0; i++) {
                fd = (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
                if (fd < 0 && errno != EAGAIN)
                        break;
        }
        if (fd < 0)
                return -errno;
        return fstat(fd, ret) < 0 ? -errno : 0;
}

int folder_link_stat(const char *root, const char *path, struct stat *ret) {
        if (*root)
                return stat_in_root(root, path, ret);
        return stat(path, ret) < 0 ? -errno : 0;
}

const char *folder_link_follow(const FolderLink *link, size_t *ret_up, size_t *ret_folder) {
        const char *text = link->text, *slash = strrchr(link->path, '/');
        size_t folder = slash ? (size_t) (slash - link->path) : 0;

        *ret_up = 0;
        for (;;) {
                size_t n;

                text += strspn(text, "/");
                n = strcspn(text, "/");
                if (n == 2 && memcmp(text, "..", 2) == 0) {
                        if (folder == 0)
                                ++*ret_up;
                        while (folder > 0 && link->path[folder - 1] != '/')
                                folder--;
                        folder -= folder > 0;
                } else if (n != 1 || *text != '.')
                        break;
                text += n;
        }
        *ret_folder = folder;
        return text;
}

char *folder_link_relative(const char *path, const char *rest) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
                (void) fputs("../", stream);
        (void) fputs(rest, stream);
        return fclose(stream) == 0 ? TAKE_PTR(text) : NULL;
}

char *folder_link_absolute(const char *folder, size_t up, const char *rest) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        (void) fputs(folder, stream);
        for (size_t i = 0; i < up; i++)
                (void) fputs("/..", stream);
        (void) fprintf(stream, "%s%s", *rest ? "/" : "", rest);
        return fclose(stream) == 0 ? TAKE_PTR(text) : NULL;
}

const char *folder_link_behind(const char *text, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(text, prefix, n) == 0 && text[n] == '/' ? text + n + 1 : NULL;
}
