/* Signals that are sent to a process with two threads: which of them takes one, when all that may block it, and what is
 * seen of it meanwhile. They are those that vload needs for itself. usage: takers [FOLDER | seen] */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static const int NUMBERS[] = {SIGTRAP, SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

static int number;
static char *own_path;
static __thread int self;
static atomic_int handled, step;
static int is_quiet;
static pid_t sender, other_tid;
static pthread_t first, other;

static const char *who(pid_t pid) { return pid == sender ? "sender" : "another"; }

static void show(const char *what, const siginfo_t *info)
{
    int is_sent = info->si_code != SI_TIMER && info->si_code != SI_SIGIO;
    int value = info->si_code == SI_QUEUE || info->si_code == SI_TIMER ? info->si_value.sival_int : 0;
    printf("thread %d: %s: %d, code %d, %s, value %d\n", self, what, info->si_signo, info->si_code,
           is_sent ? who(info->si_pid) : "none", value);
}

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    (void)signal;
    if (!is_quiet)
        show("handler", info);
    atomic_fetch_add(&handled, 1);
}

static void handle(int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    MUST(sigaction(number, &action, NULL));
}

static sigset_t one(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

static void mask(int how)
{
    sigset_t set = one();
    pthread_sigmask(how, &set, NULL);
}

/* The thread's mask but for the number. */
static sigset_t without(void)
{
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    sigdelset(&set, number);
    return set;
}

static int pends(void)
{
    sigset_t pending;
    MUST(sigpending(&pending));
    return sigismember(&pending, number);
}

/* Without a call: where calls trap, a signal that is sent to the thread just then may be gone (docs/limits.md). */
static void until(int reached)
{
    while (atomic_load(&step) < reached)
        ;
}

static void until_handled(int times)
{
    while (atomic_load(&handled) < times)
        sched_yield();
}

static const char *folder = ".";

/* Where a service module has the folder, the thread has had its signals opened from then on. */
static void enter(void)
{
    struct stat known;
    CHECK(stat(folder, &known) == 0);
}

static void kill_it(void)
{
    sender = getpid();
    MUST(kill(getpid(), number));
}

static void queue_it(int value)
{
    union sigval given = {.sival_int = value};
    sender = getpid();
    MUST(sigqueue(getpid(), number, given));
}

/* Sent from outside, and there. */
static void sent(void) { send_from_outside(number, &sender); }

/* The first thread blocks it until it waits. */
static void keep(int value)
{
    if (value)
        queue_it(value);
    else
        sent();
    while (!pends())
        sched_yield();
}

static void start(void *(*body)(void *))
{
    CHECK(pthread_create(&other, NULL, body, NULL) == 0);
    until(1);
}

static void begin(void)
{
    enter();
    self = 1;
    other_tid = syscall(SYS_gettid);
    atomic_store(&step, 1);
}

static void *computes(void *none)
{
    begin();
    until(2);
    return none;
}

static void finish(void)
{
    atomic_store(&step, 2);
    pthread_join(other, NULL);
}

static void one_blocks(void)
{
    handle(SA_RESTART);
    start(computes);
    mask(SIG_BLOCK);
    int times = 0;
    for (int i = 0; i < 20; i++) {
        kill_it();
        until_handled(++times);
    }
    sent();
    until_handled(++times);
    queue_it(77);
    until_handled(++times);
    printf("pending %d\n", pends());
    finish();
}

static void *opens(void *none)
{
    begin();
    until(2);
    printf("the other's: %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("taken: %d\n", pends());
    return none;
}

static void all_block(void)
{
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    start(opens);
    keep(71);
    /* A standard signal waits once. */
    queue_it(72);
    mask(SIG_BLOCK);
    printf("pending %d, handled %d\n", pends(), atomic_load(&handled));
    pid_t child = MUST(fork());
    if (child == 0) {
        printf("the child's: %d\n", pends());
        _exit(0);
    }
    report("fork", child);
    finish();
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    mask(SIG_UNBLOCK);
    printf("handled %d\n", atomic_load(&handled));
}

/* What waited while a thread was there waits on without it. */
static void *ends(void *none)
{
    begin();
    until(2);
    CHECK(pends());
    return none;
}

static void one_ends(void)
{
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    start(ends);
    keep(0);
    finish();
    printf("pending %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
}

static void wait_for_it(int with_info, long nanoseconds)
{
    sigset_t set = one();
    siginfo_t info;
    struct timespec limit = {.tv_nsec = nanoseconds};
    int signal = syscall(SYS_rt_sigtimedwait, &set, with_info ? &info : NULL, nanoseconds < 0 ? NULL : &limit, 8);
    if (signal > 0 && with_info)
        show("waited for", &info);
    else
        printf("waited for: %d, errno %d\n", signal, signal < 0 ? errno : 0);
}

static void *waits(void *none)
{
    begin();
    for (int i = 0; i < 4; i++) {
        wait_for_it(i != 1, -1);
        atomic_fetch_add(&handled, 1);
    }
    wait_for_it(1, 0);
    atomic_store(&step, 2);
    until(3);
    wait_for_it(1, 0);
    wait_for_it(0, 0);
    return none;
}

static void is_waited_for(void)
{
    mask(SIG_BLOCK);
    start(waits);
    for (int i = 0; i < 4; i++) {
        await_state(getpid(), other_tid, 'S');
        if (i % 2)
            kill_it();
        else if (i)
            queue_it(70 + i);
        else
            sent();
        until_handled(i + 1);
    }
    until(2);
    keep(79);
    atomic_store(&step, 3);
    pthread_join(other, NULL);
    printf("pending %d\n", pends());
}

static void *suspends(void *none)
{
    begin();
    sigset_t open = without();
    struct timespec never = {.tv_sec = 1000};
    for (int i = 0; i < 3; i++) {
        CHECK(sigsuspend(&open) == -1 && errno == EINTR);
        atomic_fetch_add(&step, 1);
        CHECK(ppoll(NULL, 0, &never, &open) == -1 && errno == EINTR);
        atomic_fetch_add(&step, 1);
        CHECK(pselect(0, NULL, NULL, NULL, &never, &open) == -1 && errno == EINTR);
        atomic_fetch_add(&step, 1);
    }
    return none;
}

static void ends_a_wait(void)
{
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    start(suspends);
    for (int i = 0; i < 9; i++) {
        if (i > 2)
            await_state(getpid(), other_tid, 'S');
        if (i % 2)
            kill_it();
        else
            queue_it(60 + i);
        until(i + 2);
        printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    }
    pthread_join(other, NULL);
}

static void *executes(void *none)
{
    begin();
    until(2);
    CHECK(execl("no such program", "", NULL) == -1 && errno == ENOENT);
    printf("still: %d\n", pends());
    char text[8];
    sprintf(text, "%d", number);
    execl(own_path, own_path, "after", text, NULL);
    return none;
}

static void across_exec(void)
{
    mask(SIG_BLOCK);
    start(executes);
    keep(75);
    finish();
}

static int after(const char *text)
{
    number = atoi(text);
    sender = getpid();
    printf("after the exec: %d\n", pends());
    wait_for_it(1, 0);
    printf("after one: %d\n", pends());
    wait_for_it(1, 0);
    printf("after that: %d\n", pends());
    fflush(stdout);
    return 0;
}

static void is_ignored(void)
{
    mask(SIG_BLOCK);
    start(computes);
    keep(0);
    MUST(signal(number, SIG_IGN) == SIG_ERR ? -1 : 0);
    printf("ignored: %d\n", pends());
    MUST(raise(number));
    printf("raised: %d\n", pends());
    MUST(signal(number, SIG_DFL) == SIG_ERR ? -1 : 0);
    printf("by default: %d\n", pends());
    finish();
}

static void *has_both(void *none)
{
    begin();
    until(2);
    printf("the other's: %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    return none;
}

/* One to the thread and one to the process are two. */
static void to_both(void)
{
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    start(has_both);
    sender = getpid();
    MUST(syscall(SYS_tgkill, getpid(), other_tid, number));
    printf("the first's: %d\n", pends());
    keep(74);
    finish();
    printf("the first's: %d\n", pends());
}

static void by_queue(void)
{
    union sigval given = {.sival_int = 73};
    CHECK(pthread_sigqueue(first, number, given) == 0);
}

static void by_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = number};
    event._sigev_un._tid = syscall(SYS_gettid);
    event.sigev_value.sival_int = 78;
    struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
    timer_t timer;
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
    MUST(timer_settime(timer, 0, &soon, NULL));
}

static void by_descriptor(void)
{
    int ends[2];
    MUST(pipe(ends));
    struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = syscall(SYS_gettid)};
    MUST(fcntl(ends[0], F_SETOWN_EX, &owner));
    MUST(fcntl(ends[0], F_SETSIG, number));
    MUST(fcntl(ends[0], F_SETFL, O_ASYNC));
    CHECK(write(ends[1], "x", 1) == 1);
}

/* More in it than the kernel takes from a code that it knows. */
static void by_all_of_it(void)
{
    siginfo_t info;
    memset(&info, 0x55, sizeof info);
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_value.sival_int = 72;
    MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), number, &info));
    info.si_code = -20;
    errno = 0;
    printf("unknown: %ld\n", syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), number, &info));
    printf("errno %d\n", errno);
}

/* What is sent to one thread waits for that one. */
static void to_one(void)
{
    static void (*const WAYS[])(void) = {by_queue, by_timer, by_descriptor, by_all_of_it};
    handle(SA_RESTART);
    start(computes);
    for (unsigned i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        mask(SIG_BLOCK);
        sender = getpid();
        WAYS[i]();
        while (!pends())
            sched_yield();
        printf("handled %d\n", atomic_load(&handled));
        mask(SIG_UNBLOCK);
        printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    }
    finish();
}

/* The kernel tells nothing of what is sent: one may be handled twice (docs/limits.md), and none is lost. */
static void without_room(void)
{
    struct rlimit none = {0, 0};
    is_quiet = 1;
    handle(SA_RESTART);
    start(computes);
    mask(SIG_BLOCK);
    MUST(setrlimit(RLIMIT_SIGPENDING, &none));
    for (int i = 0; i < 10; i++) {
        int before = atomic_load(&handled);
        if (i % 2)
            kill_it();
        else
            queue_it(70 + i);
        until_handled(before + 1);
    }
    printf("pending %d\n", pends());
    finish();
    int before = atomic_load(&handled);
    sent();
    printf("pending %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("handled %d, pending %d\n", atomic_load(&handled) > before, pends());
}

/* A thread may not be sent anything with a siginfo. */
static void is_refused(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_tgsigqueueinfo, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    handle(SA_RESTART);
    mask(SIG_BLOCK);
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
    kill_it();
    printf("pending %d\n", pends());
    mask(SIG_UNBLOCK);
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    mask(SIG_BLOCK);
    sent();
    wait_for_it(0, 0);
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
}

static void *waits_deaf(void *none)
{
    self = 1;
    enter();
    atomic_store(&step, 1);
    sigset_t all;
    sigfillset(&all);
    while (atomic_load(&step) < 2) {
        struct timespec briefly = {.tv_nsec = 1000000};
        ppoll(NULL, 0, &briefly, &all);
    }
    return none;
}

/* One that has it open waits with a mask that blocks it. */
static void one_waits_deaf(void)
{
    pthread_t deaf;
    handle(SA_RESTART);
    CHECK(pthread_create(&deaf, NULL, waits_deaf, NULL) == 0);
    until(1);
    atomic_store(&step, 0);
    start(computes);
    mask(SIG_BLOCK);
    for (int i = 0; i < 20; i++) {
        kill_it();
        until_handled(i + 1);
    }
    finish();
    pthread_join(deaf, NULL);
    printf("handled %d, pending %d\n", atomic_load(&handled), pends());
}

/* The kernel alone finds out that it is no program. */
static void executes_nothing(void)
{
    const char *path = "no program";
    int file = MUST(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    CHECK(write(file, "nothing", 7) == 7);
    close(file);
    CHECK(execl(path, path, NULL) == -1 && errno == ENOEXEC);
    unlink(path);
}

/* What waits after it is whose it was before. */
static void after_no_exec(void)
{
    static const int SENT[] = {1, 2, 3};
    handle(SA_RESTART);
    for (unsigned i = 0; i < sizeof SENT / sizeof *SENT; i++) {
        mask(SIG_BLOCK);
        atomic_store(&step, 0);
        start(opens);
        sender = getpid();
        if (SENT[i] & 1)
            by_queue();
        if (SENT[i] == 2)
            queue_it(74);
        while (!pends())
            sched_yield();
        executes_nothing();
        executes_nothing();
        printf("the first's: %d\n", pends());
        finish();
        printf("handled %d, pending %d\n", atomic_load(&handled), pends());
        if (SENT[i] == 3)
            queue_it(75);
        executes_nothing();
        printf("handled %d, pending %d\n", atomic_load(&handled), pends());
        mask(SIG_UNBLOCK);
        printf("handled %d, pending %d\n", atomic_load(&handled), pends());
    }
}

static void in_a_child(void)
{
    handle(SA_RESTART);
    start(computes);
    mask(SIG_BLOCK);
    kill_it();
    until_handled(1);
    pid_t child = MUST(fork());
    if (child == 0) {
        atomic_store(&step, 0);
        mask(SIG_UNBLOCK);
        start(computes);
        mask(SIG_BLOCK);
        for (int i = 0; i < 3; i++) {
            kill_it();
            until_handled(i + 2);
        }
        finish();
        _exit(0);
    }
    report("fork", child);
    finish();
}

static void own_across_exec(void)
{
    mask(SIG_BLOCK);
    sender = getpid();
    by_queue();
    queue_it(70);
    char text[8];
    sprintf(text, "%d", number);
    execl(own_path, own_path, "after", text, NULL);
}

/* What is said of a thread of process `pid` to any that asks. */
static void told(const char *what, pid_t pid, pid_t tid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "SigPnd", 6) == 0 || strncmp(line, "ShdPnd", 6) == 0)
            printf("%s: %s", what, line);
    fclose(file);
}

static void is_seen(void)
{
    mask(SIG_BLOCK);
    start(computes);
    keep(0);
    told("the first", getpid(), getpid());
    told("the other", getpid(), other_tid);
    pid_t child = MUST(fork());
    if (child == 0) {
        told("the parent", getppid(), getppid());
        told("the child", getpid(), getpid());
        _exit(0);
    }
    report("fork", child);
    finish();
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* One that comes while vload has all blocked in a thread, for a moment, ends another's wait (docs/limits.md). */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    MUST(sigprocmask(SIG_BLOCK, &ends, NULL));
    own_path = words[0];
    first = pthread_self();
    if (count > 2 && strcmp(words[1], "after") == 0)
        return after(words[2]);
    int sees = count > 1 && strcmp(words[1], "seen") == 0;
    if (count > 1 && !sees)
        folder = words[1];
    enter();
    for (unsigned i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        number = NUMBERS[i];
        printf("-- %d\n", number);
        if (sees) {
            in_one("it is seen", is_seen);
            continue;
        }
        in_one("one blocks it", one_blocks);
        in_one("all block it", all_block);
        in_one("one ends", one_ends);
        in_one("it is waited for", is_waited_for);
        in_one("it ends a wait", ends_a_wait);
        in_one("across an exec", across_exec);
        in_one("it is ignored", is_ignored);
        in_one("it is for both", to_both);
        in_one("it is for one", to_one);
        in_one("without room", without_room);
        in_one("it is refused", is_refused);
        in_one("one waits deaf", one_waits_deaf);
        in_one("own, across an exec", own_across_exec);
        in_one("after no exec", after_no_exec);
        in_one("in a child", in_a_child);
    }
    return 0;
}
