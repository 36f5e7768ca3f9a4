/* Calls on mappings that choose addresses, move pages, lock or grow: what they do to the program's memory, and how much
 * address space there is. */
#include "check.h"
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define PAGE 4096ul
#define SIZE (64 * PAGE)

static char *fresh(size_t size, int flags)
{
    return MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0));
}

static void low(void)
{
    enum { MANY = 64 };
    char *all[MANY];
    int below = 0, count = 0;
    for (; count < MANY; count++) {
        all[count] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (all[count] == MAP_FAILED)
            break;
        below += (unsigned long)all[count] + SIZE <= 0x80000000ul;
        memset(all[count], 1, SIZE);
    }
    printf("MAP_32BIT: %d of %d below\n", below, count);
    /* The heap of a program whose addresses are its own may begin right below them. */
    for (int i = 0; i < count; i++)
        munmap(all[i], SIZE);
}

static void moves(void)
{
    char *from = fresh(SIZE, 0);
    memset(from, 7, SIZE);
    /* The C library hands on an address only with MREMAP_FIXED. */
    char *to = (char *)syscall(SYS_mremap, from, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    if (to == MAP_FAILED)
        printf("MREMAP_DONTUNMAP: %s\n", strerror(errno));
    else
        printf("MREMAP_DONTUNMAP: moved %d, there %d, left %d\n", to != from, to[SIZE - 1], from[SIZE - 1]);
    /* An old size of nothing is another view of shared memory, and an error elsewhere (mremap(2)). */
    char *shared = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    char *twice = mremap(shared, 0, SIZE, MREMAP_MAYMOVE);
    CHECK(twice != MAP_FAILED && twice != shared);
    if (twice != MAP_FAILED)
        twice[5] = 9;
    printf("mremap of nothing: %d\n", shared[5]);
    errno = 0;
    void *none = mremap(from, 0, SIZE, MREMAP_MAYMOVE);
    printf("of private memory: %d, %s\n", none == MAP_FAILED, strerror(errno));
    char *grown = fresh(PAGE, 0);
    grown[1] = 3;
    char *large = mremap(grown, PAGE, 1024 * PAGE, MREMAP_MAYMOVE);
    CHECK(large != MAP_FAILED && large[1] == 3 && large[1023 * PAGE] == 0);
}

static void locks(void)
{
    struct rlimit small = { 16 * PAGE, 16 * PAGE };
    struct rlimit before;
    getrlimit(RLIMIT_MEMLOCK, &before);
    small.rlim_max = before.rlim_max;
    if (before.rlim_max != RLIM_INFINITY && before.rlim_max < 16 * PAGE)
        return;
    setrlimit(RLIMIT_MEMLOCK, &small);
    /* Who is privileged has no limit. */
    char *at = fresh(SIZE, 0);
    errno = 0;
    int some = mlock(at, 8 * PAGE), on_fault = mlock2(at + 8 * PAGE, 4 * PAGE, MLOCK_ONFAULT);
    printf("mlock: %d, on a fault: %d\n", some, on_fault);
    unsigned char there[16] = { 0 };
    CHECK(mincore(at, 16 * PAGE, there) == 0);
    printf("there: %d %d\n", there[0] & 1, there[8] & 1);
    int result = mlockall(MCL_FUTURE | MCL_ONFAULT);
    printf("mlockall: %d %s\n", result, result ? strerror(errno) : "");
    void *more = mmap(NULL, 1024 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("a mapping more: %d\n", more == MAP_FAILED ? errno : 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(2);
    report("forked", child);
    CHECK(munlockall() == 0);
    setrlimit(RLIMIT_MEMLOCK, &before);
}

static void advice(void)
{
    static const struct {
        int advice;
        const char *name;
    } all[] = {
        { MADV_DONTNEED, "MADV_DONTNEED" }, { MADV_FREE, "MADV_FREE" },           { MADV_COLD, "MADV_COLD" },
        { MADV_WILLNEED, "MADV_WILLNEED" }, { MADV_SEQUENTIAL, "MADV_SEQUENTIAL" }, { MADV_RANDOM, "MADV_RANDOM" },
        { MADV_NORMAL, "MADV_NORMAL" },     { MADV_WIPEONFORK, "MADV_WIPEONFORK" }, { MADV_KEEPONFORK, "MADV_KEEPONFORK" },
        { MADV_DONTFORK, "MADV_DONTFORK" }, { MADV_DOFORK, "MADV_DOFORK" },       { 22, "MADV_POPULATE_READ" },
        { 23, "MADV_POPULATE_WRITE" },      { 102, "MADV_GUARD_INSTALL" },        { 103, "MADV_GUARD_REMOVE" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char *at = fresh(SIZE, 0);
        memset(at, 5, SIZE);
        int result = madvise(at, SIZE, all[i].advice);
        printf("%s: %s\n", all[i].name, result ? strerror(errno) : "done");
        munmap(at, SIZE);
    }
}

/* A stack of its own grows down to where something else is, and no further than the gap that the kernel keeps. */
static void downwards(void)
{
    char *room = fresh(1024 * PAGE, 0);
    munmap(room, 1024 * PAGE);
    char *at = mmap(room + 1000 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    CHECK(at == room + 1000 * PAGE);
    at[0] = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        at[-(long)PAGE] = 2;
        _exit(at[-(long)PAGE]);
    }
    report("grown", child);
    munmap(at, 4 * PAGE);
}

/* The heap: it grows and shrinks, and what it had is gone. */
static void heap(void)
{
    char *first = sbrk(0);
    CHECK(sbrk(256 * PAGE) == first);
    memset(first, 6, 256 * PAGE);
    CHECK(brk(first) == 0 && sbrk(0) == first);
    CHECK(sbrk(PAGE) == first && first[0] == 0);
    brk(first);
    /* Further than there is room, up to vload's memory or anything else: it stays where it is. */
    errno = 0;
    int result = brk((void *)0x7ffffffff000);
    printf("brk to the end: %d %s, %d\n", result, strerror(errno), sbrk(0) == (void *)first);
}

static void of_nodes(void)
{
    char *at = fresh(4 * PAGE, 0);
    at[0] = 1;
    void *pages[] = { at, at + PAGE, (void *)0x100000000000 };
    int status[3] = { 1, 1, 1 };
    long result = syscall(SYS_move_pages, 0, 3, pages, NULL, status, 0);
    if (result < 0)
        printf("move_pages: %s\n", strerror(errno));
    else
        printf("move_pages: %ld, %d %d %d\n", result, status[0], status[1], status[2]);
}

/* What a limit of address space leaves, against what the process is shown to have: vload has the rest. */
static void space(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    if (limit.rlim_cur < 1ul << 30)
        return;
    limit.rlim_cur = 1ul << 30;
    setrlimit(RLIMIT_AS, &limit);
    unsigned long least = 0, most = 1ul << 18;
    while (least < most) {
        unsigned long middle = (least + most + 1) / 2;
        void *at = mmap(NULL, middle * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) {
            most = middle - 1;
            continue;
        }
        least = middle;
        munmap(at, middle * PAGE);
    }
    long shown = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld", &shown) == 1) {
        long more = (1l << 18) - (long)least - shown;
        printf("more than is shown: %s\n", more < 0 ? "less" : more <= 4096 ? "no more than 16 MiB" : "a lot");
    }
}

int main(void)
{
    low();
    moves();
    locks();
    advice();
    downwards();
    heap();
    of_nodes();
    space();
    return 0;
}
