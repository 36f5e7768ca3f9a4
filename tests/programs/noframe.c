/* Signals that find no room for a frame where the stack pointer is: the kernel forces a SIGSEGV instead, which a handler
 * on the alternate stack hears of. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf out;
static char alternate[65536], *bad;
/* Shared with the parent: the child's stack pointer is bad, and it computes. */
static volatile char *computes;
static volatile struct {
    int signal, code, is_on_bad, is_behind, result;
    void *address;
    unsigned long blocked;
} seen;

extern char behind_call[];

static void fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    seen.signal = signal;
    seen.code = info->si_code;
    seen.address = info->si_addr;
    seen.is_on_bad = (char *)u->uc_mcontext.gregs[REG_RSP] == bad;
    seen.is_behind = (char *)u->uc_mcontext.gregs[REG_RIP] - behind_call;
    seen.result = u->uc_mcontext.gregs[REG_RAX];
    seen.blocked = *(unsigned long *)&u->uc_sigmask;
    siglongjmp(out, 1);
}

static void never(int signal) { (void)signal, (void)!write(1, "a handler has run\n", 18); }

/* A call, or none but a loop, where the stack pointer is bad. */
static __attribute__((noinline, noclone)) void on_bad(long number, long one, long two, long three)
{
    register char *kept __asm__("r12");
    __asm__ volatile("mov %%rsp, %[kept]\n mov %[bad], %%rsp\n"
                     "test %%rax, %%rax\n jns 2f\n movb $1, (%[computes])\n 1: jmp 1b\n"
                     "2: syscall\n behind_call: nop\n"
                     "mov %[kept], %%rsp"
                     : [kept] "=&r"(kept), "+a"(number)
                     : [bad] "m"(bad), [computes] "r"(computes), "D"(one), "S"(two), "d"(three)
                     : "rcx", "r11", "memory", "cc");
}

static void child(int way, int flags, int is_blocked, int is_ignored, int is_elsewhere)
{
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL));
    struct sigaction hears = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | (is_elsewhere ? SA_ONSTACK : 0)};
    if (is_ignored)
        hears = (struct sigaction){.sa_handler = SIG_IGN};
    MUST(sigaction(SIGSEGV, &hears, NULL));
    struct sigaction action = {.sa_handler = never, .sa_flags = flags};
    sigaddset(&action.sa_mask, SIGUSR2);
    MUST(sigaction(SIGALRM, &action, NULL));
    sigset_t blocked, during;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    during = blocked;
    if (is_blocked)
        sigaddset(&blocked, SIGSEGV), sigaddset(&during, SIGSEGV);
    if (way == 1)
        sigaddset(&blocked, SIGALRM);
    MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
    bad = (char *)MUST(mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + 4096;
    if (sigsetjmp(out, 1) == 0) {
        switch (way) {
        case 0: /* sent by the call itself */
            on_bad(SYS_tgkill, getpid(), getpid(), SIGALRM);
            break;
        case 1: /* let through by a call that waits with a mask of its own */
            raise(SIGALRM);
            on_bad(SYS_rt_sigsuspend, (long)&during, 8, 0);
            break;
        default: /* by the parent, between two instructions */
            on_bad(-1, 0, 0, 0);
        }
    }
    struct sigaction after;
    sigaction(SIGALRM, NULL, &after);
    printf("signal %d code %x address %p stack %d blocked %lx reset %d", seen.signal, seen.code, seen.address,
           seen.is_on_bad, seen.blocked, after.sa_handler == SIG_DFL);
    if (way < 2)
        printf(" behind %d result %d", seen.is_behind, seen.result);
    puts("");
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    computes = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    static const struct {
        const char *what;
        int flags, is_blocked, is_ignored, is_elsewhere;
    } rows[] = {
        {"handled", 0, 0, 0, 1},  {"reset", SA_RESETHAND, 0, 0, 1},   {"restart", SA_RESTART, 0, 0, 1},
        {"blocked", 0, 1, 0, 1},  {"ignored", 0, 0, 1, 1},            {"no other stack", 0, 0, 0, 0},
    };
    for (int way = 0; way < 3; way++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            pid_t pid = MUST(fork());
            while (pid != 0 && way == 2 && !*computes)
                sched_yield();
            if (pid != 0 && way == 2) {
                kill(pid, SIGALRM);
                *computes = 0;
            }
            if (pid == 0)
                child(way, rows[i].flags, rows[i].is_blocked, rows[i].is_ignored, rows[i].is_elsewhere);
            report(rows[i].what, pid);
        }
    return 0;
}
