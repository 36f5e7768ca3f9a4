/* Waits for a pipe that has the path which is named, and for pipes of the kernel's in the same calls. */
#include "check.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

static int in, out, real[2];
static volatile sig_atomic_t handled;

static void told(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
    fflush(stdout);
}

static void handler(int signal)
{
    (void)signal;
    handled = handled + 1;
}

/* Signals come until this is called with 0: one that comes too early is not the last. */
static void alarms(int on, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(SIGALRM, &action, 0));
    struct itimerval every = {{0, on ? 5000 : 0}, {0, on ? 5000 : 0}};
    MUST(setitimer(ITIMER_REAL, &every, 0));
}

/* Starts a process that writes a byte there. */
static pid_t writer(int fd)
{
    pid_t child = MUST(fork());
    if (child == 0)
        _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    return child;
}

static void ended(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    CHECK(status == 0);
}

static void take(int fd)
{
    char text[8];
    told("  taken", read(fd, text, sizeof text));
}

static void polls(void)
{
    struct pollfd all[] = {{in, POLLIN, 9}, {real[0], POLLIN, 9}, {-1, POLLIN, 9}, {out, POLLOUT, 9}};
    told("nothing to read", poll(all, 3, 0));
    printf("  %x %x %x\n", all[0].revents, all[1].revents, all[2].revents);
    told("for a while", poll(all, 3, 20));
    told("to write", poll(all, 4, -1));
    printf("  %x %x %x %x\n", all[0].revents, all[1].revents, all[2].revents, all[3].revents);
    pid_t child = writer(out);
    told("until it is written to", poll(all, 3, -1));
    printf("  %x %x\n", all[0].revents, all[1].revents);
    told("still", poll(all, 3, -1));
    ended(child);
    take(in);
    child = writer(real[1]);
    told("until the other is", poll(all, 3, 60000));
    printf("  %x %x\n", all[0].revents, all[1].revents);
    ended(child);
    ended(writer(out));
    told("both", poll(all, 3, 60000));
    printf("  %x %x\n", all[0].revents, all[1].revents);
    take(in);
    take(real[0]);
    int copy = MUST(dup(in));
    struct pollfd again[] = {{copy, POLLIN | POLLOUT, 0}, {in, 0, 0}, {999, POLLIN, 0}};
    told("a copy, nothing, no descriptor", poll(again, 3, 0));
    printf("  %x %x %x\n", again[0].revents, again[1].revents, again[2].revents);
    close(copy);
    alarms(1, 0);
    told("until a signal comes", poll(all, 3, -1));
    alarms(0, 0);
    alarms(1, SA_RESTART);
    told("whatever the handler says", poll(all, 2, -1));
    alarms(0, 0);
    told("bad address", syscall(SYS_ppoll, (char *)1, 1, &(struct timespec){0, 0}, 0, 8));
}

static void ppolls(void)
{
    struct pollfd all[] = {{in, POLLIN, 0}, {real[0], POLLIN, 0}};
    struct timespec none = {0, 0}, some = {0, 20000000}, bad = {0, -1};
    told("ppoll", ppoll(all, 2, &none, 0));
    told("for a while", ppoll(all, 2, &some, 0));
    told("odd", ppoll(all, 2, &bad, 0));
    pid_t child = writer(out);
    told("until it is written to", ppoll(all, 2, 0, 0));
    printf("  %x %x\n", all[0].revents, all[1].revents);
    ended(child);
    take(in);
    /* A signal that waits comes when the mask lets it. */
    sigset_t mask, empty;
    sigemptyset(&empty);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &mask, 0));
    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &action, 0));
    int before = handled;
    raise(SIGUSR1);
    told("with a mask", ppoll(all, 2, 0, &empty));
    printf("  handled %d\n", handled - before);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(in, &set);
    raise(SIGUSR1);
    told("pselect", pselect(in + 1, &set, 0, 0, 0, &empty));
    printf("  handled %d\n", handled - before);
    int watch = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(watch, EPOLL_CTL_ADD, in, &event));
    raise(SIGUSR1);
    told("epoll_pwait", epoll_pwait(watch, &event, 1, -1, &empty));
    printf("  handled %d\n", handled - before);
    close(watch);
}

static fd_set readable, writable;

static void set_both(void)
{
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(in, &readable);
    FD_SET(real[0], &readable);
    FD_SET(out, &writable);
}

static void show_both(void)
{
    printf("  %d %d %d\n", FD_ISSET(in, &readable) != 0, FD_ISSET(real[0], &readable) != 0,
           FD_ISSET(out, &writable) != 0);
}

static void selects(void)
{
    int most = (in > real[0] ? in : real[0]) > out ? (in > real[0] ? in : real[0]) : out;
    struct timeval none = {0, 0}, some = {0, 20000}, minute = {60, 0};
    set_both();
    told("select", select(most + 1, &readable, &writable, 0, &none));
    show_both();
    set_both();
    told("to read", select(most + 1, &readable, 0, 0, &some));
    printf("  %d %d, %ld left\n", FD_ISSET(in, &readable) != 0, FD_ISSET(real[0], &readable) != 0, (long)some.tv_usec);
    pid_t child = writer(out);
    set_both();
    told("until it is written to", select(most + 1, &readable, 0, 0, 0));
    printf("  %d %d\n", FD_ISSET(in, &readable) != 0, FD_ISSET(real[0], &readable) != 0);
    ended(child);
    take(in);
    child = writer(real[1]);
    set_both();
    told("until the other is", select(most + 1, &readable, 0, 0, &minute));
    printf("  %d %d, less than a minute: %d\n", FD_ISSET(in, &readable) != 0, FD_ISSET(real[0], &readable) != 0,
           minute.tv_sec < 60);
    ended(child);
    take(real[0]);
    ended(writer(out));
    set_both();
    told("all", select(most + 1, &readable, &writable, 0, 0));
    show_both();
    take(in);
    alarms(1, 0);
    set_both();
    told("until a signal comes", select(most + 1, &readable, 0, 0, 0));
    alarms(0, 0);
}

static void wait_for_one(int watch, int limit)
{
    struct epoll_event events[4];
    int count = epoll_wait(watch, events, 4, limit);
    told("  epoll_wait", count);
    for (int i = 0; i < count; i++)
        printf("    %x of %d\n", events[i].events, (int)events[i].data.u32);
}

/* What a set has behind the last descriptor that is named is not looked at, nor what is behind the process's table. */
static void odd_sets(void)
{
    int most = (in > real[0] ? in : real[0]) + 1, high = MUST(fcntl(real[0], F_DUPFD, most));
    struct timeval none = {0, 0};
    MUST(write(real[1], "x", 1));
    FD_ZERO(&readable);
    FD_SET(in, &readable);
    FD_SET(high, &readable);
    told("an open one behind", select(most, &readable, 0, 0, &none));
    printf("  %d %d\n", FD_ISSET(in, &readable) != 0, FD_ISSET(high, &readable) != 0);
    take(high);
    close(high);
    FD_SET(in, &readable);
    FD_SET(high, &readable);
    MUST(write(out, "x", 1));
    told("a closed one behind", select(most, &readable, 0, 0, &none));
    printf("  %d %d\n", FD_ISSET(in, &readable) != 0, FD_ISSET(high, &readable) != 0);
#if defined __x86_64__ || defined __i386__
    /* qemu-user reads of sets as many as it is told. */
    enum { SET = 1024 / 8, BEHIND = 4096 / 8 };
    static unsigned long words[BEHIND / sizeof(long)];
    memset(words, 0xff, sizeof words);
    memset(words, 0, SET);
    FD_SET(in, (fd_set *)words);
    told("more than the table has", select(BEHIND * 8, (fd_set *)words, 0, 0, &none));
    size_t kept = 0;
    while (kept < BEHIND - SET && ((unsigned char *)words)[SET + kept] == 0xff)
        kept++;
    printf("  %d, all behind is as it was: %d\n", FD_ISSET(in, (fd_set *)words) != 0, kept == BEHIND - SET);
#endif
    take(in);
}

static void epolls(void)
{
    int watch = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 1};
    told("add", epoll_ctl(watch, EPOLL_CTL_ADD, in, &event));
    told("again", epoll_ctl(watch, EPOLL_CTL_ADD, in, &event));
    event.data.u32 = 2;
    told("the other", epoll_ctl(watch, EPOLL_CTL_ADD, real[0], &event));
    told("not there", epoll_ctl(watch, EPOLL_CTL_MOD, out, &event));
    told("not there", epoll_ctl(watch, EPOLL_CTL_DEL, out, &event));
    told("no set", epoll_ctl(999, EPOLL_CTL_ADD, in, &event));
    told("no set either", epoll_ctl(real[0], EPOLL_CTL_ADD, in, &event));
    told("no operation", epoll_ctl(watch, 77, in, &event));
    wait_for_one(watch, 0);
    wait_for_one(watch, 20);
    printf("level\n");
    pid_t child = writer(out);
    wait_for_one(watch, -1);
    ended(child);
    wait_for_one(watch, -1);
    take(in);
    wait_for_one(watch, 0);
    child = writer(real[1]);
    wait_for_one(watch, 60000);
    ended(child);
    take(real[0]);
    printf("edge\n");
    event = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u32 = 3};
    told("changed", epoll_ctl(watch, EPOLL_CTL_MOD, in, &event));
    wait_for_one(watch, 0);
    child = writer(out);
    wait_for_one(watch, -1);
    ended(child);
    wait_for_one(watch, 0);
    ended(writer(out));
    wait_for_one(watch, -1);
    wait_for_one(watch, 0);
    take(in);
    wait_for_one(watch, 0);
    ended(writer(out));
    wait_for_one(watch, -1);
    take(in);
    printf("once\n");
    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u32 = 4};
    told("changed", epoll_ctl(watch, EPOLL_CTL_MOD, in, &event));
    ended(writer(out));
    wait_for_one(watch, -1);
    wait_for_one(watch, 0);
    told("asked for again", epoll_ctl(watch, EPOLL_CTL_MOD, in, &event));
    wait_for_one(watch, -1);
    take(in);
    printf("to write\n");
    event = (struct epoll_event){.events = EPOLLOUT, .data.u32 = 5};
    told("added", epoll_ctl(watch, EPOLL_CTL_ADD, out, &event));
    wait_for_one(watch, -1);
    told("taken away", epoll_ctl(watch, EPOLL_CTL_DEL, out, 0));
    wait_for_one(watch, 0);
    told("no room", epoll_wait(watch, &event, 0, 0));
    alarms(1, 0);
    told("until a signal comes", epoll_wait(watch, &event, 1, -1));
    alarms(0, 0);
    close(watch);
    /* Another set with that number is another one. */
    int other = MUST(epoll_create1(0));
    CHECK(other == watch);
    ended(writer(out));
    wait_for_one(other, 0);
    take(in);
    close(other);
}

static void blocks(void)
{
    int flags = MUST(fcntl(in, F_GETFL));
    char byte, much[8192] = {0};
    told("nothing there", read(in, &byte, 1));
    MUST(fcntl(in, F_SETFL, flags & ~O_NONBLOCK));
    pid_t child = writer(out);
    told("until it is written to", read(in, &byte, 1));
    ended(child);
    alarms(1, 0);
    told("until a signal comes", read(in, &byte, 1));
    alarms(0, 0);
    /* With SA_RESTART it goes on; the handler has run by then. */
    int ends[2];
    MUST(pipe(ends));
    handled = 0;
    alarms(1, SA_RESTART);
    child = MUST(fork());
    if (child == 0) {
        char go;
        _exit(read(ends[0], &go, 1) == 1 && write(out, "x", 1) == 1 ? 0 : 1);
    }
    pid_t helper = MUST(fork());
    if (helper == 0) {
        /* Its own timer is none: a child has none of its parent's. */
        _exit(write(ends[1], "g", 1) == 1 ? 0 : 1);
    }
    told("whatever the handler says", read(in, &byte, 1));
    alarms(0, 0);
    ended(child);
    ended(helper);
    /* Full. */
    MUST(fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK));
    while (write(out, much, sizeof much) > 0)
        ;
    told("full", write(out, much, 1));
    struct pollfd full = {out, POLLOUT, 0};
    told("to write", poll(&full, 1, 0));
    MUST(fcntl(out, F_SETFL, fcntl(out, F_GETFL) & ~O_NONBLOCK));
    child = MUST(fork());
    if (child == 0)
        _exit(read(in, much, sizeof much) > 0 ? 0 : 1);
    told("until there is room", write(out, much, 1));
    ended(child);
    MUST(fcntl(in, F_SETFL, flags));
    while (read(in, much, sizeof much) > 0)
        ;
    close(ends[0]);
    close(ends[1]);
}

/* A descriptor that came from elsewhere is waited for as any. */
static void sent(void)
{
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    fflush(stdout);
    pid_t child = MUST(fork());
    char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    if (child == 0) {
        close(in);
        close(out);
        MUST(recvmsg(ends[1], &message, 0));
        struct pollfd got = {0, POLLIN, 0};
        memcpy(&got.fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got.fd);
        told("received", poll(&got, 1, -1));
        take(got.fd);
        _exit(0);
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof in);
    memcpy(CMSG_DATA(header), &in, sizeof in);
    MUST(sendmsg(ends[0], &message, 0));
    MUST(write(out, "y", 1));
    ended(child);
    close(ends[0]);
    close(ends[1]);
}

/* What a process closes that has its parent's memory stays open for the parent. */
static void lent(void)
{
    int watch = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 6};
    MUST(epoll_ctl(watch, EPOLL_CTL_ADD, in, &event));
    pid_t child = vfork();
    if (child == 0) {
        syscall(SYS_close_range, 3u, ~0u, 0);
        _exit(0);
    }
    ended(child);
    child = writer(out);
    wait_for_one(watch, 60000);
    ended(child);
    take(in);
    close(watch);
}

/* Every number is taken that a set of the usual size has; then sets that are larger. */
static void crowded(void)
{
    enum { MANY = 1100, WORDS = 64 };
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur < 2 * MANY) {
        CHECK(limit.rlim_max >= 2 * MANY);
        limit.rlim_cur = 2 * MANY;
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
    }
    while (MUST(fcntl(real[0], F_DUPFD, 100)) < MANY)
        ;
    struct timeval none = {0, 0};
    int most = (in > out ? in : out) + 1;
    set_both();
    FD_CLR(real[0], &readable);
    told("among many", select(most, &readable, &writable, 0, &none));
    show_both();
    pid_t child = writer(out);
    set_both();
    FD_CLR(real[0], &readable);
    told("until it is written to", select(most, &readable, 0, 0, 0));
    show_both();
    ended(child);
    int high = MUST(fcntl(in, F_DUPFD, MANY));
    unsigned long wide[WORDS] = {0};
    CHECK(high < (int)sizeof wide * 8);
    wide[high / (8 * sizeof *wide)] = 1ul << high % (8 * sizeof *wide);
    told("behind them", select(high + 1, (fd_set *)wide, 0, 0, 0));
    printf("  %d\n", wide[high / (8 * sizeof *wide)] == 1ul << high % (8 * sizeof *wide));
    take(in);
    told("no more", select(high + 1, (fd_set *)wide, 0, 0, &none));
    printf("  %d\n", wide[high / (8 * sizeof *wide)] == 0);
    MUST(syscall(SYS_close_range, 100u, ~0u, 0));
}

static _Atomic pid_t waiting;

static void *wait_alone(void *unused)
{
    (void)unused;
    waiting = (pid_t)syscall(SYS_gettid);
    struct pollfd one = {in, POLLIN, 0};
    told("another thread waits", poll(&one, 1, -1));
    return 0;
}

/* What a file of a thread's in /proc says. */
static const char *known(pid_t thread, const char *name)
{
    static char text[512];
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", thread, name);
    FILE *file = fopen(path, "r");
    CHECK(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

/* Whether a thread sleeps in the kernel for descriptors. The call that its `syscall` names may be only on its way to that; where
   it sleeps is not told everywhere. */
static int sleeps(pid_t thread)
{
    long call = strtol(known(thread, "syscall"), 0, 10);
    if (call != SYS_poll && call != SYS_ppoll)
        return 0;
    const char *where = known(thread, "wchan");
    if (strcmp(where, "0") != 0 && where[0] != 0)
        return strstr(where, "poll") != 0;
    const char *state = strrchr(known(thread, "stat"), ')');
    return state && state[2] == 'S' && strcmp(known(thread, "wchan"), "0") == 0;
}

static void until_it_waits(void)
{
    while (waiting == 0 || !sleeps(waiting))
        sched_yield();
}

/* A child has the descriptors of its parent, and none that belong to what another thread of that does. */
static void forked_meanwhile(void)
{
    pthread_t thread;
    waiting = 0;
    CHECK(pthread_create(&thread, 0, wait_alone, 0) == 0);
    until_it_waits();
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        int count = 0;
        DIR *all = opendir("/proc/self/fd");
        while (all && readdir(all))
            count++;
        printf("  a child has %d\n", count);
        fflush(stdout);
        _exit(0);
    }
    ended(child);
    ended(writer(out));
    CHECK(pthread_join(thread, 0) == 0);
    take(in);
}

static void *waits_apart(void *unused)
{
    MUST(unshare(CLONE_FILES));
    return wait_alone(unused);
}

/* A thread waits that has a table of descriptors of its own: what the numbers in that mean is no concern of a child's that has
   a copy of another table. */
static void forked_apart(void)
{
    enum { FIRST = 200, MANY = 8 };
    pthread_t thread;
    waiting = 0;
    CHECK(pthread_create(&thread, 0, waits_apart, 0) == 0);
    while (waiting == 0)
        sched_yield();
    for (int i = 0; i < MANY; i++)
        MUST(dup2(real[0], FIRST + i));
    until_it_waits();
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        for (int i = 0; i < MANY; i++)
            MUST(fcntl(FIRST + i, F_GETFD));
        _exit(0);
    }
    ended(child);
    ended(writer(out));
    CHECK(pthread_join(thread, 0) == 0);
    take(in);
    MUST(syscall(SYS_close_range, FIRST, ~0u, 0));
}

static int go[2], gone[2];

static void *opens_and_waits(void *path)
{
    char byte;
    struct pollfd one = {in, POLLIN, 0};
    MUST(read(go[0], &byte, 1));
    int fd = MUST(open(path, O_RDONLY | O_NONBLOCK));
    told("another thread", poll(&one, 1, 0));
    close(fd);
    MUST(write(gone[1], "g", 1));
    return 0;
}

/* A child with a copy of the memory, which its parent sleeps for: other threads of that go on. */
static void slept_for(char *path)
{
    pthread_t thread;
    MUST(pipe(go));
    MUST(pipe(gone));
    CHECK(pthread_create(&thread, 0, opens_and_waits, path) == 0);
    fflush(stdout);
    for (int round = 0; round < 2; round++) {
        pid_t child = (pid_t)MUST(syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
        if (child == 0) {
            char byte;
            /* The child has what it needs of its own, and its parent's thread what it needs. */
            struct pollfd one = {in, POLLIN, 0};
            if (poll(&one, 1, 0) != 0)
                _exit(1);
            if (round == 0 && (write(go[1], "g", 1) != 1 || read(gone[0], &byte, 1) != 1))
                _exit(2);
            _exit(0);
        }
        ended(child);
    }
    CHECK(pthread_join(thread, 0) == 0);
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(gone[i]);
    }
}

/* The last who writes is killed. */
static void hung_up(const char *path)
{
    int opened[2];
    MUST(pipe(opened));
    close(in);
    close(out);
    in = MUST(open(path, O_RDONLY | O_NONBLOCK));
    pid_t child = MUST(fork());
    if (child == 0) {
        close(in);
        MUST(open(path, O_WRONLY));
        MUST(write(opened[1], "o", 1));
        for (;;)
            pause();
    }
    char byte;
    CHECK(MUST(read(opened[0], &byte, 1)) == 1);
    struct pollfd all[] = {{in, POLLIN, 0}, {real[0], POLLIN, 0}};
    told("open", poll(all, 2, 0));
    pid_t killer = MUST(fork());
    if (killer == 0)
        _exit(kill(child, SIGKILL));
    told("until nobody writes", poll(all, 2, 60000));
    printf("  %x %x\n", all[0].revents, all[1].revents);
    ended(killer);
    MUST(waitpid(child, 0, 0));
    /* And so before anybody waits. */
    for (int way = 0; way < 2; way++) {
        child = MUST(fork());
        if (child == 0) {
            close(in);
            MUST(open(path, O_WRONLY));
            MUST(write(opened[1], "o", 1));
            for (;;)
                pause();
        }
        CHECK(MUST(read(opened[0], &byte, 1)) == 1);
        MUST(kill(child, SIGKILL));
        MUST(waitpid(child, 0, 0));
        told("nobody writes", poll(all, 2, way == 0 ? 0 : 60000));
        printf("  %x %x\n", all[0].revents, all[1].revents);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    /* That of a module is there. */
    mkfifo(argv[1], 0600);
    in = MUST(open(argv[1], O_RDWR | O_NONBLOCK));
    out = MUST(open(argv[1], O_RDWR));
    MUST(pipe(real));
    polls();
    ppolls();
    selects();
    odd_sets();
    epolls();
    blocks();
    sent();
    lent();
    crowded();
    forked_meanwhile();
    forked_apart();
    /* That another thread had a table of its own makes no difference. */
    forked_meanwhile();
    slept_for(argv[1]);
    hung_up(argv[1]);
    return 0;
}
