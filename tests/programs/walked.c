/* What `walk` steps through: one dangerous window for each argument, between two marks, of single calls and of what
   processes and threads do. */
#include "walked.h"
#include <poll.h>
#include <linux/futex.h>

static int ends[2], again[2];

/* Notes what it is shown and fills the pipe, so that who reads goes on. */
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

static void second(int signal, siginfo_t *info, void *context)
{
    put("second: ");
    note(signal, info, context);
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

static long shaped_window(void)
{
    long saved[2], result, nr = 0, a = 1, b = 2, c = 3;
    register long r10 __asm__("r10") = 4;
    WINDOW(BEGIN "call shaped_call\n\t" END);
    return result;
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
    read_flags(argc, argv);
    MUST(pipe(ends));
    MUST(pipe(again));
    handle_all(handler, 0);
    sigset_t none;
    sigemptyset(&none);
    struct pollfd on = {.fd = ends[0], .events = POLLIN};
    char byte = '-';

    if (is(what, "pass")) {
        result = window(SYS_getuid, 1, 2, 3, 4);
    } else if (is(what, "shaped")) {
        result = shaped_window();
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
        result = raw_call(SYS_tgkill, pid, self, SIGALRM);
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
            raw_call(SYS_getppid, 0, 0, 0);
            raw_call(SYS_fcntl, -1, F_GETFD, 0);
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
        long child = raw_call(SYS_fork, 0, 0, 0);
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
        result = raw_call(SYS_execve, (long)"/proc/self/exe", (long)words, (long)environment);
    } else if (is(what, "exec-failed")) {
        static char *words[] = {"walked", NULL}, *environment[] = {NULL};
        mark(BEGIN);
        result = raw_call(SYS_execve, (long)"/proc/self/status", (long)words, (long)environment);
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
        raw_call(SYS_exit_group, 5, 0, 0);
    } else {
        return 91;
    }
    note_end(result, byte);
    return 0;
}
