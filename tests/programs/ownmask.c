/* A process with one thread blocks SIGTRAP and loads a library with a site that only a trap fits: what waits goes on to wait, what
 * is sent afterwards waits, and the call is made. usage: ownmask LIBRARY [waiting] */
#include "check.h"
#include <dlfcn.h>

static volatile int heard;
static void hear(int signal) { (void)signal, heard++; }

static void show(const char *what)
{
    sigset_t blocked, pending;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigpending(&pending);
    printf("%s: blocked %d, waits %d, heard %d\n", what, sigismember(&blocked, SIGTRAP), sigismember(&pending, SIGTRAP),
           heard);
}

int main(int argc, char **argv)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    signal(SIGTRAP, hear);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (argc > 2)
        raise(SIGTRAP);
    show("before");
    void *library = dlopen(argv[1], RTLD_NOW);
    long (*call)(long) = library ? (long (*)(long))dlsym(library, "odd_call") : NULL;
    if (!call)
        return 1;
    show("loaded");
    printf("calls: %d\n", call(SYS_getppid) == getppid());
    show("called");
    raise(SIGTRAP);
    show("sent");
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    show("let through");
    return 0;
}
