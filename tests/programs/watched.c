/* Code that nobody can prove: made by the program, rewritten, moved, mapped twice. Each way is run,
 * and the harness counts the calls that it makes. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/prctl.h>
#include <ucontext.h>

/* mov %rcx,%r10; mov $NUMBER,%eax; syscall; ret */
static unsigned char *emit(unsigned char *at, int number)
{
    static const unsigned char code[] = {0x49, 0x89, 0xca, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
    memcpy(at, code, sizeof code);
    memcpy(at + 4, &number, sizeof number);
    return at + sizeof code;
}

/* push %rbx; mov $NUMBER,%eax; int $0x80; pop %rbx; ret */
static unsigned char *emit_old(unsigned char *at, int number)
{
    static const unsigned char code[] = {0x53, 0xb8, 0, 0, 0, 0, 0xcd, 0x80, 0x5b, 0xc3};
    memcpy(at, code, sizeof code);
    memcpy(at + 2, &number, sizeof number);
    return at + sizeof code;
}

typedef long (*function)();

static unsigned char *page(int protection)
{
    return MUST(mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

enum { WRITE = PROT_READ | PROT_WRITE, RUN = PROT_READ | PROT_EXEC, ALL = WRITE | PROT_EXEC };

static function made(int number)
{
    unsigned char *memory = page(WRITE);
    emit(memory, number);
    MUST(mprotect(memory, 4096, RUN));
    return (function)memory;
}

static void loop(void)
{
    unsigned char *memory = page(ALL);
    function new = (function)memory, old = (function)emit(memory, SYS_getppid);
    emit_old((unsigned char *)old, 64);
    int right = 0;
    for (int i = 0; i < 1000; i++)
        right += (new() == getppid()) + (old() == getppid());
    printf("%d of 2000\n", right);
}

/* A site of this program's own text, on pages of its own. */
__asm__(".section .text.own,\"ax\",@progbits\n"
        ".balign 4096\n.globl own\n.type own,@function\nown:\n"
        ".cfi_startproc\nmov $110,%eax\nsyscall\nret\n.cfi_endproc\n.size own,.-own\n"
        ".balign 4096\n.previous\n");
extern char own[];

static void rewritten(void)
{
    printf("before: %d\n", ((function)own)() == getppid());
    MUST(mprotect(own, 4096, WRITE));
    static const unsigned char bytes[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
    printf("its own bytes: %d\n", memcmp(own, bytes, sizeof bytes) == 0);
    own[1] = SYS_getuid;
    MUST(mprotect(own, 4096, RUN));
    printf("after: %d\n", ((function)own)() == getuid());
    MUST(mprotect(own, 4096, WRITE));
    emit((unsigned char *)own, SYS_getgid);
    MUST(mprotect(own, 4096, RUN));
    printf("again: %d\n", ((function)own)() == getgid());
}

static void moved(void)
{
    printf("before: %d\n", ((function)own)() == getppid());
    char *place = MUST(mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    function there = MUST(mremap(own, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place + 4096));
    for (int i = 0; i < 10; i++)
        CHECK(there() == getppid());
    /* Generated code moves too. */
    function code = MUST(mremap((void *)made(SYS_getuid), 4096, 8192, MREMAP_MAYMOVE));
    printf("moved: %d\n", code() == getuid());
}

static void mapped_twice(void)
{
    int fd = MUST(syscall(SYS_memfd_create, "code", 0));
    MUST(ftruncate(fd, 4096));
    unsigned char *written = MUST(mmap(NULL, 4096, WRITE, MAP_SHARED, fd, 0));
    function run = MUST(mmap(NULL, 4096, RUN, MAP_SHARED, fd, 0));
    emit(written, SYS_getppid);
    printf("first: %d\n", run() == getppid());
    emit(written, SYS_getuid);
    printf("second: %d\n", run() == getuid());
}

static void attached(void)
{
    int id = MUST(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0700));
    unsigned char *written = MUST(shmat(id, NULL, 0));
    function run = MUST(shmat(id, NULL, SHM_RDONLY | SHM_EXEC));
    shmctl(id, IPC_RMID, NULL);
    emit(written, SYS_getppid);
    printf("attached: %d\n", run() == getppid());
}

/* This program's file, mapped to be read, and made executable after. */
static void later(void)
{
    int fd = MUST(open("/proc/self/exe", O_RDONLY));
    off_t length = lseek(fd, 0, SEEK_END);
    char *file = MUST(mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0));
    static const unsigned char bytes[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *code = memmem(file, length, bytes, sizeof bytes);
    while (code && ((uintptr_t)(code - file) & 4095))
        code = memmem(code + 1, length - (code + 1 - file), bytes, sizeof bytes);
    CHECK(code != NULL);
    MUST(mprotect(code, 4096, RUN));
    for (int i = 0; i < 10; i++)
        CHECK(((function)code)() == getppid());
    puts("later: done");
}

static volatile function shared;
static volatile int ready, spinning;

static void *spinner(void *none)
{
    spinning = 1;
    while (!shared)
        ;
    for (int i = 0; i < 100; i++)
        CHECK(shared() == getppid());
    return none;
}

static void *waiter(void *end)
{
    char byte;
    MUST(read((int)(long)end, &byte, 1));
    for (int i = 0; i < 100; i++)
        CHECK(shared() == getppid());
    return NULL;
}

static void *fresh(void *none)
{
    for (int i = 0; i < 100; i++)
        CHECK(shared() == getppid());
    return none;
}

static void threads(void)
{
    pthread_t ids[3];
    int ends[2];
    MUST(pipe(ends));
    pthread_create(&ids[0], NULL, spinner, NULL);
    pthread_create(&ids[1], NULL, waiter, (void *)(long)ends[0]);
    while (!spinning)
        sched_yield();
    shared = made(SYS_getppid);
    MUST(write(ends[1], "x", 1));
    pthread_create(&ids[2], NULL, fresh, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(ids[i], NULL);
    puts("threads: done");
}

/* One region of generated code, then threads that use it too, then another region. */
static function only;

static void *user(void *end)
{
    char byte;
    for (int i = 0; i < 100; i++)
        CHECK(only() == getuid());
    if (end)
        MUST(read(*(int *)end, &byte, 1));
    else
        spinning = 1;
    while (!shared)
        ;
    for (int i = 0; i < 100; i++)
        CHECK(shared() == getppid() && only() == getuid());
    return NULL;
}

static void region(void)
{
    enum { PAGES = 16, SIZE = PAGES * 4096 };
    unsigned char *memory = MUST(mmap(NULL, 3 * SIZE, WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(mprotect(memory + SIZE, SIZE, RUN));
    /* Written and run in turn, page by page, as compilers do. */
    for (int i = 0; i < PAGES; i++) {
        unsigned char *page = memory + SIZE + i * 4096;
        MUST(mprotect(page, 4096, WRITE));
        emit(page, SYS_getppid);
        MUST(mprotect(page, 4096, RUN));
        CHECK(((function)page)() == getppid());
    }
    MUST(mprotect(memory + 2 * SIZE - 4096, 8192, WRITE));
    /* A call that ends where the region does. */
    static const unsigned char last[] = {0x49, 0x89, 0xca, 0xb8, SYS_getuid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    memcpy(memory + 2 * SIZE - (sizeof last - 1), last, sizeof last);
    /* The instruction behind the region is in the one that grows it. */
    MUST(mprotect(memory + 2 * SIZE - 4096, 8192, RUN));
    only = (function)(memory + 2 * SIZE - (sizeof last - 1));
    CHECK(only() == getuid());
    pid_t child = fork();
    if (child == 0)
        _exit(only() == getuid() ? 3 : 4);
    report("fork", child);
    pthread_t ids[2];
    int ends[2];
    MUST(pipe(ends));
    pthread_create(&ids[0], NULL, user, NULL);
    pthread_create(&ids[1], NULL, user, &ends[0]);
    while (!spinning)
        sched_yield();
    shared = made(SYS_getppid);
    MUST(write(ends[1], "x", 1));
    for (int i = 0; i < 2; i++)
        pthread_join(ids[i], NULL);
    /* The first region moves. */
    char *place = MUST(mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *there = MUST(mremap(memory + SIZE, SIZE - 4096, SIZE - 4096,
                              MREMAP_MAYMOVE | MREMAP_FIXED, place + 4096));
    CHECK(((function)there)() == getppid());
    puts("region: done");
}

/* The only region of generated code moves, and then its neighbour grows into it. */
static void carried(void)
{
    char *place = MUST(mmap(NULL, 5 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    function code = made(SYS_getuid);
    CHECK(code() == getuid());
    code = MUST(mremap((void *)code, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place + 4096));
    CHECK(code() == getuid());
    code = MUST(mremap((void *)code, 4096, 8192, MREMAP_MAYMOVE));
    CHECK(code() == getuid());
    puts("carried: done");
}

/* Code on the stack. */
static void stacked(void)
{
    unsigned char room[8192];
    unsigned char *code = (unsigned char *)(((uintptr_t)room + 4095) & ~4095UL);
    emit(code, SYS_getppid);
    MUST(mprotect(code, 4096, ALL));
    CHECK(((function)code)() == getppid());
    puts("stacked: done");
}

/* Code in memory that grows like a stack: what comes to it can be executed too. */
static void growing(void)
{
    enum { SIZE = 1 << 21 };
    unsigned char *stack = MUST(mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(munmap(stack, SIZE));
    stack = MUST(mmap(stack + SIZE - 4096, 4096, ALL,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
    emit(stack, SYS_getppid);
    CHECK(((function)stack)() == getppid());
    emit(stack - 64, SYS_getuid);
    CHECK(((function)(stack - 64))() == getuid());
    puts("growing: done");
}

static void children(void)
{
    function code = made(SYS_getpid);
    pid_t child = fork();
    if (child == 0)
        _exit(code() == getpid() ? 3 : 4);
    report("fork", child);
    child = vfork();
    if (child == 0)
        _exit(code() == getpid() ? 5 : 6);
    report("vfork", child);
    child = fork();
    if (child == 0) {
        fflush(stdout);
        execl("/bin/true", "true", NULL);
        _exit(9);
    }
    report("exec", child);
    /* Only the child of a vfork maps code. */
    child = vfork();
    if (child == 0) {
        function other = made(SYS_getpid);
        _exit(other() == getpid() ? 7 : 8);
    }
    report("vfork that maps", child);
    printf("parent: %d\n", code() == getpid());
}

static function handler_code;
static unsigned char *waiting;

static void handler(int signal, siginfo_t *info, void *context)
{
    unsigned char *pc = (unsigned char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    printf("signal %d: call %d, at %ld\n", signal, handler_code() == getpid(),
           waiting ? (long)(pc - waiting) : -1);
    (void)info;
}

static void signals(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    handler_code = made(SYS_getpid);
    raise(SIGUSR1);
    /* A wait in generated code that a signal ends: the context shows where it was. */
    function pause_code = made(SYS_pause);
    waiting = (unsigned char *)pause_code;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, &old);
    alarm(1);
    function suspend_code = made(SYS_rt_sigsuspend);
    waiting = (unsigned char *)suspend_code;
    printf("suspend: %ld\n", suspend_code(&old, 8));
    /* Generated code that sends its own process the signal: it arrives behind the call. */
    function kill_code = made(SYS_kill);
    waiting = (unsigned char *)kill_code;
    printf("kill: %ld\n", kill_code(getpid(), SIGUSR1));
    /* SIGSYS stays the program's. */
    action.sa_sigaction = handler;
    waiting = NULL;
    sigaction(SIGSYS, &action, NULL);
    raise(SIGSYS);
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGSYS);
    sigset_t pending, now;
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("pending %d, blocked %d, call %d\n", sigismember(&pending, SIGSYS),
           sigismember(&now, SIGSYS), handler_code() == getpid());
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGSYS, SIG_IGN);
    raise(SIGSYS);
    printf("ignored: call %d\n", handler_code() == getpid());
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGSYS);
    struct timespec none = {0};
    printf("taken: %d\n", sigtimedwait(&set, NULL, &none));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSYS, SIG_DFL);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        raise(SIGSYS);
        _exit(1);
    }
    report("killed by SIGSYS", child);
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"loop", loop},         {"rewritten", rewritten}, {"moved", moved},
        {"twice", mapped_twice}, {"attached", attached},   {"later", later},
        {"threads", threads},   {"children", children},   {"signals", signals},
        {"region", region},     {"carried", carried},     {"growing", growing},
        {"stacked", stacked},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; count > 1 && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(words[1], ways[i].name) == 0)
            ways[i].run();
    return 0;
}
