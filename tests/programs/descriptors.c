/* Which descriptors are open, and that every number can be used. */
#include "check.h"
#include <dirent.h>
#include <sys/resource.h>

static void listed(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        perror("/proc/self/fd");
        return;
    }
    int count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    printf("listed: %d\n", count - 2);
}

int main(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    printf("open:");
    for (int fd = 0; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf(" %d", fd);
    puts("");
    listed();
    printf("first free: %d\n", MUST(dup(0)));
    close(3);
    int top = (int)(limit.rlim_cur < 4096 ? limit.rlim_cur : 4096);
    for (int fd = 3; fd < top; fd++)
        if (dup2(0, fd) != fd) {
            printf("dup2 onto %d: %s\n", fd, strerror(errno));
            break;
        }
    for (int fd = 3; fd < top; fd++)
        if (close(fd) != 0) {
            printf("close %d: %s\n", fd, strerror(errno));
            break;
        }
    listed();
    CHECK(syscall(SYS_close_range, 3, ~0U, 0) == 0);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 12", (char *)0);
        _exit(1);
    }
    report("after close_range", child);
    return 0;
}
