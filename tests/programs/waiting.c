/* Threads that wait, each in another call, for a debugger to look at. The line that it writes says that they do. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

static int ends[2];

/* Whether a thread sleeps in the kernel (proc_pid_stat(5)). */
static int sleeps(int tid)
{
    char name[64], text[256] = "";
    snprintf(name, sizeof name, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(name, "r");
    CHECK(file != NULL);
    CHECK(fgets(text, sizeof text, file) != NULL);
    fclose(file);
    char *behind = strrchr(text, ')');
    return behind != NULL && behind[2] == 'S';
}

static volatile int tids[3];

static void *reader(void *unused)
{
    char byte;
    tids[0] = gettid();
    CHECK(read(ends[0], &byte, 1) == 1);
    return unused;
}

static void *sleeper(void *unused)
{
    struct timespec time = {1000, 0};
    tids[1] = gettid();
    nanosleep(&time, NULL);
    return unused;
}

static void *poller(void *unused)
{
    struct pollfd poller = {ends[0], POLLIN, 0};
    tids[2] = gettid();
    poll(&poller, 1, 1000000);
    return unused;
}

int main(void)
{
    void *(*const waits[])(void *) = {reader, sleeper, poller};
    pthread_t threads[3];
    alarm(150);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    MUST(pipe(ends));
    for (int index = 0; index < 3; index++)
        CHECK(pthread_create(&threads[index], NULL, waits[index], NULL) == 0);
    for (int index = 0; index < 3; index++)
        while (tids[index] == 0 || !sleeps(tids[index]))
            sched_yield();
    puts("waiting");
    fflush(stdout);
    pthread_join(threads[0], NULL);
    return 0;
}
