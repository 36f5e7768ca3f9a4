/* Alignment checks and single steps that the program has switched on for itself. */
#include "check.h"
#include <ucontext.h>

static volatile long steps, outside;
extern char stepped_start[], stepped_end[];

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal; (void)info;
    ucontext_t *u = context;
    char *pc = (char *)u->uc_mcontext.gregs[REG_RIP];
    steps++;
    if (pc < stepped_start || pc > stepped_end)
        outside++;
}

__attribute__((noinline)) static long aligned(long number, long first, long second)
{
    long result = number, flags;
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq\n\t"
                     "syscall\n\t"
                     "pushfq; popq %1\n\t"
                     "pushfq; andq $~0x40000, (%%rsp); popfq\n\t"
                     : "+a"(result), "=&r"(flags) : "D"(first), "S"(second), "d"(0) : "rcx", "r11", "memory", "cc");
    CHECK(flags & 0x40000);
    return result;
}

int main(void)
{
    printf("getppid: %d\n", aligned(SYS_getppid, 0, 0) == getppid());
    printf("close: %ld\n", aligned(SYS_close, -1, 0));
    printf("dup2: %ld\n", aligned(SYS_dup2, -1, 4000));
    char path[32] = "x/dev/null/y";
    printf("open: %ld\n", aligned(SYS_open, (long)(path + 1), 0));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGTRAP, &action, NULL));
    long result = SYS_close;
    fflush(stdout);
    __asm__ volatile(".globl stepped_start, stepped_end\n"
                     "pushfq; orq $0x100, (%%rsp); popfq\n"
                     "stepped_start: nop\n\t"
                     "syscall\n\t"
                     "nop\n\t"
                     "pushfq; andq $~0x100, (%%rsp); popfq\n"
                     "stepped_end: nop\n\t"
                     : "+a"(result) : "D"(-1) : "rcx", "r11", "memory", "cc");
    printf("stepped: %ld, some %d, outside %ld\n", result, steps > 3, outside);
    steps = outside = 0;
    result = SYS_getppid;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
                     "nop\n\t"
                     "syscall\n\t"
                     "nop\n\t"
                     "pushfq; andq $~0x100, (%%rsp); popfq\n"
                     : "+a"(result) : "D"(-1) : "rcx", "r11", "memory", "cc");
    printf("stepped: %d, some %d\n", result == getppid(), steps > 3);
    return 0;
}
