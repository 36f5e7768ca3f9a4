/* A seccomp filter of the program's own that traps: where the signal says the call was, and that
 * the handler's answer is the call's result. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>

static volatile int traps, same, number;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    ucontext_t *u = context;
    traps++;
    number = info->si_syscall;
    same = info->si_call_addr == (void *)u->uc_mcontext.gregs[REG_RIP];
    int kept = (int)u->uc_mcontext.gregs[REG_RAX] == info->si_syscall;
    u->uc_mcontext.gregs[REG_RAX] = kept ? -4000 : -4001;
}

static void attempt(const char *what, long call)
{
    traps = same = number = 0;
    errno = 0;
    long result = syscall(call, -1, 0, 0, 0, 0, 0);
    int error = errno;
    printf("%s: %ld errno %d traps %d same %d number %d\n", what, result, error, traps, same, number);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGSYS, &action, NULL));
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlinkat, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    int file = MUST(open("/bin/true", O_RDONLY));
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    attempt("getppid", SYS_getppid);
    attempt("dup3", SYS_dup3);
    attempt("readlinkat", SYS_readlinkat);
    attempt("statx", SYS_statx);
    traps = 0;
    char *mapped = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    printf("mmap: %d, traps %d\n", mapped != MAP_FAILED && mapped[1] == 'E', traps);
    mapped = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 0);
    printf("mmap: %d, traps %d\n", mapped != MAP_FAILED && mapped[1] == 'E', traps);
    int opened = open("/dev/null", O_RDONLY);
    printf("open: %d, traps %d\n", opened >= 0, traps);
    fflush(stdout);
    return 0;
}
