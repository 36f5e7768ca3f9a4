/* Threads that compute, and that hardly a signal reaches, while another thread maps generated code for the
 * first time in the process. What they call of it afterwards is seen like any other call. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static const int faults[] = {SIGTRAP, SIGFPE, SIGILL, SIGBUS, SIGSEGV};
enum { FAULTS = sizeof faults / sizeof *faults };

static long (*_Atomic code)(void);
static atomic_int spinning;

/* What glibc keeps for itself, and what it takes to block it. */
enum { SETXID = 33 };

/* Computes until there is code, without a call. */
static void spin(void)
{
    atomic_fetch_add(&spinning, 1);
    long (*function)(void);
    while (!(function = atomic_load(&code)))
        ;
    for (int i = 0; i < 100; i++)
        function();
}

static void block(int how, uint64_t set)
{
    MUST(syscall(SYS_rt_sigprocmask, how, &set, NULL, sizeof set));
}

/* All that a C library lets a program block. */
static void *filled(void *none)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    spin();
    return none;
}

/* All that there is. */
static void *raw(void *none)
{
    block(SIG_SETMASK, ~0ull);
    spin();
    return none;
}

/* One after the other. */
static void *added(void *none)
{
    block(SIG_SETMASK, 0);
    for (int signal = 1; signal <= 64; signal++)
        block(SIG_BLOCK, 1ull << (signal - 1));
    spin();
    return none;
}

/* As its starter had it: the thread makes no call of its own that says so. */
static void *inherited(void *none)
{
    spin();
    return none;
}

static void handler(int signal)
{
    (void)signal;
    spin();
}

/* While a handler runs. */
static void *handling(void *none)
{
    pthread_kill(pthread_self(), SIGUSR1);
    return none;
}

/* Behind a handler: what its frame says. */
static void nothing(int signal) { (void)signal; }
static void *handled(void *none)
{
    block(SIG_SETMASK, ~0ull & ~(1ull << (SIGUSR2 - 1)));
    pthread_kill(pthread_self(), SIGUSR2);
    spin();
    return none;
}

/* The signal of which no C library lets a program block has come, and waits. */
static void *self_sent(void *none)
{
    uint64_t pending = 0;
    block(SIG_SETMASK, ~0ull);
    MUST(syscall(SYS_tgkill, getpid(), gettid(), SETXID));
    MUST(syscall(SYS_rt_sigpending, &pending, sizeof pending));
    CHECK(pending == 1ull << (SETXID - 1));
    spin();
    return none;
}

/* It comes while the thread computes. */
static atomic_int computing;
static void *sent(void *none)
{
    block(SIG_SETMASK, ~0ull);
    atomic_store(&computing, gettid());
    spin();
    return none;
}

/* Sends it, and waits until it waits, where there is somebody who says so. */
static void send_to(pid_t thread)
{
    char path[64], line[256];
    unsigned long long pending = 0;
    MUST(syscall(SYS_tgkill, getpid(), thread, SETXID));
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
    while (pending == 0) {
        FILE *status = fopen(path, "r");
        if (!status)
            return;
        while (fgets(line, sizeof line, status) && sscanf(line, "SigPnd: %llx", &pending) != 1)
            ;
        fclose(status);
    }
    CHECK(pending == 1ull << (SETXID - 1));
}

static void *(*const bodies[])(void *) = {filled, raw, added, handling, handled, self_sent, sent, inherited};
enum { BODIES = sizeof bodies / sizeof *bodies };

int main(int count, char **words)
{
    struct sigaction action = {.sa_handler = handler};
    sigfillset(&action.sa_mask);
    MUST(sigaction(SIGUSR1, &action, NULL));
    action.sa_handler = nothing;
    MUST(sigaction(SIGUSR2, &action, NULL));
    /* With "ignored" the signals of faults are not blocked, but ignored. */
    int ignored = count > 1 && strcmp(words[1], "ignored") == 0;
    for (int i = 0; ignored && i < FAULTS; i++)
        signal(faults[i], SIG_IGN);
    pthread_t threads[BODIES];
    int started = 0;
    for (int i = ignored ? BODIES - 1 : 0; i < BODIES; i++, started++) {
        if (!ignored && bodies[i] == inherited)
            block(SIG_SETMASK, ~0ull);
        pthread_create(&threads[started], NULL, bodies[i], NULL);
    }
    while (atomic_load(&spinning) < started)
        ;
    if (!ignored)
        send_to(atomic_load(&computing));
    static const unsigned char bytes[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *memory = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, bytes, sizeof bytes);
    MUST(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    atomic_store(&code, (long (*)(void))memory);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    printf("%d threads\n", started);
    return 0;
}
