/* Threads that start programs, load libraries, map memory and signal one another, all at once. */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>

extern char **environ;
static volatile int stop, signals;
static const char *program; /* not /proc/self/exe: there may be no /proc */

static void handler(int signal)
{
    (void)signal;
    __atomic_add_fetch(&signals, 1, __ATOMIC_RELAXED);
    syscall(SYS_getppid);
}

static void *forks(void *unused)
{
    for (int i = 0; i < 40; i++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            execl("/bin/true", "true", (char *)0);
            _exit(99);
        }
        int status;
        while (waitpid(child, &status, 0) < 0)
            CHECK(errno == EINTR);
        CHECK(status == 0);
    }
    return unused;
}

static void *spawns(void *unused)
{
    char *command[] = {"sh", "-c", "exit 3", NULL};
    for (int i = 0; i < 40; i++) {
        pid_t child;
        CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, command, environ) == 0);
        int status;
        while (waitpid(child, &status, 0) < 0)
            CHECK(errno == EINTR);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    }
    return unused;
}

static void *libraries(void *unused)
{
    while (!stop) {
        void *library = dlopen("libresolv.so.2", RTLD_NOW);
        CHECK(library != NULL);
        if (library)
            dlclose(library);
    }
    return unused;
}

static void *short_threads(void *unused)
{
    while (!stop) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, (void *(*)(void *))getppid, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return unused;
}

static void *maps(void *unused)
{
    int fd = MUST(open(program, O_RDONLY | O_CLOEXEC));
    while (!stop) {
        char *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        CHECK(memory != MAP_FAILED && !memcmp(memory, "\177ELF", 4));
        munmap(memory, 4096);
    }
    close(fd);
    return unused;
}

int main(int argc, char **argv)
{
    CHECK(argc == 1);
    program = argv[0];
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &action, NULL));
    void *(*bodies[])(void *) = {forks, spawns, libraries, short_threads, maps};
    pthread_t threads[5];
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&threads[i], NULL, bodies[i], NULL) == 0);
    for (int i = 0; i < 400; i++) {
        int before = signals;
        pthread_kill(threads[2 + i % 3], SIGUSR1);
        while (signals == before)
            sched_yield();
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    stop = 1;
    for (int i = 2; i < 5; i++)
        pthread_join(threads[i], NULL);
    CHECK(signals > 0);
    puts("over");
    return 0;
}
