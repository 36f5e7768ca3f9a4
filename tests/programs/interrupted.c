/* Every blocking call of signal(7), interrupted while it sleeps, with SA_RESTART and without: what it
   returns, and that one which restarts goes on to its end. */
#include "check.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <linux/futex.h>
#include <time.h>

static volatile int handled;
static volatile pid_t sleeper;
static volatile int round_is, over;
static sem_t begun, ended;
static void (*volatile finish)(void);

static void handler(int signal) { (void)signal; handled++; }

static void wait_until_asleep(void) { await_state(getpid(), sleeper, 'S'); }

/* Interrupts the sleeper; and when the call has gone on, lets it end. */
static void *helper(void *unused)
{
    for (;;) {
        sem_wait(&begun);
        if (over)
            return unused;
        int round = round_is;
        wait_until_asleep();
        int before = handled;
        syscall(SYS_tgkill, getpid(), sleeper, SIGUSR1);
        while (handled == before && round_is == round)
            sched_yield();
        /* Either it is over, or it sleeps again. */
        while (round_is == round) {
            wait_until_asleep();
            if (round_is == round && handled > before) {
                finish();
                break;
            }
        }
        sem_post(&ended);
    }
}

static int ends[2], full[2], sockets[2], server, epoll, lock_fd, notify, locked[2];
static int semaphores, messages;
static mqd_t queue;
static unsigned word;
static pid_t child;
static char big[1 << 20];

static void fill(void) { if (write(ends[1], "x", 1) != 1) _exit(80); }
static void drain(void) { if (read(full[0], big, sizeof big) < 1) _exit(81); }
static void feed(void) { if (send(sockets[1], "y", 1, 0) != 1) _exit(82); }
static void end_child(void) { kill(child, SIGKILL); }
static void wake(void) { word = 1; syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0); }
static void unlock(void) { if (write(locked[1], "u", 1) != 1) _exit(83); }
static void nothing(void) { handled = -1; syscall(SYS_tgkill, getpid(), sleeper, SIGUSR2); }
static void enter(void)
{
    int fd = open("fifo", O_WRONLY);
    close(fd);
}
static void touch(void) { close(open("touched", O_CREAT | O_WRONLY, 0600)); }
static void post(void) { semop(semaphores, &(struct sembuf){0, 1, 0}, 1); }
static void mail(void) { struct { long type; char text; } m = {1, 'm'}; msgsnd(messages, &m, 1, 0); }
static void enqueue(void) { mq_send(queue, "q", 1, 0); }
static void call_server(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char space[128];
    socklen_t length = sizeof space;
    getsockname(server, (struct sockaddr *)space, &length);
    connect(fd, (struct sockaddr *)space, length);
    close(fd);
}

#define ATTEMPT(label, finisher, expression)                                                     \
    do {                                                                                          \
        finish = finisher;                                                                        \
        handled = 0;                                                                              \
        sem_post(&begun);                                                                         \
        errno = 0;                                                                                \
        long got_ = (long)(expression);                                                           \
        int error_ = errno;                                                                       \
        round_is++;                                                                               \
        while (sem_wait(&ended) < 0)                                                              \
            ;                                                                                     \
        printf("%s %-16s %ld %s\n", how, label, got_ > 0 ? 1 : got_, got_ < 0 ? strerror(error_) : ""); \
    } while (0)

static void forget(int signal) { (void)signal; }

static void all(const char *how, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(SIGUSR1, &action, NULL));
    action.sa_handler = forget, action.sa_flags = 0;
    MUST(sigaction(SIGUSR2, &action, NULL));
    char byte;
    struct iovec vector = {&byte, 1};
    struct pollfd on = {.fd = ends[0], .events = POLLIN};
    struct timespec hour = {.tv_sec = 3600};
    struct timeval long_time = {.tv_sec = 3600};
    struct epoll_event event;
    fd_set set;
    sigset_t none, usr2;
    sigemptyset(&none);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGHUP);
    ATTEMPT("read", fill, read(ends[0], &byte, 1));
    ATTEMPT("readv", fill, readv(ends[0], &vector, 1));


    ATTEMPT("write", drain, write(full[1], "z", 1));

    ATTEMPT("open fifo", enter, ({ int fd = open("fifo", O_RDONLY); if (fd > 0) close(fd); fd; }));
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    ATTEMPT("wait4", end_child, waitpid(child, NULL, WUNTRACED));
    end_child();
    while (waitpid(child, NULL, 0) > 0)
        ;
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    siginfo_t info;
    ATTEMPT("waitid", end_child, waitid(P_PID, child, &info, WEXITED));
    end_child();
    while (waitpid(child, NULL, 0) > 0)
        ;
    ATTEMPT("recv", feed, recv(sockets[0], &byte, 1, 0));
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ATTEMPT("recvmsg", feed, recvmsg(sockets[0], &message, 0));
    struct mmsghdr many = {.msg_hdr = message};
    ATTEMPT("recvmmsg", feed, recvmmsg(sockets[0], &many, 1, 0, NULL));
    ATTEMPT("accept", call_server, ({ int fd = accept(server, NULL, NULL); if (fd > 0) close(fd); fd; }));
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
    ATTEMPT("recv timeout", feed, recv(sockets[0], &byte, 1, 0));
    long_time.tv_sec = 0;
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time);
    long_time.tv_sec = 3600;
    word = 0;
    ATTEMPT("futex", wake, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));
    word = 0;
    ATTEMPT("futex timeout", wake, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &hour, NULL, 0));
    ATTEMPT("futex bitset", wake,
            ({ word = 0; syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1); }));
    ATTEMPT("flock", unlock, ({ int r = flock(lock_fd, LOCK_EX); flock(lock_fd, LOCK_UN); r; }));
    ATTEMPT("semop", post, semop(semaphores, &(struct sembuf){0, -1, 0}, 1));
    ATTEMPT("semtimedop", post, semtimedop(semaphores, &(struct sembuf){0, -1, 0}, 1, &hour));
    struct { long type; char text; } got;
    ATTEMPT("msgrcv", mail, msgrcv(messages, &got, 1, 0, 0));
    if (queue != (mqd_t)-1)
        ATTEMPT("mq_receive", enqueue, mq_receive(queue, big, sizeof big, NULL));
    ATTEMPT("inotify", touch, read(notify, big, sizeof big));
    ATTEMPT("poll", nothing, poll(&on, 1, -1));
    ATTEMPT("ppoll", nothing, ppoll(&on, 1, &hour, &none));
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    ATTEMPT("select", nothing, select(ends[0] + 1, &set, NULL, NULL, NULL));
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    ATTEMPT("pselect", nothing, pselect(ends[0] + 1, &set, NULL, NULL, &hour, &none));
    ATTEMPT("epoll_wait", nothing, epoll_wait(epoll, &event, 1, -1));
    ATTEMPT("epoll_pwait", nothing, epoll_pwait(epoll, &event, 1, -1, &none));
    ATTEMPT("nanosleep", nothing, nanosleep(&hour, NULL));
    ATTEMPT("clock_nanosleep", nothing, -clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL));
    ATTEMPT("pause", nothing, pause());
    ATTEMPT("sigsuspend", nothing, sigsuspend(&none));
    ATTEMPT("sigtimedwait", nothing, sigtimedwait(&usr2, &info, &hour));
    ATTEMPT("sigwaitinfo", nothing, sigwaitinfo(&usr2, &info));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    sleeper = gettid();
    sem_init(&begun, 0, 0);
    sem_init(&ended, 0, 0);
    MUST(pipe(ends));
    MUST(pipe(full));
    MUST(pipe(locked));
    fcntl(full[1], F_SETFL, O_NONBLOCK);
    while (write(full[1], big, sizeof big) > 0)
        ;
    fcntl(full[1], F_SETFL, 0);
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
    server = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    sa_family_t family = AF_UNIX;
    MUST(bind(server, (struct sockaddr *)&family, sizeof family));
    MUST(listen(server, 4));
    epoll = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    MUST(mkfifo("fifo", 0600));
    notify = MUST(inotify_init());
    lock_fd = MUST(open("lock", O_CREAT | O_RDWR, 0600));
    MUST(inotify_add_watch(notify, ".", IN_CREATE));
    semaphores = MUST(semget(IPC_PRIVATE, 1, 0600));
    messages = MUST(msgget(IPC_PRIVATE, 0600));
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 16};
    char title[64];
    snprintf(title, sizeof title, "/vload-test-%d", getpid());
    queue = mq_open(title, O_CREAT | O_RDWR, 0600, &attributes);
    mq_unlink(title);
    /* A child holds the lock for the time of both rounds, giving it up when told. */
    int told[2];
    MUST(pipe(told));
    pid_t holder = MUST(fork());
    if (holder == 0) {
        int own = open("lock", O_RDWR);
        char byte;
        flock(own, LOCK_EX);
        if (write(told[1], "l", 1) != 1 || read(locked[0], &byte, 1) != 1)
            _exit(84);
        _exit(0);
    }
    char byte;
    MUST(read(told[0], &byte, 1));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, helper, NULL) == 0);
    all("interrupted", 0);
    unlink("touched");
    all("restarting", SA_RESTART);
    kill(holder, SIGKILL);
    report("holder", holder);
    over = 1;
    sem_post(&begun);
    pthread_join(thread, NULL);
    semctl(semaphores, 0, IPC_RMID);
    msgctl(messages, IPC_RMID, NULL);
    return 0;
}
