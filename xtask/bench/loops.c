/* The loops that `cargo xtask bench` times: prints the nanoseconds of one step. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* The cheapest function of the vDSO: what comes before it shows most. */
static void coarse(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
}

/* getppid in code that the program has written. */
static void (*generated(void))(void)
{
    static const unsigned char code[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3};
    void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(1);
    memcpy(memory, code, sizeof code);
    if (mprotect(memory, 4096, PROT_READ | PROT_EXEC))
        exit(1);
    return (void (*)(void))memory;
}

static void fork_and_exec(void)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)0);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *what = argv[1];
    long count = atol(argv[2]);
    char byte;
    int zero = open("/dev/zero", O_RDONLY);
    void (*code)(void) = NULL;
    if (!strcmp(what, "generated") || !strcmp(what, "beside"))
        code = generated();
    double start = now();
    if (!strcmp(what, "getppid") || !strcmp(what, "beside"))
        for (long i = 0; i < count; i++)
            syscall(SYS_getppid);
    else if (!strcmp(what, "unknown"))
        for (long i = 0; i < count; i++)
            syscall(9999);
    else if (code)
        for (long i = 0; i < count; i++)
            code();
    else if (!strcmp(what, "clock"))
        for (long i = 0; i < count; i++)
            now();
    else if (!strcmp(what, "clock, coarse"))
        for (long i = 0; i < count; i++)
            coarse();
    else if (!strcmp(what, "read"))
        for (long i = 0; i < count; i++) {
            if (read(zero, &byte, 1) != 1)
                return 1;
        }
    else if (!strcmp(what, "forkexec"))
        for (long i = 0; i < count; i++)
            fork_and_exec();
    else
        return 2;
    printf("%.2f\n", (now() - start) / count);
    return 0;
}
