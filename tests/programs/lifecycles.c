/* How processes and threads begin and end, in the ways that libraries do not use every day. */
#include "check.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/resource.h>

extern char **environ;

static void say(const char *what, long value)
{
    printf("  %s: %ld\n", what, value);
    fflush(stdout);
}

static int opened(void)
{
    int fd = open("/dev/null", O_RDONLY);
    int good = fd >= 0;
    close(fd);
    return good;
}

/* The first thread ends, the others go on. */
static void *outlive(void *argument)
{
    pthread_join(*(pthread_t *)argument, NULL);
    say("the first has ended, calls work", opened());
    exit(21);
}
static void first_ends(void)
{
    static pthread_t first, other;
    first = pthread_self();
    MUST(pthread_create(&other, NULL, outlive, &first));
    pthread_exit(NULL);
}

/* Exec by a thread that is not the first, with others alive. */
static void *sleeper(void *argument)
{
    for (;;)
        pause();
    return argument;
}
static void *executes(void *argument)
{
    char pid[20];
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WAS", pid, 1);
    execl("/bin/sh", "sh", "-c", "test $$ = $WAS && ls /proc/self/task | wc -l", NULL);
    return argument;
}
static void exec_by_another(void)
{
    pthread_t id;
    for (int count = 0; count < 5; count++)
        MUST(pthread_create(&id, NULL, sleeper, NULL));
    MUST(pthread_create(&id, NULL, executes, NULL));
    sleeper(NULL);
}

/* A robust mutex whose owner ends without unlocking it. */
static pthread_mutex_t robust;
static void *dies_owning(void *argument)
{
    pthread_mutex_lock(&robust);
    return argument;
}
static void robust_list(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    pthread_t id;
    MUST(pthread_create(&id, NULL, dies_owning, NULL));
    pthread_join(id, NULL);
    say("lock", pthread_mutex_lock(&robust));
    exit(0);
}

static void parent_death(void)
{
    int ready[2], result[2];
    MUST(pipe(ready));
    MUST(pipe(result));
    pid_t middle = MUST(fork());
    if (middle == 0) {
        if (fork() == 0) {
            sigset_t set;
            siginfo_t info;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            MUST(write(ready[1], "x", 1));
            int got = sigwaitinfo(&set, &info);
            MUST(write(result[1], &got, sizeof got));
            _exit(0);
        }
        char byte;
        MUST(read(ready[0], &byte, 1));
        _exit(0);
    }
    int got = 0;
    MUST(read(result[0], &got, sizeof got));
    say("signal", got);
    exit(0);
}

/* The parent that dies is the thread. */
static int told[2];
static void *has_child(void *argument)
{
    pid_t *child = argument;
    int ready[2];
    MUST(pipe(ready));
    *child = MUST(fork());
    if (*child == 0) {
        sigset_t set;
        siginfo_t info;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        MUST(write(ready[1], "x", 1));
        int got = sigwaitinfo(&set, &info);
        MUST(write(told[1], &got, sizeof got));
        _exit(0);
    }
    char byte;
    MUST(read(ready[0], &byte, 1));
    return NULL;
}
static void thread_death(void)
{
    pthread_t id;
    pid_t child;
    int got = 0;
    MUST(pipe(told));
    MUST(pthread_create(&id, NULL, has_child, &child));
    pthread_join(id, NULL);
    MUST(read(told[0], &got, sizeof got));
    say("signal", got);
    waitpid(child, NULL, 0);
    exit(0);
}

static void subreaper(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t middle = MUST(fork());
    if (middle == 0) {
        if (fork() == 0)
            _exit(33);
        _exit(34);
    }
    int ends[2] = {0}, status;
    for (int count = 0; count < 2; count++) {
        MUST(wait(&status));
        ends[WEXITSTATUS(status) - 33]++;
    }
    say("grandchild", ends[0]);
    say("child", ends[1]);
    exit(0);
}

static void barriers(void)
{
    say("query", syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
    say("register", syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    say("barrier", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    static const struct {
        int registers, barrier;
    } all[] = {{MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_CMD_GLOBAL_EXPEDITED},
               {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE},
               {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ}};
    for (unsigned index = 0; index < sizeof all / sizeof *all; index++) {
        say("before", syscall(SYS_membarrier, all[index].barrier, 0, 0) == -1 ? errno : 0);
        say("register", syscall(SYS_membarrier, all[index].registers, 0, 0) == -1 ? errno : 0);
        say("after", syscall(SYS_membarrier, all[index].barrier, 0, 0) == -1 ? errno : 0);
    }
    exit(0);
}

static void keys(void)
{
    long key = syscall(SYS_pkey_alloc, 0, 0);
    say("pkey_alloc", key >= 0 ? 0 : errno);
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("pkey_mprotect", syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, -1));
    say("mseal", syscall(462, page, 4096, 0) == -1 ? errno : 0);
    say("munmap", munmap(page, 4096) == -1 ? errno : 0);
    say("calls", opened());
    exit(0);
}

static long clone3(struct clone_args *args) { return syscall(SYS_clone3, args, sizeof *args); }

static void descriptor_of_child(void)
{
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd,
                              .exit_signal = SIGCHLD};
    long child = clone3(&args);
    if (child == 0)
        _exit(opened() ? 41 : 42);
    struct pollfd asked = {pidfd, POLLIN, 0};
    say("poll", poll(&asked, 1, 10000));
    int status;
    say("wait", waitpid((pid_t)child, &status, 0) == child && WEXITSTATUS(status) == 41);
    args = (struct clone_args){.flags = CLONE_INTO_CGROUP, .cgroup = 99999, .exit_signal = SIGCHLD};
    say("no such cgroup", clone3(&args) == -1 ? errno : 0);
    args = (struct clone_args){.flags = CLONE_VFORK, .exit_signal = SIGCHLD};
    child = clone3(&args);
    if (child == 0)
        _exit(opened() ? 43 : 44);
    say("vfork with a copy", waitpid((pid_t)child, &status, 0) == child ? WEXITSTATUS(status) : -1);
    args = (struct clone_args){.flags = CLONE_FILES, .exit_signal = SIGCHLD};
    child = clone3(&args);
    if (child == 0)
        _exit(dup2(1, 90) == 90 && opened() ? 45 : 46);
    waitpid((pid_t)child, &status, 0);
    say("shared descriptors", fcntl(90, F_GETFD) >= 0 ? WEXITSTATUS(status) : -1);
    exit(0);
}

static char stack[4][16384] __attribute__((aligned(64)));
static volatile int cleared = 1;

static int plain_child(void *argument)
{
    return opened() ? (int)(long)argument : 1;
}

/* A process that shares our memory has threads of its own, and ends with exit_group. */
static int sharer(void *argument)
{
    (void)argument;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    /* A raw thread: pthread_create would use our own thread's descriptor. */
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    static volatile int *running;
    running = &cleared;
    cleared = 1;
    clone(plain_child, stack[1] + sizeof stack[1], flags | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
          (void *)51, NULL, NULL, (void *)running);
    while (*running)
        syscall(SYS_futex, running, FUTEX_WAIT, *running, NULL, NULL, 0);
    syscall(SYS_exit_group, tid == getpid() ? 52 : 53);
    return 0;
}

static void sharing(void)
{
    int status;
    pid_t child = MUST(clone(sharer, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, NULL));
    waitpid(child, &status, 0);
    say("sharer", WEXITSTATUS(status));
    say("we still work", opened());
    for (int round = 0; round < 300; round++) {
        child = MUST(clone(plain_child, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, (void *)54));
        waitpid(child, &status, 0);
        CHECK(WEXITSTATUS(status) == 54);
    }
    exit(0);
}

/* Memory, mappings and descriptors after many threads are those after a few. */
static void count_of(int *mappings, int *descriptors)
{
    char line[4096];
    *mappings = *descriptors = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        ++*mappings;
    if (maps)
        fclose(maps);
    for (int fd = 0; fd < 1024; fd++)
        *descriptors += fcntl(fd, F_GETFD) >= 0;
}
/* What the kernel counts of the process: pages of address space, open files. Nothing without /proc. */
static void counted(long *pages, long *files)
{
    struct stat folder = {.st_size = 0};
    FILE *counts = fopen("/proc/self/statm", "r");
    if (!counts || fscanf(counts, "%ld", pages) != 1)
        *pages = 0;
    if (counts)
        fclose(counts);
    stat("/proc/self/fd", &folder);
    *files = folder.st_size;
}
static void *little(void *argument)
{
    opened();
    return argument;
}
static void many(int count)
{
    for (int done = 0; done < count; done += 10) {
        pthread_t ids[10];
        for (int index = 0; index < 10; index++)
            if (pthread_create(&ids[index], NULL, little, NULL) != 0) {
                say("no more threads after", done);
                exit(0);
            }
        for (int index = 0; index < 10; index++)
            pthread_join(ids[index], NULL);
    }
}
static void ten_thousand(void)
{
    int before[2], after[2];
    long pages[2], files[2];
    struct rusage used[2];
    many(200);
    count_of(&before[0], &before[1]);
    counted(&pages[0], &files[0]);
    /* Ten stacks fit, and what vload has for ten threads, not what it has for hundreds: the limit counts that too. */
    struct rlimit room = {((rlim_t)pages[0] << 12) + (128 << 20), RLIM_INFINITY};
    if (pages[0] != 0)
        MUST(setrlimit(RLIMIT_AS, &room));
    getrusage(RUSAGE_SELF, &used[0]);
    many(10000);
    count_of(&after[0], &after[1]);
    counted(&pages[1], &files[1]);
    getrusage(RUSAGE_SELF, &used[1]);
    say("more mappings", after[0] - before[0] > 10);
    say("more descriptors", after[1] - before[1]);
    say("more open files", files[1] - files[0]);
    say("more memory", used[1].ru_maxrss - used[0].ru_maxrss > 2000);
    exit(0);
}

static void new_namespaces(void)
{
    static const struct {
        const char *name;
        int flag;
    } all[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS},   {"uts", CLONE_NEWUTS},
               {"ipc", CLONE_NEWIPC},   {"net", CLONE_NEWNET},    {"cgroup", CLONE_NEWCGROUP},
               {"time", 0x80},          {"pid", CLONE_NEWPID},    {"files", CLONE_FILES},
               {"fs", CLONE_FS},        {"sysvsem", CLONE_SYSVSEM}};
    for (unsigned index = 0; index < sizeof all / sizeof *all; index++)
        say(all[index].name, unshare(all[index].flag) == -1 ? errno : 0);
    say("calls", opened());
    pid_t child = MUST(fork());
    if (child == 0) {
        say("first of its namespace", getpid());
        say("calls", opened());
        pid_t grandchild = fork();
        if (grandchild == 0)
            execl("/bin/sh", "sh", "-c", "echo \"  executed as $$\"; exit 61", NULL);
        int status;
        waitpid(grandchild, &status, 0);
        pthread_t id;
        CHECK(pthread_create(&id, NULL, little, NULL) == 0);
        pthread_join(id, NULL);
        _exit(WEXITSTATUS(status));
    }
    report("  namespaces", child);
    exit(0);
}

static void in_new_namespaces(void)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS,
                              .exit_signal = SIGCHLD};
    long child = clone3(&args);
    if (child == -1)
        say("refused", errno);
    if (child == 0) {
        say("pid", getpid());
        execl("/bin/sh", "sh", "-c", "echo \"  executed as $$\"; exit 62", NULL);
    }
    report("  namespaces", (pid_t)child);
    exit(0);
}

int main(void)
{
    in_one("first ends", first_ends);
    in_one("exec by another thread", exec_by_another);
    in_one("robust list", robust_list);
    in_one("parent's death", parent_death);
    in_one("parent thread's death", thread_death);
    in_one("subreaper", subreaper);
    in_one("barriers", barriers);
    in_one("keys", keys);
    in_one("descriptor of a child", descriptor_of_child);
    in_one("sharing memory", sharing);
    in_one("ten thousand threads", ten_thousand);
    in_one("unshare", new_namespaces);
    in_one("new namespaces", in_new_namespaces);
    return 0;
}
