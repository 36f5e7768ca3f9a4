/* The largest argument list that the kernel takes is taken, and one byte more is not. */
#include "check.h"
#include <sys/resource.h>

enum { CHUNK = 100000 };

/* Executes `program` with `size` bytes of arguments; 0 or the errno. */
static int fits(const char *program, long size)
{
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC));
    pid_t child = MUST(fork());
    if (child == 0) {
        long count = size / CHUNK + 2;
        char **arguments = calloc(count + 2, sizeof *arguments);
        long filled = 0;
        arguments[filled++] = "x";
        while (size > 0) {
            long length = size < CHUNK ? size : CHUNK;
            arguments[filled] = malloc(length + 1);
            memset(arguments[filled], 'a', length);
            arguments[filled++][length - 1] = 0;
            size -= length;
        }
        char *environment[] = {"A=B", NULL};
        execve(program, arguments, environment);
        int error = errno;
        if (write(ends[1], &error, sizeof error) < 0)
            _exit(2);
        _exit(1);
    }
    close(ends[1]);
    int error = 0;
    if (read(ends[0], &error, sizeof error) <= 0)
        error = 0;
    close(ends[0]);
    int status;
    MUST(waitpid(child, &status, 0));
    if (!error && status)
        printf("exec worked, the program failed: %x\n", status);
    return error;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    long low = 1, high = 16 << 20;
    CHECK(fits(argv[1], low) == 0);
    CHECK(fits(argv[1], high) == E2BIG);
    while (high - low > 1) {
        long middle = low + (high - low) / 2;
        if (fits(argv[1], middle))
            high = middle;
        else
            low = middle;
    }
    printf("%s: %ld bytes fit, one more: %s\n", argv[1], low, strerror(fits(argv[1], high)));
    return 0;
}
