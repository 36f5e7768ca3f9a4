/* A process is killed while one thread of it sleeps until its child executes or ends (CLONE_VFORK, with a memory of its
 * own), and holds a robust mutex that others share; another thread has started a process meanwhile. Who takes the mutex
 * next hears of the end of its owner. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

static pthread_mutex_t *mutex;
static int asleep[2], ready[2];

static void *sleeper(void *unused)
{
    CHECK(pthread_mutex_lock(mutex) == 0);
    long child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        /* It ends with who would read what it says. */
        MUST(write(asleep[1], "", 1));
        for (;;)
            pause();
    }
    printf("awake: %ld\n", child);
    return unused;
}

static void start_others(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sleeper, NULL) == 0);
    char byte;
    MUST(read(asleep[0], &byte, 1));
    for (int i = 0; i < 3; i++) {
        pid_t child = MUST(fork());
        if (child == 0)
            _exit(i);
        report("meanwhile", child);
    }
    MUST(write(ready[1], "", 1));
    for (;;)
        pause();
}

int main(void)
{
    mutex = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_mutex_init(mutex, &kind) == 0);
    MUST(pipe(asleep));
    MUST(pipe(ready));
    pid_t child = MUST(fork());
    if (child == 0) {
        CHECK(setpgid(0, 0) == 0);
        start_others();
    }
    char byte;
    MUST(read(ready[0], &byte, 1));
    printf("before: %s\n", strerror(pthread_mutex_trylock(mutex)));
    kill(-child, SIGKILL);
    report("killed", child);
    printf("behind: %s\n", strerror(pthread_mutex_trylock(mutex)));
    return 0;
}
