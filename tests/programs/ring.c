/* ring KIND COMMAND: sets up what goes around system calls, has the command run, which loads a module, makes a
 * call, and says what there is that the module does not hear of. KIND, of rings: open, kept (over an exec), closed
 * (but for its mappings), registered (and nothing else), two (open, and mapped and registered); of aio: context,
 * forked (its parent has it), own (as its parent); none: failed, destroyed. */
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

static void use_kept(char *command)
{
    /* The command shall not have it too. */
    CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
    load(command);
    CHECK(syscall(SYS_io_uring_enter, KEPT, 0, 0, 0, NULL, 0) == 0);
    printf("descriptor %d is an io_uring\n", KEPT);
}

/* The mappings that liburing makes. */
static void *map_all(int ring)
{
    void *queue = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    CHECK(queue != MAP_FAILED);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, ring, IORING_OFF_SQES) != MAP_FAILED);
    return queue;
}

static void use_registered(char *command, int has_other)
{
    int ring = set_up();
    void *queue = has_other ? map_all(ring) : NULL;
    struct io_uring_rsrc_update update = {.offset = -1U, .data = (unsigned)ring};
    CHECK(syscall(SYS_io_uring_register, ring, REGISTER_RING_FDS, &update, 1) == 1);
    CHECK(close(ring) == 0);
    load(command);
    for (int i = 0; i < 2; i++)
        CHECK(syscall(SYS_io_uring_enter, update.offset, 0, 0, REGISTERED_RING, NULL, 0) == 0);
    if (has_other)
        printf("descriptor %d is an io_uring\nthe mapping at %p is an io_uring\n", KEPT, queue);
    printf("registered ring %u is an io_uring\n", update.offset);
}

static void of_rings(const char *kind, char **argv)
{
    if (strcmp(kind, "registered") == 0) {
        use_registered(argv[2], 0);
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
    if (strcmp(kind, "two") == 0) {
        CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
        use_registered(argv[2], 1);
        return;
    }
    void *queue = map_all(KEPT);
    CHECK(close(KEPT) == 0);
    load(argv[2]);
    printf("the mapping at %p is an io_uring\n", queue);
}

static aio_context_t set_up_context(void)
{
    aio_context_t context = 0;
    CHECK(syscall(SYS_io_setup, 4, &context) == 0);
    return context;
}

static void of_contexts(const char *kind, char *command)
{
    aio_context_t other = set_up_context(), context = set_up_context();
    CHECK(syscall(SYS_io_destroy, other) == 0);
    if (strcmp(kind, "context") == 0) {
        load(command);
    } else if (strcmp(kind, "destroyed") == 0) {
        CHECK(syscall(SYS_io_destroy, context) == 0);
        load(command);
        return;
    } else if (fork() == 0) {
        /* It has a copy of the mapping, and no context but its own. */
        aio_context_t own = strcmp(kind, "own") == 0 ? set_up_context() : 0;
        load(command);
        if (own != 0)
            printf("aio context %#lx\n", (unsigned long)own);
        fflush(stdout);
        _exit(0);
    } else {
        CHECK(wait(NULL) > 0);
        hear();
    }
    printf("aio context %#lx\n", (unsigned long)context);
}

static int is_one_of(const char *kind, const char *kinds)
{
    const char *found = strstr(kinds, kind);
    return found && found[strlen(kind)] == ' ';
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *kind = argv[1];
    aio_context_t more = 0;
    if (is_one_of(kind, "context forked own destroyed ")) {
        of_contexts(kind, argv[2]);
    } else if (is_one_of(kind, "open kept closed registered two ")) {
        of_rings(kind, argv);
    } else if (strcmp(kind, "inherited") == 0) {
        use_kept(argv[2]);
    } else {
        CHECK(strcmp(kind, "failed") == 0 && syscall(SYS_io_setup, 0, &more) == -1 && errno == EINVAL);
        load(argv[2]);
    }
    CHECK(syscall(SYS_io_setup, 4, &more) == -1 && errno == EAGAIN);
    puts("done");
    return 0;
}
