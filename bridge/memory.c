/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * There is no asking the kernel how much it would give, so it is tried. Pages that nobody touches
 * cost nothing, but the try does, some microseconds at each call: it is left out where nothing
 * counts what a process asks for.
 */

#include "memory.h"

#include <fcntl.h>
#include <gnu/lib-names.h>
#include <link.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "util.h"

/* The largest message that the system bus lets through, and what it takes to read it. */
#define RESERVE    ((size_t) 40 * 1024 * 1024)
#define OVERCOMMIT "/proc/sys/vm/overcommit_memory"

static bool has_limit(int resource) {
        struct rlimit limit;

        return getrlimit(resource, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY;
}

/* Whether the kernel gives no more than there is; see proc_sys_vm(5). */
static bool kernel_is_strict(void) {
        _cleanup_close_ int fd = open(OVERCOMMIT, O_RDONLY | O_CLOEXEC);
        char policy;

        return fd < 0 || read(fd, &policy, 1) != 1 || policy == '2';
}

/* Limits may be set from outside at any time; the kernel's policy is what it was at the start. */
static bool is_counted(void) {
        static bool known, strict;

        if (!known)
                strict = kernel_is_strict();
        known = true;
        return strict || has_limit(RLIMIT_AS) || has_limit(RLIMIT_DATA);
}

/* A reply, two signals and the text in them. */
#define LAST_RESERVE ((size_t) 64 * 1024)

static char *last_reserve;

bool memory_try_again(int r) {
        bool had_some = last_reserve != NULL;

        if (r != -ENOMEM)
                return false;
        free(last_reserve);
        last_reserve = NULL;
        return had_some;
}

bool memory_is_short(void) {
        void *p;

        if (!last_reserve)
                last_reserve = malloc(LAST_RESERVE);
        if (!last_reserve)
                return true;
        if (!is_counted())
                return false;
        p = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                return true;
        (void) munmap(p, RESERVE);
        return false;
}

/* The program itself, and the library that all others use, are in use at each call. */
static bool is_always_used(const struct dl_phdr_info *object) {
        return empty(object->dlpi_name) || streq(basename(object->dlpi_name), LIBC_SO);
}

/* Then what was read from the file is not what is there. */
static bool has_text_relocations(const struct dl_phdr_info *object) {
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
                const ElfW(Dyn) * entry;

                if (segment->p_type != PT_DYNAMIC)
                        continue;
                entry = (const ElfW(Dyn) *) (object->dlpi_addr + segment->p_vaddr);
                for (; entry->d_tag != DT_NULL; entry++)
                        if (entry->d_tag == DT_TEXTREL ||
                            (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)))
                                return true;
        }
        return false;
}

/*
 * What is in front of all else, symbols, versions and relocations, was for the loader. What is used
 * of the rest comes back by itself, and much of it was used at the start only.
 */
static int give_back(struct dl_phdr_info *object, size_t size, void *userdata) {
        if (has_text_relocations(object))
                return 0;
        for (size_t i = 0; i < object->dlpi_phnum; i++) {
                const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

                if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 &&
                    (segment->p_offset == 0 || !is_always_used(object)))
                        (void) madvise((void *) (object->dlpi_addr + segment->p_vaddr),
                                       segment->p_memsz, MADV_DONTNEED);
        }
        return 0;
}

void memory_give_back_start(void) {
        (void) dl_iterate_phdr(give_back, NULL);
}
