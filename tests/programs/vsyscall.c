/* The functions of the [vsyscall] page, called as C libraries of before 2012 did. With LOOSE the
   address goes through memory first, with TABLE it lies in data. */
#include "check.h"
#include <sys/time.h>
#include <time.h>

#ifdef TABLE
#define KIND static
#else
#define KIND
#endif
#if defined LOOSE || defined TABLE
#define POINTER volatile
#else
#define POINTER
#endif

static void handler(int signal)
{
    (void)signal;
}

int main(void)
{
    struct timeval day;
    time_t second;
    unsigned cpu;
    KIND int (*POINTER timeofday)(struct timeval *, void *) = (void *)0xffffffffff600000;
    KIND time_t (*POINTER seconds)(time_t *) = (void *)0xffffffffff600400;
    KIND long (*POINTER getcpu)(unsigned *, unsigned *, void *) = (void *)0xffffffffff600800;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 5000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    MUST(setitimer(ITIMER_REAL, &often, NULL));
    for (int i = 0; i < 1000; i++) {
        CHECK(timeofday(&day, NULL) == 0);
        CHECK(seconds(&second) == second);
        CHECK(labs((long)second - (long)day.tv_sec) <= 1);
        CHECK(getcpu(&cpu, NULL, NULL) == 0 && cpu < 100000);
    }
    MUST(setitimer(ITIMER_REAL, &off, NULL));
    /* The same constants, loaded for something else. */
    volatile uintptr_t some = (uintptr_t)&day;
    printf("%d\n", some >= 0xffffffffff600000);
    return 0;
}
