/* Processes: every one that is started is waited for once, and ends as it was told to. */
#include "soak.h"
#include <linux/sched.h>
#include <poll.h>
#include <spawn.h>

extern char **environ;

/* Ends the calling process in some way, and is the status that waitpid shall show. */
static int some_status(void)
{
    static const int signals[] = {SIGTERM, SIGKILL, SIGUSR1, SIGALRM, 34, 64};
    if (one_in(3))
        return signals[rng() % 6];
    return between(0, 255) << 8;
}

static void end_with(int status)
{
    calls(between(0, 5));
    if ((status & 0x7f) == 0)
        _exit(status >> 8);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    signal(status, SIG_DFL);
    kill(getpid(), status);
    finding("signal %d has not ended the process", status);
}

static void expect(pid_t pid, int wanted)
{
    int status = status_of(pid);
    if (spoils(WRONG_STATUS))
        status ^= 1 << 8;
    if (status != wanted)
        finding("process %d ended with %x, not %x", pid, status, wanted);
}

void do_fork(void)
{
    pid_t pids[8];
    int wanted[8], count = between(1, 8);
    for (int i = 0; i < count; i++) {
        wanted[i] = some_status();
        pids[i] = started(one_in(2) ? fork() : syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
        if (pids[i] == 0)
            end_with(wanted[i]);
    }
    for (int i = count; i-- > 0;)
        expect(pids[i], wanted[i]);
}

void do_vfork(void)
{
    char code[8];
    int wanted = between(0, 255);
    snprintf(code, sizeof code, "%d", wanted);
    volatile int here = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        here = 1;
        if (one_in(4))
            _exit(wanted);
        execute("exit", code);
        _exit(98);
    }
    started(pid);
    MUST(here == 1);
    expect(pid, wanted << 8);
}

void do_spawn(void)
{
    char fd[16], code[8];
    int wanted = between(0, 255);
    snprintf(code, sizeof code, "%d", wanted);
    snprintf(fd, sizeof fd, "%d", shared_fd);
    char *argv[] = {"soak", "child", fd, "exit", code, "7", NULL};
    char *envp[] = {"SOAK=7", NULL};
    pid_t pid;
    MUST(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0);
    started(pid);
    expect(pid, wanted << 8);
    /* One that does not begin: the child ends with 127, and is waited for by the C library. */
    MUST(posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, argv, envp) == ENOENT);
    shared->started++;
}

static int in_our_memory(void *argument)
{
    *(volatile int *)argument = 1;
    return 3;
}

void do_clone(void)
{
    if (one_in(2)) {
        volatile int here = 0;
        char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(stack != MAP_FAILED);
        int flags = CLONE_VM | (one_in(2) ? SIGCHLD : 0) | (one_in(2) ? CLONE_FILES : 0);
        pid_t pid = started(clone(in_our_memory, stack + 65536, flags, (void *)&here));
        expect(pid, 3 << 8);
        MUST(here == 1);
        munmap(stack, 65536);
        return;
    }
    int pidfd = -1, wanted = some_status();
    struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    pid_t pid = started(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0)
        end_with(wanted);
    struct pollfd poller = {.fd = pidfd, .events = POLLIN};
    MUST(poll(&poller, 1, 30000) == 1);
    expect(pid, wanted);
    close(pidfd);
}

static volatile pid_t ended[32];
static volatile int ended_status[32], ended_count;

static void reap(int signal)
{
    int saved = errno, status;
    (void)signal;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        ended[ended_count % 32] = pid;
        ended_status[ended_count % 32] = status;
        ended_count++;
    }
    errno = saved;
}

void do_sigchld(void)
{
    struct sigaction action = {.sa_handler = reap, .sa_flags = one_in(2) ? SA_RESTART : 0}, old;
    sigset_t child, mask;
    pid_t pids[16];
    int wanted[16], count = between(1, 16);
    ended_count = 0;
    sigaction(SIGCHLD, &action, &old);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &mask);
    for (int i = 0; i < count; i++) {
        wanted[i] = some_status();
        pids[i] = started(fork());
        if (pids[i] == 0)
            end_with(wanted[i]);
        if (one_in(4)) {
            sigprocmask(SIG_SETMASK, &mask, NULL);
            calls(3);
            sigprocmask(SIG_BLOCK, &child, NULL);
        }
    }
    while (ended_count < count)
        sigsuspend(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGCHLD, &old, NULL);
    MUST(ended_count == count);
    for (int i = 0; i < count; i++) {
        int found = 0;
        for (int j = 0; j < count; j++)
            if (ended[j] == pids[i])
                found += ended_status[j] == wanted[i] ? 1 : 100;
        MUST(found == 1);
    }
}

void do_exec_chain(void)
{
    char depth[8];
    snprintf(depth, sizeof depth, "%d", between(0, 5));
    pid_t pid = started(fork());
    if (pid == 0) {
        execute("chain", depth);
        _exit(98);
    }
    expect(pid, 42 << 8);
}

static atomic_int go_on;

static void *until_the_end(void *argument)
{
    while (go_on)
        sched_yield();
    return argument;
}

static void *executes(void *argument)
{
    execute("exit", argument);
    _exit(98);
}

/* The exec of a thread ends the others, and the new program is the process. */
void do_exec_thread(void)
{
    pid_t pid = started(fork());
    if (pid == 0) {
        pthread_t thread;
        go_on = 1;
        for (int i = between(0, 4); i-- > 0;)
            MUST(pthread_create(&thread, NULL, until_the_end, NULL) == 0);
        MUST(pthread_create(&thread, NULL, executes, "17") == 0);
        until_the_end(NULL);
    }
    expect(pid, 17 << 8);
}

/* A process that does all sorts of things until it is killed, at whatever instruction that may be. */
static void victim(int out)
{
    pthread_t thread;
    static char byte = 'x';
    reseed(rng());
    go_on = 1;
    if (one_in(2))
        for (int i = between(1, 4); i-- > 0;)
            MUST(pthread_create(&thread, NULL, until_the_end, NULL) == 0);
    MUST(write(out, &byte, 1) == 1);
    for (;;)
        switch (rng() % 4) {
        case 0: calls(20); break;
        case 1: {
            pid_t pid = started(fork());
            if (pid == 0)
                _exit(0);
            waitpid(pid, NULL, 0);
            break;
        }
        case 2: {
            void *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            munmap(page, 8192);
            break;
        }
        case 3:
            if (one_in(8)) {
                shared->doomed++;
                execute("chain", "1000");
                _exit(98);
            }
            pthread_attr_t attributes;
            pthread_attr_init(&attributes);
            pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
            go_on = 0;
            if (pthread_create(&thread, &attributes, until_the_end, NULL) != 0)
                sched_yield();
            pthread_attr_destroy(&attributes);
        }
}

void do_kill(void)
{
    int pipes[2];
    char byte;
    MUST(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t pid = started(fork());
    if (pid == 0)
        victim(pipes[1]);
    close(pipes[1]);
    ssize_t done;
    while ((done = read(pipes[0], &byte, 1)) < 0 && errno == EINTR)
        ;
    MUST(done == 1);
    close(pipes[0]);
    for (int i = between(0, 400); i-- > 0;)
        getppid();
    shared->kills++;
    MUST(kill(pid, SIGKILL) == 0);
    expect(pid, SIGKILL);
}

/* What is not close-on-exec, and nothing else, is there after an exec. */
void do_descriptors(void)
{
    char kept[256] = "";
    pid_t pid = started(fork());
    if (pid == 0) {
        closefrom(3 > shared_fd ? 3 : shared_fd + 1);
        for (int i = between(0, 12); i-- > 0;)
            MUST(open("/dev/null", O_RDONLY | (one_in(2) ? O_CLOEXEC : 0)) >= 0);
        for (int fd = 0; fd < 64; fd++) {
            int flags = fcntl(fd, F_GETFD);
            if (flags >= 0 && !(flags & FD_CLOEXEC))
                snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%d,", fd);
        }
        execute("descriptors", kept);
        _exit(98);
    }
    expect(pid, 0);
}
