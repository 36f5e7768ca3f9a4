// A process with eight busy threads and some that wait loads libvload.so in mid-run and has itself
// adopted. usage: adopt LIBRARY OPTIONS [deaf]; with LIBRARY "-" it stays as it is, for comparison;
// with "deaf" some threads block every signal.
//
// From then on each busy thread makes a number of calls, and asks the library how many were counted.
#include "check.h"
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUSY = 8, CALLS = 1000, FIRST = 900 };

static atomic_int started, adopted, deaf;
static atomic_ulong turns;
static int answers[2], late[2];
static long counted[BUSY + 2];
static volatile sig_atomic_t usr1, usr2;

static void on_usr1(int signal) { (void)signal; usr1++; }
static void on_usr2(int signal) { (void)signal; usr2++; }

static long (*calls)(int);

static void own_calls(int index) {
    int tid = gettid();
    long before = calls ? calls(tid) : 0;
    for (int i = 0; i < CALLS; i++) {
        if (syscall(FIRST + index) != -1 || errno != ENOSYS) {
            printf("call %d of thread %d is answered\n", i, index);
            exit(1);
        }
    }
    counted[index] = calls ? calls(tid) - before : CALLS;
}

static void *busy(void *argument) {
    int index = (int)(long)argument;
    // Threads with everything blocked, as signal threads of run-times have it, are threads too.
    if (deaf && index % 4 == 3) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    atomic_fetch_add(&started, 1);
    char bytes[64];
    while (!atomic_load(&adopted)) {
        switch (index % 4) {
        case 0: // nothing but computing
            for (volatile int i = 0; i < 1000; i++) {
            }
            break;
        case 1: // calls that return at once
            if (getppid() <= 0) {
                exit(1);
            }
            break;
        case 2: // memory: brk, mmap, locks
            free(malloc(1 << 20));
            break;
        case 3: // signals' calls
            raise(SIGWINCH);
            snprintf(bytes, sizeof bytes, "%d", index);
            break;
        }
        atomic_fetch_add(&turns, 1);
    }
    own_calls(index);
    return NULL;
}

static void *waits_in_poll(void *unused) {
    struct pollfd wait = {.fd = answers[0], .events = POLLIN};
    int ready = poll(&wait, 1, -1);
    printf("poll: %d %s\n", ready, ready < 0 ? strerror(errno) : "");
    return unused;
}

static void *waits_in_read(void *unused) {
    char byte;
    ssize_t length = read(late[0], &byte, 1);
    printf("read: %zd %s\n", length, length < 0 ? strerror(errno) : "");
    return unused;
}

static void *waits_for_signal(void *unused) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    int signal = 0;
    int error = sigwait(&set, &signal);
    printf("sigwait: %d, %d\n", error, signal - SIGRTMIN);
    return unused;
}

static void until_blocked(pthread_t thread, pid_t *tid, const char *what) {
    (void)thread;
    char path[64], line[256];
    for (;;) {
        if (*(volatile pid_t *)tid == 0) {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%d/syscall", *tid);
        FILE *file = fopen(path, "r");
        CHECK(file && fgets(line, sizeof line, file));
        fclose(file);
        if (strncmp(line, what, strlen(what)) == 0) {
            return;
        }
    }
}

struct waiter {
    void *(*body)(void *);
    const char *call;
    pthread_t thread;
    pid_t tid;
};

static void *named(void *argument) {
    struct waiter *waiter = argument;
    *(volatile pid_t *)&waiter->tid = gettid();
    return waiter->body(NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 3 || argc == 4);
    deaf = argc == 4;
    CHECK(pipe(answers) == 0 && pipe(late) == 0);
    struct sigaction action = {.sa_handler = on_usr1};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_handler = on_usr2;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    sigset_t rt;
    sigemptyset(&rt);
    sigaddset(&rt, SIGRTMIN);
    CHECK(pthread_sigmask(SIG_BLOCK, &rt, NULL) == 0);

    // "7" poll, "0" read, "128" rt_sigtimedwait.
    struct waiter waiters[] = {
        {.body = waits_in_poll, .call = "7 "},
        {.body = waits_in_read, .call = "0 "},
        {.body = waits_for_signal, .call = "128 "},
    };
    for (unsigned i = 0; i < 3; i++) {
        CHECK(pthread_create(&waiters[i].thread, NULL, named, &waiters[i]) == 0);
        until_blocked(waiters[i].thread, &waiters[i].tid, waiters[i].call);
    }
    pthread_t threads[BUSY];
    for (long i = 0; i < BUSY; i++) {
        CHECK(pthread_create(&threads[i], NULL, busy, (void *)i) == 0);
    }
    while (atomic_load(&started) < BUSY || atomic_load(&turns) < 100000) {
    }

    if (strcmp(argv[1], "-") != 0) {
        void *library = dlopen(argv[1], RTLD_NOW);
        if (!library) {
            printf("%s\n", dlerror());
            return 1;
        }
        int (*adopt)(const char *) = (int (*)(const char *))dlsym(library, "vload_adopt");
        CHECK(adopt);
        int result = adopt(argv[2]);
        if (result != 0) {
            printf("not adopted: %s\n", strerror(-result));
            return 1;
        }
        CHECK(adopt(argv[2]) == -EALREADY);
        calls = (long (*)(int))dlsym(library, "vload_calls");
        CHECK(calls && calls(getpid()) > 0);
    }
    atomic_store(&adopted, 1);
    for (int i = 0; i < BUSY; i++) {
        pthread_join(threads[i], NULL);
        printf("thread %d: %ld calls\n", i, counted[i]);
    }

    // Handlers and masks that were set before are what they were.
    struct sigaction before;
    CHECK(sigaction(SIGUSR1, NULL, &before) == 0 && before.sa_handler == on_usr1);
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGRTMIN));
    raise(SIGUSR1);
    // A signal finds a thread that has not made a call since: with SA_RESTART nobody notices.
    pthread_kill(waiters[1].thread, SIGUSR2);
    while (usr2 == 0) {
    }
    printf("handlers: %d %d\n", (int)usr1, (int)usr2);

    CHECK(write(answers[1], "x", 1) == 1);
    pthread_join(waiters[0].thread, NULL);
    CHECK(write(late[1], "y", 1) == 1);
    pthread_join(waiters[1].thread, NULL);
    pthread_kill(waiters[2].thread, SIGRTMIN);
    pthread_join(waiters[2].thread, NULL);

    // Threads, processes and programs that start afterwards.
    pthread_t last;
    CHECK(pthread_create(&last, NULL, busy, (void *)(long)BUSY) == 0);
    pthread_join(last, NULL);
    printf("a new thread: %ld calls\n", counted[BUSY]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        own_calls(BUSY + 1);
        printf("a child: %ld calls\n", counted[BUSY + 1]);
        fflush(stdout);
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    printf("child: %d\n", WEXITSTATUS(status));
    fflush(stdout);
    CHECK(system("echo program") == 0);
    return 0;
}
