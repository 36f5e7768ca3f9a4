/* A library with a site that fits no jump is loaded while threads run that block every signal, or SIGTRAP: one that computes
 * then, one that sleeps in a call, one that starts afterwards. None of them sets its mask before it calls from there. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

#define ROUNDS 200

static long (*volatile odd_call)(long);
static volatile int computing, asleep;
static int ends[2];

static void block(int all)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    if (all)
        sigfillset(&set);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

/* What it has of calls from the library, and of its mask. */
static void work(const char *name)
{
    long own = gettid();
    int right = 0;
    for (int i = 0; i < ROUNDS; i++)
        right += odd_call(SYS_gettid) == own;
    sigset_t set, pending;
    siginfo_t info;
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
    printf("%s: %d right, SIGTRAP is blocked: %d", name, right, sigismember(&set, SIGTRAP));
    if (sigismember(&set, SIGTRAP)) {
        pthread_kill(pthread_self(), SIGTRAP);
        right = odd_call(SYS_gettid) == own;
        sigpending(&pending);
        printf(", %d, waits: %d", right, sigismember(&pending, SIGTRAP));
        sigemptyset(&set);
        sigaddset(&set, SIGTRAP);
        printf(", %d", sigwaitinfo(&set, &info));
    }
    printf("\n");
}

static void *computes(void *unused)
{
    (void)unused;
    block(1);
    computing = 1;
    while (!odd_call)
        ;
    odd_call(SYS_gettid);
    computing = 0;
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    work("one that computes");
    return NULL;
}

static void *sleeps(void *unused)
{
    (void)unused;
    block(0);
    char byte;
    asleep = gettid();
    CHECK(syscall(SYS_read, ends[0], &byte, 1) == 1);
    work("one that sleeps");
    return NULL;
}

static void *starts(void *unused)
{
    (void)unused;
    work("one that starts then");
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t first, second, third;
    MUST(pipe2(ends, 0));
    pthread_create(&first, NULL, computes, NULL);
    pthread_create(&second, NULL, sleeps, NULL);
    while (!computing || !asleep)
        sched_yield();
    await_state(getpid(), asleep, 'S');
    if (argc > 2)
        block(0);
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) {
        puts(dlerror());
        return 1;
    }
    odd_call = (long (*)(long))dlsym(library, "odd_call");
    while (computing)
        sched_yield();
    work("the one that has loaded it");
    fflush(stdout);
    /* It is the only one that reads. */
    CHECK(write(ends[1], "", 1) == 1);
    pthread_join(second, NULL);
    CHECK(write(ends[1], "", 1) == 1);
    pthread_join(first, NULL);
    pthread_create(&third, NULL, starts, NULL);
    pthread_join(third, NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        work("a child");
        fflush(stdout);
        _exit(6);
    }
    report("child", child);
    return 0;
}
