// A process in which more is executable than the text of files has itself adopted in mid-run.
// usage: adopt-made LIBRARY OPTIONS; with LIBRARY "-" it stays as it is, for comparison.
//
// Eight threads, each at something else, make calls from generated code as soon as that is done, or
// by the C library, and ask how many were counted. A function of the C library's is another one since
// before.
#include "check.h"
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THREADS = 8, CALLS = 1000, FIRST = 900 };

static atomic_int started, adopted, tids[THREADS];
static int woken[2], answers[2];
static long counted[THREADS];
static long (*calls)(int);
static long (*generated)(long number, ...);

/* Each call is counted, whichever code makes it. */
static void make_calls(int index, int by_library)
{
    int tid = tids[index];
    long before = calls != NULL ? calls(tid) : 0;
    for (int i = 0; i < CALLS; i++) {
        long result = by_library ? syscall(FIRST + index) : generated(FIRST + index);
        CHECK(by_library ? result == -1 && errno == ENOSYS : result == -ENOSYS);
    }
    counted[index] = calls != NULL ? calls(tid) - before : CALLS;
}

static void handler(int signal)
{
    (void)signal;
    while (!adopted)
        generated(SYS_getppid);
    make_calls(4, 0);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
}

static void *thread(void *argument)
{
    int index = (int)(long)argument, by_library = 0;
    tids[index] = gettid();
    started++;
    switch (index) {
    case 0: // computes
        while (!adopted) {
        }
        break;
    case 1: // the C library's calls
        by_library = 1;
        while (!adopted)
            getuid();
        break;
    case 2: // calls of generated code
        while (!adopted)
            generated(SYS_getppid);
        break;
    case 3: { // asleep in a call of generated code, which no kernel makes again after a signal
        struct pollfd wait = {.fd = woken[0], .events = POLLIN};
        CHECK(generated(SYS_poll, &wait, 1L, -1L) == 1);
        break;
    }
    case 4: // in a handler
        raise(SIGUSR1);
        return NULL;
    case 5: { // waits for the child of its vfork
        pid_t child = vfork();
        if (child == 0) {
            char byte;
            read(answers[0], &byte, 1);
            _exit(3);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
        break;
    }
    case 6: // computes, and no signal reaches it
        block_all();
        while (!adopted) {
        }
        break;
    case 7: // calls, and no signal reaches it
        by_library = 1;
        block_all();
        while (!adopted)
            getuid();
        break;
    }
    make_calls(index, by_library);
    return NULL;
}

static void until_blocked(int index, const char *call)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tids[index]);
    while (strncmp(line, call, strlen(call)) != 0) {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL && fgets(line, sizeof line, file) != NULL);
        fclose(file);
    }
}

/* getppid becomes `mov $42, %eax; ret`. */
static void change_library(void)
{
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    char *page = (char *)((uintptr_t)getppid & -4096);
    MUST(mprotect(page, 2 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    memcpy((void *)getppid, code, sizeof code);
    MUST(mprotect(page, 2 * 4096, PROT_READ | PROT_EXEC));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    /* mov %edi, %eax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; syscall; ret */
    static const unsigned char code[] = {0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6,
                                         0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
    void *memory = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, code, sizeof code);
    MUST(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    generated = memory;
    change_library();
    MUST(pipe(woken));
    MUST(pipe(answers));
    CHECK(signal(SIGUSR1, handler) != SIG_ERR);
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, thread, (void *)i) == 0);
    while (started < THREADS) {
    }
    until_blocked(3, "7 "); // poll
    until_blocked(5, "58 "); // vfork

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    if (strcmp(argv[1], "-") != 0) {
        void *library = dlopen(argv[1], RTLD_NOW);
        CHECK(library != NULL);
        int (*adopt)(const char *) = (int (*)(const char *))dlsym(library, "vload_adopt");
        int result = adopt(argv[2]);
        CHECK(result == 0);
        calls = (long (*)(int))dlsym(library, "vload_calls");
    }
    adopted = 1;
    CHECK(write(woken[1], "x", 1) == 1);
    CHECK(write(answers[1], "x", 1) == 1);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        printf("thread %d: %ld calls\n", i, counted[i]);
    }
    printf("changed: %d\n", getppid());
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
    printf("SIGSYS is blocked: %d\n", sigismember(&set, SIGSYS));
    raise(SIGSYS);
    CHECK(sigpending(&set) == 0);
    printf("it waits: %d\n", sigismember(&set, SIGSYS));
    return 0;
}
