/* How much each read of /proc/self/maps and its likes gives: whole records, less than a page of them, after what the last
   read has left in the kernel's buffer (seq_read_iter, fs/seq_file.c). */
#include "check.h"
#include <sys/mman.h>
#include <sys/uio.h>

enum { PAGE = 4096, MOST = 1 << 20, MAPPINGS = 150 };

static char *text;
static long length;
static int by_mapping; /* a record is a mapping with its numbers, and not a line */
static int single;     /* or all there is */

static int begins_mapping(long at)
{
    unsigned long start, end;
    return sscanf(text + at, "%lx-%lx ", &start, &end) == 2;
}

/* Where the record ends that has the byte at `at`. */
static long end_of(long at)
{
    if (single)
        return length;
    do
        at = strchr(text + at, '\n') + 1 - text;
    while (by_mapping && at < length && !begins_mapping(at));
    return at;
}

/* The kernel's buffer: what is left in it, and where the last read has ended. */
static long left, ended, size;

static long expected(long at, long wanted)
{
    if (at >= length || wanted == 0)
        return 0;
    if (at == 0)
        left = 0;
    else if (at != ended)
        left = end_of(at - 1) - at;
    long taken = left < wanted ? left : wanted;
    left -= taken;
    if (left == 0 && at + taken < length) {
        long begin = at + taken, end = end_of(begin);
        while (end - begin >= size)
            size *= 2;
        while (end - begin < wanted - taken && end < length && end_of(end) - begin < size)
            end = end_of(end);
        long more = end - begin < wanted - taken ? end - begin : wanted - taken;
        left = end - begin - more;
        taken += more;
    }
    ended = at + taken;
    return taken;
}

static void begin(const char *path)
{
    left = ended = 0;
    size = PAGE;
    int fd = MUST(open(path, O_RDONLY));
    length = 0;
    for (long more; (more = MUST(read(fd, text + length, MOST - length))) > 0;)
        length += more;
    text[length] = 0;
    close(fd);
}

static void look(const char *name, int of_mappings, int whole)
{
    char path[64], into[2 * PAGE];
    long wrong = 0, reads = 0;
    snprintf(path, sizeof path, "/proc/self/%s", name);
    by_mapping = of_mappings, single = whole;

    static const long sizes[] = {PAGE, 2 * PAGE, 1000, 100, 3000, 70, PAGE - 1};
    begin(path);
    int fd = MUST(open(path, O_RDONLY));
    for (long at = 0, got = 1; got > 0; at += got, reads++) {
        long wanted = sizes[reads % 7];
        long want = expected(at, wanted);
        got = MUST(read(fd, into, wanted));
        wrong += got != want || lseek(fd, 0, SEEK_CUR) != at + got;
    }
    printf("%s read: some %d wrong %ld\n", name, reads > 1, wrong);

    static const long places[] = {0, 1, 63, 500, 501, 5000, 300, 0, 77};
    wrong = 0;
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        long want = expected(places[i], PAGE);
        wrong += MUST(pread(fd, into, PAGE, places[i])) != want;
    }
    printf("%s pread: wrong %ld\n", name, wrong);

    close(fd);
    begin(path);
    fd = MUST(open(path, O_RDONLY));
    wrong = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct iovec pieces[] = {{into, 100}, {into + 200, 0}, {into + 300, PAGE - 100}};
        long at = lseek(fd, 0, SEEK_CUR), want = 0, more;
        for (int piece = 0; piece < 3; piece++) {
            want += more = expected(at + want, (long)pieces[piece].iov_len);
            if (more < (long)pieces[piece].iov_len)
                break;
        }
        wrong += MUST(readv(fd, pieces, 3)) != want;
    }
    MUST(lseek(fd, 40, SEEK_SET));
    wrong += expected(40, PAGE) != MUST(read(fd, into, PAGE));
    printf("%s readv and lseek: wrong %ld\n", name, wrong);
    close(fd);
}

int main(void)
{
    text = MUST(mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    char *many = MUST(mmap(NULL, 2 * MAPPINGS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < MAPPINGS; i++)
        MUST(mprotect(many + 2 * i * PAGE, PAGE, PROT_READ));
    /* The first line of output maps its buffer. */
    puts("reads");
    look("maps", 0, 0);
    look("smaps", 1, 0);
    look("auxv", 0, 1);
    return 0;
}
