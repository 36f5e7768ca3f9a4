/* System calls of which nothing but their own two bytes may be changed: a computed jump may lead to
 * every instruction of the function. The bytes behind each are the distance to a place behind the
 * program, but for the lowest. */
#include "check.h"
#include <sys/time.h>

#define FUNCTION(name, behind)                                                                    \
    __asm__(".text\n\t"                                                                           \
            ".globl " #name "\n.type " #name ", @function\n" #name ":\n\t"                        \
            ".cfi_startproc\n\t"                                                                  \
            "lea 1f(%rip), %rdx\n\t"                                                              \
            "imul $2, %rsi, %rsi\n\t"                                                             \
            "add %rsi, %rdx\n\t"                                                                  \
            "mov %edi, %eax\n\t"                                                                  \
            "jmp *%rdx\n"                                                                         \
            "1:\tsyscall\n\t"                                                                     \
            behind "\n\t"                                                                         \
            "ret\n\t"                                                                             \
            ".cfi_endproc\n\t"                                                                    \
            ".size " #name ", . - " #name "\n\t");                                                \
    long name(long number, long skips)

/* No padding is in reach of a short jump. */
#define DISTANCE                                                                                  \
    __asm__(".text\n\t"                                                                           \
            ".rept 64\n\tmov %rdi, %rax\n\t.endr\n\t"                                            \
            "ret\n\t")

DISTANCE;
/* 48 3d 00 f0 ff ff, and 48 3d 00 ff ff ff */
FUNCTION(compared, "cmp $-4096, %rax");
FUNCTION(compared_too, "cmp $-256, %rax");
/* add $0x40, %eax and sub $0x40, %eax */
FUNCTION(added, ".byte 0x05, 0x40, 0, 0, 0");
FUNCTION(subtracted, ".byte 0x2d, 0x40, 0, 0, 0");
DISTANCE;

static volatile sig_atomic_t ticks;

static void tick(int signal)
{
    (void)signal;
    ticks++;
}

int main(void)
{
    long own = getpid(), parent = getppid();
    for (int i = 0; i < 10; i++) {
        CHECK(compared(39, 0) == own);
        CHECK(compared_too(110, 0) == parent);
        CHECK(added(39, 0) == own + 0x40);
        CHECK(subtracted(110, 0) == parent - 0x40);
        /* What follows is still an instruction. */
        CHECK(compared(39, 1) == 39);
        CHECK(added(39, 1) == 39 + 0x40);
        CHECK(subtracted(110, 1) == 110 - 0x40);
    }
    /* The heap lies behind all that. */
    char *heap = sbrk(1 << 20);
    CHECK(heap != (char *)-1);
    memset(heap, 1, 1 << 20);
    CHECK(compared(39, 0) == own);

    /* A signal comes at any instruction, and leaves for it. */
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {{0, 200}, {0, 200}};
    MUST(setitimer(ITIMER_REAL, &often, NULL));
    while (ticks < 200) {
        CHECK(compared(39, 0) == own);
        CHECK(added(110, 0) == parent + 0x40);
    }
    return 0;
}
