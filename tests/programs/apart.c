/* A thread that leaves the table of descriptors which it shares with the others. Afterwards the first thread
   fills its own with copies, and both execute. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

static pthread_barrier_t both;
static const char *how;

static void executes(const char *who)
{
    pid_t child = MUST(fork());
    if (child == 0) {
        execl("/bin/echo", "echo", who, "executes", NULL);
        printf("%s: %s\n", who, strerror(errno));
        fflush(stdout);
        _exit(9);
    }
    report(who, child);
}

static void *other(void *argument)
{
    int result = *how == 'u' ? unshare(CLONE_FILES)
                             : (int)syscall(SYS_close_range, 100000, 100001, 2 /* UNSHARE */);
    printf("%s: %d\n", how, result);
    fflush(stdout);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    executes("the other");
    return argument;
}

int main(int argc, char **argv)
{
    how = argc > 1 ? argv[1] : "unshare";
    struct rlimit limit = {0, 0};
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    rlim_t below = limit.rlim_cur - 300, most = limit.rlim_max;
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    pthread_barrier_wait(&both);
    /* Where there is room above the limit, vload's own are there: the limit goes past them. */
    limit.rlim_cur = most > limit.rlim_cur + 300 ? limit.rlim_cur + 300 : most;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    for (int fd = 100; fd < (int)limit.rlim_cur; fd++)
        if (dup2(1, fd) < 0 && errno != EBADF)
            printf("dup2: %s\n", strerror(errno));
    MUST(syscall(SYS_close_range, 100, below > 4000 ? 4000 : below, 0));
    executes("the first");
    pthread_barrier_wait(&both);
    pthread_join(thread, NULL);
    return 0;
}
