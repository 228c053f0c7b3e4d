/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Something whose time is measured, among others: one sample of each, over and over, so that
 * whatever else the machine does meets all of them.
 */

#include "caches.h"
#include "hooks.h"
#include "results.h"
#include "site.h"

typedef struct Subject Subject;

struct Subject {
        const char *name;
        HookScript script;                   /* qemu's, meanwhile */
        void (*act)(const Subject *subject); /* NULL: it cannot be had here */
        const Site *site;
        const char *document, *operation, *path; /* what act() needs */
        char *const *environment;
        bool rests;           /* longer than others, before it is measured */
        void (*settle)(void); /* waits for what act() leaves to others; NULL: that is little */
        Samples samples;
};

/* The names of what others are compared with. */
#define BARE_SHELL "bare spawn"
#define BARE_TRUE  "bare spawn of true"
#define PING       "Ping"

/* What act() may be. */
void subject_spawn(const Subject *subject); /* path, with environment and document */
void subject_ping(const Subject *subject);
void subject_call(const Subject *subject);
void subject_run(const Subject *subject);

/* N samples of each of the subjects, of which there are COUNT. */
void subjects_measure(Subject *subjects, size_t count, unsigned n, Caches caches);

/* The median so far, in nanoseconds. */
double subject_median(Subject *subject);

/* Adds a row. OTHER, which may be NULL, is what it is compared with. */
void subject_report(Subject *subject, Results *results, Subject *other);
