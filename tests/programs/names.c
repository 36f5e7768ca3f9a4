/* What makes, moves and removes names, each call in all its variants. */
#include "variants.h"
#include <sys/sysmacros.h>

static void makes_folders(void)
{
#ifdef SYS_mkdir
    CALL(mkdir, at("a"), 0777);
    CALL(mkdir, at("a"), 0777);
#else
    CALL(mkdirat, AT_FDCWD, at("a"), 0777);
    CALL(mkdirat, AT_FDCWD, at("a"), 0777);
#endif
    show("a");
    CALL(mkdirat, AT_FDCWD, at("a/b/"), 0700);
    show("a/b");
    show("a");
    CALL(mkdirat, top_fd, "c", 01777);
    show("c");
    CALL(mkdirat, top_fd, "missing/c", 0700);
    CALL(mkdirat, top_fd, "", 0700);
    CALL(mkdirat, top_fd, "a/.", 0700);
    CALL(mkdirat, top_fd, "a/..", 0700);
    CALL(mkdirat, 999, "x", 0700);
    file("file", "");
    CALL(mkdirat, top_fd, "file", 0700);
    CALL(mkdirat, top_fd, "file/x", 0700);
    MUST(symlink("nowhere", at("link")));
    CALL(mkdirat, top_fd, "link", 0700);
    MUST(symlink("a", at("way")));
    CALL(mkdirat, top_fd, "way/through", 0700);
    show("a/through");
    MUST(chmod(at("a"), 02755));
    CALL(mkdirat, top_fd, "a/inherits", 0755);
    show("a/inherits");
    char name[258];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    CALL(mkdirat, top_fd, name, 0700);
    name[255] = 0;
    CALL(mkdirat, top_fd, name, 0700);
}

static void removes_folders(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("a/b"), 0755));
    MUST(symlink("a", at("way")));
    file("file", "");
#ifdef SYS_rmdir
    CALL(rmdir, at("a"));
    CALL(rmdir, at("a/b"));
    CALL(rmdir, at("a/b"));
    CALL(rmdir, at("file"));
    CALL(rmdir, at("a/."));
    CALL(rmdir, at("a/.."));
    CALL(rmdir, at("way"));
    CALL(rmdir, at("way/"));
#endif
    CALL(unlinkat, top_fd, "way", AT_REMOVEDIR);
    CALL(unlinkat, top_fd, "file", AT_REMOVEDIR);
    CALL(unlinkat, top_fd, "a", 0);
    CALL(unlinkat, top_fd, "a", 0x10000);
    int fd = MUST(open(at("a"), O_RDONLY | O_DIRECTORY));
    CALL(unlinkat, AT_FDCWD, at("a/"), AT_REMOVEDIR);
    CALL(unlinkat, top_fd, "a", AT_REMOVEDIR);
    CALL(mkdirat, fd, "late", 0700);
    CALL(openat, fd, "late", O_CREAT | O_WRONLY, 0600);
    struct stat known;
    told("known", fstat(fd, &known));
    printf("  %ld links\n", (long)known.st_nlink);
    close(fd);
}

static void unlinks(void)
{
    file("file", "still here");
    int fd = MUST(open(at("file"), O_RDWR));
#ifdef SYS_unlink
    CALL(unlink, at("file/"));
    CALL(unlink, at("file"));
    CALL(unlink, at("file"));
    CALL(unlink, top);
#else
    CALL(unlinkat, AT_FDCWD, at("file"), 0);
#endif
    show("file");
    char text[32];
    told("read", read(fd, text, sizeof text));
    told("write", write(fd, " and longer", 11));
    struct stat known;
    MUST(fstat(fd, &known));
    printf("  %ld links, size %lld\n", (long)known.st_nlink, (long long)known.st_size);
    told("linked again", linkat(fd, "", top_fd, "file", AT_EMPTY_PATH));
    file("file", "another");
    told("read", pread(fd, text, 10, 0));
    printf("  %.10s\n", text);
    close(fd);
    show("file");
    MUST(symlink("file", at("link")));
    CALL(unlinkat, top_fd, "link", 0);
    show("link");
    show("file");
    CALL(unlinkat, top_fd, "", 0);
    CALL(unlinkat, top_fd, ".", 0);
    CALL(unlinkat, top_fd, "missing/file", 0);
    CALL(unlinkat, 999, "file", 0);
    CALL(unlinkat, top_fd, "file", 0);
}

static void links(void)
{
    file("file", "text");
    MUST(mkdir(at("folder"), 0755));
    MUST(symlink("file", at("way")));
    MUST(symlink("nowhere", at("lost")));
#ifdef SYS_link
    CALL(link, at("file"), at("second"));
    CALL(link, at("file"), at("second"));
    CALL(link, at("way"), at("also-way"));
    CALL(link, at("lost"), at("also-lost"));
    CALL(link, at("folder"), at("also-folder"));
    show("also-way");
#endif
    CALL(linkat, top_fd, "file", top_fd, "folder/third", 0);
    CALL(linkat, top_fd, "way", top_fd, "followed", AT_SYMLINK_FOLLOW);
    CALL(linkat, top_fd, "lost", top_fd, "x", AT_SYMLINK_FOLLOW);
    show("followed");
    show("file");
    CALL(linkat, top_fd, "file", top_fd, "missing/x", 0);
    CALL(linkat, top_fd, "missing", top_fd, "x", 0);
    CALL(linkat, top_fd, "file", top_fd, "new/", 0);
    CALL(linkat, top_fd, "file", top_fd, "x", 0x10000);
    show("file");
    struct stat a, b;
    MUST(stat(at("file"), &a));
    MUST(stat(at("followed"), &b));
    told("one inode", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

static void symlinks(void)
{
#ifdef SYS_symlink
    CALL(symlink, "target", at("a"));
    CALL(symlink, "target", at("a"));
    CALL(symlink, "", at("empty"));
    CALL(symlink, "target", at("new/"));
#endif
    CALL(symlinkat, "../up", top_fd, "b");
    CALL(symlinkat, "/absolute//path/", AT_FDCWD, at("c"));
    CALL(symlinkat, "x", top_fd, "missing/d");
    CALL(symlinkat, "x", 999, "d");
    show("a");
    show("b");
    show("c");
    char target[4097], text[4097];
    memset(target, 't', sizeof target);
    target[4096] = 0;
    CALL(symlinkat, target, top_fd, "longer");
    target[4095] = 0;
    CALL(symlinkat, target, top_fd, "long");
    told("read", readlink(at("long"), text, sizeof text));
    told("differs", memcmp(text, target, 4095) != 0);
#ifdef SYS_readlink
    CALL(readlink, at("a"), text, sizeof text);
    CALL(readlink, at("a/"), text, sizeof text);
    CALL(readlink, top, text, sizeof text);
    CALL(readlink, at("missing"), text, sizeof text);
#endif
    CALL(readlinkat, top_fd, "b", text, 2);
    printf("  %.2s\n", text);
    CALL(readlinkat, top_fd, "b", text, 0);
    CALL(readlinkat, top_fd, "", text, 5);
    CALL(readlinkat, top_fd, "b", (char *)1, 5);
}

static void look(void)
{
    const char *names[] = {"a", "b", "c", "folder", "other", "folder/in", "other/in", "link"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        show(names[i]);
}

static void set(void)
{
    clear(top);
    file("a", "text of a");
    file("b", "text of b");
    MUST(mkdir(at("folder"), 0755));
    MUST(mkdir(at("other"), 0700));
    file("other/in", "inside");
    MUST(symlink("a", at("link")));
}

#ifndef RENAME_WHITEOUT
enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2, RENAME_WHITEOUT = 4 };
#endif

static void renames(void)
{
    set();
#ifdef SYS_rename
    CALL(rename, at("a"), at("c"));
    look();
    set();
    CALL(rename, at("a"), at("b"));
    look();
    set();
    CALL(rename, at("a/"), at("c"));
    CALL(rename, at("a"), at("c/"));
    CALL(rename, at("folder/"), at("c/"));
    CALL(rename, at("c"), top);
    CALL(rename, at("other/."), at("c"));
    set();
#endif
#ifdef SYS_renameat
    CALL(renameat, top_fd, "link", top_fd, "b");
    show("b");
    set();
    CALL(renameat, top_fd, "folder", top_fd, "other");
    CALL(renameat, top_fd, "other", top_fd, "folder");
    look();
    CALL(renameat, top_fd, "folder", top_fd, "folder/in/side");
    CALL(renameat, top_fd, "folder", top_fd, "folder/side");
    CALL(renameat, top_fd, "folder/in", top_fd, "folder");
    CALL(renameat, top_fd, "a", top_fd, "folder");
    CALL(renameat, top_fd, "folder", top_fd, "a");
    CALL(renameat, top_fd, "a", top_fd, "a");
    CALL(renameat, top_fd, "missing", top_fd, "a");
    CALL(renameat, top_fd, "a", top_fd, "missing/a");
    MUST(link(at("a"), at("c")));
    CALL(renameat, top_fd, "a", top_fd, "c");
    look();
#endif
    set();
    CALL(renameat2, top_fd, "a", top_fd, "b", RENAME_NOREPLACE);
    CALL(renameat2, top_fd, "a", top_fd, "folder/in", RENAME_NOREPLACE);
    CALL(renameat2, top_fd, "b", top_fd, "other/in", RENAME_EXCHANGE);
    look();
    CALL(renameat2, top_fd, "folder", top_fd, "b", RENAME_EXCHANGE);
    look();
    CALL(renameat2, top_fd, "b", top_fd, "missing", RENAME_EXCHANGE);
    CALL(renameat2, top_fd, "other", top_fd, "other/in", RENAME_EXCHANGE);
    CALL(renameat2, top_fd, "link", top_fd, "other", RENAME_EXCHANGE);
    look();
    CALL(renameat2, top_fd, "a", top_fd, "b", RENAME_EXCHANGE | RENAME_NOREPLACE);
    CALL(renameat2, top_fd, "a", top_fd, "b", 1 << 10);
    CALL(renameat2, top_fd, "b", AT_FDCWD, "/proc/x", 0);
    /* A device is left where the name was. */
    set();
    CALL(renameat2, top_fd, "a", top_fd, "c", RENAME_WHITEOUT);
    show("a");
    show("c");
    CALL(renameat2, top_fd, "b", top_fd, "c", RENAME_WHITEOUT | RENAME_NOREPLACE);
    CALL(renameat2, top_fd, "b", top_fd, "c", RENAME_WHITEOUT | RENAME_EXCHANGE);
    CALL(renameat2, top_fd, "b", top_fd, "c", RENAME_WHITEOUT);
    CALL(renameat2, top_fd, "folder", top_fd, "moved", RENAME_WHITEOUT);
    look();
    struct stat known;
    MUST(lstat(at("folder"), &known));
    told("device", (long)known.st_rdev);
    MUST(unlink(at("folder")));
    MUST(rename(at("moved"), at("folder")));
    /* An open file goes with its name. */
    set();
    int fd = MUST(open(at("other/in"), O_RDONLY));
    CALL(renameat2, top_fd, "other", top_fd, "folder/moved", 0);
    char text[32];
    told("read", read(fd, text, sizeof text));
    close(fd);
}

static void nodes(void)
{
#ifdef SYS_mknod
    CALL(mknod, at("plain"), S_IFREG | 0666, 0);
    CALL(mknod, at("plain"), S_IFREG | 0666, 0);
    CALL(mknod, at("zero"), 0640, 0);
    show("plain");
    show("zero");
#endif
    CALL(mknodat, top_fd, "pipe", S_IFIFO | 0622, 0);
    CALL(mknodat, top_fd, "socket", S_IFSOCK | 0600, 0);
    CALL(mknodat, top_fd, "null", S_IFCHR | 0666, makedev(1, 3));
    CALL(mknodat, top_fd, "folder", S_IFDIR | 0755, 0);
    CALL(mknodat, top_fd, "link", S_IFLNK | 0755, 0);
    CALL(mknodat, top_fd, "odd", 0170000, 0);
    CALL(mknodat, top_fd, "missing/x", S_IFREG, 0);
    CALL(mknodat, top_fd, "new/", S_IFREG, 0);
    show("pipe");
    show("socket");
    show("null");
    struct stat known;
    MUST(stat(at("null"), &known));
    printf("device %u:%u\n", major(known.st_rdev), minor(known.st_rdev));
    told("socket", open(at("socket"), O_RDONLY));
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"mkdir", makes_folders}, {"rmdir", removes_folders}, {"unlink", unlinks}, {"link", links},
        {"symlink", symlinks}, {"rename", renames}, {"mknod", nodes}, {0, 0}};
    return run_group(argc, argv, groups);
}
