/* Each call that is never made again after a signal (signal(7)), and some that are: a thread sleeps in it
 * while another maps generated code for the first time in the process. It must return what it would have
 * returned, and the thread's own generated code must run after. */
#include "check.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static const struct timespec brief = {.tv_nsec = 150000000};
static volatile int tid;
static int ends[2], queue, listener;
static int word;

static void handler(int signal) { (void)signal; }

static int pair(int type)
{
    int both[2];
    MUST(socketpair(AF_UNIX, type, 0, both));
    struct timeval time = {.tv_usec = 150000};
    setsockopt(both[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    setsockopt(both[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    return both[0];
}

static long do_poll(void) { return poll(NULL, 0, 150); }
static long do_poll_event(void) { return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1); }
static long do_ppoll(void) { return ppoll(NULL, 0, &brief, NULL); }
static long do_select(void) { return select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 150000}); }
static long do_pselect(void) { return pselect(0, NULL, NULL, NULL, &brief, NULL); }
static long do_epoll_wait(void)
{
    struct epoll_event event;
    return epoll_wait(MUST(epoll_create1(0)), &event, 1, 150);
}
static long do_epoll_pwait(void)
{
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    return epoll_pwait(MUST(epoll_create1(0)), &event, 1, 150, &none);
}
static long do_nanosleep(void) { return nanosleep(&brief, NULL); }
static long do_clock_nanosleep(void) { return clock_nanosleep(CLOCK_MONOTONIC, 0, &brief, NULL); }
static long do_usleep(void) { return usleep(150000); }
static long do_sleep(void) { return sleep(1); }
static long do_semop(void)
{
    int id = MUST(semget(IPC_PRIVATE, 1, 0700));
    long result = semtimedop(id, &(struct sembuf){.sem_op = -1}, 1, &brief);
    int error = errno;
    semctl(id, 0, IPC_RMID);
    errno = error;
    return result;
}
static long do_semop_event(void) { return semop(queue, &(struct sembuf){.sem_op = -1}, 1); }
static long do_sigtimedwait(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return sigtimedwait(&set, NULL, &brief);
}
static long do_sigwaitinfo(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return sigwaitinfo(&set, NULL);
}
static long do_pause(void) { return pause(); }
static long do_sigsuspend(void)
{
    sigset_t none;
    sigemptyset(&none);
    return sigsuspend(&none);
}
static long do_recv(void)
{
    char byte;
    return recv(pair(SOCK_STREAM), &byte, 1, 0);
}
static long do_recvmsg(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    return recvmsg(pair(SOCK_DGRAM), &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, 0);
}
static long do_recvfrom(void)
{
    char byte;
    struct sockaddr_un from;
    return recvfrom(pair(SOCK_DGRAM), &byte, 1, 0, (struct sockaddr *)&from, &(socklen_t){sizeof from});
}
static long do_recvmmsg(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    return recvmmsg(pair(SOCK_DGRAM), &message, 1, 0, NULL);
}
/* The kernel looks at this call's own time only when a datagram has come. */
static long do_recvmmsg_event(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
    int both[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, both));
    dup2(both[1], ends[1]);
    return recvmmsg(both[0], &message, 1, 0, &(struct timespec){.tv_sec = 3600});
}
/* Fills a socket for datagrams, and gives it. */
static int full(void)
{
    char bytes[1024] = "";
    int fd = pair(SOCK_DGRAM);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    return fd;
}
static long do_sendto(void) { return sendto(full(), "x", 1, 0, NULL, 0); }
static long do_sendmsg(void)
{
    struct iovec part = {"x", 1};
    return sendmsg(full(), &(struct msghdr){.msg_iov = &part, .msg_iovlen = 1}, 0);
}
/* A server that accepts nobody, and has no room for one more. */
static long do_connect(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof name;
    int server = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(server, (struct sockaddr *)&name, sizeof name.sun_family));
    MUST(getsockname(server, (struct sockaddr *)&name, &length));
    MUST(listen(server, 0));
    MUST(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, length));
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    struct timeval time = {.tv_usec = 150000};
    MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
    return connect(fd, (struct sockaddr *)&name, length);
}
static long do_send(void)
{
    static char bytes[1 << 20];
    int fd = pair(SOCK_STREAM);
    return send(fd, bytes, sizeof bytes, 0) > 0 ? send(fd, bytes, sizeof bytes, 0) : -2;
}
static long do_accept(void) { return accept(listener, NULL, NULL); }
static long do_msgrcv(void)
{
    struct { long type; char text[8]; } message;
    return msgrcv(queue, &message, sizeof message.text, 0, 0);
}
static long do_msgsnd(void)
{
    static struct { long type; char text[8192]; } message = {.type = 1};
    int id = MUST(msgget(IPC_PRIVATE, 0700));
    while (msgsnd(id, &message, sizeof message.text, IPC_NOWAIT) == 0)
        ;
    queue = id;
    return msgsnd(id, &message, sizeof message.text, 0);
}
static long do_io_getevents(void)
{
    aio_context_t context = 0;
    struct io_event event;
    MUST(syscall(SYS_io_setup, 1, &context));
    return syscall(SYS_io_getevents, context, 1, 1, &event, &brief);
}
static long do_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &brief, NULL, 0); }
static long do_futex_event(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0); }
static long do_inotify(void)
{
    int fd = MUST(inotify_init());
    MUST(inotify_add_watch(fd, ".", IN_CREATE));
    char room[512];
    return read(fd, room, sizeof room) > 0;
}
static long do_mq(void)
{
    char name[32], room[16];
    snprintf(name, sizeof name, "/vload-%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 16};
    mqd_t mq = MUST(mq_open(name, O_RDWR | O_CREAT, 0600, &attributes));
    mq_unlink(name);
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += 150000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_nsec -= 1000000000;
        end.tv_sec++;
    }
    return mq_timedreceive(mq, room, sizeof room, NULL, &end);
}
static long do_read(void)
{
    char byte;
    return read(ends[0], &byte, 1);
}

static void wake_pipe(void) { MUST(write(ends[1], "x", 1)); }
static void wake_signal(void) { MUST(syscall(SYS_tgkill, getpid(), tid, SIGUSR1)); }
static void wake_semop(void) { MUST(semop(queue, &(struct sembuf){.sem_op = 1}, 1)); }
static void wake_queue(void) { MUST(msgsnd(queue, &(struct { long type; char text[8]; }){1, "x"}, 8, 0)); }
static void wake_sender(void) { MUST(msgctl(queue, IPC_RMID, NULL)); }
static void wake_futex(void) { MUST(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0)); }
static void wake_inotify(void)
{
    close(MUST(open("created", O_RDWR | O_CREAT, 0600)));
    unlink("created");
}

static const struct {
    const char *name;
    long (*call)(void);
    void (*wake)(void);
} calls[] = {
    {"poll", do_poll, NULL},
    {"poll with an event", do_poll_event, wake_pipe},
    {"ppoll", do_ppoll, NULL},
    {"select", do_select, NULL},
    {"pselect", do_pselect, NULL},
    {"epoll_wait", do_epoll_wait, NULL},
    {"epoll_pwait", do_epoll_pwait, NULL},
    {"nanosleep", do_nanosleep, NULL},
    {"clock_nanosleep", do_clock_nanosleep, NULL},
    {"usleep", do_usleep, NULL},
    {"sleep", do_sleep, NULL},
    {"semtimedop", do_semop, NULL},
    {"semop", do_semop_event, wake_semop},
    {"sigtimedwait", do_sigtimedwait, NULL},
    {"sigwaitinfo", do_sigwaitinfo, wake_signal},
    {"pause", do_pause, wake_signal},
    {"sigsuspend", do_sigsuspend, wake_signal},
    {"recv", do_recv, NULL},
    {"recvmsg", do_recvmsg, NULL},
    {"recvfrom", do_recvfrom, NULL},
    {"recvmmsg", do_recvmmsg, NULL},
    {"recvmmsg with a datagram", do_recvmmsg_event, wake_pipe},
    {"send", do_send, NULL},
    {"sendto", do_sendto, NULL},
    {"sendmsg", do_sendmsg, NULL},
    {"connect", do_connect, NULL},
    {"accept", do_accept, NULL},
    {"msgrcv", do_msgrcv, wake_queue},
    {"msgsnd", do_msgsnd, wake_sender},
    {"io_getevents", do_io_getevents, NULL},
    {"futex", do_futex, NULL},
    {"futex with a wake", do_futex_event, wake_futex},
    {"inotify", do_inotify, wake_inotify},
    {"mq_timedreceive", do_mq, NULL},
    {"read", do_read, wake_pipe},
};

static volatile int next, returned;
static long (*volatile code)(void);

static void *thread(void *none)
{
    tid = syscall(SYS_gettid);
    errno = 0;
    long result = calls[next].call();
    int error = errno;
    returned = 1;
    /* On a machine that is slow enough a call may be over before it was seen to sleep. */
    while (!code)
        sched_yield();
    printf("%s: %ld %s", calls[next].name, result, strerror(result < 0 ? error : 0));
    int right = 0;
    for (int i = 0; i < 10; i++)
        right += code() == getppid();
    printf(", generated %d\n", right);
    return none;
}

/* Whether the thread sleeps in a call. */
static int sleeps(void)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    int fd = open(path, O_RDONLY);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    return length > 0 && text[0] >= '0' && text[0] <= '9';
}

static void attempt(void)
{
    MUST(pipe(ends));
    if (calls[next].call == do_msgrcv)
        queue = MUST(msgget(IPC_PRIVATE, 0700));
    if (calls[next].call == do_semop_event)
        queue = MUST(semget(IPC_PRIVATE, 1, 0700));
    listener = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(listen(listener, 1));
    struct timeval time = {.tv_usec = 150000};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    if (calls[next].call == do_sigwaitinfo)
        sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pthread_t id;
    pthread_create(&id, NULL, thread, NULL);
    while (!returned && (!tid || !sleeps()))
        sched_yield();
    static const unsigned char bytes[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *memory = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, bytes, sizeof bytes);
    code = (long (*)(void))memory;
    if (calls[next].wake)
        calls[next].wake();
    pthread_join(id, NULL);
    if (calls[next].call == do_msgrcv)
        msgctl(queue, IPC_RMID, NULL);
    if (calls[next].call == do_semop_event)
        semctl(queue, 0, IPC_RMID);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOFBF, 0);
    signal(SIGUSR1, handler);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        next = i;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            attempt();
            fflush(stdout);
            _exit(0);
        }
        report(calls[i].name, child);
    }
    return 0;
}
