/* Whether rings can be set up, and that one works. */
#include "check.h"
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>

int main(void)
{
    struct io_uring_params params = {0};
    long ring = syscall(SYS_io_uring_setup, 4, &params);
    printf("io_uring_setup: %s\n", ring >= 0 ? "a ring" : strerror(errno));
    if (ring >= 0) {
        char *queue = mmap(NULL, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE,
                           MAP_SHARED, (int)ring, IORING_OFF_SQ_RING);
        struct io_uring_sqe *entry = mmap(NULL, params.sq_entries * sizeof *entry,
                                          PROT_READ | PROT_WRITE, MAP_SHARED, (int)ring,
                                          IORING_OFF_SQES);
        if (queue == MAP_FAILED || entry == (void *)MAP_FAILED)
            return 9;
        static const char text[] = "through the ring\n";
        fflush(stdout);
        memset(entry, 0, sizeof *entry);
        entry->opcode = IORING_OP_WRITE;
        entry->fd = 1;
        entry->addr = (uint64_t)(uintptr_t)text;
        entry->len = sizeof text - 1;
        entry->off = -1ULL;
        unsigned *tail = (unsigned *)(queue + params.sq_off.tail);
        ((unsigned *)(queue + params.sq_off.array))[0] = 0;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
        long done = syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        printf("io_uring_enter: %ld\n", done);
    }
    aio_context_t context = 0;
    long made = syscall(SYS_io_setup, 4, &context);
    printf("io_setup: %s\n", made == 0 ? "made" : strerror(errno));
    return 0;
}
