/* ring KIND COMMAND: sets up what goes around system calls, has the command run, which loads a module, makes a
 * call, and says what there is that the module does not hear of. KIND is, of rings:
 *   open, kept (over an exec), closed (but for its mappings), registered (and nothing else);
 *   two (open; mapped and registered), far (of which one has a high number), many;
 *   again (the module leaves, and comes back), nested (COMMAND has it), full and stopped (nobody reads standard error);
 *   vfork (a child in the same memory has closed it, and hears of the module), apart (a thread with its own descriptors);
 *   queued (not to be found), beside (and a child in the same memory has set up another);
 *   served by a thread of the kernel: hidden (as queued), served (mapped alone), old (set up by a parent outside of the session, which
 *   COMMAND begins, and kept over an exec);
 * of aio: context, forked (its parent has it), own (as its parent);
 * none: failed, destroyed, gone (as old, without a ring), killed (a child that was in the same memory has ended), other (it
 * has executed a program that has one). */
#include "check.h"
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

enum {
    KEPT = 77,
    SAYS,
    FAR = KEPT + 1024,
    REGISTERED_RING = 1 << 4,
    REGISTER_RING_FDS = 20,
    NO_MMAP = 1 << 14,
    REGISTERED_FD_ONLY = 1 << 15,
    NO_SQARRAY = 1 << 16,
};

static int is_one_of(const char *kind, const char *kinds)
{
    const char *found = strstr(kinds, kind);
    return found && found[strlen(kind)] == ' ';
}

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

static int set_up_as(unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    if (flags & NO_MMAP) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(pages != MAP_FAILED);
        /* Where the kernel shall have the queues, and the requests: the last fields, which older headers do not name. */
        uint64_t queues = (uintptr_t)pages, requests = queues + page;
        memcpy((char *)(&params.cq_off + 1) - sizeof queues, &queues, sizeof queues);
        memcpy((char *)(&params.sq_off + 1) - sizeof requests, &requests, sizeof requests);
    }
    int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
    CHECK(ring >= 0);
    return ring;
}

static int set_up(void)
{
    return set_up_as(0);
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

static void unload(const char *command)
{
    char *other = strdup(command);
    char *verb = other ? strstr(other, "insmod") : NULL;
    CHECK(verb && memcpy(verb, "rmmod ", 6) && system(other) == 0);
    free(other);
    struct io_uring_params params = {0};
    /* A ring without entries is refused by the kernel alone. */
    CHECK(syscall(SYS_io_uring_setup, 0, &params) == -1 && errno == EINVAL);
}

static const char may_be[] = "an io_uring that could not be found may be there\n";

static int can_be_found(void)
{
    return access("/proc/self/maps", F_OK) == 0;
}

static void use_registered(char *command, int has_other, int times)
{
    int ring = set_up();
    void *queue = has_other ? map_all(ring) : NULL;
    struct io_uring_rsrc_update update = {.offset = -1U, .data = (unsigned)ring};
    CHECK(syscall(SYS_io_uring_register, ring, REGISTER_RING_FDS, &update, 1) == 1);
    CHECK(close(ring) == 0);
    for (; times > 0; times--) {
        load(command);
        for (int i = 0; i < 2; i++)
            CHECK(syscall(SYS_io_uring_enter, update.offset, 0, 0, REGISTERED_RING, NULL, 0) == 0);
        if (!can_be_found())
            fputs(may_be, stdout);
        if (has_other)
            printf("descriptor %d is an io_uring\nthe mapping at %p is an io_uring\n", KEPT, queue);
        printf("registered ring %u is an io_uring\n", update.offset);
        if (times > 1)
            unload(command);
    }
}

static void of_served(const char *kind, char *command)
{
    if (strcmp(kind, "served") != 0) {
        int served = strcmp(kind, "hidden") == 0 ? IORING_SETUP_SQPOLL : 0;
        set_up_as(served | NO_MMAP | REGISTERED_FD_ONLY | NO_SQARRAY);
        if (strcmp(kind, "beside") == 0 && vfork() == 0) {
            close(set_up());
            _exit(0);
        }
        if (fork() == 0) {
            /* It is its parent's. */
            load(command);
            fflush(stdout);
            _exit(0);
        }
        while (wait(NULL) > 0)
            ;
        hear();
        fputs(may_be, stdout);
        return;
    }
    int ring = set_up_as(IORING_SETUP_SQPOLL);
    void *queue = map_all(ring);
    CHECK(close(ring) == 0);
    load(command);
    if (can_be_found())
        printf("the mapping at %p is an io_uring\n", queue);
    else
        fputs(may_be, stdout);
}

/* Both run before there is a vload: the command has the descriptor, and who serves it stays outside. */
static int before(int has_ring, char *command)
{
    if (has_ring)
        MUST(dup2(set_up_as(IORING_SETUP_SQPOLL), KEPT));
    int status = system(command);
    return status != 0;
}

static void use_left(char *command)
{
    int is_there = fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0;
    load(command);
    if (is_there)
        printf("descriptor %d is an io_uring\n", KEPT);
}

/* Nobody reads the other end. */
static void fill_errors(void)
{
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    static const char nothing[4096];
    while (write(ends[1], nothing, sizeof nothing) > 0)
        ;
    CHECK(errno == EAGAIN && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
}

static void stop_errors(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(tcflow(terminal, TCOOFF) == 0 && dup2(terminal, STDERR_FILENO) == STDERR_FILENO);
}

/* Without the ring, in a table of its own. */
static void *load_apart(void *command)
{
    CHECK(close(KEPT) == 0);
    load(command);
    return NULL;
}

static atomic_int waits, has_loaded;

static void *leave_table(void *command)
{
    while (!waits)
        ;
    CHECK(unshare(CLONE_FILES) == 0);
    load_apart(command);
    has_loaded = 1;
    return NULL;
}

static void use_elsewhere(const char *kind, char *command)
{
    CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
    pthread_t thread;
    if (strcmp(kind, "apart") == 0) {
        CHECK(pthread_create(&thread, NULL, leave_table, command) == 0);
        waits = 1;
        /* Without a call, at which this thread would hear of the module. */
        while (!has_loaded)
            ;
        CHECK(pthread_join(thread, NULL) == 0);
    } else if (vfork() == 0) {
        load_apart(command);
        _exit(0);
    } else {
        CHECK(wait(NULL) > 0);
    }
    hear();
    CHECK(fcntl(KEPT, F_GETFD) == FD_CLOEXEC);
    /* In another pid namespace's /proc the other thread has another number. */
    char number[16] = {0};
    if (readlink("/proc/self", number, sizeof number - 1) > 0 && atoi(number) == getpid())
        printf("descriptor %d is an io_uring\n", KEPT);
    else
        fputs(may_be, stdout);
}

/* Each is a descriptor and mapped. */
static void use_many(char *command)
{
    enum { MANY = 20 };
    for (int i = 1; i < MANY; i++) {
        int ring = set_up();
        CHECK(dup3(ring, KEPT + i, O_CLOEXEC) == KEPT + i && close(ring) == 0);
        map_all(KEPT + i);
    }
    CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
    load(command);
    for (int i = 0; i < MANY; i++)
        printf("descriptor %d is an io_uring\n", KEPT + i);
}

static int wait_in_memory(void *unused)
{
    (void)unused;
    while (write(SAYS, "", 1) == 1)
        pause();
    return 1;
}

static int execute_holder(void *path)
{
    execl(path, path, "holder", "", NULL);
    return 1;
}

/* A child that is in this memory no more. */
static void use_without(const char *kind, char **argv)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    int is_other = strcmp(kind, "other") == 0;
    int ends[2];
    CHECK(pipe(ends) == 0 && dup2(ends[1], SAYS) == SAYS && (is_other || close(set_up()) == 0));
    int (*child)(void *) = is_other ? execute_holder : wait_in_memory;
    pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, argv[0]);
    CHECK(pid > 0);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    if (is_other)
        load(argv[2]);
    CHECK(kill(pid, SIGKILL) == 0 && wait(NULL) == pid);
    if (!is_other)
        load(argv[2]);
}

/* Says so to who has the other end. */
static void hold(void)
{
    CHECK(dup2(set_up(), KEPT) == KEPT && close(STDERR_FILENO) == 0 && write(SAYS, "", 1) == 1);
    for (;;)
        pause();
}

static void of_rings(const char *kind, char **argv)
{
    if (strcmp(kind, "registered") == 0) {
        use_registered(argv[2], 0, 2);
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
    if (strcmp(kind, "nested") == 0) {
        fflush(stdout);
        CHECK(system(argv[2]) == 0);
        return;
    }
    if (strcmp(kind, "open") == 0) {
        use_kept(argv[2]);
        return;
    }
    if (strcmp(kind, "again") == 0) {
        use_kept(argv[2]);
        unload(argv[2]);
        use_kept(argv[2]);
        return;
    }
    if (is_one_of(kind, "full stopped ")) {
        CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
        (strcmp(kind, "full") == 0 ? fill_errors : stop_errors)();
        load(argv[2]);
        return;
    }
    if (is_one_of(kind, "vfork apart ")) {
        use_elsewhere(kind, argv[2]);
        return;
    }
    if (strcmp(kind, "many") == 0) {
        use_many(argv[2]);
        return;
    }
    if (strcmp(kind, "far") == 0) {
        struct rlimit limit;
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        limit.rlim_cur = FAR + 100;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        int other = set_up();
        CHECK(dup3(other, FAR, O_CLOEXEC) == FAR && close(other) == 0);
        use_kept(argv[2]);
        printf("descriptor %d is an io_uring\n", FAR);
        return;
    }
    if (strcmp(kind, "two") == 0) {
        CHECK(fcntl(KEPT, F_SETFD, FD_CLOEXEC) == 0);
        use_registered(argv[2], 1, 1);
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

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *kind = argv[1];
    aio_context_t more = 0;
    if (strcmp(kind, "holder") == 0)
        hold();
    if (is_one_of(kind, "old gone "))
        return before(strcmp(kind, "old") == 0, argv[2]);
    if (is_one_of(kind, "context forked own destroyed ")) {
        of_contexts(kind, argv[2]);
    } else if (is_one_of(kind, "open kept closed registered two far many again nested full stopped vfork apart ")) {
        of_rings(kind, argv);
    } else if (is_one_of(kind, "served hidden queued beside ")) {
        of_served(kind, argv[2]);
    } else if (is_one_of(kind, "killed other ")) {
        use_without(kind, argv);
    } else if (strcmp(kind, "left") == 0) {
        use_left(argv[2]);
    } else if (strcmp(kind, "inherited") == 0) {
        use_kept(argv[2]);
    } else {
        CHECK(strcmp(kind, "failed") == 0 && syscall(SYS_io_setup, 0, &more) == -1 && errno == EINVAL);
        load(argv[2]);
    }
    /* A nested session's module is not heard of outside. */
    if (strcmp(kind, "nested") != 0) {
        CHECK(syscall(SYS_io_setup, 4, &more) == -1 && errno == EAGAIN);
        puts("done");
    }
    return 0;
}
