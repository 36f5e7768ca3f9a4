/* Performance events that send the thread a SIGTRAP: of its own memory and code, when they are
 * accessed or executed, and of a clock, in the midst of calls. What a call reads of its arguments
 * is the kernel's to read, and no access of the program's. */
#include "check.h"
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif

static volatile long watched;
static char path[16] __attribute__((aligned(8))) = "/dev/null";
static volatile int traps, others;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    traps++;
    others += info->si_code != TRAP_PERF;
}

static void handle(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGTRAP, &action, NULL);
}

static int event(unsigned type, unsigned long config, unsigned access, volatile void *address)
{
    struct perf_event_attr attr = {.size = sizeof attr, .type = type, .config = config};
    attr.exclude_kernel = 1;
    attr.remove_on_exec = 1;
    attr.sigtrap = 1;
    attr.sample_period = address ? 1 : 20000;
    if (address) {
        attr.bp_type = access;
        attr.bp_addr = (unsigned long)address;
        attr.bp_len = access == HW_BREAKPOINT_X ? sizeof(long) : HW_BREAKPOINT_LEN_4;
    }
    int descriptor = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (descriptor < 0)
        printf("no such event: %s\n", strerror(errno));
    return descriptor;
}

static void show(const char *what)
{
    printf("%s: %d traps, %d others\n", what, traps, others);
    traps = others = 0;
}

static __attribute__((noinline)) void executed(void)
{
    __asm__ volatile("" ::: "memory");
}

static void memory(void)
{
    int one = event(PERF_TYPE_BREAKPOINT, 0, HW_BREAKPOINT_RW, &watched);
    if (one < 0)
        return;
    watched = 3;
    show("store");
    (void)watched;
    show("load");
    for (int i = 0; i < 100; i++) {
        watched = i;
        getppid();
    }
    show("stores among calls");
    signal(SIGTRAP, SIG_IGN);
    watched = 4;
    handle();
    show("ignored");
    sigset_t trap, waiting;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    watched = 5;
    sigpending(&waiting);
    printf("blocked, pending: %d\n", sigismember(&waiting, SIGTRAP));
    show("blocked");
    sigprocmask(SIG_UNBLOCK, &trap, NULL);
    show("unblocked");
    close(one);
    watched = 6;
    show("closed");
}

static void arguments(void)
{
    struct stat status;
    char target[16];
    int one = event(PERF_TYPE_BREAKPOINT, 0, HW_BREAKPOINT_RW, path);
    if (one < 0)
        return;
    int file = open(path, O_WRONLY);
    CHECK(file >= 0);
    CHECK(stat(path, &status) == 0);
    CHECK(access(path, F_OK) == 0);
    CHECK(readlink(path, target, sizeof target) < 0);
    CHECK(write(file, path, sizeof path) == sizeof path);
    close(file);
    show("arguments");
    close(one);
}

static void code(void)
{
    int one = event(PERF_TYPE_BREAKPOINT, 0, HW_BREAKPOINT_X, (void *)executed);
    if (one < 0)
        return;
    executed();
    getppid();
    executed();
    show("executed");
    close(one);
}

static void clock_of_the_thread(void)
{
    int one = event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 0, NULL);
    if (one < 0)
        return;
    while (traps < 500) {
        struct stat status;
        syscall(SYS_getppid);
        CHECK(stat(path, &status) == 0);
    }
    ioctl(one, PERF_EVENT_IOC_DISABLE, 0);
    printf("clock: %d others\n", others);
    close(one);
}

int main(void)
{
    handle();
    memory();
    arguments();
    code();
    clock_of_the_thread();
    return 0;
}
