/* A process that has unmapped all its memory, held by its tracer where it faults for that: what of it can be read. */
#include "check.h"
#include <sys/mman.h>
#include <sys/ptrace.h>

static void show(pid_t child, const char *file)
{
    char name[64], text[4096];
    snprintf(name, sizeof name, "/proc/%d/%s", child, file);
    int fd = MUST(open(name, O_RDONLY));
    ssize_t length = MUST(read(fd, text, sizeof text - 1));
    text[length] = 0;
    printf("%s:\n%s", file, text);
    close(fd);
}

/* The tracer continues it by `request`: one that stops at calls interrupts it there, and the kernel then writes to its
   area of rseq(2). */
static void emptied(int request)
{
    int status;
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        MUST(raise(SIGSTOP));
        munmap(NULL, 0x7ffffffff000);
        _exit(1);
    }
    int next = PTRACE_CONT;
    while (MUST(waitpid(child, &status, 0)), WIFSTOPPED(status) && WSTOPSIG(status) != SIGSEGV) {
        int signal = WSTOPSIG(status);
        if (signal == SIGSTOP) {
            MUST(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD));
            next = request;
        }
        /* The traps of sites are for who has made them. */
        MUST(ptrace(next, child, 0, signal == SIGTRAP ? SIGTRAP : 0));
    }
    show(child, "maps");
    show(child, "smaps_rollup");
    MUST(kill(child, SIGKILL));
    report("child", child);
}

int main(void)
{
    emptied(PTRACE_CONT);
    emptied(PTRACE_SYSCALL);
    return 0;
}
