/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sending side of systemd's native journal protocol: a datagram for an entry, or a memfd for
 * one that no datagram takes. sd_journal_sendv() speaks it, too, but blocks while journald does not
 * read, and cannot be told not to: then every hook, and with it every guest's start, would wait for
 * journald. What could not be sent is kept here, in order.
 */

#include "journald.h"

#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util.h"

#define KEPT_MAX    (4U * 1024U * 1024U) /* bytes of entries that wait */
#define LAST_WAIT   USEC_PER_SEC
#define SEND_BUFFER (8 * 1024 * 1024)

struct JournaldEntry {
        char *data;
        size_t size;
        FILE *stream; /* to data; NULL once the entry is complete */
        TAILQ_ENTRY(JournaldEntry) entries;
};

/* A program has one log, and so has this one state. */
static TAILQ_HEAD(, JournaldEntry) kept = TAILQ_HEAD_INITIALIZER(kept);
static size_t kept_size;
static unsigned dropped;
static int fd = -EBADF;
static sd_event *loop;
static sd_event_source *writable_source;
static uint64_t time_left = LAST_WAIT; /* for waiting without a loop */

static JournaldEntry *entry_free(JournaldEntry *entry) {
        if (!entry)
                return NULL;
        if (entry->stream)
                (void) fclose(entry->stream);
        free(entry->data);
        free(entry);
        return NULL;
}

JournaldEntry *journald_entry_new(void) {
        JournaldEntry *entry = calloc(1, sizeof(JournaldEntry));

        if (!entry)
                return NULL;
        entry->stream = open_memstream(&entry->data, &entry->size);
        return entry->stream ? entry : entry_free(entry);
}

void journald_entry_add(JournaldEntry *entry, const char *name, const char *value) {
        uint64_t size;

        if (!entry || empty(value))
                return;
        /* The end of the stream tells whether all of this fitted into memory. */
        if (!strchr(value, '\n')) {
                (void) fprintf(entry->stream, "%s=%s\n", name, value);
                return;
        }
        size = htole64(strlen(value));
        (void) fprintf(entry->stream, "%s\n", name);
        (void) fwrite(&size, sizeof(size), 1, entry->stream);
        (void) fprintf(entry->stream, "%s\n", value);
}

/* Connected, a socket can tell when there is room at the other side again. */
static int connect_socket(void) {
        static const struct sockaddr_un address = {
                .sun_family = AF_UNIX,
                .sun_path = "/run/systemd/journal/socket",
        };
        const int size = SEND_BUFFER;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                int r = -errno;

                fd = close_fd(fd);
                return r;
        }
        return 0;
}

static void disconnect(void) {
        writable_source = sd_event_source_disable_unref(writable_source);
        fd = close_fd(fd);
}

static int send_memfd(const JournaldEntry *entry) {
        _cleanup_close_ int memfd = memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };

        if (memfd < 0)
                return -errno;
        if (write(memfd, entry->data, entry->size) != (ssize_t) entry->size ||
            fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -EIO;
        control.header = (struct cmsghdr){
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
                .cmsg_len = CMSG_LEN(sizeof(int)),
        };
        memcpy(CMSG_DATA(&control.header), &memfd, sizeof(int));
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_once(const JournaldEntry *entry) {
        int r = fd < 0 ? connect_socket() : 0;

        if (r < 0)
                return r;
        if (send(fd, entry->data, entry->size, MSG_NOSIGNAL) >= 0)
                return 0;
        return errno == EMSGSIZE || errno == ENOBUFS ? send_memfd(entry) : -errno;
}

/* Returns -EAGAIN where journald does not read, and nothing else is worth trying again. */
static int send_entry(const JournaldEntry *entry) {
        int r = send_once(entry);

        if (r == -ECONNREFUSED || r == -ECONNRESET || r == -EPIPE) { /* there is a new socket */
                disconnect();
                r = send_once(entry);
        }
        return r;
}

static int tell_dropped(void) {
        _cleanup_free_ char *text = NULL;
        JournaldEntry *entry;
        int r = -ENOMEM;

        entry = journald_entry_new();
        if (entry && asprintf(&text, "%u entries of the log were dropped: journald did not read",
                              dropped) >= 0) {
                journald_entry_add(entry, "MESSAGE", text);
                journald_entry_add(entry, "PRIORITY", "4");
                journald_entry_add(entry, "SYSLOG_IDENTIFIER", program_invocation_short_name);
                r = fclose(TAKE_PTR(entry->stream)) == 0 ? send_entry(entry) : -ENOMEM;
        }
        entry_free(entry);
        return r;
}

/* Sends what is kept. Returns -EAGAIN where some of it still is. */
static int flush_kept(void) {
        JournaldEntry *entry;

        while ((entry = TAILQ_FIRST(&kept))) {
                if (send_entry(entry) == -EAGAIN)
                        return -EAGAIN;
                TAILQ_REMOVE(&kept, entry, entries);
                kept_size -= entry->size;
                entry_free(entry);
        }
        if (dropped > 0 && tell_dropped() != -EAGAIN)
                dropped = 0;
        return dropped > 0 ? -EAGAIN : 0;
}

static int on_writable(sd_event_source *source, int source_fd, uint32_t events, void *userdata);

/* Has the loop send what is kept. Where that fails the next entry tries again. */
static void watch(void) {
        if (!writable_source && fd >= 0 &&
            sd_event_add_io(loop, &writable_source, fd, EPOLLOUT, on_writable, NULL) < 0)
                writable_source = NULL;
}

static int on_writable(sd_event_source *source, int source_fd, uint32_t events, void *userdata) {
        if (flush_kept() == -EAGAIN)
                watch(); /* it may be another socket by now */
        else
                writable_source = sd_event_source_disable_unref(writable_source);
        return 0;
}

/* Without the loop nobody will come back to what is kept. */
static void flush_in_time(void) {
        while (flush_kept() == -EAGAIN && time_left > 0) {
                struct pollfd p = { .fd = fd, .events = POLLOUT };
                uint64_t before = now_usec(CLOCK_MONOTONIC), took;

                (void) poll(&p, 1, (int) (time_left / USEC_PER_MSEC) + 1);
                took = now_usec(CLOCK_MONOTONIC) - before;
                time_left -= MIN(took, time_left);
        }
}

static void keep(JournaldEntry *entry) {
        if (kept_size + entry->size > KEPT_MAX) {
                dropped++;
                entry_free(entry);
                return;
        }
        TAILQ_INSERT_TAIL(&kept, entry, entries);
        kept_size += entry->size;
}

void journald_entry_send(JournaldEntry *entry) {
        if (!entry)
                return;
        if (fclose(TAKE_PTR(entry->stream)) != 0) {
                entry_free(entry);
                return;
        }
        if (flush_kept() != -EAGAIN && send_entry(entry) != -EAGAIN) {
                entry_free(entry);
                return;
        }
        keep(entry);
        if (loop)
                watch();
        else
                flush_in_time();
}

void journald_use_loop(sd_event *event) {
        loop = event;
        if (loop)
                return;
        writable_source = sd_event_source_disable_unref(writable_source);
        flush_in_time();
        while (!TAILQ_EMPTY(&kept)) {
                JournaldEntry *entry = TAILQ_FIRST(&kept);

                TAILQ_REMOVE(&kept, entry, entries);
                entry_free(entry);
        }
        kept_size = 0;
        disconnect();
}
