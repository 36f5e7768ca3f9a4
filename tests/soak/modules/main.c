/* modules SEED SECONDS VLOAD COUNTER [SPOIL]: processes of a session load and remove modules, open, write and read what these give,
 * and are killed at any instruction. At the end every count must add up, and nothing may be left.
 *
 * It prints `ready` when everything has been loaded once, and what it has done when everything is removed; each time it
 * waits for a line, so that what the session takes can be looked at from outside. SPOIL is a fault to be found. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, ADD = 5000, SAY = 5001, CONTROL = 0x564c, LSMOD = 3 };

#define TREE "/vload-soak"
#define USELESS "/dev/useless"

static struct {
    atomic_long asked, answered; /* calls of the counter */
    atomic_long writes, reads, files, loads, removals, refused, views, kills;
    atomic_int findings;
} *shared;

static const char *vload, *counter;

enum { NONE, UNCOUNTED, LEFT_OPEN, LEFT_BEHIND, NO_FILE };
static int spoil;
static uint64_t state;

static unsigned random_below(unsigned most)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % most;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

__attribute__((format(printf, 1, 2))) static void finding(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "FINDING pid %d: ", getpid());
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    shared->findings++;
}
#define MUST(condition) \
    do { \
        if (!(condition)) \
            finding("%s:%d: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
    } while (0)

/* Runs vload; what it says goes nowhere. Its status. */
static int run(const char *a, const char *b, const char *c, const char *d)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        close(null);
        execl(vload, "vload", a, b, c, d, (char *)NULL);
        _exit(126);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        finding("vload %s %s: status %x", a, b ? b : "", status);
    return WEXITSTATUS(status);
}

static void count(void)
{
    for (int turns = 1 + random_below(30); turns-- > 0;) {
        shared->asked++;
        MUST(syscall(ADD) > 0);
        shared->answered++;
    }
}

static void write_useless(void)
{
    char text[3000];
    size_t length = 1 + random_below(sizeof text);
    memset(text, 'a' + random_below(26), length);
    int fd = open(USELESS, O_WRONLY);
    MUST(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    close(fd);
    shared->writes++;
}

static void read_useless(void)
{
    char text[4096];
    int fd = open(USELESS, O_RDONLY);
    ssize_t length = read(fd, text, sizeof text);
    MUST(fd >= 0 && length >= 0);
    for (ssize_t at = 1; at < length; at++)
        if (text[at] != text[0]) {
            finding("two texts in one: '%c' and '%c' at %zd of %zd", text[0], text[at], at, length);
            break;
        }
    close(fd);
    shared->reads++;
}

static void use_tree(void)
{
    char path[64], other[64], text[9000], found[sizeof text];
    snprintf(path, sizeof path, TREE "/%d", getpid());
    snprintf(other, sizeof other, TREE "/%d-other", getpid());
    size_t length = 1 + random_below(sizeof text);
    memset(text, 'A' + random_below(26), length);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && write(fd, text, length) == (ssize_t)length);
    MUST(rename(path, other) == 0);
    MUST(pread(fd, found, sizeof found, 0) == (ssize_t)length && memcmp(text, found, length) == 0);
    if (random_below(2))
        MUST(unlink(other) == 0);
    close(fd);
    unlink(other);
    shared->files++;
}

/* A file that is memory: made longer, moved, cut off, and, when nobody has it any more, given back. */
static void map_file(void)
{
    enum { PAGE = 4096 };
    char path[64], end[4];
    snprintf(path, sizeof path, TREE "/%d-mapped", getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
    char *start = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(start != MAP_FAILED);
    memset(start, 'm', 2 * PAGE);
    MUST(ftruncate(fd, PAGE + 10) == 0 && start[PAGE + 9] == 'm' && start[PAGE + 10] == 0);
    MUST(ftruncate(fd, 4 * PAGE) == 0);
    start = mremap(start, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    MUST(start != MAP_FAILED && start[PAGE] == 'm' && start[3 * PAGE] == 0);
    memcpy(start + 4 * PAGE - 3, "end", 3);
    MUST(pread(fd, end, 4, 4 * PAGE - 3) == 3 && memcmp(end, "end", 3) == 0);
    MUST(unlink(path) == 0 && munmap(start, (random_below(2) ? 4 : 1) * PAGE) == 0);
    munmap(start, 4 * PAGE);
    close(fd);
    shared->files++;
}

/* A file, and two that are part of vload and have every call of every process. */
static const char *const loaded[] = {"hello", "count", "forward"};
enum { LOADED = sizeof loaded / sizeof *loaded };

static void load(void)
{
    int status = run("insmod", loaded[random_below(LOADED)], NULL, NULL);
    MUST(status == 0 || status == 1);
    status == 0 ? shared->loads++ : shared->refused++;
}

static void remove_it(void)
{
    int status = run("rmmod", loaded[random_below(LOADED)], NULL, NULL);
    MUST(status == 0 || status == 1);
    status == 0 ? shared->removals++ : shared->refused++;
}

/* There or not, and if it is there all of it. */
static void read_hello(void)
{
    char text[32];
    int fd = open("/hello", O_RDONLY);
    if (fd < 0) {
        MUST(errno == ENOENT);
        return;
    }
    ssize_t length = read(fd, text, sizeof text);
    /* EIO: it was removed as it was opened. */
    MUST((length == 14 && memcmp(text, "Hello UMView!\n", 14) == 0) || (length < 0 && errno == EIO));
    close(fd);
}

static void use_view(void)
{
    MUST(run("-m", "memfs:path=/vload-inner", "touch", "/vload-inner/file") == 0);
    MUST(access("/vload-inner", F_OK) < 0);
    shared->views++;
}

static void list(void) { MUST(run("lsmod", NULL, NULL, NULL) == 0); }

static void work(uint64_t seed)
{
    static void (*const often[])(void) = {count, write_useless, read_useless, use_tree, read_hello, map_file};
    static void (*const seldom[])(void) = {load, remove_it, use_view, list};
    setpgid(0, 0);
    state = seed;
    while (!shared->findings)
        random_below(12) ? often[random_below(6)]() : seldom[random_below(4)]();
}

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* Waits until somebody outside has looked. */
static void show(void)
{
    char line[8];
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        exit(3);
}

static void room(struct statfs *known)
{
    struct stat stat;
    int fd = open(TREE "/room", O_RDWR | O_CREAT, 0600);
    MUST(fd >= 0 && fstat(fd, &stat) == 0);
    close(fd);
    MUST(unlink(TREE "/room") == 0);
    /* Files that killed processes had open are closed by who opens and closes next. */
    for (int turns = 0; turns < 5000; turns++)
        close(open(USELESS, O_RDONLY));
    MUST(statfs(TREE, known) == 0);
}

static pid_t workers[WORKERS];

static int is_worker(pid_t pid)
{
    for (int at = 0; at < WORKERS; at++)
        if (workers[at] == pid)
            return 1;
    return 0;
}

/* What killed processes have not come to remove; a file's name begins with its maker's number. */
static int clean(void)
{
    char path[300];
    int count = 0;
    DIR *folder = opendir(TREE);
    MUST(folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && !is_worker(atoi(entry->d_name))) {
            snprintf(path, sizeof path, TREE "/%s", entry->d_name);
            MUST(unlink(path) == 0);
            count++;
        }
    if (folder)
        closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    spoil = argc > 5 ? atoi(argv[5]) : NONE;
    state = strtoull(argv[1], NULL, 10);
    vload = argv[3], counter = argv[4];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return 3;
    MUST(run("insmod", counter, NULL, NULL) == 0);
    MUST(run("insmod", "useless", NULL, NULL) == 0);
    MUST(run("insmod", "memfs", "path=" TREE, NULL) == 0);
    for (int at = 0; at < LOADED; at++) {
        MUST(run("insmod", loaded[at], NULL, NULL) == 0);
        MUST(run("rmmod", loaded[at], NULL, NULL) == 0);
    }
    use_view();
    write_useless(), read_useless(), use_tree(), count();
    struct statfs before, after;
    room(&before);
    int open_before = descriptors();
    puts("ready");
    show();

    int left = 0;
    double end = now() + atof(argv[2]);
    while (now() < end && !shared->findings) {
        int at = random_below(WORKERS);
        if (workers[at] == 0) {
            uint64_t seed = random_below(1u << 31);
            workers[at] = fork();
            if (workers[at] == 0) {
                work(seed);
                _exit(0);
            }
            MUST(workers[at] > 0);
            setpgid(workers[at], workers[at]);
            continue;
        }
        struct timespec pause = {0, 1000 * (long)random_below(60000)};
        nanosleep(&pause, NULL);
        /* All that it has started, or itself alone: then they go on without it. */
        kill(random_below(4) ? -workers[at] : workers[at], SIGKILL);
        int status;
        MUST(waitpid(workers[at], &status, 0) == workers[at]);
        workers[at] = 0;
        /* What has lost its parent is waited for now and then: until that it has ended, and is not gone. */
        if (++shared->kills % 100 != 0)
            continue;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
            for (int i = 0; i < WORKERS; i++)
                if (workers[i] == pid)
                    workers[i] = 0;
        left += clean();
    }
    for (int at = 0; at < WORKERS; at++)
        if (workers[at] > 0) {
            kill(-workers[at], SIGKILL);
            shared->kills++;
            workers[at] = 0;
        }
    int status;
    while (waitpid(-1, &status, 0) > 0)
        ;
    if (spoil == UNCOUNTED)
        shared->answered += 1000;
    if (spoil == LEFT_OPEN)
        MUST(open(USELESS, O_RDONLY) >= 0);
    if (spoil == LEFT_BEHIND && fork() == 0)
        _exit(0);
    if (spoil == NO_FILE)
        MUST(open(TREE "/kept", O_RDWR | O_CREAT, 0600) >= 0);
    MUST(waitpid(-1, &status, 0) < 0 && errno == ECHILD);

    long counted = syscall(SAY);
    if (counted < shared->answered || counted > shared->asked)
        finding("%ld counted, %ld asked and %ld answered", counted, (long)shared->asked, (long)shared->answered);
    MUST(shared->asked - shared->answered <= shared->kills);
    /* With the file that has no name yet, or none any more, of each. */
    left += clean();
    MUST(left <= 2 * shared->kills);
    read_useless();
    room(&after);
    if (after.f_bfree != before.f_bfree || after.f_ffree != before.f_ffree)
        finding("memfs: %ld blocks and %ld files were free, %ld and %ld are", (long)before.f_bfree, (long)before.f_ffree,
                (long)after.f_bfree, (long)after.f_ffree);
    if (access("/hello", F_OK) == 0)
        MUST(run("rmmod", "hello", NULL, NULL) == 0);
    for (int at = 1; at < LOADED; at++)
        run("rmmod", loaded[at], NULL, NULL);
    MUST(run("rmmod", "useless", NULL, NULL) == 0);
    MUST(run("rmmod", "memfs", NULL, NULL) == 0);
    MUST(run("rmmod", "counter", NULL, NULL) == 0);
    MUST(syscall(CONTROL, LSMOD, 0, 0, 0) == 0);
    use_view();
    if (descriptors() != open_before)
        finding("descriptors: %d, and now %d", open_before, descriptors());
    printf("kills %ld counted %ld of %ld writes %ld reads %ld files %ld left %d loads %ld removals %ld refused %ld views %ld findings %d\n",
           (long)shared->kills, counted, (long)shared->asked, (long)shared->writes, (long)shared->reads, (long)shared->files, left,
           (long)shared->loads, (long)shared->removals, (long)shared->refused, (long)shared->views, shared->findings);
    show();
    return shared->findings ? 99 : 0;
}
