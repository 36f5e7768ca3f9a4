/* A tracer that nobody has adopted, and the program of the command line as its child: which files it finds at the
 * stops of the child's execs. Words with a `=` before that program are for the child's environment. */
#include "check.h"
#include <sys/ptrace.h>

int main(int argc, char **argv)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        while (*++argv != NULL && strchr(*argv, '=') != NULL)
            putenv(*argv);
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        execv(argv[0], argv);
        _exit(98);
    }
    int status;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        char name[64], path[4096] = "";
        snprintf(name, sizeof name, "/proc/%d/exe", child);
        MUST(readlink(name, path, sizeof path - 1));
        printf("signal %d in %s\n", WSTOPSIG(status), path);
        MUST(ptrace(PTRACE_CONT, child, 0, 0));
    }
    printf("status %d\n", WEXITSTATUS(status));
    return argc < 2;
}
