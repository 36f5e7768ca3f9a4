/* Waits in read(2) for a pipe that has the path which is named: under a filter that allows little else, and while a
   signal comes that is blocked. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static int in, out;

static void told(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
    fflush(stdout);
}

/* What a file of a thread's in /proc says. */
static const char *known(pid_t process, pid_t thread, const char *name)
{
    static char text[512];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", process, thread, name);
    int fd = MUST(open(path, O_RDONLY));
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

/* Whether a thread sleeps in read(2), or has ended. */
static int sleeps(pid_t process, pid_t thread)
{
    const char *state = strrchr(known(process, thread, "stat"), ')');
    if (state && state[2] == 'Z')
        return 1;
    if (!state || state[2] != 'S')
        return 0;
    char *end;
    const char *call = known(process, thread, "syscall");
    return strtol(call, &end, 10) == SYS_read && end != call;
}

static void until_it_sleeps(pid_t process, pid_t thread)
{
    while (!sleeps(process, thread))
        sched_yield();
}

/* `error` instead of the calls by which one could wait otherwise. */
static void forbid(unsigned error)
{
    static const int numbers[] = {
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_epoll_create
        SYS_epoll_create,
#endif
#ifdef SYS_ppoll_time64
        SYS_ppoll_time64,
#endif
#ifdef SYS_ppoll
        SYS_ppoll,
#endif
        SYS_epoll_create1, SYS_epoll_ctl, SYS_timerfd_create, SYS_timerfd_settime,
    };
    enum { COUNT = sizeof numbers / sizeof *numbers };
    struct sock_filter code[2 * COUNT + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    for (int i = 0; i < COUNT; i++) {
        code[1 + 2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
        code[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, error);
    }
    code[2 * COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {2 * COUNT + 2, code};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* A program that confines itself to what it uses. */
static void filtered(const char *how, unsigned answer)
{
    enum { ROUNDS = 3 };
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        forbid(answer);
        for (int round = 0; round < ROUNDS; round++) {
            char byte = 0;
            told(how, read(in, &byte, 1));
            printf("  %c\n", byte);
            fflush(stdout);
        }
        _exit(0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        until_it_sleeps(child, child);
        MUST(write(out, "abc" + round, 1));
    }
    report(how, child);
}

static _Atomic pid_t waiting;

static void *deaf(void *unused)
{
    (void)unused;
    sigset_t faults, pending;
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGTRAP);
    CHECK(pthread_sigmask(SIG_BLOCK, &faults, 0) == 0);
    waiting = (pid_t)syscall(SYS_gettid);
    char byte = 0;
    told("signals are blocked", read(in, &byte, 1));
    MUST(sigpending(&pending));
    printf("  %d %d\n", sigismember(&pending, SIGSEGV), sigismember(&pending, SIGTRAP));
    struct timespec none = {0, 0};
    for (int i = 0; i < 2; i++)
        told("  waits", sigtimedwait(&faults, 0, &none));
    return 0;
}

/* A signal that a thread blocks ends nothing. */
static void blocked(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, 0, deaf, 0) == 0);
    while (waiting == 0)
        sched_yield();
    until_it_sleeps(getpid(), waiting);
    CHECK(pthread_kill(thread, SIGSEGV) == 0);
    until_it_sleeps(getpid(), waiting);
    CHECK(pthread_kill(thread, SIGTRAP) == 0);
    until_it_sleeps(getpid(), waiting);
    MUST(write(out, "x", 1));
    CHECK(pthread_join(thread, 0) == 0);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    /* That of a module is there. */
    mkfifo(argv[1], 0600);
    in = MUST(open(argv[1], O_RDWR));
    out = MUST(open(argv[1], O_RDWR));
    filtered("with an error", SECCOMP_RET_ERRNO | EPERM);
    filtered("killed", SECCOMP_RET_KILL_PROCESS);
    blocked();
    return 0;
}
