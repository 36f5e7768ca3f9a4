/* In how many bits addresses, and the distances between them, differ from run to run. */
#include "check.h"
#include <sys/auxv.h>

enum { KINDS = 9, RUNS = 48 };
static const char *names[KINDS] = {"program", "libc", "stack", "heap", "vdso",
                                   "libc from program", "stack from libc", "heap from program",
                                   "vdso from stack"};

int main(int argc, char **argv)
{
    if (argc > 1) {
        int local;
        unsigned long program = (unsigned long)main, libc = (unsigned long)printf;
        unsigned long stack = (unsigned long)&local, heap = (unsigned long)sbrk(0);
        unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
        unsigned long seen[KINDS] = {program, libc, stack, heap, vdso, libc - program, stack - libc,
                                     heap - program, vdso - stack};
        return write(1, seen, sizeof seen) == sizeof seen ? 0 : 1;
    }
    unsigned long first[KINDS], changed[KINDS] = {0};
    for (int run = 0; run < RUNS; run++) {
        int ends[2];
        MUST(pipe(ends));
        pid_t child = MUST(fork());
        if (child == 0) {
            dup2(ends[1], 1);
            execl(argv[0], argv[0], "child", (char *)0);
            _exit(1);
        }
        close(ends[1]);
        unsigned long seen[KINDS];
        CHECK(read(ends[0], seen, sizeof seen) == sizeof seen);
        close(ends[0]);
        int status;
        waitpid(child, &status, 0);
        CHECK(status == 0);
        for (int kind = 0; kind < KINDS; kind++) {
            if (run == 0)
                first[kind] = seen[kind];
            changed[kind] |= seen[kind] ^ first[kind];
        }
    }
    for (int kind = 0; kind < KINDS; kind++)
        printf("%s: %d\n", names[kind], __builtin_popcountl(changed[kind]));
    return 0;
}
