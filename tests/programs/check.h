/* What every test program uses. Programs print what they see; the harness compares. */
#ifndef CHECK_H
#define CHECK_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Says that `condition` does not hold, and goes on: both runs say so or none. */
#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition))                                                                 \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
    } while (0)

/* What cannot go on: prints errno and ends. */
#define MUST(expression)                                                                  \
    ({                                                                                    \
        __typeof__(expression) value_ = (expression);                                     \
        if ((long)value_ == -1) {                                                         \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #expression, strerror(errno));  \
            fflush(stdout);                                                               \
            _exit(99);                                                                    \
        }                                                                                 \
        value_;                                                                           \
    })

/* Waits for `child` and prints how it ended. */
static inline void report(const char *what, pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    if (WIFEXITED(status))
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: signal %d%s\n", what, WTERMSIG(status), WCOREDUMP(status) ? " core" : "");
    else
        printf("%s: status %x\n", what, status);
    fflush(stdout);
}

/* A child sends this process `number`, and is gone then; `sender` is it from before that. */
static inline void send_from_outside(int number, volatile pid_t *sender)
{
    pid_t parent = getpid();
    int start[2];
    MUST(pipe(start));
    pid_t child = MUST(fork());
    if (child == 0) {
        char byte;
        CHECK(read(start[0], &byte, 1) == 1);
        _exit(kill(parent, number));
    }
    *sender = child;
    CHECK(write(start[1], "x", 1) == 1);
    int status;
    MUST(waitpid(child, &status, 0));
    CHECK(status == 0);
    close(start[0]);
    close(start[1]);
}

/* Does something in a process of its own, and prints how that ended. */
static inline void in_one(const char *name, void (*run)(void))
{
    printf("%s\n", name);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        run();
        _exit(3);
    }
    report(name, child);
}

/* Waits until a thread is in that state (proc_pid_stat(5)), such as S for one that waits in a call.
   Where there is no /proc it does not wait: this steers into a window, and what a program prints must
   not depend on it. */
static inline void await_state(pid_t process, pid_t thread, char state)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", process, thread);
    for (;;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        text[length > 0 ? length : 0] = 0;
        char *name_end = strrchr(text, ')');
        if (!name_end || name_end[2] == state)
            return;
        sched_yield();
    }
}
#endif
