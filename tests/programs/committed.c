/* A restartable sequence (rseq(2)) that ends where a call begins: until its last instruction the kernel aborts it. */
#include "check.h"
#include <sys/rseq.h>
#include <sys/time.h>

static volatile unsigned counter, added, handled;

static void handler(int signal)
{
    (void)signal;
    /* Lost, if the sequence goes on. */
    counter++;
    added++;
    handled++;
}

/* Adds one to the counter in a sequence, and makes a call right behind it. 0: it was aborted. */
__attribute__((noinline)) static int add(struct rseq *area)
{
    int done = 0;
    long result = SYS_getppid;
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n\t"
        ".balign 32\n"
        "1: .long 0, 0\n\t"
        ".quad 2f, 3f - 2f, 4f\n\t"
        ".popsection\n\t"
        "leaq 1b(%%rip), %%rcx\n\t"
        "movq %%rcx, %c[cs](%[area])\n"
        "2:\n\t"
        "movl (%[counter]), %%r8d\n\t"
        "incl %%r8d\n\t"
        "xorl %%edx, %%edx\n\t"
        "movl %%r8d, %%ecx\n\t"
        /* The labels have no symbols, which would be named. This takes long, so that many signals come behind it. */
        "mfence\n\t"
        "movl %%ecx, (%[counter])\n"
        "3:\n\t"
        "syscall\n\t"
        "movl $1, %[done]\n\t"
        "jmp 4f\n\t"
        /* The signature (RSEQ_SIG), as an operand of ud1. */
        ".byte 0x0f, 0xb9, 0x3d\n\t"
        ".long 0x53053053\n"
        "4:"
        : [done] "+r"(done), "+a"(result)
        : [area] "r"(area), [cs] "i"(offsetof(struct rseq, rseq_cs)), [counter] "D"(&counter)
        : "rcx", "rdx", "r8", "r11", "memory", "cc");
    return done;
}

int main(void)
{
    if (__rseq_size == 0) {
        puts("none");
        return 0;
    }
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    MUST(signal(SIGALRM, handler) == SIG_ERR ? -1 : 0);
    unsigned done = 0, aborted = 0;
    while (handled < 500 || (aborted < 20 && handled < 5000)) {
        /* One after the other, soon or later: where calls take long, the program comes to its own work. */
        struct itimerval soon = {.it_value.tv_usec = 30 + (long)(handled % 20) * 50};
        unsigned before = handled;
        setitimer(ITIMER_REAL, &soon, NULL);
        while (handled == before)
            if (add(area))
                done++;
            else
                aborted++;
    }
    printf("lost %d\n", (int)(done + added - counter));
    return 0;
}
