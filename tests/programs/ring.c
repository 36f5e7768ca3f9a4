/* ring KIND COMMAND: sets up what goes around system calls, has the command run, which loads a module, makes a
 * call, and says what there is that the module does not hear of. KIND, of rings: open, kept (over an exec), closed
 * (but for its mapping), registered (and nothing else); of aio: context, forked (its parent has it); none. */
#include "check.h"
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { KEPT = 77, REGISTERED_RING = 1 << 4, REGISTER_RING_FDS = 20 };

/* A call at which the process hears of the module. */
static void hear(void)
{
    struct io_uring_params params = {0};
    CHECK(syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == EPERM);
}

static void load(char *command)
{
    CHECK(system(command) == 0);
    hear();
}

static int set_up(void)
{
    struct io_uring_params params = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
    CHECK(ring >= 0);
    return ring;
}

/* As liburing has it: the ring has a number of the thread's. */
static unsigned set_up_registered(void)
{
    int ring = set_up();
    struct io_uring_rsrc_update update = {.offset = -1U, .data = (unsigned)ring};
    CHECK(syscall(SYS_io_uring_register, ring, REGISTER_RING_FDS, &update, 1) == 1);
    CHECK(close(ring) == 0);
    return update.offset;
}

static void use_kept(char *command)
{
    /* The command shall not have it too. */
    CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
    load(command);
    CHECK(syscall(SYS_io_uring_enter, KEPT, 0, 0, 0, NULL, 0) == 0);
    printf("descriptor %d is an io_uring\n", KEPT);
}

static void of_rings(const char *kind, char **argv)
{
    if (strcmp(kind, "registered") == 0) {
        unsigned ring = set_up_registered();
        load(argv[2]);
        CHECK(syscall(SYS_io_uring_enter, ring, 0, 0, REGISTERED_RING, NULL, 0) == 0);
        CHECK(syscall(SYS_io_uring_enter, ring, 0, 0, REGISTERED_RING, NULL, 0) == 0);
        printf("registered ring %u is an io_uring\n", ring);
        return;
    }
    int ring = set_up();
    CHECK(dup2(ring, KEPT) == KEPT && close(ring) == 0);
    if (strcmp(kind, "kept") == 0) {
        argv[1] = "inherited";
        execv(argv[0], argv);
        perror("execv");
        exit(1);
    }
    if (strcmp(kind, "open") == 0) {
        use_kept(argv[2]);
        return;
    }
    void *queue = mmap(NULL, 4096, PROT_READ, MAP_SHARED, KEPT, IORING_OFF_SQ_RING);
    CHECK(queue != MAP_FAILED && close(KEPT) == 0);
    load(argv[2]);
    printf("the mapping at %p is an io_uring\n", queue);
}

static void of_contexts(const char *kind, char *command)
{
    aio_context_t context = 0, other = 0;
    CHECK(syscall(SYS_io_setup, 4, &context) == 0 && syscall(SYS_io_setup, 4, &other) == 0);
    CHECK(syscall(SYS_io_destroy, other) == 0);
    if (strcmp(kind, "context") == 0) {
        load(command);
    } else if (fork() == 0) {
        /* It has a copy of the mapping, and no context. */
        load(command);
        _exit(0);
    } else {
        CHECK(wait(NULL) > 0);
        hear();
    }
    printf("aio context %#lx\n", (unsigned long)context);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *kind = argv[1];
    if (strcmp(kind, "context") == 0 || strcmp(kind, "forked") == 0) {
        of_contexts(kind, argv[2]);
    } else if (strcmp(kind, "inherited") == 0) {
        use_kept(argv[2]);
    } else if (strcmp(kind, "none") == 0) {
        load(argv[2]);
    } else {
        of_rings(kind, argv);
    }
    aio_context_t more = 0;
    CHECK(syscall(SYS_io_setup, 4, &more) == -1 && errno == EAGAIN);
    puts("done");
    return 0;
}
