/* Signals whose alternate stack cannot be written, or only at times: the kernel forces a SIGSEGV instead, whose handler
 * has the stack that the thread is on. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

#define SIZE 65536
#define ROUNDS 30000
#define CHANGING -1
#define PROTECTED -2
#define BLOCKED -3

static char *alternate;
static sigjmp_buf out;
static volatile int handled, refused, wrong, is_done, computes;
static pthread_t first;

static int is_on_alternate(void)
{
    char here;
    return &here >= alternate && &here < alternate + SIZE;
}

static void handler(int signal)
{
    (void)signal;
    handled++;
    wrong += !is_on_alternate();
}

/* Touches no stack, as compiled for x86-64. */
static void count(int signal)
{
    (void)signal;
    handled++;
}

/* What it returns through is only read. */
static void protect(int signal)
{
    (void)signal;
    handled++;
    MUST(mprotect(alternate, SIZE, PROT_READ));
}

static void refuse(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    refused++;
    wrong += is_on_alternate() || info->si_code != 0x80 || info->si_addr;
    if (computes)
        siglongjmp(out, 1);
}

static void *change(void *arg)
{
    (void)arg;
    while (!is_done) {
        MUST(mprotect(alternate, SIZE, PROT_READ));
        MUST(mprotect(alternate, SIZE, PROT_READ | PROT_WRITE));
    }
    return NULL;
}

static void *send(void *arg)
{
    (void)arg;
    while (!computes)
        sched_yield();
    CHECK(pthread_kill(first, SIGHUP) == 0);
    return NULL;
}

static void child(int protection, size_t from, int is_onstack)
{
    /* Of the page that can be written there is less than a frame. */
    size_t cut = from ? from - 256 : 0;
    struct sigaction hears = {.sa_sigaction = refuse, .sa_flags = SA_SIGINFO | (is_onstack ? SA_ONSTACK : 0)};
    MUST(sigaction(SIGSEGV, &hears, NULL));
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGHUP, &action, NULL));
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = SIZE - cut}, NULL));
    pthread_t thread;
    first = pthread_self();
    if (protection == PROTECTED) {
        action.sa_handler = protect;
        MUST(sigaction(SIGHUP, &action, NULL));
        pthread_kill(first, SIGHUP);
        printf("returned: handled %d refused %d\n", handled, refused);
        fflush(stdout);
        _exit(0);
    }
    if (protection == BLOCKED) {
        /* What is blocked meanwhile waits as it was sent, though its handler has another stack. */
        action.sa_handler = count;
        action.sa_flags = 0;
        MUST(sigaction(SIGHUP, &action, NULL));
        hears.sa_flags |= SA_ONSTACK;
        MUST(sigaction(SIGSEGV, &hears, NULL));
        MUST(sigaction(SIGBUS, &hears, NULL));
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        sigaddset(&set, SIGBUS);
        MUST(sigprocmask(SIG_BLOCK, &set, NULL));
        MUST(sigqueue(getpid(), SIGSEGV, (union sigval){.sival_int = 42}));
        MUST(sigqueue(getpid(), SIGBUS, (union sigval){.sival_int = 43}));
        for (int i = 0; i < 3; i++)
            pthread_kill(first, SIGHUP);
        struct timespec none = {0};
        siginfo_t info;
        for (int i = 0; i < 3; i++)
            if (sigtimedwait(&set, &info, &none) > 0)
                printf("signal %d code %d value %d from itself %d\n", info.si_signo, info.si_code,
                       info.si_value.sival_int, info.si_pid == getpid());
        printf("handled %d refused %d\n", handled, refused);
        fflush(stdout);
        _exit(0);
    }
    if (protection == CHANGING) {
        /* Changed while signals arrive: each is heard, one way or the other. */
        action.sa_handler = count;
        MUST(sigaction(SIGHUP, &action, NULL));
        CHECK(pthread_create(&thread, NULL, change, NULL) == 0);
        for (int i = 0; i < ROUNDS; i++)
            pthread_kill(first, SIGHUP);
        is_done = 1;
        CHECK(pthread_join(thread, NULL) == 0);
        printf("lost %d wrong %d\n", ROUNDS - handled - refused, wrong);
        fflush(stdout);
        _exit(0);
    }
    MUST(mprotect(alternate, SIZE - from, protection));
    pthread_kill(first, SIGHUP);
    printf("in a call: handled %d refused %d wrong %d\n", handled, refused, wrong);
    fflush(stdout);
    CHECK(pthread_create(&thread, NULL, send, NULL) == 0);
    if (sigsetjmp(out, 1) == 0) {
        computes = 1;
        for (;;)
            ;
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("in a loop: handled %d refused %d wrong %d\n", handled, refused, wrong);
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    static const struct {
        const char *what;
        int protection;
        size_t from;
        int is_onstack;
    } rows[] = {
        {"none", PROT_NONE, 0, 0},
        {"read only", PROT_READ, 0, 0},
        {"its top alone", PROT_READ, 4096, 0},
        {"that of both", PROT_READ, 0, 1},
        {"at times", CHANGING, 0, 0},
        {"by the handler", PROTECTED, 0, 0},
        {"not at all", BLOCKED, 0, 0},
    };
    alternate = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pid_t pid = MUST(fork());
        if (pid == 0)
            child(rows[i].protection, rows[i].from, rows[i].is_onstack);
        report(rows[i].what, pid);
    }
    return 0;
}
