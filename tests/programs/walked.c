/* What `walk` steps through: one dangerous window for each argument, between two marks. The handlers
   note all that they are shown; the outcome is printed at the end. Linked statically, so that an
   address of the program is the same natively and under vload. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <linux/futex.h>
#include <ucontext.h>

#include "marks.h"

static char text[16384];
static volatile int used;
static char *base;
static volatile int handled, leave;
static int ends[2], again[2];
static sigjmp_buf out;
static ucontext_t elsewhere;
extern char __executable_start, etext;

/* Nothing here makes a call: what a handler runs is walked too. */
static void put(const char *string)
{
    while (*string && used < (int)sizeof text - 1) {
        text[used] = *string++;
        used++;
    }
}

static void number(unsigned long value, unsigned radix)
{
    char digits[24];
    int at = sizeof digits;
    digits[--at] = 0;
    do
        digits[--at] = "0123456789abcdef"[value % radix];
    while (value /= radix);
    put(digits + at);
}

static void signed_number(const char *name, long value)
{
    put(name);
    if (value < 0)
        put("-");
    number(value < 0 ? -value : value, 10);
}

/* An address of the program is the same in every run, one of the stack is not. */
static void word(const char *name, unsigned long value)
{
    put(name);
    if (value >= (unsigned long)&__executable_start && value < (unsigned long)&etext) {
        put("text+");
        value -= (unsigned long)&__executable_start;
    } else if (value - (unsigned long)base + 65536 < 131072) {
        put("sp+");
        value -= (unsigned long)base;
    }
    number(value, 16);
}

static void note(int signal, siginfo_t *info, ucontext_t *u)
{
    greg_t *r = u->uc_mcontext.gregs;
    signed_number("signal ", signal);
    signed_number(" code ", info->si_code);
    if (info->si_code == -1)
        signed_number(" value ", info->si_int);
    word(" pc ", r[REG_RIP]);
    word(" mask ", *(unsigned long *)&u->uc_sigmask);
    put(u->uc_stack.ss_flags == SS_DISABLE ? " nostack" : u->uc_stack.ss_flags ? " onstack" : " stack");
    extern char window_start, window_site, window_end;
    unsigned long pc = r[REG_RIP];
    if (pc >= (unsigned long)&window_start && pc <= (unsigned long)&window_end) {
        static const struct { const char *name; int index; } all[] = {
            {" rax ", REG_RAX}, {" rbx ", REG_RBX}, {" rcx ", REG_RCX}, {" rdx ", REG_RDX},
            {" rsi ", REG_RSI}, {" rdi ", REG_RDI}, {" rbp ", REG_RBP}, {" rsp ", REG_RSP},
            {" r8 ", REG_R8},   {" r9 ", REG_R9},   {" r10 ", REG_R10}, {" r11 ", REG_R11},
            {" r12 ", REG_R12}, {" r13 ", REG_R13}, {" r14 ", REG_R14}, {" r15 ", REG_R15},
            {" flags ", REG_EFL},
        };
        /* At the site rcx and r11 are dead: the call is about to overwrite them (docs/limits.md). */
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
            if (pc != (unsigned long)&window_site ||
                (all[i].index != REG_RCX && all[i].index != REG_R11))
                word(all[i].name, r[all[i].index]);
        struct _libc_fpstate *fp = u->uc_mcontext.fpregs;
        word(" mxcsr ", fp->mxcsr);
        for (int i = 0; i < 16; i += 5)
            word(" xmm ", fp->_xmm[i].element[0]);
    }
    put("\n");
}

/* What the handler was shown, and with what it runs. */
static void handler(int signal, siginfo_t *info, void *context)
{
    handled++;
    note(signal, info, context);
    unsigned long mask;
    __asm__ volatile("syscall"
                     : "=a"(mask)
                     : "a"(SYS_rt_sigprocmask), "D"(0), "S"(0), "d"(&mask), "r"(({
                           register long size __asm__("r10") = 8;
                           size;
                       }))
                     : "rcx", "r11", "memory");
    (void)mask;
    if (leave == 1)
        siglongjmp(out, 1);
    if (leave == 2)
        setcontext(&elsewhere);
}

/* The same, and the pipe is filled, so that who reads goes on. */
static void waker(int signal, siginfo_t *info, void *context)
{
    handled++;
    note(signal, info, context);
    if (write(ends[1], "x", 1) != 1)
        _exit(90);
}

/* Says at once that it ran: the process may be gone before the end. */
static void caller(int signal, siginfo_t *info, void *context)
{
    note(signal, info, context);
    if (write(1, text, used) != used)
        _exit(90);
    used = 0;
}

static void quiet(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    handled += 100;
    if (leave)
        siglongjmp(out, 1);
}

static void second(int signal, siginfo_t *info, void *context)
{
    put("second: ");
    note(signal, info, context);
}

static int flags_of_all;

static void handle(int signal, void (*with)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = with, .sa_flags = SA_SIGINFO | flags | flags_of_all};
    MUST(sigaction(signal, &action, NULL));
}

static const int kinds[] = {SIGUSR1, SIGUSR2, SIGSEGV, SIGTRAP, SIGSYS, SIGILL, SIGALRM};

static void handle_all(void (*with)(int, siginfo_t *, void *), int flags)
{
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        handle(kinds[i], with, flags);
    handle(SIGRTMIN, with, flags);
}

static void change_mask(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sigaddset(&set, kinds[i]);
    sigaddset(&set, SIGRTMIN);
    MUST(sigprocmask(how, &set, NULL));
}

/* One call with known values in all registers, everything walked. */
static long window(long nr, long a, long b, long c, long d)
{
    long saved[2], result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile(
        "mov %%rsp, %[base]\n\t"
        "mov %%rbp, %[saved]\n\t"
        "mov $0x1111, %%ebx\n\tmov $0x3333, %%r8d\n\tmov $0x4444, %%r9d\n\t"
        "mov $0x5555, %%r12d\n\tmov $0x6666, %%r13d\n\tmov $0x7777, %%r14d\n\t"
        "mov $0x8888, %%r15d\n\tmov $0x9999, %%ebp\n\t"
        "movq %%rbx, %%xmm0\n\tmovq %%r12, %%xmm5\n\tmovq %%r13, %%xmm10\n\tmovq %%r14, %%xmm15\n\t"
        "xor %%ecx, %%ecx\n\txor %%r11d, %%r11d\n\tstc\n\t" BEGIN
        ".globl window_start\nwindow_start:\n\t"
        "mov %%eax, %%eax\n\t"
        ".globl window_site\nwindow_site:\n\t"
        "syscall\n\t"
        "mov %%r15, %%rbx\n\t"
        ".globl window_end\nwindow_end:\n\t" END
        "mov %[saved], %%rbp\n\t"
        : "=a"(result), [base] "+m"(base), [saved] "+m"(saved), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
        : "0"(nr)
        : "rbx", "rcx", "r8", "r9", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0",
          "xmm5", "xmm10", "xmm15");
    return result;
}

/* A thread of our own making: no libc below it. Ends by exit(2) and lets its parent know. */
static volatile int tid;
static char stack[65536] __attribute__((aligned(16)));

static long start_thread(long flags)
{
    long result;
    register long r10 __asm__("r10") = (long)&tid;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "nop\n\t"
                     "mov %[exit], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "syscall\n\t"
                     "1:"
                     : "=a"(result)
                     : "0"(SYS_clone), "D"(flags), "S"(stack + sizeof stack), "d"(&tid), "r"(r10),
                       "r"(r8), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
    return result;
}

static void wait_for_thread(void)
{
    for (int now; (now = tid) != 0;)
        syscall(SYS_futex, &tid, FUTEX_WAIT, now, NULL, NULL, 0);
}

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
                CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static long raw3(long nr, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static long vfork_and_exit(void)
{
    long child;
    __asm__ volatile("mov %[vfork], %%eax\n\tsyscall\n\t"
                     "test %%eax, %%eax\n\tjnz 1f\n\t"
                     "nop\n\t"
                     "mov $7, %%edi\n\tmov %[exit], %%eax\n\tsyscall\n\t"
                     "1:"
                     : "=a"(child)
                     : [vfork] "i"(SYS_vfork), [exit] "i"(SYS_exit_group)
                     : "rcx", "rdi", "r11", "memory");
    return child;
}

static void reap(long child)
{
    int status = -1;
    long got;
    while ((got = raw3(SYS_wait4, child, (long)&status, 0)) == -EINTR)
        ;
    signed_number("child ", got == child);
    signed_number(" status ", status);
    put("\n");
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char local;
    base = &local;
    long result = 0;
    if (is(what, "done")) {
        puts("executed");
        return 0;
    }
    for (int i = 2; i < argc; i++)
        flags_of_all |= is(argv[i], "restart")   ? SA_RESTART
                        : is(argv[i], "reset")   ? (int)SA_RESETHAND
                        : is(argv[i], "nodefer") ? SA_NODEFER
                        : is(argv[i], "onstack") ? SA_ONSTACK
                                                 : 0;
    if (flags_of_all & SA_ONSTACK) {
        static char alternate[65536];
        MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL));
    }
    MUST(pipe(ends));
    MUST(pipe(again));
    handle_all(handler, 0);
    sigset_t none;
    sigemptyset(&none);
    struct pollfd on = {.fd = ends[0], .events = POLLIN};
    char byte = '-';

    if (is(what, "pass")) {
        result = window(SYS_getuid, 1, 2, 3, 4);
    } else if (is(what, "slow")) {
        result = window(SYS_fcntl, -1, F_GETFD, 0, 0);
    } else if (is(what, "altstack")) {
        static char alternate[65536];
        stack_t new = {.ss_sp = alternate, .ss_size = sizeof alternate};
        result = window(SYS_sigaltstack, (long)&new, 0, 0, 0);
    } else if (is(what, "read")) {
        handle_all(waker, 0);
        result = window(SYS_read, ends[0], (long)&byte, 1, 0);
    } else if (is(what, "read-ready")) {
        MUST(write(ends[1], "x", 1));
        result = window(SYS_read, ends[0], (long)&byte, 1, 0);
    } else if (is(what, "ppoll") || is(what, "ppoll-ready")) {
        change_mask(SIG_BLOCK);
        if (is(what, "ppoll-ready"))
            MUST(write(ends[1], "x", 1));
        struct timespec time = {.tv_sec = 1000};
        result = window(SYS_ppoll, (long)&on, 1, (long)&time, (long)&none);
        change_mask(SIG_UNBLOCK);
    } else if (is(what, "suspend")) {
        change_mask(SIG_BLOCK);
        result = window(SYS_rt_sigsuspend, (long)&none, 8, 0, 0);
        change_mask(SIG_UNBLOCK);
    } else if (is(what, "wait-for")) {
        change_mask(SIG_BLOCK);
        sigset_t all;
        sigfillset(&all);
        siginfo_t info;
        result = window(SYS_rt_sigtimedwait, (long)&all, (long)&info, 0, 8);
        change_mask(SIG_UNBLOCK);
    } else if (is(what, "block") || is(what, "unblock")) {
        int blocks = is(what, "block");
        sigset_t all;
        sigfillset(&all);
        if (!blocks)
            change_mask(SIG_BLOCK);
        result = window(SYS_rt_sigprocmask, blocks ? SIG_BLOCK : SIG_UNBLOCK, (long)&all, 0, 8);
        MUST(sigprocmask(SIG_UNBLOCK, &all, NULL));
    } else if (is(what, "action")) {
        /* As the kernel has it, without a restorer of libc's: the handler never returns. */
        struct sigaction old;
        mark(BEGIN);
        handle(SIGUSR1, second, 0);
        sigaction(SIGUSR1, NULL, &old);
        mark(END);
    } else if (is(what, "arrival")) {
        handle(SIGALRM, quiet, 0);
        long pid = getpid(), self = gettid();
        mark(BEGIN);
        result = raw3(SYS_tgkill, pid, self, SIGALRM);
        __asm__ volatile("nop");
        mark(END);
    } else if (is(what, "fault")) {
        /* A fault of the program's own: the handler leaves by a jump. */
        leave = 1;
        handle(SIGSEGV, quiet, 0);
        if (sigsetjmp(out, 1) == 0) {
            mark(BEGIN);
            __asm__ volatile("mov 0x0, %%eax" ::: "rax");
        }
        leave = 0;
        mark(END);
    } else if (is(what, "jump") || is(what, "context")) {
        volatile int passed = 0;
        leave = is(what, "jump") ? 1 : 2;
        if (leave == 1)
            sigsetjmp(out, 1);
        else
            getcontext(&elsewhere);
        if (passed++ == 0)
            mark(BEGIN);
        if (passed < 2) {
            raw3(SYS_getppid, 0, 0, 0);
            raw3(SYS_fcntl, -1, F_GETFD, 0);
        }
        leave = 0;
        mark(END);
        signed_number("passed ", passed);
        put("\n");
    } else if (is(what, "fork") || is(what, "forked")) {
        if (is(what, "fork"))
            mark(BEGIN);
        else
            mark(BEGIN_NEXT);
        long child = raw3(SYS_fork, 0, 0, 0);
        if (child == 0) {
            __asm__ volatile("nop");
            if (is(what, "forked"))
                mark(END);
            if (write(1, text, used) != used)
                _exit(90);
            _exit(3);
        }
        if (is(what, "fork"))
            mark(END);
        reap(child);
    } else if (is(what, "vfork") || is(what, "vforked")) {
        if (is(what, "vfork"))
            mark(BEGIN);
        else
            mark(BEGIN_NEXT);
        long child = vfork_and_exit();
        if (is(what, "vfork"))
            mark(END);
        reap(child);
    } else if (is(what, "thread") || is(what, "threaded")) {
        if (is(what, "thread"))
            mark(BEGIN);
        else
            mark(BEGIN_NEXT);
        long thread = start_thread(THREAD);
        if (is(what, "thread"))
            mark(END);
        wait_for_thread();
        signed_number("thread ", thread > 0);
        put("\n");
    } else if (is(what, "exec")) {
        handle_all(caller, 0);
        static char *words[] = {"walked", "done", NULL}, *environment[] = {NULL};
        mark(BEGIN);
        result = raw3(SYS_execve, (long)"/proc/self/exe", (long)words, (long)environment);
    } else if (is(what, "exec-failed")) {
        static char *words[] = {"walked", NULL}, *environment[] = {NULL};
        mark(BEGIN);
        result = raw3(SYS_execve, (long)"/proc/self/status", (long)words, (long)environment);
        mark(END);
    } else if (is(what, "map")) {
        /* A text is mapped, replaced and unmapped. */
        int fd = MUST(open("/bin/true", O_RDONLY));
        mark(BEGIN);
        void *at = mmap(NULL, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        mark(END);
        result = at != MAP_FAILED ? munmap(at, 65536) : -1;
    } else if (is(what, "exit")) {
        handle_all(caller, 0);
        mark(BEGIN);
        raw3(SYS_exit_group, 5, 0, 0);
    } else {
        return 91;
    }
    signed_number("result ", result);
    signed_number(" handled ", handled);
    put(" byte ");
    text[used++] = byte;
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    word(" mask ", *(unsigned long *)&now);
    stack_t current;
    sigaltstack(NULL, &current);
    signed_number(" stack ", current.ss_flags);
    put("\n");
    if (write(1, text, used) != used)
        return 92;
    return 0;
}
