/* A vfork child shares memory, and has handlers, descriptors and a mask of its own. */
#include "check.h"
#include <sys/mman.h>

static volatile int shared;
static void handler(int signal) { shared += signal; }
static void other(int signal) { shared -= signal; }

int main(void)
{
    signal(SIGUSR1, handler);
    pid_t child = MUST(vfork());
    if (child == 0) {
        shared = 100;
        signal(SIGUSR1, other);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        close(0);
        _exit(3);
    }
    report("vfork", child);
    printf("shared %d\n", shared);
    CHECK(fcntl(0, F_GETFD) >= 0);
    raise(SIGUSR1);
    printf("handler of the parent: %d\n", shared - 100 == SIGUSR1);
    for (int i = 0; i < 200; i++) {
        child = MUST(vfork());
        if (child == 0) {
            if (i % 2)
                _exit(i & 7);
            execl("/bin/true", "true", (char *)0);
            _exit(99);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == (i % 2 ? (i & 7) << 8 : 0));
    }
    /* Nested: a vfork child that forks. */
    child = MUST(vfork());
    if (child == 0) {
        pid_t inner = vfork();
        if (inner == 0)
            _exit(4);
        int status = 0;
        waitpid(inner, &status, 0);
        _exit(WEXITSTATUS(status) + 1);
    }
    report("nested", child);
    child = MUST(vfork());
    if (child == 0) {
        kill(getpid(), SIGKILL);
        _exit(0);
    }
    report("killed", child);
    puts("done");
    return 0;
}
