/* Processes that start while another thread sets a handler: what each believes of it is what happens. */
#include "check.h"
#include <pthread.h>
#include <ucontext.h>

static volatile int ended, ran, within;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    within = sigismember(&mask, SIGUSR2) && sigismember(&mask, SIGHUP);
    ran += signal;
}

static void *changes(void *argument)
{
    struct sigaction handled = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaddset(&handled.sa_mask, SIGUSR2);
    sigaddset(&handled.sa_mask, SIGHUP);
    struct sigaction ignored = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL};
    while (!ended) {
        sigaction(SIGURG, &handled, NULL);
        sigaction(SIGURG, &ignored, NULL);
        sigaction(SIGURG, &plain, NULL);
    }
    return argument;
}

/* In the child: whether a signal does what its action says, which is one of the three. */
static int look(void)
{
    struct sigaction now;
    ran = within = 0;
    if (sigaction(SIGURG, NULL, &now) != 0)
        return 2;
    kill((pid_t)syscall(SYS_getpid), SIGURG);
    if (!(now.sa_flags & SA_SIGINFO))
        return (now.sa_handler != SIG_IGN && now.sa_handler != SIG_DFL) || ran != 0 ? 3 : 0;
    int whole = now.sa_sigaction == handler && now.sa_flags & SA_NODEFER &&
                sigismember(&now.sa_mask, SIGUSR2) && sigismember(&now.sa_mask, SIGHUP);
    return !whole ? 4 : ran != SIGURG ? 5 : !within ? 6 : 0;
}

int main(int argc, char **argv)
{
    static int rounds, wrong[2], shares;
    rounds = argc > 1 ? atoi(argv[1]) : 500;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, changes, NULL) == 0);
    for (int round = 0; round < rounds; round++) {
        int status;
        shares = round & 1;
        pid_t child = shares ? vfork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            _exit(look());
        MUST(child);
        MUST(waitpid(child, &status, 0));
        if (status != 0 && wrong[shares]++ == 0)
            printf("%s: status %x\n", shares ? "vfork" : "fork", status);
    }
    ended = 1;
    pthread_join(thread, NULL);
    printf("fork: %d wrong, vfork: %d wrong\n", wrong[0], wrong[1]);
    return 0;
}
