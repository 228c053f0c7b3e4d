/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The history: a list in order of ending. Who came first goes first, so runs that ended together
 * lie on one shelf, and go with it: each in a piece of the heap they would leave it full of holes.
 * They are looked for by id one after another: of a thousand it takes some microseconds, of a
 * million, the most there can be, 50 milliseconds, and few ask.
 */

#include "history.h"

#include <stdalign.h>
#include <sys/queue.h>

#define SHELF_SIZE ((size_t) 32 * 1024)
#define LARGE      (SHELF_SIZE / 8) /* a larger run has a shelf to itself */

typedef TAILQ_HEAD(FactsList, RunFacts) FactsList;

typedef struct Shelf {
        size_t size, used; /* bytes at DATA */
        unsigned n;        /* the runs on it that are still wanted */
        alignas(RunFacts) char data[];
} Shelf;

struct History {
        FactsList runs; /* newest first */
        Shelf *shelf;   /* where there may be room for one more, or NULL */
        uint64_t n_runs, size;
        uint64_t max_runs, max_size;
};

static Shelf *shelf_new(size_t size) {
        Shelf *shelf = malloc(sizeof(Shelf) + size);

        if (shelf)
                *shelf = (Shelf){ .size = size };
        return shelf;
}

static size_t shelf_room(const Shelf *shelf) {
        return shelf ? shelf->size - shelf->used : 0;
}

/* A shelf with room for SIZE bytes, or NULL where memory is short. */
static Shelf *find_shelf(History *history, size_t size) {
        Shelf *shelf;

        if (size > LARGE)
                return shelf_new(size);
        if (shelf_room(history->shelf) >= size)
                return history->shelf;
        shelf = shelf_new(SHELF_SIZE - sizeof(Shelf));
        if (shelf)
                history->shelf = shelf;
        return shelf;
}

/* NULL where memory is short. */
static RunFacts *put_on_shelf(History *history, const RunFacts *facts) {
        size_t step = alignof(RunFacts);
        size_t size = (run_facts_size(facts) + step - 1) / step * step;
        Shelf *shelf = find_shelf(history, size);
        RunFacts *copy;

        if (!shelf)
                return NULL;
        copy = run_facts_copy(facts, shelf->data + shelf->used);
        copy->shelf = shelf;
        shelf->used += size;
        shelf->n++;
        return copy;
}

static void take_from_shelf(History *history, RunFacts *run) {
        Shelf *shelf = run->shelf;

        if (--shelf->n > 0)
                return;
        if (history->shelf == shelf)
                history->shelf = NULL;
        free(shelf);
}

static void drop_oldest(History *history) {
        RunFacts *run = TAILQ_LAST(&history->runs, FactsList);

        TAILQ_REMOVE(&history->runs, run, in_history);
        history->n_runs--;
        history->size -= run->size;
        take_from_shelf(history, run);
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
        RunFacts facts, *copy;

        run_describe(run, &facts);
        copy = put_on_shelf(history, &facts);
        if (!copy)
                return; /* memory is short: history is the first thing to do without */
        TAILQ_INSERT_HEAD(&history->runs, copy, in_history);
        history->n_runs++;
        history->size += copy->size;
        enforce_limits(history);
}

const RunFacts *history_find(const History *history, const char *id) {
        const RunFacts *run;

        TAILQ_FOREACH (run, &history->runs, in_history)
                if (streq(run->id, id))
                        return run;
        return NULL;
}

const RunFacts *history_next(const History *history, const RunFacts *run) {
        return run ? TAILQ_NEXT(run, in_history) : TAILQ_FIRST(&history->runs);
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
