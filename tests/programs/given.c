/* What /proc says that a process has been given, or has made of it: words, limits, places, names, settings, the call in which it
 * sleeps. Of itself, of a thread, of a child that has executed, and of one that has not. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MOST 65536

extern char **environ;
static char text[MOST];

static size_t get(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t length = 0;
    ssize_t more;
    while ((more = read(fd, text + length, MOST - 1 - length)) > 0)
        length += more;
    if (more < 0)
        length = sprintf(text, "%s", strerror(errno));
    close(fd);
    text[length] = 0;
    return length;
}

static void put(const char *folder, const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    printf("%s := %s: %s\n", name, value,
           fd < 0 || write(fd, value, strlen(value)) < 0 ? strerror(errno) : "written");
    close(fd);
}

/* A file as it is, but for what natively is another thing each time. */
static void show(const char *folder, const char *name)
{
    size_t length = get(folder, name);
    for (size_t i = 0; i < length; i++)
        if (text[i] == 0)
            text[i] = '|';
    printf("%s: %s%s", name, text, length && text[length - 1] == '\n' ? "" : "\n");
}

static void show_link(const char *folder, const char *name)
{
    char path[128], to[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ssize_t length = readlink(path, to, sizeof to - 1);
    to[length < 0 ? 0 : length] = 0;
    printf("%s -> %s\n", name, length < 0 ? strerror(errno) : to);
}

/* The environment's bytes lie behind one another. */
static void environment(const char *folder)
{
    size_t length = get(folder, "environ"), at = 0;
    int wrong = 0, count = 0;
    for (; environ[count]; count++) {
        size_t one = strlen(environ[count]) + 1;
        wrong += at + one > length || memcmp(text + at, environ[count], one) != 0;
        at += one;
    }
    printf("environ: %zu bytes, %d of %d otherwise, %d\n", length, wrong, count, at == length);
}

/* What lists descriptors has their number for its size, by whichever path. */
static void table(const char *folder)
{
    static const char *const names[] = { "fd", "fd/", "fd/.", "fd/./", "fd/../fd", "fdinfo/../fd/.", "fdinfo", "fdinfo/." };
    char path[128];
    struct stat status;
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (lstat(path, &status) == 0)
            printf("%s: %ld\n", names[i], (long)status.st_size);
        else
            printf("%s: %s\n", names[i], strerror(errno));
    }
    snprintf(path, sizeof path, "%s/fd", folder);
    /* A link to that folder has a size of its own. */
    int open_one = open(path, O_RDONLY | O_DIRECTORY);
    if (open_one >= 0) {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", open_one);
        CHECK(lstat(link, &status) == 0);
        printf("a link: %ld\n", (long)status.st_size);
        CHECK(stat(link, &status) == 0);
        printf("by a link: %ld\n", (long)status.st_size);
        close(open_one);
    }
    if (chdir(path) == 0) {
        CHECK(stat(".", &status) == 0);
        printf("from within: %ld\n", (long)status.st_size);
        struct statx more;
        CHECK(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_SIZE, &more) == 0);
        printf("by no name: %ld\n", (long)more.stx_size);
        CHECK(chdir("/") == 0);
    }
}

static void names(const char *folder)
{
    static const char *const spaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };
    char path[128], own[128], theirs[128];
    int otherwise = 0;
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
        ssize_t length = readlink(path, own, sizeof own);
        snprintf(path, sizeof path, "%s/ns/%s", folder, spaces[i]);
        otherwise += readlink(path, theirs, sizeof theirs) != length || (length > 0 && memcmp(own, theirs, length) != 0);
    }
    printf("namespaces: %d otherwise\n", otherwise);
    show_link(folder, "cwd");
    show_link(folder, "root");
    show_link(folder, "exe");
}

static void settings(const char *folder)
{
    static const char *const shown[] = { "cmdline", "comm", "limits", "coredump_filter", "oom_score_adj", "oom_adj", "personality",
                                         "timerslack_ns", "loginuid", "sessionid", "cgroup", "uid_map", "gid_map",
                                         "setgroups", "attr/current", "attr/exec", "timens_offsets", "seccomp_cache",
                                         "patch_state", "timers" };
    for (unsigned i = 0; i < sizeof shown / sizeof shown[0]; i++)
        show(folder, shown[i]);
    names(folder);
}

/* What changes all the time is there, with the keys that it has. */
static void counted(const char *folder)
{
    get(folder, "io");
    for (char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL)
        printf("%.*s ", (int)strcspn(at, ":"), at);
    unsigned long of[3];
    printf("\nschedstat: %d\n", get(folder, "schedstat") && sscanf(text, "%lu %lu %lu", of, of + 1, of + 2) == 3);
    char name[32] = "";
    int pid = 0, threads = 0;
    if (get(folder, "sched"))
        sscanf(text, "%31s (%d, #threads: %d)", name, &pid, &threads);
    printf("sched: %s, %d threads\n", name, threads);
}

static void children(int expected, pid_t child)
{
    char path[64];
    snprintf(path, sizeof path, "task/%d/children", getpid());
    size_t length = get("/proc/self", path);
    int count = 0, is_in = 0;
    for (char *at = text; length && *at; at += strcspn(at, " "), at += *at == ' ') {
        count++;
        is_in |= atoi(at) == child;
    }
    printf("children: %d of %d, %d\n", count, expected, is_in);
}

/* A call that this program makes itself: where it is, and what is behind it. */
#if defined __x86_64__
extern char behind[];
__attribute__((noinline)) static long sleep_in_read(int fd, void *at, long room)
{
    long result;
    register long fourth __asm__("r10") = 0x404, fifth __asm__("r8") = 0x505, sixth __asm__("r9") = 0x606;
    __asm__ volatile("mov $0,%%eax\n\tsyscall\n\t.globl behind\nbehind:"
                     : "=a"(result)
                     : "D"((long)fd), "S"(at), "d"(room), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#endif

static void sleeping(const char *folder, int fd, const void *at)
{
    /* Who reads this waits until the thread has let go of its processor (`task_current_syscall`, lib/syscall.c). */
    get(folder, "syscall");
#if defined __x86_64__
    long number = -1;
    unsigned long of[8] = { 0 };
    int count = sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &number, of, of + 1, of + 2, of + 3, of + 4, of + 5, of + 6,
                       of + 7);
    printf("syscall: %d words, %ld(%lx, %d, %lx, %lx, %lx, %lx), stack %d, at %d\n", count, number, of[0] - fd,
           of[1] == (unsigned long)at, of[2], of[3], of[4], of[5], labs((long)(of[6] - (unsigned long)at)) < 1 << 16,
           of[7] == (unsigned long)behind);
#else
    (void)fd;
    (void)at;
#endif
    show(folder, "wchan");
    get(folder, "stack");
    printf("stack: %.*s\n", (int)strcspn(text, "\n"), text);
}

static int ends[2], answers[2];
static pid_t the_thread;
static void *volatile on_its_stack;

static long wait_here(void *at)
{
#if defined __x86_64__
    return sleep_in_read(ends[0], at, 1);
#else
    return read(ends[0], at, 1);
#endif
}

static void *in_thread(void *unused)
{
    (void)unused;
    char byte;
    the_thread = gettid();
    prctl(PR_SET_NAME, "another name");
    prctl(PR_SET_TIMERSLACK, 70000);
    on_its_stack = &byte;
    CHECK(write(answers[1], &byte, 1) == 1);
    return (void *)wait_here(&byte);
}

static void of_thread(void)
{
    char byte, folder[64];
    MUST(pipe2(ends, O_CLOEXEC));
    MUST(pipe2(answers, O_CLOEXEC));
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    CHECK(read(answers[0], &byte, 1) == 1);
    await_state(getpid(), the_thread, 'S');
    puts("thread");
    snprintf(folder, sizeof folder, "/proc/self/task/%d", the_thread);
    settings(folder);
    sleeping(folder, ends[0], on_its_stack);
    counted(folder);
    table(folder);
    put(folder, "comm", "given");
    show(folder, "comm");
    show("/proc/self", "comm");
    unsigned long number = 0, fd = 0, at = 0, room = 0;
    get("/proc/self", "syscall");
    CHECK(sscanf(text, "%lu %lx %lx %lx", &number, &fd, &at, &room) == 4);
    printf("own call: %d, from %lu, at %d, %lu\n", number == SYS_read, fd, at == (unsigned long)text, room);
    close(ends[1]);
    void *result;
    pthread_join(thread, &result);
    printf("joined: %ld\n", (long)result);
    close(ends[0]);
    close(answers[0]);
    close(answers[1]);
}

static void of_child(const char *what, int executes, char **argv)
{
    MUST(pipe2(ends, 0));
    MUST(pipe2(answers, 0));
    fflush(stdout);
    char byte = 0, folder[64];
    pid_t child = MUST(fork());
    if (child == 0) {
        close(ends[1]);
        close(answers[0]);
        if (executes) {
            dup2(ends[0], 0);
            dup2(answers[1], 1);
            execl(argv[0], argv[0], "wait", "", "more", (char *)0);
            _exit(1);
        }
        CHECK(write(answers[1], &byte, 1) == 1);
        _exit(wait_here(&byte) == 0 ? 4 : 5);
    }
    close(ends[0]);
    close(answers[1]);
    CHECK(read(answers[0], &byte, 1) == 1);
    close(answers[0]);
    await_state(child, child, 'S');
    snprintf(folder, sizeof folder, "/proc/%d", child);
    puts(what);
    environment(folder);
    settings(folder);
    /* It has the same memory at the same place. */
    if (!executes)
        sleeping(folder, ends[0], &byte);
    counted(folder);
    table(folder);
    children(1, child);
    close(ends[1]);
    report(what, child);
}

int main(int argc, char **argv)
{
    char byte = 0;
    if (argc > 1 && strcmp(argv[1], "thread") == 0) {
        of_thread();
        return 0;
    }
    if (argc > 1)
        return write(1, &byte, 1) == 1 && read(0, &byte, 1) == 0 ? 4 : 5;
    puts("at first");
    environment("/proc/self");
    settings("/proc/self");
    counted("/proc/self");
    table("/proc/self");
    table("/proc/thread-self");
    children(0, 0);
    of_child("forked", 0, argv);
    put("/proc/self", "coredump_filter", "0x7");
    put("/proc/self", "oom_score_adj", "10");
    put("/proc/self", "clear_refs", "1");
    put("/proc/self", "clear_refs", "4");
    put("/proc/self", "comm", "named anew");
    put("/proc/self", "timerslack_ns", "60000");
    struct rlimit limit = { 40, 50 };
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(personality(personality(0xffffffff) | ADDR_NO_RANDOMIZE) != -1);
    CHECK(chdir("/sys") == 0);
    settings("/proc/self");
    CHECK(chdir("/tmp") == 0);
    of_child("forked later", 0, argv);
    of_child("executed", 1, argv);
    of_thread();
    return 0;
}
