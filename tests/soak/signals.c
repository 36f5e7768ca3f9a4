/* Signals: each that is queued arrives once and in order, and none is lost in a wait. */
#include "soak.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/time.h>

enum { KINDS = 4, MOST = 1024 };

/* What a receiver has seen: the next number of each kind, where one thread receives them; else
 * each number's count. */
static volatile int next_of[KINDS];
static atomic_uchar seen[KINDS][MOST];
static volatile int in_order, disorder;
static atomic_int arrived;

static void received(int signal, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno, kind = signal - SIGRTMIN, number = info->si_value.sival_int;
    if (kind < 0 || kind >= KINDS || number < 0 || number >= MOST || info->si_code != SI_QUEUE)
        disorder = 1;
    else {
        if (in_order && next_of[kind]++ != number)
            disorder = 2;
        seen[kind][number]++;
        arrived++;
    }
    if (number % 16 == 0)
        getppid();
    errno = saved;
}

static void receive_all(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct sigaction action = {.sa_sigaction = received};
        action.sa_flags = SA_SIGINFO | (one_in(2) ? SA_RESTART : 0) | (one_in(4) ? SA_NODEFER : 0);
        /* With SA_NODEFER a later signal of the kind can come before this one's handler has looked. */
        if (action.sa_flags & SA_NODEFER)
            action.sa_flags &= in_order ? ~SA_NODEFER : ~0;
        sigaction(SIGRTMIN + kind, &action, NULL);
    }
}

static void check_all(const int *sent)
{
    MUST(disorder == 0);
    for (int kind = 0; kind < KINDS; kind++)
        for (int number = 0; number < MOST; number++) {
            int wanted = number < sent[kind];
            if (seen[kind][number] != wanted)
                finding("signal %d number %d of %d arrived %d times", SIGRTMIN + kind, number, sent[kind],
                        seen[kind][number]);
        }
    shared->signals += sent[0] + sent[1] + sent[2] + sent[3];
}

/* Calls of all sorts, some of which wait, until the pipe says how many signals there were. */
static void wait_for_numbers(int in, int *sent)
{
    size_t done = 0;
    while (done < KINDS * sizeof *sent) {
        struct pollfd poller = {.fd = in, .events = POLLIN};
        struct timespec moment = {0, 20000};
        switch (rng() % 4) {
        case 0: calls(4); continue;
        case 1: nanosleep(&moment, NULL); continue;
        case 2:
            if (ppoll(&poller, 1, &moment, NULL) <= 0)
                continue;
        }
        ssize_t now_done = read(in, (char *)sent + done, KINDS * sizeof *sent - done);
        if (now_done == 0)
            finding("the sender has gone");
        if (now_done > 0)
            done += now_done;
        else
            MUST(errno == EINTR);
    }
}

static void send(pid_t pid, int kind, int number)
{
    union sigval value = {.sival_int = number};
    while (sigqueue(pid, SIGRTMIN + kind, value) < 0) {
        MUST(errno == EAGAIN);
        sched_yield();
    }
}

/* Sends numbered signals to `pid`, then how many there were. */
static void send_all(pid_t pid, int out)
{
    int sent[KINDS] = {0};
    for (int i = between(1, 1500); i-- > 0;) {
        int kind = rng() % KINDS;
        if (sent[kind] == MOST)
            continue;
        int skip = shared->spoil == LOST_SIGNAL && sent[kind] == 3;
        if (!skip)
            send(pid, kind, sent[kind]);
        if (shared->spoil == DOUBLED_SIGNAL && sent[kind] == 3)
            send(pid, kind, sent[kind]);
        sent[kind]++;
        if (one_in(64))
            sched_yield();
    }
    MUST(write(out, sent, sizeof sent) == sizeof sent);
}

static pid_t receiver(void (*run)(int), int *out)
{
    int numbers[2], ready[2];
    char byte;
    MUST(pipe2(numbers, O_CLOEXEC) == 0 && pipe2(ready, O_CLOEXEC) == 0);
    pid_t pid = started(fork());
    if (pid == 0) {
        close(numbers[1]);
        receive_all();
        MUST(write(ready[1], "r", 1) == 1);
        run(numbers[0]);
        _exit(0);
    }
    close(numbers[0]);
    close(ready[1]);
    while (read(ready[0], &byte, 1) < 0)
        MUST(errno == EINTR);
    close(ready[0]);
    *out = numbers[1];
    return pid;
}

static void alone(int in)
{
    int sent[KINDS];
    wait_for_numbers(in, sent);
    /* All were pending when the last call returned, and ran before it did. */
    check_all(sent);
}

void do_queue(void)
{
    int out;
    in_order = 1;
    pid_t pid = receiver(alone, &out);
    send_all(pid, out);
    close(out);
    int status = status_of(pid);
    if (status != 0)
        finding("the receiver of queued signals ended with %x", status);
}

static atomic_int running;

static void *makes_calls(void *argument)
{
    uint64_t *seed = argument;
    (void)seed;
    while (running) {
        getppid();
        close(-1);
        sched_yield();
    }
    shared->threads++;
    return NULL;
}

static void with_threads(int in)
{
    pthread_t threads[4];
    int sent[KINDS], count = between(1, 4);
    running = 1;
    for (int i = 0; i < count; i++)
        MUST(pthread_create(&threads[i], NULL, makes_calls, NULL) == 0);
    wait_for_numbers(in, sent);
    int total = sent[0] + sent[1] + sent[2] + sent[3];
    /* Another thread may still be in a handler. */
    for (double end = now() + 30; arrived < total && now() < end;)
        sched_yield();
    running = 0;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    check_all(sent);
}

void do_queue_threads(void)
{
    int out;
    in_order = 0;
    pid_t pid = receiver(with_threads, &out);
    send_all(pid, out);
    close(out);
    int status = status_of(pid);
    if (status != 0)
        finding("the receiver of queued signals ended with %x", status);
}

/* A signal goes to and fro between two processes that wait for it with sigwaitinfo. */
void do_ping(void)
{
    sigset_t set, old;
    siginfo_t info;
    struct timespec limit = {30, 0};
    int count = between(1, 100);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    pid_t parent = getpid(), pid = started(fork());
    if (pid == 0) {
        for (int i = 0; i < count; i++) {
            MUST(sigtimedwait(&set, &info, &limit) == SIGUSR1 && info.si_pid == parent);
            MUST(kill(parent, SIGUSR1) == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < count; i++) {
        MUST(kill(pid, SIGUSR1) == 0);
        int signal;
        /* The child's end is no answer. */
        while ((signal = sigtimedwait(&set, &info, &limit)) < 0 && errno == EINTR)
            ;
        MUST(signal == SIGUSR1 && info.si_pid == pid);
    }
    MUST(status_of(pid) == 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static volatile sig_atomic_t pings;

static void ping(int signal)
{
    (void)signal;
    pings++;
}

/* The same with handlers, and sigsuspend, ppoll or pselect to wait. */
static void await_ping(const sigset_t *mask, int wanted)
{
    struct timespec limit = {30, 0};
    while (pings < wanted) {
        int result;
        switch (rng() % 3) {
        case 0: result = sigsuspend(mask); break;
        case 1: result = ppoll(NULL, 0, &limit, mask); break;
        default: result = pselect(0, NULL, NULL, NULL, &limit, mask);
        }
        MUST(result == -1 && errno == EINTR);
    }
}

void do_suspend(void)
{
    struct sigaction action = {.sa_handler = ping, .sa_flags = one_in(2) ? SA_RESTART : 0}, old_action;
    sigset_t set, old;
    int count = between(1, 100);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaction(SIGUSR2, &action, &old_action);
    sigprocmask(SIG_BLOCK, &set, &old);
    pings = 0;
    pid_t parent = getpid(), pid = started(fork());
    for (int i = 0; i < count; i++) {
        if (pid != 0)
            MUST(kill(pid, SIGUSR2) == 0);
        await_ping(&old, i + 1);
        if (pid == 0)
            MUST(kill(parent, SIGUSR2) == 0);
    }
    if (pid == 0)
        _exit(0);
    MUST(status_of(pid) == 0 && pings == count);
    sigprocmask(SIG_SETMASK, &old, NULL);
    sigaction(SIGUSR2, &old_action, NULL);
}

static void set_timer(int microseconds, int again)
{
    struct itimerval timer = {.it_value = {0, microseconds}, .it_interval = {0, again}};
    MUST(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* What goes through a pipe is whole, however often reading and writing are interrupted. */
void do_timer(void)
{
    struct sigaction action = {.sa_handler = ping, .sa_flags = one_in(2) ? SA_RESTART : 0}, old;
    int pipes[2];
    char out[64], in[64];
    double sum = 0;
    MUST(pipe2(pipes, O_CLOEXEC) == 0);
    sigaction(SIGALRM, &action, &old);
    pings = 0;
    int interval = between(30, 500);
    set_timer(interval, interval);
    for (int i = 0; i < 300; i++) {
        for (size_t j = 0; j < sizeof out; j++)
            out[j] = rng();
        for (size_t done = 0, length = between(1, sizeof out); done < length;) {
            ssize_t written = write(pipes[1], out + done, length - done);
            MUST(written > 0 || errno == EINTR);
            for (ssize_t got = 0; got < written;) {
                ssize_t now_got = read(pipes[0], in + done + got, written - got);
                MUST(now_got > 0 || errno == EINTR);
                got += now_got > 0 ? now_got : 0;
            }
            done += written > 0 ? written : 0;
            MUST(memcmp(in, out, done) == 0);
        }
        sum += 0.5;
        if (i % 32 == 0) {
            struct timespec sleep = {0, 1000 * between(1, 2000)}, left = {0, 0};
            int result = nanosleep(&sleep, &left);
            /* What is left is reckoned with the timer's slack. */
            MUST(result == 0 || (errno == EINTR && left.tv_nsec <= sleep.tv_nsec + 1000000));
        }
    }
    set_timer(0, 0);
    sigaction(SIGALRM, &old, NULL);
    MUST(sum == 150);
    close(pipes[0]);
    close(pipes[1]);
}

static sigjmp_buf back;

static void jump(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

/* A handler that does not return, out of a read that would wait for ever. */
void do_jump(void)
{
    struct sigaction action = {.sa_handler = jump}, old;
    int pipes[2];
    volatile int jumps = 0;
    int count = between(1, 30);
    char byte;
    MUST(pipe2(pipes, O_CLOEXEC) == 0);
    sigaction(SIGALRM, &action, &old);
    while (jumps < count) {
        if (sigsetjmp(back, 1) == 0) {
            set_timer(between(20, 300), 0);
            ssize_t done = read(pipes[0], &byte, 1);
            finding("a read that nobody ends came back with %zd (errno %d)", done, errno);
        }
        jumps++;
        sigset_t mask;
        MUST(sigprocmask(SIG_SETMASK, NULL, &mask) == 0 && !sigismember(&mask, SIGALRM));
    }
    sigaction(SIGALRM, &old, NULL);
    MUST(write(pipes[1], "b", 1) == 1 && read(pipes[0], &byte, 1) == 1 && byte == 'b');
    close(pipes[0]);
    close(pipes[1]);
}
