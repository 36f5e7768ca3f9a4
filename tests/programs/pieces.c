/* Reads a text of /proc into several places, some of which have no room, from a description that others share. */
#include "check.h"
#include <sys/uio.h>

int main(void)
{
    char text[64], same[64];
    for (int shared = 0; shared < 2; shared++) {
        int file = MUST(open("/proc/self/maps", O_RDONLY));
        int copy = shared ? MUST(dup(file)) : -1;
        struct iovec places[] = { { text, 0 }, { text, 10 }, { text + 10, 0 }, { text + 10, 5 }, { text, 0 } };
        printf("%ld\n", (long)readv(file, places, 5));
        printf("at %ld\n", (long)lseek(file, 0, SEEK_CUR));
        CHECK(pread(file, same, 15, 0) == 15 && memcmp(text, same, 15) == 0);
        printf("%ld\n", (long)preadv(file, places, 5, 3));
        CHECK(memcmp(text, same + 3, 12) == 0);
        printf("%ld\n", (long)readv(file, places, 1));
        printf("%ld\n", (long)read(file, text, 0));
        printf("at %ld\n", (long)lseek(file, 0, SEEK_CUR));
        close(file);
        close(copy);
    }
    return 0;
}
