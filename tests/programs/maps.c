/* /proc/self/maps and its likes, by every name and by every call that reads. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define MOST (1 << 20)

static size_t read_whole(int fd, char *into, size_t piece)
{
    size_t length = 0;
    ssize_t more;
    while ((more = read(fd, into + length, piece)) > 0)
        length += more;
    CHECK(more == 0);
    into[length] = 0;
    return length;
}

static char *text_of(const char *name, size_t piece)
{
    char *text = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = MUST(open(name, O_RDONLY | O_CLOEXEC));
    read_whole(fd, text, piece);
    close(fd);
    return text;
}

struct mapping {
    unsigned long start, end, offset, inode;
    char perms[8], device[16], name[512];
};

static int parse(const char *line, struct mapping *m)
{
    int at = 0;
    if (sscanf(line, "%lx-%lx %7s %lx %15s %lu%n", &m->start, &m->end, m->perms, &m->offset, m->device,
               &m->inode, &at) != 6)
        return 0;
    line += at + strspn(line + at, " ");
    snprintf(m->name, sizeof m->name, "%.*s", (int)strcspn(line, "\n"), line);
    return 1;
}

static const char *next(const char *line)
{
    const char *end = strchr(line, '\n');
    return end && end[1] ? end + 1 : NULL;
}

/* All that has a name, sorted by it and by the offset, and that nothing overlaps. */
static void show(const char *text)
{
    static char lines[512][700];
    int count = 0;
    unsigned long last = 0;
    for (const char *line = text; line; line = next(line)) {
        struct mapping m;
        CHECK(parse(line, &m) && m.start >= last);
        last = m.end;
        struct stat file;
        if (m.name[0] == '/') {
            char device[16];
            CHECK(stat(m.name, &file) == 0 && file.st_ino == m.inode);
            snprintf(device, sizeof device, "%02x:%02x", (unsigned)(file.st_dev >> 8), (unsigned)(file.st_dev & 255));
            CHECK(strcmp(device, m.device) == 0);
        }
        if (m.name[0] && strcmp(m.name, "[stack]") && strcmp(m.name, "[heap]"))
            snprintf(lines[count++], sizeof lines[0], "%s %08lx %s %lx", m.name, m.offset, m.perms, m.end - m.start);
    }
    qsort(lines, count, sizeof lines[0], (int (*)(const void *, const void *))strcmp);
    for (int i = 0; i < count; i++)
        puts(lines[i]);
}

/* The mapping that holds an address. */
static int find(const char *text, const void *address, struct mapping *m)
{
    for (const char *line = text; line; line = next(line))
        if (parse(line, m) && m->start <= (unsigned long)address && (unsigned long)address < m->end)
            return 1;
    return 0;
}

static void *in_thread(void *name)
{
    char *text = text_of(name, 4096);
    struct mapping m;
    CHECK(find(text, &m, &m) && strcmp(m.perms, "rw-p") == 0);
    munmap(text, MOST);
    return NULL;
}

static void by_calls(const char *whole)
{
    static char other[MOST], more[64];
    int fd = MUST(open("/proc/self/maps", O_RDONLY));
    size_t length = read_whole(fd, other, 4096);
    CHECK(read(fd, more, 1) == 0);
    struct stat file;
    CHECK(fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0);
    printf("mode %o\n", file.st_mode);
    char link[64], target[256] = "", expected[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    snprintf(expected, sizeof expected, "/proc/%d/maps", getpid());
    CHECK(readlink(link, target, sizeof target - 1) > 0 && strcmp(target, expected) == 0);
    /* What was mapped since is there when it is read again. */
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct mapping m;
    CHECK(!find(other, page, &m) || strcmp(m.perms, "r-xs"));
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    read_whole(fd, other, 333);
    CHECK(find(other, page, &m) && strcmp(m.perms, "r-xs") == 0);
    munmap(page, 4096);
    /* Pieces of it, from everywhere. */
    CHECK(pread(fd, more, 10, 0) == 10 && memcmp(more, whole, 10) == 0);
    CHECK(pread(fd, more, 3, 20) == 3 && memcmp(more, whole + 20, 3) == 0);
    CHECK(lseek(fd, 5, SEEK_SET) == 5);
    struct iovec pieces[2] = { { more, 4 }, { more + 10, 20 } };
    CHECK(readv(fd, pieces, 2) == 24);
    CHECK(memcmp(more, whole + 5, 4) == 0 && memcmp(more + 10, whole + 9, 20) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 29);
    CHECK(preadv(fd, pieces, 1, 7) == 4 && memcmp(more, whole + 7, 4) == 0);
    errno = 0;
    CHECK(syscall(SYS_pread64, fd, 1, 100, 0) == -1);
    printf("nowhere: %s\n", strerror(errno));
    CHECK(pread(fd, more, 0, 0) == 0);
    /* Copies have one position. */
    int copies[] = { dup(fd), fcntl(fd, F_DUPFD, 50), fcntl(fd, F_DUPFD_CLOEXEC, 60), dup2(fd, 70), dup3(fd, 71, O_CLOEXEC) };
    for (int i = 0; i < 5; i++) {
        CHECK(copies[i] > 0 && lseek(fd, 10, SEEK_SET) == 10);
        CHECK(read(copies[i], more, 30) == 30 && memcmp(more, whole + 10, 30) == 0);
        CHECK(lseek(fd, 0, SEEK_CUR) == 40);
    }
    close(fd);
    CHECK(lseek(copies[0], 0, SEEK_SET) == 0);
    CHECK(read_whole(copies[0], other, 4096) >= length / 2 && strncmp(other, whole, 60) == 0);
    /* A number that is another file's by now. */
    CHECK(dup2(MUST(open("/dev/null", O_RDONLY)), copies[1]) == copies[1]);
    CHECK(read(copies[1], more, 10) == 0);
    /* The child's own are not the parent's: those it has opened show its own. */
    pid_t child = fork();
    if (child == 0) {
        char *text = text_of("/proc/self/maps", 4096);
        _exit(strncmp(text, whole, 60) ? 1 : 0);
    }
    report("child", child);
    CHECK(close_range(50, 100, 0) == 0);
    errno = 0;
    CHECK(read(copies[4], more, 1) == -1 && errno == EBADF);
    close(copies[0]);
}

/* Whether two texts name the same files in the same order. */
static int alike(const char *a, const char *b)
{
    while (a && b) {
        struct mapping x, y;
        do {
            if (!parse(a, &x))
                return 0;
            a = next(a);
        } while (a && x.name[0] != '/');
        do {
            if (!parse(b, &y))
                return 0;
            b = next(b);
        } while (b && y.name[0] != '/');
        if (x.name[0] == '/' && (strcmp(x.name, y.name) || x.start != y.start || x.end != y.end))
            return 0;
    }
    return 1;
}

static unsigned long sum(const char *text, const char *key)
{
    unsigned long all = 0, value;
    char format[64];
    snprintf(format, sizeof format, "%s: %%lu kB", key);
    for (const char *line = text; line; line = next(line))
        if (sscanf(line, format, &value) == 1)
            all += value;
    return all;
}

/* The mappings of another process, which has ours. */
static void of_child(const char *whole)
{
    int ends[2];
    MUST(pipe(ends));
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 5 : 6);
    }
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/maps", child);
    CHECK(alike(text_of(name, 4096), whole));
    snprintf(name, sizeof name, "/proc/%d/smaps_rollup", child);
    char *rollup = text_of(name, 4096);
    struct mapping first, all;
    CHECK(parse(whole, &first) && parse(rollup, &all) && first.start == all.start);
    close(ends[0]);
    close(ends[1]);
    report("other", child);
}

static void numa(const char *whole)
{
    if (access("/proc/self/numa_maps", R_OK) != 0)
        return;
    char *text = text_of("/proc/self/numa_maps", 4096);
    int wrong = 0;
    for (const char *line = text; line; line = next(line)) {
        struct mapping m;
        unsigned long start = strtoul(line, NULL, 16);
        const char *file = strstr(line, "file=");
        if (!find(whole, (void *)start, &m))
            continue;
        if (m.name[0] == '/' && (!file || strncmp(file + 5, m.name, strlen(m.name))))
            wrong++;
    }
    CHECK(wrong == 0);
    munmap(text, MOST);
}

static void smaps(const char *whole)
{
    char *text = text_of("/proc/self/smaps", 4096);
    int mappings = 0, wrong = 0;
    unsigned long size = 0;
    static char heads[MOST];
    size_t used = 0;
    for (const char *line = text; line; line = next(line)) {
        struct mapping m;
        unsigned long value;
        if (parse(line, &m)) {
            mappings++;
            size = (m.end - m.start) / 1024;
            size_t length = strchr(line, '\n') + 1 - line;
            memcpy(heads + used, line, length);
            used += length;
        } else if (sscanf(line, "Size: %lu kB", &value) == 1 && value != size)
            wrong++;
        else if (sscanf(line, "Rss: %lu kB", &value) == 1 && value > size)
            wrong++;
    }
    CHECK(mappings > 5 && wrong == 0);
    CHECK(alike(heads, whole));
    char *rollup = text_of("/proc/self/smaps_rollup", 4096);
    CHECK(sum(rollup, "Rss") > 0);
    struct mapping first, all;
    CHECK(parse(text, &first) && parse(rollup, &all) && first.start == all.start);
    long more = (long)sum(rollup, "Rss") - (long)sum(text, "Rss");
    if (more < -512 || more > 512)
        printf("%ld kB between smaps and its rollup\n", more);
    /* Each is rounded, and so is what is taken of it. */
    more = (long)(sum(rollup, "Pss_Anon") + sum(rollup, "Pss_File") + sum(rollup, "Pss_Shmem")) - (long)sum(rollup, "Pss");
    if (strstr(rollup, "Pss_Anon") && (more < -16 || more > 16))
        printf("%ld kB between the kinds of pages and all\n", more);
    char *keys = strchr(rollup, '\n') + 1;
    for (const char *line = keys; line; line = next(line))
        printf("%.*s\n", (int)strcspn(line, ":"), line);
    munmap(text, MOST);
    munmap(rollup, MOST);
}

int main(int argc, char **argv)
{
    (void)argc;
    /* The heap is there before. */
    char *volatile piece = malloc(100);
    free(piece);
    char *whole = text_of("/proc/self/maps", 4096);
    show(whole);
    struct mapping m;
    char *real = realpath(argv[0], NULL);
    CHECK(find(whole, main, &m) && strcmp(m.perms, "r-xp") == 0 && strcmp(m.name, real) == 0);
    CHECK(find(whole, &m, &m) && strcmp(m.name, "[stack]") == 0);
    CHECK(find(whole, sbrk(0) - 1, &m) && strcmp(m.name, "[heap]") == 0);
    static const char *const names[] = { "/proc/thread-self/maps", "/proc/self/task/../maps" };
    for (int i = 0; i < 2; i++) {
        char *text = text_of(names[i], 100);
        CHECK(alike(text, whole));
        munmap(text, MOST);
    }
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/maps", getpid());
    CHECK(alike(text_of(name, 1), whole));
    snprintf(name, sizeof name, "/proc/%d/task/%d/maps", getpid(), getpid());
    CHECK(alike(text_of(name, 5000), whole));
    static char other[MOST];
    int proc = MUST(open("/proc/self", O_PATH | O_DIRECTORY));
    int fd = MUST(openat(proc, "maps", O_RDONLY));
    read_whole(fd, other, 4096);
    CHECK(alike(other, whole));
    close(fd);
    CHECK(chdir("/proc/self") == 0);
    FILE *file = fopen("maps", "r");
    size_t lines = 0;
    while (fgets(other, sizeof other, file))
        lines += parse(other, &m);
    fclose(file);
    CHECK(lines > 5);
    by_calls(whole);
    smaps(whole);
    of_child(whole);
    numa(whole);
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, "/proc/self/maps");
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, in_thread, "/proc/thread-self/maps");
    pthread_join(thread, NULL);
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &stack, &size) == 0);
    printf("the stack is around here: %d\n", (char *)&stack > (char *)stack && (char *)&stack < (char *)stack + size);
    return 0;
}
