/* bare FILE: reads and writes a file of which at most 4096 bytes are kept, in all the ways that need no length of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
}

static void show(const char *what, const char *bytes, long length)
{
    printf("%s: %ld '%.*s'\n", what, length, length > 0 ? (int)length : 0, bytes);
}

int main(int argc, char **argv)
{
    char text[64], more[64];
    struct stat known;
    if (argc < 2)
        return 2;
    int fd = open(argv[1], O_RDWR);
    say("write", write(fd, "hello, world\n", 13));
    say("lseek", lseek(fd, 0, SEEK_CUR));
    show("pread64", text, pread(fd, text, sizeof text, 7));
    say("pwrite64", pwrite(fd, "HE", 2, 0));
    say("back", lseek(fd, -10, SEEK_CUR));
    show("read", text, read(fd, text, 4));
    struct iovec parts[2] = {{text, 3}, {more, sizeof more}};
    say("readv", readv(fd, parts, 2));
    show("its second part", more, 4);
    say("at the end", read(fd, text, sizeof text));
    struct iovec out[2] = {{"one ", 4}, {"two\n", 4}};
    say("writev", writev(fd, out, 2));
    say("preadv2", preadv2(fd, parts, 1, 13, 0));
    show("its part", text, 3);
    say("preadv2 where it is", preadv2(fd, parts, 1, -1, 0));
    say("pwritev2 at the end", pwritev2(fd, out, 1, 0, RWF_APPEND));
    int other = dup(fd);
    say("a copy's position", lseek(other, 2, SEEK_SET));
    show("by the first", text, read(fd, text, 3));
    fflush(stdout);
    if (fork() == 0) {
        show("by a child", text, read(other, text, 2));
        fflush(stdout);
        _exit(0);
    }
    int status;
    wait(&status);
    show("after it", text, read(fd, text, 2));
    close(other);
    say("F_GETFL", fcntl(fd, F_GETFL) & O_ACCMODE);
    say("F_GETFD", fcntl(fd, F_SETFD, FD_CLOEXEC) + fcntl(fd, F_GETFD));
    struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};
    say("poll", poll(&ready, 1, 0));
    say("it is ready for", ready.revents);
    int ends[2];
    off_t from = 0;
    say("pipe", pipe(ends));
    say("sendfile", sendfile(ends[1], fd, &from, 5));
    show("what was sent", text, read(ends[0], text, sizeof text));
    say("splice", splice(fd, &(loff_t){7}, ends[1], NULL, 5, 0));
    show("what was spliced", text, read(ends[0], text, sizeof text));
    say("fsync", fsync(fd));
    say("fstat", fstat(fd, &known));
    printf("%o, %lu links\n", known.st_mode & S_IFMT, (unsigned long)known.st_nlink);
    say("access", access(argv[1], R_OK | W_OK));
    say("as a directory", open(argv[1], O_DIRECTORY));
    say("below it", open("place/below", O_RDONLY));
    say("exclusively", open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0600));
    say("getdents64", syscall(SYS_getdents64, fd, text, sizeof text));
    say("fchdir", fchdir(fd));
    say("ENOTTY", ioctl(fd, 0x5401, text));
    int reads = open(argv[1], O_RDONLY);
    say("written where it is read", write(reads, "x", 1));
    int appends = open(argv[1], O_WRONLY | O_APPEND);
    say("appended", write(appends, "end\n", 4));
    say("read where it is written", read(appends, text, 1));
    show("all of it", text, pread(fd, text, sizeof text, 0));
    say("close", close(fd));
    say("closed", read(fd, text, 1));
    return 0;
}
