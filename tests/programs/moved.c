/* Open files and working directories go with their names, and stay when those are gone. */
#include "variants.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/xattr.h>

/* Where a link of /proc leads, below the top. */
static void leads(const char *link)
{
    char to[PATH_MAX];
    ssize_t length = readlink(link, to, sizeof to - 1);
    to[length > 0 ? length : 0] = 0;
    printf("  %s\n", length < 0 ? strerror(errno) : strncmp(to, top, strlen(top)) == 0 ? to + strlen(top) : to);
}

static void name_of(int fd)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    leads(link);
}

/* What a descriptor leads to is a number where a file never had a name. */
static void has_no_name(int fd)
{
    char link[64], to[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, to, sizeof to - 1);
    to[length > 0 ? length : 0] = 0;
    struct stat known;
    MUST(fstat(fd, &known));
    char *number = strchr(to, '#');
    printf("  without a name: %d\n", number && strtoull(number + 1, 0, 10) == known.st_ino && strstr(to, " (deleted)"));
}

static void where(void)
{
    char path[PATH_MAX];
    long length = syscall(SYS_getcwd, path, sizeof path);
    if (length < 0)
        printf("  at %s\n", strerror(errno));
    else
        printf("  at [%s]\n", strncmp(path, top, strlen(top)) == 0 ? path + strlen(top) : "elsewhere");
    leads("/proc/self/cwd");
}

static void files(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("a/b"), 0755));
    file("a/b/file", "one");
    file("other", "two");
    int fd = MUST(open(at("a/b/file"), O_RDWR)), folder = MUST(open(at("a/b"), O_RDONLY | O_DIRECTORY));
    int other = MUST(open(at("other"), O_RDONLY)), path = MUST(open(at("a/b"), O_PATH));
    name_of(fd);
    MUST(rename(at("a/b/file"), at("a/b/renamed")));
    name_of(fd);
    MUST(rename(at("a"), at("c")));
    name_of(fd);
    name_of(folder);
    name_of(path);
    CALL(openat, folder, "missing", O_RDONLY);
    told("by its folder", openat(folder, "renamed", O_RDONLY) < 0 ? -1 : 0);
    told("by its folder", openat(path, "renamed", O_RDONLY) < 0 ? -1 : 0);
    CALL(openat, folder, "../b/renamed/x", O_RDONLY);
    CALL(mkdirat, folder, "in", 0755);
    show("c/b/in");
    CALL(renameat2, folder, "in", path, "within", 0);
    show("c/b/within");
    /* Exchanged with a file. */
    CALL(renameat2, AT_FDCWD, at("c/b"), AT_FDCWD, at("other"), 2);
    name_of(fd);
    name_of(folder);
    name_of(other);
    CALL(renameat2, AT_FDCWD, at("c/b"), AT_FDCWD, at("other"), 2);
    name_of(fd);
    name_of(other);
    /* In its place is another one. */
    MUST(rename(at("other"), at("c/b/renamed")));
    name_of(fd);
    name_of(other);
    char text[16];
    told("read", pread(fd, text, 3, 0));
    printf("  %.3s\n", text);
    told("written", pwrite(fd, "ONE", 3, 0));
    show("c/b/renamed");
    /* One of two names goes. */
    MUST(link(at("c/b/renamed"), at("second")));
    MUST(rename(at("c/b/renamed"), at("second")));
    name_of(other);
    MUST(unlink(at("second")));
    name_of(other);
    MUST(unlink(at("c/b/renamed")));
    name_of(other);
    MUST(rmdir(at("c/b/within")));
    MUST(rmdir(at("c/b")));
    name_of(folder);
    name_of(path);
    CALL(openat, folder, "x", O_RDWR | O_CREAT, 0600);
    struct stat known;
    MUST(fstat(folder, &known));
    told("links", known.st_nlink);
    /* Another one with that name is not it. */
    MUST(mkdir(at("c/b"), 0755));
    file("c/b/x", "");
    CALL(openat, folder, "x", O_RDONLY);
    close(fd);
    close(folder);
    close(other);
    close(path);
}

/* Names that are longer than those which lie in a record. */
static void long_names(void)
{
    char name[252], long_name[252];
    memset(name, 'n', 250);
    name[250] = 0;
    memset(long_name, 'm', 250);
    long_name[250] = 0;
    file("short", "text");
    int fd = MUST(open(at("short"), O_RDONLY));
    for (int i = 0; i < 3; i++) {
        MUST(rename(at("short"), at(name)));
        name_of(fd);
        MUST(rename(at(name), at(long_name)));
        name_of(fd);
        MUST(rename(at(long_name), at("short")));
        name_of(fd);
    }
    close(fd);
}

/* Opens what is behind a link in a folder that gets another name and its own back, while nobody has the other end of it open: whoever
   waits for that hinders nobody who changes names. */
static void waits_for_another(void)
{
    enum { TIMES = 60 };
    /* A real one, wherever the tree is. */
    char outside[PATH_MAX], fifo[PATH_MAX + 8];
    CHECK(getcwd(outside, sizeof outside));
    snprintf(fifo, sizeof fifo, "%s/fifo", outside);
    MUST(mkfifo(fifo, 0600));
    MUST(mkdir(at("a"), 0755));
    MUST(symlink(fifo, at("a/link")));
    volatile struct {
        int renames, opens;
    } *round = mmap(0, sizeof *round, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(round != MAP_FAILED);
    int ready[2];
    MUST(pipe(ready));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        for (int time = 1; time <= TIMES; time++) {
            while (round->renames != time)
                sched_yield();
            round->opens = time;
            int fd;
            while ((fd = open(at("a/link"), O_WRONLY)) < 0)
                CHECK(errno == ENOENT);
            MUST(write(ready[1], "x", 1));
            MUST(close(fd));
        }
        _exit(0);
    }
    for (int time = 1; time <= TIMES; time++) {
        /* It opens while the folder has one name and the other. */
        for (int more = 20; more > 0; more -= round->opens == time) {
            MUST(rename(at("a"), at("b")));
            round->renames = time;
            MUST(rename(at("b"), at("a")));
        }
        int fd = MUST(open(fifo, O_RDONLY | O_NONBLOCK));
        char byte;
        CHECK(MUST(read(ready[0], &byte, 1)) == 1);
        MUST(close(fd));
    }
    int status;
    MUST(waitpid(child, &status, 0));
    printf("waited %d times: %d\n", TIMES, status);
    close(ready[0]);
    close(ready[1]);
    MUST(unlink(fifo));
}

/* Renames in another process. */
static void by_another(void (*act)(void))
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        act();
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    CHECK(status == 0);
}

static void moves_above(void)
{
    MUST(rename(at("a"), at("z")));
}

static void moves_it(void)
{
    MUST(rename(at("z/b"), at("z/y")));
}

static void exchanges(void)
{
    MUST(renameat2(AT_FDCWD, at("z/y"), AT_FDCWD, at("folder"), 2));
}

static void removes(void)
{
    MUST(unlink(at("folder/made")));
    MUST(rmdir(at("folder")));
}

static void working(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("a/b"), 0755));
    MUST(mkdir(at("folder"), 0755));
    MUST(chdir(at("a/b")));
    where();
    by_another(moves_above);
    where();
    CALL(openat, AT_FDCWD, "made", O_CREAT | O_EXCL | O_RDONLY, 0644);
    show("z/b/made");
    by_another(moves_it);
    where();
    told("made", access("made", F_OK));
    told("above", access("../y/made", F_OK));
    by_another(exchanges);
    where();
    show("folder/made");
    /* A child begins where its parent is, wherever that has gone. */
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "/bin/pwd | sed 's/.*work/work/'; test -e made && echo found", (char *)0);
        _exit(1);
    }
    report("child", child);
    by_another(removes);
    where();
    CALL(openat, AT_FDCWD, "made", O_CREAT | O_RDONLY, 0644);
    MUST(mkdir(at("folder"), 0755));
    where();
    CALL(openat, AT_FDCWD, "made", O_CREAT | O_RDONLY, 0644);
    fflush(stdout);
    child = MUST(fork());
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "cd / && pwd", (char *)0);
        _exit(1);
    }
    report("child", child);
    CALL(chdir, top);
    where();
    int fd = MUST(open(at("folder"), O_RDONLY | O_DIRECTORY));
    MUST(rename(at("folder"), at("renamed")));
    CALL(fchdir, fd);
    where();
    MUST(rmdir(at("renamed")));
    where();
    MUST(chdir(top));
    CALL(fchdir, fd);
    where();
    close(fd);
}

/* Files without names, by the links of /proc. */
static void nameless(void)
{
    char link[64], text[16];
    file("file", "some text");
    int fd = MUST(open(at("file"), O_RDWR));
    MUST(fsetxattr(fd, "user.a", "value", 5, 0));
    MUST(unlink(at("file")));
    file("file", "another");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = (int)told("opened again", open(link, O_RDWR)) < 0 ? -1 : MUST(open(link, O_RDWR));
    told("read", read(again, text, 4));
    printf("  %.4s\n", text);
    told("write", write(again, " TEXT", 5));
    told("position", lseek(fd, 0, SEEK_CUR));
    told("read", pread(fd, text, sizeof text, 0));
    name_of(again);
    struct stat known, same;
    MUST(fstat(fd, &known));
    told("stat", stat(link, &same));
    told("the same", known.st_ino == same.st_ino && same.st_size == 9 && same.st_nlink == 0);
    told("chmod", chmod(link, 0640));
    told("truncate", truncate(link, 4));
    told("access", access(link, X_OK));
    told("attribute", getxattr(link, "user.a", text, sizeof text));
    MUST(fstat(again, &known));
    printf("  mode %o, size %lld\n", known.st_mode, (long long)known.st_size);
    told("to read", open(link, O_RDONLY | O_DIRECTORY));
    told("below", open("/proc/self/fd/0/x", O_RDONLY) == -1 && errno);
    told("exclusively", open(link, O_RDWR | O_CREAT | O_EXCL, 0600));
    told("cut", close(MUST(open(link, O_WRONLY | O_TRUNC))));
    MUST(fstat(again, &known));
    told("size", known.st_size);
    told("a name for it", linkat(AT_FDCWD, link, top_fd, "name", AT_SYMLINK_FOLLOW));
    close(again);
    close(fd);
    show("file");
    /* Made without one, and given one. */
    for (int way = 0; way < 3; way++) {
        fd = MUST(open(top, O_RDWR | O_TMPFILE | (way == 2 ? O_EXCL : 0), 0640));
        has_no_name(fd);
        told("write", write(fd, "nameless", 8));
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        again = MUST(open(link, O_RDONLY));
        told("read", read(again, text, 8));
        close(again);
        told("named", way == 1 ? linkat(AT_FDCWD, link, top_fd, "name", AT_SYMLINK_FOLLOW)
                               : linkat(fd, "", top_fd, "name", AT_EMPTY_PATH));
        show("name");
        told("again", linkat(fd, "", top_fd, "name", AT_EMPTY_PATH));
        told("elsewhere", linkat(fd, "", AT_FDCWD, "/proc/version", AT_EMPTY_PATH));
        told("nowhere", linkat(fd, "", top_fd, "missing/name", AT_EMPTY_PATH));
        told("bad flag", linkat(fd, "", top_fd, "second", AT_EMPTY_PATH | 0x8));
        told("second", linkat(fd, "", top_fd, "second", AT_EMPTY_PATH));
        show("name");
        unlink(at("name"));
        unlink(at("second"));
        told("a folder", linkat(top_fd, "", top_fd, "folder", AT_EMPTY_PATH));
        close(fd);
    }
    /* A shell's document. */
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        fd = MUST(open(at("document"), O_RDWR | O_CREAT, 0600));
        MUST(write(fd, "a document\n", 11));
        MUST(unlink(at("document")));
        MUST(dup2(fd, 0));
        execl("/bin/cat", "cat", "/dev/stdin", (char *)0);
        _exit(1);
    }
    report("cat", child);
}

/* One moves directories to and fro, the others are in them and have them open. */
static void to_and_fro(void)
{
    enum { PROCESSES = 4, ROUNDS = 300 };
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("a/b"), 0755));
    file("a/b/file", "text");
    int folder = MUST(open(at("a/b"), O_RDONLY | O_DIRECTORY));
    volatile int *over = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    pid_t children[PROCESSES];
    for (int who = 0; who < PROCESSES; who++) {
        children[who] = MUST(fork());
        if (children[who] != 0)
            continue;
        int missed = 0;
        struct stat known;
        MUST(fchdir(folder));
        while (!*over)
            if (who % 2)
                missed += fstatat(folder, "file", &known, 0) < 0 || fstatat(folder, "../b", &known, 0) < 0;
            else
                missed += stat("file", &known) < 0;
        _exit(missed != 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        MUST(rename(at("a"), at("c")));
        MUST(rename(at("c"), at("a")));
    }
    *over = 1;
    for (int who = 0; who < PROCESSES; who++)
        report("missed nothing", children[who]);
    close(folder);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"open-moved", files},      {"long-moved", long_names}, {"cwd-moved", working},
                                   {"nameless", nameless}, {"to-and-fro", to_and_fro}, {"awaited", waits_for_another},
                                   {0, 0}};
    return run_group(argc, argv, groups);
}
