/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The history: a list in order of ending. Who came first goes first, so records that came together
 * lie on one shelf, and go with it: each in a piece of the heap they would leave it full of holes.
 * They are looked for by id one after another: of a million, the most there can be, it takes some
 * milliseconds, and few ask.
 */

#include "history.h"

#include <stdalign.h>
#include <sys/queue.h>

#define SHELF_SIZE ((size_t) 32 * 1024)

typedef TAILQ_HEAD(RecordList, RunRecord) RecordList;

typedef struct Shelf Shelf;

struct Shelf {
        TAILQ_ENTRY(Shelf) shelves;
        size_t size, used; /* bytes at DATA */
        unsigned n;        /* the records that are still wanted */
        alignas(RunRecord) char data[];
};

typedef TAILQ_HEAD(ShelfList, Shelf) ShelfList;

struct History {
        RecordList runs;   /* newest first */
        ShelfList shelves; /* oldest first */
        uint64_t n_runs, size;
        uint64_t max_runs, max_size;
};

/* A place for SIZE bytes, or NULL where memory is short. */
static void *take_place(History *history, size_t size) {
        Shelf *shelf = TAILQ_LAST(&history->shelves, ShelfList);
        size_t rounded = (size + alignof(RunRecord) - 1) / alignof(RunRecord) * alignof(RunRecord);

        if (!shelf || shelf->size - shelf->used < rounded) {
                size_t room = MAX(rounded, SHELF_SIZE - sizeof(Shelf));

                shelf = malloc(sizeof(Shelf) + room);
                if (!shelf)
                        return NULL;
                *shelf = (Shelf){ .size = room };
                TAILQ_INSERT_TAIL(&history->shelves, shelf, shelves);
        }
        shelf->n++;
        shelf->used += rounded;
        return shelf->data + shelf->used - rounded;
}

/* Gives back the place that was taken before all others. */
static void give_back_oldest_place(History *history) {
        Shelf *shelf = TAILQ_FIRST(&history->shelves);

        if (--shelf->n > 0)
                return;
        TAILQ_REMOVE(&history->shelves, shelf, shelves);
        free(shelf);
}

static void drop_oldest(History *history) {
        RunRecord *run = TAILQ_LAST(&history->runs, RecordList);

        TAILQ_REMOVE(&history->runs, run, in_history);
        history->n_runs--;
        history->size -= run->size;
        give_back_oldest_place(history);
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

void history_add(History *history, const Run *run) {
        RunRecord record, *copy;
        void *place;

        run_describe(run, &record);
        place = take_place(history, run_record_size(&record));
        if (!place)
                return; /* memory is short: history is the first thing to do without */
        copy = run_record_copy(&record, place);
        TAILQ_INSERT_HEAD(&history->runs, copy, in_history);
        history->n_runs++;
        history->size += copy->size;
        enforce_limits(history);
}

const RunRecord *history_find(const History *history, const char *id) {
        const RunRecord *run;

        TAILQ_FOREACH (run, &history->runs, in_history)
                if (streq(run->id, id))
                        return run;
        return NULL;
}

const RunRecord *history_next(const History *history, const RunRecord *run) {
        return run ? TAILQ_NEXT(run, in_history) : TAILQ_FIRST(&history->runs);
}

int history_new(History **ret) {
        History *history = calloc(1, sizeof(History));

        if (!history)
                return -ENOMEM;
        TAILQ_INIT(&history->runs);
        TAILQ_INIT(&history->shelves);
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
