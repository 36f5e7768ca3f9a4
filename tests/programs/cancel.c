/* Cancelling threads in a blocking call, at a point, and anywhere. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

static int ends[2];
static sem_t ready;
static volatile int cleaned;
static volatile pid_t tid;

static void clean(void *unused)
{
    (void)unused;
    cleaned++;
}

static void *blocked(void *unused)
{
    char byte;
    pthread_cleanup_push(clean, NULL);
    tid = syscall(SYS_gettid);
    sem_post(&ready);
    (void)!read(ends[0], &byte, 1);
    pthread_cleanup_pop(0);
    return unused;
}

static void *spinning(void *unused)
{
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    sem_post(&ready);
    for (;;)
        __asm__ volatile("");
    return unused;
}

static void *calling(void *unused)
{
    sem_post(&ready);
    for (;;) {
        syscall(SYS_getppid);
        pthread_testcancel();
    }
    return unused;
}

int main(void)
{
    MUST(pipe(ends));
    sem_init(&ready, 0, 0);
    void *(*bodies[])(void *) = {blocked, spinning, calling};
    int cancelled = 0;
    for (int i = 0; i < 60; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, bodies[i % 3], NULL) == 0);
        sem_wait(&ready);
        /* Half of them in the call, the others on the way to it. */
        if (i % 6 == 3)
            await_state(getpid(), tid, 'S');
        CHECK(pthread_cancel(thread) == 0);
        void *result;
        CHECK(pthread_join(thread, &result) == 0);
        cancelled += result == PTHREAD_CANCELED;
    }
    printf("cancelled %d cleaned %d\n", cancelled, cleaned);
    return 0;
}
