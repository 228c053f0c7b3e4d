/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The status: a timer that a change sets, unless it is set already.
 */

#include "status.h"

#include <systemd/sd-daemon.h>

#define INTERVAL USEC_PER_SEC
#define SETTLE   (100 * USEC_PER_MSEC) /* most runs are over by then */

struct Status {
        status_text_t text;
        void *userdata;
        sd_event_source *source; /* NULL without systemd */
        uint64_t told;           /* when, by CLOCK_MONOTONIC */
};

static int on_due(sd_event_source *source, uint64_t usec, void *userdata) {
        Status *status = userdata;
        _cleanup_free_ char *text = status->text(status->userdata);

        status->told = now_usec(CLOCK_MONOTONIC);
        if (text)
                (void) sd_notifyf(0, "STATUS=%s", text);
        return 0;
}

void status_changed(Status *status) {
        uint64_t due;
        int enabled;

        if (!status->source || sd_event_source_get_enabled(status->source, &enabled) < 0 ||
            enabled != SD_EVENT_OFF)
                return;
        due = now_usec(CLOCK_MONOTONIC) + SETTLE;
        if (due < status->told + INTERVAL)
                due = status->told + INTERVAL;
        (void) sd_event_source_set_time(status->source, due);
        (void) sd_event_source_set_enabled(status->source, SD_EVENT_ONESHOT);
}

int status_new(Status **ret, sd_event *event, status_text_t text, void *userdata) {
        _cleanup_(status_free_pointer) Status *status = calloc(1, sizeof(Status));
        int r;

        if (!status)
                return -ENOMEM;
        status->text = text;
        status->userdata = userdata;
        if (!empty(getenv("NOTIFY_SOCKET"))) {
                r = sd_event_add_time(event, &status->source, CLOCK_MONOTONIC, 0, 0, on_due,
                                      status);
                if (r >= 0)
                        r = sd_event_source_set_enabled(status->source, SD_EVENT_OFF);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(status);
        return 0;
}

Status *status_free(Status *status) {
        if (!status)
                return NULL;
        sd_event_source_disable_unref(status->source);
        free(status);
        return NULL;
}
