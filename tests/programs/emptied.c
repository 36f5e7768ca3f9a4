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

static pid_t emptied(void)
{
    int status;
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
        munmap(NULL, 0x7ffffffff000);
        _exit(1);
    }
    /* The traps of sites are for who has made them. */
    while (MUST(waitpid(child, &status, 0)), WIFSTOPPED(status) && WSTOPSIG(status) != SIGSEGV)
        MUST(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)));
    return child;
}

static int is_empty(pid_t child)
{
    char name[64], text[4096] = "";
    snprintf(name, sizeof name, "/proc/%d/maps", child);
    int fd = MUST(open(name, O_RDONLY));
    MUST(read(fd, text, sizeof text - 1));
    close(fd);
    return !strstr(text, " rw-p ");
}

int main(void)
{
    pid_t child = emptied();
    /* Rarely two pages of vload's are shown under a layer (docs/limits.md). */
    for (int i = 0; i < 5 && !is_empty(child); i++) {
        MUST(kill(child, SIGKILL));
        MUST(waitpid(child, NULL, 0));
        child = emptied();
    }
    show(child, "maps");
    show(child, "smaps_rollup");
    MUST(kill(child, SIGKILL));
    report("child", child);
    return 0;
}
