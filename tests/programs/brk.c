/* A heap that grows piece by piece. */
#include "check.h"

int main(int argc, char **argv)
{
    char *first = MUST(sbrk(0));
    for (int piece = 0; piece < 32; piece++) {
        char *at = sbrk(1 << 20);
        if (at == (void *)-1) {
            printf("after %ld bytes: %s\n", (long)((char *)sbrk(0) - first), strerror(errno));
            return 1;
        }
        memset(at, piece, 1 << 20);
    }
    puts("grown");
    fflush(stdout);
    if (argc == 1)
        execl(argv[0], argv[0], "again", (char *)NULL);
    puts("done");
    return 0;
}
