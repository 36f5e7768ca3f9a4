/* Every way to end, seen by the parent. */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void *exit_from_thread(void *unused)
{
    exit(17);
    return unused;
}
/* The last thread ends after the first, whose remains the process then is. */
static void *leave(void *unused)
{
    await_state(getpid(), getpid(), 'Z');
    return unused;
}

static void die(int how)
{
    volatile int zero = 0;
    pthread_t thread;
    int ends[2];
    switch (how) {
    case 0: exit(0);
    case 1: exit(255);
    case 2: exit(256 + 3);
    case 3: _exit(-1);
    case 4: abort();
    case 5: *(volatile int *)8 = 1; break;
    case 6: kill(getpid(), SIGKILL); break;
    case 7: raise(SIGTERM); break;
    case 8: __builtin_trap(); break;
    case 9: raise(SIGFPE); break;
    case 10:
        MUST(pipe(ends));
        close(ends[0]);
        (void)!write(ends[1], "x", 1);
        break;
    case 11: alarm(1); pause(); break;
    case 12: pthread_create(&thread, NULL, exit_from_thread, NULL); pause(); break;
    case 13: pthread_create(&thread, NULL, leave, NULL); pthread_exit(NULL);
    case 14: raise(SIGTRAP); break;
    case 15: raise(SIGSYS); break;
    case 16: raise(SIGBUS); break;
    case 17: ((void (*)(void))16)(); break;
    case 18: raise(SIGRTMIN + 2); break;
    case 19:
        signal(SIGSEGV, SIG_IGN);
        *(volatile int *)8 = 1;
        break;
    case 20: {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        *(volatile int *)8 = 1;
        break;
    }
    case 21: syscall(SYS_exit, 9); break;
    case 22: syscall(SYS_exit_group, 10); break;
#if defined(__x86_64__) || defined(__i386__)
    case 23: __asm__ volatile("int3"); break;
    case 24: zero = 1 / zero; break;
    case 25: __asm__ volatile("hlt"); break;
#endif
    }
    _exit(77);
}

int main(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int how = 0; how < 26; how++) {
        fflush(stdout);
        pid_t child = MUST(fork());
        if (child == 0)
            die(how);
        char what[16];
        snprintf(what, sizeof what, "%d", how);
        report(what, child);
    }
    puts("the end is an exit code");
    fflush(stdout);
    return 200;
}
