/* Alternate stacks: what a frame says of them, and frames that do not fit. */
#include "check.h"
#include <sys/mman.h>
#include <ucontext.h>

static volatile int depth;
static char *alternate;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)info;
    ucontext_t *u = context;
    char local;
    stack_t now;
    sigaltstack(NULL, &now);
    printf("depth %d: frame flags %x size %zu same %d; now flags %x size %zu; on it %d\n", depth,
           u->uc_stack.ss_flags, u->uc_stack.ss_size, u->uc_stack.ss_sp == alternate, now.ss_flags,
           now.ss_size, &local >= alternate && &local < alternate + 65536);
    depth++;
    if (depth == 1)
        raise(signal);
    depth--;
}

static void once(const char *what, stack_t *stack)
{
    puts(what);
    if (stack)
        MUST(sigaltstack(stack, NULL));
    raise(SIGUSR1);
    stack_t now;
    sigaltstack(NULL, &now);
    printf("after: flags %x size %zu\n", now.ss_flags, now.ss_size);
}

static volatile int filled;
static void quiet(int signal) { (void)signal; filled++; }

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    alternate = MUST(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    MUST(sigaction(SIGUSR1, &action, NULL));
    once("none", NULL);
    once("plain", &(stack_t){.ss_sp = alternate, .ss_size = 65536});
    once("onstack", &(stack_t){.ss_sp = alternate, .ss_size = 65536, .ss_flags = SS_ONSTACK});
    once("autodisarm", &(stack_t){.ss_sp = alternate, .ss_size = 65536, .ss_flags = 1 << 31});
    once("disabled", &(stack_t){.ss_flags = SS_DISABLE});
    /* A frame larger than the stack kills, and writes nothing below it. */
    for (int wanted = 0; wanted < 2; wanted++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            struct sigaction simple = {.sa_handler = quiet, .sa_flags = SA_ONSTACK};
            sigaction(SIGUSR1, &simple, NULL);
            stack_t small = {.ss_sp = alternate + 32768, .ss_size = 2048};
            MUST(sigaltstack(&small, NULL));
            if (wanted)
                syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
            else
                raise(SIGUSR1);
            int dirty = 0;
            for (int i = 0; i < 32768; i++)
                dirty += alternate[i] != 0;
            _exit(dirty ? 77 : 0);
        }
        report("small", child);
    }
    return 0;
}
