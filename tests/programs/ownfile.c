/* The program's own file by every name that /proc has for it, and by every call that takes one. */
#include "check.h"
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct stat expected;

static int same(const struct stat *found)
{
    return found->st_ino == expected.st_ino && found->st_dev == expected.st_dev;
}

static void by_name(int folder, const char *name)
{
    struct stat found;
    struct statx more;
    char target[4096] = "";
    CHECK(fstatat(folder, name, &found, 0) == 0 && same(&found));
    CHECK(fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(found.st_mode));
    CHECK(statx(folder, name, 0, STATX_INO, &more) == 0 && more.stx_ino == expected.st_ino);
    CHECK(faccessat(folder, name, R_OK | X_OK, 0) == 0);
    ssize_t length = readlinkat(folder, name, target, sizeof target);
    CHECK(length > 0 && stat(target, &found) == 0 && same(&found));
    static const int flags[] = { O_RDONLY, O_RDONLY | O_CLOEXEC, O_PATH, O_RDONLY | O_NONBLOCK };
    for (int i = 0; i < 4; i++) {
        int fd = openat(folder, name, flags[i]);
        CHECK(fd >= 0 && fstat(fd, &found) == 0 && same(&found));
        close(fd);
        struct open_how how = { .flags = flags[i] };
        fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
        CHECK(fd >= 0 && fstat(fd, &found) == 0 && same(&found));
        close(fd);
    }
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW);
    CHECK(fd >= 0 && fstat(fd, &found) == 0 && S_ISLNK(found.st_mode));
    length = readlinkat(fd, "", target, sizeof target - 1);
    printf("link: %.*s\n", (int)length, target);
    close(fd);
    CHECK(openat(folder, name, O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
    CHECK(openat(folder, name, O_RDWR) == -1 && errno == ETXTBSY);
    struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS };
    CHECK(syscall(SYS_openat2, folder, name, &how, sizeof how) == -1 && errno == ELOOP);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char *words[] = { "itself", "executed", NULL }, *none[] = { NULL };
        syscall(SYS_execveat, folder, name, words, none, 0);
        _exit(1);
    }
    report("execveat", child);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "executed")) {
        char target[4096] = "";
        CHECK(readlink("/proc/self/exe", target, sizeof target - 1) > 0);
        printf("%s as %s\n", target, argv[0]);
        return 3;
    }
    CHECK(stat(argv[0], &expected) == 0);
    char name[64];
    by_name(AT_FDCWD, "/proc/self/exe");
    by_name(AT_FDCWD, "/proc/thread-self/exe");
    snprintf(name, sizeof name, "/proc/%d/exe", getpid());
    by_name(AT_FDCWD, name);
    snprintf(name, sizeof name, "/proc/%d/task/%d/exe", getpid(), getpid());
    by_name(AT_FDCWD, name);
    by_name(AT_FDCWD, "/proc//self/./exe");
    by_name(AT_FDCWD, "/proc/self/task/../exe");
    int folder = MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
    by_name(folder, "exe");
    by_name(folder, "../self/exe");
    close(folder);
    folder = MUST(open("/proc", O_PATH | O_DIRECTORY));
    by_name(folder, "self/exe");
    close(folder);
    CHECK(symlink("/proc/self", "me") == 0);
    by_name(AT_FDCWD, "me/exe");
    unlink("me");
    CHECK(chdir("/proc/self") == 0);
    by_name(AT_FDCWD, "exe");
    by_name(AT_FDCWD, "./exe");
    /* Another process's. */
    int ends[2];
    MUST(pipe(ends));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 5 : 6);
    }
    snprintf(name, sizeof name, "/proc/%d/exe", child);
    by_name(AT_FDCWD, name);
    close(ends[0]);
    close(ends[1]);
    report("child", child);
    return 0;
}
