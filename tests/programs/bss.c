/* Data that ends and bss that begins in the middle of a page. */
#include "check.h"

static char data[5000] = {1, 2, 3};
static char bss[100003];
static char aligned[70000] __attribute__((aligned(65536)));

static int zeros(const char *from, const char *to)
{
    while (from < to)
        if (*from++)
            return 0;
    return 1;
}

int main(void)
{
    CHECK(data[0] == 1 && data[2] == 3);
    CHECK(zeros(data + 3, data + sizeof data));
    CHECK(zeros(bss, bss + sizeof bss));
    CHECK(zeros(aligned, aligned + sizeof aligned));
    memset(bss, 1, sizeof bss);
    memset(aligned, 1, sizeof aligned);
    CHECK(data[2] == 3);
#ifdef __GLIBC__
    /* musl's sbrk only tells. */
    char *heap = MUST(sbrk(1 << 20));
    memset(heap, 1, 1 << 20);
#endif
    CHECK(zeros(data + 3, data + sizeof data));
    puts("done");
    return 0;
}
