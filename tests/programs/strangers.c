/* Threads that sleep since before their process is adopted, in calls that a signal ends and in others. Then code
 * is generated for the first time, and each runs it as soon as its call returns, or after it has computed for a
 * while. usage: strangers LIBRARY OPTIONS; with LIBRARY "-" the process stays as it is. */
#include "check.h"
#include <dlfcn.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { CALLS = 100 };
static long (*_Atomic code)(void);
static long (*counted)(int);

/* What a thread waits in, and what ends it. */
struct waiter {
    const char *name;
    long (*wait)(struct waiter *);
    void (*wake)(struct waiter *);
    int computes;
    pthread_t thread;
    _Atomic pid_t tid;
    int ends[2];
    int word;
    _Atomic int returned;
};

static const struct timespec hour = {.tv_sec = 3600};

static void write_byte(struct waiter *waiter) { MUST(write(waiter->ends[1], "x", 1)); }
static void wake_futex(struct waiter *waiter)
{
    MUST(syscall(SYS_futex, &waiter->word, FUTEX_WAKE, 1, NULL, NULL, 0));
}
static void wake_signal(struct waiter *waiter)
{
    MUST(syscall(SYS_tgkill, getpid(), waiter->tid, waiter->word));
}
static void wake_semop(struct waiter *waiter)
{
    MUST(semop(waiter->word, &(struct sembuf){.sem_op = 1}, 1));
    semctl(waiter->word, 0, IPC_RMID);
}
static void wake_queue(struct waiter *waiter)
{
    MUST(msgsnd(waiter->word, &(struct { long type; char text[8]; }){1, "x"}, 8, 0));
}
static void nothing(struct waiter *waiter) { (void)waiter; }

static long reads(struct waiter *waiter)
{
    char byte;
    return read(waiter->ends[0], &byte, 1);
}
static long receives(struct waiter *waiter)
{
    char byte;
    struct timeval time = {.tv_sec = 3600};
    MUST(setsockopt(waiter->ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
    return recv(waiter->ends[0], &byte, 1, 0);
}
static long polls(struct waiter *waiter)
{
    return poll(&(struct pollfd){.fd = waiter->ends[0], .events = POLLIN}, 1, -1);
}
static long polls_long(struct waiter *waiter)
{
    return poll(&(struct pollfd){.fd = waiter->ends[0], .events = POLLIN}, 1, 3600000);
}
static long ppolls(struct waiter *waiter)
{
    return ppoll(&(struct pollfd){.fd = waiter->ends[0], .events = POLLIN}, 1, &hour, NULL);
}
static long selects(struct waiter *waiter)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(waiter->ends[0], &set);
    return select(waiter->ends[0] + 1, &set, NULL, NULL, &(struct timeval){.tv_sec = 3600});
}
static long epolls(struct waiter *waiter)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = MUST(epoll_create1(0));
    MUST(epoll_ctl(fd, EPOLL_CTL_ADD, waiter->ends[0], &event));
    return epoll_wait(fd, &event, 1, -1);
}
static long futex(struct waiter *waiter)
{
    return syscall(SYS_futex, &waiter->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}
static long futex_long(struct waiter *waiter)
{
    return syscall(SYS_futex, &waiter->word, FUTEX_WAIT, 0, &hour, NULL, 0);
}
static long sleeps(struct waiter *waiter)
{
    (void)waiter;
    return nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}
static long sigwaits(struct waiter *waiter)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, waiter->word);
    return sigwaitinfo(&set, NULL) == waiter->word;
}
/* All but SIGFPE and what the C library keeps for itself. */
static long sigwaits_all(struct waiter *waiter)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGFPE);
    return sigwaitinfo(&set, NULL) == waiter->word;
}
static long pauses(struct waiter *waiter)
{
    (void)waiter;
    return pause();
}
static long suspends(struct waiter *waiter)
{
    (void)waiter;
    sigset_t none;
    sigemptyset(&none);
    return sigsuspend(&none);
}
static long semops(struct waiter *waiter)
{
    return semop(waiter->word, &(struct sembuf){.sem_op = -1}, 1);
}
static long msgrcvs(struct waiter *waiter)
{
    struct { long type; char text[8]; } message;
    long result = msgrcv(waiter->word, &message, sizeof message.text, 0, 0);
    msgctl(waiter->word, IPC_RMID, NULL);
    return result;
}
static long accepts(struct waiter *waiter)
{
    return accept(waiter->word, NULL, NULL) >= 0;
}
static void connects(struct waiter *waiter)
{
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    MUST(getsockname(waiter->word, (struct sockaddr *)&name, &length));
    MUST(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, length));
}

static struct waiter waiters[] = {
    {"read", reads, write_byte},
    {"read, then computes", reads, write_byte, 1},
    {"recv", receives, write_byte},
    {"poll", polls, write_byte},
    {"poll with a time", polls_long, write_byte},
    {"ppoll", ppolls, write_byte},
    {"select", selects, write_byte},
    {"epoll_wait", epolls, write_byte},
    {"futex", futex, wake_futex},
    {"futex with a time", futex_long, wake_futex},
    {"nanosleep", sleeps, nothing},
    {"sigwaitinfo", sigwaits, wake_signal},
    {"sigwaitinfo of all", sigwaits_all, wake_signal},
    {"pause", pauses, wake_signal},
    {"sigsuspend", suspends, wake_signal},
    {"semop", semops, wake_semop},
    {"msgrcv", msgrcvs, wake_queue},
    {"accept", accepts, connects},
};
enum { WAITERS = sizeof waiters / sizeof *waiters };
static char said[WAITERS][128];

static void handler(int signal) { (void)signal; }

static void *thread(void *argument)
{
    struct waiter *waiter = argument;
    atomic_store(&waiter->tid, syscall(SYS_gettid));
    errno = 0;
    long result = waiter->wait(waiter);
    int error = errno;
    atomic_store(&waiter->returned, 1);
    /* No call is made until the generated one. */
    long (*function)(void);
    while (!(function = atomic_load(&code)))
        ;
    int right = 0;
    for (int i = 0; i < CALLS; i++)
        right += function() == waiter->tid;
    long seen = counted ? counted(waiter->tid) : CALLS;
    snprintf(said[waiter - waiters], sizeof *said, "%s: %ld %s, %d right, %s", waiter->name, result,
             strerror(result < 0 ? error : 0), right, seen >= CALLS ? "seen" : "missed");
    return NULL;
}

static void adopt(char *path, char *options)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        puts(dlerror());
        exit(1);
    }
    int (*adopt)(const char *) = (int (*)(const char *))dlsym(library, "vload_adopt");
    long (*calls)(int) = (long (*)(int))dlsym(library, "vload_calls");
    CHECK(adopt && calls);
    int result = adopt(options);
    if (result != 0) {
        printf("not adopted: %s\n", strerror(-result));
        exit(1);
    }
    counted = calls;
}

int main(int count, char **words)
{
    CHECK(count == 3);
    signal(SIGUSR1, handler);
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *waiter = &waiters[i];
        MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, waiter->ends));
        if (waiter->wait == semops)
            waiter->word = MUST(semget(IPC_PRIVATE, 1, 0700));
        if (waiter->wait == msgrcvs)
            waiter->word = MUST(msgget(IPC_PRIVATE, 0700));
        if (waiter->wait == accepts) {
            waiter->word = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
            struct sockaddr_un name = {.sun_family = AF_UNIX};
            MUST(bind(waiter->word, (struct sockaddr *)&name, sizeof name.sun_family));
            MUST(listen(waiter->word, 1));
        }
        if (waiter->wake == wake_signal)
            waiter->word = SIGUSR1;
        sigset_t set;
        sigfillset(&set);
        sigdelset(&set, SIGFPE);
        if (waiter->wait != sigwaits_all) {
            sigemptyset(&set);
            if (waiter->wait == sigwaits || waiter->wait == suspends)
                sigaddset(&set, SIGUSR1);
        }
        pthread_sigmask(SIG_SETMASK, &set, NULL);
        pthread_create(&waiter->thread, NULL, thread, waiter);
        while (!atomic_load(&waiter->tid))
            sched_yield();
        await_state(getpid(), waiter->tid, 'S');
    }
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    if (strcmp(words[1], "-") != 0)
        adopt(words[1], words[2]);
    for (int i = 0; i < WAITERS; i++)
        if (waiters[i].computes) {
            waiters[i].wake(&waiters[i]);
            while (!atomic_load(&waiters[i].returned))
                ;
        }
    static const unsigned char bytes[] = {0xb8, SYS_gettid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *memory = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, bytes, sizeof bytes);
    MUST(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    atomic_store(&code, (long (*)(void))memory);
    for (int i = 0; i < WAITERS; i++) {
        /* A wait that was ended and is begun again sleeps again. */
        if (!waiters[i].computes && !atomic_load(&waiters[i].returned)) {
            await_state(getpid(), waiters[i].tid, 'S');
            waiters[i].wake(&waiters[i]);
        }
        pthread_join(waiters[i].thread, NULL);
        puts(said[i]);
        fflush(stdout);
    }
    return 0;
}
