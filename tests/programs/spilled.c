/* An exec with as many arguments as the kernel takes, while signals wait that the program blocks. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

/* The last is one that glibc keeps for itself. */
static const int signals[] = { SIGTRAP, SIGSYS, SIGFPE, 33 };

static void *nothing(void *unused)
{
    return unused;
}

int main(int argc, char **argv)
{
    uint64_t set = 0;
    if (argc > 1) {
        CHECK(syscall(SYS_rt_sigpending, &set, sizeof set) == 0);
        printf("executed with %s: waiting %llx\n", argc > 1000 ? "many" : "few", (unsigned long long)set);
        return 0;
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        set |= 1ull << (signals[i] - 1);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, sizeof set) == 0);
    /* SIGFPE comes to be handled otherwise when that one has come. */
    for (int i = 4; i-- > 0;)
        CHECK(syscall(SYS_tgkill, getpid(), gettid(), signals[i]) == 0);
    /* A quarter of the stack's limit (execve(2)), of which each takes a pointer and two bytes. */
    struct rlimit limit = { 1 << 20, 1 << 20 };
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    long most = (long)(limit.rlim_cur / 4 / (sizeof(char *) + 2));
    char **arguments = calloc((size_t)most + 1, sizeof *arguments), *none[] = { NULL };
    arguments[0] = argv[0];
    for (long i = 1; i < most; i++)
        arguments[i] = "A";
    for (long count = most; count > 1; count--) {
        arguments[count] = NULL;
        execve(argv[0], arguments, none);
        if (errno != E2BIG)
            break;
    }
    printf("not executed: %s\n", strerror(errno));
    return 1;
}
