/* Four threads of a thousand calls each, then as many short ones as are asked for. */
#include "check.h"
#include "rawcall.h"
#include <pthread.h>

static long parent;
static __thread long own;

static void *calls(void *count)
{
    own = syscall(SYS_gettid);
    for (long i = 0; i < (long)count; i++)
        if (raw_getppid() != parent || own != syscall(SYS_gettid))
            return (void *)1;
    return NULL;
}

/* Ends the threads one after the other, so that every join has to wait and calls futex once. */
static void *calls_and_rest(void *number)
{
    void *wrong = calls((void *)1000);
    usleep(20000 * ((long)number + 1));
    return wrong;
}

int main(int argc, char **argv)
{
    parent = getppid();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, calls_and_rest, (void *)(long)i) == 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
    int rounds = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < rounds; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, calls, (void *)3) == 0);
        void *wrong;
        CHECK(pthread_join(thread, &wrong) == 0 && wrong == NULL);
    }
    puts("joined");
    return 0;
}
