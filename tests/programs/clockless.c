/* A program that has given up the processor's clock (PR_SET_TSC), and blocks the signal of who reads it. */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>

static void *nothing(void *unused)
{
    return unused;
}

int main(void)
{
    MUST(prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
    sigset_t all, before;
    sigfillset(&all);
    MUST(sigprocmask(SIG_BLOCK, &all, &before));
    printf("parent %d\n", getppid() != 0);
    MUST(sigprocmask(SIG_SETMASK, &before, NULL));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    int mode = 0;
    MUST(prctl(PR_GET_TSC, &mode));
    printf("given up %d\n", mode == PR_TSC_SIGSEGV);
    return 0;
}
