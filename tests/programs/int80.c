/* 32-bit system calls from 64-bit code: int $0x80 has other numbers and 32-bit arguments. */
#include "check.h"
#include <sys/mman.h>

static long int80(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory");
    return result;
}

int main(void)
{
    int wrong = 0;
    for (int i = 0; i < 100; i++)
        wrong += int80(20, 0, 0, 0) != getpid(); /* getpid */
    printf("wrong: %d\n", wrong);
    char *low = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    strcpy(low, "through the 32-bit table\n");
    fflush(stdout);
    CHECK(int80(4, 1, (long)low, strlen(low)) == (long)strlen(low)); /* write */
    CHECK(int80(6, 12345, 0, 0) == -EBADF);                            /* close */
    printf("high pointer: %ld\n", int80(4, 1, (long)&wrong, 4));
    /* What the kernel keeps: every register but eax. */
    unsigned long out[6];
    __asm__ volatile("mov $0x1111111111111111, %%r8\n\t"
                     "mov $0x2222222222222222, %%r9\n\t"
                     "mov $0x3333333333333333, %%r10\n\t"
                     "mov $0x4444444444444444, %%r11\n\t"
                     "mov $0x5555555555555555, %%rcx\n\t"
                     "mov $20, %%eax\n\t"
                     "int $0x80\n\t"
                     "mov %%r8, 0(%0)\n\tmov %%r9, 8(%0)\n\tmov %%r10, 16(%0)\n\t"
                     "mov %%r11, 24(%0)\n\tmov %%rcx, 32(%0)\n\t"
                     :
                     : "S"(out)
                     : "rax", "rcx", "r8", "r9", "r10", "r11", "memory");
    for (int i = 0; i < 5; i++)
        printf("register %d: %lx\n", i, out[i]);
    return 0;
}
