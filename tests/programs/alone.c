/* A process that unmaps everything but its own text, data and stack, by nothing but system calls, and
 * goes on making them. */
#include "check.h"
#include "rawcall.h"
#include <sys/auxv.h>
#include <sys/rseq.h>

extern char __executable_start[], end[];

static long raw_call4(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

#define SAY(text) raw_call(SYS_write, 1, (long)(text), sizeof(text) - 1)

/* No libc below: its heap is gone. */
__attribute__((noinline, optimize("no-stack-protector"))) static void alone(unsigned long stack, unsigned long top)
{
    unsigned long first = (unsigned long)__executable_start & -4096ul;
    unsigned long last = ((unsigned long)end + 4095) & -4096ul;
    /* The kernel writes there whenever it likes. */
    char *thread = __builtin_thread_pointer();
    raw_call4(SYS_rseq, (long)(thread + __rseq_offset), 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
    long results[3];
    results[0] = raw_call(SYS_munmap, 0, first, 0);
    results[1] = raw_call(SYS_munmap, last, stack - last, 0);
    results[2] = raw_call(SYS_munmap, top, 0x7ffffffff000 - top, 0);
    if (results[0] || results[1] || results[2])
        SAY("not unmapped\n");
    long at = raw_call(SYS_brk, 0, 0, 0);
    if (raw_call(SYS_brk, at + 4096, 0, 0) == at + 4096)
        SAY("a heap\n");
    long child = raw_call(SYS_fork, 0, 0, 0);
    if (child == 0)
        raw_call(SYS_exit_group, 3, 0, 0);
    int status = 0;
    raw_call(SYS_wait4, child, (long)&status, 0);
    if (status == 3 << 8)
        SAY("a child\n");
    static char *words[] = { "/bin/echo", "executed", NULL };
    raw_call(SYS_execve, (long)words[0], (long)words, 0);
    SAY("not executed\n");
    raw_call(SYS_exit_group, 1, 0, 0);
}

int main(void)
{
    /* The stack: from some way below here to the page behind the last of its strings. */
    unsigned long last = getauxval(AT_EXECFN), here = (unsigned long)&last;
    unsigned long top = (last + strlen((char *)last) + 2 * 4096) & -4096ul;
    alone((here - 32 * 4096) & -4096ul, top);
    return 0;
}
