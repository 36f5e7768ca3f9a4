/* Two signals that reach a child right after its fork, before it has done anything: it hears of both, whether it blocks them
 * or not. */
#include "check.h"
#include <stdatomic.h>
#include <sys/mman.h>

static const int PAIRS[][2] = {{SIGTRAP, SIGSEGV}, {SIGSEGV, SIGBUS}, {SIGUSR2, SIGSEGV}, {SIGSYS, SIGTRAP}, {SIGFPE, SIGILL}};
static const int TIMES = 60;

static volatile sig_atomic_t heard[65];
static atomic_int *are_sent;

static void handler(int signal) { heard[signal]++; }

static int both(const int *pair, int times) { return heard[pair[0]] == times && heard[pair[1]] == times; }

/* In the child: what is wrong. */
static int newborn(const int *pair, int blocks, const sigset_t *set)
{
    while (!atomic_load(are_sent))
        ;
    if (blocks) {
        sigset_t pending;
        MUST(sigpending(&pending));
        if (!sigismember(&pending, pair[0]) || !sigismember(&pending, pair[1]) || !both(pair, 0))
            return 1;
        MUST(sigprocmask(SIG_UNBLOCK, set, NULL));
    }
    getppid();
    return both(pair, 1) ? 0 : 2;
}

int main(void)
{
    are_sent = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(are_sent != MAP_FAILED);
    for (unsigned i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        const int *pair = PAIRS[i];
        sigset_t set;
        sigemptyset(&set);
        for (int one = 0; one < 2; one++) {
            signal(pair[one], handler);
            sigaddset(&set, pair[one]);
        }
        int wrong[2] = {0, 0};
        for (int turn = 0; turn < TIMES; turn++) {
            int blocks = turn % 2, status;
            MUST(sigprocmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL));
            atomic_store(are_sent, 0);
            pid_t child = MUST(fork());
            if (child == 0)
                _exit(newborn(pair, blocks, &set));
            MUST(kill(child, pair[0]));
            MUST(kill(child, pair[1]));
            atomic_store(are_sent, 1);
            MUST(waitpid(child, &status, 0));
            wrong[blocks] += status != 0;
        }
        MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
        printf("%d and %d: wrong %d times, %d times blocked\n", pair[0], pair[1], wrong[0], wrong[1]);
    }
    return 0;
}
