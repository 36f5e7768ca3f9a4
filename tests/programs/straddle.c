/* System calls whose two bytes lie in two pages, and at either end of one. */
#include "check.h"

__asm__(".text\n\t"
        ".balign 4096\n\t"
        ".skip 4094 - 5, 0x90\n"
        ".globl ends_page\n.type ends_page, @function\nends_page:\n\t"
        "mov $39, %eax\n\t"
        "syscall\n\t"
        "ret\n\t"
        ".size ends_page, . - ends_page\n\t"
        ".balign 4096\n\t"
        ".skip 4095 - 5, 0x90\n"
        ".globl straddles\n.type straddles, @function\nstraddles:\n\t"
        "mov $39, %eax\n\t"
        "syscall\n\t"
        "ret\n\t"
        ".size straddles, . - straddles\n\t"
        ".balign 4096\n\t"
        ".skip 4096 - 5, 0x90\n"
        ".globl begins_page\n.type begins_page, @function\nbegins_page:\n\t"
        "mov $39, %eax\n\t"
        "syscall\n\t"
        "ret\n\t"
        ".size begins_page, . - begins_page\n\t"
        ".balign 4096\n\t"
        ".skip 4095, 0x90\n"
        ".globl alone\n.type alone, @function\nalone:\n\t"
        "syscall\n\t"
        "ret\n\t"
        ".size alone, . - alone\n\t"
        /* The call is the target of a branch of its own. */
        ".globl branched\n.type branched, @function\nbranched:\n\t"
        "mov $39, %eax\n\t"
        "test %edi, %edi\n\t"
        "jz 1f\n\t"
        "mov $110, %eax\n"
        "1:\tsyscall\n\t"
        "cmp $-4095, %rax\n\t"
        "jae 1b\n\t"
        "ret\n\t"
        ".size branched, . - branched\n");

long ends_page(void), straddles(void), begins_page(void), branched(int);
void alone(void);

static long call_alone(long number)
{
    long result;
    __asm__ volatile("call alone" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

int main(void)
{
    long own = getpid(), parent = getppid();
    for (int i = 0; i < 10; i++) {
        CHECK(ends_page() == own);
        CHECK(straddles() == own);
        CHECK(begins_page() == own);
        CHECK(call_alone(SYS_getpid) == own);
        CHECK(call_alone(SYS_getppid) == parent);
        CHECK(branched(0) == own);
        CHECK(branched(1) == parent);
    }
    puts("called");
    return 0;
}
