/* A tracer and what it starts, by each way that one comes to trace its child: the calls that it sees from an
 * exec on, and what it finds at the exec's stop. argv[2] is the program; argv[1] says whether the tracer waits for
 * its child in a vfork, where a child that stops before its exec would stop both. */
#include "check.h"
#include <elf.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)

static char *const *program;
static int ready[2];

/* Each of these is a child that is to be traced from before its exec. */
static void asks(void)
{
    MUST(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    execv("/missing", program);
    execv(program[0], program);
    _exit(98);
}

static void is_told(void)
{
    char byte;
    MUST(read(ready[0], &byte, 1));
    execv("/missing", program);
    execv(program[0], program);
    _exit(98);
}

/* The word of the auxiliary vector that the kernel keeps. */
static unsigned long auxiliary(pid_t pid, unsigned long type)
{
    char name[64];
    unsigned long pair[2] = {0, 0};
    snprintf(name, sizeof name, "/proc/%d/auxv", pid);
    int fd = open(name, O_RDONLY);
    if (fd < 0)
        return 0;
    while (read(fd, pair, sizeof pair) == sizeof pair && pair[0] != type)
        ;
    close(fd);
    return pair[0] == type ? pair[1] : 0;
}

/* What a debugger looks at to find the program in memory: the file's entry, by the auxiliary vector. */
static void found(pid_t pid)
{
    char name[64], path[4096] = "";
    snprintf(name, sizeof name, "/proc/%d/exe", pid);
    ssize_t length = readlink(name, path, sizeof path - 1);
    printf("  exec of %s\n", length < 0 ? strerror(errno) : path);
    Elf64_Ehdr head;
    int fd = MUST(open(program[0], O_RDONLY));
    CHECK(read(fd, &head, sizeof head) == sizeof head);
    close(fd);
    unsigned long entry = auxiliary(pid, AT_ENTRY);
    CHECK(length < 0 || entry % 4096 == head.e_entry % 4096);
}

/* Follows the child to its end. Its signals are passed on unseen: a trap of vload's in the program that has
 * not executed yet is one. */
static void follow(pid_t pid)
{
    int status, shown = 0, executed = 0;
    long deliver = 0;
    for (;;) {
        MUST(ptrace(PTRACE_SYSCALL, pid, 0, deliver));
        MUST(waitpid(pid, &status, 0));
        deliver = 0;
        if (!WIFSTOPPED(status))
            break;
        int signal = WSTOPSIG(status), event = status >> 16;
        struct __ptrace_syscall_info call;
        if (event == PTRACE_EVENT_EXEC) {
            executed = 1;
            found(pid);
        } else if (event) {
            /* The stop that PTRACE_INTERRUPT has made. */
        } else if (signal == (SIGTRAP | 0x80)) {
            MUST(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call));
            if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
                shown |= call.entry.nr == SYS_execve || call.entry.nr == SYS_execveat;
                if (shown)
                    printf("  call %llu\n", (unsigned long long)call.entry.nr);
            } else if (shown && call.exit.is_error) {
                printf("  failed: %s\n", strerror(-(int)call.exit.rval));
                shown = executed;
            }
        } else {
            deliver = signal;
        }
    }
    printf("  ended %x\n", status);
}

static void asked(const char *name, pid_t child)
{
    printf("%s\n", name);
    int status;
    MUST(waitpid(child, &status, 0));
    /* A trap of vload's may come before the stop. */
    while (WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP) {
        MUST(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)));
        MUST(waitpid(child, &status, 0));
    }
    MUST(ptrace(PTRACE_SETOPTIONS, child, 0, OPTIONS));
    follow(child);
}

static pid_t start(void (*run)(void))
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0)
        run();
    return child;
}

/* Whether a child that is not traced is one of vload's is in the log. */
static void another(const char *name)
{
    printf("%s\n", name);
    fflush(stdout);
    pid_t child = MUST(vfork());
    if (child == 0) {
        execv(program[0], program);
        _exit(98);
    }
    report(name, child);
}

static void forks(void)
{
    asked("asks", start(asks));

    pid_t child = start(is_told);
    printf("is seized\n");
    MUST(ptrace(PTRACE_SEIZE, child, 0, OPTIONS));
    MUST(ptrace(PTRACE_INTERRUPT, child, 0, 0));
    MUST(waitpid(child, NULL, 0));
    MUST(write(ready[1], "", 1));
    follow(child);

    child = start(is_told);
    printf("is attached to\n");
    MUST(ptrace(PTRACE_ATTACH, child, 0, 0));
    MUST(waitpid(child, NULL, 0));
    MUST(ptrace(PTRACE_SETOPTIONS, child, 0, OPTIONS));
    MUST(write(ready[1], "", 1));
    follow(child);

    child = start(is_told);
    printf("is let go again\n");
    MUST(ptrace(PTRACE_SEIZE, child, 0, OPTIONS));
    MUST(ptrace(PTRACE_INTERRUPT, child, 0, 0));
    MUST(waitpid(child, NULL, 0));
    MUST(ptrace(PTRACE_DETACH, child, 0, 0));
    MUST(write(ready[1], "", 1));
    report("let go", child);
}

/* As gdb starts its program: the child is in the tracer's memory until its exec. */
static void vforks(void)
{
    printf("asks in a vfork\n");
    fflush(stdout);
    pid_t child = MUST(vfork());
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(program[0], program);
        _exit(98);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    while (WIFSTOPPED(status)) {
        MUST(ptrace(PTRACE_CONT, child, 0, 0));
        MUST(waitpid(child, &status, 0));
    }
    printf("  ended %x\n", status);
}

int main(int argc, char **argv)
{
    (void)argc;
    program = argv + 2;
    MUST(pipe2(ready, O_CLOEXEC));
    if (strcmp(argv[1], "vfork") == 0)
        vforks();
    else
        forks();
    another("is not traced");
    return 0;
}
