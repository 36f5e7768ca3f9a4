/* Leaving a handler by siglongjmp, out of blocking calls and out of running code. */
#include "check.h"
#include <setjmp.h>
#include <sys/time.h>

static sigjmp_buf back;
static int ends[2];

static void handler(int signal) { siglongjmp(back, signal); }

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGALRM, &action, NULL));
    MUST(sigaction(SIGSEGV, &action, NULL));
    MUST(pipe(ends));
    struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    volatile int reads = 0, loops = 0, faults = 0;
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(back, 1) == 0) {
            setitimer(ITIMER_REAL, &soon, NULL);
            char byte;
            (void)!read(ends[0], &byte, 1);
            puts("read returned");
        } else {
            reads++;
        }
    }
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(back, 1) == 0) {
            setitimer(ITIMER_REAL, &soon, NULL);
            for (;;)
                syscall(SYS_getppid);
        } else {
            loops++;
        }
    }
    for (volatile int i = 0; i < 50; i++) {
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)8 = 1;
        else
            faults++;
    }
    printf("reads %d loops %d faults %d\n", reads, loops, faults);
    return 0;
}
