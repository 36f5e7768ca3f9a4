/* A program that single-steps itself through calls of the C library, with alignment checks and a flag that `rt_sigreturn` does
 * not restore: it goes on, hears of steps, and its flags are what they were. With `unreasoned` the steps' traps come as they
 * do where a virtual machine has lost what the processor had said of them (seen a few times in a hundred million, under
 * KVM): as TRAP_BRKPT; the program's own tracer sees to it. */
#include "check.h"
#include <sys/ptrace.h>
#include <ucontext.h>
#ifdef __x86_64__
#include <asm/prctl.h>
#endif

#define TRAP 0x100ul
#define NESTED 0x4000ul
#define ALIGNED 0x40000ul

static volatile long steps, wrong;
static int unreasoned;

static unsigned long flags(void)
{
    unsigned long value;
    __asm__ volatile("pushf; pop %0" : "=r"(value));
    return value;
}

static void set(unsigned long value)
{
    __asm__ volatile("push %0; popf" : : "r"(value) : "memory", "cc");
}

static int has_reason(const siginfo_t *info)
{
    return info->si_code == TRAP_BRKPT || (info->si_code == TRAP_TRACE && !unreasoned);
}

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *u = context;
    steps++;
    if (flags() & TRAP || !((unsigned long)u->uc_mcontext.gregs[REG_EFL] & TRAP) || !has_reason(info))
        wrong++;
}

static void with_each(void)
{
    static const unsigned long EACH[] = {TRAP, TRAP | NESTED, TRAP | ALIGNED, TRAP | ALIGNED | NESTED, ALIGNED | NESTED, NESTED};
    pid_t own = getpid(), parent = getppid();
    unsigned long before = flags();
    for (unsigned i = 0; i < sizeof EACH / sizeof *EACH; i++) {
        steps = 0;
        set(before | EACH[i]);
        long first = syscall(SYS_getpid), second = syscall(SYS_getppid), third = syscall(SYS_dup2, -1, 4000);
        unsigned long after = flags();
        set(before);
        printf("%#lx: %d %d %ld, kept %d, some steps %d, wrong %ld\n", EACH[i], first == own, second == parent, third,
               (after & EACH[i]) == EACH[i], steps > 6, wrong);
    }
}

/* Runs the rest in a child; no step's trap of it says that it is one. */
static void lose_reasons(void)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        return;
    }
    long lost = 0;
    for (int status; MUST(waitpid(child, &status, 0)) == child && WIFSTOPPED(status);) {
        siginfo_t info;
        MUST(ptrace(PTRACE_GETSIGINFO, child, 0, &info));
        if (info.si_signo == SIGTRAP && info.si_code == TRAP_TRACE) {
            info.si_code = TRAP_BRKPT;
            MUST(ptrace(PTRACE_SETSIGINFO, child, 0, &info));
            lost++;
        }
        MUST(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)));
    }
    printf("some reasons lost %d\n", lost > 100);
    exit(0);
}

int main(int count, char **words)
{
    (void)words;
    unreasoned = count > 1;
    if (unreasoned)
        lose_reasons();
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGTRAP, &action, NULL));
    with_each();
#ifdef __x86_64__
    /* vload leaves in another way to who has a gs base of its own. */
    static char area[64];
    MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, area));
    with_each();
#endif
    return 0;
}
