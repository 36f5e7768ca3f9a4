/* Handlers on a stack of their own, overflow of the main one among them. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>

static char *alternate;
static size_t alternate_size = 65536;
static sigjmp_buf back;
static volatile int on_alternate;

static void handler(int signal, siginfo_t *info, void *context)
{
    char local;
    (void)info;
    (void)context;
    on_alternate += &local >= alternate && &local < alternate + alternate_size;
    stack_t now;
    sigaltstack(NULL, &now);
    on_alternate += (now.ss_flags & SS_ONSTACK) != 0;
    syscall(SYS_getppid);
    if (signal == SIGSEGV)
        siglongjmp(back, 1);
}

static long overflow(long depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

int main(void)
{
    stack_t none;
    MUST(sigaltstack(NULL, &none));
    printf("at first: flags %x size %zu\n", none.ss_flags, none.ss_size);
    alternate = MUST(mmap(NULL, alternate_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    stack_t stack = {.ss_sp = alternate, .ss_size = alternate_size};
    MUST(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(sigaction(SIGSEGV, &action, NULL));
    raise(SIGUSR1);
    printf("raised: %d\n", on_alternate);
    on_alternate = 0;
    if (sigsetjmp(back, 1) == 0)
        overflow(0);
    printf("overflow: %d\n", on_alternate);
    stack_t after;
    MUST(sigaltstack(NULL, &after));
    printf("after: flags %x size %zu same %d\n", after.ss_flags, after.ss_size,
           after.ss_sp == alternate);
    stack_t small = {.ss_sp = alternate, .ss_size = 10};
    CHECK(sigaltstack(&small, NULL) == -1);
    printf("too small: %s\n", strerror(errno));
    return 0;
}
