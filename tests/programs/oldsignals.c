/* The calls that 32-bit x86 alone has: handlers with the older frame, and what fills it. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __i386__

struct old_action {
    void (*handler)(int);
    unsigned long mask, flags;
    void (*restorer)(void);
};

static volatile int taken, nested, aligned;
static unsigned long fl;

static void old(int signal, struct sigcontext *unused)
{
    (void)unused;
    /* The stack at the entry of a function is 12 modulo 16. */
    aligned = ((unsigned long)__builtin_frame_address(0) + 8) % 16 == 0;
    taken = signal;
    if (signal == SIGUSR1)
        raise(SIGUSR2);
}

static void with_info(int signal, siginfo_t *info, void *context)
{
    ucontext_t *frame = context;
    nested = signal == info->si_signo && frame->uc_mcontext.gregs[REG_EIP] != 0;
}

static long direct(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static sigjmp_buf back;
static void leaves(int signal)
{
    siglongjmp(back, signal);
}

static void flags_of(void)
{
    __asm__ volatile("pushfl; popl %0" : "=r"(fl));
}

int main(void)
{
    /* Without SA_SIGINFO and SA_RESTORER: the older frame, and the vDSO's restorer. */
    struct old_action action = {(void (*)(int))old, 0, 0, 0}, before = {0};
    CHECK(direct(SYS_sigaction, SIGUSR1, (long)&action, (long)&before) == 0);
    CHECK(before.handler == SIG_DFL);
    CHECK(direct(SYS_sigaction, SIGUSR1, 0, (long)&before) == 0);
    CHECK(before.handler == action.handler);
    struct sigaction info = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGUSR2, &info, NULL));
    double kept = 1.5;
    raise(SIGUSR1);
    CHECK(taken == SIGUSR1 && nested && aligned && kept * 2 == 3);

    /* One delivery only. */
    CHECK(direct(SYS_signal, SIGUSR1, (long)old, 0) == (long)action.handler);
    taken = 0;
    raise(SIGUSR1);
    CHECK(taken == SIGUSR1);
    CHECK(direct(SYS_sigaction, SIGUSR1, 0, (long)&before) == 0);
    CHECK(before.handler == SIG_DFL);

    /* The mask of 32 signals, during the handler and after it. */
    action.mask = 1ul << (SIGTERM - 1);
    CHECK(direct(SYS_sigaction, SIGUSR1, (long)&action, 0) == 0);
    unsigned long mask = 1ul << (SIGALRM - 1), was = ~0ul;
    CHECK(direct(SYS_sigprocmask, SIG_BLOCK, (long)&mask, (long)&was) == 0);
    printf("blocked at first: %#lx\n", was);
    raise(SIGUSR1);
    CHECK(direct(SYS_sigprocmask, SIG_BLOCK, 0, (long)&was) == 0);
    printf("blocked after: %#lx\n", was);
    CHECK(direct(SYS_sigprocmask, SIG_UNBLOCK, (long)&mask, 0) == 0);

    /* On the alternate stack, and out of it by a jump. */
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    MUST(sigaltstack(&alternate, NULL));
    struct sigaction jump = {.sa_handler = leaves, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGHUP, &jump, NULL));
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0)
            raise(SIGHUP);
    MUST(sigaltstack(NULL, &alternate));
    printf("alternate stack: %#x\n", alternate.ss_flags);

    /* A call in a handler's shadow leaves the flags as they were. */
    __asm__ volatile("std");
    long pid = direct(SYS_getpid, 0, 0, 0);
    flags_of();
    __asm__ volatile("cld");
    CHECK(pid == getpid() && fl & 1 << 10);

    /* mmap with its arguments in memory. */
    struct {
        unsigned long addr, len, prot, flags, fd, offset;
    } map = {0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0};
    long at = direct(SYS_mmap, (long)&map, 0, 0);
    CHECK((unsigned long)at < -4096ul);
    *(volatile int *)at = 1;
    map.offset = 1;
    CHECK(direct(SYS_mmap, (long)&map, 0, 0) == -EINVAL);
    CHECK(direct(SYS_mmap, 8, 0, 0) == -EFAULT);
    CHECK(direct(SYS_sigaction, SIGUSR1, 8, 0) == -EFAULT);
    CHECK(direct(SYS_sigaction, 65, 0, (long)&before) == -EINVAL);
    puts("done");
    return 0;
}

#else

int main(void)
{
    puts("done");
    return 0;
}

#endif
