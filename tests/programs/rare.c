/* Calls of rare form: each ends as it does on any file system. */
#include "variants.h"
#include <linux/openat2.h>
#include <sys/xattr.h>

#ifndef STATX__RESERVED
#define STATX__RESERVED 0x80000000U
#endif

static void flags(void)
{
    file("file", "text");
    struct statx known;
    CALL(statx, top_fd, "file", 0, STATX_BASIC_STATS | STATX__RESERVED, &known);
    CALL(statx, top_fd, "missing", 0, STATX__RESERVED, &known);
    CALL(statx, top_fd, "file", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_INO, &known);
    CALL(statx, top_fd, "file", 0x8, STATX_INO, &known);
    CALL(statx, top_fd, "file", AT_STATX_DONT_SYNC, 0, &known);
    int fd = MUST(open(at("file"), O_RDONLY));
    CALL(statx, fd, "", AT_EMPTY_PATH, STATX__RESERVED, &known);
    CALL(statx, fd, "", 0, STATX_INO, &known);
#ifdef SYS_access
    CALL(access, at("file"), 8);
    CALL(access, at("missing"), 0777);
#endif
    CALL(faccessat, top_fd, "file", 0xffff);
    CALL(faccessat2, top_fd, "missing", 8, 0);
    CALL(faccessat2, top_fd, "file", R_OK, 0x8);
    CALL(faccessat2, fd, "", R_OK, AT_EMPTY_PATH);
    CALL(faccessat2, fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS);
    CALL(faccessat2, fd, "", 8, AT_EMPTY_PATH);
    CALL(fchmodat2, fd, "", 0600, AT_EMPTY_PATH | 0x8);
    CALL(fchownat, fd, "", 0, 0, AT_EMPTY_PATH | 0x8);
    CALL(unlinkat, top_fd, "missing", 0x8);
    CALL(linkat, top_fd, "file", top_fd, "missing/x", 0x8);
    close(fd);
}

/* What a descriptor of a link alone gives. */
static void only_to_look_at(void)
{
    file("file", "text");
    MUST(symlink("file", at("link")));
    char text[16];
    int fd = MUST(open(at("link"), O_PATH | O_NOFOLLOW));
    long length = CALL(readlinkat, fd, "", text, sizeof text);
    printf("  %.*s\n", (int)(length > 0 ? length : 0), text);
    CALL(readlinkat, fd, "", text, 2);
    CALL(readlinkat, fd, "", text, 0);
    CALL(readlinkat, fd, "x", text, sizeof text);
    CALL(fchmodat2, fd, "", 0600, AT_EMPTY_PATH);
    CALL(fchownat, fd, "", 7, 8, AT_EMPTY_PATH);
    struct stat known;
    CALL(newfstatat, fd, "", &known, AT_EMPTY_PATH);
    printf("  %o, of %d\n", known.st_mode, known.st_uid);
    MUST(unlink(at("link")));
    close(fd);
    fd = MUST(open(at("file"), O_PATH));
    CALL(readlinkat, fd, "", text, sizeof text);
    CALL(read, fd, text, sizeof text);
    CALL(write, fd, text, sizeof text);
    CALL(ftruncate, fd, 0L);
    CALL(fchmod, fd, 0600);
    CALL(fchmodat2, fd, "", 0604, AT_EMPTY_PATH);
    CALL(fgetxattr, fd, "user.a", text, sizeof text);
    CALL(fstat, fd, &known);
    printf("  %o\n", known.st_mode);
    CALL(lseek, fd, 0L, SEEK_CUR);
    CALL(faccessat2, fd, "", R_OK, AT_EMPTY_PATH);
    told("status", fcntl(fd, F_GETFL) & ~0100000);
    told("locked", fcntl(fd, F_SETFL, O_APPEND));
    close(fd);
}

/* Attributes by a descriptor and no path (Linux 6.13). */
static void attributes(void)
{
    file("file", "");
    int fd = MUST(open(at("file"), O_RDWR));
    char text[300];
    struct {
        uint64_t value;
        uint32_t size, flags;
    } of = {(uintptr_t) "first", 5, 0};
    CALL(setxattrat, fd, "", AT_EMPTY_PATH, "user.a", &of, sizeof of);
    CALL(setxattrat, fd, "", 0, "user.a", &of, sizeof of);
    CALL(setxattrat, fd, "", AT_EMPTY_PATH | 0x8, "user.a", &of, sizeof of);
    of.flags = XATTR_CREATE;
    CALL(setxattrat, fd, "", AT_EMPTY_PATH, "user.a", &of, sizeof of);
    CALL(setxattrat, top_fd, "missing", 0, "user.a", &of, 3);
    of.value = (uintptr_t)text;
    of.size = sizeof text;
    of.flags = 0;
    long length = CALL(getxattrat, fd, "", AT_EMPTY_PATH, "user.a", &of, sizeof of);
    printf("  %.*s\n", (int)(length > 0 ? length : 0), text);
    CALL(getxattrat, fd, "", AT_EMPTY_PATH, "user.b", &of, sizeof of);
    of.flags = 1;
    CALL(getxattrat, fd, "", AT_EMPTY_PATH, "user.a", &of, sizeof of);
    told("names", syscall(SYS_listxattrat, fd, "", AT_EMPTY_PATH, text, sizeof text) > 0);
    told("no room", syscall(SYS_listxattrat, fd, "", AT_EMPTY_PATH, text, 2));
    CALL(removexattrat, fd, "", AT_EMPTY_PATH, "user.a");
    CALL(removexattrat, fd, "", AT_EMPTY_PATH, "user.a");
    close(fd);
}

/* Two paths, of which one leads elsewhere or nowhere. */
static void two_paths(void)
{
    file("file", "text");
    MUST(mkdir(at("folder"), 0755));
    CALL(renameat2, top_fd, "", top_fd, "new", 0);
    CALL(renameat2, top_fd, "file", top_fd, "", 0);
    CALL(renameat2, 999, "file", top_fd, "new", 0);
    CALL(renameat2, top_fd, "file", 999, "new", 0);
    CALL(renameat2, top_fd, "file", AT_FDCWD, "/missing-in-the-root/new", 0);
    CALL(renameat2, AT_FDCWD, "/missing-in-the-root/new", top_fd, "file", 0);
    CALL(renameat2, top_fd, "file", AT_FDCWD, "/proc/self/status/new", 0);
    CALL(renameat2, top_fd, "file", AT_FDCWD, "/proc/new", 0);
    CALL(renameat2, AT_FDCWD, "/proc/version", top_fd, "new", 0);
    CALL(renameat2, top_fd, "file", top_fd, "new", 1 << 8);
    CALL(renameat2, top_fd, (char *)1, top_fd, "new", 0);
    CALL(linkat, top_fd, "", top_fd, "new", 0);
    CALL(linkat, top_fd, "file", top_fd, "", 0);
    CALL(linkat, 999, "file", top_fd, "new", 0);
    CALL(linkat, top_fd, "file", 999, "new", 0);
    CALL(linkat, AT_FDCWD, "/missing-in-the-root/x", top_fd, "new", 0);
    CALL(linkat, AT_FDCWD, "/proc/version", top_fd, "new", 0);
    CALL(linkat, top_fd, "file", AT_FDCWD, "/proc/version", 0);
    CALL(linkat, top_fd, "file", AT_FDCWD, "/proc/version/x", 0);
    CALL(linkat, AT_FDCWD, "/proc/version", top_fd, "file", 0);
    show("file");
}

/* openat2: what it may not leave, from an absolute path. */
static void in_root(void)
{
    MUST(mkdir(at("folder"), 0755));
    MUST(mkdir(at("folder/in"), 0755));
    file("folder/in/file", "in the folder");
    MUST(symlink("/in/file", at("folder/absolute")));
    MUST(symlink("../../in/file", at("folder/above")));
    int folder = MUST(open(at("folder"), O_RDONLY | O_DIRECTORY));
    const char *names[] = {"/in/file", "//in//file", "/", "/../in/file", "/in/../../in/file", "absolute", "/absolute",
                           "above", "in/../../folder/in/file", "/missing"};
    const unsigned long long how[] = {RESOLVE_IN_ROOT, RESOLVE_BENEATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
                                      RESOLVE_NO_XDEV, RESOLVE_IN_ROOT | RESOLVE_BENEATH, 1 << 10};
    for (unsigned i = 0; i < sizeof how / sizeof *how; i++)
        for (unsigned j = 0; j < sizeof names / sizeof *names; j++) {
            struct open_how with = {.flags = O_RDONLY, .resolve = how[i]};
            /* What is at the same place of the real root is not ours to say. */
            if (names[j][0] == '/' && how[i] == RESOLVE_NO_XDEV)
                continue;
            long fd = syscall(SYS_openat2, folder, names[j], &with, sizeof with);
            printf("%s, %llx: %s\n", names[j], how[i], fd < 0 ? strerror(errno) : "open");
            if (fd >= 0)
                close((int)fd);
        }
    struct open_how with = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    CALL(openat2, 999, "/in/file", &with, sizeof with);
    close(folder);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"rare-flags", flags}, {"only-to-look-at", only_to_look_at}, {"attributes-at", attributes},
        {"two-paths", two_paths}, {"in-root", in_root}, {0, 0}};
    return run_group(argc, argv, groups);
}
