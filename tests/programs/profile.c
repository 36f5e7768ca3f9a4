/* A profiling timer over a load of system calls: every context that a handler sees is in code of
 * the program or its libraries, and no call is lost, doubled or changed. */
#include "check.h"
#include "rawcall.h"
#include <dlfcn.h>
#include <link.h>
#include <sys/time.h>
#include <ucontext.h>

struct range {
    unsigned long start, end;
};
static struct range code[64];
static int ranges;
static volatile int signals, elsewhere;
static volatile unsigned long where;

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X &&
            ranges < 64) {
            unsigned long start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            code[ranges++] = (struct range){start, start + info->dlpi_phdr[i].p_memsz};
        }
    return 0;
}

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ucontext_t *interrupted = context;
#if defined(__x86_64__)
    unsigned long pc = interrupted->uc_mcontext.gregs[REG_RIP];
#elif defined(__i386__)
    unsigned long pc = interrupted->uc_mcontext.gregs[REG_EIP];
#elif defined(__aarch64__)
    unsigned long pc = interrupted->uc_mcontext.pc;
#else
    unsigned long pc = interrupted->uc_mcontext.__gregs[REG_PC];
#endif
    int known = 0;
    for (int i = 0; i < ranges; i++)
        known |= pc >= code[i].start && pc < code[i].end;
    if (!known) {
        elsewhere++;
        where = pc;
    }
    signals++;
    int kept = errno;
    syscall(SYS_getppid);
    errno = kept;
}

int main(void)
{
    dl_iterate_phdr(look, NULL);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    MUST(sigaction(SIGPROF, &action, NULL));
    MUST(sigaction(SIGALRM, &action, NULL));
    struct itimerval often = {.it_value = {.tv_usec = 500}, .it_interval = {.tv_usec = 500}};
    MUST(setitimer(ITIMER_PROF, &often, NULL));
    MUST(setitimer(ITIMER_REAL, &often, NULL));
    int ends[2];
    MUST(pipe(ends));
    int wrong = 0;
    long parent = getppid();
    long sent = 0, received = 0;
    /* Where a call takes long, as below a tracer, the signals are many long before the calls are. */
    for (int i = 0; (i < 400000 && signals < 2000) || signals < 100; i++) {
        wrong += raw_getppid() != parent;
        if (i % 16 == 0) {
            sent += i & 255;
            unsigned char byte = i & 255;
            if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
                wrong++;
            received += byte;
        }
        if (i % 64 == 0 && close(12345) != -1 && errno != EBADF)
            wrong++;
    }
    CHECK(signals >= 100);
    CHECK(sent == received);
    printf("wrong %d\n", wrong);
    if (elsewhere)
        printf("%d of %d contexts elsewhere, the last at %#lx\n", elsewhere, signals, where);
    return 0;
}
