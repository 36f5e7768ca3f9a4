/* A child in the memory of its parent traces it while that waits in a call, as a leak checker does: the stack and the
 * registers are the program's own. */
#include "check.h"
#include <elf.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Of a `struct user_regs_struct`. */
enum { WORDS = 27, SP = 19, PC = 16 };

static uintptr_t frame;
static int waits_in[2];
static char stack[65536] __attribute__((aligned(16)));

/* What is behind the last `mark` of a process's file in /proc; NULL where there is none. */
static const char *behind(pid_t pid, const char *file, char mark)
{
    static char text[512];
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/%s", pid, file);
    int fd = MUST(open(name, O_RDONLY));
    ssize_t length = MUST(read(fd, text, sizeof text - 1));
    close(fd);
    text[length] = 0;
    char *last = strrchr(text, mark);
    return last ? last + 1 : NULL;
}

static char state(pid_t pid)
{
    return behind(pid, "stat", ')')[1];
}

/* Where the kernel says that the call is made. */
static uintptr_t place(pid_t pid)
{
    const char *last = behind(pid, "syscall", ' ');
    return last ? strtoull(last, NULL, 16) : 0;
}

static void look(const char *way, const uintptr_t *regs, pid_t pid)
{
    uintptr_t sp = regs[SP];
    printf("%s: stack %s\n", way, sp < frame && sp > frame - 4096 ? "its own" : "another");
    printf("%s: place %s\n", way, regs[PC] == place(pid) ? "its own" : "another");
}

static int child(void *unused)
{
    (void)unused;
    pid_t parent = getppid();
    while (state(parent) != 'S')
        sched_yield();
    MUST(ptrace(PTRACE_ATTACH, parent, 0, 0));
    int status;
    CHECK(waitpid(parent, &status, __WALL) == parent && WIFSTOPPED(status));
    uintptr_t regs[WORDS] = {0}, more[WORDS] = {0};
    struct iovec part = {regs, sizeof regs};
    MUST(ptrace(PTRACE_GETREGSET, parent, NT_PRSTATUS, &part));
    CHECK(part.iov_len == sizeof regs);
    look("set", regs, parent);
    MUST(ptrace(PTRACE_GETREGS, parent, 0, more));
    look("all", more, parent);
    CHECK(!memcmp(regs, more, sizeof regs));
    /* A part of them has no stack pointer. */
    part.iov_len = 2 * sizeof *regs;
    MUST(ptrace(PTRACE_GETREGSET, parent, NT_PRSTATUS, &part));
    CHECK(part.iov_len == 2 * sizeof *regs);
    MUST(ptrace(PTRACE_DETACH, parent, 0, 0));
    CHECK(write(waits_in[1], "x", 1) == 1);
    return 0;
}

static void wait_in(const char *what, int (*call)(void))
{
    char here;
    frame = (uintptr_t)&here;
    printf("%s\n", what);
    fflush(stdout);
    MUST(pipe(waits_in));
    pid_t pid = MUST(clone(child, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, NULL));
    CHECK(call() == 1);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    close(waits_in[0]);
    close(waits_in[1]);
}

static int reads(void)
{
    char byte;
    return read(waits_in[0], &byte, 1);
}

static int polls(void)
{
    struct pollfd one = {.fd = waits_in[0], .events = POLLIN};
    sigset_t none;
    sigemptyset(&none);
    int ready;
    /* The tracer's stop ends a wait that has a mask. */
    while ((ready = ppoll(&one, 1, NULL, &none)) < 0 && errno == EINTR)
        ;
    return ready;
}

int main(void)
{
    wait_in("read", reads);
    wait_in("ppoll", polls);
    return 0;
}
