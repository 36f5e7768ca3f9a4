/* Memory protection keys (pkeys(7)): what they forbid, what a handler may do, what calls see of them. Where the machine
   has none, that is all that is to be said. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

#ifndef SEGV_PKUERR
#define SEGV_PKUERR 4
#endif
/* A bit pair for each key. */
#define NO_ACCESS 1u
#define NO_WRITE 2u
#define PAGE 4096

static int key;
static char *page;

static unsigned rights(void)
{
    unsigned low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void set_rights(unsigned value)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(value), "c"(0), "d"(0) : "memory");
}

/* What is allowed but for `what` on the key's pages. */
static void deny(unsigned what)
{
    set_rights((rights() & ~(3u << 2 * key)) | what << 2 * key);
}

/* Where a signal's frame has the rights of the code that it found: at the place that the processor names, behind a
   bit that says that they are there. */
static unsigned *shown(ucontext_t *context)
{
    unsigned char *state = (unsigned char *)context->uc_mcontext.fpregs;
#ifdef __i386__
    state += 112;
#endif
    unsigned size, offset, c, d;
    __asm__("cpuid" : "=a"(size), "=b"(offset), "=c"(c), "=d"(d) : "a"(0xd), "c"(9));
    uint64_t present;
    memcpy(&present, state + 512, sizeof present);
    return present & 1 << 9 ? (unsigned *)(state + offset) : NULL;
}

static void say_found(ucontext_t *context)
{
    unsigned *found = shown(context);
    if (found)
        printf("  found %08x\n", *found);
    else
        puts("  found nothing");
}

/* ---- what a key forbids ---- */

static char *touched;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    int of_key = info->si_code == SEGV_PKUERR;
    printf("  signal %d code %d key %d at +%ld\n", signal, info->si_code, of_key ? (int)info->si_pkey : -1,
           (long)((char *)info->si_addr - touched));
    printf("  handler %08x\n", rights());
    say_found(context);
    unsigned *found = shown(context);
    if (found && of_key)
        *found &= ~(3u << 2 * info->si_pkey);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    MUST(sigaction(signal, &action, NULL));
}

static void faults(void)
{
    handle(SIGSEGV, on_fault, 0);
    touched = page;
    deny(NO_WRITE);
    printf("  read %d\n", page[1]);
    page[1] = 7;
    printf("  after a store %08x\n", rights());
    deny(NO_ACCESS);
    printf("  read %d, %08x\n", ((volatile char *)page)[1], rights());
    exit(0);
}

static void unhandled(void)
{
    deny(NO_ACCESS);
    page[0]++;
}

/* ---- calls: the kernel reads and writes with the rights of who calls ---- */

static void say(const char *what, long result)
{
    printf("  %s: %ld%s%s, %08x\n", what, result < 0 ? -1 : result, result < 0 ? " " : "",
           result < 0 ? strerrorname_np(errno) : "", rights());
}

static char *arguments_of_true[] = {"true", NULL};

static void calls(void)
{
    int ends[2], status;
    MUST(pipe(ends));
    MUST(write(ends[1], "abc", 3));
    memset(page, 0, PAGE);
    strcpy(page, "/");
    deny(NO_ACCESS);
    say("read", read(ends[0], page, 1));
    say("write", write(ends[1], page, 1));
    say("open", open(page, O_RDONLY));
    say("readlink", readlink("/proc/self/exe", page, 10));
    say("readlink", readlink(page, (char[8]){0}, 8));
    say("execve", execve(page, arguments_of_true, NULL));
    say("execve", execve("/bin/true", (char **)page, NULL));
    say("sigaction", syscall(SYS_rt_sigaction, SIGUSR1, page, NULL, 8));
    say("sigaction", syscall(SYS_rt_sigaction, SIGUSR1, NULL, page, 8));
    say("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, page, NULL, 8));
    say("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, page, 8));
    say("sigaltstack", syscall(SYS_sigaltstack, NULL, page));
    say("pipe", pipe((int *)page));
    say("clone", syscall(SYS_clone3, page, 88));
    pid_t child = MUST(fork());
    if (child == 0)
        _exit(rights() & 3u << 2 * key ? 5 : 6);
    say("wait", waitpid(child, (int *)page, WNOHANG | 0x100000));
    say("wait", waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1);
    deny(NO_WRITE);
    say("read", read(ends[0], page, 1));
    say("write", write(ends[1], page, 1));
    say("readlink", readlink("/proc/self/exe", page, 10));
    say("sigprocmask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, page, 8));
    deny(0);
    say("read", read(ends[0], page, 1));
    exit(0);
}

/* ---- signals: where they find the program, and where they find a call ---- */

static volatile int arrived;
static int waiting[2];

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)info;
    printf("  signal %d, handler %08x\n", signal, rights());
    say_found(context);
    deny(0);
    page[2]++;
    if (signal == SIGUSR2) {
        unsigned *found = shown(context);
        if (found)
            *found &= ~(3u << 2 * key);
    }
    arrived++;
}

static void signals(void)
{
    handle(SIGALRM, on_signal, 0);
    handle(SIGUSR1, on_signal, 0);
    handle(SIGUSR2, on_signal, 0);
    deny(NO_ACCESS);
    struct itimerval once = {.it_value.tv_usec = 1000};
    MUST(setitimer(ITIMER_REAL, &once, NULL));
    while (!arrived)
        __asm__ volatile("" ::: "memory");
    printf("  in the program: %08x\n", rights());
    MUST(kill(getpid(), SIGUSR1));
    printf("  sent to itself: %08x\n", rights());

    MUST(pipe(waiting));
    pid_t parent = getpid(), child = MUST(fork());
    if (child == 0) {
        await_state(parent, parent, 'S');
        kill(parent, SIGUSR1);
        _exit(0);
    }
    /* Should the signal come before the call, that ends with the child. */
    close(waiting[1]);
    char byte;
    say("a read", read(waiting[0], &byte, 1));
    MUST(waitpid(child, NULL, 0));

    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, &set, &old));
    MUST(raise(SIGUSR2));
    puts("  blocked");
    say("sigsuspend", sigsuspend(&old));
    deny(NO_ACCESS);
    MUST(raise(SIGUSR2));
    MUST(sigprocmask(SIG_SETMASK, &old, NULL));
    printf("  unblocked: %08x\n", rights());
    exit(0);
}

/* Many signals, in calls and between them: none of them changes what the program has set. */
static volatile long handled, started_otherwise;
static unsigned first;

static void on_many(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    started_otherwise += rights() != first;
    set_rights(first & ~(3u << 2 * key));
    page[3]++;
    syscall(SYS_getppid);
    handled++;
}

static void many(void)
{
    handle(SIGALRM, on_many, SA_RESTART);
    struct itimerval value = {{0, 0}, {0, 50}};
    static const long numbers[] = {SYS_getppid, SYS_close, SYS_dup3, SYS_munmap, 9999};
    deny(NO_WRITE);
    unsigned mine = rights();
    long lost = 0;
    for (int i = 0; handled < 300;) {
        long before = handled;
        setitimer(ITIMER_REAL, &value, NULL);
        while (handled == before) {
            syscall(numbers[i++ % 5], -1, 0, 0);
            lost += rights() != mine;
        }
    }
    printf("  %ld started otherwise, lost %ld times\n", started_otherwise, lost);
    exit(0);
}

/* ---- a stack that only its key's owner may use: a handler begins without that right ---- */

__attribute__((used, noinline)) static void on_stack(int signal)
{
    (void)signal;
    static const char text[] = "  on that stack\n";
    write(1, text, sizeof text - 1);
    arrived++;
}

/* One that takes the right first. */
__attribute__((naked)) static void on_own_stack(int signal)
{
    (void)signal;
    __asm__("xorl %ecx, %ecx\n\txorl %edx, %edx\n\txorl %eax, %eax\n\t"
            ".byte 0x0f, 0x01, 0xef\n\t"
            "jmp on_stack");
}

static void keyed_stack(void (*handler)(int), unsigned what, int in_call)
{
    stack_t stack = {.ss_sp = page, .ss_size = 16 * PAGE};
    MUST(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(sigaction(SIGALRM, &action, NULL));
    deny(what);
    if (in_call) {
        kill(getpid(), SIGUSR1);
    } else {
        struct itimerval once = {.it_value.tv_usec = 1000};
        MUST(setitimer(ITIMER_REAL, &once, NULL));
        while (!arrived)
            __asm__ volatile("" ::: "memory");
    }
    exit(0);
}

static void stack_allowed(void) { keyed_stack(on_stack, 0, 0); }
static void stack_denied(void) { keyed_stack(on_stack, NO_ACCESS, 0); }
static void stack_allowed_in_a_call(void) { keyed_stack(on_stack, 0, 1); }
static void stack_denied_in_a_call(void) { keyed_stack(on_stack, NO_ACCESS, 1); }
static void stack_taken(void) { keyed_stack(on_own_stack, 0, 0); }
static void stack_taken_in_a_call(void) { keyed_stack(on_own_stack, 0, 1); }

/* ---- threads, processes, programs ---- */

static void *thread(void *argument)
{
    (void)argument;
    printf("  thread %08x\n", rights());
    handle(SIGUSR1, on_signal, 0);
    pthread_kill(pthread_self(), SIGUSR1);
    deny(NO_WRITE);
    syscall(SYS_getppid);
    printf("  thread %08x\n", rights());
    return NULL;
}

static void threads(void)
{
    deny(NO_ACCESS);
    pthread_t other;
    CHECK(pthread_create(&other, NULL, thread, NULL) == 0);
    pthread_join(other, NULL);
    printf("  main %08x\n", rights());
    exit(0);
}

static void programs(void)
{
    deny(NO_ACCESS);
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0)
        _exit(rights() & 3u << 2 * key ? 5 : 6);
    report("  vfork", child);
    printf("  %08x\n", rights());
    fflush(stdout);
    execl("/proc/self/exe", "keys", "again", (char *)NULL);
}

/* ---- text with a key of its own: it is executed, whoever may read it ---- */

__attribute__((section(".keyed, \"ax\", @progbits #"), aligned(PAGE), noinline)) static long ask(void)
{
    long result;
#ifdef __i386__
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(SYS_getpid) : "memory");
#else
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getpid) : "rcx", "r11", "memory");
#endif
    return result;
}
__asm__(".pushsection .keyed, \"ax\", @progbits\n.balign 4096\n.popsection");

/* Which key it has, if that is denied. */
static void touch(const char *what, void *at)
{
    printf(" %s\n", what);
    touched = at;
    *(volatile char *)at;
}

static void text(void)
{
    void *at = (void *)ask;
    handle(SIGSEGV, on_fault, 0);
    CHECK(ask() == getpid());
    MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_EXEC, key));
    deny(NO_ACCESS);
    CHECK(ask() == getpid());
    touch("a key", at);
    deny(NO_ACCESS);
    MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, key));
    CHECK(ask() == getpid());
    touch("can be written", at);
    printf(" %02x\n", *(unsigned char *)at);
    deny(NO_ACCESS);
    MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_EXEC, key));
    CHECK(ask() == getpid());
    touch("cannot be written", at);
    deny(NO_ACCESS);
    /* To be executed alone: the kernel takes a key for it, which it denies to who does that. */
    MUST(mprotect(at, PAGE, PROT_EXEC));
    CHECK(ask() == getpid());
    printf("  %08x\n", rights());
    touch("can be executed alone", at);
    MUST(mprotect(at, PAGE, PROT_EXEC));
    MUST(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
    CHECK(ask() == getpid());
    touch("has no key", at);
    printf("  next key %ld\n", syscall(SYS_pkey_alloc, 0, 0));
    exit(0);
}

/* Whatever a call does with such a text, a signal that finds it finds the program's own rights. */
static unsigned own;
static volatile long found_otherwise;

static void on_change(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    /* What is as the processor begins need not be there: everything is allowed. */
    unsigned *found = shown(context);
    found_otherwise += (found ? *found : 0) != own;
    handled++;
}

static void changes(void)
{
    handle(SIGALRM, on_change, 0);
    struct itimerval value = {{0, 0}, {0, 50}};
    void *at = (void *)ask;
    deny(NO_ACCESS);
    own = rights();
    while (handled < 200) {
        long before = handled;
        setitimer(ITIMER_REAL, &value, NULL);
        while (handled == before) {
            MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, key));
            MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_EXEC, key));
        }
    }
    printf("  found %ld times other rights, %08x\n", found_otherwise, rights());
    exit(0);
}

/* What is generated, under a key that forbids to write it while it runs. */
static void generated(void)
{
    static const unsigned char code[] = {0xb8, SYS_getppid, 0, 0, 0,
#ifdef __i386__
                                         0xcd, 0x80,
#else
                                         0x0f, 0x05,
#endif
                                         0xc3};
    char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, key));
    memcpy(at, code, sizeof code);
    for (int i = 0; i < 3; i++) {
        deny(i);
        CHECK(((int (*)(void))at)() == getppid());
        printf("  %08x\n", rights());
    }
    exit(0);
}

/* Whether the system lets programs use the processor's keys. */
static int has_keys(void)
{
    unsigned a, b, c, d;
    __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
    return c >> 4 & 1;
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (!has_keys()) {
        puts("no keys");
        return 0;
    }
    printf("%08x\n", rights());
    if (count > 1)
        return 0;
    first = rights();
    key = (int)syscall(SYS_pkey_alloc, 0, 0);
    printf("key %d\n", key);
    page = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(syscall(SYS_pkey_mprotect, page, 16 * PAGE, PROT_READ | PROT_WRITE, key));
    /* Who waits for what never comes does not for ever. */
    struct rlimit limit = { 60, 60 };
    MUST(setrlimit(RLIMIT_CPU, &limit));
    in_one("faults", faults);
    in_one("unhandled", unhandled);
    in_one("calls", calls);
    in_one("signals", signals);
    in_one("many", many);
    in_one("stack allowed", stack_allowed);
    in_one("stack denied", stack_denied);
    in_one("stack allowed, in a call", stack_allowed_in_a_call);
    in_one("stack denied, in a call", stack_denied_in_a_call);
    in_one("stack taken", stack_taken);
    in_one("stack taken, in a call", stack_taken_in_a_call);
    in_one("threads", threads);
    in_one("programs", programs);
    in_one("text", text);
    in_one("changes", changes);
    in_one("generated", generated);
    MUST(syscall(SYS_pkey_free, key));
    printf("key %ld\n", syscall(SYS_pkey_alloc, 0, NO_WRITE));
    printf("%08x\n", rights());
    return 0;
}
