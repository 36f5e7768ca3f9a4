/* Memory that is mapped, but not the program's: vload's. Natively there is none, and two pages where
 * nothing is mapped stand for it: all calls must have the same results, and nothing may be lost.
 *
 * Memory that is mapped is found by what MAP_FIXED_NOREPLACE refuses; what mincore(2) knows of it is
 * the program's own. */
#include "check.h"
#include "rawcall.h"
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/uio.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define PAGE 4096ul
#define END 0x7ffffffff000ul
#define MOST 4096

struct range {
    unsigned long start, end;
};
static struct range mapped[MOST], own[MOST], others[MOST];
static int mapped_count, own_count, others_count;

static void add(struct range *list, int *count, unsigned long start, unsigned long end)
{
    if (*count && list[*count - 1].end == start)
        list[*count - 1].end = end;
    else if (*count < MOST)
        list[(*count)++] = (struct range){ start, end };
}

/* Every page between `start` and `end` at which something is mapped. */
static void find(unsigned long start, unsigned long end)
{
    void *at = mmap((void *)start, end - start, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != MAP_FAILED) {
        munmap(at, end - start);
        return;
    }
    if (errno != EEXIST || end - start == PAGE) {
        CHECK(errno == EEXIST);
        add(mapped, &mapped_count, start, end);
        return;
    }
    unsigned long middle = (start + (end - start) / 2) & -PAGE;
    find(start, middle);
    find(middle, end);
}

static void sort_out(void)
{
    mapped_count = own_count = others_count = 0;
    find(0x10000, END);
    for (int i = 0; i < mapped_count; i++)
        for (unsigned long at = mapped[i].start; at < mapped[i].end; at += PAGE) {
            unsigned char there;
            if (mincore((void *)at, PAGE, &there) == 0)
                add(own, &own_count, at, at + PAGE);
            else
                add(others, &others_count, at, at + PAGE);
        }
}

/* The error of the call for each range that is not ours; printed when they differ. */
#define EACH(name, call)                                                                    \
    do {                                                                                    \
        int first_ = -1;                                                                    \
        for (int i_ = 0; i_ < others_count; i_++) {                                         \
            void *at = (void *)others[i_].start;                                            \
            size_t size = others[i_].end - others[i_].start;                                \
            (void)size;                                                                     \
            errno = 0;                                                                      \
            long result_ = (long)(call);                                                    \
            int error_ = result_ == -1 ? errno : 0;                                         \
            if (first_ == -1)                                                               \
                printf("%s: %s\n", name, error_ ? strerror(error_) : "done");               \
            else if (first_ != error_)                                                      \
                printf("%s of another: %s\n", name, strerror(error_));                      \
            first_ = error_;                                                                \
        }                                                                                   \
    } while (0)

static void *nothing(void *given)
{
    return given;
}

static void handler(int signal)
{
    (void)signal;
}

/* Everything that could have been lost. */
static void go_on(const char *after)
{
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    report(after, child);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    void *piece = malloc(1 << 20);
    memset(piece, 1, 1 << 20);
    free(piece);
    child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    report("and exec", child);
}

static void advise(void)
{
    static const struct {
        int advice;
        const char *name;
    } all[] = {
        { MADV_DONTNEED, "MADV_DONTNEED" },   { MADV_FREE, "MADV_FREE" },
        { MADV_REMOVE, "MADV_REMOVE" },       { MADV_DONTFORK, "MADV_DONTFORK" },
        { MADV_DOFORK, "MADV_DOFORK" },       { MADV_WIPEONFORK, "MADV_WIPEONFORK" },
        { MADV_MERGEABLE, "MADV_MERGEABLE" }, { MADV_HUGEPAGE, "MADV_HUGEPAGE" },
        { MADV_DONTDUMP, "MADV_DONTDUMP" },   { MADV_COLD, "MADV_COLD" },
        { MADV_PAGEOUT, "MADV_PAGEOUT" },     { MADV_POPULATE_READ, "MADV_POPULATE_READ" },
        { MADV_COLLAPSE, "MADV_COLLAPSE" },   { 102, "MADV_GUARD_INSTALL" },
        { 12345, "no advice" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        EACH(all[i].name, madvise(at, size, all[i].advice));
}

/* What would replace it natively does: refused or done, but never both. */
static void replace(const char *what, void *got, size_t size)
{
    if (got == MAP_FAILED && errno != ENOMEM && errno != EINVAL)
        printf("%s: %s\n", what, strerror(errno));
    if (got != MAP_FAILED)
        munmap(got, size);
}

static void replacing(void)
{
    int segment = MUST(shmget(IPC_PRIVATE, 4 * PAGE, 0600));
    for (int i = 0; i < others_count; i++) {
        void *at = (void *)others[i].start;
        size_t size = others[i].end - others[i].start;
        replace("mmap", mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), size);
        void *mine = MUST(mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        void *moved = mremap(mine, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at);
        replace("mremap", moved, size);
        if (moved == MAP_FAILED)
            munmap(mine, size);
        void *attached = shmat(segment, at, SHM_REMAP);
        if (attached == (void *)-1)
            CHECK(errno == EINVAL);
        else
            shmdt(attached);
    }
    shmctl(segment, IPC_RMID, NULL);
}

static void process(void)
{
    char text[16] = "written";
    struct iovec here = { text, sizeof text };
    EACH("process_vm_writev", ({
             struct iovec there = { at, sizeof text };
             process_vm_writev(getpid(), &here, 1, &there, 1, 0);
         }));
    char room[16] = "";
    EACH("process_vm_readv", ({
             struct iovec there = { at, sizeof text };
             process_vm_readv(getpid(), &here, 1, &there, 1, 0);
         }));
    EACH("process_vm_writev behind ours", ({
             struct iovec there[] = { { room, 8 }, { at, 8 } };
             process_vm_writev(getpid(), &here, 1, there, 2, 0) == 8 ? 0 : -1;
         }));
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    EACH("process_madvise", ({
             struct iovec there = { at, size };
             syscall(SYS_process_madvise, self, &there, 1, MADV_COLD, 0);
         }));
    close(self);
}

static void fault_handling(void)
{
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0) {
        printf("userfaultfd: %s\n", strerror(errno));
        return;
    }
    struct uffdio_api api = { .api = UFFD_API };
    CHECK(ioctl(fd, UFFDIO_API, &api) == 0);
    EACH("UFFDIO_REGISTER", ({
             struct uffdio_register given = { { (unsigned long)at, size }, UFFDIO_REGISTER_MODE_MISSING, 0 };
             ioctl(fd, UFFDIO_REGISTER, &given);
         }));
    EACH("UFFDIO_ZEROPAGE", ({
             struct uffdio_zeropage given = { { (unsigned long)at, size }, 0, 0 };
             ioctl(fd, UFFDIO_ZEROPAGE, &given);
         }));
    void *mine = MUST(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct uffdio_register given = { { (unsigned long)mine, PAGE }, UFFDIO_REGISTER_MODE_MISSING, 0 };
    printf("of ours: %d\n", ioctl(fd, UFFDIO_REGISTER, &given));
    munmap(mine, PAGE);
    close(fd);
}

/* The gaps between what is ours: vload's memory is in some of them. */
static void gaps(const char *name, long number, long third, int expected)
{
    unsigned long from = 0x10000;
    for (int i = 0; i <= own_count; i++) {
        unsigned long to = i < own_count ? own[i].start : END;
        /* Below the stack is where it grows. */
        if (i < own_count && (unsigned long)&from >= own[i].start && (unsigned long)&from < own[i].end)
            to -= 64 * PAGE;
        if (from < to) {
            long result = raw_call(number, from, to - from, third);
            if (-result != expected)
                printf("%s of a gap: %ld\n", name, result);
        }
        if (i < own_count)
            from = own[i].end;
    }
    go_on(name);
}

static long locked(void)
{
    long size = -1;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmLck: %ld", &size);
    if (status)
        fclose(status);
    return size;
}

static void locking(void)
{
    long before = locked();
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        printf("mlockall: %s\n", strerror(errno));
        return;
    }
    long mine = 0;
    for (int i = 0; i < own_count; i++)
        mine += own[i].end - own[i].start;
    /* Not locked are the pages of the vDSO alone, and the stack may have grown. */
    long all = locked();
    CHECK(before == 0 && all > 0 && all <= mine / 1024 + 256);
    void *more = MUST(mmap(NULL, 256 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    printf("a mapping more: %ld\n", locked() - all);
    pthread_t thread;
    munmap(more, 256 * PAGE);
    CHECK(munlockall() == 0);
    CHECK(locked() == 0);
    CHECK(mlockall(MCL_FUTURE) == 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    /* No stack of an earlier thread is that large. */
    pthread_attr_setstacksize(&attributes, 16 << 20);
    CHECK(pthread_create(&thread, &attributes, nothing, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    /* The thread's stack, which is kept, and nothing of vload's. */
    printf("a thread more: %ld\n", locked());
    CHECK(munlockall() == 0);
}

/* What is wrong with the other arguments comes before what is not mapped. */
static void wrongly(void)
{
    EACH("mprotect to nothing known", mprotect(at, size, 0x100000));
    EACH("pkey_mprotect with no key", syscall(SYS_pkey_mprotect, at, size, PROT_READ, 12345));
    EACH("mlock2 with flags", syscall(SYS_mlock2, at, size, 77));
    EACH("mincore to nowhere", mincore(at, PAGE, (unsigned char *)8));
    EACH("mmap of nothing", mmap(at, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    EACH("mmap within a page", mmap((char *)at + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    /* Up to the last page that there can be, where no program's is. */
    errno = 0;
    int result = munmap((void *)(16 * PAGE), -17 * PAGE);
    printf("munmap of too much: %d %s\n", result, strerror(errno));
    go_on("none of them");
}

int main(void)
{
    /* What is kept for the next thread and the next line is there before. */
    go_on("at first");
    sort_out();
    if (others_count == 0) {
        /* Natively. */
        static const unsigned long free_places[] = { 0x100000000000, 0x100000100000 };
        for (int i = 0; i < 2; i++)
            add(others, &others_count, free_places[i], free_places[i] + 4 * PAGE);
    }
    fflush(stdout);
    EACH("munmap", munmap(at, size));
    EACH("mprotect", mprotect(at, size, PROT_NONE));
    EACH("mprotect of one page", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    EACH("pkey_mprotect", syscall(SYS_pkey_mprotect, at, size, PROT_NONE, -1));
    advise();
    EACH("mremap", mremap(at, size, size + PAGE, MREMAP_MAYMOVE));
    EACH("mremap to less", mremap(at, PAGE, PAGE / 2, MREMAP_MAYMOVE));
    EACH("mremap wrongly", mremap((char *)at + 1, PAGE, PAGE, MREMAP_MAYMOVE));
    EACH("remap_file_pages", syscall(SYS_remap_file_pages, at, PAGE, 0, 0, 0));
    EACH("mlock", mlock((char *)at + 5, size - 5));
    EACH("mlock2", syscall(SYS_mlock2, at, size, 1));
    EACH("munlock", munlock(at, size));
    EACH("msync", msync(at, size, MS_SYNC));
    EACH("mbind", ({
             unsigned long nodes = 1;
             syscall(SYS_mbind, at, size, 2, &nodes, 8, 0);
         }));
    EACH("mbind by default", syscall(SYS_mbind, at, size, 0, 0, 0, 0));
    EACH("set_mempolicy_home_node", syscall(450, at, size, 0, 0));
    EACH("mseal", syscall(462, at, size, 0));
    EACH("get_mempolicy", ({
             int node;
             syscall(SYS_get_mempolicy, &node, 0, 0, at, 3);
         }));
    wrongly();
    process();
    fault_handling();
    replacing();
    go_on("each of them");
    gaps("munmap", SYS_munmap, 0, 0);
    gaps("mprotect", SYS_mprotect, PROT_NONE, ENOMEM);
    gaps("MADV_DONTNEED", SYS_madvise, MADV_DONTNEED, ENOMEM);
    gaps("MADV_DONTFORK", SYS_madvise, MADV_DONTFORK, ENOMEM);
    gaps("MADV_WIPEONFORK", SYS_madvise, MADV_WIPEONFORK, ENOMEM);
    gaps("msync", SYS_msync, MS_ASYNC, ENOMEM);
    locking();
    go_on("locked");
    return 0;
}
