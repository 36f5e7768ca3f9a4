/* A program that makes `cpuid` fault (ARCH_SET_CPUID) and emulates it: then takes signals, also in calls, and changes its text. Where
 * the processor cannot do that it says so. */
#include "check.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { ARCH_SET_CPUID = 0x1012 };

static volatile int emulated, heard;

static void emulate(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    const unsigned char *code = (const unsigned char *)interrupted->uc_mcontext.gregs[REG_RIP];
    (void)signal, (void)info;
    if (code[0] != 0x0f || code[1] != 0xa2)
        _exit(9);
    interrupted->uc_mcontext.gregs[REG_RIP] += 2;
    emulated++;
}

static void hear(int signal)
{
    (void)signal;
    heard++;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = emulate, .sa_flags = SA_SIGINFO };
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(signal(SIGUSR1, hear) != SIG_ERR);
    printf("fault: %s\n", syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0 ? "yes" : strerror(errno));
    for (int turn = 0; turn < 100; turn++)
        CHECK(kill(getpid(), SIGUSR1) == 0);
    uintptr_t page = (uintptr_t)main & -4096;
    for (int turn = 0; turn < 2; turn++)
        CHECK(mprotect((void *)page, 4096, PROT_READ | PROT_EXEC | (turn ? PROT_WRITE : 0)) == 0);
    int there = emulated;
    unsigned a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    printf("heard %d, emulated %d and %d\n", heard, there, emulated);
    return 0;
}
