/* What a system call must not change: the red zone, flags, and every register but rax, rcx and
 * r11 (x86-64 psABI, A.2.1). */
#include "check.h"
#include <cpuid.h>

struct registers {
    unsigned long rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
    unsigned long red_zone[16];
};

/* Fills registers and red zone with patterns, calls `number`, and stores what is left. */
__attribute__((naked, noinline)) static void general(struct registers *out, long number)
{
    (void)out;
    (void)number;
    __asm__("push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n\t"
            "push %rdi\n\t"
            "mov %rsi, %rax\n\t"
            ".set i, 1\n\t"
            ".rept 16\n\t"
            "movq $(0x1000 + i), -8*i(%rsp)\n\t"
            ".set i, i+1\n\t"
            ".endr\n\t"
            "mov $0x101, %rbx; mov $0x102, %rdx; mov $0x103, %rsi; mov $0x104, %rdi\n\t"
            "mov $0x105, %rbp; mov $0x106, %r8; mov $0x107, %r9; mov $0x108, %r10\n\t"
            "mov $0x10c, %r12; mov $0x10d, %r13; mov $0x10e, %r14; mov $0x10f, %r15\n\t"
            /* carry, parity, adjust, zero, sign, overflow, set by popping them, above the red zone */
            "lea -128(%rsp), %rsp\n\t"
            "pushq $0x8d7\n\t"
            "popfq\n\t"
            "lea 128(%rsp), %rsp\n\t"
            "syscall\n\t"
            "lea -128(%rsp), %rsp\n\t"
            "pushfq\n\t"
            "pop %rcx\n\t"
            "lea 128(%rsp), %rsp\n\t"
            "mov (%rsp), %r11\n\t"
            "mov %rax, 0(%r11); mov %rbx, 8(%r11); mov %rdx, 24(%r11); mov %rsi, 32(%r11)\n\t"
            "mov %rdi, 40(%r11); mov %rbp, 48(%r11); mov %r8, 56(%r11); mov %r9, 64(%r11)\n\t"
            "mov %r10, 72(%r11); mov %r12, 88(%r11); mov %r13, 96(%r11); mov %r14, 104(%r11)\n\t"
            "mov %r15, 112(%r11); mov %rcx, 120(%r11)\n\t"
            ".set i, 1\n\t"
            ".rept 16\n\t"
            "mov -8*i(%rsp), %rax\n\t"
            "mov %rax, (120 + 8*i)(%r11)\n\t"
            ".set i, i+1\n\t"
            ".endr\n\t"
            "pop %rdi\n\t"
            "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"
            "cld\n\t"
            "ret");
}

__attribute__((target("avx"), noinline)) static int vectors_kept(long number)
{
    static unsigned char before[16][32], after[16][32];
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 32; j++)
            before[i][j] = (unsigned char)(i * 32 + j);
    long result = number;
    __asm__ volatile(
        "vmovdqu 0(%1), %%ymm0; vmovdqu 32(%1), %%ymm1; vmovdqu 64(%1), %%ymm2\n\t"
        "vmovdqu 96(%1), %%ymm3; vmovdqu 128(%1), %%ymm4; vmovdqu 160(%1), %%ymm5\n\t"
        "vmovdqu 192(%1), %%ymm6; vmovdqu 224(%1), %%ymm7; vmovdqu 256(%1), %%ymm8\n\t"
        "vmovdqu 288(%1), %%ymm9; vmovdqu 320(%1), %%ymm10; vmovdqu 352(%1), %%ymm11\n\t"
        "vmovdqu 384(%1), %%ymm12; vmovdqu 416(%1), %%ymm13; vmovdqu 448(%1), %%ymm14\n\t"
        "vmovdqu 480(%1), %%ymm15\n\t"
        "syscall\n\t"
        "vmovdqu %%ymm0, 0(%2); vmovdqu %%ymm1, 32(%2); vmovdqu %%ymm2, 64(%2)\n\t"
        "vmovdqu %%ymm3, 96(%2); vmovdqu %%ymm4, 128(%2); vmovdqu %%ymm5, 160(%2)\n\t"
        "vmovdqu %%ymm6, 192(%2); vmovdqu %%ymm7, 224(%2); vmovdqu %%ymm8, 256(%2)\n\t"
        "vmovdqu %%ymm9, 288(%2); vmovdqu %%ymm10, 320(%2); vmovdqu %%ymm11, 352(%2)\n\t"
        "vmovdqu %%ymm12, 384(%2); vmovdqu %%ymm13, 416(%2); vmovdqu %%ymm14, 448(%2)\n\t"
        "vmovdqu %%ymm15, 480(%2)\n\t"
        : "+a"(result)
        : "b"(before), "r"(after), "D"(12345)
        : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
          "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return !memcmp(before, after, sizeof before);
}

static void show(const char *what, long number)
{
    struct registers out;
    memset(&out, 0, sizeof out);
    general(&out, number);
    printf("%s: rbx %lx rdx %lx rsi %lx rdi %lx rbp %lx r8 %lx r9 %lx r10 %lx\n", what, out.rbx,
           out.rdx, out.rsi, out.rdi, out.rbp, out.r8, out.r9, out.r10);
    printf("  r12 %lx r13 %lx r14 %lx r15 %lx flags %lx\n", out.r12, out.r13, out.r14, out.r15,
           out.flags);
    for (int i = 0; i < 16; i++)
        CHECK(out.red_zone[i] == 0x1001UL + i);
}

int main(void)
{
    show("getppid", SYS_getppid);
    show("close", SYS_close);
    show("readlink", SYS_readlink);
    show("openat", SYS_openat);
    show("mmap", SYS_mmap);
    show("munmap", SYS_munmap);
    show("execve", SYS_execve);
    show("rt_sigaction", SYS_rt_sigaction);
    show("unknown", 9999);
    show("negative", -1);
    if (__builtin_cpu_supports("avx")) {
        CHECK(vectors_kept(SYS_getppid));
        CHECK(vectors_kept(SYS_close));
        CHECK(vectors_kept(SYS_munmap));
        CHECK(vectors_kept(9999));
    }
    unsigned mxcsr = 0x1f80 | 0x6000, after_mxcsr;
    unsigned short control = 0x27f, after_control;
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(control));
    syscall(SYS_getppid);
    syscall(SYS_close, 12345);
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(after_mxcsr), "=m"(after_control));
    printf("mxcsr %x control %x\n", after_mxcsr, after_control);
    return 0;
}
