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

/* A thread that is started by clone(2) of the 32-bit table, whose last two arguments are the other way round. It
   shares the thread pointer, and so uses nothing of the C library. */
static volatile int started;

__attribute__((noreturn, used)) static void thread_main(void)
{
    long result;
    for (int i = 0; i < 100; i++)
        __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_close), "D"(-1) : "rcx", "r11", "memory");
    started = result == -EBADF ? 1 : 2;
    for (;;)
        __asm__ volatile("syscall" : : "a"(SYS_exit), "D"(0) : "rcx", "r11", "memory");
}

static void threads(char *low)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
    volatile int *told = (int *)low, *cleared = (int *)(low + 8);
    for (int round = 0; round < 20; round++) {
        long result;
        *cleared = 1;
        started = *told = 0;
        __asm__ volatile("int $0x80\n\ttest %%eax, %%eax\n\tjnz 1f\n\tcall thread_main\n1:"
                         : "=a"(result)
                         : "a"(120), "b"(flags), "c"(low + 8192), "d"(told), "S"(0), "D"(cleared)
                         : "memory");
        CHECK(result > 0);
        /* glibc's own wait would be for the thread's library state. */
        while (*cleared)
            syscall(SYS_futex, cleared, 0 /* FUTEX_WAIT */, *cleared, NULL, NULL, 0);
        CHECK(started == 1 && *told == result);
    }
    puts("threads");
}

int main(void)
{
    int wrong = 0;
    for (int i = 0; i < 100; i++)
        wrong += int80(20, 0, 0, 0) != getpid(); /* getpid */
    printf("wrong: %d\n", wrong);
    char *low = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    strcpy(low, "through the 32-bit table\n");
    fflush(stdout);
    CHECK(int80(4, 1, (long)low, strlen(low)) == (long)strlen(low)); /* write */
    CHECK(int80(6, 12345, 0, 0) == -EBADF);                            /* close */
    printf("high pointer: %ld\n", int80(4, 1, (long)&wrong, 4));
    threads(low);
    fflush(stdout);
    int child = (int)int80(120, SIGCHLD, 0, 0);
    if (child == 0)
        _exit(close(-1) == -1 ? 6 : 7);
    report("clone", child);
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
