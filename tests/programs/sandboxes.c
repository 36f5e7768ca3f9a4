/* Seccomp filters as sandboxes install them: what they allow works, and what they forbid ends as
 * they say, for calls that are passed on and for those that have a meaning of their own. */
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>

#ifndef SECCOMP_FILTER_FLAG_TSYNC
#define SECCOMP_FILTER_FLAG_TSYNC 1
#endif

/* Installs a filter that treats the calls of the list one way and all others another. */
static int install(const int *list, int count, unsigned listed, unsigned others, unsigned flags)
{
    struct sock_filter filter[200];
    int at = 0;
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, arch));
    filter[at++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, nr));
    for (int index = 0; index < count; index++)
        filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, list[index],
                                                    count - index, 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
    struct sock_fprog program = {(unsigned short)at, filter};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#define ONLY(...)                                                                              \
    do {                                                                                       \
        static const int list_[] = {__VA_ARGS__};                                              \
        MUST(install(list_, sizeof list_ / sizeof *list_, SECCOMP_RET_ALLOW,                   \
                     SECCOMP_RET_KILL_PROCESS, 0));                                            \
    } while (0)
#define NONE_OF(action, ...)                                                                   \
    do {                                                                                       \
        static const int list_[] = {__VA_ARGS__};                                              \
        MUST(install(list_, sizeof list_ / sizeof *list_, action, SECCOMP_RET_ALLOW, 0));      \
    } while (0)

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(98);
}

static void number(const char *what, long value)
{
    char line[100];
    snprintf(line, sizeof line, "  %s: %ld\n", what, value);
    say(line);
}

static void least(void)
{
    ONLY(SYS_write, SYS_exit_group);
    say("  still here\n");
    _exit(3);
}

static void more_than_allowed(void)
{
    ONLY(SYS_write, SYS_exit_group);
    say("  still here\n");
    getppid();
    say("  not reached\n");
}

/* What vload itself handles, and needs calls for, with nothing else allowed. */
static void files(void)
{
    ONLY(SYS_write, SYS_exit_group, SYS_openat, SYS_read, SYS_close, SYS_mmap, SYS_munmap,
         SYS_dup2, SYS_readlink);
    int fd = open("/etc/hostname", O_RDONLY);
    number("open", fd >= 0);
    number("missing", open("/no/such/file", O_RDONLY));
    number("bad pointer", syscall(SYS_openat, AT_FDCWD, 8, O_RDONLY) == -1 ? errno : 0);
    number("bad buffer", syscall(SYS_readlink, "/proc/self/exe", 8, 100) == -1 ? errno : 0);
    char exe[200];
    number("exe", readlink("/proc/self/exe", exe, sizeof exe) > 0);
    void *memory = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    number("map", memory != MAP_FAILED);
    munmap(memory, 8192);
    number("dup2", dup2(fd, 77));
    number("close", close(fd));
    _exit(4);
}

static void text(void)
{
    int fd = MUST(open("/bin/true", O_RDONLY));
    ONLY(SYS_write, SYS_exit_group, SYS_mmap, SYS_munmap);
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    number("map", memory != MAP_FAILED && memory[1] == 'E');
    _exit(4);
}

static void killed_by(int call)
{
    static int list[1];
    list[0] = call;
    MUST(install(list, 1, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW, 0));
    say("  installed\n");
    syscall(call, 0, 0, 0, 0, 0, 0);
    say("  not reached\n");
}
static void killed_by_sigaltstack(void) { killed_by(SYS_sigaltstack); }
static void killed_by_sigaction(void) { killed_by(SYS_rt_sigaction); }
static void killed_by_fork(void) { killed_by(SYS_fork); }

static void errors(void)
{
    NONE_OF(SECCOMP_RET_ERRNO | 77, SYS_sigaltstack, SYS_rt_sigaction, SYS_close_range, SYS_vfork,
            SYS_openat, SYS_execve, SYS_getppid);
    number("sigaltstack", sigaltstack(NULL, NULL) == -1 ? errno : 0);
    struct sigaction action;
    number("sigaction", sigaction(SIGUSR1, NULL, &action) == -1 ? errno : 0);
    number("close_range", syscall(SYS_close_range, 500, 600, 0) == -1 ? errno : 0);
    number("vfork", syscall(SYS_vfork) == -1 ? errno : 0);
    number("open", open("/etc/passwd", O_RDONLY) == -1 ? errno : 0);
    number("execve", execl("/bin/true", "true", NULL) == -1 ? errno : 0);
    number("getppid", syscall(SYS_getppid) == -1 ? errno : 0);
    _exit(5);
}

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *u = context;
    CHECK(info->si_code == 1 && info->si_call_addr == (void *)u->uc_mcontext.gregs[REG_RIP]);
    u->uc_mcontext.gregs[REG_RAX] = 1000 + info->si_syscall;
}

static void traps(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGSYS, &action, NULL));
    NONE_OF(SECCOMP_RET_TRAP, SYS_sigaltstack, SYS_rt_sigaction, SYS_openat, SYS_execve, SYS_clone,
            SYS_fork, SYS_vfork, SYS_getppid, SYS_rt_sigprocmask);
    number("sigaltstack", syscall(SYS_sigaltstack, 0, 0));
    number("sigaction", syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 8));
    number("open", syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
    number("execve", syscall(SYS_execve, "/bin/true", 0, 0));
    number("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    number("fork", syscall(SYS_fork));
    number("vfork", syscall(SYS_vfork));
    number("getppid", syscall(SYS_getppid));
    number("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, 0, 8));
    number("close", close(dup(1)));
    fflush(stdout);
    _exit(6);
}

static volatile int caught;
static void count(int signal)
{
    caught += signal;
    /* A call of each kind. */
    if (getppid() <= 0 || dup2(1, 55) != 55)
        caught = -1000;
}

static void handlers(void)
{
    signal(SIGUSR1, count);
    signal(SIGSEGV, SIG_DFL);
    ONLY(SYS_write, SYS_exit_group, SYS_kill, SYS_getpid, SYS_getppid, SYS_dup2, SYS_rt_sigreturn,
         SYS_close);
    for (int round = 0; round < 100; round++) {
        kill(getpid(), SIGUSR1);
        close(55);
    }
    number("caught", caught);
    say("  now a fault\n");
    *(volatile int *)8 = 1;
    say("  not reached\n");
}

static void *thread_main(void *argument)
{
    int fd = open("/dev/null", O_RDONLY);
    *(int *)argument = fd >= 0;
    close(fd);
    return argument;
}

/* What glibc needs to start and join threads, and open(2). */
static void threads(void)
{
    ONLY(SYS_write, SYS_exit_group, SYS_exit, SYS_openat, SYS_close, SYS_mmap, SYS_munmap,
         SYS_mprotect, SYS_madvise, SYS_clone, SYS_clone3, SYS_set_robust_list, SYS_rseq,
         SYS_futex, SYS_rt_sigprocmask, SYS_brk, SYS_rt_sigaction);
    int done[20] = {0}, all = 0;
    pthread_t ids[20];
    for (int index = 0; index < 20; index++)
        if (pthread_create(&ids[index], NULL, thread_main, &done[index]))
            say("  no thread\n");
    for (int index = 0; index < 20; index++) {
        pthread_join(ids[index], NULL);
        all += done[index];
    }
    number("threads", all);
    _exit(7);
}

static void children(void)
{
    NONE_OF(SECCOMP_RET_KILL_PROCESS, SYS_execveat, SYS_memfd_create, SYS_personality, SYS_gettid,
            SYS_rt_sigprocmask, SYS_sigaltstack, SYS_rt_sigpending, SYS_tgkill, SYS_faccessat2,
            SYS_statx, SYS_readlinkat, SYS_dup3, SYS_clone3, SYS_vfork, SYS_fcntl, SYS_pread64 + 1000);
    pid_t child = fork();
    if (child == 0) {
        say("  in the child\n");
        _exit(8);
    }
    int status;
    waitpid(child, &status, 0);
    number("child", status);
    execl("/bin/echo", "echo", "  executed", NULL);
    say("  not executed\n");
}

/* What needs memory of vload's own, where none can be mapped. */
static void no_memory(void)
{
    NONE_OF(SECCOMP_RET_KILL_PROCESS, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap);
    for (int round = 0; round < 3; round++) {
        pid_t child = vfork();
        if (child == 0)
            _exit(8 + round);
        int status = -1;
        waitpid(child, &status, 0);
        number("child", status);
    }
    _exit(10);
}

static volatile int heard;
static void hear(int signal) { heard |= 1 << signal; }

/* Two signals at once, of faults, end a wait of which the mask is not there any more: it may only be tried. */
static void two_signals(void)
{
    int ends[2], file = MUST(memfd_create("mask", 0));
    MUST(ftruncate(file, 4096));
    char *mask = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    MUST(pipe(ends));
    pid_t child = MUST(fork());
    if (child == 0) {
        signal(SIGBUS, hear);
        signal(SIGSEGV, hear);
        NONE_OF(SECCOMP_RET_ERRNO | EPERM, SYS_rt_sigprocmask);
        say("  waits\n");
        (void)!write(ends[1], "", 1);
        long result = syscall(SYS_ppoll, NULL, 0, NULL, mask, 8);
        number("interrupted", result == -1 && errno == EINTR);
        number("heard", heard);
        _exit(11);
    }
    char byte;
    MUST(read(ends[0], &byte, 1));
    await_state(child, child, 'S');
    MUST(kill(child, SIGSTOP));
    MUST(waitpid(child, NULL, WUNTRACED));
    MUST(ftruncate(file, 0));
    kill(child, SIGBUS);
    kill(child, SIGSEGV);
    kill(child, SIGCONT);
    report("  of two signals", child);
    _exit(0);
}

static const char *simple;

static void no_protection(void)
{
    NONE_OF(SECCOMP_RET_KILL_PROCESS, SYS_mprotect);
    execl(simple, "simple", NULL);
    say("  not executed\n");
}

static void strict(void)
{
    int ends[2];
    MUST(pipe(ends));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
    char byte = 0;
    long wrote = write(ends[1], "x", 1), got = read(ends[0], &byte, 1);
    if (wrote == 1 && got == 1 && byte == 'x')
        say("  still here\n");
    syscall(SYS_exit, 9);
}

static void strict_signal(void)
{
    signal(SIGPIPE, count);
    int ends[2];
    MUST(pipe(ends));
    close(ends[0]);
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
    /* The handler's getppid is the end. */
    if (write(ends[1], "x", 1) != -1)
        say("  written\n");
    say("  not reached\n");
    syscall(SYS_exit, 9);
}

static void strict_more(void)
{
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
    say("  still here\n");
    close(55);
    say("  not reached\n");
}

static volatile int go;
static void *waiter(void *argument)
{
    while (!go)
        sched_yield();
    *(int *)argument = open("/etc/passwd", O_RDONLY) == -1 ? errno : 0;
    go = 2;
    while (go == 2)
        sched_yield();
    return NULL;
}

static void together(unsigned flags)
{
    int seen = -1;
    pthread_t id;
    MUST(pthread_create(&id, NULL, waiter, &seen));
    const int list[] = {SYS_openat};
    number("installed", install(list, 1, SECCOMP_RET_ERRNO | 66, SECCOMP_RET_ALLOW, flags));
    go = 1;
    while (go == 1)
        sched_yield();
    number("the other thread's open", seen);
    number("our open", open("/etc/passwd", O_RDONLY) == -1 ? errno : 0);
    go = 3;
    pthread_join(id, NULL);
    _exit(0);
}
static void with_tsync(void) { together(SECCOMP_FILTER_FLAG_TSYNC); }
static void without_tsync(void) { together(0); }

/* Two filters: the severer one counts. And one that is refused counts for nothing. */
static void two(void)
{
    NONE_OF(SECCOMP_RET_ERRNO | 5, SYS_openat, SYS_sigaltstack);
    NONE_OF(SECCOMP_RET_ERRNO | 6, SYS_openat);
    struct sock_filter bad[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
                                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog program = {2, bad};
    number("refused", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1 ? errno : 0);
    number("open", open("/etc/passwd", O_RDONLY) == -1 ? errno : 0);
    number("sigaltstack", sigaltstack(NULL, NULL) == -1 ? errno : 0);
    number("empty", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8) == -1 ? errno : 0);
    number("dup2", dup2(1, 60));
    execl("/bin/echo", "echo", "not executed: ld.so cannot open", NULL);
}

int main(int argc, char **argv)
{
    simple = argc > 1 ? argv[1] : "";
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"least", least},
        {"more than allowed", more_than_allowed},
        {"files", files},
        {"text", text},
        {"killed by sigaltstack", killed_by_sigaltstack},
        {"killed by sigaction", killed_by_sigaction},
        {"killed by fork", killed_by_fork},
        {"errors", errors},
        {"traps", traps},
        {"handlers", handlers},
        {"threads", threads},
        {"children", children},
        {"no memory", no_memory},
        {"no protection", no_protection},
        {"two signals", two_signals},
        {"strict", strict},
        {"strict, signal", strict_signal},
        {"strict, more", strict_more},
        {"with TSYNC", with_tsync},
        {"without TSYNC", without_tsync},
        {"two", two},
    };
    for (unsigned index = 0; index < sizeof cases / sizeof *cases; index++) {
        fflush(stdout);
        pid_t child = MUST(fork());
        if (child == 0) {
            cases[index].run();
            _exit(1);
        }
        report(cases[index].name, child);
    }
    return 0;
}
