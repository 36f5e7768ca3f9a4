/* A process whose threads wait in calls, looked at by another one as crash dumpers, profilers and leak checkers do: the
 * registers are the program's own, at the program's own instruction, and what is changed of them takes effect. */
#include "check.h"
#include <elf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

/* What a thread that waits has and gets. */
struct waiter {
    long fd, sp, result, after[6];
    char byte;
    atomic_int tid;
};

int wait_here(struct waiter *waiter);
extern char behind[];

__asm__(".pushsection .text\n"
        ".globl wait_here, behind\n"
        "wait_here:\n\t"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n\t"
        "movq %rsp, 8(%rdi)\n\t"
        "leaq 72(%rdi), %rsi\n\t"
        "movq 0(%rdi), %rdi\n\t"
        "movl $1, %edx\n\t"
        "movl $0x1010, %r10d; movl $0x1008, %r8d; movl $0x1009, %r9d\n\t"
        "movl $0x2001, %ebx; movl $0x2002, %ebp; movl $0x200c, %r12d\n\t"
        "movl $0x200d, %r13d; movl $0x200e, %r14d; movl $0x200f, %r15d\n\t"
        "xorl %eax, %eax\n\t"
        "syscall\n"
        "behind:\n\t"
        "movq (%rsp), %rdi\n\t"
        "movq %rax, 16(%rdi)\n\t"
        "movq %rbx, 24(%rdi); movq %rbp, 32(%rdi); movq %r12, 40(%rdi)\n\t"
        "movq %r13, 48(%rdi); movq %r14, 56(%rdi); movq %r15, 64(%rdi)\n\t"
        "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"
        "ret\n"
        ".popsection");

static struct waiter *waiters;
static int pipes[2][2];

/* What the tracer has a thread call. */
__attribute__((noinline)) static void twice(long number)
{
    long result = number * 2;
    __asm__ volatile("int3; .ascii \"returned\"" : : "a"(result));
    __builtin_unreachable();
}

__attribute__((noinline)) static void parent_of(long unused)
{
    (void)unused;
    long result = syscall(SYS_getppid);
    __asm__ volatile("int3; .ascii \"returned\"" : : "a"(result));
    __builtin_unreachable();
}

static void *waits(void *argument)
{
    struct waiter *waiter = argument;
    waiter->tid = gettid();
    for (int turn = 0; turn < 4; turn++)
        wait_here(waiter);
    return NULL;
}

/* Passes on a trap which is not that at the end of a function that a thread was made to call. */
static int passed_on(int tid, int status, int how)
{
    if (!WIFSTOPPED(status) || status >> 8 != SIGTRAP)
        return 0;
    long pc = ptrace(PTRACE_PEEKUSER, tid, offsetof(struct user_regs_struct, rip), 0);
    if (ptrace(PTRACE_PEEKTEXT, tid, pc, 0) == *(const long *)"returned")
        return 0;
    MUST(ptrace(how, tid, 0, SIGTRAP));
    return 1;
}

static int next_stop(int tid, int how)
{
    int status;
    do
        MUST(waitpid(tid, &status, __WALL));
    while (passed_on(tid, status, how));
    return status;
}

static void wait_until_asleep(struct waiter *waiter)
{
    for (char state = 0; state != 'S' || waiter->sp == 0;) {
        int status;
        if (waitpid(waiter->tid, &status, __WALL | WNOHANG) == waiter->tid)
            CHECK(passed_on(waiter->tid, status, PTRACE_CONT));
        sched_yield();
        char path[64], text[256] = {0};
        snprintf(path, sizeof path, "/proc/%d/stat", waiter->tid);
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        MUST(read(fd, text, sizeof text - 1));
        close(fd);
        char *end = strrchr(text, ')');
        state = end ? end[2] : 0;
    }
}

static void stop(struct waiter *waiter)
{
    wait_until_asleep(waiter);
    MUST(ptrace(PTRACE_INTERRUPT, waiter->tid, 0, 0));
    next_stop(waiter->tid, PTRACE_CONT);
}

/* What belongs to all that is known of a register's value. */
static void show(struct waiter *waiter)
{
    struct user_regs_struct r, again, part;
    int tid = waiter->tid;
    MUST(ptrace(PTRACE_GETREGS, tid, 0, &r));
    printf("rip behind%+ld, rcx %d, rsp %d, orig_rax %ld, rax %ld\n", (long)(r.rip - (unsigned long)behind), r.rcx == r.rip,
           (long)r.rsp == waiter->sp, (long)r.orig_rax, (long)r.rax);
    printf("rdi %d rsi %d rdx %llx r10 %llx r8 %llx r9 %llx\n", (long)r.rdi == waiter->fd, (char *)r.rsi == &waiter->byte, r.rdx,
           r.r10, r.r8, r.r9);
    printf("rbx %llx rbp %llx r12 %llx r13 %llx r14 %llx r15 %llx r11 %d\n", r.rbx, r.rbp, r.r12, r.r13, r.r14, r.r15,
           r.r11 == r.eflags);
    struct iovec whole = {&again, sizeof again}, some = {&part, 104};
    MUST(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &whole));
    MUST(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &some));
    printf("as a set %d, a part %d, %zu and %zu bytes\n", memcmp(&r, &again, sizeof r) == 0, memcmp(&r, &part, some.iov_len) == 0,
           whole.iov_len, some.iov_len);
    int same = 0;
    for (size_t at = 0; at < sizeof r; at += 8)
        same += ptrace(PTRACE_PEEKUSER, tid, at, 0) == *(long *)((char *)&r + at);
    printf("one by one %d\n", same);
    struct __ptrace_syscall_info info = {0};
    long size = MUST(ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info));
    printf("info %d: %d %d\n", size >= 24, info.instruction_pointer == r.rip, info.stack_pointer == r.rsp);
    /* Only what is asked for is written. */
    struct __ptrace_syscall_info little = {0};
    MUST(ptrace(PTRACE_GET_SYSCALL_INFO, tid, 12, &little));
    printf("of 12 bytes %d %d\n", little.stack_pointer == 0, (unsigned)little.instruction_pointer == (unsigned)r.rip);
}

static void change(struct waiter *waiter)
{
    struct user_regs_struct r;
    int tid = waiter->tid;
    MUST(ptrace(PTRACE_GETREGS, tid, 0, &r));
    r.rbx += 0x100;
    MUST(ptrace(PTRACE_SETREGS, tid, 0, &r));
    MUST(ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rbp), 0x2102));
    r.r12 += 0x100;
    r.r15 += 0x100;
    struct iovec part = {&r, offsetof(struct user_regs_struct, rbp)};
    MUST(ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &part));
    show(waiter);
}

static void go_on(struct waiter *waiter, int pipe)
{
    waiter->sp = 0;
    MUST(ptrace(PTRACE_CONT, waiter->tid, 0, 0));
    MUST(write(pipe, "x", 1));
    wait_until_asleep(waiter);
    printf("result %ld; %lx %lx %lx %lx %lx %lx\n", waiter->result, waiter->after[0], waiter->after[1], waiter->after[2],
           waiter->after[3], waiter->after[4], waiter->after[5]);
}

/* As `call` of a debugger's. */
static void have_called(struct waiter *waiter, void (*function)(long), long argument, long expected)
{
    struct user_regs_struct before, r;
    int tid = waiter->tid;
    MUST(ptrace(PTRACE_GETREGS, tid, 0, &before));
    r = before;
    r.rip = (unsigned long)function;
    r.rdi = (unsigned long)argument;
    r.rsp = ((r.rsp - 1024) & ~15ul) - 8;
    r.orig_rax = -1;
    MUST(ptrace(PTRACE_SETREGS, tid, 0, &r));
    MUST(ptrace(PTRACE_CONT, tid, 0, 0));
    int status = next_stop(tid, PTRACE_CONT);
    MUST(ptrace(PTRACE_GETREGS, tid, 0, &r));
    printf("called: %d, %d\n", WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, (long)r.rax == expected);
    MUST(ptrace(PTRACE_SETREGS, tid, 0, &before));
}

/* Says what the call is to return, where it leaves the kernel. */
static void replace_result(struct waiter *waiter, int pipe)
{
    struct user_regs_struct r;
    int tid = waiter->tid, written = 0;
    for (;;) {
        MUST(ptrace(PTRACE_SYSCALL, tid, 0, 0));
        if (!written)
            written = MUST(write(pipe, "x", 1));
        next_stop(tid, PTRACE_SYSCALL);
        MUST(ptrace(PTRACE_GETREGS, tid, 0, &r));
        if (r.rip == (unsigned long)behind && r.orig_rax == SYS_read && r.rax == 1)
            break;
    }
    r.rax = 4242;
    MUST(ptrace(PTRACE_SETREGS, tid, 0, &r));
    waiter->sp = 0;
    MUST(ptrace(PTRACE_CONT, tid, 0, 0));
    wait_until_asleep(waiter);
    printf("result %ld, rbx %lx\n", waiter->result, waiter->after[0]);
}

/* The same, without a trap, which would find signals blocked. */
__attribute__((noinline)) static void note(long number)
{
    waiters->after[1] = number * 2;
    for (;;)
        __asm__ volatile("pause");
}

/* Calls, one after the other; each is made, and returns what it should. */
static void calls(struct waiter *waiter)
{
    char path[4096];
    long length = MUST(readlink("/proc/self/exe", path, sizeof path));
    pid_t parent = getppid();
    for (;;) {
        struct sigaction action;
        if (readlink("/proc/self/exe", path, sizeof path) != length || syscall(SYS_getppid) != parent ||
            sigaction(SIGUSR1, NULL, &action) != 0)
            waiter->after[0]++;
        waiter->result++;
    }
}

/* A thread that makes calls is stopped anywhere, and made to call something else. */
static void interrupt(struct waiter *waiter)
{
    waiter->result = waiter->after[0] = 0;
    pid_t child = MUST(fork());
    if (child == 0)
        calls(waiter);
    MUST(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD));
    int called = 0;
    for (int turn = 0; turn < 100; turn++) {
        struct user_regs_struct before, r;
        int status;
        for (long seen = waiter->result; *(volatile long *)&waiter->result < seen + 3; sched_yield())
            if (waitpid(child, &status, __WALL | WNOHANG) == child)
                CHECK(passed_on(child, status, PTRACE_CONT));
        MUST(ptrace(PTRACE_INTERRUPT, child, 0, 0));
        next_stop(child, PTRACE_CONT);
        MUST(ptrace(PTRACE_GETREGS, child, 0, &before));
        r = before;
        r.rip = (unsigned long)note;
        r.rdi = (unsigned long)turn + 1;
        r.rsp = ((r.rsp - 1024) & ~15ul) - 8;
        r.orig_rax = -1;
        MUST(ptrace(PTRACE_SETREGS, child, 0, &r));
        MUST(ptrace(PTRACE_CONT, child, 0, 0));
        while (*(volatile long *)&waiter->after[1] != 2 * (turn + 1))
            sched_yield();
        called++;
        MUST(ptrace(PTRACE_INTERRUPT, child, 0, 0));
        next_stop(child, PTRACE_CONT);
        MUST(ptrace(PTRACE_SETREGS, child, 0, &before));
        MUST(ptrace(PTRACE_CONT, child, 0, 0));
    }
    MUST(kill(child, SIGKILL));
    MUST(waitpid(child, NULL, 0));
    printf("called %d, wrong %ld\n", called, waiter->after[0]);
}

int main(int count, char **words)
{
    (void)words;
    waiters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(waiters != MAP_FAILED);
    if (count > 1) {
        interrupt(&waiters[0]);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        MUST(pipe(pipes[i]));
        waiters[i].fd = pipes[i][0];
    }
    pid_t child = MUST(fork());
    if (child == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, waits, &waiters[1]) == 0);
        waits(&waiters[0]);
        pthread_join(thread, NULL);
        _exit(7);
    }
    for (int i = 0; i < 2; i++) {
        struct waiter *waiter = &waiters[i];
        while (!waiter->tid)
            sched_yield();
        MUST(ptrace(PTRACE_SEIZE, waiter->tid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD));
        stop(waiter);
        show(waiter);
        change(waiter);
        go_on(waiter, pipes[i][1]);
        stop(waiter);
        have_called(waiter, twice, 21, 42);
        go_on(waiter, pipes[i][1]);
        stop(waiter);
        have_called(waiter, parent_of, 0, getpid());
        replace_result(waiter, pipes[i][1]);
        stop(waiter);
        MUST(ptrace(PTRACE_DETACH, waiter->tid, 0, 0));
        MUST(write(pipes[i][1], "x", 1));
    }
    report("inspected", child);
    return 0;
}
