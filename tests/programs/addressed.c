/* A signal in a process with several threads: who gets it, who sees it wait, and what it interrupts. The signal is
 * one that vload needs for itself. usage: addressed NUMBER */
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

static int number;
static __thread int self;
static atomic_int handled, ready, leave;
static pid_t sender, other_tid;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("thread %d: signal %d, code %d, %s\n", self, signal, info->si_code,
           info->si_pid == sender ? "sender" : "another");
    fflush(stdout);
    atomic_fetch_add(&handled, 1);
}

/* What the kernel takes (asm/signal.h). */
struct action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
enum { SA_RESTORER = 0x4000000 };
void restore(void);
__asm__("restore: mov $15, %eax; syscall");

static void act(int signal, void *function, int flags, uint64_t mask)
{
    struct action action = {function, flags | SA_SIGINFO | SA_RESTORER, restore, mask};
    MUST(syscall(SYS_rt_sigaction, signal, &action, NULL, 8));
}

static void handle(int flags) { act(number, handler, flags, 0); }

static uint64_t set(void) { return 1ull << (number - 1); }

static void mask_all(int how, uint64_t mask) { MUST(syscall(SYS_rt_sigprocmask, how, &mask, NULL, 8)); }

static void mask(int how) { mask_all(how, set()); }

static int has(uint64_t of) { return (of & set()) != 0; }

static int pends(void)
{
    uint64_t pending;
    MUST(syscall(SYS_rt_sigpending, &pending, 8));
    return has(pending);
}

/* Sent from outside, and arrived. */
static void sent(void) { send_from_outside(number, &sender); }

static pthread_t other;

static void start(void *(*body)(void *))
{
    pthread_create(&other, NULL, body, NULL);
    while (!atomic_load(&ready))
        sched_yield();
}

static void begin(void)
{
    self = 1;
    other_tid = syscall(SYS_gettid);
    atomic_store(&ready, 1);
}

static void *computes(void *none)
{
    begin();
    while (!atomic_load(&leave))
        ;
    return none;
}

static void finish(void)
{
    atomic_store(&leave, 1);
    pthread_join(other, NULL);
}

static void one_blocks(void)
{
    handle(SA_RESTART);
    start(computes);
    mask(SIG_BLOCK);
    sender = getpid();
    for (int i = 0; i < 20; i++) {
        int before = atomic_load(&handled);
        MUST(kill(getpid(), number));
        while (atomic_load(&handled) == before)
            ;
    }
    int before = atomic_load(&handled);
    sent();
    while (atomic_load(&handled) == before)
        ;
    printf("pending %d\n", pends());
    finish();
}

static void *opens(void *none)
{
    begin();
    while (!atomic_load(&leave))
        ;
    printf("the other's: %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("taken: %d\n", pends());
    return none;
}

static void all_block(void)
{
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    start(opens);
    sent();
    printf("pending %d, handled %d\n", pends(), atomic_load(&handled));
    /* A standard signal waits once. */
    MUST(kill(getpid(), number));
    mask(SIG_BLOCK);
    printf("pending %d, handled %d\n", pends(), atomic_load(&handled));
    finish();
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
}

static void *waits(void *none)
{
    begin();
    uint64_t waited = set();
    for (int i = 0; i < 3; i++) {
        siginfo_t info;
        int signal = syscall(SYS_rt_sigtimedwait, &waited, &info, NULL, 8);
        printf("waited for: %d, code %d, %s, value %d\n", signal, info.si_code,
               info.si_pid == sender ? "sender" : "another", i == 2 ? info.si_value.sival_int : 0);
    }
    return none;
}

static void is_waited_for(void)
{
    mask(SIG_BLOCK);
    start(waits);
    await_state(getpid(), other_tid, 'S');
    sent();
    await_state(getpid(), other_tid, 'S');
    sender = getpid();
    MUST(kill(getpid(), number));
    while (pends())
        sched_yield();
    await_state(getpid(), other_tid, 'S');
    siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE, .si_pid = getpid()};
    info.si_value.sival_int = 77;
    MUST(syscall(SYS_rt_sigqueueinfo, getpid(), number, &info));
    pthread_join(other, NULL);
    printf("pending %d\n", pends());
}

static void *reads(void *none)
{
    begin();
    uint64_t waited = set();
    int fd = MUST(syscall(SYS_signalfd4, -1, &waited, 8, 0));
    for (int i = 0; i < 2; i++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (i == 0)
            printf("poll: %d\n", poll(&wait, 1, -1));
        struct signalfd_siginfo info = {0};
        CHECK(read(fd, &info, sizeof info) == sizeof info);
        printf("read: %d, code %d, %s\n", (int)info.ssi_signo, info.ssi_code,
               (pid_t)info.ssi_pid == sender ? "sender" : "another");
        atomic_store(&ready, 2 + i);
    }
    return none;
}

static void is_read(void)
{
    mask(SIG_BLOCK);
    start(reads);
    await_state(getpid(), other_tid, 'S');
    sent();
    while (atomic_load(&ready) < 2)
        sched_yield();
    await_state(getpid(), other_tid, 'S');
    sent();
    pthread_join(other, NULL);
    printf("pending %d\n", pends());
}

static void is_read_by_the_sender(void)
{
    mask(SIG_BLOCK);
    start(computes);
    uint64_t waited = set();
    int fd = MUST(syscall(SYS_signalfd4, -1, &waited, 8, SFD_NONBLOCK));
    struct signalfd_siginfo info = {0};
    for (int i = 0; i < 10; i++) {
        MUST(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number));
        printf("raised: %zd, code %d\n", read(fd, &info, sizeof info), info.ssi_code);
        MUST(kill(getpid(), number));
        printf("killed: %zd, code %d\n", read(fd, &info, sizeof info), info.ssi_code);
    }
    finish();
}

static void *blocks(void *none)
{
    mask(SIG_BLOCK);
    begin();
    while (!atomic_load(&leave))
        ;
    printf("the thread's: %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("the thread's: %d\n", pends());
    return none;
}

static void is_for_one_thread(void)
{
    handle(SA_RESTART);
    start(blocks);
    sender = getpid();
    MUST(syscall(SYS_tgkill, getpid(), other_tid, number));
    printf("handled %d, the process's: %d\n", atomic_load(&handled), pends());
    finish();
    printf("handled %d\n", atomic_load(&handled));
}

static int ends[2];

static void *writes(void *none)
{
    begin();
    await_state(getpid(), getpid(), 'S');
    sent();
    mask(SIG_BLOCK);
    sent();
    CHECK(write(ends[1], "x", 1) == 1);
    return none;
}

/* What is ignored, or waits, ends no call. */
static void ignored(void)
{
    MUST(pipe(ends));
    act(number, SIG_IGN, 0, 0);
    start(writes);
    char byte;
    printf("read: %zd\n", read(ends[0], &byte, 1));
    pthread_join(other, NULL);
    mask(SIG_BLOCK);
    printf("pending %d\n", pends());
}

static void inner(int signal)
{
    (void)signal;
    sender = getpid();
    MUST(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number));
    printf("in the handler: pending %d, handled %d\n", pends(), atomic_load(&handled));
}

static void in_a_handler(void)
{
    handle(0);
    start(computes);
    act(SIGUSR1, inner, 0, ~0ull);
    pthread_kill(pthread_self(), SIGUSR1);
    printf("behind it: pending %d, handled %d\n", pends(), atomic_load(&handled));
    finish();
}

static char *own_path, *own_number;

static void across_exec(void)
{
    mask(SIG_BLOCK);
    start(computes);
    MUST(kill(getpid(), number));
    execl(own_path, own_path, own_number, "after", NULL);
}

/* The same many times over: the other thread may be about to take it. */
static void across_execs(void)
{
    int kept = 0;
    for (int i = 0; i < 40; i++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            mask(SIG_BLOCK);
            start(computes);
            MUST(kill(getpid(), number));
            execl(own_path, own_path, own_number, "after", "quietly", NULL);
        }
        int status;
        MUST(waitpid(child, &status, 0));
        kept += status == 0;
    }
    printf("kept: %d\n", kept);
    _exit(0);
}

static void kills(void)
{
    start(computes);
    act(number, SIG_DFL, 0, 0);
    sent();
    for (;;)
        pause();
}

static void filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Forced on a thread that blocks it, it kills. */
static void trapped_by_a_filter(void)
{
    act(SIGSYS, handler, 0, 0);
    start(computes);
    filter();
    CHECK(syscall(SYS_getpriority, 0, 0) != 0);
    printf("handled %d\n", atomic_load(&handled));
    mask_all(SIG_BLOCK, 1ull << (SIGSYS - 1));
    syscall(SYS_getpriority, 0, 0);
    puts("not reached");
}

static void breakpoint(void)
{
    act(SIGTRAP, handler, 0, 0);
    start(computes);
    __asm__ volatile("int3");
    printf("handled %d\n", atomic_load(&handled));
    mask_all(SIG_BLOCK, ~0ull);
    __asm__ volatile("int3");
    puts("not reached");
}

static void *ends_at_once(void *none) { return none; }

/* With a process's first thread glibc takes 33 for itself, and unblocks it: what is set after is kept. */
static void try_it(const char *name, void (*run)(void))
{
    printf("%s\n", name);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        pthread_t first;
        pthread_create(&first, NULL, ends_at_once, NULL);
        pthread_join(first, NULL);
        run();
        _exit(3);
    }
    report(name, child);
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    own_path = words[0];
    own_number = words[1];
    number = atoi(own_number);
    if (count > 2) {
        uint64_t blocked;
        MUST(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8));
        if (count > 3)
            return !(pends() && has(blocked));
        printf("after the exec: pending %d, blocked %d\n", pends(), has(blocked));
        return 0;
    }
    /* Of this one it is known what differs (docs/limits.md): the rest does not. */
    int is_call = number == 33;
    void (*go)(const char *, void (*)(void)) = is_call ? try_it : in_one;
    go("one blocks it", one_blocks);
    if (!is_call) {
        in_one("it is waited for", is_waited_for);
        in_one("it is read", is_read);
        in_one("all block it", all_block);
        in_one("it is read by its sender", is_read_by_the_sender);
    }
    go("it is for one thread", is_for_one_thread);
    go("it is ignored", ignored);
    go("in a handler", in_a_handler);
    go("across an exec", across_exec);
    if (is_call)
        go("across execs", across_execs);
    go("it kills", kills);
    go("a filter's", trapped_by_a_filter);
    go("a breakpoint", breakpoint);
    return 0;
}
