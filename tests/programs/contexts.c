/* What a handler is shown and what its changes do; queued signals; timers; rseq; frames that are bad. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif

static volatile int handled, wrong;
static sigjmp_buf out;
static ucontext_t *context_of(void *context) { return context; }

static void on(int signal, void (*with)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = with, .sa_flags = SA_SIGINFO | flags};
    MUST(sigaction(signal, &action, NULL));
}

static void note(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d code %d value %d\n", signal, info->si_code,
           info->si_code == SI_QUEUE || info->si_code == SI_TIMER ? info->si_int : 0);
    handled++;
}

static void queued(void)
{
    sigset_t set;
    sigemptyset(&set);
    /* Without SIGSEGV: where it stands among others that wait is in docs/limits.md. */
    int all[] = {SIGRTMIN + 2, SIGRTMIN, SIGUSR1, SIGUSR2, SIGTRAP, SIGSYS, SIGILL};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        on(all[i], note, 0);
        sigaddset(&set, all[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 4; i++)
        for (unsigned at = 0; at < sizeof all / sizeof *all; at++)
            MUST(sigqueue(getpid(), all[at], (union sigval){.sival_int = i * 10 + at}));
    printf("blocked: %d\n", handled);
    siginfo_t info;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    int got = sigwaitinfo(&one, &info);
    printf("waited: %d value %d\n", got == SIGRTMIN, info.si_int);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("handled: %d\n", handled);
}

static void look(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("sent %d code %d at %p\n", signal, info->si_code, info->si_addr);
}

/* A process may send its own threads what looks like a fault, as crash handlers do when they are done. */
static void sent(void)
{
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
    for (unsigned i = 0; i < 2 * sizeof signals / sizeof *signals; i++) {
        siginfo_t info = {.si_signo = signals[i / 2], .si_code = 1, .si_addr = (void *)0x1234};
        on(info.si_signo, look, 0);
        if (i % 2)
            MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), info.si_signo, &info));
        else
            MUST(syscall(SYS_rt_sigqueueinfo, getpid(), info.si_signo, &info));
        fflush(stdout);
        pid_t child = MUST(fork());
        if (child == 0) {
            signal(info.si_signo, SIG_DFL);
            syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), info.si_signo, &info);
            _exit(1);
        }
        report("by default", child);
    }
}

extern char skip_from[], skip_to[];

static void change(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context_of(context);
    if (signal == SIGILL) {
        if (u->uc_mcontext.gregs[REG_RIP] != (long)skip_from || info->si_addr != skip_from)
            wrong++;
        u->uc_mcontext.gregs[REG_RIP] = (long)skip_to;
        u->uc_mcontext.gregs[REG_RBX] = 0x1234;
        u->uc_mcontext.fpregs->_xmm[3].element[0] = 0x5678;
        u->uc_mcontext.gregs[REG_EFL] |= 1;
        sigaddset(&u->uc_sigmask, SIGUSR2);
    }
}

static void changed(void)
{
    on(SIGILL, change, 0);
    long rbx;
    unsigned xmm;
    char carry;
    __asm__ volatile("xor %%ebx, %%ebx\n\tpxor %%xmm3, %%xmm3\n\tclc\n"
                     ".globl skip_from, skip_to\n"
                     "skip_from:\n\tud2\n\tnop\n"
                     "skip_to:\n\tmov %%rbx, %0\n\tmovd %%xmm3, %1\n\tsetc %2"
                     : "=r"(rbx), "=r"(xmm), "=r"(carry)
                     :
                     : "rbx", "xmm3", "cc", "memory");
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("rbx %lx xmm %x carry %d blocked %d wrong %d\n", rbx, xmm, carry,
           sigismember(&now, SIGUSR2), wrong);
    sigemptyset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);
}

static char *page;
static void open_page(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    handled++;
    if ((char *)info->si_addr != page + 8)
        _exit(70);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void barriers(void)
{
    page = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    on(SIGSEGV, open_page, SA_ONSTACK);
    handled = 0;
    for (int i = 0; i < 100; i++) {
        page[8] = i;
        mprotect(page, 4096, PROT_READ);
    }
    printf("barriers: %d, last %d\n", handled, page[8]);
}

static void leave(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    handled++;
    siglongjmp(out, signal);
}

static void never_returning(void)
{
    on(SIGUSR1, leave, SA_NODEFER);
    handled = 0;
    for (volatile int i = 0; i < 1000; i++)
        if (sigsetjmp(out, 1) == 0)
            raise(SIGUSR1);
    printf("left: %d\n", handled);
}

static char deep(volatile char *above)
{
    volatile char here[4096];
    here[0] = above[0];
    return above[0] == 1 ? 0 : deep(here) + here[1];
}

static void overflowing(void)
{
    static char alternate[65536];
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL));
    on(SIGSEGV, leave, SA_ONSTACK);
    handled = 0;
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(out, 1) == 0)
            deep("");
    printf("overflows: %d\n", handled);
}

static volatile int inside;
static void spin_end(void);
/* Until it has been interrupted five times, and not what comes before or after it. */
static __attribute__((noinline)) void spin(void) { while (inside < 5) __asm__ volatile(""); }
static __attribute__((noinline)) void spin_end(void) { __asm__ volatile(""); }

static void tick(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    greg_t pc = context_of(context)->uc_mcontext.gregs[REG_RIP];
    inside += pc >= (long)spin && pc < (long)spin_end;
}

static void timers(void)
{
    on(SIGPROF, tick, SA_RESTART);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &often, NULL);
    spin();
    setitimer(ITIMER_PROF, &never, NULL);
    printf("profiled: %d\n", inside >= 5);
    inside = 0;
    on(SIGRTMIN + 1, tick, SA_RESTART);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 5};
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec at = {{0, 1000000}, {0, 1000000}};
    timer_settime(timer, 0, &at, NULL);
    spin();
    timer_delete(timer);
    printf("timed: %d\n", inside >= 5);
}

#ifdef RSEQ_SIG
extern char section_start[], section_end[], section_abort[];
static struct rseq_cs section __attribute__((aligned(32)));
static volatile long shown;

static void interrupting(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    handled++;
    shown = context_of(context)->uc_mcontext.gregs[REG_RIP];
}

/* A critical section that only its abort leaves. */
static void restartable(void)
{
    if (__rseq_size == 0) {
        puts("no rseq");
        return;
    }
    struct rseq *own = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    on(SIGALRM, interrupting, 0);
    struct itimerval once = {{0, 0}, {0, 2000}};
    section.start_ip = (unsigned long)section_start;
    section.post_commit_offset = section_end - section_start;
    section.abort_ip = (unsigned long)section_abort;
    volatile int aborted = 0;
    /* On a busy machine the signal may come before the section begins. */
    do {
        handled = 0;
        setitimer(ITIMER_REAL, &once, NULL);
        __asm__ volatile(
            "1:\n\tmov %[section], %[cs]\n"
            "section_start:\n\t"
            "2:\tcmpl $0, %[handled]\n\tje 2b\n"
            "section_end:\n\tjmp 3f\n\t"
            ".long 0x53053053\n"
            "section_abort:\n\tincl %[aborted]\n\tcmpl $0, %[handled]\n\tje 1b\n"
            "3:\n\t"
            : [cs] "=m"(own->rseq_cs), [aborted] "+m"(aborted)
            : [section] "r"(&section), [handled] "m"(handled)
            : "memory", "cc");
    } while (!aborted);
    printf("rseq: aborted %d, shown at the abort %d\n", aborted > 0, shown == (long)section_abort);
}
#endif

static void spoil_state(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    context_of(context)->uc_mcontext.fpregs = (void *)64;
}

static void spoil_pc(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    context_of(context)->uc_mcontext.gregs[REG_RIP] = 0x1234567812345678;
}

static void bad_frame(const char *what, void (*with)(int, siginfo_t *, void *))
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        if (with) {
            on(SIGUSR1, with, 0);
            raise(SIGUSR1);
        } else {
            __asm__ volatile("mov $4096, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::: "memory");
        }
        _exit(0);
    }
    report(what, child);
}

static void ignored(int signal) { (void)signal; }

static void children(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    MUST(sigaction(SIGCHLD, &action, NULL));
    pid_t child = MUST(fork());
    if (child == 0)
        _exit(0);
    int got = waitpid(child, NULL, 0);
    printf("no zombies: %d %s\n", got, strerror(errno));
    action.sa_flags = 0;
    MUST(sigaction(SIGCHLD, &action, NULL));
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        on(SIGUSR1, note, SA_RESETHAND);
        raise(SIGUSR1);
        fflush(stdout);
        raise(SIGUSR1);
        _exit(0);
    }
    report("reset", child);
    /* Of an action that is reset flags and mask stay; a fault's action is one that vload keeps. */
    const int signals[] = {SIGUSR1, SIGSEGV};
    for (int i = 0; i < 2; i++) {
        struct sigaction once = {.sa_handler = ignored, .sa_flags = SA_RESETHAND | SA_NODEFER};
        sigaddset(&once.sa_mask, SIGHUP);
        MUST(sigaction(signals[i], &once, NULL));
        raise(signals[i]);
        MUST(sigaction(signals[i], NULL, &once));
        printf("reset: default %d, flags %x, mask %lx\n", once.sa_handler == SIG_DFL, once.sa_flags,
               *(unsigned long *)&once.sa_mask);
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    queued();
    sent();
    changed();
    barriers();
    never_returning();
    overflowing();
    timers();
#ifdef RSEQ_SIG
    restartable();
#endif
    bad_frame("bad vector state", spoil_state);
    bad_frame("bad program counter", spoil_pc);
    bad_frame("no frame", NULL);
    children();
    return 0;
}
