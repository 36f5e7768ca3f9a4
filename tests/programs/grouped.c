/* Children that begin in another control group (CLONE_INTO_CGROUP), with memory of their own and with ours. The
   argument is where cgroup2 is mounted, if it can be. */
#include "check.h"
#include <linux/sched.h>
#include <sys/stat.h>

static char group[128];

/* Whether the caller is in the group. */
static int is_there(void)
{
    char text[4096];
    int fd = open("/proc/self/cgroup", O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return strstr(text, strrchr(group, '/')) != NULL;
}

int main(int argc, char **argv)
{
    static const unsigned long flags[] = {0, CLONE_VFORK | CLONE_VM, CLONE_VFORK};
    static int index;
    snprintf(group, sizeof group, "%s/vload-test-%d", argc > 1 ? argv[1] : ".", getpid());
    mkdir(group, 0755);
    int fd = open(group, O_RDONLY | O_DIRECTORY);
    for (index = 0; index < 3; index++) {
        struct clone_args args = {.flags = CLONE_INTO_CGROUP | flags[index], .exit_signal = SIGCHLD,
                                  .cgroup = (uint64_t)fd};
        pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
        if (child == 0)
            _exit(is_there() ? 5 : 6);
        if (child < 0)
            printf("clone3: %s\n", strerror(errno));
        else
            report("child", child);
    }
    printf("parent: %d\n", is_there());
    rmdir(group);
    return 0;
}
