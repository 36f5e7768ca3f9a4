/* killed WHAT FILE: a process of a session does something and may be killed on the way (`walk --killed`); then another one
 * looks what there is, prints whether it is as before or as after, and goes on with the session.
 * killed --prepared FD FILE: what `vload-tool --begin` becomes, to leave in FILE what it has made of modules. */
#include "check.h"
#include "marks.h"
#include <sys/mman.h>
#include <sys/stat.h>

enum { CONTROL = 0x564c, INSMOD = 1, RMMOD = 2, LSMOD = 3, VIEW = 4, PAGE = 4096 };

#define USELESS "/dev/useless"
#define TREE "/vload-killed"

static const char *modules; /* the file: each behind a page with its length */

static long insmod(int which, const char *arguments)
{
    const char *at = modules;
    for (uint64_t length; memcpy(&length, at, 8), which > 0; which--)
        at += PAGE + (length + PAGE - 1) / PAGE * PAGE;
    uint64_t length;
    memcpy(&length, at, 8);
    return syscall(CONTROL, INSMOD, at + PAGE, (long)length, arguments) < 0 ? -errno : 0;
}

enum { FRAMEWORK, FIRST, SECOND, THIRD }; /* as the test has them prepared: useless, memfs, hello */

static long rmmod(const char *name) { return syscall(CONTROL, RMMOD, name, 0, 0) < 0 ? -errno : 0; }
static long layers(void) { return syscall(CONTROL, LSMOD, 0, 0, 0); }

static void keep(const char *path, const char *text, int flags)
{
    int fd = open(path, flags, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (long)strlen(text));
    close(fd);
}

static int has(const char *path, const char *text)
{
    char found[64] = "";
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    long length = read(fd, found, sizeof found - 1);
    close(fd);
    return length >= 0 && strcmp(found, text) == 0;
}

static int is_there(const char *path) { return access(path, F_OK) == 0; }

/* What is done, what it needs before, and whether it has been done. `did` is -1 where it is neither. */
static void with_nothing(void) {}
static void with_framework(void) { CHECK(insmod(FRAMEWORK, "") == 0); }
static void with_useless(void)
{
    with_framework();
    CHECK(insmod(FIRST, "") == 0);
    keep(USELESS, "old", O_WRONLY);
}
static int held = -1;
static void with_tree(void)
{
    with_useless();
    CHECK(insmod(SECOND, "path=" TREE) == 0);
    keep(TREE "/one", "1", O_WRONLY | O_CREAT);
    keep(TREE "/two", "2", O_WRONLY | O_CREAT);
    CHECK(mkdir(TREE "/folder", 0700) == 0);
    /* So that names are changed under their lock, and what has happened is noted. */
    held = MUST(open(TREE "/one", O_RDONLY));
    CHECK(chdir(TREE) == 0);
}

static void do_load(void) { insmod(FRAMEWORK, ""); }
static int did_load(void) { return insmod(FRAMEWORK, "") == -EEXIST; }
static void do_insmod(void) { insmod(FIRST, ""); }
static int did_insmod(void)
{
    long count = layers();
    /* A layer that is listed has its claims, and one that is not has none. */
    return count != is_there(USELESS) || count > 1 ? -1 : (int)count;
}
static void do_rmmod(void) { rmmod("useless"); }
static int did_rmmod(void)
{
    int there = did_insmod();
    return there < 0 || (there && !has(USELESS, "old")) ? -1 : !there;
}
static void do_view(void)
{
    if (syscall(CONTROL, VIEW, 0, 0, 0) >= 0 && insmod(THIRD, "") == 0)
        open("/hello", O_RDONLY);
}
/* What is in a view others do not see: nothing has been done. */
static int did_view(void) { return layers() == 1 && has(USELESS, "old") && !is_there("/hello") ? 0 : -1; }
static void do_open(void) { open(USELESS, O_RDONLY); }
static int did_open(void) { return did_insmod() == 1 && has(USELESS, "old") ? 0 : -1; }
static void do_write(void)
{
    int fd = open(USELESS, O_WRONLY);
    if (fd < 0 || write(fd, "newer", 5) != 5)
        _exit(1);
}
static int did_write(void) { return has(USELESS, "newer") ? 1 : has(USELESS, "old") ? 0 : -1; }
static void do_create(void) { close(open(TREE "/new", O_WRONLY | O_CREAT | O_EXCL, 0600)); }
static int did_create(void) { return is_there(TREE "/new"); }
static void do_rename(void) { rename(TREE "/one", TREE "/two"); }
static int did_rename(void)
{
    int one = has(TREE "/one", "1");
    return one && has(TREE "/two", "2") ? 0 : !is_there(TREE "/one") && has(TREE "/two", "1") ? 1 : -1;
}
static void do_unlink(void) { unlink(TREE "/one"); }
static int did_unlink(void) { return !is_there(TREE "/one"); }
/* A page of the file is written to, the mapping grows, and the file with it. */
static void do_map(void)
{
    int fd = open(TREE "/one", O_RDWR);
    char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        _exit(1);
    *at = '2';
    ftruncate(fd, 2 * PAGE);
    at = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
    if (at == MAP_FAILED)
        _exit(1);
    at[PAGE] = '3';
    munmap(at, 2 * PAGE);
    ftruncate(fd, 1);
}
static int did_map(void)
{
    char found[PAGE + 2] = "";
    int fd = open(TREE "/one", O_RDONLY);
    long length = read(fd, found, sizeof found);
    close(fd);
    if (length == 1)
        return found[0] == '1' ? 0 : found[0] == '2' ? 1 : -1;
    /* While it is long. */
    return (length == PAGE + 2 && found[0] == '2' && (found[PAGE] == 0 || found[PAGE] == '3')) ? 1 : -1;
}
static void do_remove(void) { rmdir(TREE "/folder"); }
static int did_remove(void) { return !is_there(TREE "/folder"); }

static const struct what {
    const char *name;
    void (*before)(void), (*act)(void);
    int (*did)(void);
} all[] = {
    {"load", with_nothing, do_load, did_load},         {"map", with_tree, do_map, did_map},
    {"insmod", with_framework, do_insmod, did_insmod}, {"rmmod", with_useless, do_rmmod, did_rmmod},
    {"view", with_useless, do_view, did_view},         {"open", with_useless, do_open, did_open},
    {"write", with_useless, do_write, did_write},      {"create", with_tree, do_create, did_create},
    {"rename", with_tree, do_rename, did_rename},      {"unlink", with_tree, do_unlink, did_unlink},
    {"rmdir", with_tree, do_remove, did_remove},
};

/* The session is usable: everything can be loaded, used and removed. */
static void go_on(void)
{
    long loaded = insmod(FRAMEWORK, "");
    CHECK(loaded == 0 || loaded == -EEXIST);
    loaded = insmod(FIRST, "");
    CHECK(loaded == 0 || loaded == -EEXIST);
    keep(USELESS, "again", O_WRONLY);
    CHECK(has(USELESS, "again"));
    loaded = insmod(SECOND, "path=" TREE);
    CHECK(loaded == 0 || loaded == -EEXIST);
    unlink(TREE "/new");
    keep(TREE "/new", "once more", O_WRONLY | O_CREAT | O_EXCL);
    CHECK(has(TREE "/new", "once more"));
    CHECK(layers() == 2);
    /* Nothing that a killed process has had open keeps them. */
    CHECK(rmmod("useless") == 0 && rmmod("memfs") == 0);
    CHECK(layers() == 0 && !is_there(USELESS) && !is_there(TREE));
}

static void in_another(void (*act)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        act();
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static const struct what *what;

static void look(void)
{
    int did = what->did();
    puts(did < 0 ? "neither" : did ? "after" : "before");
}

static int save(int from, const char *path)
{
    struct stat stat;
    if (fstat(from, &stat) != 0)
        return 1;
    void *bytes = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE, from, 0);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    return bytes == MAP_FAILED || write(to, bytes, stat.st_size) != stat.st_size;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "--prepared") == 0)
        return save(atoi(argv[2]), argv[3]);
    for (size_t at = 0; argc > 2 && at < sizeof all / sizeof *all; at++)
        if (strcmp(all[at].name, argv[1]) == 0)
            what = &all[at];
    int fd = what ? open(argv[2], O_RDONLY) : -1;
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) != 0)
        return 2;
    modules = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (modules == MAP_FAILED)
        return 3;
    what->before();
    pid_t pid = fork();
    if (pid == 0) {
        mark(BEGIN);
        what->act();
        mark(END);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    in_another(look);
    if (held >= 0) {
        close(held);
        CHECK(chdir("/") == 0);
    }
    in_another(go_on);
    puts("goes on");
    return 0;
}
