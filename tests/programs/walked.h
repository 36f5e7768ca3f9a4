/* What walked programs note of themselves: the handlers all that they are shown, and what is left at the end. Linked
   statically, so that an address of the program is the same natively and under vload. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "marks.h"
#include "rawcall.h"

static char text[16384];
static volatile int used;
static char *base;
static volatile int handled, leave;
static sigjmp_buf out;
static ucontext_t elsewhere;
extern char __executable_start, etext;

/* Nothing here makes a call: what a handler runs is walked too. */
static void put(const char *string)
{
    while (*string && used < (int)sizeof text - 1) {
        text[used] = *string++;
        used++;
    }
}

static void number(unsigned long value, unsigned radix)
{
    char digits[24];
    int at = sizeof digits;
    digits[--at] = 0;
    do
        digits[--at] = "0123456789abcdef"[value % radix];
    while (value /= radix);
    put(digits + at);
}

static void signed_number(const char *name, long value)
{
    put(name);
    if (value < 0)
        put("-");
    number(value < 0 ? -value : value, 10);
}

/* An address of the program is the same in every run, one of the stack is not. */
static void word(const char *name, unsigned long value)
{
    put(name);
    if (value >= (unsigned long)&__executable_start && value < (unsigned long)&etext) {
        put("text+");
        value -= (unsigned long)&__executable_start;
    } else if (value - (unsigned long)base + 65536 < 131072) {
        put("sp+");
        value -= (unsigned long)base;
    }
    number(value, 16);
}

/* Where the registers are known. */
extern char window_start[], window_site[], window_end[], shaped_start[], shaped_site[], shaped_end[];

static void note(int signal, siginfo_t *info, ucontext_t *u)
{
    greg_t *r = u->uc_mcontext.gregs;
    signed_number("signal ", signal);
    signed_number(" code ", info->si_code);
    if (info->si_code == -1)
        signed_number(" value ", info->si_int);
    word(" pc ", r[REG_RIP]);
    word(" mask ", *(unsigned long *)&u->uc_sigmask);
    put(u->uc_stack.ss_flags == SS_DISABLE ? " nostack" : u->uc_stack.ss_flags ? " onstack" : " stack");
    unsigned long pc = r[REG_RIP];
    int wide = pc >= (unsigned long)window_start && pc <= (unsigned long)window_end;
    int shaped = pc >= (unsigned long)shaped_start && pc <= (unsigned long)shaped_end;
    if (wide || shaped) {
        static const struct { const char *name; int index; } all[] = {
            {" rax ", REG_RAX}, {" rbx ", REG_RBX}, {" rcx ", REG_RCX}, {" rdx ", REG_RDX},
            {" rsi ", REG_RSI}, {" rdi ", REG_RDI}, {" rbp ", REG_RBP}, {" rsp ", REG_RSP},
            {" r8 ", REG_R8},   {" r9 ", REG_R9},   {" r10 ", REG_R10}, {" r11 ", REG_R11},
            {" r12 ", REG_R12}, {" r13 ", REG_R13}, {" r14 ", REG_R14}, {" r15 ", REG_R15},
            {" flags ", REG_EFL},
        };
        /* At the site rcx and r11 are dead: the call is about to overwrite them (docs/limits.md). */
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
            if ((pc != (unsigned long)window_site && pc != (unsigned long)shaped_site) ||
                (all[i].index != REG_RCX && all[i].index != REG_R11))
                word(all[i].name, r[all[i].index]);
        struct _libc_fpstate *fp = u->uc_mcontext.fpregs;
        word(" mxcsr ", fp->mxcsr);
        for (int i = 0; i < 16; i += 5)
            word(" xmm ", fp->_xmm[i].element[0]);
    }
    put("\n");
}

/* What the handler was shown, and with what it runs. */
static void handler(int signal, siginfo_t *info, void *context)
{
    handled++;
    note(signal, info, context);
    unsigned long mask;
    __asm__ volatile("syscall"
                     : "=a"(mask)
                     : "a"(SYS_rt_sigprocmask), "D"(0), "S"(0), "d"(&mask), "r"(({
                           register long size __asm__("r10") = 8;
                           size;
                       }))
                     : "rcx", "r11", "memory");
    (void)mask;
    if (leave == 1)
        siglongjmp(out, 1);
    if (leave == 2)
        setcontext(&elsewhere);
}

static void quiet(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    handled += 100;
    if (leave)
        siglongjmp(out, 1);
}

static int flags_of_all;

static void handle(int signal, void (*with)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = with, .sa_flags = SA_SIGINFO | flags | flags_of_all};
    MUST(sigaction(signal, &action, NULL));
}

static const int kinds[] = {SIGUSR1, SIGUSR2, SIGSEGV, SIGTRAP, SIGSYS, SIGILL, SIGALRM};

static void handle_all(void (*with)(int, siginfo_t *, void *), int flags)
{
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        handle(kinds[i], with, flags);
    handle(SIGRTMIN, with, flags);
}

static void change_mask(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sigaddset(&set, kinds[i]);
    sigaddset(&set, SIGRTMIN);
    MUST(sigprocmask(how, &set, NULL));
}

/* A site that each of the shapes fits: behind a constant, before an instruction that can move, with padding in reach
   behind the `ret`. */
__asm__(".pushsection .text\n\t"
        ".balign 64, 0xcc\n\t"
        ".globl shaped_call\n\t.type shaped_call, @function\n"
        "shaped_call:\n\t"
        ".globl shaped_start\nshaped_start:\n\t"
        "mov $102, %eax\n\t"
        ".globl shaped_site\nshaped_site:\n\t"
        "syscall\n\t"
        "cmp $-4096, %rax\n\t"
        ".globl shaped_end\nshaped_end:\n\t"
        "ret\n\t"
        ".size shaped_call, . - shaped_call\n\t"
        ".balign 64, 0xcc\n\t"
        ".popsection");

/* One call with known values in all registers, everything walked. */
#define WINDOW(body)                                                                                          \
    __asm__ volatile(                                                                                         \
        "mov %%rsp, %[base]\n\t"                                                                              \
        "mov %%rbp, %[saved]\n\t"                                                                             \
        "mov $0x1111, %%ebx\n\tmov $0x3333, %%r8d\n\tmov $0x4444, %%r9d\n\t"                                 \
        "mov $0x5555, %%r12d\n\tmov $0x6666, %%r13d\n\tmov $0x7777, %%r14d\n\t"                              \
        "mov $0x8888, %%r15d\n\tmov $0x9999, %%ebp\n\t"                                                      \
        "movq %%rbx, %%xmm0\n\tmovq %%r12, %%xmm5\n\tmovq %%r13, %%xmm10\n\tmovq %%r14, %%xmm15\n\t"          \
        "xor %%ecx, %%ecx\n\txor %%r11d, %%r11d\n\tstc\n\t" body "mov %[saved], %%rbp\n\t"                  \
        : "=a"(result), [base] "+m"(base), [saved] "+m"(saved), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)          \
        : "0"(nr)                                                                                             \
        : "rbx", "rcx", "r8", "r9", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0", "xmm5",        \
          "xmm10", "xmm15")

static long window(long nr, long a, long b, long c, long d)
{
    long saved[2], result;
    register long r10 __asm__("r10") = d;
    WINDOW(BEGIN ".globl window_start\nwindow_start:\n\t"
                 "mov %%eax, %%eax\n\t"
                 ".globl window_site\nwindow_site:\n\t"
                 "syscall\n\t"
                 "mov %%r15, %%rbx\n\t"
                 ".globl window_end\nwindow_end:\n\t" END);
    return result;
}

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static void reap(long child)
{
    int status = -1;
    long got;
    while ((got = raw_call(SYS_wait4, child, (long)&status, 0)) == -EINTR)
        ;
    signed_number("child ", got == child);
    signed_number(" status ", status);
    put("\n");
}

/* The words behind the window's name say how signals are handled. */
static void read_flags(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        flags_of_all |= is(argv[i], "restart")   ? SA_RESTART
                        : is(argv[i], "reset")   ? (int)SA_RESETHAND
                        : is(argv[i], "nodefer") ? SA_NODEFER
                        : is(argv[i], "onstack") ? SA_ONSTACK
                                                 : 0;
    if (flags_of_all & SA_ONSTACK) {
        static char alternate[65536];
        MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL));
    }
}

/* What is left when the window has been passed. */
static void note_end(long result, char byte)
{
    signed_number("result ", result);
    signed_number(" handled ", handled);
    put(" byte ");
    text[used++] = byte;
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    word(" mask ", *(unsigned long *)&now);
    stack_t current;
    sigaltstack(NULL, &current);
    signed_number(" stack ", current.ss_flags);
    put("\n");
    if (write(1, text, used) != used)
        _exit(92);
}
