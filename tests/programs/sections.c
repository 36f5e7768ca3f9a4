/* What `walk` steps through beside `walked.c`: what vload does for a process with code that cannot be proven, a gs base
   of its own, texts that change, locks that somebody sleeps with. */
#include "walked.h"
#include <asm/prctl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/prctl.h>

enum { PAGE = 4096 };

/* Nothing is there natively or under vload. */
static char *const place = (char *)0x10000000;

/* Memory that holds mov $NUMBER,%eax; syscall; ret, and may be written to: nobody can prove what is executed there. */
static void *generate(int number)
{
    static const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
    char *at = MUST(mmap(place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    memcpy(at, code, sizeof code);
    memcpy(at + 1, &number, sizeof number);
    return at;
}

/* A file's text, without a call that a handler would not see natively. */
static char *map_text(void)
{
    int fd = MUST(open("/bin/true", O_RDONLY));
    char *at = MUST(mmap(place, 2 * PAGE, PROT_READ | PROT_EXEC,
                         MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0));
    close(fd);
    return at;
}

static void send_to_self(int signal)
{
    raw_call(SYS_tgkill, getpid(), gettid(), signal);
}

/* What a handler was shown of a signal that had waited; it makes nothing more of it, for it is walked. */
static volatile struct {
    int number, code;
    unsigned long pc, mask;
} waited;

static void keeper(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    handled += 100;
    waited.number = signal;
    waited.code = info->si_code;
    waited.pc = u->uc_mcontext.gregs[REG_RIP];
    waited.mask = *(unsigned long *)&u->uc_sigmask;
}

/* Has a signal wait for itself. Under vload it waits in vload, where the kernel is not told that it is blocked. */
static void let_wait(void)
{
    handle(SIGSYS, keeper, 0);
    change_mask(SIG_BLOCK);
    send_to_self(SIGSYS);
}

/* Sends itself a signal that waits until it returns: the walk begins with the return. */
static void sender(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    send_to_self(SIGSYS);
    mark(BEGIN);
}

static int asked[2], answered[2], begun[2];

/* Sleeps in a fork for as long as its child does, which has a copy of the memory. */
static long fork_asleep(void)
{
    long child;
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(child)
                     : "0"(SYS_clone), "D"((long)CLONE_VFORK | SIGCHLD), "S"(0L), "d"(0L), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    if (child == 0) {
        char byte = 'x';
        raw_call(SYS_write, begun[1], (long)&byte, 1);
        while (raw_call(SYS_read, asked[0], (long)&byte, 1) == -EINTR)
            ;
        raw_call(SYS_exit_group, 4, 0, 0);
    }
    return child;
}

static void *sleeper(void *none)
{
    reap(fork_asleep());
    return none;
}

/* Sleeps until it is asked. */
static void *waiter(void *none)
{
    char byte = 'x';
    raw_call(SYS_write, begun[1], (long)&byte, 1);
    while (raw_call(SYS_read, asked[0], (long)&byte, 1) == -EINTR)
        ;
    return none;
}

/* Hears signals from its second call on, and makes another. */
static void *unblocks(void *result)
{
    change_mask(SIG_UNBLOCK);
    *(long *)result = raw_call(SYS_fcntl, -1, F_GETFD, 0);
    mark(END);
    return NULL;
}

/* A thread that hears no signal; goes on when it has begun. */
static pthread_t start(void *(*function)(void *))
{
    pthread_t thread;
    char byte;
    change_mask(SIG_BLOCK);
    CHECK(pthread_create(&thread, NULL, function, NULL) == 0);
    change_mask(SIG_UNBLOCK);
    MUST(read(begun[0], &byte, 1));
    return thread;
}

static void finish(pthread_t thread)
{
    MUST(write(asked[1], "x", 1));
    CHECK(pthread_join(thread, NULL) == 0);
}

/* A file is made, written, moved and removed: where a module has the folder, in the module. */
static long in_folder(const char *folder)
{
    char first[200], second[200];
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    mark(BEGIN);
    long fd = raw_call(SYS_open, (long)first, O_CREAT | O_RDWR | O_EXCL, 0600);
    long wrote = raw_call(SYS_write, fd, (long)"text", 4);
    long moved = raw_call(SYS_rename, (long)first, (long)second, 0);
    long closed = raw_call(SYS_close, fd, 0, 0);
    long removed = raw_call(SYS_unlink, (long)second, 0, 0);
    mark(END);
    signed_number("opened ", fd >= 0);
    signed_number(" moved ", moved);
    signed_number(" closed ", closed);
    signed_number(" removed ", removed);
    put("\n");
    return wrote;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char local;
    base = &local;
    long result = 0;
    read_flags(argc, argv);
    MUST(pipe(asked));
    MUST(pipe(answered));
    MUST(pipe(begun));
    handle_all(handler, 0);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);

    if (is(what, "handed-mask")) {
        let_wait();
        result = window(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&all, 0, 8);
    } else if (is(what, "handed-suspend")) {
        let_wait();
        result = window(SYS_rt_sigsuspend, (long)&none, 8, 0, 0);
        change_mask(SIG_UNBLOCK);
    } else if (is(what, "handed-wait")) {
        siginfo_t info;
        let_wait();
        result = window(SYS_rt_sigtimedwait, (long)&all, (long)&info, 0, 8);
        change_mask(SIG_UNBLOCK);
    } else if (is(what, "handed-return")) {
        struct sigaction action = {.sa_sigaction = sender, .sa_flags = SA_SIGINFO};
        handle(SIGSYS, keeper, 0);
        sigaddset(&action.sa_mask, SIGSYS);
        MUST(sigaction(SIGALRM, &action, NULL));
        send_to_self(SIGALRM);
        mark(END);
    } else if (is(what, "generated")) {
        long (*call)(void) = (long (*)(void))generate(SYS_getuid);
        mark(BEGIN);
        result = call();
        mark(END);
    } else if (is(what, "watch")) {
        mark(BEGIN);
        void *at = mmap(place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        mark(END);
        result = at == place;
    } else if (is(what, "gather")) {
        pthread_t thread = start(waiter);
        mark(BEGIN);
        void *at = mmap(place, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        mark(END);
        result = at == place;
        finish(thread);
    } else if (is(what, "take-over")) {
        /* Another thread sleeps in a fork: under vload with locks, which are taken out of its hands. */
        pthread_t thread = start(sleeper);
        char *at = map_text();
        mark(BEGIN);
        result = raw_call(SYS_munmap, (long)at, 2 * PAGE, 0);
        mark(END);
        finish(thread);
    } else if (is(what, "fork-asleep")) {
        MUST(write(asked[1], "x", 1));
        mark(BEGIN);
        long child = fork_asleep();
        mark(END);
        reap(child);
    } else if (is(what, "own-mask")) {
        /* A thread's first calls: it has its maker's mask, and then one of its own. */
        pthread_t thread;
        change_mask(SIG_BLOCK);
        mark(BEGIN_NEXT);
        CHECK(pthread_create(&thread, NULL, unblocks, &result) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    } else if (is(what, "own-gs")) {
        static long area[64];
        MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, area));
        result = window(SYS_fcntl, -1, F_GETFD, 0, 0);
        unsigned long now = 0;
        MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
        signed_number("kept ", now == (unsigned long)area);
        put("\n");
    } else if (is(what, "int80")) {
        mark(BEGIN);
        __asm__ volatile("int $0x80" : "=a"(result) : "0"(24L) : "memory");
        mark(END);
    } else if (is(what, "protect")) {
        char *at = map_text();
        mark(BEGIN);
        long wrote = raw_call(SYS_mprotect, (long)at, 2 * PAGE, PROT_READ | PROT_WRITE);
        result = raw_call(SYS_mprotect, (long)at, 2 * PAGE, PROT_READ | PROT_EXEC);
        mark(END);
        signed_number("wrote ", wrote);
        put("\n");
    } else if (is(what, "unmap")) {
        char *at = map_text();
        mark(BEGIN);
        result = raw_call(SYS_munmap, (long)at, 2 * PAGE, 0);
        mark(END);
    } else if (is(what, "filter")) {
        struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
        struct sock_fprog filter = {.len = 1, .filter = &allow};
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        mark(BEGIN);
        result = raw_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&filter);
        mark(END);
    } else if (is(what, "close-range")) {
        mark(BEGIN);
        result = raw_call(SYS_close_range, 64, ~0U, CLOSE_RANGE_UNSHARE);
        mark(END);
    } else if (is(what, "autodisarm")) {
        static char alternate[65536];
        enum { AUTODISARM = 1U << 31 };
        MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate,
                                    .ss_flags = (int)AUTODISARM}, NULL));
        handle(SIGALRM, quiet, SA_ONSTACK);
        mark(BEGIN);
        send_to_self(SIGALRM);
        mark(END);
    } else if (is(what, "folder")) {
        result = in_folder(argv[2]);
    } else {
        return 91;
    }
    signed_number("waited ", waited.number);
    signed_number(" code ", waited.code);
    word(" pc ", waited.pc);
    word(" mask ", waited.mask);
    put("\n");
    note_end(result, '-');
    return 0;
}
