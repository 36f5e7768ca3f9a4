/* Threads that nobody waits for: each ends by giving back the stack that it stands on (musl's __unmapself makes its last
   two calls without one). */
#include "check.h"
#include <limits.h>
#include <pthread.h>

enum { THREADS = 2000, AT_ONCE = 20 };

static int done[2];

static void *runs(void *number)
{
    char byte = (char)(uintptr_t)number;
    MUST(write(done[1], &byte, 1));
    return NULL;
}

int main(void)
{
    pthread_attr_t small;
    long sum = 0;
    MUST(pipe(done));
    CHECK(pthread_attr_init(&small) == 0);
    CHECK(pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN) == 0);
    for (int first = 0; first < THREADS; first += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++) {
            pthread_t thread;
            CHECK(pthread_create(&thread, i % 2 ? &small : NULL, runs, (void *)(uintptr_t)i) == 0);
            if (i % 2 == 0)
                CHECK(pthread_detach(thread) == 0);
        }
        for (int i = 0; i < AT_ONCE; i++) {
            char byte;
            MUST(read(done[0], &byte, 1));
            sum += byte;
        }
    }
    printf("%ld\n", sum);
    return 0;
}
