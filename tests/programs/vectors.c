/* Vector registers and what a handler starts with, while a timer interrupts calls everywhere. */
#include "check.h"
#include <sys/time.h>

static volatile long handled, started_badly;

static void handler(int signal)
{
    (void)signal;
    unsigned short control;
    unsigned mxcsr;
    uint64_t upper[4];
    __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(control), "=m"(mxcsr));
    __asm__ volatile("vmovdqu %%ymm15, %0" : "=m"(upper));
    started_badly += control != 0x37f || mxcsr != 0x1f80 || (upper[0] | upper[1] | upper[2] | upper[3]) != 0;
    __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0; vmovdqa %%ymm0, %%ymm7\n\t"
                     "vmovdqa %%ymm0, %%ymm15; vzeroupper" ::: "xmm0", "xmm7", "xmm15");
    syscall(SYS_close, -1);
    syscall(SYS_getppid);
    handled++;
}

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define LOAD(n) "vmovdqa 32*" #n "(%[before]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", 32*" #n "(%[after])\n\t"

__attribute__((target("avx"), noinline)) static int kept(long number, int seed)
{
    static unsigned char before[16][32] __attribute__((aligned(32)));
    static unsigned char after[16][32] __attribute__((aligned(32)));
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 32; j++)
            before[i][j] = (unsigned char)(seed + i * 7 + j * 3);
    __asm__ volatile(EACH(LOAD) "syscall\n\t" EACH(STORE) "vzeroupper"
                     : "+a"(number)
                     : [before] "r"(before), [after] "r"(after), "D"(-1L), "S"(0L), "d"(0L)
                     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                       "xmm15");
    return memcmp(before, after, sizeof before) == 0;
}

int main(void)
{
    if (!__builtin_cpu_supports("avx")) {
        puts("no AVX");
        return 0;
    }
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    unsigned short control = 0x27f;
    __asm__ volatile("fldcw %0" : : "m"(control));
    /* One signal after the other: a timer that goes on by itself may leave no time for the calls,
     * where each of them takes long. */
    struct itimerval value = {{0, 0}, {0, 50}};
    static const long numbers[] = {SYS_getppid, SYS_close, SYS_dup3, SYS_munmap, 9999};
    long lost = 0;
    for (int i = 0; handled < 3000;) {
        long before = handled;
        setitimer(ITIMER_REAL, &value, NULL);
        while (handled == before) {
            lost += !kept(numbers[i % 5], i);
            i++;
        }
    }
    __asm__ volatile("fnstcw %0" : "=m"(control));
    printf("lost %ld, started badly %ld, control %x\n", lost, started_badly, control);
    return 0;
}
