/* Signals that find a program in code of the other width, 32-bit code in a 64-bit program and the other way round, or with a
 * stack segment that is none: a handler begins as code of the program's own, is shown what was found, and goes back by
 * its context or by a jump. */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __x86_64__
#define OTHER 0x23
#define CODE(g) ((unsigned short)(g)[REG_CSGSFS])
#define STACK(g) ((unsigned short)((g)[REG_CSGSFS] >> 48))
#define IP REG_RIP
#define SP REG_RSP
#else
#define OTHER 0x33
#define CODE(g) ((unsigned short)(g)[REG_CS])
#define STACK(g) ((unsigned short)(g)[REG_SS])
#define IP REG_EIP
#define SP REG_ESP
#endif

static unsigned char *page;
static unsigned short to_code, to_stack, to_data;
static gregset_t back;
static sigjmp_buf out;
static volatile sig_atomic_t jumps, spins;
static pthread_t first;

static unsigned short segment(int which)
{
    unsigned long value;
    if (which == 0)
        __asm__("mov %%cs, %0" : "=r"(value));
    else if (which == 1)
        __asm__("mov %%ss, %0" : "=r"(value));
    else
        __asm__("mov %%ds, %0" : "=r"(value));
    return (unsigned short)value;
}

/* Leaves for the page. */
static void leave(int signal, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)signal; (void)info;
    memcpy(back, g, sizeof back);
    g[IP] = (greg_t)(unsigned long)page;
    g[SP] = (greg_t)(unsigned long)(page + 0x7000);
#ifdef __x86_64__
    g[REG_CSGSFS] = (greg_t)((g[REG_CSGSFS] & 0xffffffff0000) | to_code | (unsigned long)to_stack << 48);
#else
    g[REG_CS] = to_code;
    g[REG_SS] = to_stack;
    g[REG_DS] = g[REG_ES] = to_data;
#endif
}

static void come(int signal, siginfo_t *info, void *context)
{
    greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
    long at = (long)((unsigned long)g[IP] - (unsigned long)page);
    int is_own = segment(0) != OTHER && segment(1) && segment(2) == (sizeof(long) == 8 ? 0 : segment(1));
    printf("  signal %d, code %d, in %#x, stack %#x, at %ld, trap %d, error %#lx, in our own %d\n", signal, info->si_code,
           CODE(g), STACK(g), spins ? at >= 0 && at < 16 : at, spins ? 0 : (int)g[REG_TRAPNO],
           spins ? 0 : (long)g[REG_ERR], is_own);
    spins = 0;
    if (jumps)
        siglongjmp(out, 1);
    memcpy(g, back, sizeof back);
}

static void *caller(void *counter)
{
    while (!*(volatile unsigned *)counter)
        ;
    MUST(pthread_kill(first, SIGUSR2));
    return NULL;
}

/* Executes the code on the page in the given segments. */
static void go(const char *what, const void *code, size_t length, unsigned short cs, unsigned short ss, unsigned short ds)
{
    MUST(mprotect(page, 0x1000, PROT_READ | PROT_WRITE));
    memcpy(page, code, length);
    MUST(mprotect(page, 0x1000, PROT_READ | PROT_EXEC));
    to_code = cs, to_stack = ss, to_data = ds;
    printf("%s\n", what);
    if (!sigsetjmp(out, 1))
        MUST(raise(SIGUSR1));
    printf("  back in %d, stack %d\n", segment(0) != OTHER, segment(1) != 0);
}

int main(void)
{
    static const int FOUND[] = {SIGTRAP, SIGSEGV, SIGILL, SIGBUS, SIGUSR2};
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGUSR1, &action, NULL));
    action.sa_sigaction = come;
    for (int i = 0; i < 5; i++)
        MUST(sigaction(FOUND[i], &action, NULL));
    int where = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef __x86_64__
    where |= MAP_32BIT;
#endif
    page = mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, where, -1, 0);
    CHECK(page != MAP_FAILED);
    unsigned short cs = segment(0), ss = segment(1), ds = segment(2);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (jumps = 0; jumps < 2; jumps++) {
        go("a breakpoint", "\xcc", 1, OTHER, ss, ds);
        go("an instruction that is none", "\x0f\x0b", 2, OTHER, ss, ds);
        go("one that is not allowed", "\xf4", 1, OTHER, ss, ds);
        go("a stack segment that is code", "\xcc", 1, cs, cs, ds);
        go("no data segment", "\xcc", 1, cs, ss, 0);
        go("both", "\xcc", 1, OTHER, cs, 0);
        go("no code segment", "\xcc", 1, 0x1003, ss, ds);
        /* incl 8(stack pointer); jmp: the same bytes in both. */
        volatile unsigned *counter = (unsigned *)(page + 0x7008);
        pthread_t other;
        first = pthread_self();
        *counter = 0;
        spins = 1;
        MUST(pthread_create(&other, NULL, caller, (void *)counter));
        go("a loop", "\xff\x44\x24\x08\xeb\xfa", 6, OTHER, ss, ds);
        MUST(pthread_join(other, NULL));
    }
    return 0;
}
