/* Descriptors of files: copies, flags, locks, what children and programs inherit. */
#include "variants.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

static void position(const char *what, int fd)
{
    printf("  %s at %lld\n", what, (long long)lseek(fd, 0, SEEK_CUR));
}

static void dups(void)
{
    file("file", "0123456789");
    int fd = MUST(open(at("file"), O_RDWR | O_CLOEXEC));
    char text[4];
    int one = (int)syscall(SYS_dup, fd);
    told("dup", one == fd + 1);
    told("flags", fcntl(one, F_GETFD));
    MUST(read(one, text, 3));
    position("the first", fd);
    MUST(lseek(fd, 1, SEEK_SET));
    position("the second", one);
#ifdef SYS_dup2
    CALL(dup2, fd, 100);
    CALL(dup2, fd, fd);
    CALL(dup2, 999, 5);
    CALL(dup2, fd, -1);
#endif
    CALL(dup3, fd, 101, O_CLOEXEC);
    CALL(dup3, fd, fd, 0);
    CALL(dup3, fd, 102, 1);
    told("flags", fcntl(101, F_GETFD));
    told("F_DUPFD", fcntl(fd, F_DUPFD, 200));
    told("F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 200));
    told("flags", fcntl(201, F_GETFD));
    told("set", fcntl(201, F_SETFD, 0));
    told("flags", fcntl(201, F_GETFD));
    told("status", fcntl(201, F_SETFL, O_APPEND | O_NONBLOCK));
    told("status", fcntl(fd, F_GETFL) & ~0100000);
    told("append", write(one, "+", 1));
    position("all", 200);
    /* Over another file. */
    file("other", "other");
    int other = MUST(open(at("other"), O_RDONLY));
    MUST(dup2(other, one));
    told("read", read(one, text, 4));
    printf("  %.4s\n", text);
    CALL(close, fd);
    CALL(close, fd);
    position("a copy", 101);
    told("range", syscall(SYS_close_range, 100, 300, 0));
    told("closed", fcntl(200, F_GETFD));
    told("to close at an exec", syscall(SYS_close_range, (unsigned)other, (unsigned)other, CLOSE_RANGE_CLOEXEC));
    told("flags", fcntl(other, F_GETFD));
    told("a file over one of ours", dup2(0, other) == other);
    told("read", read(other, text, 0));
    close(one);
    close(other);
}

/* An open file is shared with children and with programs that they become. */
static void inherited(void)
{
    file("file", "first\nsecond\nthird\n");
    int fd = MUST(open(at("file"), O_RDWR));
    char text[8];
    MUST(read(fd, text, 6));
    pid_t child = MUST(fork());
    if (child == 0) {
        read(fd, text, 7);
        _exit(lseek(fd, 0, SEEK_CUR) == 13 ? 0 : 1);
    }
    report("child", child);
    position("the parent", fd);
    MUST(unlink(at("file")));
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        MUST(dup2(fd, 0));
        execl("/bin/cat", "cat", (char *)0);
        _exit(1);
    }
    report("program", child);
    position("the parent", fd);
    child = MUST(fork());
    if (child == 0) {
        MUST(dup2(fd, 1));
        execl("/bin/sh", "sh", "-c", "echo from a shell; /bin/echo from a program", (char *)0);
        _exit(1);
    }
    report("writer", child);
    MUST(lseek(fd, 0, SEEK_SET));
    char all[128];
    ssize_t length = read(fd, all, sizeof all);
    printf("%.*s", (int)length, all);
    MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        char command[64];
        snprintf(command, sizeof command, "test -e /proc/self/fd/%d && echo open || echo closed", fd);
        execl("/bin/sh", "sh", "-c", command, (char *)0);
        _exit(1);
    }
    report("closed at an exec", child);
    close(fd);
}

/* Sent to another process. */
static void sent(void)
{
    file("file", "what is sent");
    int ends[2], fd = MUST(open(at("file"), O_RDONLY));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    fflush(stdout);
    pid_t child = MUST(fork());
    char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    if (child == 0) {
        close(fd);
        MUST(recvmsg(ends[1], &message, 0));
        int got;
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
        char text[16];
        ssize_t length = read(got, text, sizeof text);
        printf("%.*s\n", (int)length, text);
        fflush(stdout);
        _exit(0);
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    MUST(sendmsg(ends[0], &message, 0));
    report("received", child);
    position("shared", fd);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void named(void)
{
    file("file", "text");
    int fd = MUST(open(at("file"), O_RDONLY));
    char path[64], to[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, to, sizeof to - 1);
    to[length > 0 ? length : 0] = 0;
    told("its name", strcmp(to, at("file")));
    int again = (int)told("again", open(path, O_RDWR)) < 0 ? -1 : MUST(open(path, O_RDWR));
    if (again >= 0) {
        told("write", write(again, "TEXT", 4));
        position("the first", fd);
        close(again);
    }
    show("file");
    struct stat known, same;
    MUST(fstat(fd, &known));
    told("known", stat(path, &same));
    told("the same", known.st_ino == same.st_ino);
    close(fd);
}

static void locks(void)
{
    file("file", "text");
    int fd = MUST(open(at("file"), O_RDWR)), other = MUST(open(at("file"), O_RDWR));
    told("flock", flock(fd, LOCK_EX | LOCK_NB));
    told("again", flock(other, LOCK_EX | LOCK_NB));
    told("unlock", flock(fd, LOCK_UN));
    told("shared", flock(other, LOCK_SH | LOCK_NB));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
    told("F_SETLK", fcntl(fd, F_SETLK, &lock));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        told("another's", fcntl(fd, F_SETLK, &lock));
        lock.l_start = 5;
        told("elsewhere", fcntl(fd, F_SETLK, &lock));
        lock.l_start = 0;
        lock.l_len = 10;
        told("F_GETLK", fcntl(fd, F_GETLK, &lock));
        printf("  type %d, %lld from %lld, by the parent: %d\n", lock.l_type, (long long)lock.l_len,
               (long long)lock.l_start, lock.l_pid == getppid());
        fflush(stdout);
        _exit(0);
    }
    report("child", child);
    close(fd);
    close(other);
}

static void ready(void)
{
    file("file", "text");
    int fd = MUST(open(at("file"), O_RDWR)), ends[2];
    MUST(pipe(ends));
    MUST(write(ends[1], "x", 1));
    struct pollfd wanted[] = {{fd, POLLIN | POLLOUT, 0}, {ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}, {999, POLLIN, 0}};
    told("poll", poll(wanted, 4, 1000));
    for (int i = 0; i < 4; i++)
        printf("  %x\n", wanted[i].revents);
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(fd, &readable);
    FD_SET(fd, &writable);
    FD_SET(ends[0], &readable);
    told("select", select(ends[1] + 1, &readable, &writable, 0, 0));
    printf("  %d %d %d\n", FD_ISSET(fd, &readable) != 0, FD_ISSET(fd, &writable) != 0, FD_ISSET(ends[0], &readable) != 0);
    int watch = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    told("epoll", epoll_ctl(watch, EPOLL_CTL_ADD, fd, &event));
    told("epoll", epoll_ctl(watch, EPOLL_CTL_ADD, ends[0], &event));
    told("epoll", epoll_wait(watch, &event, 1, 1000));
    int count = 7;
    CALL(ioctl, fd, FIONREAD, &count);
    printf("  %d\n", count);
    CALL(ioctl, fd, TCGETS, &count);
    CALL(ioctl, fd, FIOCLEX);
    told("flags", fcntl(fd, F_GETFD));
    CALL(ioctl, fd, FIONCLEX);
    told("flags", fcntl(fd, F_GETFD));
    count = 1;
    CALL(ioctl, fd, FIONBIO, &count);
    told("status", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CALL(ioctl, fd, 0x1234567, &count);
    close(fd);
    close(watch);
    CALL(ioctl, fd, TCGETS, &count);
}

static void copy_program(const char *path, const char *name)
{
    int from = MUST(open(path, O_RDONLY)), to = MUST(open(at(name), O_WRONLY | O_CREAT, 0755));
    char buffer[65536];
    ssize_t length;
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        MUST(write(to, buffer, (size_t)length));
    close(from);
    close(to);
}

/* A program that lies in the directory. */
static void executed(void)
{
    file("script", "#!/bin/sh\necho a script with $# arguments: $1\n");
    told("not yet", execl(at("script"), "script", (char *)0));
    MUST(chmod(at("script"), 0755));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl(at("script"), "script", "one", "two", (char *)0);
        _exit(1);
    }
    report("script", child);
    copy_program("/bin/echo", "echo");
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        execl(at("echo"), "echo", "a program", (char *)0);
        _exit(1);
    }
    report("program", child);
    child = MUST(fork());
    if (child == 0) {
        int fd = MUST(open(at("echo"), O_RDONLY | O_CLOEXEC));
        char *const words[] = {"echo", "by its descriptor", 0}, *const none[] = {0};
        syscall(SYS_execveat, fd, "", words, none, AT_EMPTY_PATH);
        _exit(1);
    }
    report("program", child);
    child = MUST(fork());
    if (child == 0) {
        char *const words[] = {"echo", "from a folder", 0}, *const none[] = {0};
        syscall(SYS_execveat, top_fd, "echo", words, none, 0);
        _exit(1);
    }
    report("program", child);
    told("a folder", execl(top, "x", (char *)0));
    told("missing", execl(at("missing"), "x", (char *)0));
}

/* Says a path, without what depends on where the directory is. */
static void say(const char *what, const char *path)
{
    const char *where = getenv("TOP");
    size_t length = strlen(where);
    int is_below = strncmp(path, where, length) == 0;
    printf("  %s: %s%s\n", what, is_below ? "TOP" : "", path + (is_below ? length : 0));
}

/* A program that lies in the directory says what it is. */
static int says(int argc, char **argv)
{
    char name[16], link[PATH_MAX] = "", head[4] = "";
    for (int i = 0; i < argc; i++)
        say("argument", argv[i]);
    say("executed by", (const char *)getauxval(AT_EXECFN));
    MUST(prctl(PR_GET_NAME, name));
    say("named", name);
    MUST(readlink("/proc/self/exe", link, sizeof link - 1));
    say("is", link);
    struct stat known, same;
    MUST(stat("/proc/self/exe", &known));
    MUST(stat(link, &same));
    int fd = MUST(open("/proc/thread-self/exe", O_RDONLY));
    MUST(read(fd, head, 4));
    told("is the file", known.st_ino == same.st_ino && memcmp(head, "\177ELF", 4) == 0);
    told("executable", access("/proc/self/exe", X_OK));
    fflush(stdout);
    if (argc < 4)
        execl("/proc/self/exe", "again", "say", "and", "again", (char *)0);
    return 0;
}

/* Runs in a child what executes something. */
static void execute_as(const char *what, int folder, const char *path, int flags, const char *word)
{
    char *const words[] = {"zeroth", (char *)word, 0};
    printf("%s\n", what);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        syscall(SYS_execveat, folder, path, words, environ, flags);
        told("not executed", -1);
        fflush(stdout);
        _exit(1);
    }
    report(what, child);
}

/* How a program and a script are shown that lie in the directory. */
static void shown(void)
{
    char line[PATH_MAX * 2 + 64];
    MUST(setenv("TOP", top, 1));
    copy_program("/proc/self/exe", "program");
    MUST(symlink("program", at("link")));
    snprintf(line, sizeof line, "#!%s say\n", at("program"));
    file("script", line);
    file("shell", "#!/bin/sh\ncase $0 in /dev/*|./*) echo \"  $0\";; esac\nread name </proc/$$/comm; echo \"  $name\"\n");
    MUST(chmod(at("script"), 0755));
    MUST(chmod(at("shell"), 0755));
    MUST(chdir(top));
    const char *const paths[] = {"./program", "link", "./script", "./shell", at("program"), at("script")};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        execute_as(i < 4 ? paths[i] : "absolute", AT_FDCWD, paths[i], 0, "say");
    execute_as("from a folder", top_fd, "program", 0, "say");
    execute_as("a shell's from a folder", top_fd, "./shell", 0, "say");
    int fd = MUST(open("program", O_PATH)), closed = MUST(open("shell", O_RDONLY | O_CLOEXEC));
    execute_as("by its descriptor", fd, "", AT_EMPTY_PATH, "say");
    execute_as("a shell's that is closed", closed, "", AT_EMPTY_PATH, "say");
    MUST(fcntl(closed, F_SETFD, 0));
    execute_as("a shell's by its descriptor", closed, "", AT_EMPTY_PATH, "say");
    close(closed);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "say") == 0)
        return says(argc, argv);
    const struct group groups[] = {
        {"dup", dups}, {"inherit", inherited}, {"send", sent}, {"named", named}, {"lock", locks},
        {"ready", ready}, {"execute", executed}, {"execute-shown", shown}, {0, 0}};
    return run_group(argc, argv, groups);
}
