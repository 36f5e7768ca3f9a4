/* What the vDSO serves. */
#include "check.h"
#include <sched.h>
#include <sys/time.h>
#include <time.h>

int main(void)
{
    struct timespec before, now;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int backwards = 0;
    for (int i = 0; i < 10000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        backwards += now.tv_sec < before.tv_sec ||
                     (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec);
        before = now;
    }
    printf("backwards %d\n", backwards);
    struct timeval day;
    CHECK(gettimeofday(&day, NULL) == 0);
    CHECK(labs(time(NULL) - day.tv_sec) <= 1);
    struct timespec raw;
    CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw) == 0);
    CHECK(labs((long)raw.tv_sec - (long)day.tv_sec) <= 1);
    unsigned cpu;
    CHECK(getcpu(&cpu, NULL) == 0);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    CHECK(clock_getres(CLOCK_MONOTONIC, &now) == 0 && now.tv_nsec == 1);
    return 0;
}
