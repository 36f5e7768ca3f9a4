/* rt_sigreturn(2) and sigreturn(2) where no frame can be read: the kernel forces a SIGSEGV, of which a handler on the
 * alternate stack hears. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SIZE 65536
#define AUTODISARM (1u << 31)

/* The stack ends where the frame would begin; so does that of another thread; the call of the older kind; no stack at all. */
enum { END, THREAD, OLD, NOWHERE };
/* Stubs of the others use the stack. */
#ifdef __x86_64__
#define WAYS 4
#else
#define WAYS 3
#endif

static sigjmp_buf out;
static char *alternate, *bad;
static volatile int rounds, is_old;

extern char behind_call[];

/* The call, with the stack pointer where no frame can be read. */
static __attribute__((noinline, noclone, noreturn)) void leave(char *sp, int number)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%rsp\n syscall\n behind_call: ud2" ::"r"(sp), "a"(number) : "memory");
#elif defined __i386__
    __asm__ volatile("mov %0, %%esp\n int $0x80\n behind_call: ud2" ::"r"(sp), "a"(number) : "memory");
#elif defined __aarch64__
    register long call __asm__("x8") = number;
    __asm__ volatile("mov sp, %0\n svc 0\n .globl behind_call\n behind_call: brk 0" ::"r"(sp), "r"(call) : "memory");
#elif defined __riscv
    register long call __asm__("a7") = number;
    __asm__ volatile("mv sp, %0\n ecall\n .globl behind_call\n behind_call: ebreak" ::"r"(sp), "r"(call) : "memory");
#endif
    __builtin_unreachable();
}

static void leave_there(void)
{
#ifdef __i386__
    if (is_old)
        leave(bad, SYS_sigreturn);
#endif
    leave(bad, SYS_rt_sigreturn);
}

static void where(ucontext_t *u, long *pc, char **sp, long *result)
{
#if defined __x86_64__
    *pc = u->uc_mcontext.gregs[REG_RIP];
    *sp = (char *)u->uc_mcontext.gregs[REG_RSP];
    *result = u->uc_mcontext.gregs[REG_RAX];
#elif defined __i386__
    *pc = u->uc_mcontext.gregs[REG_EIP];
    *sp = (char *)u->uc_mcontext.gregs[REG_ESP];
    *result = u->uc_mcontext.gregs[REG_EAX];
#elif defined __aarch64__
    *pc = u->uc_mcontext.pc;
    *sp = (char *)u->uc_mcontext.sp;
    /* An emulator leaves it as it is; the kernel makes it 0. */
    *result = 0;
#elif defined __riscv
    *pc = u->uc_mcontext.__gregs[0];
    *sp = (char *)u->uc_mcontext.__gregs[2];
    *result = u->uc_mcontext.__gregs[10];
#endif
}

static void blocked(const char *what, const sigset_t *set)
{
    printf(" %s", what);
    for (int signal = 1; signal < 32; signal++)
        if (sigismember(set, signal))
            printf(" %d", signal);
}

static void fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    long pc, result;
    char *sp, here;
    where(u, &pc, &sp, &result);
    sigset_t mask, pending;
    stack_t now;
    MUST(sigprocmask(SIG_SETMASK, NULL, &mask));
    sigpending(&pending);
    sigaltstack(NULL, &now);
    printf("signal %d code %x pid %d address %p; behind %ld sp %ld result %ld; on alternate %d, in the frame %x %zu, now "
           "%x %zu;",
           signal, info->si_code, info->si_pid, info->si_addr, pc - (long)behind_call, (long)(sp - bad), result,
           &here >= alternate && &here < alternate + SIZE, u->uc_stack.ss_flags, u->uc_stack.ss_size, now.ss_flags,
           now.ss_size);
    blocked("blocked before", &u->uc_sigmask);
    blocked("now", &mask);
    blocked("pending", &pending);
    struct sigaction after;
    sigaction(SIGSEGV, NULL, &after);
    printf(" reset %d\n", after.sa_handler == SIG_DFL);
    siglongjmp(out, 1);
}

static void never(int signal) { printf("handler of %d\n", signal); }

/* A handler that returns through no frame. */
static void lost(int signal)
{
    (void)signal;
    leave_there();
}

struct row {
    const char *what;
    int flags, is_blocked, is_in_handler;
    unsigned stack_flags;
    void (*hears)(int);
};

static void *child(void *arg)
{
    const struct row *row = arg;
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = SIZE, .ss_flags = row->stack_flags}, NULL));
    struct sigaction hears = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | row->flags};
    if (row->hears != never)
        hears = (struct sigaction){.sa_handler = row->hears};
    MUST(sigaction(SIGSEGV, &hears, NULL));
    struct sigaction action = {.sa_handler = lost, .sa_flags = row->is_in_handler > 1 ? SA_ONSTACK : 0};
    MUST(sigaction(SIGUSR1, &action, NULL));
    action.sa_handler = never;
    MUST(sigaction(SIGHUP, &action, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    if (row->is_blocked)
        sigaddset(&set, SIGSEGV);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(pthread_kill(pthread_self(), SIGHUP) == 0);
    /* Once more where the handler is still there: it leaves nothing behind. */
    if (sigsetjmp(out, 1) != 0 && (++rounds == 2 || row->flags & SA_RESETHAND)) {
        sigset_t mask;
        MUST(sigprocmask(SIG_SETMASK, NULL, &mask));
        blocked("after:", &mask);
        puts("");
        sigdelset(&mask, SIGHUP);
        CHECK(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
        fflush(stdout);
        _exit(0);
    }
    if (row->is_in_handler)
        pthread_kill(pthread_self(), SIGUSR1);
    leave_there();
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    alternate = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    static const struct row rows[] = {
        {"handled", SA_ONSTACK, 0, 0, 0, never},
        {"not deferred", SA_ONSTACK | SA_NODEFER, 0, 0, 0, never},
        {"reset", SA_ONSTACK | SA_RESETHAND, 0, 0, 0, never},
        {"the same stack", 0, 0, 0, 0, never},
        {"from a handler", SA_ONSTACK, 0, 1, 0, never},
        {"from a handler on the other stack", SA_ONSTACK, 0, 2, 0, never},
        {"blocked", SA_ONSTACK, 1, 0, 0, never},
        {"by default", 0, 0, 0, 0, SIG_DFL},
#if defined __x86_64__ || defined __i386__
        /* An emulator knows no such stacks, and returns from the call where the signal is ignored. */
        {"ignored", 0, 0, 0, 0, SIG_IGN},
        {"disarmed", SA_ONSTACK, 0, 0, AUTODISARM, never},
        {"from a handler that has disarmed the stack", SA_ONSTACK, 0, 2, AUTODISARM, never},
#endif
    };
    bad = (char *)MUST(mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + SIZE;
    MUST(mprotect(bad - SIZE, SIZE, PROT_READ | PROT_WRITE));
    for (int way = 0; way < WAYS; way++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char *end = bad;
            pid_t pid = MUST(fork());
            if (pid == 0) {
                pthread_t thread;
                is_old = way == OLD;
                if (way == NOWHERE)
                    bad = NULL;
                if (way != THREAD)
                    child((void *)&rows[i]);
                CHECK(pthread_create(&thread, NULL, child, (void *)&rows[i]) == 0);
                pthread_join(thread, NULL);
            }
            bad = end;
            report(rows[i].what, pid);
        }
    return argc != 1;
}
