/* Calls that change the program's own file by /proc/self/exe: it is that file which they change. */
#include "check.h"
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#define LINK "/proc/self/exe"

static struct stat now(void)
{
    struct stat status;
    CHECK(stat("changes-copy", &status) == 0);
    return status;
}

static void say(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void modes(void)
{
    say("chmod", chmod(LINK, 0751));
    printf("mode %o\n", now().st_mode);
    say("fchmodat", fchmodat(AT_FDCWD, LINK, 0711, 0));
    printf("mode %o\n", now().st_mode);
    errno = 0;
    long result = syscall(452, AT_FDCWD, LINK, 0755, 0);
    say("fchmodat2", result);
    printf("mode %o\n", result < 0 ? 0755 : now().st_mode);
    chmod("changes-copy", 0755);
    say("chown", chown(LINK, getuid(), -1));
    say("fchownat", fchownat(AT_FDCWD, LINK, -1, getgid(), 0));
}

static void modified(const char *what, int result)
{
    say(what, result);
    if (result == 0)
        printf("at %ld\n", (long)now().st_mtime);
}

static void times(void)
{
    struct timespec both[2] = { { 1000, 0 }, { 2000, 0 } };
    modified("utimensat", utimensat(AT_FDCWD, LINK, both, 0));
    struct timeval pair[2] = { { 1000, 0 }, { 3000, 0 } };
    modified("utimes", utimes(LINK, pair));
    struct utimbuf old = { 1000, 4000 };
    modified("utime", utime(LINK, &old));
    int folder = open("/proc/self", O_RDONLY | O_DIRECTORY);
    if (folder < 0)
        return;
    both[1].tv_sec = 5000;
    modified("from a folder", utimensat(folder, "exe", both, 0));
    /* The link's own times are the kernel's. */
    utimensat(folder, "exe", both, AT_SYMLINK_NOFOLLOW);
    close(folder);
}

static void names(void)
{
    say("linkat", linkat(AT_FDCWD, LINK, AT_FDCWD, "changes-linked", AT_SYMLINK_FOLLOW));
    struct stat status;
    if (stat("changes-linked", &status) == 0)
        printf("linked: %d, names %lu\n", status.st_ino == now().st_ino, (unsigned long)status.st_nlink);
    unlink("changes-linked");
    say("truncate", truncate(LINK, 0));
    CHECK(now().st_size > 1000);
    char value[16] = "";
    int set = setxattr(LINK, "user.changed", "yes", 3, 0);
    printf("setxattr: %d, there: %d\n", set, set == 0 && getxattr("changes-copy", "user.changed", value, sizeof value) == 3);
    printf("removexattr: %d\n", set == 0 && removexattr(LINK, "user.changed") == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        modes();
        times();
        names();
        return 0;
    }
    /* A copy, so that nobody else's is changed. */
    static char piece[1 << 20];
    int from = MUST(open(argv[0], O_RDONLY)), to = MUST(open("changes-copy", O_WRONLY | O_CREAT | O_TRUNC, 0755));
    ssize_t length = read(from, piece, sizeof piece);
    CHECK(length > 0 && write(to, piece, length) == length);
    close(from);
    close(to);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("./changes-copy", "changes", "itself", (char *)0);
        _exit(1);
    }
    report("itself", child);
    CHECK(unlink("changes-copy") == 0);
    return 0;
}
