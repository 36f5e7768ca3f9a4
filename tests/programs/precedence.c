/* Calls with more than one thing wrong: each fails with what the kernel finds first. */
#include "variants.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static void of_names(void)
{
    const struct timespec never[2] = {{1, 2000000000}, {1, 2}};
    char text[16];
    file("file", "text");
    MUST(mkdir(at("folder"), 0755));
    CALL(renameat2, top_fd, "missing/x", top_fd, "y", 8);
    CALL(renameat2, top_fd, "missing/x", top_fd, "y", 3);
    CALL(renameat2, 999, "file", top_fd, "missing/x", 0);
    CALL(renameat2, AT_FDCWD, "/missing-in-the-root/x", top_fd, "file/x", 0);
    CALL(linkat, 999, "file", top_fd, "missing/x", 0);
    CALL(linkat, 999, "", top_fd, "missing/x", AT_EMPTY_PATH);
    CALL(linkat, 999, "", top_fd, "x", AT_EMPTY_PATH);
    CALL(linkat, top_fd, "missing", top_fd, "file/x", 0);
    CALL(linkat, top_fd, "file", AT_FDCWD, "/missing-in-the-root/", 0);
    CALL(mknodat, top_fd, "missing/x", S_IFDIR | 0755, 0);
    CALL(mknodat, top_fd, "missing/x", S_IFLNK | 0755, 0);
    told("truncate", truncate(at("missing"), -1));
    CALL(readlinkat, top_fd, "missing", text, 0);
    CALL(utimensat, top_fd, "missing", never, 0);
    CALL(utimensat, top_fd, "file", never, 0);
    told("no name", getxattr(at("file"), "user.", text, sizeof text));
    told("no name", setxattr(at("file"), "security.", text, 1, 0));
    MUST(chdir(top));
    CALL(readlinkat, AT_FDCWD, "", text, sizeof text);
    int fd = MUST(open("file", O_RDWR));
    MUST(unlink("file"));
    snprintf(text, sizeof text, "%d", fd);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d/x", fd);
    told("in a file without a name", truncate(path, 0));
    CALL(mkdirat, fd, "x", 0755);
    MUST(mkfifo(at("pipe"), 0600));
    told("of a pipe", getxattr(at("pipe"), "user.", text, sizeof text));
    snprintf(path, sizeof path, "/proc/self/fd/%d/", top_fd);
    int name = open(path, O_PATH | O_CREAT | O_EXCL);
    told("only its name", fcntl(name, F_GETFL) & ~O_DIRECTORY);
    close(name);
    close(fd);
}

static void of_opens(void)
{
    file("file", "text");
    MUST(mkdir(at("folder"), 0755));
    const int flags[] = {O_CREAT | O_EXCL | O_RDWR, O_CREAT | O_RDWR, O_CREAT | O_DIRECTORY, O_TMPFILE, 020000000 | O_RDWR,
                         O_PATH | O_CREAT, O_PATH | O_EXCL, 1 << 30};
    const char *const names[] = {"folder/.", "folder/..", "folder/", "file", "missing", "missing/x"};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        for (unsigned j = 0; j < sizeof names / sizeof *names; j++) {
            struct open_how with = {.flags = (unsigned)flags[i], .mode = flags[i] & O_CREAT ? 0644 : 0};
            int one = openat(top_fd, names[j], flags[i], 0644);
            printf("%s, %o: %s\n", names[j], flags[i], one < 0 ? strerror(errno) : "open");
            if (one >= 0)
                close(one);
            unlink(at("missing"));
            int two = opened_below(top_fd, names[j], &with);
            printf("%s, %o: %s\n", names[j], flags[i], two < 0 ? strerror(errno) : "open");
            if (two >= 0)
                close(two);
            unlink(at("missing"));
        }
}

static void of_descriptors(void)
{
    file("file", "text");
    MUST(mkdir(at("folder"), 0755));
    int fd = MUST(open(at("file"), O_RDONLY)), written = MUST(open(at("file"), O_WRONLY));
    int folder = MUST(open(at("folder"), O_RDONLY | O_DIRECTORY)), name = MUST(open(at("file"), O_PATH));
    int null = MUST(open("/dev/null", O_RDONLY)), root = MUST(open("/", O_RDONLY | O_DIRECTORY));
    struct pollfd one = {name, POLLIN | POLLOUT, 0};
    told("poll", poll(&one, 1, 0));
    printf("  %x\n", one.revents);
    struct timeval now = {0, 0};
    fd_set in, out, bad;
    FD_ZERO(&in);
    FD_SET(name, &in);
    out = bad = in;
    told("select", select(name + 1, &in, &out, &bad, &now));
    int set = MUST(epoll_create1(0));
    told("epoll", epoll_ctl(set, EPOLL_CTL_ADD, name, &(struct epoll_event){.events = EPOLLIN}));
    CALL(sync_file_range, fd, 0L, 0L, 8);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = 9};
    told("lock", fcntl(fd, F_SETLK, &lock));
    lock = (struct flock){.l_type = F_WRLCK, .l_pid = 1};
    told("lock", fcntl(fd, F_OFD_SETLK, &lock));
    const int ends[] = {fd, written, folder, name, null, root};
    for (unsigned i = 0; i < 6; i++)
        for (unsigned j = 0; j < 6; j++) {
            /* Of what is both real, or a copy that is none, the kernel says more than this. */
            if (i == j || (i > 3 && j > 3) || (i == 0 && j == 1))
                continue;
            told("copy", copy_file_range(ends[i], NULL, ends[j], NULL, 1, 0));
            told("copy, flags", copy_file_range(ends[i], NULL, ends[j], NULL, 1, 8));
            /* Which devices can be sent from depends on the device. */
            if (i != 4)
                told("send", sendfile(ends[j], ends[i], NULL, 1));
        }
    const int all[] = {fd, written, folder, name, null, root, set};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        close(all[i]);
}

/* What takes a privilege that others do not have. */
static void of_others(void)
{
    file("file", "text");
    MUST(mkdir(at("folder"), 0777));
    MUST(chmod(at("folder"), 0777));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(setresgid(1000, 1000, 1000));
        MUST(setresuid(1000, 1000, 1000));
        int fd = MUST(open(at("file"), O_RDONLY)), own = MUST(open(at("folder/own"), O_RDWR | O_CREAT, 0644));
        told("no time", fcntl(fd, F_SETFL, O_NOATIME));
        told("no time of its own", fcntl(own, F_SETFL, O_NOATIME));
        told("again", fcntl(own, F_SETFL, O_NOATIME));
        told("a device", mknod(at("folder/device"), S_IFCHR | 0644, 0x103));
        told("a block device", mknod(at("folder/device"), S_IFBLK | 0644, 0));
        told("a whiteout", mknod(at("folder/device"), S_IFCHR | 0644, 0));
        told("a pipe", mknod(at("folder/pipe"), S_IFIFO | 0644, 0));
        told("label", fsetxattr(own, "security.label", "x", 1, 0));
        told("label", fremovexattr(own, "security.label"));
        const uint32_t none[5] = {0x02000000};
        told("capability", fsetxattr(own, "security.capability", none, sizeof none, 0));
        told("trusted", fsetxattr(own, "trusted.x", "x", 1, 0));
        fflush(stdout);
        _exit(0);
    }
    MUST(waitpid(child, NULL, 0));
    show("folder/device");
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"order-names", of_names},
                                   {"order-opens", of_opens},
                                   {"order-descriptors", of_descriptors},
                                   {"order-others", of_others},
                                   {0, 0}};
    return run_group(argc, argv, groups);
}
