/* Children made in the three usual ways. */
#include "check.h"
#include <spawn.h>

extern char **environ;

int main(void)
{
    char *command[] = {"sh", "-c", "exit 7", NULL};
    for (int i = 0; i < 5; i++) {
        pid_t child = MUST(fork());
        if (child == 0)
            _exit(i);
        report("fork", child);
    }
    for (int i = 0; i < 5; i++) {
        pid_t child = MUST(vfork());
        if (child == 0) {
            execv("/bin/sh", command);
            _exit(127);
        }
        report("vfork", child);
    }
    for (int i = 0; i < 5; i++) {
        pid_t child;
        CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ) == 0);
        report("posix_spawn", child);
    }
    pid_t child;
    printf("missing: %d\n", posix_spawn(&child, "/no/such/file", NULL, NULL, command, environ));
    child = MUST(vfork());
    if (child == 0) {
        execv("/no/such/file", command);
        _exit(errno);
    }
    report("failed exec", child);
    return 0;
}
