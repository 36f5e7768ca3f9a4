/* Restartable sequences (rseq(2)) that signals interrupt: the kernel aborts them before a handler is shown where. */
#include "check.h"
#include <sys/rseq.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile unsigned long counter, added, handled, inside;
extern char sequence_start[], sequence_end[], sequence_abort[];

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    char *pc = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    inside += pc > sequence_start && pc < sequence_end;
    /* Lost, if the sequence goes on. */
    counter++;
    added++;
    close(-1);
    getppid();
    handled++;
}

/* Adds one to the counter in a sequence. 0: it was aborted. */
__attribute__((noinline)) static int add(struct rseq *area)
{
    int done = 0;
    __asm__ volatile(
        ".pushsection .data.rel.ro.sequences, \"aw\"\n\t"
        ".balign 32\n"
        "sequence: .long 0, 0\n\t"
        ".quad sequence_start, sequence_end - sequence_start, sequence_abort\n\t"
        ".popsection\n\t"
        "leaq sequence(%%rip), %%rax\n\t"
        "movq %%rax, %c[cs](%[area])\n"
        "sequence_start:\n\t"
        "movq counter(%%rip), %%rax\n\t"
        "movl $200, %%ecx\n"
        "1:\tdecl %%ecx\n\t"
        "jnz 1b\n\t"
        "incq %%rax\n\t"
        "movq %%rax, counter(%%rip)\n"
        "sequence_end:\n\t"
        "movl $1, %[done]\n\t"
        "jmp 2f\n\t"
        /* The signature (RSEQ_SIG), as an operand of ud1. */
        ".byte 0x0f, 0xb9, 0x3d\n\t"
        ".long 0x53053053\n"
        "sequence_abort:\n"
        "2:"
        : [done] "+r"(done)
        : [area] "r"(area), [cs] "i"(offsetof(struct rseq, rseq_cs))
        : "rax", "rcx", "memory", "cc");
    return done;
}

int main(void)
{
    if (__rseq_size == 0) {
        puts("none");
        return 0;
    }
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGALRM, &action, NULL));
    unsigned long done = 0, aborted = 0;
    while (handled < 500 || (aborted < 20 && handled < 5000)) {
        /* One after the other, soon or later: where calls take long, the program comes to its own work. */
        struct itimerval soon = {.it_value.tv_usec = 30 + (long)(handled % 20) * 50};
        unsigned long before = handled;
        setitimer(ITIMER_REAL, &soon, NULL);
        while (handled == before)
            if (add(area))
                done++;
            else
                aborted++;
    }
    printf("lost %ld, shown inside %lu\n", (long)(done + added - counter), inside);
    return 0;
}
