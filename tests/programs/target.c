/* What was executed: shows how it sees itself. */
#include "check.h"
#include <sys/auxv.h>

extern char **environ;

int main(int argc, char **argv)
{
    printf("argc %d:", argc);
    for (int i = 0; i < argc; i++)
        printf(" '%s'", argv[i]);
    int variables = 0;
    while (environ[variables])
        variables++;
    printf("\nvariables %d, execfn '%s'\n", variables, (char *)getauxval(AT_EXECFN));
    char exe[4096];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe);
    printf("exe %.*s\n", length < 0 ? 0 : (int)length, exe);
    char comm[32] = "";
    int fd = open("/proc/self/comm", O_RDONLY);
    if (fd >= 0) {
        CHECK(read(fd, comm, sizeof comm - 1) > 0);
        close(fd);
    }
    printf("comm %s\nopen:", comm);
    for (int i = 0; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0)
            printf(" %d", i);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    printf("\nblocked:");
    for (int i = 1; i < 64; i++)
        if (sigismember(&mask, i) == 1)
            printf(" %d", i);
    printf("\nignored:");
    for (int i = 1; i < 64; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            printf(" %d", i);
    }
    puts("");
    fflush(stdout);
    return ferror(stdout) ? 43 : 0;
}
