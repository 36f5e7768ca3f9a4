/* Handlers that interrupt a call with a mask of its own run with that mask, and the caller's comes
 * back after: two signals that the mask lets through are both handled before the call returns. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>

#include <linux/io_uring.h>

static volatile int order[8], filled;
static sigset_t inside[8];

static void handler(int signal)
{
    int at = filled++;
    order[at] = signal;
    sigprocmask(SIG_BLOCK, NULL, &inside[at]);
}

static void show(const char *what, const sigset_t *set)
{
    printf(" %s", what);
    for (int i = 1; i < 64; i++)
        if (sigismember(set, i) == 1)
            printf(" %d", i);
}

static int ring = -1;
static struct io_uring_params params;

/* A request for the ring that stays open: to read what nobody writes. */
static void submit_read(void)
{
    static char *queue;
    static struct io_uring_sqe *entries;
    static char byte;
    if (!queue) {
        queue = MUST(mmap(NULL, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE,
                          MAP_SHARED, ring, IORING_OFF_SQ_RING));
        entries = MUST(mmap(NULL, params.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
                            MAP_SHARED, ring, IORING_OFF_SQES));
    }
    int ends[2];
    MUST(pipe(ends));
    unsigned *tail = (unsigned *)(queue + params.sq_off.tail);
    unsigned at = *tail & *(unsigned *)(queue + params.sq_off.ring_mask);
    entries[at] = (struct io_uring_sqe){.opcode = IORING_OP_READ, .fd = ends[0], .len = 1,
                                        .addr = (uint64_t)(uintptr_t)&byte};
    ((unsigned *)(queue + params.sq_off.array))[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

static long enter(int submitted, const sigset_t *mask, int extended)
{
    struct io_uring_getevents_arg more = {.sigmask = (uint64_t)(uintptr_t)mask, .sigmask_sz = 8};
    unsigned flags = IORING_ENTER_GETEVENTS | (extended ? IORING_ENTER_EXT_ARG : 0);
    return syscall(SYS_io_uring_enter, ring, submitted, 1, flags, extended ? (void *)&more : mask,
                   extended ? sizeof more : 8);
}

static void attempt(const char *what, int how)
{
    sigset_t set, none, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&none);
    sigaddset(&none, SIGTERM);
    sigaddset(&none, SIGHUP);
    filled = 0;
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGTERM);
    struct timespec second = {.tv_sec = 1};
    struct epoll_event event;
    long result = 0;
    int descriptor = -1;
    switch (how) {
    case 0: result = sigsuspend(&none); break;
    case 1: result = ppoll(NULL, 0, &second, &none); break;
    case 2: result = pselect(0, NULL, NULL, NULL, &second, &none); break;
    case 3:
        descriptor = epoll_create1(0);
        result = epoll_pwait(descriptor, &event, 1, 1000, &none);
        break;
    case 4:
        descriptor = epoll_create1(0);
        result = syscall(SYS_epoll_pwait2, descriptor, &event, 1, &second, &none, 8);
        break;
    case 5: result = enter(0, &none, 0); break;
    case 6: result = enter(0, &none, 1); break;
    case 7:
        submit_read();
        result = enter(1, &none, 0);
        break;
    }
    int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    int during = filled;
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("%s: %ld %s, handled %d:", what, result, result < 0 ? strerror(error) : "", during);
    for (int i = 0; i < during; i++) {
        printf(" %d", order[i]);
        show("in", &inside[i]);
    }
    show("after", &now);
    puts("");
    struct timespec zero = {0};
    while (sigtimedwait(&set, NULL, &zero) > 0)
        ;
}

static int with_rings(void)
{
    ring = (int)syscall(SYS_io_uring_setup, 8, &params);
    if (ring < 0) {
        printf("no ring: %s\n", strerror(errno));
        return 0;
    }
    attempt("io_uring_enter", 5);
    attempt("io_uring_enter, extended", 6);
    attempt("io_uring_enter, submitting", 7);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    signal(SIGTERM, handler);
    if (argc > 1)
        return with_rings();
    attempt("sigsuspend", 0);
    attempt("ppoll", 1);
    attempt("pselect", 2);
    attempt("epoll_pwait", 3);
    attempt("epoll_pwait2", 4);
    /* A call that succeeds has put the caller's mask back before any handler. */
    sigset_t set, none;
    sigemptyset(&none);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    filled = 0;
    raise(SIGUSR1);
    int ends[2];
    MUST(pipe(ends));
    MUST(write(ends[1], "x", 1));
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    printf("ready: %d, handled %d\n", ppoll(&ready, 1, NULL, &none), filled);
    return 0;
}
