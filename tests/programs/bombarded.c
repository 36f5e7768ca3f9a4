/* A program that executes itself again and again is sent signals all the while which it has blocked, or ignores: they wait,
 * or nothing happens. */
#include "check.h"
#include <time.h>

static const int signals[] = {SIGTRAP, SIGSYS};

int main(int argc, char **argv)
{
    (void)argc;
    if (argv[1]) {
        int left = atoi(argv[2]);
        char text[16];
        snprintf(text, sizeof text, "%d", left - 1);
        if (left > 0)
            MUST(execl("/proc/self/exe", "bombarded", argv[1], text, NULL));
        sigset_t pending;
        sigpending(&pending);
        struct sigaction action;
        MUST(sigaction(atoi(argv[1]), NULL, &action));
        printf("pending %d ignored %d\n", sigismember(&pending, atoi(argv[1])), action.sa_handler == SIG_IGN);
        return 0;
    }
    for (int row = 0; row < 4; row++) {
        int signal_number = signals[row / 2], is_ignored = row % 2;
        char number[16];
        snprintf(number, sizeof number, "%d", signal_number);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signal_number);
        signal(signal_number, is_ignored ? SIG_IGN : SIG_DFL);
        MUST(sigprocmask(is_ignored ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL));
        pid_t child = MUST(fork());
        if (child == 0) {
            raise(signal_number);
            MUST(execl("/proc/self/exe", "bombarded", number, "40", NULL));
        }
        siginfo_t ended = {0};
        struct timespec pause = {.tv_nsec = 30000};
        while (waitid(P_PID, child, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) {
            kill(child, signal_number);
            nanosleep(&pause, NULL);
        }
        report(is_ignored ? "ignored" : "blocked", child);
    }
    return 0;
}
