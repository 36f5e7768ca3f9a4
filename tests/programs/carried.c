/* Signals that wait, blocked, for a process that executes a program: that finds them waiting. */
#include "check.h"

static const int SENT[] = {SIGUSR1, SIGTRAP, SIGSYS, SIGSEGV, SIGFPE};

static void show(void)
{
    sigset_t pending, blocked;
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int i = 1; i <= 31; i++)
        if (sigismember(&pending, i) == 1)
            printf("%d waits, blocked: %d\n", i, sigismember(&blocked, i));
    struct timespec none = {0};
    siginfo_t info;
    for (unsigned i = 0; i < sizeof SENT / sizeof *SENT; i++) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SENT[i]);
        while (sigtimedwait(&one, &info, &none) > 0)
            printf("%d: code %d, from us: %d\n", info.si_signo, info.si_code,
                   info.si_pid == getpid());
    }
}

/* `thread PROGRAM...` sends to the thread, any other word to the process. */
int main(int argc, char **argv)
{
    if (argc < 3) {
        show();
        return 0;
    }
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof SENT / sizeof *SENT; i++)
        sigaddset(&set, SENT[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (unsigned i = 0; i < sizeof SENT / sizeof *SENT; i++)
        CHECK((strcmp(argv[1], "thread") ? kill(getpid(), SENT[i]) : raise(SENT[i])) == 0);
    /* One that fails loses nothing. */
    CHECK(execv("no such program", argv) == -1 && errno == ENOENT);
    fflush(stdout);
    execv(argv[2], argv + 2);
    return 98;
}
