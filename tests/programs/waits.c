/* Handlers that interrupt a call with a mask of its own run with that mask, and the caller's comes
 * back after: two signals that the mask lets through are both handled before the call returns. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile int order[8], filled;
static sigset_t inside[8];

static void handler(int signal)
{
    int at = filled++;
    order[at] = signal;
    sigprocmask(SIG_BLOCK, NULL, &inside[at]);
}

static void show(const char *what, const sigset_t *set)
{
    printf(" %s", what);
    for (int i = 1; i < 64; i++)
        if (sigismember(set, i) == 1)
            printf(" %d", i);
}

static void attempt(const char *what, int how)
{
    sigset_t set, none, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigemptyset(&none);
    sigaddset(&none, SIGTERM);
    sigaddset(&none, SIGHUP);
    filled = 0;
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGTERM);
    struct timespec second = {.tv_sec = 1};
    struct epoll_event event;
    int result = 0, descriptor = -1;
    switch (how) {
    case 0: result = sigsuspend(&none); break;
    case 1: result = ppoll(NULL, 0, &second, &none); break;
    case 2: result = pselect(0, NULL, NULL, NULL, &second, &none); break;
    case 3:
        descriptor = epoll_create1(0);
        result = epoll_pwait(descriptor, &event, 1, 1000, &none);
        break;
    case 4:
        descriptor = epoll_create1(0);
        result = syscall(SYS_epoll_pwait2, descriptor, &event, 1, &second, &none, 8);
        break;
    }
    int error = errno;
    if (descriptor >= 0)
        close(descriptor);
    int during = filled;
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("%s: %d %s, handled %d:", what, result, strerror(error), during);
    for (int i = 0; i < during; i++) {
        printf(" %d", order[i]);
        show("in", &inside[i]);
    }
    show("after", &now);
    puts("");
    struct timespec zero = {0};
    while (sigtimedwait(&set, NULL, &zero) > 0)
        ;
}

int main(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    signal(SIGTERM, handler);
    attempt("sigsuspend", 0);
    attempt("ppoll", 1);
    attempt("pselect", 2);
    attempt("epoll_pwait", 3);
    attempt("epoll_pwait2", 4);
    /* A call that succeeds has put the caller's mask back before any handler. */
    sigset_t set, none;
    sigemptyset(&none);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    filled = 0;
    raise(SIGUSR1);
    int ends[2];
    MUST(pipe(ends));
    MUST(write(ends[1], "x", 1));
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    printf("ready: %d, handled %d\n", ppoll(&ready, 1, NULL, &none), filled);
    return 0;
}
