/* How long a folder of descriptors is, asked of the open folder by the old call (C libraries take the one with a name). */
#include "check.h"
#include <sys/mman.h>
#include <sys/stat.h>

/* `st_size` and `st_blksize` of what SYS_fstat fills, without the C library's structure for its own call. */
#ifdef __i386__
#define OLD SYS_fstat64
#define SIZE(text) (*(int *)((text) + 44))
#else
#define OLD SYS_fstat
#define SIZE(text) (*(long *)((text) + 48))
#endif

static void size_of(const char *name, int fd)
{
    char text[512] = { 0 };
    errno = 0;
    long result = syscall(OLD, fd, text);
    printf("%s: %ld, %s, size %ld\n", name, result, strerror(errno), (long)SIZE(text));
}

int main(void)
{
    const char *paths[] = { "/proc/self/fd", "/dev/fd", "/proc/thread-self/fd", "/proc/self/fdinfo", "/proc/self/task" };
    for (int i = 0; i < 5; i++) {
        int folder = open(paths[i], O_RDONLY | O_DIRECTORY);
        if (folder < 0) {
            printf("%s: %s\n", paths[i], strerror(errno));
            continue;
        }
        size_of(paths[i], folder);
        int copies[] = { dup(folder), fcntl(folder, F_DUPFD, 60), dup2(folder, 70) };
        for (int copy = 0; copy < 3; copy++) {
            size_of("a copy", copies[copy]);
            close(copies[copy]);
        }
        char byte;
        CHECK(read(folder, &byte, 1) == -1 && errno == EISDIR);
        CHECK(pread(folder, &byte, 1, 0) == -1 && errno == EISDIR);
        /* The number is another file's, while a copy is still open. */
        int kept = dup(folder), file = MUST(memfd_create("file", 0));
        CHECK(ftruncate(file, 12345) == 0 && dup2(file, folder) == folder);
        size_of("another file", folder);
        size_of("one that is kept", kept);
        close(kept);
        close(file);
        close(folder);
        size_of("closed", folder);
    }
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0)
        for (;;)
            pause();
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/fd", child);
    int folder = open(name, O_RDONLY | O_DIRECTORY);
    if (folder >= 0)
        size_of("the child's", folder);
    kill(child, SIGKILL);
    report("child", child);
    if (folder >= 0)
        size_of("when it has ended", folder);
    /* Without a path a call with one means its descriptor. */
    int file = MUST(memfd_create("times", 0));
    struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
    struct stat status = { 0 };
    CHECK(futimens(file, times) == 0 && fstat(file, &status) == 0);
    printf("times: %ld\n", (long)status.st_mtime);
    CHECK(syscall(SYS_utimensat, AT_FDCWD, NULL, times, 0) == -1);
    printf("no path: %s\n", strerror(errno));
    CHECK(syscall(SYS_fchmodat, AT_FDCWD, NULL, 0600) == -1);
    printf("no path: %s\n", strerror(errno));
    return 0;
}
