/* An exec with as many arguments as the kernel takes, while a signal waits that the program blocks. */
#include "check.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
    if (argc > 1) {
        sigset_t set;
        CHECK(sigpending(&set) == 0);
        printf("executed with %s: waiting %d %d\n", argc > 1000 ? "many" : "few", sigismember(&set, SIGTRAP),
               sigismember(&set, SIGSYS));
        return 0;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    sigaddset(&set, SIGSYS);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGTRAP) == 0 && raise(SIGSYS) == 0);
    /* A quarter of the stack's limit (execve(2)), of which each takes a pointer and two bytes. */
    struct rlimit limit = { 1 << 20, 1 << 20 };
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    long most = (long)(limit.rlim_cur / 4 / (sizeof(char *) + 2));
    char **arguments = calloc((size_t)most + 1, sizeof *arguments), *none[] = { NULL };
    arguments[0] = argv[0];
    for (long i = 1; i < most; i++)
        arguments[i] = "A";
    for (long count = most; count > 1; count--) {
        arguments[count] = NULL;
        execve(argv[0], arguments, none);
        if (errno != E2BIG)
            break;
    }
    printf("not executed: %s\n", strerror(errno));
    return 1;
}
