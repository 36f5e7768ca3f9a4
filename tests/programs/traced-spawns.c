/* A process that has asked to be traced, executes nothing itself, and spawns what is named, twice. */
#include "check.h"
#include <spawn.h>
#include <sys/ptrace.h>

extern char **environ;

static void spawns(const char *program)
{
    char *command[] = {(char *)program, NULL};
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    for (int i = 0; i < 2; i++) {
        pid_t child;
        int status;
        CHECK(posix_spawn(&child, program, NULL, NULL, command, environ) == 0);
        MUST(waitpid(child, &status, 0));
        printf("status %x\n", status);
    }
    fflush(stdout);
    _exit(7);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    pid_t child = MUST(fork());
    if (child == 0)
        spawns(argv[1]);
    int status;
    while (MUST(waitpid(child, &status, 0)), WIFSTOPPED(status))
        MUST(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)));
    printf("ended %x\n", status);
    return 0;
}
