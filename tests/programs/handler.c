/* System calls made in a signal handler. */
#include "check.h"
#include "rawcall.h"

static volatile int handled;
static long parent;

static void handler(int signal)
{
    (void)signal;
    if (raw_getppid() == parent && syscall(SYS_getpid) == getpid())
        handled++;
}

int main(void)
{
    parent = getppid();
    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &action, NULL));
    for (int i = 0; i < 20; i++)
        MUST(raise(SIGUSR1));
    printf("handled: %d\n", handled);
    return 0;
}
