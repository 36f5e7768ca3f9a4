/* Calls of rare form: each ends as it does on any file system. */
#include "variants.h"
#include <linux/openat2.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
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
    told("status", fcntl(fd, F_GETFL));
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
            int fd = opened_below(folder, names[j], &with);
            printf("%s, %llx: %s\n", names[j], how[i], fd < 0 ? strerror(errno) : "open");
            if (fd >= 0)
                close(fd);
        }
    struct open_how with = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    CALL(openat2, 999, "/in/file", &with, sizeof with);
    close(folder);
}

/* Calls of newer kernels that mean what others do. */
static void newer(void)
{
    file("file", "text");
    MUST(symlink("file", at("link")));
    int fd = MUST(open(at("file"), O_RDWR));
    struct stat known;
    struct statx more;
    /* Without a path. */
    CALL(newfstatat, fd, NULL, &known, AT_EMPTY_PATH);
    CALL(newfstatat, fd, NULL, &known, 0);
    CALL(statx, fd, NULL, AT_EMPTY_PATH, STATX_INO, &more);
    CALL(fchownat, fd, NULL, 0, 0, AT_EMPTY_PATH);
    CALL(fchmodat2, fd, NULL, 0600, AT_EMPTY_PATH);
    CALL(faccessat2, fd, NULL, R_OK, AT_EMPTY_PATH);
    CALL(utimensat, fd, NULL, NULL, 0);
    CALL(utimensat, fd, NULL, NULL, AT_SYMLINK_NOFOLLOW);
    CALL(utimensat, fd, "", NULL, AT_EMPTY_PATH);
    char text[64];
    CALL(listxattrat, fd, NULL, AT_EMPTY_PATH, text, 0);
    CALL(removexattrat, fd, NULL, AT_EMPTY_PATH, "user.a");
    CALL(readlinkat, fd, NULL, text, sizeof text);
#ifdef SYS_futimesat
    const struct timeval times[2] = {{1000, 5}, {2000, 7}};
    CALL(futimesat, fd, NULL, times);
    MUST(fstat(fd, &known));
    printf("  %ld %ld, %ld %ld\n", (long)known.st_atim.tv_sec, known.st_atim.tv_nsec, (long)known.st_mtim.tv_sec,
           known.st_mtim.tv_nsec);
    CALL(futimesat, AT_FDCWD, NULL, times);
#endif
    /* A descriptor to look at. */
    const struct {
        const char *name;
        unsigned flags;
    } trees[] = {{"file", O_CLOEXEC},
                 {"link", O_CLOEXEC | AT_SYMLINK_NOFOLLOW},
                 {"link", 0},
                 {"missing", 0},
                 {"file/", 0},
                 {"", 0},
                 {"", AT_EMPTY_PATH},
                 {"file", 1 << 20},
                 {"file", AT_RECURSIVE}};
    for (unsigned i = 0; i < sizeof trees / sizeof *trees; i++) {
        int tree = (int)syscall(SYS_open_tree, top_fd, trees[i].name, trees[i].flags);
        printf("open_tree %s %x: %s\n", trees[i].name, trees[i].flags, tree < 0 ? strerror(errno) : "open");
        if (tree < 0)
            continue;
        MUST(fstat(tree, &known));
        told("  read", read(tree, text, 1));
        printf("  mode %o, %x, flags %x\n", known.st_mode & S_IFMT, fcntl(tree, F_GETFD),
               fcntl(tree, F_GETFL) & ~(0100000 | O_NOFOLLOW));
        close(tree);
    }
    close(fd);
}

/* Whether a program can be executed, without executing it (Linux 6.14). */
static void only_checked(void)
{
    enum { CHECKED = 0x10000 };
    char *const argv[] = {"x", NULL}, *const envp[] = {NULL};
    file("script", "#!/bin/nothing-here\n");
    file("text", "no program");
    MUST(mkdir(at("folder"), 0755));
    MUST(symlink("script", at("link")));
    CALL(execveat, top_fd, "script", argv, envp, CHECKED);
    MUST(chmod(at("script"), 0755));
    MUST(chmod(at("text"), 0755));
    CALL(execveat, top_fd, "script", argv, envp, CHECKED);
    CALL(execveat, AT_FDCWD, at("script"), argv, envp, CHECKED);
    CALL(execveat, top_fd, "text", argv, envp, CHECKED);
    CALL(execveat, top_fd, "link", argv, envp, CHECKED);
    CALL(execveat, top_fd, "link", argv, envp, CHECKED | AT_SYMLINK_NOFOLLOW);
    CALL(execveat, top_fd, "folder", argv, envp, CHECKED);
    CALL(execveat, top_fd, "missing", argv, envp, CHECKED);
    CALL(execveat, top_fd, "script", argv, envp, CHECKED | 1);
    CALL(execveat, top_fd, "script", argv, envp, 1);
    int fd = MUST(open(at("script"), O_RDONLY | O_CLOEXEC));
    CALL(execveat, fd, "", argv, envp, CHECKED | AT_EMPTY_PATH);
    CALL(execveat, fd, "", argv, envp, CHECKED);
    MUST(fchmod(fd, 0644));
    CALL(execveat, fd, "", argv, envp, CHECKED | AT_EMPTY_PATH);
    close(fd);
}

/* Mounts that the kernel cannot make here, or may not. */
static void not_mounted(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("b"), 0755));
    CALL(move_mount, top_fd, "a", top_fd, "b", 0);
    CALL(move_mount, top_fd, "missing", top_fd, "b", 0);
    CALL(move_mount, top_fd, "a", top_fd, "missing", 0);
    CALL(move_mount, top_fd, "a", top_fd, "b", 1 << 30);
    told("moved", syscall(SYS_mount, at("a"), at("b"), NULL, MS_MOVE, NULL));
    told("moved", syscall(SYS_mount, at("missing"), at("b"), NULL, MS_MOVE, NULL));
    told("remounted", syscall(SYS_mount, "none", at("b"), NULL, MS_REMOUNT, NULL));
    CALL(mount_setattr, top_fd, "a", 0, &(uint64_t[4]){1, 0, 0, 0}, sizeof(uint64_t[4]));
    CALL(fspick, top_fd, "a", 0);
    CALL(fspick, top_fd, "missing", 0);
    CALL(pivot_root, at("a"), at("b"));
    CALL(umount2, at("a"), 0);
}

/* What the kernel does for the files of all file systems. */
static void of_all(void)
{
    file("file", "some text");
    int fd = MUST(open(at("file"), O_RDWR)), folder = MUST(open(top, O_RDONLY | O_DIRECTORY)), other;
    MUST(lseek(fd, 5, SEEK_SET));
    int value = 0;
    told("FIGETBSZ", ioctl(fd, FIGETBSZ, &value));
    told("FIGETBSZ", ioctl(folder, FIGETBSZ, &value));
    printf("  %d\n", value);
    told("FIGETBSZ, nowhere", ioctl(fd, FIGETBSZ, (void *)1));
    long long size = 0;
    told("FIOQSIZE", ioctl(fd, FIOQSIZE, &size));
    printf("  %lld\n", size);
    told("FIOASYNC", ioctl(fd, FIOASYNC, &(int){0}));
    told("FIOASYNC", ioctl(fd, FIOASYNC, &(int){1}));
    told("FIONREAD", ioctl(fd, FIONREAD, &value));
    printf("  %d\n", value);
    told("FIBMAP", ioctl(fd, FIBMAP, &(int){0}));
    char map[sizeof(struct fiemap) + sizeof(struct fiemap_extent)] = {0};
    told("FS_IOC_FIEMAP", ioctl(fd, FS_IOC_FIEMAP, map));
    other = MUST(open(at("file"), O_RDONLY));
    told("FICLONE", ioctl(fd, FICLONE, other));
    told("FICLONE, nothing", ioctl(fd, FICLONE, 999));
    told("no such request", ioctl(fd, 0x12345678, 0));
    told("F_DUPFD_QUERY", fcntl(fd, 1024 + 3, fd));
    told("F_DUPFD_QUERY", fcntl(fd, 1024 + 3, other));
    told("F_DUPFD_QUERY", fcntl(fd, 1024 + 3, 999));
    close(other);
    close(fd);
    close(folder);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"rare-flags", flags}, {"only-to-look-at", only_to_look_at}, {"attributes-at", attributes},
        {"two-paths", two_paths}, {"in-root", in_root}, {"newer", newer}, {"only-checked", only_checked},
        {"not-mounted", not_mounted}, {"of-all", of_all}, {0, 0}};
    return run_group(argc, argv, groups);
}
