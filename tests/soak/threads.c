/* Threads, libraries, mappings. */
#include "soak.h"
#include <dlfcn.h>

struct thread {
    pthread_t id;
    atomic_int arrived, go_on, ready;
    int next, disorder;
    unsigned long sum;
};

static __thread struct thread *own;

static void numbered(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (!own || info->si_value.sival_int != own->next++)
        finding("a signal of another thread, or out of order: %d", info->si_value.sival_int);
    own->arrived++;
}

static void *run(void *argument)
{
    own = argument;
    own->ready = 1;
    for (int i = 0; own->go_on || i < 50; i++) {
        own->sum += i;
        MUST(close(-1) == -1 && errno == EBADF);
        sched_yield();
    }
    shared->threads++;
    return own;
}

/* Each thread gets its own numbered signals, all of them and in order. */
void do_threads(void)
{
    static struct thread threads[8];
    struct sigaction action = {.sa_sigaction = numbered, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
    int count = between(1, 8), sent[8] = {0};
    sigaction(SIGRTMIN + 5, &action, &old);
    for (int i = 0; i < count; i++) {
        memset(&threads[i], 0, sizeof threads[i]);
        threads[i].go_on = 1;
        MUST(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0);
    }
    for (int i = 0; i < count; i++)
        while (!threads[i].ready)
            sched_yield();
    for (int i = between(0, 300); i-- > 0;) {
        int to = rng() % count;
        union sigval value = {.sival_int = sent[to]};
        int error;
        while ((error = pthread_sigqueue(threads[to].id, SIGRTMIN + 5, value)) == EAGAIN)
            sched_yield();
        MUST(error == 0);
        sent[to]++;
    }
    for (int i = 0; i < count; i++) {
        void *result;
        for (double end = now() + 30; threads[i].arrived < sent[i] && now() < end;)
            sched_yield();
        threads[i].go_on = 0;
        MUST(pthread_join(threads[i].id, &result) == 0 && result == &threads[i]);
        if (threads[i].arrived != sent[i])
            finding("%d of %d signals have arrived at a thread", threads[i].arrived, sent[i]);
        shared->signals += sent[i];
    }
    sigaction(SIGRTMIN + 5, &old, NULL);
}

static atomic_int ended, all_there;

static void *detached(void *argument)
{
    while (!all_there)
        sched_yield();
    calls(5);
    shared->threads++;
    ended++;
    return argument;
}

/* Threads that nobody waits for; when the kernel lists them no more, they are gone. */
void do_detached(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 32768);
    int count = warming ? 40 : between(1, 40);
    ended = all_there = 0;
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        MUST(pthread_create(&thread, &attributes, detached, NULL) == 0);
    }
    all_there = 1;
    while (ended < count)
        sched_yield();
    pthread_attr_destroy(&attributes);
    for (double end = now() + 30;; sched_yield()) {
        char tasks[64];
        FILE *status = fopen("/proc/self/status", "r");
        MUST(status);
        int threads = 0;
        while (fgets(tasks, sizeof tasks, status))
            sscanf(tasks, "Threads: %d", &threads);
        fclose(status);
        if (threads == 1)
            return;
        MUST(now() < end);
    }
}

static void *library(void *argument)
{
    static const char *const names[] = {"libresolv.so.2", "libanl.so.1", "libutil.so.1", "libBrokenLocale.so.1",
                                        "libnss_compat.so.2"};
    for (int i = 0; i < 5; i++) {
        const char *name = names[(i + (uintptr_t)argument) % 5];
        void *handle = dlopen(name, i % 2 ? RTLD_NOW : RTLD_LAZY);
        if (!handle)
            finding("dlopen: %s", dlerror());
        MUST(dlclose(handle) == 0);
    }
    shared->threads++;
    return NULL;
}

/* Libraries come and go in several threads at a time. */
void do_dlopen(void)
{
    pthread_t threads[3];
    int count = between(1, 3);
    for (int i = 0; i < count; i++)
        MUST(pthread_create(&threads[i], NULL, library, (void *)(uintptr_t)(rng() % 5)) == 0);
    for (int i = 0; i < count; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
}

/* Memory is what was asked for, and executable text of a file is the file's. */
void do_mappings(void)
{
    for (int i = between(1, 20); i-- > 0;) {
        size_t pages = between(1, 16);
        char *start = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(start != MAP_FAILED && start[0] == 0 && start[pages * 4096 - 1] == 0);
        start[0] = 1;
        char *middle = start + 4096 * (pages / 2);
        void *again = mmap(middle, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        MUST(again == middle && *middle == 0);
        MUST(mprotect(start, 4096, PROT_READ) == 0);
        MUST(munmap(start, pages * 4096) == 0);
    }
    int file = open(self, O_RDONLY | O_CLOEXEC);
    MUST(file >= 0);
    char *text = mmap(NULL, 16384, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    MUST(text != MAP_FAILED && memcmp(text, "\177ELF", 4) == 0);
    MUST(munmap(text, 16384) == 0);
    close(file);
}
