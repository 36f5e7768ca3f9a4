/* The program's own file by /proc/PID/exe when it has another name, none, or when its name is another file's; and a
 * program that never had one. usage: renamed [here|memfd|again] */
#include "check.h"
#include <sys/mman.h>
#include <sys/stat.h>

extern char **environ;

static void show_link(const char *what, const char *link)
{
    char text[4096];
    ssize_t length = readlink(link, text, sizeof text);
    printf("%s: %.*s\n", what, length < 0 ? 0 : (int)length, text);
}

/* What `link` says and leads to. */
static void show(const char *link)
{
    struct stat status, opened;
    struct statx more;
    show_link("link", link);
    CHECK(stat(link, &status) == 0 && access(link, X_OK) == 0);
    CHECK(statx(AT_FDCWD, link, 0, STATX_INO | STATX_NLINK, &more) == 0 && more.stx_ino == status.st_ino);
    printf("names: %u %lu\n", more.stx_nlink, (unsigned long)status.st_nlink);
    static const int flags[] = { O_RDONLY, O_PATH };
    for (int i = 0; i < 2; i++) {
        int fd = MUST(open(link, flags[i]));
        CHECK(fstat(fd, &opened) == 0 && opened.st_ino == status.st_ino && opened.st_dev == status.st_dev);
        char name[64], magic[4] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        show_link("opened", name);
        if (flags[i] == O_RDONLY)
            printf("begins with %zd: %.3s\n", read(fd, magic, 4), magic + 1);
        close(fd);
    }
    int itself = MUST(open(link, O_PATH | O_NOFOLLOW));
    char text[4096];
    ssize_t length = readlinkat(itself, "", text, sizeof text);
    printf("by itself: %.*s\n", length < 0 ? 0 : (int)length, text);
    close(itself);
    fflush(stdout);
}

static void show_comm(void)
{
    char name[64] = "";
    int fd = MUST(open("/proc/self/comm", O_RDONLY));
    CHECK(read(fd, name, sizeof name - 1) > 0);
    close(fd);
    printf("name: %s", name);
}

/* Executed again, and seen by a child that has executed nothing. */
static void everywhere(const char *what)
{
    puts(what);
    show("/proc/self/exe");
    show("/proc/thread-self/exe");
    pid_t child = MUST(fork());
    if (child == 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/%d/exe", getppid());
        show(link);
        snprintf(link, sizeof link, "/proc/%d/task/%d/exe", getpid(), getpid());
        show(link);
        _exit(0);
    }
    report("child", child);
    child = MUST(fork());
    if (child == 0) {
        execl("/proc/self/exe", "renamed", "again", (char *)0);
        _exit(1);
    }
    report("executed", child);
    child = MUST(fork());
    if (child == 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/%d/exe", getppid());
        execl(link, "renamed", "again", (char *)0);
        _exit(1);
    }
    report("executed by the parent's", child);
    fflush(stdout);
}

/* A file of our own at `path`. */
static void copy(const char *path)
{
    static char piece[65536];
    int from = MUST(open("/proc/self/exe", O_RDONLY)), to = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    ssize_t length;
    while ((length = read(from, piece, sizeof piece)) > 0)
        CHECK(write(to, piece, length) == length);
    close(from);
    close(to);
}

static void here(void)
{
    everywhere("at first");
    CHECK(rename("own-copy", "own-other") == 0);
    everywhere("renamed");
    CHECK(mkdir("own-folder", 0755) == 0 && rename("own-other", "own-folder/name") == 0);
    everywhere("moved");
    CHECK(unlink("own-folder/name") == 0 && rmdir("own-folder") == 0);
    everywhere("removed");
    int fd = MUST(open("own-copy", O_WRONLY | O_CREAT, 0755));
    CHECK(write(fd, "#!/bin/echo another\n", 20) == 20);
    close(fd);
    everywhere("its name is another's");
    CHECK(unlink("own-copy") == 0);
}

static void memfd(int flags)
{
    int fd = MUST(memfd_create("program", flags));
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    copy(name);
    /* A file that is open to be written is busy. */
    int program = MUST(open(name, O_RDONLY | (flags ? O_CLOEXEC : 0)));
    close(fd);
    char *words[] = { "renamed", "again", NULL };
    fexecve(program, words, environ);
    printf("not executed: %s\n", strerror(errno));
    _exit(1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "here")) {
        here();
        return 0;
    }
    if (argc > 1) {
        show_comm();
        show("/proc/self/exe");
        return 3;
    }
    (void)argv;
    copy("own-copy");
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("./own-copy", "renamed", "here", (char *)0);
        _exit(1);
    }
    report("here", child);
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        child = MUST(fork());
        if (child == 0)
            memfd(i ? MFD_CLOEXEC : 0);
        report("memfd", child);
    }
    return 0;
}
