/* getppid(2) changes the vector state of which the compiler's options say that there is some: X87, MMX, AVX, AVX512,
 * COMPUTES (with floating point); or none of it. Then it asks the system, with the registers still changed. Who
 * calls with 0x564c as the second argument gives the address of a word as the first: where that is 1 the code waits until
 * it is 2. */
#include <vload/module.h>

/* No process has such a number. */
enum { OF_MODULE = 0x800000 };

static long call(struct vload_layer *layer, struct vload_call *call) {
    volatile int *word = (volatile int *)(call->arguments[1] == 0x564c ? call->arguments[0] : 0);
    uintptr_t none[6] = { 0 };
#if defined AVX512
    __asm__ volatile("vpternlogd $255, %%zmm0, %%zmm0, %%zmm0\n\tvmovdqa64 %%zmm0, %%zmm1\n\t"
                     "kxnorw %%k1, %%k1, %%k1\n\tkxnorw %%k7, %%k7, %%k7" ::: "memory");
#if defined __x86_64__
    __asm__ volatile("vmovdqa64 %%zmm0, %%zmm15\n\tvmovdqa64 %%zmm0, %%zmm16\n\tvmovdqa64 %%zmm0, %%zmm31" ::: "memory");
#endif
#elif defined AVX
    __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\tvinsertf128 $1, %%xmm0, %%ymm0, %%ymm0\n\t"
                     "vmovaps %%ymm0, %%ymm1\n\tvmovaps %%ymm0, %%ymm7" ::: "memory");
#if defined __x86_64__
    __asm__ volatile("vmovaps %%ymm0, %%ymm8\n\tvmovaps %%ymm0, %%ymm15" ::: "memory");
#endif
#endif
#if defined MMX
    __asm__ volatile("pcmpeqd %%mm0, %%mm0\n\tmovq %%mm0, %%mm7" ::: "memory");
#elif defined X87
    /* The stack has room for eight, whatever the program has on its own. */
    uint16_t control = 0, status = 0;
    for (int at = 0; at < 8; at++)
        __asm__ volatile("fldpi");
    __asm__ volatile("fnstcw %0\n\tfnstsw %1" : "=m"(control), "=m"(status));
    if (control != 0x37f || (status & 0x41) != 0)
        return OF_MODULE + 1000 + control;
#endif
    if (word)
        while (*word == 1)
            ;
    vload_system(layer, GETPPID, none);
#if defined X87
    uint16_t after = 0;
    __asm__ volatile("fnstcw %0" : "=m"(after));
    if (after != control)
        return OF_MODULE + 2000 + after;
#endif
#if defined MMX
    __asm__ volatile("emms");
#endif
#if defined COMPUTES
    /* Rounded to the nearest, and nothing raised, whatever the program has chosen. */
    volatile double one = 1.0, three = 3.0;
    double third = one / three;
    uint64_t bits;
    memcpy(&bits, &third, sizeof bits);
    if (bits != 0x3fd5555555555555)
        return OF_MODULE + 3000;
#endif
    return OF_MODULE;
}

static const uintptr_t numbers[] = { GETPPID };
static const struct vload_raw operations = { call, numbers, 1 };

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
    .name = "vectors", .description = "changes vector state", .operations = &operations,
};
