/* Faults that a program handles itself, with what the kernel tells about them. */
#include "check.h"
#include <sys/mman.h>
#include <ucontext.h>

static char *page;
static volatile int seen;

#if defined(__x86_64__)
extern char trap_here[], divide_here[], illegal_here[];
#endif

static void handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    seen++;
    printf("signal %d code %d", signal, info->si_code);
    if (signal == SIGSEGV) {
        printf(" offset %ld", (long)((char *)info->si_addr - page));
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
    }
#if defined(__x86_64__)
    greg_t *rip = &interrupted->uc_mcontext.gregs[REG_RIP];
    if (signal == SIGTRAP)
        printf(" after the trap: %d", *rip == (greg_t)trap_here + 1);
    if (signal == SIGILL) {
        printf(" at the instruction: %d", *rip == (greg_t)illegal_here);
        *rip += 2;
    }
    if (signal == SIGFPE) {
        printf(" at the instruction: %d", *rip == (greg_t)divide_here);
        *rip += 2;
    }
#else
    (void)interrupted;
#endif
    printf("\n");
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGSEGV, SIGTRAP, SIGILL, SIGFPE, SIGSYS, SIGBUS};
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        MUST(sigaction(signals[i], &action, NULL));
    page = MUST(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 10; i++) {
        page[i * 8] = (char)i;
        CHECK(page[i * 8] == i);
        mprotect(page, 4096, PROT_NONE);
    }
#if defined(__x86_64__)
    __asm__ volatile("trap_here: int3");
    __asm__ volatile("illegal_here: ud2");
    __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; divide_here: div %%ecx"
                     : : : "eax", "ecx", "edx");
#endif
    raise(SIGSYS);
    raise(SIGTRAP);
    ssize_t written = syscall(SYS_write, 1, 8, 4);
    printf("bad buffer: %zd %s\n", written, strerror(errno));
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now;
        sigaction(signals[i], NULL, &now);
        CHECK(now.sa_sigaction == handler && now.sa_flags & SA_SIGINFO);
    }
    printf("seen %d\n", seen);
    return 0;
}
