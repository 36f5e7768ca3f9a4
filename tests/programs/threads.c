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

static int ended[2];

static void *calls_and_say(void *unused)
{
    void *wrong = calls((void *)1000);
    CHECK(write(ended[1], "", 1) == 1);
    return wrong;
}

/* pthread_join makes a call if the thread has not ended, and none if it has. This always makes one
   call, and then none: what is left of the thread by then is waited for without the kernel. */
static void *join(pthread_t thread)
{
    char byte;
    void *wrong;
    CHECK(read(ended[0], &byte, 1) == 1);
    while (pthread_tryjoin_np(thread, &wrong) == EBUSY)
        ;
    return wrong;
}

int main(int argc, char **argv)
{
    parent = getppid();
    MUST(pipe(ended));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, calls_and_say, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(join(threads[i]) == NULL);
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
