/* A limit on data (RLIMIT_DATA) that leaves little beside what the program has: how much more it may map. */
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

int main(void)
{
    static char text[8192];
    int fd = MUST(open("/proc/self/status", O_RDONLY));
    text[MUST(read(fd, text, sizeof text - 1))] = 0;
    close(fd);
    char *line = strstr(text, "VmData:");
    CHECK(line != NULL);
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_DATA, &limit));
    /* 1.25 MiB are for vload's own. */
    limit.rlim_cur = (rlim_t)(line ? strtol(line + 7, NULL, 10) * 1024 : 0) + (1280 << 10) + (64 << 10);
    MUST(setrlimit(RLIMIT_DATA, &limit));
    void *at = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mapped: %d\n", at != MAP_FAILED);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(9);
    }
    report("executed", child);
    return 0;
}
