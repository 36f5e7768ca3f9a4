/* No number that the program has not opened is anything to it: not to calls that take one, nor in /proc,
 * its own or another process's. */
#include "check.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MOST 4160
/* All numbers would take long: those that are in use, around the limit, and where large limits end. */
#define AFTER(fd) ((fd) == 64 ? 1000 : (fd) == 1150 ? 4040 : (fd) + 1)

/* The error of a call on a number that is closed; those that answer otherwise are counted. */
#define CLOSED(name, expected, call)                                                        \
    do {                                                                                    \
        int wrong_ = 0;                                                                     \
        for (int fd = 0; fd < MOST; fd = AFTER(fd)) {                                       \
            if (open_here[fd])                                                              \
                continue;                                                                   \
            errno = 0;                                                                      \
            if ((long)(call) != -1 || errno != (expected))                                  \
                wrong_++;                                                                   \
        }                                                                                   \
        printf("%s: %d otherwise\n", name, wrong_);                                         \
    } while (0)

static char open_here[MOST];

static void numbers(void)
{
    struct stat status;
    char text[64], link[64];
    CLOSED("fcntl", EBADF, fcntl(fd, F_GETFD));
    CLOSED("dup", EBADF, dup(fd));
    CLOSED("dup2", EBADF, dup2(fd, 5));
    CLOSED("dup3", EBADF, dup3(fd, 5, 0));
    CLOSED("close", EBADF, close(fd));
    CLOSED("fstatat", EBADF, fstatat(fd, "", &status, AT_EMPTY_PATH));
    CLOSED("fstatat of a name", EBADF, fstatat(fd, "name", &status, 0));
    CLOSED("statx", EBADF, ({ struct statx more; statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &more); }));
    CLOSED("openat", EBADF, openat(fd, "name", O_RDONLY));
    CLOSED("readlinkat", EBADF, readlinkat(fd, "", text, sizeof text));
    CLOSED("faccessat", EBADF, faccessat(fd, "name", F_OK, 0));
    CLOSED("execveat", EBADF, syscall(SYS_execveat, fd, "", NULL, NULL, AT_EMPTY_PATH));
    CLOSED("mmap", EBADF, (long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    CLOSED("getdents", EBADF, syscall(SYS_getdents64, fd, text, sizeof text));
    CLOSED("fchdir", EBADF, fchdir(fd));
    CLOSED("fchmod", EBADF, fchmod(fd, 0600));
    CLOSED("fchown", EBADF, fchown(fd, -1, -1));
    CLOSED("ftruncate", EBADF, ftruncate(fd, 0));
    CLOSED("ftruncate64", EBADF, ftruncate64(fd, 0));
    CLOSED("fallocate", EBADF, fallocate(fd, 0, 0, 1));
    /* A number that does not matter. */
    int wrong = 0;
    for (int fd = 0; fd < MOST; fd = AFTER(fd)) {
        int null = openat(fd, "/dev/null", O_RDONLY);
        wrong += null < 0 || close(null) != 0;
        void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
        wrong += page == MAP_FAILED || munmap(page, 4096) != 0;
    }
    printf("of no matter: %d wrong\n", wrong);
#define NAME(folder) (snprintf(link, sizeof link, folder "/%d", fd), link)
    CLOSED("stat in /proc", ENOENT, stat(NAME("/proc/self/fd"), &status));
    CLOSED("lstat in /proc", ENOENT, lstat(NAME("/proc/self/fd"), &status));
    CLOSED("lstat in fdinfo", ENOENT, lstat(NAME("/proc/self/fdinfo"), &status));
    CLOSED("open in /dev/fd", ENOENT, open(NAME("/dev/fd"), O_RDONLY));
    CLOSED("open in fdinfo", ENOENT, open(NAME("/proc/thread-self/fdinfo"), O_RDONLY));
    CLOSED("readlink", ENOENT, readlink(NAME("/proc/thread-self/fd"), text, sizeof text));
    CLOSED("access", ENOENT, access(NAME("/proc/self/fd"), F_OK));
    int folder = MUST(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    open_here[folder] = 1;
    CLOSED("openat in /proc", ENOENT, openat(folder, (snprintf(link, sizeof link, "%d", fd), link), O_RDONLY));
    close(folder);
    open_here[folder] = 0;
}

static void list(const char *name)
{
    DIR *folder = opendir(name);
    if (!folder) {
        printf("%s\n", strerror(errno));
        return;
    }
    int count = 0, sum = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            count++;
            sum += atoi(entry->d_name);
        }
    closedir(folder);
    printf("listed: %d, in all %d\n", count, sum);
}

static void listings(void)
{
    list("/proc/self/fd");
    list("/proc/self/fdinfo");
    list("/proc/thread-self/fd");
    list("/dev/fd");
    struct stat status;
    CHECK(stat("/proc/self/fd", &status) == 0);
    printf("links: %lu, size: %ld\n", (unsigned long)status.st_nlink, (long)status.st_size);
    int listed = MUST(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    CHECK(fstat(listed, &status) == 0);
    printf("opened, its size: %ld\n", (long)status.st_size);
    struct statx more;
    CHECK(statx(listed, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &more) == 0);
    printf("by statx: %ld\n", (long)more.stx_size);
    CHECK(fstatat(listed, "", &status, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0);
    printf("not followed: %ld\n", (long)status.st_size);
    CHECK(lstat("/proc/self/fd", &status) == 0);
    printf("by its name: %ld\n", (long)status.st_size);
    CHECK(fchdir(listed) == 0 && stat(".", &status) == 0);
    close(listed);
    CHECK(chdir("/") == 0);
    /* The old call. */
#ifdef SYS_getdents
    static char entries[65536];
    int folder = MUST(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    long length = syscall(SYS_getdents, folder, entries, sizeof entries);
    int count = 0;
    for (long at = 0; at < length; at += *(unsigned short *)(entries + at + 2 * sizeof(long)))
        count++;
    printf("getdents: %d\n", count);
    close(folder);
#endif
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    char name[64], text[64];
    snprintf(name, sizeof name, "/proc/%d/fd", child);
    list(name);
    int wrong = 0;
    for (int fd = 1000; fd < MOST; fd = AFTER(fd)) {
        snprintf(name, sizeof name, "/proc/%d/fd/%d", child, fd);
        wrong += readlink(name, text, sizeof text) != -1 || errno != ENOENT;
    }
    printf("the child's: %d\n", wrong);
    kill(child, SIGKILL);
    report("child", child);
}

/* Every number up to the limit is the program's. */
static void up_to(const char *name, rlim_t soft)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = soft;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    int wrong = 0;
    for (rlim_t fd = 10; fd < soft; fd++) {
        int copy = fcntl(0, F_DUPFD, (int)fd);
        wrong += copy != (int)fd;
        if (copy >= 0)
            close(copy);
    }
    errno = 0;
    int behind = fcntl(0, F_DUPFD, (int)soft);
    printf("%s: %d wrong, behind: %d %s\n", name, wrong, behind, strerror(errno));
    int count = 0, last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
        count += fd == last + 1 || last == -1;
        last = fd;
    }
    printf("%s: the last is %d of %d in turn, then %s\n", name, last, count, strerror(errno));
    CHECK(close_range(3, ~0U, 0) == 0);
}

int main(void)
{
    for (int fd = 0; fd < MOST; fd++)
        open_here[fd] = fcntl(fd, F_GETFD) != -1;
    numbers();
    listings();
    fflush(stdout);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    up_to("as it is", limit.rlim_cur < 1024 ? limit.rlim_cur : 1024);
    up_to("more", limit.rlim_max < 1500 ? limit.rlim_max : 1500);
    up_to("few", 20);
    up_to("more again", limit.rlim_max < 1300 ? limit.rlim_max : 1300);
    limit.rlim_cur = limit.rlim_max = 30;
    setrlimit(RLIMIT_NOFILE, &limit);
    up_to("for good", 30);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "ulimit -n; ulimit -Hn; ls /proc/self/fd | wc -l", (char *)0);
        _exit(1);
    }
    report("executed", child);
    return 0;
}
