/* stays PIPE PATH BEFORE AFTER [OTHER]...: a thread asks for the size of PATH, which keeps it until there is a byte in PIPE. Meanwhile
 * the command BEFORE is run, each OTHER is looked at, so that this process has what the session has now, and AFTER is run. */
#include "check.h"
#include <pthread.h>
#include <sys/stat.h>

static void *ask(void *path)
{
    struct stat stat;
    if (lstat(path, &stat) == 0)
        printf("%s: %s\n", (char *)path, stat.st_size == 1 ? "its own" : "another's");
    else
        printf("%s: %s\n", (char *)path, strerror(errno));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    CHECK(argc > 4);
    CHECK(pthread_create(&thread, NULL, ask, argv[2]) == 0);
    /* Who asks has opened it when this comes back. */
    int pipe = MUST(open(argv[1], O_WRONLY));
    CHECK(system(argv[3]) == 0);
    for (int other = 5; other < argc; other++)
        ask(argv[other]);
    CHECK(system(argv[4]) == 0);
    CHECK(write(pipe, "!", 1) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    /* And what is there now is there. */
    for (int other = 5; other < argc; other++)
        ask(argv[other]);
    return 0;
}
