/* What rt_sigreturn makes of a frame that the handler has changed: mask, vector state, alternate stack, flags,
   addresses; and frames that no kernel takes. */
#include "check.h"
#include <sys/mman.h>
#include <ucontext.h>

/* Behind the legacy area's registers: what the kernel says of its frame (struct _fpx_sw_bytes,
   arch/x86/include/uapi/asm/sigcontext.h). */
struct software {
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
};
#define SOFTWARE(state) ((struct software *)((char *)(state) + 464))
#define XSTATE_BV(state) ((uint64_t *)((char *)(state) + 512))

static const char *kind;
static char area[65536] __attribute__((aligned(64)));
static char *edge; /* readable up to here */
extern char landing[], resumed[];

static size_t length_of(void *state)
{
    return SOFTWARE(state)->magic1 == 0x46505853 ? SOFTWARE(state)->extended_size : 512;
}

/* Moves the vector state; what is behind it must come along. */
static void *moved(ucontext_t *u, char *to)
{
    void *state = u->uc_mcontext.fpregs;
    size_t length = length_of(state);
    memcpy(to, state, length);
    u->uc_mcontext.fpregs = (void *)to;
    return to;
}

static int is(const char *name) { return strcmp(kind, name) == 0; }

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    ucontext_t *u = context;
    greg_t *r = u->uc_mcontext.gregs;
    struct _libc_fpstate *state = u->uc_mcontext.fpregs;
    if (is("mask"))
        sigaddset(&u->uc_sigmask, SIGUSR2), sigaddset(&u->uc_sigmask, SIGTRAP);
    if (is("mask full"))
        memset(&u->uc_sigmask, -1, 8);
    if (is("vector"))
        state->_xmm[0].element[0] = 0x12345678, state->_xmm[15].element[3] = 0x9abcdef0;
    if (is("mxcsr"))
        state->mxcsr = 0x1f00, state->cwd = 0x27f;
    if (is("bad mxcsr"))
        state->mxcsr = 0xffffffff;
    if (is("no state"))
        u->uc_mcontext.fpregs = NULL;
    if (is("moved"))
        ((struct _libc_fpstate *)moved(u, area + 4096))->_xmm[3].element[1] = 7;
    if (is("moved by 8"))
        moved(u, area + 4104);
    if (is("unmapped state"))
        u->uc_mcontext.fpregs = (void *)16;
    if (is("state at an edge"))
        moved(u, edge - length_of(state));
    if (is("state beyond an edge")) {
        memcpy(edge - 64, state, 64);
        u->uc_mcontext.fpregs = (void *)(edge - 64);
    }
    if (is("legacy"))
        SOFTWARE(state)->magic1 = 0;
    if (is("no second magic"))
        *(uint32_t *)((char *)state + length_of(state) - 4) = 0;
    if (is("smaller"))
        SOFTWARE(state)->xstate_size = 576;
    if (is("larger"))
        SOFTWARE(state)->xstate_size = 1 << 20;
    if (is("initial vectors"))
        *XSTATE_BV(state) &= ~2ULL;
    if (is("no component"))
        *XSTATE_BV(state) = 0;
    if (is("unknown component"))
        *XSTATE_BV(state) |= 1ULL << 62;
    if (is("bad header"))
        XSTATE_BV(state)[3] = 1;
    if (is("stack"))
        u->uc_stack = (stack_t){.ss_sp = area, .ss_size = 32768};
    if (is("small stack"))
        u->uc_stack = (stack_t){.ss_sp = area, .ss_size = 16};
    if (is("bad stack flags"))
        u->uc_stack.ss_flags = 77;
    if (is("disarming stack"))
        u->uc_stack = (stack_t){.ss_sp = area, .ss_size = 32768, .ss_flags = 1 << 31};
    if (is("flags"))
        r[REG_EFL] |= 0x801 | 1 << 21;
    if (is("forbidden flags"))
        r[REG_EFL] |= 0x3000 | 1 << 17 | 1 << 14;
    if (is("registers"))
        r[REG_RBX] = 11, r[REG_R15] = 12, r[REG_RCX] = 13, r[REG_R11] = 14, r[REG_RAX] = 15;
    if (is("elsewhere"))
        r[REG_RIP] = (greg_t)landing;
    if (is("nowhere"))
        r[REG_RIP] = 8;
    if (is("not canonical"))
        r[REG_RIP] = 1LL << 62;
    if (is("no stack pointer"))
        r[REG_RSP] = 1LL << 62;
    if (is("code segment"))
        r[REG_CSGSFS] = (r[REG_CSGSFS] & ~0xffffLL) | 0x7f;
    if (is("null code segment"))
        r[REG_CSGSFS] &= ~0xffffLL;
    /* The frame itself elsewhere: rt_sigreturn finds it behind its return address. */
    char *to = NULL;
    if (is("another frame"))
        to = area + 16384;
    if (is("frame at an edge"))
        to = edge - 304;
    if (is("frame beyond an edge"))
        to = edge - 200;
    if (is("frame at 8"))
        to = (char *)8;
    if (is("frame not canonical"))
        to = (char *)(1ULL << 62);
    if (to) {
        if (to > (char *)8 && to < (char *)(1ULL << 47))
            memcpy(to, u, to + 304 > edge && to < edge ? edge - to : 304);
        __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::"r"(to) : "memory");
    }
}

static uint64_t general[5];
static struct {
    char legacy[512];
    char more[8192];
} after __attribute__((aligned(64)));
static char high[32] __attribute__((aligned(32)));
static char pattern[16][32] __attribute__((aligned(64)));

/* A signal to the caller between known registers. */
__attribute__((target("avx"), noinline)) static void once(void)
{
    for (int i = 0; i < 16; i++)
        memset(pattern[i], 16 * i + 3, 32);
    register long r10 __asm__("r10") = 0;
    __asm__ volatile("vmovdqa 0(%[p]), %%ymm0\n\tvmovdqa 96(%[p]), %%ymm3\n\tvmovdqa 480(%[p]), %%ymm15\n\t"
                     "mov $1, %%ebx\n\tmov $2, %%r15d\n\tcmp %%ebx, %%ebx\n\t"
                     "syscall\n\t"
                     "resumed: jmp 2f\n"
                     "landing: mov $99, %%ebx\n"
                     "2:\tpushfq\n\tmov %%rbx, 0(%[g])\n\tmov %%r15, 8(%[g])\n\tmov %%rax, 16(%[g])\n\t"
                     "pop 24(%[g])\n\t"
                     "fxsave64 (%[a])\n\tvmovdqa %%ymm3, (%[h])\n\tvzeroupper\n\tcld\n\tfninit"
                     : "+r"(r10)
                     : "a"(SYS_tgkill), "D"(getpid()), "S"(getpid()), "d"(SIGUSR1), [p] "r"(pattern),
                       [g] "r"(general), [a] "r"(&after), [h] "r"(high)
                     : "rbx", "r15", "rcx", "r11", "memory", "cc", "xmm0", "xmm3", "xmm15");
}

static void attempt(void)
{
    stack_t stack = {.ss_sp = area + 32768, .ss_size = 32768};
    MUST(sigaltstack(&stack, NULL));
    once();
    sigset_t mask;
    stack_t now;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaltstack(NULL, &now);
    struct _libc_fpstate *state = (void *)&after;
    printf("  rbx %lu r15 %lu rax %ld flags %lx\n", general[0], general[1], (long)general[2], general[3]);
    printf("  xmm0 %08x xmm3 %08x.%08x xmm15 %08x high %08x mxcsr %x control %x\n", state->_xmm[0].element[0],
           state->_xmm[3].element[0], state->_xmm[3].element[1], state->_xmm[15].element[3],
           *(uint32_t *)(high + 16), state->mxcsr, state->cwd);
    printf("  mask");
    for (int i = 1; i <= 64; i++)
        if (i != 32 && i != 33 && sigismember(&mask, i))
            printf(" %d", i);
    printf(", stack %ld flags %x size %zu\n", now.ss_sp ? (long)((char *)now.ss_sp - area) : -1, now.ss_flags,
           now.ss_size);
    /* Handlers and calls work afterwards. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    kind = "as it is";
    once();
    printf("  then rbx %lu rax %ld, %d\n", general[0], (long)general[2], close(-1));
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    static const char *const kinds[] = {
        "as it is", "mask", "mask full", "vector", "mxcsr", "bad mxcsr", "no state", "moved", "moved by 8",
        "unmapped state", "state at an edge", "state beyond an edge", "legacy", "no second magic", "smaller",
        "larger", "initial vectors", "no component", "unknown component", "bad header", "stack", "small stack",
        "bad stack flags", "disarming stack", "flags", "forbidden flags", "registers", "elsewhere", "nowhere",
        "not canonical", "no stack pointer", "code segment", "null code segment", "another frame",
        "frame at an edge", "frame beyond an edge", "frame at 8", "frame not canonical"};
    if (!__builtin_cpu_supports("avx")) {
        puts("no AVX");
        return 0;
    }
    edge = (char *)MUST(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + 32768;
    MUST(mprotect(edge, 32768, PROT_NONE));
    for (int onstack = 0; onstack < 2; onstack++) {
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | (onstack ? SA_ONSTACK : 0)};
        MUST(sigaction(SIGUSR1, &action, NULL));
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            kind = kinds[i];
            in_one(kind, attempt);
        }
    }
    return 0;
}
