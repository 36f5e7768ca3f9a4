/* clone and clone3 with flags that libc does not use. */
#include "check.h"
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

static volatile int shared;

static int child_main(void *argument)
{
    shared = 1;
    int fd = open("/dev/null", O_RDONLY);
    if (argument)
        *(int *)argument = fd;
    return syscall(SYS_getpid) > 0 ? 11 : 12;
}

static void run(const char *what, int flags)
{
    static char stack[65536] __attribute__((aligned(16)));
    static int fd;
    shared = 0;
    fd = -1;
    pid_t child = MUST(clone(child_main, stack + sizeof stack, flags, &fd));
    int status;
    CHECK(waitpid(child, &status, __WALL) == child);
    int open_here = fd >= 0 && fcntl(fd, F_GETFD) >= 0;
    if (open_here)
        close(fd);
    printf("%s: exit %d, memory %s, descriptors %s\n", what, WEXITSTATUS(status),
           shared ? "shared" : "own", open_here ? "shared" : "own");
    fflush(stdout);
}

static volatile int got_signal;
static void handler(int signal) { got_signal = signal; }

int main(void)
{
    run("plain", SIGCHLD);
    run("no signal", 0);
    run("other signal", SIGURG);
    run("vm", CLONE_VM | SIGCHLD);
    run("vm vfork", CLONE_VM | CLONE_VFORK | SIGCHLD);
    run("vfork", CLONE_VFORK | SIGCHLD);
    run("files", CLONE_FILES | SIGCHLD);
    run("fs", CLONE_FS | SIGCHLD);
    run("vm files fs", CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD);
    run("vm sighand", CLONE_VM | CLONE_SIGHAND | SIGCHLD);
    run("io sysvsem", CLONE_IO | CLONE_SYSVSEM | SIGCHLD);

    /* The ids that the kernel writes. */
    static pid_t parent_tid, child_tid;
    fflush(stdout);
/* The order of the last two arguments depends on the architecture (clone(2)). */
#if defined(__x86_64__)
    pid_t child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0,
                          &parent_tid, &child_tid, 0);
#else
    pid_t child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0,
                          &parent_tid, 0, &child_tid);
#endif
    if (child == 0)
        _exit(child_tid == syscall(SYS_gettid) ? 21 : 22);
    CHECK(parent_tid == child);
    report("settid", child);

    errno = 0;
    CHECK(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EINVAL);

    signal(SIGUSR1, handler);
    int pidfd = -1;
    struct clone_args arguments = {
        .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        .pidfd = (uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    fflush(stdout);
    child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        struct sigaction action;
        sigaction(SIGUSR1, NULL, &action);
        _exit(action.sa_handler == SIG_DFL ? 31 : 32);
    }
    if (child < 0) {
        printf("clone3: %s\n", strerror(errno));
    } else {
        CHECK(pidfd >= 0 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC);
        close(pidfd);
        report("clone3", child);
        CHECK(raise(SIGUSR1) == 0 && got_signal == SIGUSR1);
    }
    CHECK(syscall(SYS_clone3, &arguments, 8) == -1);
    printf("clone3 too small: %s\n", strerror(errno));
    CHECK(syscall(SYS_clone3, (void *)8, sizeof arguments) == -1);
    printf("clone3 bad address: %s\n", strerror(errno));
    arguments.flags = ~0ULL;
    CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1);
    printf("clone3 bad flags: %s\n", strerror(errno));
    return 0;
}
