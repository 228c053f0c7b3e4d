/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Workers are processes, as the daemons are that call the service: threads would share a memory
 * map, which is what spawning contends for.
 */

#include "workers.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fatal.h"
#include "samples.h"

typedef struct Tally {
        uint64_t steps;
        double seconds;
} Tally;

/* READY gets a byte when the worker could start, and START tells it to, by its end. */
_Noreturn static void worker(const Work *work, unsigned number, uint64_t usec, int ready, int start,
                             Tally *tally) {
        uint64_t begin, end;
        void *state;
        char byte;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        state = work->begin(work->userdata, number);
        if (write(ready, "", 1) != 1 || read(start, &byte, 1) < 0)
                _exit(EXIT_FAILURE);
        begin = now_nsec();
        do {
                work->step(state);
                tally->steps++;
                end = now_nsec();
        } while (end - begin < usec * 1000);
        tally->seconds = (double) (end - begin) / 1e9;
        _exit(EXIT_SUCCESS);
}

double workers_run(const Work *work, unsigned n, uint64_t usec) {
        Tally *tallies = mmap(NULL, n * sizeof(Tally), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t *pids = must_have(calloc(n, sizeof(pid_t)));
        int ready[2], start[2], status;
        double rate = 0;
        char byte;

        if (tallies == MAP_FAILED)
                fatal("memory is short");
        must_sys(pipe(ready), "pipe");
        must_sys(pipe(start), "pipe");
        for (unsigned i = 0; i < n; i++) {
                pids[i] = (pid_t) must_sys(fork(), "fork");
                if (pids[i] == 0) {
                        (void) close(start[1]);
                        worker(work, i, usec, ready[1], start[0], &tallies[i]);
                }
        }
        (void) close(ready[1]);
        for (unsigned i = 0; i < n; i++)
                if (read(ready[0], &byte, 1) != 1)
                        fatal("a worker could not start");
        (void) close(start[1]);
        for (unsigned i = 0; i < n; i++) {
                must_sys(waitpid(pids[i], &status, 0), "waitpid");
                if (status != 0)
                        fatal("a worker failed");
                rate += (double) tallies[i].steps / tallies[i].seconds;
        }
        (void) close(ready[0]);
        (void) close(start[0]);
        (void) munmap(tallies, n * sizeof(Tally));
        free(pids);
        return rate;
}
