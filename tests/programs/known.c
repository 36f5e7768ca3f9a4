/* What is known of a file and what sets it, each call in all its variants. */
#include "variants.h"
#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static void print(const char *way, const struct stat *known)
{
    printf("  %s: mode %o, %ld links, %d:%d", way, known->st_mode, (long)known->st_nlink,
           known->st_uid, known->st_gid);
    if (!S_ISDIR(known->st_mode))
        printf(", size %lld", (long long)known->st_size);
    printf(", %lld %ld, %lld %ld, unit %ld\n", (long long)known->st_atim.tv_sec, known->st_atim.tv_nsec,
           (long long)known->st_mtim.tv_sec, known->st_mtim.tv_nsec, (long)known->st_blksize);
}

/* All ways say the same. */
static void stats(void)
{
    file("file", "twelve bytes");
    MUST(mkdir(at("folder"), 0750));
    MUST(symlink("file", at("link")));
    MUST(symlink("nowhere", at("lost")));
    const char *names[] = {"file", "folder", "link", "lost", "folder/", "file/", "missing", "file/x"};
    /* Reading leaves a time that is to come as it is (relatime). */
    const struct timespec times[2] = {{4000000000, 5}, {2000000, 999999999}};
    for (unsigned i = 0; i < 3; i++)
        MUST(utimensat(top_fd, names[i], times, AT_SYMLINK_NOFOLLOW));
    MUST(utimensat(top_fd, "lost", times, AT_SYMLINK_NOFOLLOW));
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat known, same;
        printf("%s\n", names[i]);
#ifdef SYS_stat
        if (CALL(stat, at(names[i]), &known) == 0)
            print("stat", &known);
        if (CALL(lstat, at(names[i]), &known) == 0)
            print("lstat", &known);
#endif
        if (CALL(newfstatat, top_fd, names[i], &known, 0) == 0)
            print("newfstatat", &known);
        if (CALL(newfstatat, AT_FDCWD, at(names[i]), &known, AT_SYMLINK_NOFOLLOW) == 0)
            print("newfstatat, the link", &known);
        struct statx more;
        if (CALL(statx, top_fd, names[i], AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &more) == 0)
            printf("  statx: mode %o, %u links, size %d, same: %d, mask %x\n", more.stx_mode, more.stx_nlink,
                   S_ISDIR(more.stx_mode) ? 0 : (int)more.stx_size,
                   more.stx_ino == known.st_ino && makedev(more.stx_dev_major, more.stx_dev_minor) == known.st_dev,
                   more.stx_mask & STATX_BASIC_STATS);
        int fd = open(at(names[i]), O_PATH | O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (CALL(fstat, fd, &same) == 0)
            print("fstat", &same);
        told("same", same.st_ino == known.st_ino && same.st_dev == known.st_dev);
        CALL(newfstatat, fd, "", &same, AT_EMPTY_PATH);
        told("same", same.st_ino == known.st_ino && same.st_dev == known.st_dev);
        CALL(statx, fd, "", AT_EMPTY_PATH, STATX_INO, &more);
        told("same", more.stx_ino == known.st_ino);
        close(fd);
    }
    struct stat known;
    CALL(newfstatat, top_fd, "", &known, 0);
    CALL(newfstatat, top_fd, "file", &known, 0x8);
    CALL(newfstatat, top_fd, "file", (void *)1, 0);
    CALL(fstat, 999, &known);
    struct stat above;
    MUST(stat(at("folder/.."), &known));
    MUST(stat(top, &above));
    told("same above", known.st_ino == above.st_ino && known.st_dev == above.st_dev);
}

/* As somebody who is not root. */
static void as_other(const char *what, void (*act)(void))
{
    printf("%s\n", what);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(setresgid(3000, 3000, 3000));
        MUST(setresuid(2000, 2000, 2000));
        act();
        fflush(stdout);
        _exit(0);
    }
    report(what, child);
}

static void try_access(void)
{
    const char *names[] = {"file", "tool", "folder", "folder/in", "link", "missing", "mine"};
    const int modes[] = {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        for (unsigned j = 0; j < sizeof modes / sizeof *modes; j++) {
            printf("%s %d: ", names[i], modes[j]);
#ifdef SYS_access
            CALL(access, at(names[i]), modes[j]);
#endif
            CALL(faccessat, top_fd, names[i], modes[j]);
            CALL(faccessat2, top_fd, names[i], modes[j], AT_EACCESS);
            CALL(faccessat2, top_fd, names[i], modes[j], AT_SYMLINK_NOFOLLOW);
        }
}

/* A file that root has opened, and left to a child. */
static int inherited;

static void try_changes(void)
{
    char byte;
    told("mode, by descriptor", fchmod(inherited, 0777));
    told("owner, by descriptor", fchown(inherited, 2000, (gid_t)-1));
    told("times, by descriptor", futimens(inherited, (struct timespec[2]){{1, 1}, {2, 2}}));
    told("now, by descriptor", futimens(inherited, 0));
    told("attribute, by descriptor", fsetxattr(inherited, "user.a", "x", 1, 0));
    told("attribute, by descriptor", fgetxattr(inherited, "user.a", &byte, 1));
    told("attribute, by descriptor", fremovexattr(inherited, "user.a"));
    told("attribute of root", fsetxattr(inherited, "trusted.a", "x", 1, 0));
    told("attribute of root", fgetxattr(inherited, "trusted.a", &byte, 1));
    told("attribute", getxattr(at("file"), "user.a", &byte, 1));
    told("write, by descriptor", write(inherited, "by another", 10));
    told("read", open(at("file"), O_RDONLY));
    told("write", open(at("file"), O_WRONLY));
    told("make", open(at("new"), O_WRONLY | O_CREAT, 0600));
    told("search", open(at("folder/in"), O_RDONLY));
    told("folder", mkdir(at("newer"), 0700));
    told("remove", unlink(at("file")));
    told("move", rename(at("file"), at("moved")));
    told("link", symlink("x", at("linked")));
    told("mode", chmod(at("file"), 0777));
    told("own mode", chmod(at("mine"), 0640));
    told("own mode", chmod(at("mine"), 04755));
    show("mine");
    told("owner", chown(at("mine"), 2001, (gid_t)-1));
    told("own group", chown(at("mine"), (uid_t)-1, 3000));
    show("mine");
    told("times", utimensat(AT_FDCWD, at("file"), 0, 0));
    told("own times", utimensat(AT_FDCWD, at("mine"), 0, 0));
    told("sticky", unlink(at("everybody/theirs")));
    told("one's own", unlink(at("everybody/ours")));
    int fd = (int)told("everybody's", open(at("everybody/new"), O_WRONLY | O_CREAT, 0666)) < 0 ? -1 : 0;
    (void)fd;
    show("everybody/new");
}

static void accesses(void)
{
    file("file", "text");
    file("tool", "");
    file("mine", "");
    MUST(chown(at("mine"), 2000, 3001));
    MUST(chmod(at("file"), 0640));
    MUST(chmod(at("tool"), 0751));
    MUST(mkdir(at("folder"), 0700));
    file("folder/in", "");
    MUST(symlink("file", at("link")));
    MUST(mkdir(at("everybody"), 0777));
    MUST(chmod(at("everybody"), 01777));
    file("everybody/theirs", "");
    file("everybody/ours", "");
    MUST(chown(at("everybody/ours"), 2000, 2000));
    inherited = MUST(open(at("file"), O_RDWR));
    MUST(fsetxattr(inherited, "user.a", "x", 1, 0));
    try_access();
    as_other("another user", try_access);
    as_other("another user changes", try_changes);
    CALL(faccessat2, top_fd, "file", R_OK, 0x10);
    CALL(faccessat2, top_fd, "", R_OK, AT_EMPTY_PATH);
    CALL(faccessat, top_fd, "", R_OK);
}

static void modes(void)
{
    file("file", "");
    MUST(symlink("file", at("link")));
#ifdef SYS_chmod
    CALL(chmod, at("file"), 0600);
    show("file");
    CALL(chmod, at("link"), 0601);
    show("file");
    CALL(chmod, at("missing"), 0601);
    CALL(chmod, at("file/"), 0601);
#endif
    int fd = MUST(open(at("file"), O_RDONLY));
    CALL(fchmod, fd, 04751);
    show("file");
    CALL(fchmodat, top_fd, "file", 0170644);
    show("file");
    CALL(fchmodat2, top_fd, "file", 0604, AT_SYMLINK_NOFOLLOW);
    show("file");
    CALL(fchmodat2, top_fd, "link", 0604, AT_SYMLINK_NOFOLLOW);
    CALL(fchmodat2, fd, "", 0640, AT_EMPTY_PATH);
    show("file");
    CALL(fchmodat2, top_fd, "file", 0640, 0x8);
    CALL(fchmodat, top_fd, "", 0640);
    MUST(unlink(at("file")));
    CALL(fchmod, fd, 0444);
    struct stat known;
    MUST(fstat(fd, &known));
    printf("mode %o\n", known.st_mode);
    close(fd);
    CALL(fchmod, fd, 0444);
}

static void owner(const char *name)
{
    struct stat known;
    MUST(lstat(at(name), &known));
    printf("  %s: %d:%d, mode %o\n", name, known.st_uid, known.st_gid, known.st_mode);
}

static void owners(void)
{
    file("file", "");
    MUST(symlink("file", at("link")));
    MUST(chmod(at("file"), 06755));
#ifdef SYS_chown
    CALL(chown, at("link"), 10, 20);
    owner("file");
    CALL(lchown, at("link"), 11, -1);
    owner("link");
    CALL(chown, at("missing"), 1, 1);
#endif
    int fd = MUST(open(at("file"), O_RDONLY));
    CALL(fchown, fd, -1, 21);
    owner("file");
    CALL(fchownat, top_fd, "link", 12, 22, AT_SYMLINK_NOFOLLOW);
    owner("link");
    CALL(fchownat, top_fd, "link", 13, 23, 0);
    owner("file");
    CALL(fchownat, fd, "", 14, 24, AT_EMPTY_PATH);
    owner("file");
    CALL(fchownat, top_fd, "file", -1, -1, 0);
    CALL(fchownat, top_fd, "file", 1, 1, 0x8);
    CALL(fchownat, top_fd, "", 1, 1, 0);
    owner("file");
    MUST(chmod(at("file"), 02644));
    CALL(fchown, fd, 0, 0);
    owner("file");
    close(fd);
    MUST(mkdir(at("folder"), 02755));
    MUST(chown(at("folder"), 5, 6));
    file("folder/in", "");
    owner("folder");
    owner("folder/in");
}

static void times_of(const char *name)
{
    struct stat known;
    MUST(lstat(at(name), &known));
    printf("  %s: %lld %ld, %lld %ld\n", name, (long long)known.st_atim.tv_sec, known.st_atim.tv_nsec,
           (long long)known.st_mtim.tv_sec, known.st_mtim.tv_nsec);
}

static void times(void)
{
    file("file", "text");
    MUST(symlink("file", at("link")));
    const struct timespec exact[2] = {{11, 111}, {22, 222}}, one[2] = {{33, UTIME_OMIT}, {44, 444}};
    const struct timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}}, odd[2] = {{1, -1}, {1, 1}};
    const struct timeval coarse[2] = {{55, 5}, {66, 6}}, bad[2] = {{1, 1000000}, {1, 1}};
#ifdef SYS_utime
    const struct utimbuf whole = {77, 88};
    CALL(utime, at("file"), &whole);
    times_of("file");
    CALL(utimes, at("file"), coarse);
    times_of("file");
    CALL(utimes, at("file"), bad);
    CALL(futimesat, top_fd, "file", coarse);
    CALL(futimesat, top_fd, "missing", coarse);
    CALL(utime, at("missing"), &whole);
#else
    (void)coarse, (void)bad;
#endif
    CALL(utimensat, top_fd, "file", exact, 0);
    times_of("file");
    CALL(utimensat, top_fd, "link", one, 0);
    times_of("file");
    CALL(utimensat, top_fd, "link", exact, AT_SYMLINK_NOFOLLOW);
    times_of("link");
    CALL(utimensat, top_fd, "file", none, 0);
    CALL(utimensat, top_fd, "file", odd, 0);
    CALL(utimensat, top_fd, "missing", none, 0);
    CALL(utimensat, top_fd, "file", exact, 0x8);
    int fd = MUST(open(at("file"), O_RDWR));
    CALL(utimensat, fd, (char *)0, one, 0);
    times_of("file");
    CALL(utimensat, fd, "", exact, AT_EMPTY_PATH);
    times_of("file");
    /* What reading and writing leave. */
    struct stat before, after;
    MUST(fstat(fd, &before));
    char text[4];
    MUST(read(fd, text, 4));
    MUST(fstat(fd, &after));
    printf("read: %d %d\n", after.st_atim.tv_sec > before.st_atim.tv_sec, after.st_mtim.tv_sec > before.st_mtim.tv_sec);
    MUST(write(fd, "x", 1));
    MUST(fstat(fd, &after));
    printf("write: %d %d\n", after.st_mtim.tv_sec > before.st_mtim.tv_sec,
           after.st_ctim.tv_sec >= before.st_ctim.tv_sec);
    CALL(utimensat, fd, (char *)0, 0, 0);
    MUST(fstat(fd, &after));
    printf("now: %d\n", after.st_atim.tv_sec > 1000000000);
    close(fd);
    MUST(utimensat(AT_FDCWD, top, exact, 0));
    file("new", "");
    MUST(stat(top, &after));
    printf("folder, name made: %d\n", after.st_mtim.tv_sec > 22);
    MUST(utimensat(AT_FDCWD, top, exact, 0));
    MUST(unlink(at("new")));
    MUST(stat(top, &after));
    printf("folder, name gone: %d\n", after.st_mtim.tv_sec > 22);
}

static void systems(void)
{
    file("file", "");
    struct statfs by_path, by_fd;
    int fd = MUST(open(at("file"), O_RDONLY));
    CALL(statfs, at("file"), &by_path);
    CALL(fstatfs, fd, &by_fd);
    printf("type %lx, names of %ld, blocks of %ld, same: %d\n", (long)by_path.f_type, (long)by_path.f_namelen,
           (long)by_path.f_bsize,
           by_path.f_type == by_fd.f_type && memcmp(&by_path.f_fsid, &by_fd.f_fsid, sizeof by_fd.f_fsid) == 0 &&
               by_path.f_blocks == by_fd.f_blocks);
    printf("sane: %d\n", by_path.f_bavail <= by_path.f_bfree && by_path.f_bfree <= by_path.f_blocks &&
                             by_path.f_ffree <= by_path.f_files && by_path.f_bavail > 0);
    CALL(statfs, at("missing"), &by_path);
    CALL(statfs, at("file/x"), &by_path);
    CALL(statfs, at("file"), (void *)1);
    close(fd);
    CALL(fstatfs, fd, &by_fd);
}

static void list(const char *name)
{
    char text[256];
    ssize_t length = llistxattr(at(name), text, sizeof text);
    /* The order is the file system's. */
    for (const char *word = "abz"; *word && length >= 0; word++)
        for (ssize_t i = 0; i < length; i += (ssize_t)strlen(text + i) + 1)
            if (strncmp(text + i, "user.", 5) == 0 && text[i + 5] == *word)
                printf("  %s has %s\n", name, text + i);
}

static void attributes(void)
{
    file("file", "");
    MUST(symlink("file", at("link")));
    MUST(mkdir(at("folder"), 0755));
    int fd = MUST(open(at("file"), O_RDWR));
    char text[300];
    CALL(setxattr, at("file"), "user.a", "one", 3, 0);
    CALL(lsetxattr, at("file"), "user.b", "second", 6, XATTR_CREATE);
    CALL(lsetxattr, at("file"), "user.b", "x", 1, XATTR_CREATE);
    CALL(fsetxattr, fd, "user.z", "", 0, 0);
    CALL(fsetxattr, fd, "user.c", "x", 1, XATTR_REPLACE);
    CALL(setxattr, at("link"), "user.a", "longer than one", 15, XATTR_REPLACE);
    list("file");
    CALL(getxattr, at("link"), "user.a", text, sizeof text);
    printf("  %.15s\n", text);
    CALL(lgetxattr, at("file"), "user.b", text, sizeof text);
    CALL(fgetxattr, fd, "user.z", text, sizeof text);
    CALL(getxattr, at("file"), "user.a", text, 0);
    CALL(getxattr, at("file"), "user.a", text, 3);
    CALL(getxattr, at("file"), "user.missing", text, 3);
    CALL(getxattr, at("missing"), "user.a", text, 3);
    CALL(lgetxattr, at("link"), "user.a", text, 3);
    CALL(lsetxattr, at("link"), "user.a", "x", 1, 0);
    CALL(setxattr, at("file"), "nonsense", "x", 1, 0);
    CALL(setxattr, at("file"), "user.a", "x", 1, 8);
    CALL(setxattr, at("file"), "", "x", 1, 0);
    CALL(setxattr, at("file"), "trusted.t", "x", 1, 0);
    CALL(getxattr, at("file"), "trusted.t", text, 3);
    CALL(setxattr, at("folder"), "user.a", "of the folder", 13, 0);
    list("folder");
    CALL(removexattr, at("file"), "user.a");
    CALL(lremovexattr, at("file"), "user.a");
    CALL(fremovexattr, fd, "user.z");
    list("file");
    CALL(listxattr, at("file"), text, 1);
    /* Linux 6.13 (struct xattr_args). */
    struct {
        uint64_t value;
        uint32_t size, flags;
    } of = {(uintptr_t) "at", 2, 0};
    CALL(setxattrat, top_fd, "file", 0, "user.d", &of, sizeof of);
    of.value = (uintptr_t)text;
    of.size = sizeof text;
    CALL(getxattrat, top_fd, "link", 0, "user.d", &of, sizeof of);
    CALL(getxattrat, top_fd, "link", AT_SYMLINK_NOFOLLOW, "user.d", &of, sizeof of);
    CALL(removexattrat, top_fd, "file", 0, "user.d");
    told("names", syscall(SYS_listxattrat, top_fd, "file", 0, text, sizeof text) > 0);
    told("names", flistxattr(fd, text, sizeof text) > 0);
    close(fd);
    CALL(fgetxattr, fd, "user.b", text, 3);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"stat", stats}, {"access", accesses}, {"chmod", modes}, {"chown", owners},
        {"utimens", times}, {"statfs", systems}, {"xattr", attributes}, {0, 0}};
    return run_group(argc, argv, groups);
}
