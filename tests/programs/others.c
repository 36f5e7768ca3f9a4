/* The maps of another process, whose program (an argument) has a single mapping. */
#include "check.h"

int main(int argc, char **argv)
{
    int in[2], out[2];
    CHECK(argc == 2);
    MUST(pipe(in));
    MUST(pipe(out));
    pid_t child = MUST(fork());
    if (child == 0) {
        /* It ends with its parent, however that ends. */
        MUST(close(in[1]));
        MUST(dup2(in[0], 0));
        MUST(dup2(out[1], 1));
        execl(argv[1], argv[1], (char *)0);
        _exit(126);
    }
    char byte, name[64], line[4096 + 128], path[4096];
    CHECK(MUST(read(out[0], &byte, 1)) == 1);
    CHECK(realpath(argv[1], path));
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "/proc/%d/%s", child, i ? "smaps" : "maps");
        FILE *maps = fopen(name, "r");
        CHECK(maps);
        while (fgets(line, sizeof line, maps)) {
            unsigned long start, end, offset, inode;
            char perms[8], device[16];
            int at = 0;
            if (sscanf(line, "%lx-%lx %7s %lx %15s %lu %n", &start, &end, perms, &offset, device, &inode, &at) != 6
                || inode == 0)
                continue;
            line[strcspn(line, "\n")] = 0;
            printf("%s: %lx bytes, %s, from %lx: %s\n", i ? "smaps" : "maps", end - start, perms, offset,
                   strcmp(line + at, path) ? line + at : "the program");
        }
        fclose(maps);
    }
    byte = 7;
    CHECK(MUST(write(in[1], &byte, 1)) == 1);
    report("child", child);
    return 0;
}
