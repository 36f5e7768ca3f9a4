/* Prints what getppid(2) gives each time it is asked, with all faults blocked: `real` for the truth. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    sigset_t faults;
    sigfillset(&faults);
    sigprocmask(SIG_BLOCK, &faults, 0);
    int times = argc > 1 ? atoi(argv[1]) : 1;
    for (int at = 0; at < times; at++) {
        errno = 0;
        long parent = syscall(SYS_getppid);
        if (parent < 0)
            printf("errno %d\n", errno);
        else if (parent == 4242 || parent == 1717 || parent == 77)
            printf("%ld\n", parent);
        else
            printf("real\n");
    }
    return 0;
}
