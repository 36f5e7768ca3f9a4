/* readlink writes as many bytes as the link has, and none behind them. */
#include "check.h"
#include <sys/syscall.h>

static void show(const char *name, size_t room)
{
    char target[8192];
    memset(target, '#', sizeof target);
    long length = syscall(SYS_readlinkat, AT_FDCWD, name, target, room);
    int behind = 0;
    for (size_t i = length < 0 ? 0 : length; i < sizeof target; i++)
        behind += target[i] != '#';
    printf("%s, room %zu: %ld %.*s, %d bytes behind\n", name, room, length, length < 0 ? 0 : (int)length, target,
           behind);
    if (length < 0)
        printf("%s\n", strerror(errno));
}

int main(void)
{
    const char *const names[] = {"/proc/self/exe", "/proc/thread-self/exe", "/proc/self/cwd", "exe", ""};
    const size_t rooms[] = {8192, 100, 4, 1, 0, -1};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof rooms / sizeof *rooms; j++)
            show(names[i], rooms[j]);
    CHECK(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", 8, 100) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_readlinkat, AT_FDCWD, 8, 8, 100) == -1 && errno == EFAULT);
    return 0;
}
