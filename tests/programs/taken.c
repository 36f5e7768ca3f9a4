/* A number that is closed in a process is neither taken out of it nor compared: not this one's, nor a child's. */
#include "check.h"

static void of_process(const char *name, pid_t pid)
{
    char is_open[4160] = { 0 };
    int closed[2] = { 0, 0 }, self = MUST(syscall(SYS_pidfd_open, pid, 0));
    for (int fd = 0; fd < 4160; fd++)
        is_open[fd] = fcntl(fd, F_GETFD) != -1;
    for (int fd = 1000; fd < 4160; fd++)
        if (!is_open[fd]) {
            closed[0] += syscall(SYS_pidfd_getfd, self, fd, 0) == -1;
            closed[1] += syscall(SYS_kcmp, pid, pid, 0, fd, 0) == -1 && syscall(SYS_kcmp, pid, pid, 0, 0, fd) == -1;
        }
    printf("%s: %d not taken, %d not compared, %s\n", name, closed[0], closed[1], strerror(errno));
    int taken = syscall(SYS_pidfd_getfd, self, 1, 0);
    long same = syscall(SYS_kcmp, pid, getpid(), 0, 1, taken);
    printf("one that is open: %d, as it is there: %ld\n", taken >= 0, same);
    close(taken);
    close(self);
}

int main(void)
{
    of_process("own", getpid());
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    of_process("child", child);
    kill(child, SIGKILL);
    report("child", child);
    return 0;
}
