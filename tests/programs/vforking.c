/* vfork where other threads live: children that set handlers, wait, are sent signals, fail to execute and end in
   several ways, while their parents' threads do the same; and a vfork whose child has a copy of the memory. */
#include "check.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sys/mman.h>

enum { THREADS = 4, ROUNDS = 40 };

static volatile int in_parent;
static __thread volatile int in_child;
static void parents(int signal) { (void)signal; in_parent++; }
static void childs(int signal) { in_child += signal; }

/* What the child does with its own handlers and mask, on the stack of its parent. */
static int signals(void)
{
    struct sigaction now;
    sigset_t one, before;
    in_child = 0;
    signal(SIGUSR1, childs);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigprocmask(SIG_BLOCK, &one, &before);
    kill((pid_t)syscall(SYS_getpid), SIGUSR1);
    kill((pid_t)syscall(SYS_getpid), SIGUSR2);
    if (in_child != 0)
        return 20;
    sigsuspend(&before);
    if (in_child != SIGUSR1)
        return 21;
    kill((pid_t)syscall(SYS_getpid), SIGUSR1);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (in_child != 2 * SIGUSR1)
        return 22;
    sigaction(SIGUSR2, NULL, &now);
    return now.sa_handler == SIG_IGN ? 0 : 23;
}

static int ends[4] = {5 << 8, 0, SIGKILL, SIGTERM};

static void child_main(int how)
{
    int wrong = signals();
    if (wrong)
        _exit(wrong);
    execl("/nowhere/to/be/found", "nothing", NULL);
    if (errno != ENOENT)
        _exit(24);
    execl("/dev/null", "nothing", NULL);
    if (errno != EACCES)
        _exit(25);
    switch (how) {
    case 0: _exit(5);
    case 1: execl("/bin/true", "true", NULL); _exit(26);
    case 2: kill((pid_t)syscall(SYS_getpid), SIGKILL); break;
    case 3: signal(SIGTERM, SIG_DFL); kill((pid_t)syscall(SYS_getpid), SIGTERM); break;
    }
    _exit(27);
}

static void *vforks(void *argument)
{
    static volatile int wrong;
    for (volatile int round = 0; round < ROUNDS; round++) {
        int how = round % 4, status;
        pid_t child = vfork();
        if (child == 0)
            child_main(how);
        if (child < 0 || waitpid(child, &status, 0) != child || status != ends[how]) {
            if (!wrong++)
                printf("end %d: %x\n", how, status);
        }
    }
    (void)argument;
    return NULL;
}

static const char *self;
static int asked[2], answered[2];

/* What needs locks of vload's, if it runs under it. */
static void *answers(void *argument)
{
    char byte;
    MUST(read(asked[0], &byte, 1));
    int fd = MUST(open(self, O_RDONLY));
    for (int round = 0; round < 3; round++) {
        void *text = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        CHECK(text != MAP_FAILED && munmap(text, 4096) == 0);
    }
    close(fd);
    pid_t child = MUST(fork());
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    MUST(write(answered[1], "x", 1));
    return argument;
}

static void waits_for_a_thread(void)
{
    struct clone_args args = {.flags = CLONE_VFORK, .exit_signal = SIGCHLD};
    pthread_t thread;
    MUST(pipe(asked));
    MUST(pipe(answered));
    for (int round = 0; round < 3; round++) {
        CHECK(pthread_create(&thread, NULL, answers, NULL) == 0);
        pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
        if (child == 0) {
            char byte;
            MUST(write(asked[1], "x", 1));
            MUST(read(answered[0], &byte, 1));
            if (round == 1)
                execl("/bin/sh", "sh", "-c", "exit 9", NULL);
            _exit(8);
        }
        if (child < 0) {
            /* Where there is no clone3 the thread gets its question all the same. */
            printf("clone3: %s\n", strerror(errno));
            MUST(write(asked[1], "x", 1));
        } else {
            report("vfork with a copy", child);
        }
        pthread_join(thread, NULL);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    self = argv[0];
    signal(SIGUSR1, parents);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, vforks, NULL) == 0);
    int sent = 0;
    for (; sent < 200; sent++) {
        raise(SIGUSR1);
        signal(SIGUSR2, sent & 1 ? SIG_IGN : SIG_DFL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("ours: %d of %d\n", in_parent, sent);
    fflush(stdout);
    waits_for_a_thread();
    return 0;
}
