/* Calls at the edge of what the kernel takes: each is refused or made as natively. */
#include "check.h"
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* clone3 with a structure that is longer than any kernel knows. */
static void long_structure(long size, int rest)
{
    static char stack[65536] __attribute__((aligned(16)));
    static long words[1024];
    memset(words, 0, sizeof words);
    words[100] = rest;
    struct clone_args *arguments = (void *)words;
    arguments->flags = CLONE_VM | CLONE_VFORK;
    arguments->exit_signal = SIGCHLD;
    arguments->stack = (uintptr_t)stack;
    arguments->stack_size = sizeof stack;
    long result = SYS_clone3;
    __asm__ volatile("syscall; test %%rax, %%rax; jnz 1f\n\t"
                     "mov $60, %%eax; mov $5, %%edi; syscall\n"
                     "1:"
                     : "+a"(result)
                     : "D"(arguments), "S"(size)
                     : "rcx", "r11", "memory");
    if (result < 0)
        printf("clone3 of %ld bytes: %s\n", size, strerror(-result));
    else
        report("clone3", result);
}

int main(void)
{
    fflush(stdout);
    long_structure(1024, 0);
    long_structure(1024, 1);
    long_structure(4104, 0);

    /* A process that may call read, write, _exit and sigreturn, and nothing besides. */
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        syscall(SYS_exit, write(1, "strict\n", 7));
    }
    report("strict", child);

    /* A dup2 that fails leaves nothing at the number it names. */
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    int top = (int)(limit.rlim_cur < 5000 ? limit.rlim_cur : 5000), before = 0, after = 0;
    for (int fd = 0; fd < top; fd++)
        before += fcntl(fd, F_GETFD) >= 0;
    for (int fd = 0; fd < top; fd++) {
        CHECK(dup2(-1, fd) == -1 && errno == EBADF);
        if (fd > 2)
            CHECK(dup3(0, fd, 12345) == -1 && errno == EINVAL);
    }
    for (int fd = 0; fd < top; fd++)
        after += fcntl(fd, F_GETFD) >= 0;
    printf("open: %d more\n", after - before);
    return 0;
}
