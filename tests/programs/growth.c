/* The stack grows, is called [stack], and is what pthread_getattr_np says it is. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

static long deep(long left)
{
    volatile char frame[4096];
    frame[0] = (char)left;
    frame[4095] = (char)left;
    return left ? deep(left - 1) + frame[0] - frame[4095] : 0;
}

static int is_called_stack(void *address)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    if (!maps)
        return -1;
    char line[4096];
    int found = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && (unsigned long)address >= start &&
            (unsigned long)address < end)
            found = strstr(line, "[stack]") != NULL;
    }
    fclose(maps);
    return found;
}

int main(void)
{
    int local;
    printf("called [stack]: %d\n", is_called_stack(&local));
    printf("deep: %ld\n", deep(1500));
    printf("called [stack]: %d\n", is_called_stack(&local));

    pthread_attr_t attributes;
    void *low;
    size_t size;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &low, &size) == 0);
    CHECK((char *)&local >= (char *)low && (char *)&local < (char *)low + size);
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        return 0;
    printf("as large as the limit: %d\n", size + (1 << 20) > limit.rlim_cur &&
                                              size <= limit.rlim_cur + (1 << 20));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        deep(limit.rlim_cur / 4096 + 64);
        _exit(0);
    }
    report("past the limit", child);
    return 0;
}
