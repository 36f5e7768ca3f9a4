/* Puts known values in all of the vector state that the machine has, asks for its parent, and says what has
 * changed; with a second thread, which sends a signal when the call waits for it, what its handler finds in the frame. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { LEGACY = 512, HEADER = 64, ROOM = 4096, ASKED = 0x564c };

static unsigned char before[ROOM] __attribute__((aligned(64))), after[ROOM] __attribute__((aligned(64)));
static unsigned char framed[ROOM] __attribute__((aligned(64)));
static uint32_t components;
static volatile int word;
static pthread_t first;

#if defined __x86_64__
#define WIDE "64"
static long parent(volatile int *at) {
    long result;
    register long number __asm__("rax") = SYS_getppid;
    /* Nothing between the three may touch a register. */
    __asm__ volatile("movl %[set], %%eax\n\txorl %%edx, %%edx\n\txrstor64 %[before]\n\tmovl %[number], %%eax\n\tsyscall\n\t"
                     "movq %%rax, %%rbx\n\tmovl %[set], %%eax\n\txorl %%edx, %%edx\n\txsave64 %[after]"
                     : "=&b"(result), [after] "+m"(after), "+a"(number)
                     : [before] "m"(before), [set] "r"(components), [number] "i"(SYS_getppid), "D"(at), "S"(ASKED)
                     : "rcx", "rdx", "r11", "memory");
    return result;
}
#else
#define WIDE ""
static long parent(volatile int *at) {
    long result;
    __asm__ volatile("movl %[set], %%eax\n\txorl %%edx, %%edx\n\txrstor %[before]\n\tmovl %[asked], %%ecx\n\tmovl %[number], %%eax\n\tint $0x80\n\t"
                     "movl %%eax, %%ecx\n\tmovl %[set], %%eax\n\txorl %%edx, %%edx\n\txsave %[after]"
                     : "=&c"(result), [after] "+m"(after)
                     : [before] "m"(before), [set] "S"(components), [number] "i"(SYS_getppid), [asked] "i"(ASKED), "b"(at)
                     : "eax", "edx", "memory");
    return result;
}
#endif

/* Where a component lies in an image that is not compacted. */
static void place(unsigned component, unsigned *offset, unsigned *size) {
    unsigned c, d;
    __cpuid_count(13, component, *size, *offset, c, d);
}

/* What of `image` is not as it was. */
static void compare(const char *name, const unsigned char *image) {
    static const char *const names[8] = { "x87", "xmm", "ymm", "", "", "masks", "zmm", "more" };
    int changed = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        unsigned offset = 0, size = 0;
        if (!(components >> bit & 1))
            continue;
        if (bit == 0)
            changed |= memcmp(image, before, 5) != 0 || memcmp(image + 32, before + 32, 128) != 0 ? printf("%s: x87 changed\n", name) : 0;
        else if (bit == 1)
            changed |= memcmp(image + 160, before + 160, 8 * 2 * sizeof(long)) != 0 || memcmp(image + 24, before + 24, 4) != 0
                ? printf("%s: xmm or mxcsr changed\n", name) : 0;
        else {
            place(bit, &offset, &size);
            if (sizeof(long) == 4 && bit != 5)
                size = bit == 7 ? 0 : size / 2;
            changed |= memcmp(image + offset, before + offset, size) != 0 ? printf("%s: %s changed\n", name, names[bit]) : 0;
        }
    }
    if (!changed)
        printf("%s: kept\n", name);
}

static void handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    const unsigned char *image = (void *)((ucontext_t *)context)->uc_mcontext.fpregs;
    if (sizeof(long) == 4)
        image += 112;
    memcpy(framed, image, ROOM < 2696 ? ROOM : 2696);
}

static void *other(void *unused) {
    (void)unused;
    while (word != 1)
        ;
    pthread_kill(first, SIGUSR1);
    word = 2;
    return 0;
}

int main(int argc, char **argv) {
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (!(c >> 27 & 1)) {
        puts("no xsave");
        return 0;
    }
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    components = low & 0xe7;
    /* Five numbers on the x87's stack, another precision and rounding; each byte of the rest is its own. */
    for (int at = 0; at < 5; at++)
        __asm__ volatile("fldl2e");
    uint16_t control = 0xe7f;
    __asm__ volatile("fldcw %0" : : "m"(control));
    __asm__ volatile("xsave" WIDE " %0" : "+m"(before) : "a"(1), "d"(0));
    __asm__ volatile("fninit");
    uint32_t mxcsr = 0x7f80;
    memcpy(before + 24, &mxcsr, 4);
    for (int at = 160; at < 160 + 8 * 2 * (int)sizeof(long); at++)
        before[at] = (unsigned char)(at * 7 + 1);
    for (unsigned bit = 2; bit < 8; bit++) {
        unsigned offset, size;
        if (!(components >> bit & 1))
            continue;
        place(bit, &offset, &size);
        for (unsigned at = 0; at < size; at++)
            before[offset + at] = (unsigned char)(at * 5 + bit + at / 256);
    }
    uint64_t present = components;
    memcpy(before + LEGACY, &present, sizeof present);

    long result = parent(0);
    /* No process has such a number. */
    if (result < 0x800000)
        puts("real");
    else
        printf("answered: %ld\n", result - 0x800000);
    compare("after the call", after);
    if (argc > 1 && strcmp(argv[1], "signal") == 0) {
        struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
        sigaction(SIGUSR1, &action, 0);
        first = pthread_self();
        pthread_t thread;
        pthread_create(&thread, 0, other, 0);
        word = 1;
        parent(&word);
        pthread_join(thread, 0);
        compare("after the signal", after);
        compare("in its frame", framed);
    }
    return 0;
}
