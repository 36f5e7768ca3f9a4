/* Code that the program makes, a thousand times: written, made executable, called, and given back. */
#include "check.h"
#include <sys/mman.h>

/* mov $39,%eax; syscall; ret: getpid */
static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};

int main(void)
{
    enum { TIMES = 1000 };
    int right = 0;
    for (int i = 0; i < TIMES; i++) {
        unsigned char *memory =
            MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        memcpy(memory + i, code, sizeof code);
        MUST(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
        right += ((int (*)(void))(memory + i))() == getpid();
        MUST(munmap(memory, 4096));
    }
    printf("%d of %d\n", right, TIMES);
    return 0;
}
