/* mlockall(2) in a process with many threads, whose stacks are of the program's own memory: all of it is there then. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

#define THREADS 100
#define STACK (64 * 1024UL)
#define PAGE 4096UL

static pthread_barrier_t begun, over;

static void *wait_there(void *arg)
{
    pthread_barrier_wait(&begun);
    pthread_barrier_wait(&over);
    return arg;
}

int main(void)
{
    static char *stacks[THREADS];
    static pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&begun, NULL, THREADS + 1) == 0);
    CHECK(pthread_barrier_init(&over, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++) {
        stacks[i] = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(stacks[i] != MAP_FAILED);
        pthread_attr_t own;
        CHECK(pthread_attr_init(&own) == 0 && pthread_attr_setstack(&own, stacks[i], STACK) == 0);
        CHECK(pthread_create(&threads[i], &own, wait_there, NULL) == 0);
    }
    pthread_barrier_wait(&begun);
    int result = mlockall(MCL_CURRENT);
    printf("locked: %s\n", result == 0 ? "yes" : strerror(errno));
    int there = 0;
    for (int i = 0; result == 0 && i < THREADS; i++) {
        unsigned char pages[STACK / PAGE];
        MUST(mincore(stacks[i], STACK, pages));
        for (unsigned page = 0; page < sizeof pages; page++)
            there += pages[page] & 1;
    }
    printf("there: %d\n", there);
    pthread_barrier_wait(&over);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
