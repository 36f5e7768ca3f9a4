/* What reads, writes and moves the content of a file, each call in all its variants. */
#include "variants.h"
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void position(int fd)
{
    printf("  at %lld\n", (long long)lseek(fd, 0, SEEK_CUR));
}

static void said(const char *what, long result, const char *text)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld [%.*s]\n", what, result, (int)result, text);
}

static void reads(void)
{
    file("file", "abcdefghijklmnopqrstuvwxyz");
    int fd = MUST(open(at("file"), O_RDONLY));
    char text[64], more[64];
    struct iovec parts[2] = {{text, 3}, {more, 4}};
    said("read", syscall(SYS_read, fd, text, 5), text);
    position(fd);
    told("readv", syscall(SYS_readv, fd, parts, 2));
    printf("  [%.3s] [%.4s]\n", text, more);
    position(fd);
    said("pread64", syscall(SYS_pread64, fd, text, 5, 20L), text);
    told("preadv", syscall(SYS_preadv, fd, parts, 2, 1L, 0L));
    printf("  [%.3s] [%.4s]\n", text, more);
    position(fd);
    told("preadv2 at an offset", syscall(SYS_preadv2, fd, parts, 2, 2L, 0L, 0));
    printf("  [%.3s] [%.4s]\n", text, more);
    position(fd);
    told("preadv2 where it is", syscall(SYS_preadv2, fd, parts, 2, -1L, -1L, 0));
    printf("  [%.3s] [%.4s]\n", text, more);
    position(fd);
    said("to the end", syscall(SYS_read, fd, text, sizeof text), text);
    said("at the end", syscall(SYS_read, fd, text, sizeof text), text);
    said("behind the end", syscall(SYS_pread64, fd, text, sizeof text, 1L << 40), text);
    said("nothing", syscall(SYS_read, fd, text, 0), text);
    told("negative offset", syscall(SYS_pread64, fd, text, 5, -5L));
    told("bad address", syscall(SYS_pread64, fd, (char *)1, 5, 0L));
    char *edge = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(munmap(edge + 4096, 4096));
    said("to the edge of memory", syscall(SYS_pread64, fd, edge + 4094, 5, 0L), edge + 4094);
    told("over it", syscall(SYS_pread64, fd, edge + 4096, 5, 0L));
    MUST(munmap(edge, 4096));
    told("bad vector", syscall(SYS_preadv, fd, (void *)1, 2, 0L, 0L));
    told("too many parts", syscall(SYS_preadv, fd, parts, 2000, 0L, 0L));
    told("unknown flag", syscall(SYS_preadv2, fd, parts, 2, 0L, 0L, 1 << 20));
    told("write", syscall(SYS_write, fd, "x", 1));
    int folder = MUST(open(top, O_RDONLY));
    told("a folder", syscall(SYS_read, folder, text, 5));
    close(folder);
    close(fd);
    fd = MUST(open(at("file"), O_WRONLY));
    told("only to write", syscall(SYS_read, fd, text, 5));
    close(fd);
}

static void writes(void)
{
    int fd = MUST(open(at("file"), O_RDWR | O_CREAT, 0644));
    struct iovec parts[2] = {{"one", 3}, {"four", 4}};
    CALL(write, fd, "start", 5);
    CALL(writev, fd, parts, 2);
    position(fd);
    show("file");
    CALL(pwrite64, fd, "P", 1, 2L);
    CALL(pwritev, fd, parts, 2, 3L, 0L);
    show("file");
    CALL(pwritev2, fd, parts, 2, 20L, 0L, 0);
    CALL(pwritev2, fd, parts, 2, -1L, -1L, 0);
    position(fd);
    CALL(pwritev2, fd, parts, 1, 0L, 0L, RWF_APPEND);
    position(fd);
    char text[64];
    ssize_t length = pread(fd, text, sizeof text, 0);
    for (ssize_t i = 0; i < length; i++)
        putchar(text[i] ? text[i] : '.');
    printf("\n");
    CALL(write, fd, "", 0);
    CALL(pwrite64, fd, "x", 1, -1L);
    CALL(pwrite64, fd, (char *)1, 1, 0L);
    CALL(pwrite64, fd, "far", 3, 1L << 33);
    struct stat known;
    MUST(fstat(fd, &known));
    printf("size %lld\n", (long long)known.st_size);
    close(fd);
    fd = MUST(open(at("log"), O_WRONLY | O_CREAT | O_APPEND, 0600));
    CALL(write, fd, "first ", 6);
    CALL(pwrite64, fd, "second ", 7, 0L);
    CALL(writev, fd, parts, 2);
    position(fd);
    show("log");
    told("no longer", fcntl(fd, F_SETFL, 0));
    told("begin", lseek(fd, 0, SEEK_SET));
    CALL(write, fd, "FIRST", 5);
    show("log");
    close(fd);
    fd = MUST(open(at("log"), O_RDONLY));
    CALL(write, fd, "x", 1);
    close(fd);
    CALL(write, fd, "x", 1);
    /* More than any buffer on the way. */
    char *much = malloc(3 << 20), *back = malloc(3 << 20);
    for (int i = 0; i < 3 << 20; i++)
        much[i] = (char)(i * 7 + i / 4096);
    fd = MUST(open(at("much"), O_RDWR | O_CREAT, 0600));
    CALL(write, fd, much, 3L << 20);
    CALL(pread64, fd, back, 3L << 20, 0L);
    told("differs", memcmp(much, back, 3 << 20) != 0);
    free(much);
    free(back);
    close(fd);
}

static void seeks(void)
{
    int fd = MUST(open(at("file"), O_RDWR | O_CREAT, 0644));
    MUST(pwrite(fd, "head", 4, 0));
    MUST(pwrite(fd, "tail", 4, 100000));
    CALL(lseek, fd, 10L, SEEK_SET);
    CALL(lseek, fd, 5L, SEEK_CUR);
    CALL(lseek, fd, -20L, SEEK_CUR);
    CALL(lseek, fd, -4L, SEEK_END);
    CALL(lseek, fd, 100L, SEEK_END);
    CALL(lseek, fd, 0L, SEEK_DATA);
    CALL(lseek, fd, 0L, SEEK_HOLE);
    CALL(lseek, fd, 5000L, SEEK_DATA);
    CALL(lseek, fd, 100001L, SEEK_HOLE);
    CALL(lseek, fd, 200000L, SEEK_DATA);
    CALL(lseek, fd, -1L, SEEK_DATA);
    CALL(lseek, fd, 0L, 99);
    CALL(lseek, fd, LONG_MAX, SEEK_SET);
    CALL(lseek, fd, 1L, SEEK_CUR);
    CALL(lseek, 999, 0L, SEEK_SET);
    close(fd);
}

static void sizes(void)
{
    file("file", "0123456789");
    int fd = MUST(open(at("file"), O_RDWR));
    CALL(truncate, at("file"), 4L);
    show("file");
    CALL(ftruncate, fd, 8L);
    char text[16];
    told("read", pread(fd, text, sizeof text, 0));
    printf("  %.4s %d%d%d%d\n", text, text[4], text[5], text[6], text[7]);
    CALL(truncate, at("file"), 1L << 40);
    told("at the end", pread(fd, text, sizeof text, (1L << 40) - 3));
    CALL(ftruncate, fd, 0L);
    CALL(ftruncate, fd, -1L);
    CALL(truncate, at("file"), -1L);
    CALL(truncate, at("missing"), 0L);
    CALL(truncate, top, 0L);
    CALL(truncate, at("file/x"), 0L);
    CALL(truncate, "", 0L);
    MUST(symlink("file", at("link")));
    CALL(truncate, at("link"), 3L);
    show("file");
    close(fd);
    fd = MUST(open(at("file"), O_RDONLY));
    CALL(ftruncate, fd, 0L);
    close(fd);
    CALL(ftruncate, fd, 0L);
}

static void room(void)
{
    int fd = MUST(open(at("file"), O_RDWR | O_CREAT, 0644));
    CALL(fallocate, fd, 0, 0L, 10000L);
    struct stat known;
    MUST(fstat(fd, &known));
    printf("size %lld, blocks for it: %d\n", (long long)known.st_size, known.st_blocks * 512 >= 10000);
    CALL(fallocate, fd, FALLOC_FL_KEEP_SIZE, 0L, 50000L);
    MUST(pwrite(fd, "text", 4, 4094));
    CALL(fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0L, 4096L);
    char text[6];
    told("read", pread(fd, text, 6, 4092));
    printf("  %d %d %d %d %c %c\n", text[0], text[1], text[2], text[3], text[4], text[5]);
    MUST(fstat(fd, &known));
    printf("size %lld\n", (long long)known.st_size);
    CALL(fallocate, fd, FALLOC_FL_PUNCH_HOLE, 0L, 4096L);
    CALL(fallocate, fd, FALLOC_FL_COLLAPSE_RANGE, 0L, 4096L);
    CALL(fallocate, fd, 0, -1L, 4096L);
    CALL(fallocate, fd, 0, 0L, 0L);
    close(fd);
    fd = MUST(open(at("file"), O_RDONLY));
    CALL(fallocate, fd, 0, 0L, 4096L);
    CALL(fsync, fd);
    CALL(fdatasync, fd);
    CALL(sync_file_range, fd, 0L, 0L, 0);
    CALL(syncfs, fd);
    CALL(readahead, fd, 0L, 4096L);
    CALL(fadvise64, fd, 0L, 0L, POSIX_FADV_RANDOM);
    close(fd);
    CALL(fsync, fd);
}

/* From file to file and through pipes. */
static void copies(void)
{
    file("from", "what is copied from one file to the other");
    int from = MUST(open(at("from"), O_RDONLY)), to = MUST(open(at("to"), O_RDWR | O_CREAT, 0600));
    off_t offset = 5;
    CALL(sendfile, to, from, &offset, 10L);
    printf("  offset %lld\n", (long long)offset);
    position(from);
    CALL(sendfile, to, from, 0, 4L);
    position(from);
    show("to");
    off_t in = 20, out = 30;
    CALL(copy_file_range, from, &in, to, &out, 9L, 0);
    CALL(copy_file_range, from, 0, to, 0, 6L, 0);
    position(to);
    struct stat known;
    MUST(fstat(to, &known));
    printf("size %lld\n", (long long)known.st_size);
    int ends[2];
    MUST(pipe(ends));
    off_t start = 2;
    CALL(splice, from, &start, ends[1], 0, 7L, 0);
    char text[32];
    told("out of the pipe", read(ends[0], text, sizeof text));
    printf("  %.7s\n", text);
    MUST(write(ends[1], "into the file", 13));
    start = 0;
    CALL(splice, ends[0], 0, to, &start, 13L, 0);
    told("read", pread(to, text, 13, 0));
    printf("  %.13s\n", text);
    close(ends[0]);
    close(ends[1]);
    close(from);
    close(to);
}

static void maps(void)
{
    file("file", "what is mapped");
    int fd = MUST(open(at("file"), O_RDWR));
    char *alone = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    told("private", alone == MAP_FAILED ? -1 : 0);
    printf("  %.14s, and %d behind\n", alone, alone[14]);
    alone[0] = 'W';
    show("file");
    told("unmapped", munmap(alone, 4096));
    char *shown = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    told("shared, to read", shown == MAP_FAILED ? -1 : 0);
    printf("  %.14s\n", shown);
    told("unmapped", munmap(shown, 4096));
    told("no such flags", mmap(0, 4096, PROT_READ, 0, fd, 0) == MAP_FAILED ? -1 : 0);
    told("odd offset", mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 7) == MAP_FAILED ? -1 : 0);
    close(fd);
    fd = MUST(open(at("file"), O_WRONLY));
    told("only to write", mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    close(fd);
    int folder = MUST(open(top, O_RDONLY));
    told("a folder", mmap(0, 4096, PROT_READ, MAP_PRIVATE, folder, 0) == MAP_FAILED ? -1 : 0);
    close(folder);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"read", reads}, {"write", writes}, {"lseek", seeks}, {"truncate", sizes},
        {"fallocate", room}, {"copy", copies}, {"mmap", maps}, {0, 0}};
    return run_group(argc, argv, groups);
}
