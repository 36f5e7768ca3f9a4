/* Processes that share memory and nothing else (CLONE_VM): what is generated code for one is so for all, and one
 * of them maps it first while the others compute, sleep in a call, or execute another program. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

typedef long (*function)(void);
enum { CALLS = 100, STACK = 65536 };

static _Atomic(function) code;
static atomic_int ready, wrong;
static int ends[2];

/* mov $getppid,%eax; syscall; ret */
static function made(void)
{
    static const unsigned char bytes[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *memory = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, bytes, sizeof bytes);
    MUST(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    return (function)memory;
}

/* What is called is generated code alone: the program's own calls would be noticed anyway. */
static void use(void)
{
    function generated = atomic_load(&code);
    long first = generated();
    for (int i = 1; i < CALLS; i++)
        if (generated() != first)
            atomic_store(&wrong, 1);
}

static void compute(void)
{
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&code))
        ;
}

static int computing(void *none)
{
    (void)none;
    compute();
    use();
    return 3;
}

static int sleeping(void *none)
{
    char byte;
    (void)none;
    atomic_fetch_add(&ready, 1);
    MUST(read(ends[0], &byte, 1));
    use();
    return 4;
}

/* Blocks all that there is, as no C library lets a program do. */
static int deaf(void *none)
{
    uint64_t all = ~0ull;
    (void)none;
    MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all));
    compute();
    use();
    return 5;
}

/* A thread of the other process. Nobody waits for it but by the word that the kernel clears. */
static atomic_int alive = 1;
static int threaded(void *none)
{
    static char stack[STACK] __attribute__((aligned(16)));
    (void)none;
    MUST(clone(computing, stack + STACK,
               CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID, NULL, NULL, NULL, &alive));
    compute();
    use();
    while (atomic_load(&alive))
        ;
    return 6;
}

/* The other process maps the code, and this one computes. */
static int mapping(void *none)
{
    (void)none;
    while (!atomic_load(&ready))
        ;
    atomic_store(&code, made());
    use();
    return 7;
}

static pid_t start(int (*run)(void *))
{
    char *stack = MUST(mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    return MUST(clone(run, stack + STACK, CLONE_VM | SIGCHLD, NULL));
}

/* Maps the code when the others are where they shall be. */
static void with(int (*run)(void *), int threads)
{
    pid_t child = start(run);
    while (atomic_load(&ready) < threads)
        ;
    if (run == sleeping)
        await_state(child, child, 'S');
    atomic_store(&code, made());
    if (run == sleeping)
        MUST(write(ends[1], "x", 1));
    report("it", child);
}

static void computes(void) { with(computing, 1); }
static void sleeps(void) { with(sleeping, 1); }
static void blocks(void) { with(deaf, 1); }
static void has_threads(void) { with(threaded, 2); }

static void maps(void)
{
    pid_t child = start(mapping);
    compute();
    use();
    report("it", child);
}

static void *thread(void *none)
{
    compute();
    use();
    return none;
}

/* The child of a vfork maps it: its parent sleeps, but not its parent's thread. */
static void vforks(void)
{
    pthread_t id;
    pthread_create(&id, NULL, thread, NULL);
    while (!atomic_load(&ready))
        ;
    pid_t child = vfork();
    if (child == 0) {
        atomic_store(&code, made());
        use();
        _exit(8);
    }
    pthread_join(id, NULL);
    report("it", child);
}

/* The child of a vfork has a thread of its own, which blocks all that there is, and maps it. */
static void vforks_threaded(void)
{
    static char stack[STACK] __attribute__((aligned(16)));
    pid_t child = vfork();
    if (child == 0) {
        MUST(clone(deaf, stack + STACK,
                   CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_CHILD_CLEARTID, NULL, NULL, NULL, &alive));
        while (!atomic_load(&ready))
            ;
        atomic_store(&code, made());
        use();
        while (atomic_load(&alive))
            ;
        _exit(8);
    }
    report("it", child);
    /* What the child's thread has been called by is this process's to use: it ends it by default. */
    pid_t other = MUST(fork());
    if (other == 0) {
        MUST(syscall(SYS_tgkill, getpid(), gettid(), 33));
        _exit(9);
    }
    report("one that is sent it", other);
}

/* It computes, and becomes another program when the code is there, which no signal of ours must end. */
static int becoming(void *none)
{
    (void)none;
    compute();
    execl("/bin/true", "true", (char *)NULL);
    return 9;
}

static void executes(void) { with(becoming, 1); }

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"computes", computes}, {"sleeps", sleeps}, {"blocks", blocks},     {"threads", has_threads},
        {"maps", maps},         {"vforks", vforks}, {"vforks-threaded", vforks_threaded},
        {"executes", executes},
    };
    MUST(pipe(ends));
    for (size_t i = 0; count > 1 && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(words[1], ways[i].name) == 0)
            ways[i].run();
    printf("wrong: %d\n", atomic_load(&wrong));
    return 0;
}
