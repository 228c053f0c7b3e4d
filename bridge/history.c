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

typedef struct Entry Entry;
typedef TAILQ_HEAD(EntryList, Entry) EntryList;

typedef struct Shelf {
        size_t size, used; /* bytes at DATA */
        unsigned n;        /* the runs on it that are still wanted */
        alignas(max_align_t) char data[];
} Shelf;

/* A run on its shelf. */
struct Entry {
        Shelf *shelf;
        size_t size; /* bytes there, of all of it */
        TAILQ_ENTRY(Entry) entries;
        RunFacts facts[]; /* one, and what it points to */
};

struct History {
        EntryList runs; /* newest first */
        Shelf *shelf;   /* where there may be room for one more, or NULL */
        uint64_t n_runs, size;
        uint64_t max_runs, max_size;
};

static const Entry *entry_of(const RunFacts *facts) {
        return (const Entry *) ((const char *) facts - offsetof(Entry, facts));
}

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
static Entry *put_on_shelf(History *history, const RunFacts *facts) {
        size_t step = alignof(Entry);
        size_t size = (sizeof(Entry) + run_facts_size(facts) + step - 1) / step * step;
        Shelf *shelf = find_shelf(history, size);
        Entry *entry;

        if (!shelf)
                return NULL;
        entry = (Entry *) (shelf->data + shelf->used);
        *entry = (Entry){ .shelf = shelf, .size = size };
        (void) run_facts_copy(facts, entry->facts);
        shelf->used += size;
        shelf->n++;
        return entry;
}

static void take_from_shelf(History *history, Entry *entry) {
        Shelf *shelf = entry->shelf;

        if (--shelf->n > 0)
                return;
        if (history->shelf == shelf)
                history->shelf = NULL;
        free(shelf);
}

static void drop_oldest(History *history) {
        Entry *entry = TAILQ_LAST(&history->runs, EntryList);

        TAILQ_REMOVE(&history->runs, entry, entries);
        history->n_runs--;
        history->size -= entry->size;
        take_from_shelf(history, entry);
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
        RunFacts facts;
        Entry *entry;

        run_describe(run, &facts);
        entry = put_on_shelf(history, &facts);
        if (!entry)
                return; /* memory is short: history is the first thing to do without */
        TAILQ_INSERT_HEAD(&history->runs, entry, entries);
        history->n_runs++;
        history->size += entry->size;
        enforce_limits(history);
}

const RunFacts *history_find(const History *history, const char *id) {
        const Entry *entry;

        TAILQ_FOREACH (entry, &history->runs, entries)
                if (streq(entry->facts->id, id))
                        return entry->facts;
        return NULL;
}

const RunFacts *history_next(const History *history, const RunFacts *run) {
        const Entry *next = run ? TAILQ_NEXT(entry_of(run), entries) : TAILQ_FIRST(&history->runs);

        return next ? next->facts : NULL;
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
