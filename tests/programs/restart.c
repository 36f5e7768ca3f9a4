/* Calls that a signal interrupts: restarted with SA_RESTART, EINTR without. */
#include "check.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static volatile int handled, at_last;
static int ends[2];

static void handler(int signal)
{
    (void)signal;
    if (++handled == at_last && write(ends[1], "x", 1) != 1)
        _exit(1);
}

static void timer(int on)
{
    struct itimerval value = {0};
    if (on)
        value.it_value.tv_usec = value.it_interval.tv_usec = 5000;
    setitimer(ITIMER_REAL, &value, NULL);
}

static void attempt(const char *what, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    MUST(sigaction(SIGALRM, &action, NULL));
    char byte = '-';
    handled = 0;
    /* Who is restarted goes on when the handler has run three times; who is not may take as long as it likes. */
    at_last = flags & SA_RESTART ? 3 : 0;
    timer(1);
    errno = 0;
    ssize_t got = read(ends[0], &byte, 1);
    timer(0);
    printf("%s read: %zd %c %s, handled %s\n", what, got, byte, got < 0 ? strerror(errno) : "",
           at_last && handled >= at_last ? "three times" : handled ? "at all" : "never");
    /* Beyond the count at which the handler writes. */
    handled = 10;
    timer(1);
    struct pollfd poll_on = {.fd = ends[0], .events = POLLIN};
    int ready = poll(&poll_on, 1, 1000);
    printf("%s poll: %d %s\n", what, ready, ready < 0 ? strerror(errno) : "");
    struct timespec second = {.tv_sec = 1}, left = {0};
    int slept = nanosleep(&second, &left);
    printf("%s nanosleep: %d %s, time left %d\n", what, slept, strerror(errno),
           left.tv_nsec > 0 || left.tv_sec > 0);
    int paused = pause();
    printf("%s pause: %d %s\n", what, paused, strerror(errno));
    timer(0);
}

int main(void)
{
    MUST(pipe(ends));
    attempt("restarting", SA_RESTART);
    attempt("interrupted", 0);
    pid_t child = MUST(fork());
    if (child == 0) {
        /* Until the parent, which waits for us, has been interrupted three times. */
        char byte;
        _exit(read(ends[0], &byte, 1) == 1 ? 5 : 4);
    }
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    handled = 0;
    at_last = 3;
    timer(1);
    report("wait", child);
    timer(0);
    /* Stopping and continuing restarts a wait with a time by restart_syscall (signal(7)). */
    child = MUST(fork());
    if (child == 0) {
        struct pollfd poll_on = {.fd = ends[0], .events = POLLIN};
        _exit(poll(&poll_on, 1, 60000) == 1 ? 6 : 7);
    }
    await_state(child, child, 'S');
    int status;
    MUST(kill(child, SIGSTOP));
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    MUST(kill(child, SIGCONT));
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    await_state(child, child, 'S');
    CHECK(write(ends[1], "x", 1) == 1);
    report("stopped", child);
    return 0;
}
