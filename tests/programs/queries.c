/* PROCMAP_QUERY: one mapping of /proc/PID/maps, asked for by an address. */
#include "check.h"
#include <sys/ioctl.h>
#include <sys/mman.h>

struct query {
    uint64_t size, flags, address, start, end, rights, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define QUERY _IOWR('f', 17, struct query)
enum { READABLE = 1, WRITABLE = 2, EXECUTABLE = 4, SHARED = 8, NEXT = 16, FILE_BACKED = 32 };

static int maps;
static char name[4096];
static unsigned char build_id[64];

static struct query ask(uint64_t address, uint64_t flags, int *error)
{
    struct query query = {.size = sizeof query, .flags = flags, .address = address};
    query.name = (uintptr_t)name;
    query.name_size = sizeof name;
    query.build_id = (uintptr_t)build_id;
    query.build_id_size = sizeof build_id;
    name[0] = 0;
    *error = ioctl(maps, QUERY, &query) == 0 ? 0 : errno;
    return query;
}

/* Whether an answer is what a line of the file says. */
static int is_line(const struct query *query, const char *line)
{
    char expected[8192], path[4200] = "";
    if (query->name_size)
        snprintf(path, sizeof path, "%s", name);
    int length = snprintf(expected, sizeof expected, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ",
                          (long long)query->start, (long long)query->end, query->rights & READABLE ? 'r' : '-',
                          query->rights & WRITABLE ? 'w' : '-', query->rights & EXECUTABLE ? 'x' : '-',
                          query->rights & SHARED ? 's' : 'p', (long long)query->offset, query->major,
                          query->minor, (long long)query->inode);
    const char *at = line + length;
    if (strncmp(line, expected, length))
        return 0;
    at += strspn(at, " ");
    return strlen(path) == strcspn(at, "\n") && strncmp(at, path, strlen(path)) == 0;
}

/* Each mapping in turn, by the next one of the last's end: as the lines are, and how many kinds there are. */
static void in_turn(void)
{
    static char text[1 << 17];
    size_t length = 0;
    ssize_t more;
    while ((more = pread(maps, text + length, sizeof text - 1 - length, length)) > 0)
        length += more;
    int error, count = 0, executable = 0, files = 0;
    uint64_t from = 0;
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        /* The kernel has a line for that page, but no mapping. */
        if (strncmp(line, "ffffffffff600000", 16) == 0)
            continue;
        struct query query = ask(from, NEXT, &error);
        if (error || !is_line(&query, line))
            printf("not so (%s): %.*s\n", strerror(error), (int)strcspn(line, "\n"), line);
        CHECK(query.page_size == 4096);
        struct query covering = ask(query.end - 1, 0, &error);
        CHECK(!error && covering.start == query.start && covering.end == query.end);
        executable += (query.rights & EXECUTABLE) != 0;
        files += query.inode != 0;
        from = query.end;
        count++;
    }
    CHECK(count > 5);
    ask(from, NEXT, &error);
    printf("behind the last: %s\n", strerror(error));
    int found = 0;
    for (from = 0;; found++) {
        struct query query = ask(from, NEXT | EXECUTABLE, &error);
        if (error)
            break;
        CHECK(query.rights & EXECUTABLE);
        from = query.end;
    }
    CHECK(found == executable);
    for (found = 0, from = 0;; found++) {
        struct query query = ask(from, NEXT | FILE_BACKED, &error);
        if (error)
            break;
        CHECK(query.inode);
        from = query.end;
    }
    CHECK(found == files);
}

static void show(const char *what, const void *address, uint64_t flags)
{
    int error;
    struct query query = ask((uintptr_t)address, flags, &error);
    printf("%s: %s", what, strerror(error));
    if (!error) {
        printf(" rights %llu offset %llx size %llx page %llu '%s' %u build id", (long long)query.rights,
               (long long)query.offset, (long long)(query.end - query.start), (long long)query.page_size,
               query.name_size ? name : "", query.name_size);
        for (unsigned i = 0; i < query.build_id_size; i++)
            printf("%s%02x", i ? "" : " ", build_id[i]);
    }
    puts("");
}

static void refused(const char *what, struct query query, size_t size)
{
    char room[8192] = "";
    memcpy(room, &query, sizeof query);
    memcpy(room, &size, sizeof size);
    int result = ioctl(maps, QUERY, room);
    printf("%s: %s\n", what, result ? strerror(errno) : "done");
}

int main(void)
{
    maps = MUST(open("/proc/self/maps", O_RDONLY));
    struct query known = {.size = sizeof known, .address = (uintptr_t)main};
    if (ioctl(maps, QUERY, &known) != 0) {
        printf("query: %s\n", strerror(errno));
        return 0;
    }
    in_turn();
    void *shared = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    show("own text", main, 0);
    show("the C library's", puts, EXECUTABLE);
    show("which is not written", puts, WRITABLE);
    show("stack", &known, WRITABLE);
    show("a shared one", shared, SHARED | READABLE);
    show("a private one", main, SHARED);
    show("nothing there", (void *)4096, 0);
    known.flags = 64;
    refused("flags", known, sizeof known);
    known.flags = 0;
    refused("short", known, 16);
    refused("as short as can be", known, 24);
    refused("longer", known, sizeof known + 64);
    refused("too long", known, 4097);
    known.name_size = 1;
    refused("a name's size alone", known, sizeof known);
    known.name = (uintptr_t)name;
    refused("a small name", known, sizeof known);
    known.name_size = 0;
    known.name = 0;
    known.build_id = (uintptr_t)build_id;
    refused("a build id's place alone", known, sizeof known);
    known.build_id_size = 2;
    refused("a small build id", known, sizeof known);
    errno = 0;
    int result = ioctl(maps, QUERY, NULL);
    printf("nowhere: %d %s\n", result, strerror(errno));
    result = ioctl(maps, QUERY + 1, &known);
    printf("another command: %d %s\n", result, strerror(errno));
    int smaps = MUST(open("/proc/self/smaps", O_RDONLY));
    known.build_id_size = 0;
    known.build_id = 0;
    result = ioctl(smaps, QUERY, &known);
    printf("of smaps: %d %s\n", result, strerror(errno));
    /* Another process's. */
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", child);
    close(maps);
    maps = MUST(open(path, O_RDONLY));
    in_turn();
    show("the child's text", main, 0);
    kill(child, SIGKILL);
    report("child", child);
    show("after its end", main, 0);
    return 0;
}
