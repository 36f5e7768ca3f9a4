/* Waits in a function that a signal's handler has called, for a debugger to look at. The line that
 * it writes says that it is there. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef ROOM
/* Read-only data, which lies between the program headers and the dynamic section. */
const char room[ROOM] = {1};
#endif

__attribute__((noinline)) static void inner(void)
{
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    puts("waiting");
    fflush(stdout);
    for (;;)
        pause();
}

static void handler(int signal)
{
    if (signal == SIGUSR1)
        inner();
}

__attribute__((noinline)) static int outer(void)
{
    return raise(SIGUSR1);
}

int main(void)
{
    signal(SIGUSR1, handler);
    return outer();
}
