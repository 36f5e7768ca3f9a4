/* The gs base as the program's own: set by arch_prctl(2) and by wrgsbase, read back, used between
 * calls, in threads, in children, in handlers, and after a handler has changed it. */
#include "check.h"
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/mman.h>

/* What the base leads to. The first words mean something to nobody but this program. */
struct area {
    uint64_t words[512];
};

static int direct; /* the instructions exist */
static __thread int own = 200; /* a descriptor of this thread's */

static uint64_t word(void)
{
    uint64_t value;
    __asm__ volatile("movq %%gs:8, %0" : "=r"(value)::"memory");
    return value;
}

static void put(uint64_t value)
{
    __asm__ volatile("movq %0, %%gs:16" ::"r"(value) : "memory");
}

static void write_base(const void *base)
{
    __asm__ volatile("wrgsbase %0" ::"r"(base) : "memory");
}

static uint64_t read_base(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base)::"memory");
    return base;
}

static int set(const void *base) { return (int)syscall(SYS_arch_prctl, ARCH_SET_GS, base); }

static uint64_t get(void)
{
    uint64_t base = 1;
    CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0);
    return base;
}

static struct area *make(uint64_t value)
{
    struct area *area = MUST(mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(area, 0x5a, sizeof *area);
    area->words[1] = value;
    return area;
}

/* Calls of every kind: passed on, handled by the resident, and mixed with the use of gs. */
static int calls(struct area *area)
{
    int wrong = 0;
    for (int round = 0; round < 50; round++) {
        int fd = open("/dev/null", O_RDONLY);
        wrong += fd < 0;
        put((uint64_t)round);
        wrong += area->words[2] != (uint64_t)round;
        wrong += word() != area->words[1];
        int copy = dup2(fd, own);
        wrong += copy != own;
        wrong += close(copy) != 0;
        wrong += close(fd) != 0;
        wrong += getppid() < 0;
        wrong += word() != area->words[1];
        if (direct)
            wrong += read_base() != (uint64_t)area;
    }
    for (int index = 3; index < 512; index++)
        wrong += area->words[index] != 0x5a5a5a5a5a5a5a5aULL;
    wrong += area->words[0] != 0x5a5a5a5a5a5a5a5aULL;
    return wrong;
}

static __thread volatile int handled;
static __thread volatile uint64_t seen;
static volatile uint64_t changed;
static sigjmp_buf out;

static void handler(int signal)
{
    handled++;
    seen = word();
    int fd = open("/dev/null", O_RDONLY);
    CHECK(fd >= 0);
    close(fd);
    CHECK(seen == word());
    if (signal == SIGUSR2)
        siglongjmp(out, 1);
    if (signal == SIGALRM)
        CHECK(set((void *)changed) == 0);
}

static void *thread(void *argument)
{
    struct area *area = argument;
    /* What the creating thread had. */
    uint64_t inherited = word();
    own = 200 + (int)area->words[1];
    CHECK(set(area) == 0);
    int wrong = calls(area);
    for (int round = 0; round < 20; round++) {
        pthread_kill(pthread_self(), SIGUSR1);
        wrong += calls(area);
        sched_yield();
    }
    return (void *)(inherited * 1000 + (uint64_t)wrong);
}

static pthread_t first;
static volatile int storming;

/* Signals find the first thread wherever it is. */
static void *storm(void *argument)
{
    (void)argument;
    for (int round = 0; round < 5000; round++)
        pthread_kill(first, SIGUSR1);
    storming = 0;
    return NULL;
}

static int child_main(void *argument)
{
    (void)argument;
    int fd = open("/dev/null", O_RDONLY);
    return word() == 31 && fd >= 0 ? 7 : 8;
}

int main(void)
{
    direct = (getauxval(AT_HWCAP2) & 2) != 0;
    printf("at first %lx\n", get());
    struct area *area = make(31);
    printf("set %d\n", set(area));
    printf("get %d word %lu\n", get() == (uint64_t)area, word());
    printf("calls: %d wrong\n", calls(area));

    /* Refused, and nothing changed. */
    errno = 0;
    int result = set((void *)(1UL << 63));
    printf("upper half: %d %s, word %lu\n", result, strerror(errno), word());
    result = (int)syscall(SYS_arch_prctl, ARCH_GET_GS, 8);
    printf("bad pointer: %d %s, word %lu\n", result, strerror(errno), word());

    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(sigaction(SIGUSR2, &action, NULL));
    MUST(sigaction(SIGALRM, &action, NULL));
    raise(SIGUSR1);
    printf("handler: %d saw %lu, now %lu\n", handled, seen, word());
    if (sigsetjmp(out, 1) == 0)
        raise(SIGUSR2);
    printf("left by longjmp: saw %lu, now %lu\n", seen, word());
    struct area *other = make(32);
    changed = (uint64_t)other;
    raise(SIGALRM);
    printf("changed by a handler: %lu\n", word());
    set(area);

    /* With all signals blocked. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    printf("signals blocked: %d wrong\n", calls(area));
    if (direct) {
        write_base(other);
        printf("signals blocked, written: %d wrong, get %d\n", calls(other),
               get() == (uint64_t)other);
        write_base(area);
    }
    printf("signals blocked, leading nowhere: %d", set((void *)0x7000));
    int none = open("/dev/null", O_RDONLY);
    printf(" %d get %lx", none >= 0 && close(none) == 0, get());
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    printf(" blocked %d, set %d\n", sigismember(&blocked, SIGSEGV), set(area));
    sigprocmask(SIG_SETMASK, &before, NULL);

    pthread_t threads[8];
    for (int index = 0; index < 8; index++)
        MUST(pthread_create(&threads[index], NULL, thread, make(100 + (uint64_t)index)));
    for (int index = 0; index < 8; index++) {
        void *value;
        pthread_join(threads[index], &value);
        printf("thread %d: %lu\n", index, (uint64_t)value);
    }
    printf("after threads: %lu, %d wrong\n", word(), calls(area));

    int wrong = 0;
    first = pthread_self();
    storming = 1;
    MUST(pthread_create(&threads[0], NULL, storm, NULL));
    while (storming)
        wrong += calls(area);
    pthread_join(threads[0], NULL);
    printf("storm: %d wrong, saw %lu\n", wrong, seen);

    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0)
        _exit(word() == 31 && calls(area) == 0 && get() == (uint64_t)area ? 5 : 6);
    report("fork", child);
    child = MUST(vfork());
    if (child == 0)
        _exit(word() == 31 && calls(area) == 0 ? 5 : 6);
    report("vfork", child);
    child = MUST(vfork());
    if (child == 0) {
        set(other);
        _exit(word() == 32 && calls(other) == 0 ? 5 : 6);
    }
    report("vfork that sets its own", child);
    printf("after vfork: %lu\n", word());
    static char stack[65536] __attribute__((aligned(16)));
    child = MUST(clone(child_main, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    report("clone", child);
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        execl("/bin/echo", "echo", "executed", NULL);
        _exit(9);
    }
    report("exec", child);

    /* A fault in the program with a base of its own ends it as such. */
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        *(volatile int *)8 = 1;
        _exit(9);
    }
    report("fault", child);

    if (direct) {
        write_base(other);
        printf("written: word %lu, get %d, %d wrong\n", word(), get() == (uint64_t)other,
               calls(other));
        raise(SIGUSR1);
        printf("written, handler: saw %lu\n", seen);
        /* Leads nowhere while calls are made. */
        write_base((void *)0x10);
        int fd = open("/dev/null", O_RDONLY);
        printf("nowhere: %d, base %lx\n", fd >= 0, read_base());
        close(fd);
        write_base(area);
        printf("back: word %lu, %d wrong\n", word(), calls(area));
        for (int round = 0; round < 2000; round++) {
            struct area *one = round & 1 ? area : other;
            write_base(one);
            int opened = open("/dev/null", O_RDONLY);
            CHECK(opened >= 0 && close(opened) == 0 && word() == one->words[1]);
        }
    }
    result = set(NULL);
    printf("none: %d, get %lx\n", result, get());
    int fd = open("/dev/null", O_RDONLY);
    printf("at last: %d\n", fd >= 0);
    return 0;
}
