/* Syscall user dispatch that the program sets up itself: which calls become signals, what the
 * handler is told, and that its answer is the call's result. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static volatile char selector;

/* A section of its own whose calls are let through: the handler's return is among them. */
__asm__(".pushsection allowed, \"ax\", @progbits\n"
        ".globl allowed_call\n"
        "allowed_call: mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
        "syscall\n ret\n"
        ".globl allowed_return\n"
        "nop\n"
        "allowed_return: mov $15, %rax\n syscall\n hlt\n"
        ".popsection\n"
        ".globl other_call\n"
        ".pushsection .text\n"
        "other_call: mov %rdi, %rax\n mov %rsi, %rdi\n mov %rdx, %rsi\n mov %rcx, %rdx\n"
        "syscall\n"
        ".globl other_call_end\n"
        "other_call_end: ret\n"
        ".popsection\n");
extern long allowed_call(long, long, long, long), other_call(long, long, long, long);
extern char allowed_return[], other_call_end[];
extern char __start_allowed[], __stop_allowed[];

static volatile struct {
    int count, code, number, arch, place, rax, rcx;
} seen;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *u = context;
    seen.count++;
    seen.code = info->si_code;
    seen.number = info->si_syscall;
    seen.arch = (int)info->si_arch;
    seen.place = info->si_call_addr == (void *)other_call_end &&
                 u->uc_mcontext.gregs[REG_RIP] == (long)other_call_end;
    seen.rax = u->uc_mcontext.gregs[REG_RAX] == info->si_syscall;
    seen.rcx = u->uc_mcontext.gregs[REG_RCX] == (long)other_call_end;
    u->uc_mcontext.gregs[REG_RAX] = 5000 + info->si_syscall;
}

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

static long set(long mode, const void *start, unsigned long length, const volatile void *byte)
{
    return syscall(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, mode, start, length, byte);
}

static long on(void)
{
    return set(1, __start_allowed, (unsigned long)(__stop_allowed - __start_allowed), &selector);
}

static void say(const char *what, long value)
{
    char line[100];
    int length = snprintf(line, sizeof line, "%s: %ld\n", what, value);
    allowed_call(SYS_write, 1, (long)line, length);
}

static void attempt(const char *what, long number)
{
    memset((void *)&seen, 0, sizeof seen);
    selector = 1;
    long result = other_call(number, -1, 0, 0);
    selector = 0;
    char line[200];
    int length = snprintf(line, sizeof line,
                          "%s: %ld, %d signals, code %d, number %d, arch %x, place %d, rax %d, rcx %d\n",
                          what, result, seen.count, seen.code, seen.number, (unsigned)seen.arch,
                          seen.place, seen.rax, seen.rcx);
    allowed_call(SYS_write, 1, (long)line, length);
}

static void refused(const char *what, long result)
{
    printf("%s: %ld %d\n", what, result, errno);
}

/* The first thread makes no calls: the selector is its own. */
static volatile int spins;

static void *thread_main(void *argument)
{
    (void)argument;
    while (!spins)
        ;
    /* Not handed on. */
    selector = 1;
    int fd = open("/dev/null", O_RDONLY);
    selector = 0;
    say("thread", fd >= 0);
    spins = 0;
    return NULL;
}

static volatile int usr;
static void on_usr(int signal, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    usr = signal;
}

static void in_child(const char *what, void (*run)(void))
{
    pid_t child = MUST(fork());
    if (child == 0) {
        run();
        _exit(1);
    }
    report(what, child);
}

static void bad_selector(void)
{
    on();
    selector = 7;
    getppid();
}
static void lost_selector(void)
{
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set(1, __start_allowed, (unsigned long)(__stop_allowed - __start_allowed), page);
    allowed_call(SYS_munmap, (long)page, 4096, 0);
    getppid();
}
static void blocked(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    on();
    selector = 1;
    getppid();
}
static void ignored(void)
{
    signal(SIGSYS, SIG_IGN);
    on();
    selector = 1;
    getppid();
}
static void unhandled(void)
{
    signal(SIGSYS, SIG_DFL);
    on();
    selector = 1;
    getppid();
}
static void no_selector(void)
{
    set(1, __start_allowed, (unsigned long)(__stop_allowed - __start_allowed), NULL);
    long result = other_call(SYS_getppid, 0, 0, 0);
    say("no selector", result);
    allowed_call(SYS_exit_group, 3, 0, 0);
}
static void executes(void)
{
    on();
    selector = 0;
    execl("/bin/echo", "echo", "executed", NULL);
}
static void forks(void)
{
    on();
    selector = 1;
    long child = allowed_call(SYS_fork, 0, 0, 0);
    if (child == 0)
        _exit(other_call(SYS_getppid, 0, 0, 0) > 0 ? 4 : 5);
    selector = 0;
    report("not handed on", (pid_t)child);
    _exit(0);
}
static void inclusive(void)
{
    long result = set(2, other_call, (unsigned long)(other_call_end - (char *)other_call + 1), &selector);
    say("inclusive", result == 0);
    if (result != 0)
        _exit(0);
    memset((void *)&seen, 0, sizeof seen);
    selector = 1;
    int fd = open("/dev/null", O_RDONLY);
    result = other_call(SYS_getppid, 0, 0, 0);
    selector = 0;
    say("inclusive, outside", fd >= 0);
    say("inclusive, inside", result);
    say("inclusive, signals", seen.count);
    _exit(0);
}

int main(void)
{
    struct kernel_action action = {handler, SA_SIGINFO | 0x04000000, allowed_return, 0};
    MUST(syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8));
    action.handler = on_usr;
    MUST(syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, 8));

    refused("unknown mode", set(9, 0, 0, 0));
    refused("off with a range", set(0, (void *)1, 0, 0));
    refused("an empty range", set(1, (void *)4096, 0, 0));
    refused("a range that wraps", set(1, (void *)4096, -4096UL, 0));
    refused("a selector of nobody's", set(1, 0, 0, (void *)-4096UL));
    refused("inclusive and empty", set(2, (void *)4096, 0, 0));
    fflush(stdout);

    say("on", on());
    attempt("getppid", SYS_getppid);
    attempt("openat", SYS_openat);
    attempt("sigaltstack", SYS_sigaltstack);
    attempt("clone", SYS_clone);
    attempt("unknown", 9999);
    attempt("exit_group", SYS_exit_group);
    selector = 1;
    long pid = allowed_call(SYS_getpid, 0, 0, 0);
    selector = 0;
    say("allowed", pid == getpid());

    /* A signal of another kind, sent and handled meanwhile. */
    selector = 1;
    allowed_call(SYS_kill, pid, SIGUSR1, 0);
    selector = 0;
    say("another signal", usr);

    pthread_t thread;
    MUST(pthread_create(&thread, NULL, thread_main, NULL));
    spins = 1;
    while (spins)
        ;
    pthread_join(thread, NULL);

    in_child("bad selector", bad_selector);
    in_child("lost selector", lost_selector);
    in_child("blocked", blocked);
    in_child("ignored", ignored);
    in_child("unhandled", unhandled);
    in_child("no selector", no_selector);
    in_child("executes", executes);
    in_child("forks", forks);
    in_child("inclusive", inclusive);
    say("off", set(0, 0, 0, 0));
    selector = 1;
    say("getppid", getppid() > 0);
    return 0;
}
