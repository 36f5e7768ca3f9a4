/* Threads ask for names in /proc while no descriptor is free; another sets the limit meanwhile. It is as it was set. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void *look(void *arg)
{
    struct stat stat_;
    for (int turn = 0; turn < 4000; turn++)
        CHECK(stat("/proc/self/fd", &stat_) == 0);
    return arg;
}

static void *set(void *arg)
{
    for (int turn = 0; turn < 4000; turn++) {
        struct rlimit limit;
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        limit.rlim_cur = 32;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
    return arg;
}

int main(void)
{
    set(NULL);
    int count = 0;
    while (open("/dev/null", O_RDONLY) >= 0)
        count++;
    for (int setting = 0; setting < 2; setting++) {
        pthread_t threads[4];
        for (int at = 0; at < 4; at++)
            CHECK(pthread_create(&threads[at], NULL, setting && at == 0 ? set : look, NULL) == 0);
        for (int at = 0; at < 4; at++)
            CHECK(pthread_join(threads[at], NULL) == 0);
        struct rlimit limit;
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        int more = 0;
        while (open("/dev/null", O_RDONLY) >= 0)
            more++;
        printf("soft %ld, %d more\n", (long)limit.rlim_cur, more);
    }
    return 0;
}
