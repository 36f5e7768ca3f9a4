/* Where the heap of a program without an interp lies that asks for more than a page's alignment: in an area of its own, and
   the program among the mappings, so that they never meet (load_elf_binary, fs/binfmt_elf.c, since Linux 6.10). */
#include "check.h"

static char aligned[70000] __attribute__((aligned(65536)));

int main(int argc, char **argv)
{
    char *heap = MUST(sbrk(0));
    CHECK((uintptr_t)aligned % 65536 == 0);
    puts(heap < aligned ? "the heap lies below the program" : "the heap lies behind the program");
    memset(MUST(sbrk(16 << 20)), 1, 16 << 20);
    fflush(stdout);
    if (argc == 1)
        execl(argv[0], argv[0], "again", (char *)NULL);
    puts("done");
    return 0;
}
