/* Threads of a process that loses its /proc, and makes code then: all of them execute it, whatever they were doing. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>

enum { CALLS = 100 };

/* mov $SYS_getppid, %eax; syscall; ret */
static const unsigned char body[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
static _Atomic(long (*)(void)) code;
static atomic_int computing, over;
static int to_sleeper[2], to_woken[2], to_greedy[2];
static pid_t parent;

/* Executes the code when it is there, with no other call before. */
static void *execute(void)
{
    long (*generated)(void);
    long wrong = 0;
    atomic_fetch_add(&computing, 1);
    while (!(generated = atomic_load(&code)))
        ;
    for (int i = 0; i < CALLS; i++)
        wrong += generated() != parent;
    return (void *)wrong;
}

/* Is in a call that is never restarted all the time. */
static void *sleeper(void *none)
{
    int set = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(set, EPOLL_CTL_ADD, to_sleeper[0], &event));
    CHECK(epoll_wait(set, &event, 1, -1) == 1);
    (void)none;
    return execute();
}

/* Is in such a call when /proc goes, and computes when the code is made. */
static void *woken(void *none)
{
    int set = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(set, EPOLL_CTL_ADD, to_woken[0], &event));
    CHECK(epoll_wait(set, &event, 1, -1) == 1);
    (void)none;
    return execute();
}

/* Computes, and is ready to, but hardly does, when the code is made. */
static void *ready(void *none)
{
    (void)none;
    return execute();
}

/* Takes the processor from the thread that is ready. */
static void *greedy(void *none)
{
    char byte;
    CHECK(read(to_greedy[0], &byte, 1) == 1);
    while (!atomic_load(&over))
        ;
    return none;
}

static void until_it_sleeps(const atomic_int *thread)
{
    char path[64], text[16] = "running";
    while (!strncmp(text, "running", 7)) {
        snprintf(path, sizeof path, "/proc/self/task/%d/syscall", atomic_load(thread));
        int file = open(path, O_RDONLY);
        if (file < 0)
            return;
        CHECK(read(file, text, sizeof text) > 0);
        close(file);
    }
}

static atomic_int ids[4];
static void *(*const bodies[])(void *) = {sleeper, woken, ready, greedy};
static void *body_of(void *index)
{
    atomic_store(&ids[(long)index], gettid());
    return bodies[(long)index](NULL);
}

int main(int count, char **words)
{
    pthread_t threads[4];
    cpu_set_t all, one;
    parent = getppid();
    MUST(pipe(to_sleeper));
    MUST(pipe(to_woken));
    MUST(pipe(to_greedy));
    /* Where the thread that is ready and the greedy one are to meet. */
    MUST(sched_getaffinity(0, sizeof all, &all));
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    for (long i = 0; i < 4; i++)
        MUST(-pthread_create(&threads[i], NULL, body_of, (void *)i));
    for (int i = 0; i < 4; i++)
        while (!atomic_load(&ids[i]))
            ;
    until_it_sleeps(&ids[0]);
    until_it_sleeps(&ids[1]);
    while (!atomic_load(&computing))
        ;
    if (count > 1 && !strcmp(words[1], "fails"))
        CHECK(syscall(SYS_pivot_root, "no such folder", ".") == -1 && errno == ENOENT);
    MUST(chroot("."));
    MUST((int)write(to_woken[1], "x", 1));
    while (atomic_load(&computing) < 2)
        ;
    struct sched_param none = {0};
    MUST(sched_setaffinity(ids[2], sizeof one, &one));
    MUST(sched_setaffinity(ids[3], sizeof one, &one));
    MUST(sched_setscheduler(ids[2], SCHED_IDLE, &none));
    MUST((int)write(to_greedy[1], "x", 1));
    void *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(made, body, sizeof body);
    MUST(mprotect(made, 4096, PROT_READ | PROT_EXEC));
    atomic_store(&code, made);
    atomic_store(&over, 1);
    MUST(sched_setscheduler(ids[2], SCHED_OTHER, &none));
    MUST(sched_setaffinity(ids[2], sizeof all, &all));
    MUST((int)write(to_sleeper[1], "x", 1));
    for (int i = 0; i < 4; i++) {
        void *wrong;
        MUST(-pthread_join(threads[i], &wrong));
        printf("thread %d: %ld wrong\n", i, (long)wrong);
    }
    return 0;
}
