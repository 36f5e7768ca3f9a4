/* Executes programs, and looks for descriptors that are not its own, with as many open as it may have, or one or
 * two less. */
#include "check.h"
#include <sys/resource.h>

/* The program of that name, or the opened one. */
static void executes(const char *program, int file, const char *what)
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        if (program[0] != '\0')
            execl(program, program, "executed", NULL);
        else
            fexecve(file, (char *[]){ "program", "executed", NULL }, environ);
        printf("%s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(98);
    }
    report(what, child);
}

static void looks(void)
{
    int found = 0;
    /* Where they may be: above the limit, or as high as a table is small. */
    for (int fd = 64; fd < 4100; fd += fd == 160 ? 3880 : 1) {
        char path[64];
        const char *formats[] = { "/dev/fd/%d", "/proc/self/fd/%d", "/proc/thread-self/fd/%d" };
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, formats[i], fd);
            int opened = open(path, O_PATH);
            if (opened >= 0) {
                found++;
                close(opened);
            }
        }
    }
    printf("found %d\n", found);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "executed") == 0) {
        puts("executed");
        return 0;
    }
    int program = argc > 1 ? MUST(open(argv[1], O_RDONLY | O_CLOEXEC)) : -1;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 32;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int inherited = 0; inherited < 2; inherited++) {
        int files[32], count = 0, file;
        while ((file = open("/dev/null", O_RDONLY | (inherited ? 0 : O_CLOEXEC))) >= 0)
            files[count++] = file;
        printf("%s\n", strerror(errno));
        for (int left = 0; left < 3; left++) {
            printf("%s, %d left\n", inherited ? "inherited" : "closed by an exec", left);
            looks();
            /* What has an interp natively needs one for its libraries. */
            if (left > 0 || !inherited)
                executes("/proc/self/exe", -1, "itself");
            if (argc > 1) {
                executes(argv[1], -1, "static");
                executes("", program, "opened");
            }
            CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 32);
            close(files[--count]);
        }
        while (count > 0)
            close(files[--count]);
    }
    return 0;
}
