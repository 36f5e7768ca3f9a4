/* open, creat, openat, openat2: each way of opening does the same. */
#include "variants.h"
#include <linux/openat2.h>
#include <sys/uio.h>

static long by_open(const char *name, int flags, mode_t mode)
{
#ifdef SYS_open
    return syscall(SYS_open, at(name), flags, mode);
#else
    return syscall(SYS_openat, AT_FDCWD, at(name), flags, mode);
#endif
}

static long by_openat(const char *name, int flags, mode_t mode)
{
    return syscall(SYS_openat, AT_FDCWD, at(name), flags, mode);
}

static long from_folder(const char *name, int flags, mode_t mode)
{
    return syscall(SYS_openat, top_fd, name, flags, mode);
}

static long from_cwd(const char *name, int flags, mode_t mode)
{
    MUST(fchdir(top_fd));
    return syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}

static long by_openat2(const char *name, int flags, mode_t mode)
{
    int makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {.flags = (unsigned)flags, .mode = makes ? mode : 0};
    return syscall(SYS_openat2, top_fd, name, &how, sizeof how);
}

typedef long opener(const char *, int, mode_t);

/* Opens, says whether the descriptor is the lowest one, and closes. */
static void once(opener *way, const char *what, const char *name, int flags, mode_t mode)
{
    int lowest = MUST(dup(0));
    close(lowest);
    long fd = way(name, flags, mode);
    printf("%s: %s\n", what, fd < 0 ? strerror(errno) : fd == lowest ? "lowest" : "another");
    if (fd >= 0)
        close((int)fd);
}

static void each(const char *way_name, opener *way)
{
    printf("%s\n", way_name);
    MUST(mkdir(at("folder"), 0755));
    MUST(symlink("file", at("link")));
    MUST(symlink("nothing/..", at("lost")));
    MUST(symlink("later", at("dangling")));
    MUST(symlink("loop", at("loop")));
    MUST(symlink("folder", at("way")));
    once(way, "missing", "file", O_RDONLY, 0);
    once(way, "made", "file", O_WRONLY | O_CREAT, 0666);
    show("file");
    once(way, "exclusive", "file", O_RDWR | O_CREAT | O_EXCL, 0600);
    once(way, "exclusive, new", "fresh", O_RDWR | O_CREAT | O_EXCL, 0604);
    show("fresh");
    once(way, "through a link", "link", O_RDONLY, 0);
    once(way, "a link itself", "link", O_RDONLY | O_NOFOLLOW, 0);
    once(way, "a link, exclusive", "dangling", O_WRONLY | O_CREAT | O_EXCL, 0600);
    once(way, "dangling", "dangling", O_RDONLY, 0);
    once(way, "made through a link", "dangling", O_WRONLY | O_CREAT, 0600);
    show("later");
    once(way, "lost", "lost", O_RDONLY, 0);
    once(way, "loop", "loop", O_RDONLY, 0);
    once(way, "folder", "folder", O_RDONLY, 0);
    once(way, "folder, as such", "folder", O_RDONLY | O_DIRECTORY, 0);
    once(way, "folder, to write", "folder", O_WRONLY, 0);
    once(way, "folder, made", "folder", O_RDONLY | O_CREAT, 0600);
    once(way, "file, as a folder", "file", O_RDONLY | O_DIRECTORY, 0);
    once(way, "file, with a slash", "file/", O_RDONLY, 0);
    once(way, "folder, with a slash", "folder/", O_RDONLY, 0);
    once(way, "linked folder, with a slash", "way/", O_RDONLY | O_NOFOLLOW, 0);
    once(way, "new, with a slash", "new/", O_WRONLY | O_CREAT, 0600);
    once(way, "behind a file", "file/x", O_RDONLY, 0);
    once(way, "above, back", "folder/../file", O_RDONLY, 0);
    once(way, "dots", "./folder/./.././file", O_RDONLY, 0);
    once(way, "behind a link", "way/../file", O_RDONLY, 0);
    char name[258];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    once(way, "255 bytes", name, O_WRONLY | O_CREAT, 0600);
    once(way, "255 bytes, again", name, O_RDONLY, 0);
    name[255] = 'n';
    name[256] = 0;
    once(way, "256 bytes", name, O_WRONLY | O_CREAT, 0600);
    once(way, "to look at", "file", O_PATH, 0);
    once(way, "a link to look at", "loop", O_PATH | O_NOFOLLOW, 0);
    umask(077);
    once(way, "masked", "masked", O_WRONLY | O_CREAT, 0777);
    umask(022);
    show("masked");
    long fd = way("file", O_RDWR | O_APPEND | O_CLOEXEC, 0);
    told("flags", fcntl((int)fd, F_GETFD));
    told("status flags", fcntl((int)fd, F_GETFL) & ~(O_CLOEXEC | 0100000));
    told("append", write((int)fd, "one", 3));
    told("rewind", lseek((int)fd, 0, SEEK_SET));
    told("append", write((int)fd, "two", 3));
    show("file");
    close((int)fd);
    once(way, "truncated", "file", O_WRONLY | O_TRUNC, 0);
    show("file");
    fd = way("folder", O_RDWR | O_TMPFILE, 0640);
    if (told("nameless", fd < 0 ? fd : 0) == 0) {
        told("write", write((int)fd, "nameless", 8));
        close((int)fd);
    }
    once(way, "nameless, to read", "folder", O_RDONLY | O_TMPFILE, 0640);
    clear(top);
}

static void opens(void)
{
    each("open", by_open);
    each("openat", by_openat);
    each("from a folder", from_folder);
    each("from the working directory", from_cwd);
    each("openat2", by_openat2);
}

static void bad_arguments(void)
{
    file("file", "text");
    int fd = MUST(open(at("file"), O_RDONLY));
    CALL(openat, AT_FDCWD, "", O_RDONLY);
    CALL(openat, top_fd, "", O_RDONLY);
    CALL(openat, top_fd, (char *)1, O_RDONLY);
    CALL(openat, fd, "x", O_RDONLY);
    CALL(openat, 999, "x", O_RDONLY);
    CALL(openat, top_fd, "file", O_RDONLY | O_PATH | O_CREAT, 0);
    struct open_how how = {.flags = O_RDONLY, .mode = 0600};
    CALL(openat2, top_fd, "file", &how, sizeof how);
    how = (struct open_how){.flags = 1ull << 40};
    CALL(openat2, top_fd, "file", &how, sizeof how);
    how = (struct open_how){.flags = O_RDONLY};
    CALL(openat2, top_fd, "file", &how, 3);
    char *path = malloc(5000);
    memset(path, '/', 5000);
    memcpy(path, at("file"), strlen(top));
    strcpy(path + 4090, "file");
    told("path of 4094 bytes", open(path, O_RDONLY) < 0 ? -1 : 0);
    strcpy(path + 4092, "file");
    told("path of 4096 bytes", open(path, O_RDONLY) < 0 ? -1 : 0);
    free(path);
#ifdef SYS_creat
    told("creat", syscall(SYS_creat, at("created"), 0666) < 0 ? -1 : 0);
    show("created");
    told("creat over", syscall(SYS_creat, at("file"), 0600) < 0 ? -1 : 0);
    show("file");
    told("creat of a folder", syscall(SYS_creat, top, 0600));
#endif
}

/* openat2 says how far a path may lead. */
static void resolutions(void)
{
    MUST(mkdir(at("folder"), 0755));
    file("folder/file", "in the folder");
    file("file", "above");
    MUST(symlink("file", at("folder/near")));
    MUST(symlink("../file", at("folder/far")));
    MUST(symlink(at("file"), at("folder/absolute")));
    int folder = MUST(open(at("folder"), O_RDONLY | O_DIRECTORY));
    const char *names[] = {"file", "near", "far", "absolute", "../file", "../folder/file"};
    const unsigned long long how[] = {
        0, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    for (unsigned i = 0; i < sizeof how / sizeof *how; i++)
        for (unsigned j = 0; j < sizeof names / sizeof *names; j++) {
            struct open_how with = {.flags = O_RDONLY, .resolve = how[i]};
            int fd = opened_below(folder, names[j], &with);
            char text[32] = "";
            int error = errno;
            if (fd >= 0)
                MUST(read(fd, text, sizeof text - 1));
            printf("%s, %llx: %s\n", names[j], how[i], fd < 0 ? strerror(error) : text);
            if (fd >= 0)
                close(fd);
        }
    close(folder);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"open", opens}, {"open-badly", bad_arguments}, {"open-within", resolutions}, {0, 0}};
    return run_group(argc, argv, groups);
}
