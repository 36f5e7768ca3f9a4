/* mlockall(2) of who is not privileged: what is mapped is held against RLIMIT_MEMLOCK, to the page. */
#include "check.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE 4096UL

/* Kilobytes of a line of `status`. */
static long field(const char *name)
{
    static char text[8192];
    int fd = MUST(open("/proc/self/status", O_RDONLY));
    ssize_t length = MUST(read(fd, text, sizeof text - 1));
    close(fd);
    text[length] = 0;
    char *line = strstr(text, name);
    return line ? strtol(line + strlen(name), NULL, 10) : -1;
}

static void *fresh(size_t size, int prot)
{
    void *at = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static int there(void *at)
{
    unsigned char page = 0;
    MUST(mincore(at, PAGE, &page));
    return page & 1;
}

static const char *all(int flags)
{
    errno = 0;
    return mlockall(flags) == 0 ? "done" : strerror(errno);
}

/* The soft limit: what is mapped, and `more` than that. */
static void allow(long more)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_MEMLOCK, &limit));
    limit.rlim_cur = (rlim_t)(field("VmSize:") * 1024 + more);
    MUST(setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* How many mappings are not locked, but for the kernel's own. */
static int unlocked(void)
{
    static char line[512];
    int count = 0, counts = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            counts = strstr(line, "[v") == NULL;
        if (strncmp(line, "VmFlags:", 8) == 0)
            count += counts && strstr(line, " lo") == NULL;
    }
    if (maps)
        fclose(maps);
    return count;
}

static void say(const char *what, const char *how)
{
    printf("%s: %s\n", what, how);
}

int main(void)
{
    if (geteuid() == 0) {
        MUST(setresuid(65534, 65534, 65534));
        MUST(prctl(PR_SET_DUMPABLE, 1));
    }
    char *data = fresh(4 * PAGE, PROT_READ | PROT_WRITE);
    fresh(4 * PAGE, PROT_NONE);
    /* What stdio takes is taken before. */
    printf("unlocked at first: %d\n", unlocked() > 0);

    allow(-(long)PAGE);
    say("a page too much", all(MCL_CURRENT));
    say("that and all to come", all(MCL_CURRENT | MCL_FUTURE));
    say("all to come", all(MCL_FUTURE));
    MUST(munlockall());
    printf("locked: %ld, there: %d\n", field("VmLck:"), there(data));

    allow(0);
    say("wrong flags", all(MCL_CURRENT | 64));
    say("on fault", all(MCL_CURRENT | MCL_ONFAULT));
    printf("unlocked: %d, there: %d\n", unlocked(), there(data));
    say("at once", all(MCL_CURRENT));
    printf("unlocked: %d, there: %d\n", unlocked(), there(data));

    allow(64 * PAGE);
    say("with all to come", all(MCL_CURRENT | MCL_FUTURE));
    char *more = fresh(8 * PAGE, PROT_READ | PROT_WRITE);
    printf("unlocked: %d, there: %d\n", unlocked(), there(more));
    say("with all to come on fault", all(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
    more = fresh(8 * PAGE, PROT_READ | PROT_WRITE);
    printf("unlocked: %d, there: %d\n", unlocked(), there(more));
    say("without", all(MCL_CURRENT));
    printf("unlocked: %d, there: %d\n", unlocked(), there(more));
    fresh(8 * PAGE, PROT_READ | PROT_WRITE);
    printf("unlocked then: %d\n", unlocked());
    MUST(munlockall());
    printf("locked: %ld\n", field("VmLck:"));

    struct rlimit none = { 0, 0 };
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    say("with no limit left", all(MCL_CURRENT));
    return 0;
}
