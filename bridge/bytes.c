/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shared, unchanging bytes. The owner behind them is a message, a mapping or the heap; whoever
 * holds a reference need not know.
 */

#include "bytes.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define READ_SIZE 65536U
#define SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef struct Mapping {
        void *address;
        size_t size;
} Mapping;

int bytes_new(Bytes **ret, const char *data, size_t size, void (*release)(void *owner),
              void *owner) {
        Bytes *bytes = malloc(sizeof(Bytes));

        if (!bytes) {
                release(owner);
                return -ENOMEM;
        }
        *bytes = (Bytes){
                .data = data,
                .size = size,
                .references = 1,
                .release = release,
                .owner = owner,
        };
        *ret = bytes;
        return 0;
}

int bytes_new_take(Bytes **ret, char *data, size_t size) {
        return bytes_new(ret, data, size, free, data);
}

static void mapping_free(void *p) {
        Mapping *mapping = p;

        (void) munmap(mapping->address, mapping->size);
        free(mapping);
}

int bytes_new_sealed(Bytes **ret, int fd, size_t max) {
        Mapping *mapping;
        struct stat st;
        void *address;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;
        if (st.st_size == 0) /* nothing to map */
                return bytes_new_take(ret, NULL, 0);

        address = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (address == MAP_FAILED)
                return -errno;
        mapping = malloc(sizeof(Mapping));
        if (!mapping) {
                (void) munmap(address, (size_t) st.st_size);
                return -ENOMEM;
        }
        *mapping = (Mapping){
                .address = address,
                .size = (size_t) st.st_size,
        };
        r = bytes_new(ret, address, mapping->size, mapping_free, mapping);
        if (r >= 0)
                (*ret)->is_sealed = true;
        return r;
}

int bytes_new_read(Bytes **ret, int fd, size_t max) {
        _cleanup_free_ char *data = NULL;
        size_t size = 0, allocated = 0;
        ssize_t n;

        do {
                if (size == allocated) {
                        char *grown = realloc(data, allocated = 2 * allocated + READ_SIZE);

                        if (!grown)
                                return -ENOMEM;
                        data = grown;
                }
                n = read(fd, data + size, allocated - size);
                if (n < 0 && errno != EINTR)
                        return -errno;
                size += n > 0 ? (size_t) n : 0;
                if (size > max)
                        return -EFBIG;
        } while (n != 0);
        return bytes_new_take(ret, TAKE_PTR(data), size);
}

bool bytes_fd_is_sealed(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);

        return seals >= 0 && (seals & SEALS) == SEALS;
}

int bytes_seal_fd(int fd) {
        return fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0 ? -errno : 0;
}

int bytes_to_sealed_fd(const char *name, const char *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = bytes_fill_fd(fd, data, size);
        return r < 0 ? r : TAKE_FD(fd);
}

int bytes_fill_fd(int fd, const char *data, size_t size) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pwrite(fd, data + done, size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t) n;
        }
        return bytes_seal_fd(fd);
}

Bytes *bytes_ref(Bytes *bytes) {
        assert(bytes->references > 0);
        bytes->references++;
        return bytes;
}

Bytes *bytes_unref(Bytes *bytes) {
        if (!bytes)
                return NULL;
        assert(bytes->references > 0);
        if (--bytes->references == 0) {
                bytes->release(bytes->owner);
                free(bytes);
        }
        return NULL;
}
