/* What a call says that changes nothing, and with which flags a file is open. */
#include "variants.h"

static void as_another(void)
{
    MUST(setresgid(1000, 1000, 1000));
    MUST(setresuid(1000, 1000, 1000));
    told("to read", link(at("to-read"), at("open/1")));
    told("to read and write", link(at("to-write"), at("open/2")));
    told("that runs as its owner", link(at("as-owner"), at("open/3")));
    told("that runs as its group", link(at("as-group"), at("open/4")));
    told("my own", link(at("open/mine"), at("open/5")));
    told("a link", linkat(AT_FDCWD, at("link"), AT_FDCWD, at("open/6"), 0));
    told("what the link leads to", linkat(AT_FDCWD, at("link"), AT_FDCWD, at("open/7"), AT_SYMLINK_FOLLOW));
    told("a pipe", link(at("pipe"), at("open/8")));
    told("there already", link(at("to-read"), at("open/mine")));
    told("not in mine", link(at("to-read"), at("closed/9")));
    fflush(stdout);
}

static void links(void)
{
    file("to-read", "");
    file("to-write", "");
    file("as-owner", "");
    file("as-group", "");
    MUST(chmod(at("to-write"), 0666));
    MUST(chmod(at("as-owner"), 04777));
    MUST(chmod(at("as-group"), 02777));
    MUST(mkfifo(at("pipe"), 0600));
    MUST(chmod(at("pipe"), 0666));
    MUST(symlink("to-read", at("link")));
    MUST(mkdir(at("closed"), 0755));
    MUST(mkdir(at("open"), 0755));
    MUST(chmod(at("open"), 0777));
    file("open/mine", "");
    MUST(chown(at("open/mine"), 1000, 1000));
    in_one("another user", as_another);
}

static void flags_of(const char *what, int fd)
{
    printf("%s: %o\n", what, fcntl(fd, F_GETFL));
    close(fd);
}

static void orders(void)
{
    struct timespec omitted[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    CALL(utimensat, AT_FDCWD, at("missing"), omitted, 0);
    CALL(utimensat, AT_FDCWD, at("missing"), omitted, 0x7000);
    CALL(utimensat, AT_FDCWD, (char *)8, omitted, 0);
    omitted[1].tv_nsec = UTIME_NOW;
    CALL(utimensat, AT_FDCWD, at("missing"), omitted, 0);
    told("above", rmdir(at("..")));
    told("further above", rmdir(at("../..")));
    told("with a slash", unlinkat(AT_FDCWD, at("../../"), AT_REMOVEDIR));
    told("no folder", unlinkat(AT_FDCWD, at("../.."), 0));
    MUST(mkdir(at("folder"), 0755));
    MUST(chdir(top));
    told("relative", rmdir("../.."));
    file("file", "");
    flags_of("a file", open(at("file"), O_RDWR | O_APPEND));
    flags_of("a folder", open(at("folder"), O_RDONLY | O_DIRECTORY));
    flags_of("with a slash", open(at("folder/"), O_RDONLY));
    flags_of("to look at", open(at("file"), O_PATH));
    struct open_how how = {.flags = O_RDONLY};
    flags_of("openat2", opened_below(top_fd, "file", &how));
    told("a file with a slash", open(at("file/"), O_RDONLY));
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"links-protected", links}, {"order-of-few", orders}, {0, 0}};
    return run_group(argc, argv, groups);
}
