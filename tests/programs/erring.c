/* erring FOLDER: each operation of the module `erring` that faults, in each way, ends its call with EIO, in two threads at a time
 * and a process; the next call, and the file `well`, are as they were. What is otherwise is said; then how much was done. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *folder;
static int well;
static int done;
static int blocked;

static __thread char path[256];
static __thread const char *way;

static const char *at(const char *operation)
{
    snprintf(path, sizeof path, "%s/%s-%s", folder, operation, way);
    return path;
}

static __thread volatile int come;

static void comes(int signal) { (void)signal, come = 1; }

static void expect(const char *what, long got, long wanted, int error)
{
    if (got != wanted || (error != 0 && errno != error))
        printf("%s of %s: %ld, %s\n", what, path, got, strerror(errno));
    char text[2] = "?";
    if (pread(well, text, 2, 0) != 2 || text[0] != '0')
        printf("%s of %s: then %c\n", what, path, text[0]);
    come = blocked;
    pthread_kill(pthread_self(), SIGUSR1);
    if (!come)
        printf("%s of %s: then no signal comes\n", what, path);
    __atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
    errno = 0;
}
#define EIO_OF(call) expect(#call, (long)(call), -1, EIO)
#define IS(call, wanted) expect(#call, (long)(call), wanted, 0)

static int opened(const char *operation, int flags)
{
    int fd = open(at(operation), flags);
    if (fd < 0)
        printf("open of %s: %s\n", path, strerror(errno));
    return fd;
}

static void by_path(void)
{
    struct stat known;
    struct statx more;
    struct statfs system;
    char text[64];
    at("stat");
    EIO_OF(stat(path, &known));
    EIO_OF(lstat(path, &known));
    EIO_OF(statx(AT_FDCWD, path, 0, STATX_ALL, &more));
    EIO_OF(open(at("open"), O_RDWR));
    EIO_OF(open(path, O_RDONLY | O_CREAT, 0666));
    EIO_OF(unlink(at("unlink")));
    char other[300];
    snprintf(other, sizeof other, "%s/well", folder);
    EIO_OF(rename(at("rename"), other));
    snprintf(other, sizeof other, "%s/none", folder);
    EIO_OF(link(at("link"), other));
    EIO_OF(symlink("well", at("symlink")));
    EIO_OF(access(at("access"), R_OK));
    EIO_OF(readlink(at("readlink"), text, sizeof text));
    EIO_OF(open(path, O_RDONLY));
    EIO_OF(truncate(at("truncate"), 0));
    EIO_OF(chmod(at("chmod"), 0700));
    EIO_OF(utimensat(AT_FDCWD, at("utimens"), NULL, 0));
    EIO_OF(statfs(at("statfs"), &system));
    EIO_OF(getxattr(at("getxattr"), "user.a", text, sizeof text));
    EIO_OF(open(at("confirm"), O_RDONLY));
    EIO_OF(stat(path, &known));
    EIO_OF(chdir(path));
    EIO_OF(execl(at("open"), "x", NULL));
}

static void by_descriptor(void)
{
    char text[64];
    struct iovec part = { text, sizeof text };
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    /* Not to write: a program that is written is not executed. */
    int fd = opened("read", O_RDONLY);
    EIO_OF(read(fd, text, sizeof text));
    EIO_OF(pread(fd, text, sizeof text, 0));
    EIO_OF(readv(fd, &part, 1));
    EIO_OF(preadv2(fd, &part, 1, -1, 0));
    EIO_OF(sendfile(ends[1], fd, NULL, 2));
    EIO_OF(splice(fd, NULL, ends[1], NULL, 2, 0));
    EIO_OF(execl(path, "x", NULL));
    IS(lseek(fd, 0, SEEK_CUR), 0);
    expect("write", write(fd, "text", 4), -1, EBADF);
    IS(close(fd), 0);
    fd = opened("write", O_RDWR);
    EIO_OF(write(fd, "text", 4));
    EIO_OF(pwrite(fd, "text", 4, 0));
    EIO_OF(writev(fd, &part, 1));
    EIO_OF(sendfile(fd, well, NULL, 2));
    IS(read(fd, text, sizeof text), 2);
    IS(close(fd), 0);
    fd = opened("list", O_RDONLY | O_DIRECTORY);
    /* What is known without the module comes first: "." and "..". */
    syscall(SYS_getdents64, fd, text, sizeof text);
    EIO_OF(syscall(SYS_getdents64, fd, text, sizeof text));
    IS(close(fd), 0);
    fd = opened("ioctl", O_RDWR);
    EIO_OF(ioctl(fd, 0x5678, 0));
    IS(close(fd), 0);
    fd = opened("fsync", O_RDWR);
    EIO_OF(fsync(fd));
    EIO_OF(fdatasync(fd));
    IS(close(fd), 0);
    fd = opened("lseek", O_RDWR);
    EIO_OF(lseek(fd, 0, SEEK_DATA));
    IS(close(fd), 0);
    fd = opened("map", O_RDWR);
    EIO_OF(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    IS(close(fd), 0);
    /* Nobody hears of what a file's last close comes to. */
    fd = opened("close", O_RDWR);
    int other = dup(fd);
    IS(close(fd), 0);
    IS(close(other), 0);
    fd = opened("close", O_RDWR);
    IS(dup2(ends[0], fd), fd);
    IS(close(fd), 0);
    close(ends[0]);
    close(ends[1]);
}

/* A file of which it is not known what holds is one on which a call would not wait, for it fails. */
static void waited_for(void)
{
    int fd = opened("poll", O_RDWR);
    struct pollfd one = { fd, POLLIN | POLLOUT, 0 };
    IS(poll(&one, 1, -1), 1);
    IS(one.revents & POLLERR, POLLERR);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    IS(select(fd + 1, &set, NULL, NULL, NULL), 1);
    struct epoll_event event = { .events = EPOLLIN }, got = { 0 };
    int all = epoll_create1(0);
    IS(epoll_ctl(all, EPOLL_CTL_ADD, fd, &event), 0);
    IS(epoll_wait(all, &got, 1, -1), 1);
    IS(got.events & EPOLLERR, EPOLLERR);
    close(all);
    IS(close(fd), 0);
}

static void *all_of_it(void *given)
{
    static const char *const ways[] = {
        "null", "panic", "deep", "locked-null", "locked-panic", "locked-deep", "locks", "claim", "locked-claim",
    };
    (void)given;
    for (size_t index = 0; index < sizeof ways / sizeof *ways; index++) {
        way = ways[index];
        by_path();
        by_descriptor();
        waited_for();
    }
    return NULL;
}

int main(int count, char **arguments)
{
    pthread_t other;
    sigset_t every;
    if (count < 2)
        return 2;
    signal(SIGUSR1, comes);
    setvbuf(stdout, NULL, _IOLBF, 0);
    folder = arguments[1];
    way = "";
    snprintf(path, sizeof path, "%s/well", folder);
    well = open(path, O_RDWR);
    if (well < 0 || pthread_create(&other, NULL, all_of_it, NULL) != 0)
        return 1;
    all_of_it(NULL);
    pthread_join(other, NULL);
    /* The program's own handling of such signals, and its mask, have no part in it. */
    signal(SIGSEGV, SIG_IGN);
    blocked = 1;
    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    pid_t child = fork();
    if (child == 0) {
        all_of_it(NULL);
        printf("%d calls\n", done);
        return 0;
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("child: %d\n", status);
    return 0;
}
