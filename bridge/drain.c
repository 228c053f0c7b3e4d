/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The pipes of background children, oldest first.
 */

#include "drain.h"

#include <sys/queue.h>

#include "journal-ids.h"
#include "log.h"

typedef struct Pipe Pipe;

struct Pipe {
        Drain *drain;
        int fd;
        sd_event_source *source;
        char *name; /* may be NULL */
        TAILQ_ENTRY(Pipe) pipes;
};

struct Drain {
        sd_event *event;
        TAILQ_HEAD(, Pipe) pipes;
        unsigned n_pipes;
};

static void pipe_free(Pipe *pipe) {
        TAILQ_REMOVE(&pipe->drain->pipes, pipe, pipes);
        pipe->drain->n_pipes--;
        sd_event_source_disable_unref(pipe->source); /* before its descriptor goes */
        close_fd(pipe->fd);
        free(pipe->name);
        free(pipe);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        static char buffer[65536]; /* as in process.c */
        ssize_t n;

        n = read(fd, buffer, sizeof(buffer));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                pipe_free(userdata);
        return 0;
}

void drain_add(Drain *drain, int fd, const char *name) {
        Pipe *pipe;
        int r;

        pipe = calloc(1, sizeof(Pipe));
        if (!pipe) {
                close_fd(fd);
                return;
        }
        pipe->drain = drain;
        pipe->fd = fd;
        pipe->name = strdup(name);
        TAILQ_INSERT_TAIL(&drain->pipes, pipe, pipes);
        drain->n_pipes++;

        r = sd_event_add_io(drain->event, &pipe->source, fd, EPOLLIN, on_readable, pipe);
        if (r >= 0)
                r = sd_event_source_set_priority(pipe->source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0) {
                log_warning(
                        "A pipe that a child of %s still holds cannot be watched, closing it: %s",
                        name, strerror(-r));
                pipe_free(pipe);
                return;
        }

        if (drain->n_pipes > DRAIN_MAX) {
                pipe = TAILQ_FIRST(&drain->pipes);
                log_entry(
                        LOG_WARNING, JOURNAL_ID_PIPE_CLOSED,
                        (LogField[]){ { JOURNAL_FIELD_SCRIPT, pipe->name }, {} },
                        "Background children of scripts hold more than %u pipes, closing the oldest, of %s",
                        DRAIN_MAX, pipe->name ? pipe->name : "a script");
                pipe_free(pipe);
        }
}

int drain_new(Drain **ret, sd_event *event) {
        Drain *drain = calloc(1, sizeof(Drain));

        if (!drain)
                return -ENOMEM;
        TAILQ_INIT(&drain->pipes);
        drain->event = sd_event_ref(event);
        *ret = drain;
        return 0;
}

Drain *drain_free(Drain *drain) {
        Pipe *pipe;

        if (!drain)
                return NULL;
        while ((pipe = TAILQ_FIRST(&drain->pipes)))
                pipe_free(pipe);
        sd_event_unref(drain->event);
        free(drain);
        return NULL;
}
