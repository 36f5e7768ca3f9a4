/* What is mapped of a file and shared: with those who read and write it, with other mappings, with other processes. */
#include "mapped.h"

/* What one does is there for the other. */
static void together(void)
{
    int fd = pages("file", 3);
    char *one = both("mapped", fd, 3 * PAGE), *two = both("once more", fd, 3 * PAGE);
    memcpy(one + PAGE, "stored", 6);
    at_offset("read", fd, PAGE);
    printf("the other: %.8s\n", two + PAGE);
    MUST(pwrite(fd, "written", 7, 2 * PAGE + 100));
    printf("mapped: %.8s\n", one + 2 * PAGE + 100);
    int other = MUST(open(at("file"), O_RDWR));
    char *part = map("a page", other, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE);
    memcpy(part + 6, " by another", 11);
    printf("all: %.18s\n", one + PAGE);
    char *seen = map("to read", other, 3 * PAGE, PROT_READ, MAP_SHARED, 0);
    memcpy(one, "later", 5);
    printf("seen: %.6s\n", seen);
    char *own = map("private", fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
    memcpy(own, "own", 3);
    at_offset("not in the file", fd, 0);
    /* From one mapping to the other by the kernel. */
    MUST(pwrite(fd, one + PAGE, 18, 200));
    printf("copied: %.18s\n", seen + 200);
    told("read into it", pread(other, one + 300, 8, PAGE));
    printf("there: %.8s\n", two + 300);
    told("msync", msync(one, 3 * PAGE, MS_SYNC));
    told("msync", msync(one, 3 * PAGE, MS_ASYNC | MS_INVALIDATE));
    close(fd);
    close(other);
    memcpy(one, "after", 5);
    printf("closed: %.6s\n", two);
    fd = MUST(open(at("file"), O_RDONLY));
    at_offset("opened again", fd, 0);
    struct stat known;
    MUST(fstat(fd, &known));
    printf("size %lld\n", (long long)known.st_size);
    close(fd);
    told("unlink", unlink(at("file")));
    memcpy(two + 5, " all", 4);
    printf("unlinked: %.9s\n", one);
    /* What is new has memory of its own. */
    fd = pages("new", 3);
    memset(two, 'X', 3 * PAGE);
    at_offset("new", fd, 0);
    at_offset("new", fd, PAGE);
    close(fd);
    for (char *start = one; start; start = start == one ? two : start == two ? own : 0)
        MUST(munmap(start, 3 * PAGE));
    MUST(munmap(seen, 3 * PAGE));
    MUST(munmap(part, PAGE));
}

/* Who may do what with the memory. */
static void rights(void)
{
    close(pages("file", 1));
    int to_read = MUST(open(at("file"), O_RDONLY));
    int to_write = MUST(open(at("file"), O_WRONLY));
    int fd = MUST(open(at("file"), O_RDWR));
    both("to write, opened to read", to_read, PAGE);
    both("to write, opened to write", to_write, PAGE);
    map("to read, opened to write", to_write, PAGE, PROT_READ, MAP_SHARED, 0);
    map("nothing, opened to write", to_write, PAGE, PROT_NONE, MAP_SHARED, 0);
    char *start = map("to read", to_read, PAGE, PROT_READ, MAP_SHARED, 0);
    told("then to write", mprotect(start, PAGE, PROT_READ | PROT_WRITE));
    told("removed", madvise(start, PAGE, MADV_REMOVE));
    byte("not removed", start);
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0)
        _exit(mprotect(start, PAGE, PROT_READ | PROT_WRITE) == 0);
    int status;
    MUST(waitpid(child, &status, 0));
    told("made writable by a child", WEXITSTATUS(status));
    told("then not at all", mprotect(start, PAGE, PROT_NONE));
    byte("nothing", start);
    told("then to read", mprotect(start, PAGE, PROT_READ));
    byte("something", start);
    char *other = map("to read", fd, PAGE, PROT_READ, MAP_SHARED, 0);
    told("then to write", mprotect(other, PAGE, PROT_READ | PROT_WRITE));
    other[0] = 'W';
    byte("written", start);
    map("validated", fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, 0);
    map("odd offset", fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 100);
    map("no length", fd, 0, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    map("both kinds", fd, PAGE, PROT_READ, 0, 0);
    map("too far", fd, PAGE, PROT_READ, MAP_SHARED, 0x7ffffffffffff000);
    told("locked", mlock(other, PAGE));
    told("unlocked", munlock(other, PAGE));
    unsigned char resident;
    told("mincore", mincore(other, PAGE, &resident));
    told("populated", map("", fd, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, 0) == MAP_FAILED);
    /* In a place of the program's choice. */
    char *room = mmap(0, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    told("there", mmap(room + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == room + PAGE);
    byte("there", room + PAGE);
    byte("not before", room);
    told("not there", mmap(room, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED);
    char vector[8];
    struct iovec here = {vector, 4}, there = {other, 4};
    told("process_vm_readv", process_vm_readv(getpid(), &here, 1, &there, 1, 0));
    printf("  %.4s\n", vector);
    close(to_read), close(to_write), close(fd);
    unlink(at("file"));
}

/* Sizes of files and of mappings. */
static void sizes(void)
{
    int fd = MUST(open(at("file"), O_RDWR | O_CREAT, 0644));
    MUST(write(fd, "some", 4));
    char *start = both("longer than the file", fd, 4 * PAGE);
    byte("in the file", start);
    byte("on its last page", start + 4);
    byte("behind", start + PAGE);
    told("read into that", pread(fd, start + PAGE, 4, 0));
    told("written from that", pwrite(fd, start + PAGE, 4, 0));
    told("read across", pread(fd, start + PAGE - 2, 4, 0));
    memcpy(start + 4, "more", 4);
    at_offset("what is stored behind the end", fd, 0);
    MUST(ftruncate(fd, 3));
    byte("cut off on its last page", start + 3);
    byte("not cut off", start + 2);
    MUST(ftruncate(fd, 200));
    byte("cut off before", start + 3);
    MUST(ftruncate(fd, 3 * PAGE));
    byte("now longer", start + PAGE);
    byte("longer", start + 3 * PAGE - 1);
    byte("behind that", start + 3 * PAGE);
    start[2 * PAGE] = 'z';
    at_offset("in a hole", fd, 2 * PAGE);
    MUST(pwrite(fd, "end", 3, 4 * PAGE - 3));
    byte("written to the end", start + 4 * PAGE - 1);
    MUST(ftruncate(fd, PAGE + 1));
    byte("now shorter", start + PAGE);
    byte("cut off", start + 2 * PAGE);
    byte("cut off", start + 3 * PAGE);
    MUST(truncate(at("file"), 4 * PAGE));
    byte("longer again", start + 2 * PAGE);
    byte("longer again", start + 3 * PAGE);
    memset(start, 'e', PAGE);
    start[3 * PAGE] = 'l';
    at_offset("stored", fd, 3 * PAGE);
    int cut = MUST(open(at("file"), O_RDWR | O_TRUNC));
    byte("emptied", start);
    MUST(write(cut, "new", 3));
    byte("new", start + 2);
    close(cut);
    told("room", fallocate(fd, 0, 0, 2 * PAGE));
    byte("with room", start + PAGE);
    memset(start, 'p', 2 * PAGE);
    told("punched", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, PAGE));
    byte("before", start + 9);
    byte("in the hole", start + 10);
    byte("in the hole", start + PAGE + 9);
    byte("behind it", start + PAGE + 10);
    told("madvise", madvise(start, PAGE, MADV_DONTNEED));
    byte("still", start + 9);
    told("removed", madvise(start, PAGE, MADV_REMOVE));
    byte("no more", start + 9);
    char *far = map("behind the end", fd, PAGE, PROT_READ, MAP_SHARED, 64 * PAGE);
    byte("far behind", far);
    close(fd);
    MUST(munmap(start, 4 * PAGE));
    unlink(at("file"));
    /* Parts are unmapped, and something else is there. */
    fd = pages("file", 4);
    start = both("mapped", fd, 4 * PAGE);
    MUST(munmap(start + PAGE, PAGE));
    byte("a hole", start + PAGE);
    char *own = mmap(start + PAGE, PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    own[0] = '!';
    MUST(ftruncate(fd, 0));
    byte("cut off", start);
    byte("the program's own", own);
    byte("cut off", start + 2 * PAGE);
    MUST(ftruncate(fd, 4 * PAGE));
    byte("there again", start);
    byte("the program's own", own);
    close(fd);
    unlink(at("file"));
}

static void wait_for(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    if (status)
        printf("child: %#x\n", status);
    fflush(stdout);
}

/* Processes: those that have it by fork, and those that open it. */
static void processes(const char *self)
{
    int fd = pages("file", 4);
    char *start = both("mapped", fd, 2 * PAGE);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        memcpy(start, "child", 5);
        MUST(pwrite(fd, "wrote", 5, PAGE));
        _exit(0);
    }
    wait_for(child);
    printf("stored by a child: %.6s, written: %.6s\n", start, start + PAGE);
    fflush(stdout);
    /* One that is killed has stored what it has stored. */
    child = MUST(fork());
    if (child == 0) {
        close(fd);
        fd = MUST(open(at("file"), O_RDWR));
        char *again = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 3 * PAGE);
        memcpy(again, "killed", 6);
        kill(getpid(), SIGKILL);
    }
    wait_for(child);
    at_offset("of one that was killed", fd, 3 * PAGE);
    fflush(stdout);
    /* Another program. */
    child = MUST(fork());
    if (child == 0) {
        execl(self, self, "writer", top, (char *)0);
        _exit(1);
    }
    wait_for(child);
    printf("stored by a program: %.8s\n", start);
    close(fd);
    told("unlink", unlink(at("file")));
    /* What a process has mapped stays its own when all others are gone. */
    fflush(stdout);
    int told_by[2];
    MUST(pipe(told_by));
    child = MUST(fork());
    if (child == 0) {
        close(told_by[1]);
        char ignored;
        MUST(read(told_by[0], &ignored, 1));
        printf("unmapped by the others: %.8s\n", start);
        memset(start, 'C', 2 * PAGE);
        fflush(stdout);
        _exit(0);
    }
    MUST(munmap(start, 2 * PAGE));
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "new%d", i);
        close(pages(name, 4));
    }
    MUST(write(told_by[1], "", 1));
    wait_for(child);
    int changed = 0;
    for (int i = 0; i < 20; i++) {
        char name[8], text[4 * PAGE];
        snprintf(name, sizeof name, "new%d", i);
        fd = MUST(open(at(name), O_RDONLY));
        MUST(read(fd, text, sizeof text));
        for (int j = 0; j < 4 * PAGE; j++)
            changed += text[j] != 'a' + j / PAGE;
        close(fd);
        unlink(at(name));
    }
    told("changed in others", changed);
}

/* What a process has locked it keeps, whatever it maps: it would lose it with any descriptor of that file. */
static void locks(void)
{
    int fd = pages("locked", 1), other = pages("other", 2);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    told("locked", fcntl(fd, F_SETLK, &lock));
    char *start = both("mapped", other, 2 * PAGE);
    start = mremap(start, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    MUST(munmap(start, 3 * PAGE));
    close(other);
    start = both("and the file itself", fd, PAGE);
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        lock.l_type = F_WRLCK;
        int own = MUST(open(at("locked"), O_RDWR));
        told("asked", fcntl(own, F_GETLK, &lock));
        printf("still %d, from %lld, by %d\n", lock.l_type, (long long)lock.l_start, lock.l_pid == getppid());
        fflush(stdout);
        _exit(0);
    }
    wait_for(child);
    MUST(munmap(start, PAGE));
    close(fd);
}

static void of_processes(void)
{
    processes("/proc/self/exe");
}

/* A counter that eight processes count up, as programs use such memory. */
static void counted(void)
{
    int fd = MUST(open(at("counter"), O_RDWR | O_CREAT, 0644));
    MUST(ftruncate(fd, 2 * PAGE));
    for (int i = 0; i < 8; i++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            int own = MUST(open(at("counter"), O_RDWR));
            long *count = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
            close(own);
            for (int j = 0; j < 2000; j++) {
                __atomic_fetch_add(&count[0], 1, __ATOMIC_RELAXED);
                __atomic_fetch_add(&count[PAGE / sizeof *count], 1, __ATOMIC_RELAXED);
            }
            _exit(0);
        }
    }
    while (wait(0) > 0)
        ;
    long counts[2];
    MUST(pread(fd, &counts[0], sizeof counts[0], 0));
    MUST(pread(fd, &counts[1], sizeof counts[1], PAGE));
    printf("%ld %ld\n", counts[0], counts[1]);
    close(fd);
    unlink(at("counter"));
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "writer") == 0) {
        snprintf(top, sizeof top, "%s", argv[2]);
        int fd = MUST(open(at("file"), O_RDWR));
        char *start = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        memcpy(start, "program", 7);
        return 0;
    }
    const struct group groups[] = {{"map-together", together}, {"map-rights", rights},
                                   {"map-sizes", sizes},
                                   {"map-processes", of_processes}, {"map-locks", locks},
                                   {"map-counted", counted}, {0, 0}};
    return run_group(argc, argv, groups);
}
