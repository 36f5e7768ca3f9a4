/* soak SEED SECONDS [SPOIL]: workers do random work until the time is over; this process watches them. */
#include "soak.h"
#include <stdarg.h>
#include <sys/prctl.h>

struct shared *shared;
int shared_fd = -1, worker = -1, warming;
const char *self;
static uint64_t rng_state;

const struct action actions[] = {
    {"fork", do_fork}, {"vfork", do_vfork}, {"spawn", do_spawn}, {"clone", do_clone},
    {"sigchld", do_sigchld}, {"exec-chain", do_exec_chain}, {"exec-thread", do_exec_thread},
    {"kill", do_kill}, {"descriptors", do_descriptors}, {"queue", do_queue},
    {"queue-threads", do_queue_threads}, {"ping", do_ping}, {"suspend", do_suspend},
    {"timer", do_timer}, {"jump", do_jump}, {"threads", do_threads}, {"detached", do_detached},
    {"dlopen", do_dlopen}, {"mappings", do_mappings},
};
const int action_count = sizeof actions / sizeof *actions;

uint64_t rng(void)
{
    /* splitmix64 */
    uint64_t z = rng_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void reseed(uint64_t seed) { rng_state = seed; }
int between(int low, int high) { return low + rng() % (high - low + 1); }
int one_in(int n) { return rng() % n == 0; }

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Ends everything that descends from us: what loses its parent becomes our child. */
static void end_all(void)
{
    for (;;) {
        FILE *children = fopen("/proc/thread-self/children", "r");
        for (int pid; children && fscanf(children, "%d", &pid) == 1;)
            kill(pid, SIGKILL);
        if (children)
            fclose(children);
        if (waitpid(-1, NULL, __WALL) < 0 && errno == ECHILD)
            return;
    }
}

_Noreturn void finding(const char *format, ...)
{
    char line[1024];
    int length = snprintf(line, sizeof line, "FINDING seed %llu pid %d", (unsigned long long)shared->seed, getpid());
    if (worker >= 0)
        length += snprintf(line + length, sizeof line - length, " worker %d round %lu action %s", worker,
                           shared->worker[worker].rounds, actions[shared->worker[worker].action].name);
    length += snprintf(line + length, sizeof line - length, ": ");
    va_list list;
    va_start(list, format);
    length += vsnprintf(line + length, sizeof line - length - 1, format, list);
    va_end(list);
    line[length++] = '\n';
    shared->findings++;
    ssize_t done = write(2, line, length);
    if (getpid() == shared->main)
        end_all();
    _exit(done == length ? 99 : 98);
}

int spoils(enum spoil which) { return shared->spoil == (int)which && one_in(3); }

pid_t started(pid_t pid)
{
    if (pid < 0)
        finding("a process could not be started (errno %d)", errno);
    if (pid > 0)
        shared->started++;
    return pid;
}

int status_of(pid_t pid)
{
    int status;
    pid_t seen;
    while ((seen = waitpid(pid, &status, __WALL)) < 0 && errno == EINTR)
        ;
    if (seen != pid)
        finding("waitpid(%d) is %d (errno %d)", pid, seen, errno);
    return status;
}

void calls(int count)
{
    pid_t pid = getpid();
    for (int i = 0; i < count; i++)
        switch (rng() % 6) {
        case 0: MUST(syscall(SYS_getpid) == pid); break;
        case 1: MUST(syscall(100000) == -1 && errno == ENOSYS); break;
        case 2: MUST(syscall(-1) == -1 && errno == ENOSYS); break;
        case 3: MUST(close(-1) == -1 && errno == EBADF); break;
        case 4: MUST(sched_yield() == 0); break;
        case 5: MUST(access("/nowhere/at/all", F_OK) == -1 && errno == ENOENT); break;
        }
}

/* Rounds after which a process has what it needs for itself: each action once, then some. */
enum { WARM = 60 };

static int work(int index)
{
    struct state before, after;
    worker = index;
    reseed(shared->seed + index * 1000003ull);
    unsigned long rounds = 0;
    for (; now() < shared->end; rounds++) {
        warming = rounds < (unsigned)action_count;
        int action = warming ? (int)rounds : (int)(rng() % action_count);
        shared->worker[index].action = action;
        actions[action].run();
        shared->worker[index].rounds++;
        if (spoils(ZOMBIE) && started(fork()) == 0)
            _exit(0);
        if (waitpid(-1, NULL, WNOHANG | __WALL) != -1 || errno != ECHILD)
            finding("a child is left behind");
        if (spoils(DESCRIPTOR))
            dup(0);
        if (spoils(MEMORY))
            memset(malloc(1 << 20), 1, 1 << 20);
        if (spoils(MAPPINGS)) /* every other page: neighbours would become one mapping */
            for (int i = 0; i < 8; i++)
                mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (shared->spoil == HANG && rounds > 20)
            pause();
        /* Once every action has been here, what they need for themselves is there. */
        if (rounds == WARM)
            look(&before);
        if (rounds > WARM && rounds % 25 == 0) {
            look(&after);
            compare(&before, &after);
        }
    }
    return 0;
}

/* Says where a worker that makes no progress stands. */
static void hanging(int index, pid_t pid)
{
    char command[256];
    snprintf(command, sizeof command,
             "cd /proc; for p in %d $(cat %d/task/*/children); do echo $p $(cat $p/cmdline | tr '\\0' ' '); "
             "cat $p/task/*/syscall $p/status | grep -v Vm; done >&2",
             pid, pid);
    if (system(command) != 0)
        fputs("(nothing could be seen of it)\n", stderr);
    worker = index;
    finding("no progress");
}

static void watch(const pid_t *pids)
{
    unsigned long seen[WORKERS] = {0};
    double since[WORKERS];
    int left = WORKERS;
    for (int i = 0; i < WORKERS; i++)
        since[i] = now();
    while (left > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0)
            finding("the workers cannot be waited for (errno %d)", errno);
        if (pid > 0) {
            int mine = 0;
            for (int i = 0; i < WORKERS; i++)
                mine |= pids[i] == pid;
            /* What a killed process has left comes here; workers account for their own. */
            if (!mine)
                continue;
            left--;
            if (status != 0)
                finding("worker %d ended with status %x", pid, status);
            continue;
        }
        for (int i = 0; i < WORKERS; i++) {
            unsigned long rounds = shared->worker[i].rounds;
            double limit = shared->spoil == HANG ? 5 : 60;
            if (rounds != seen[i])
                seen[i] = rounds, since[i] = now();
            else if (now() > since[i] + limit && now() < shared->end + limit && kill(pids[i], 0) == 0)
                hanging(i, pids[i]);
        }
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    static char path[4096];
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return 97;
    self = path;
    if (argc > 2 && strcmp(argv[1], "child") == 0)
        return child_main(argc, argv);
    if (argc < 3) {
        fprintf(stderr, "usage: soak SEED SECONDS [SPOIL]\n");
        return 2;
    }
    shared_fd = memfd_create("soak", 0);
    if (shared_fd < 0 || ftruncate(shared_fd, sizeof *shared) < 0)
        return 97;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
    if (shared == MAP_FAILED)
        return 97;
    shared->seed = strtoull(argv[1], NULL, 10);
    shared->main = getpid();
    shared->end = now() + atof(argv[2]);
    shared->spoil = argc > 3 ? atoi(argv[3]) : NONE;
    /* Orphans come here. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pids[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = started(fork());
        if (pids[i] == 0)
            _exit(work(i));
    }
    watch(pids);
    int status;
    while (waitpid(-1, &status, __WALL) > 0)
        ;
    if (shared->spoil == UNCOUNTED)
        shared->started += 1000;
    unsigned long rounds = 0;
    for (int i = 0; i < WORKERS; i++)
        rounds += shared->worker[i].rounds;
    printf("rounds %lu started %lu execs %lu kills %lu doomed %lu threads %lu signals %lu findings %d\n", rounds, shared->started,
           shared->execs, shared->kills, shared->doomed, shared->threads, shared->signals, shared->findings);
    return shared->findings ? 99 : 0;
}
