/* A signal of a trap that is blocked waits, whatever the calls on files do meanwhile. */
#include "variants.h"

static volatile sig_atomic_t handled;

static void handler(int signal) { handled = signal; }

static int waits(void)
{
    sigset_t pending;
    MUST(sigpending(&pending));
    return sigismember(&pending, SIGTRAP);
}

static void blocked(void)
{
    sigset_t trap;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    MUST(signal(SIGTRAP, handler) == SIG_ERR ? -1 : 0);
    MUST(sigprocmask(SIG_BLOCK, &trap, NULL));
    for (int to_thread = 0; to_thread < 2; to_thread++) {
        MUST(to_thread ? raise(SIGTRAP) : kill(getpid(), SIGTRAP));
        file("file", "text");
        struct stat known;
        told("known", stat(at("file"), &known));
        printf("handled %d, waits %d\n", handled, waits());
        MUST(sigprocmask(SIG_UNBLOCK, &trap, NULL));
        printf("handled %d, waits %d\n", handled, waits());
        handled = 0;
        MUST(sigprocmask(SIG_BLOCK, &trap, NULL));
    }
    MUST(signal(SIGTRAP, SIG_DFL) == SIG_ERR ? -1 : 0);
    MUST(raise(SIGTRAP));
    told("gone", unlink(at("file")));
    printf("waits %d\n", waits());
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"traps-blocked", blocked}, {0, 0}};
    return run_group(argc, argv, groups);
}
