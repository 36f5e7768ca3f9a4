/* What a program has in its registers and flags at its first instruction. Without a C library: the first
   instruction is its own, and nothing relocates it. */
#include <sys/syscall.h>
#include "rawcall.h"

#if defined __x86_64__
enum { WRITE = 1, EXIT = 60 };
__asm__(".globl _start\n"
        "_start: pushfq\n\t"
        "pushq %rax; pushq %rbx; pushq %rcx; pushq %rdx; pushq %rsi; pushq %rdi; pushq %rbp\n\t"
        "pushq %r8; pushq %r9; pushq %r10; pushq %r11; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n\t"
        "movq %rsp, %rdi\n\t"
        "andq $-16, %rsp\n\t"
        "call show\n");
static const char names[][6] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9",  "r8",
                                    "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax", "flags"};
#else
enum { WRITE = 4, EXIT = 1 };
__asm__(".globl _start\n"
        "_start: pushfl\n\t"
        "pushl %eax; pushl %ebx; pushl %ecx; pushl %edx; pushl %esi; pushl %edi; pushl %ebp\n\t"
        "movl %esp, %eax\n\t"
        "andl $-16, %esp\n\t"
        "call show\n");
static const char names[][6] = {"ebp", "edi", "esi", "edx", "ecx", "ebx", "eax", "flags"};
#endif

static void say(const char *text)
{
    long length = 0;
    while (text[length])
        length++;
    raw_call(WRITE, 1, (long)text, length);
}

#if defined __i386__
__attribute__((regparm(1)))
#endif
__attribute__((used, noreturn)) void show(const unsigned long *values)
{
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char digits[2 * sizeof(long) + 2] = {0};
        for (unsigned at = 0; at < 2 * sizeof(long); at++)
            digits[at] = "0123456789abcdef"[values[i] >> (8 * sizeof(long) - 4 - 4 * at) & 15];
        digits[2 * sizeof(long)] = '\n';
        say(names[i]);
        say(" ");
        say(digits);
    }
    raw_call(EXIT, 0, 0, 0);
    __builtin_trap();
}
