/* Calls that look at their flags, and whether two numbers are one, before they look for the descriptor. */
#include "check.h"
#include <sys/mman.h>

#define MOST 4160

static char open_here[MOST];

/* What a call says of each number that is closed, as often as it says it. */
#define COUNT(name, call)                                                             \
    do {                                                                              \
        int counts[4] = { 0 };                                                        \
        for (int fd = 0; fd < MOST; fd++)                                             \
            if (!open_here[fd]) {                                                     \
                errno = 0;                                                            \
                counts[(call) != -1 ? 0 : errno == EINVAL ? 1 : errno == EBADF ? 2 : 3]++; \
            }                                                                         \
        printf("%s: done %d, EINVAL %d, EBADF %d, other %d\n", name, counts[0], counts[1], counts[2], counts[3]); \
    } while (0)

int main(void)
{
    for (int fd = 0; fd < MOST; fd++)
        open_here[fd] = fcntl(fd, F_GETFD) != -1;
    COUNT("dup2 onto itself", dup2(fd, fd));
    COUNT("dup3 onto itself", syscall(SYS_dup3, fd, fd, 0));
    COUNT("dup3 with wrong flags", syscall(SYS_dup3, fd, 5, 1));
    COUNT("dup3 onto one that is open", syscall(SYS_dup3, fd, 0, 0));
    COUNT("close_range", syscall(SYS_close_range, fd, fd, 0));
    COUNT("close_range with wrong flags", syscall(SYS_close_range, fd, fd, 64));
    COUNT("close_range that ends before it begins", syscall(SYS_close_range, fd, fd - 1, 0));
    COUNT("close_range of a table of its own", syscall(SYS_close_range, fd, fd, 2 /* CLOSE_RANGE_UNSHARE */));
    /* What a refused call has not closed is what it was. */
    int maps = MUST(open("/proc/self/maps", O_RDONLY));
    CHECK(syscall(SYS_close_range, maps, ~0u, 64) == -1 && errno == EINVAL);
    static char text[65536];
    int length = 0, got;
    while ((got = (int)read(maps, text + length, sizeof text - 1 - length)) > 0)
        length += got;
    int segments = 0, shared = 0;
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        segments += strstr(line, "unopened") != NULL && strstr(line, "unopened") < strchr(line, '\n');
        shared += line[strcspn(line, " ") + 4] == 's';
    }
    printf("maps: %d of the program, %d shared\n", segments > 0, shared);
    return 0;
}
