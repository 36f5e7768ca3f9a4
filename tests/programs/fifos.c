/* FIFOs in a tree: how their ends are opened, what goes through them, what is seen by who waits. */
#include "variants.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static volatile sig_atomic_t handled;
static char big[300000];

static void handler(int signal) { handled = signal; }

static void on(int signal, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(signal, &action, NULL));
}

static const char *pipe_at(void)
{
    const char *path = at("pipe");
    MUST(mkfifo(path, 0640));
    return path;
}

/* Does it in a process of its own, which waits in a call when this comes back. */
#define WAITING(act)                                                                               \
    ({                                                                                             \
        fflush(stdout);                                                                            \
        pid_t child_ = MUST(fork());                                                               \
        if (child_ == 0) {                                                                         \
            act;                                                                                   \
            fflush(stdout);                                                                        \
            _exit(0);                                                                              \
        }                                                                                          \
        await_state(child_, child_, 'S');                                                          \
        child_;                                                                                    \
    })

static void events(const char *what, int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT, 0};
    long count = poll(&one, 1, 0);
    printf("%s: %ld %x\n", what, count, one.revents);
}

static void opens(void)
{
    const char *path = pipe_at();
    told("to write, not waiting", open(path, O_WRONLY | O_NONBLOCK));
    told("neither", open(path, O_ACCMODE));
    told("a directory", open(path, O_RDONLY | O_DIRECTORY));
    told("new", open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    int reads = told("to read, not waiting", open(path, O_RDONLY | O_NONBLOCK));
    char byte;
    told("nobody writes", read(reads, &byte, 1));
    told("into the end that reads", write(reads, "x", 1));
    int writes = told("to write", open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    told("out of the end that writes", read(writes, &byte, 1));
    told("nothing written", read(reads, &byte, 1));
    told("written", write(writes, "abc", 3));
    struct stat known;
    MUST(fstat(writes, &known));
    struct stat named;
    MUST(stat(path, &named));
    printf("%o %ld %ld %d %d\n", known.st_mode, (long)known.st_size, (long)known.st_blocks, known.st_ino == named.st_ino,
           known.st_dev == named.st_dev);
    MUST(close(writes));
    told("what is left", read(reads, big, 10));
    told("and then", read(reads, big, 10));
    MUST(close(reads));

    int both = told("both", open(path, O_RDWR));
    told("written", write(both, "gone", 4));
    MUST(close(both));
    both = told("both", open(path, O_RDWR | O_NONBLOCK));
    told("it is gone", read(both, big, 10));
    told("written", write(both, "kept", 4));
    MUST(unlink(path));
    told("no name", read(both, big, 10));
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", both);
    int again = told("again", open(link, O_WRONLY));
    told("written", write(again, "more", 4));
    told("read", read(both, big, 10));
    MUST(close(again));
    MUST(close(both));

    /* What is on the way is not of the file, and none of it is another's. */
    path = pipe_at();
    int only = told("only looked at", open(path, O_PATH));
    told("read", read(only, &byte, 1));
    MUST(close(only));
    told("cut", truncate(path, 10));
    told("moved", rename(path, at("other")));
    path = at("other");
    reads = MUST(open(path, O_RDONLY | O_NONBLOCK));
    told("for no group", chmod(path, 0200));
    fflush(stdout);
    if (fork() == 0) {
        MUST(setuid(65534));
        told("not its owner", open(path, O_RDONLY | O_NONBLOCK));
        told("nor to write", open(path, O_WRONLY | O_NONBLOCK));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    MUST(close(reads));
    MUST(unlink(path));
}

static void data(void)
{
    const char *path = pipe_at();
    int reads = MUST(open(path, O_RDONLY | O_NONBLOCK)), writes = MUST(open(path, O_WRONLY | O_NONBLOCK));
    events("reads", reads), events("writes", writes);
    for (unsigned i = 0; i < sizeof big; i++)
        big[i] = i * 7 + i / 251;
    told("more than there is room for", write(writes, big, sizeof big));
    told("none", write(writes, big, 1));
    events("reads", reads), events("writes", writes);
    int left = 0;
    told("left", ioctl(reads, FIONREAD, &left));
    printf("%d\n", left);
    static char back[sizeof big];
    told("some", read(reads, back, 5000));
    CHECK(memcmp(big, back, 5000) == 0);
    told("not all at once", write(writes, big, 4096) == 4096 ? 0 : -1);
    long length = 5000, at_end = 65536 + 4096;
    while (length < at_end) {
        long got = read(reads, back + length, 9999);
        if (got <= 0)
            break;
        length += got;
    }
    CHECK(length == at_end && memcmp(big, back, 65536) == 0 && memcmp(big, back + 65536, 4096) == 0);
    told("empty", read(reads, back, 1));
    told("nothing", write(writes, "", 0)), told("nothing", read(reads, back, 0));
    struct iovec parts[] = {{"one", 3}, {"", 0}, {"two", 3}};
    told("parts", writev(writes, parts, 3));
    struct iovec to[] = {{back, 4}, {back + 10, 9}};
    told("parts", readv(reads, to, 2));
    printf("%.4s %.2s\n", back, back + 10);
    told("somewhere", pwrite(writes, "x", 1, 0)), told("somewhere", pread(reads, back, 1, 0));
    told("a position", lseek(reads, 0, SEEK_CUR));
    told("stored", fsync(writes)), told("stored", fdatasync(writes));
    told("longer", ftruncate(writes, 10)), told("room", fallocate(writes, 0, 0, 10));
    told("memory", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, reads, 0) == MAP_FAILED ? -1 : 0);
    told("an attribute", fsetxattr(writes, "user.a", "b", 1, 0));
    told("flags", fcntl(writes, F_GETFL) & (O_ACCMODE | O_NONBLOCK));

    on(SIGPIPE, 0);
    MUST(close(reads));
    events("nobody reads", writes);
    handled = 0;
    told("nobody reads", write(writes, "x", 1));
    printf("signal %d\n", handled);
    handled = 0;
    told("nothing to nobody", write(writes, "", 0));
    printf("signal %d\n", handled);
    reads = MUST(open(path, O_RDONLY | O_NONBLOCK));
    events("read again", writes);
    int copy = MUST(dup(writes));
    MUST(close(writes));
    events("a copy", reads);
    MUST(close(copy));
    events("nobody writes", reads);
    MUST(close(reads));
    reads = MUST(open(path, O_RDONLY | O_NONBLOCK));
    events("nobody has written", reads);
    writes = MUST(open(path, O_WRONLY));
    events("somebody may", reads);
    MUST(close(writes));
    events("nobody may any more", reads);
    MUST(close(reads));
    MUST(unlink(path));
}

static void meets(void)
{
    static const struct { int here, there; } ways[] = {{O_RDONLY, O_WRONLY}, {O_WRONLY, O_RDONLY}, {O_RDONLY, O_RDWR},
                                                      {O_WRONLY, O_RDWR}, {O_RDONLY, O_WRONLY | O_NONBLOCK}};
    const char *path = pipe_at();
    for (unsigned way = 0; way < sizeof ways / sizeof *ways; way++) {
        pid_t child = WAITING(told("waited", open(path, ways[way].there & O_NONBLOCK ? O_RDONLY : ways[way].here)));
        int fd = told("there", open(path, ways[way].there));
        MUST(waitpid(child, NULL, 0));
        MUST(close(fd));
    }
    /* One who comes and goes is enough. */
    pid_t child = WAITING(told("waited", open(path, O_RDONLY)));
    MUST(close(MUST(open(path, O_WRONLY))));
    MUST(waitpid(child, NULL, 0));
    /* Two who wait for one. */
    child = WAITING(told("one of two", open(path, O_RDONLY) < 0));
    pid_t other = WAITING(told("one of two", open(path, O_RDONLY) < 0));
    int fd = MUST(open(path, O_WRONLY));
    MUST(waitpid(child, NULL, 0));
    MUST(waitpid(other, NULL, 0));
    MUST(close(fd));
    /* Who waits is there for others, and not any more when a signal has ended that. */
    for (int restarts = 0; restarts < 2; restarts++) {
        on(SIGUSR1, restarts ? SA_RESTART : 0);
        handled = 0;
        child = WAITING(told("ended by a signal", open(path, O_RDONLY)); printf("%d\n", handled != 0));
        if (restarts) {
            MUST(kill(child, SIGUSR1));
            await_state(child, child, 'S');
            fd = told("it waits on", open(path, O_WRONLY));
            MUST(waitpid(child, NULL, 0));
            MUST(close(fd));
        } else {
            /* It may have waited for something else. */
            while (MUST(waitpid(child, NULL, WNOHANG)) == 0) {
                MUST(kill(child, SIGUSR1));
                sched_yield();
            }
        }
        told("nobody is there", open(path, O_WRONLY | O_NONBLOCK));
    }
    child = WAITING(open(path, O_RDONLY));
    MUST(kill(child, SIGKILL));
    report("killed", child);
    told("nobody is there", open(path, O_WRONLY | O_NONBLOCK));
    MUST(unlink(path));
}

/* What is written while others wait for it. */
static void waits(void)
{
    const char *path = pipe_at();
    int both = MUST(open(path, O_RDWR));
    char byte;
    pid_t child = WAITING(told("read", read(both, &byte, 1)); printf("%c\n", byte));
    told("written", write(both, "r", 1));
    MUST(waitpid(child, NULL, 0));
    struct pollfd one = {both, POLLIN, 0};
    child = WAITING(told("polled", poll(&one, 1, -1)); printf("%x\n", one.revents));
    told("written", write(both, "p", 1));
    MUST(waitpid(child, NULL, 0));
    told("read", read(both, &byte, 1));
    int set = MUST(epoll_create1(0));
    struct epoll_event event = {EPOLLIN, {.u32 = 7}};
    MUST(epoll_ctl(set, EPOLL_CTL_ADD, both, &event));
    told("not yet", epoll_wait(set, &event, 1, 0));
    told("written", write(both, "e", 1));
    told("now", epoll_wait(set, &event, 1, -1));
    printf("%x %u\n", event.events, event.data.u32);
    told("read", read(both, &byte, 1));
    MUST(close(set));
    MUST(close(both));

    /* All of what is more than there is room for, by who waits. */
    child = WAITING(
        int writes = MUST(open(path, O_WRONLY));
        for (unsigned i = 0; i < sizeof big; i++)
            big[i] = i * 3 + i / 256;
        told("all", write(writes, big, sizeof big)));
    int reads = MUST(open(path, O_RDONLY));
    static char back[sizeof big + 1];
    long length = 0, got;
    while ((got = read(reads, back + length, sizeof back - length)) > 0)
        length += got;
    MUST(waitpid(child, NULL, 0));
    told("read", length);
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof big; i++)
        wrong += back[i] != (char)(i * 3 + i / 256);
    CHECK(wrong == 0);

    /* The other end goes: orderly, or killed. */
    for (int killed = 0; killed < 2; killed++) {
        int ready[2];
        MUST(pipe(ready));
        child = MUST(fork());
        if (child == 0) {
            MUST(close(reads));
            int writes = MUST(open(path, O_WRONLY));
            MUST(write(ready[1], "r", 1));
            if (killed)
                for (;;)
                    pause();
            await_state(getppid(), getppid(), 'S');
            MUST(close(writes));
            _exit(0);
        }
        MUST(read(ready[0], &byte, 1));
        pid_t killer = 0;
        if (killed && (killer = MUST(fork())) == 0) {
            await_state(getppid(), getppid(), 'S');
            _exit(kill(child, SIGKILL));
        }
        told("until nobody writes", read(reads, &byte, 1));
        if (killed)
            MUST(waitpid(killer, NULL, 0));
        report("writer", child);
        MUST(close(ready[0])), MUST(close(ready[1]));
    }
    on(SIGPIPE, 0);
    child = WAITING(
        int writes = MUST(open(path, O_WRONLY));
        MUST(close(reads));
        told("a part", write(writes, big, 100000));
        printf("signal %d\n", handled));
    MUST(close(reads));
    MUST(waitpid(child, NULL, 0));
    MUST(unlink(path));
}

/* Eight write lines through one, each whole. */
static void lines(void)
{
    const char *path = pipe_at();
    enum { WRITERS = 8, LINES = 200 };
    int reads = MUST(open(path, O_RDONLY | O_NONBLOCK));
    MUST(fcntl(reads, F_SETFL, 0));
    for (int who = 0; who < WRITERS; who++)
        if (MUST(fork()) == 0) {
            MUST(close(reads));
            int writes = MUST(open(path, O_WRONLY));
            char line[1000];
            for (int count = 0; count < LINES; count++) {
                int length = 1 + (who * 97 + count * 31) % 999;
                memset(line, 'a' + who, length);
                line[length - 1] = '\n';
                CHECK(write(writes, line, length) == length);
            }
            _exit(0);
        }
    int counts[WRITERS] = {0}, wrong = 0, seen = 0;
    FILE *all = fdopen(reads, "r");
    static char line[2000];
    /* Until all have come and gone: before the first there is nobody. */
    while (seen < WRITERS * LINES) {
        if (!fgets(line, sizeof line, all)) {
            clearerr(all);
            sched_yield();
            continue;
        }
        seen++;
        int length = strlen(line) - 1;
        if (length == 0)
            continue;
        wrong += strspn(line, (char[]){line[0], 0}) != (size_t)length;
        counts[line[0] - 'a']++;
    }
    for (int who = 0; who < WRITERS; who++) {
        MUST(wait(NULL));
        printf("%d ", counts[who]);
    }
    printf("%d wrong\n", wrong);
    fclose(all);
    MUST(unlink(path));
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"fifo-opens", opens}, {"fifo-data", data},   {"fifo-meets", meets},
                                   {"fifo-waits", waits}, {"fifo-lines", lines}, {0, 0}};
    return run_group(argc, argv, groups);
}
