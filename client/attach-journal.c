/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file has words that end with NULs, for paths may have any other byte: a heading, five words
 * for each step, and a last one without which it is not complete.
 */

#include "attach-journal.h"

#include <stdio.h>

#include "bytes.h"

#define HEADING          "virt-hooks attach 1"
#define END              "end"
#define SIZE_MAX_JOURNAL (16U * 1024U * 1024U)

static void put(FILE *stream, const char *word) {
        (void) fwrite(word, 1, strlen(word) + 1, stream);
}

static char *serialize(const AttachPlan *plan, size_t *ret_size) {
        _cleanup_free_ char *data = NULL;
        FILE *stream = open_memstream(&data, ret_size);

        if (!stream)
                return NULL;
        put(stream, HEADING);
        for (const AttachStep *step = plan->steps; step < plan->steps + plan->n; step++) {
                put(stream, attach_step_kind_to_string(step->kind));
                put(stream, step->backwards ? "-" : "+");
                put(stream, step->a);
                put(stream, step->b);
                put(stream, step->c);
        }
        put(stream, END);
        return fclose(stream) == 0 ? TAKE_PTR(data) : NULL;
}

static int write_all(int fd, const char *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pwrite(fd, data + done, size - done, (off_t) done);

                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

int attach_journal_write(int fd, const AttachPlan *plan) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        data = serialize(plan, &size);
        if (!data)
                return -ENOMEM;
        r = write_all(fd, data, size);
        /* Where that fails, too, the plan is incomplete, or none of it was done. */
        if (r < 0)
                (void) attach_journal_clear(fd);
        return r;
}

int attach_journal_clear(int fd) {
        return ftruncate(fd, 0) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The word at *POSITION, which is moved behind it; NULL where there is none left. */
static const char *take(const char **position, const char *end) {
        const char *word = *position, *nul;

        nul = word < end ? memchr(word, '\0', (size_t) (end - word)) : NULL;
        if (nul)
                *position = nul + 1;
        return nul ? word : NULL;
}

/* Returns 1, 0 at the end, -EBADMSG where it is cut off or none of ours, or -ENOMEM. */
static int read_step(const char **position, const char *end, AttachPlan *plan) {
        const char *words[5] = {};
        AttachStepKind kind;

        words[0] = take(position, end);
        if (words[0] && streq(words[0], END))
                return 0;
        for (size_t i = 1; i < ELEMENTS(words); i++)
                words[i] = take(position, end);
        kind = words[4] ? attach_step_kind_from_string(words[0]) : ATTACH_STEP_KIND_INVALID;
        if (kind < 0 || words[2][0] != '/')
                return -EBADMSG;
        if (attach_plan_add(plan, &(AttachStep){ kind, streq(words[1], "-"), (char *) words[2],
                                                 (char *) words[3], (char *) words[4] }) < 0)
                return -ENOMEM;
        return 1;
}

int attach_journal_read(int fd, AttachPlan *ret) {
        Bytes *bytes = NULL;
        const char *position, *end, *heading;
        int r;

        *ret = (AttachPlan){};
        r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : bytes_new_read(&bytes, fd, SIZE_MAX_JOURNAL);
        if (r < 0)
                return r;
        /* Without an error there is one. */
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        position = bytes->data;
        end = bytes->data + bytes->size;
        heading = take(&position, end);
        if (!heading || !*heading) /* not even begun, or lost with the power */
                r = -EBADMSG;
        else if (!streq(heading, HEADING)) /* of another version, which knows what is to be done */
                r = -EPROTO;
        else
                do {
                        r = read_step(&position, end, ret);
                } while (r > 0);
        bytes_unref(bytes);
        if (r < 0)
                attach_plan_clear(ret);
        return r == -EBADMSG ? 0 : r;
}
