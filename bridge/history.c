/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The history: a list in order of ending, and a tree by id.
 */

#include "history.h"

#include <search.h>
#include <sys/queue.h>

typedef TAILQ_HEAD(RunList, Run) RunList;

struct History {
        RunList runs; /* newest first */
        void *by_id;  /* tsearch(3) */
        uint64_t n_runs, size;
        uint64_t max_runs, max_size;
};

static int by_id(const void *a, const void *b) {
        return strcmp(((const Run *) a)->id, ((const Run *) b)->id);
}

static void drop_oldest(History *history) {
        Run *run = TAILQ_LAST(&history->runs, RunList);

        TAILQ_REMOVE(&history->runs, run, history);
        (void) tdelete(run, &history->by_id, by_id);
        history->n_runs--;
        history->size -= run_size(run);
        run_free(run);
}

static void enforce_limits(History *history) {
        while (history->n_runs > 0 &&
               (history->n_runs > history->max_runs || history->size > history->max_size))
                drop_oldest(history);
}

void history_set_limits(History *history, uint64_t runs, uint64_t size) {
        history->max_runs = runs;
        history->max_size = size;
        enforce_limits(history);
}

void history_add(History *history, Run *run) {
        run_trim(run);
        if (!tsearch(run, &history->by_id, by_id)) {
                run_free(run); /* memory is short: history is the first thing to do without */
                return;
        }
        TAILQ_INSERT_HEAD(&history->runs, run, history);
        history->n_runs++;
        history->size += run_size(run);
        enforce_limits(history);
}

const Run *history_find(const History *history, const char *id) {
        Run key;
        void *node;

        if (strlen(id) >= sizeof(key.id))
                return NULL;
        (void) strcpy(key.id, id);
        node = tfind(&key, &history->by_id, by_id);
        return node ? *(Run **) node : NULL;
}

const Run *history_next(const History *history, const Run *run) {
        return run ? TAILQ_NEXT(run, history) : TAILQ_FIRST(&history->runs);
}

int history_new(History **ret) {
        History *history = calloc(1, sizeof(History));

        if (!history)
                return -ENOMEM;
        TAILQ_INIT(&history->runs);
        *ret = history;
        return 0;
}

History *history_free(History *history) {
        if (!history)
                return NULL;
        while (history->n_runs > 0)
                drop_oldest(history);
        free(history);
        return NULL;
}
