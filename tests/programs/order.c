/* Queued signals with values arrive whole and in order, whatever call they interrupt. */
#include "check.h"
#include <pthread.h>

enum { COUNT = 5000 };
static volatile int last[65], wrong, altered, handled;
static pthread_t receiver;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    wrong += info->si_value.sival_int != last[signal] + 1;
    last[signal] = info->si_value.sival_int;
    altered += info->si_code != SI_QUEUE || info->si_pid != getpid() || info->si_signo != signal;
    handled++;
}

static void *sender(void *unused)
{
    for (int i = 1; i <= COUNT; i++) {
        union sigval value = {.sival_int = i};
        while (pthread_sigqueue(receiver, SIGRTMIN, value) != 0)
            sched_yield();
        while (pthread_sigqueue(receiver, SIGRTMIN + 3, value) != 0)
            sched_yield();
        while (sigqueue(getpid(), SIGRTMIN + 5, value) != 0)
            sched_yield();
    }
    return unused;
}

int main(void)
{
    receiver = pthread_self();
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGRTMIN + 3, &action, NULL);
    sigaction(SIGRTMIN + 5, &action, NULL);
    sigset_t one, all, old;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 5);
    sigfillset(&all);
    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, &all, &old);
    CHECK(pthread_create(&thread, NULL, sender, NULL) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    while (handled < 3 * COUNT) {
        sigset_t before;
        struct sigaction current;
        close(-1);
        getppid();
        dup2(-1, 5);
        sigprocmask(SIG_BLOCK, &one, &before);
        CHECK(!sigismember(&before, SIGRTMIN + 5));
        sigprocmask(SIG_SETMASK, &before, NULL);
        sigaction(SIGUSR1, NULL, &current);
    }
    pthread_join(thread, NULL);
    printf("handled %d, wrong %d, altered %d\n", handled, wrong, altered);
    return 0;
}
