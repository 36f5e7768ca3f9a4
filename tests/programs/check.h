/* What every test program uses. Programs print what they see; the harness compares. */
#ifndef CHECK_H
#define CHECK_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
#endif
