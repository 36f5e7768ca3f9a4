/* Masks, pending signals and dispositions, within a process and across fork and exec. */
#include "check.h"
#include <poll.h>
#include <sys/signalfd.h>
#include <time.h>

static volatile int order[16], filled;
static void handler(int signal)
{
    if (filled < 16)
        order[filled++] = signal;
}

static void show(const char *what, const sigset_t *set)
{
    printf("%s:", what);
    for (int i = 1; i < 64; i++)
        if (sigismember(set, i) == 1)
            printf(" %d", i);
    puts("");
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        signal(SIGHUP, SIG_IGN);
        signal(SIGTRAP, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGSYS);
        sigaddset(&set, SIGTRAP);
        sigaddset(&set, SIGSEGV);
        sigprocmask(SIG_BLOCK, &set, NULL);
        execv(argv[2], argv + 2);
        return 98;
    }
    int all[] = {SIGUSR1, SIGTRAP, SIGSYS, SIGSEGV, SIGBUS, SIGTERM, SIGRTMIN + 1};
    sigset_t set, old;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        signal(all[i], handler);
        sigaddset(&set, all[i]);
    }
    sigprocmask(SIG_BLOCK, &set, &old);
    show("at first", &old);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        kill(getpid(), all[i]);
    sigset_t pending;
    sigpending(&pending);
    show("pending", &pending);
    printf("handled while blocked: %d\n", filled);
    struct timespec none = {0};
    siginfo_t info;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGTRAP);
    printf("taken: %d\n", sigtimedwait(&one, &info, &none));
    int again = sigtimedwait(&one, &info, &none);
    printf("again: %d %s\n", again, strerror(errno));
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    int fd = signalfd(-1, &one, SFD_NONBLOCK);
    struct signalfd_siginfo told;
    CHECK(fd >= 0 && read(fd, &told, sizeof told) == sizeof told && told.ssi_signo == SIGUSR1);
    close(fd);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        sigpending(&pending);
        show("pending in the child", &pending);
        sigprocmask(SIG_BLOCK, NULL, &pending);
        show("blocked in the child", &pending);
        fflush(stdout);
        _exit(0);
    }
    report("child", child);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("handled:");
    for (int i = 0; i < filled; i++)
        printf(" %d", order[i]);
    puts("");
    filled = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    sigsuspend(&old);
    printf("suspended: %d, %s\n", filled, strerror(errno));
    return 0;
}
