/* A program that somebody writes to is not executed, and what nobody does to a file any more is no matter. */
#include "variants.h"
#include <sys/file.h>
#include <sys/mman.h>

static void executes(const char *what, const char *name)
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        char *words[] = {"program", NULL}, *none[] = {NULL};
        execve(at(name), words, none);
        told(what, -1);
        fflush(stdout);
        _exit(0);
    }
    report(what, child);
}

static void busy(void)
{
    file("program", "#!/bin/true\n");
    MUST(chmod(at("program"), 0755));
    MUST(link(at("program"), at("other")));
    executes("nobody", "program");
    int fd = MUST(open(at("program"), O_RDONLY));
    executes("to read", "program");
    MUST(close(fd));
    fd = MUST(open(at("program"), O_RDWR));
    executes("to write", "program");
    executes("by another name", "other");
    char *words[] = {"program", NULL}, *none[] = {NULL};
    told("by its descriptor", syscall(SYS_execveat, fd, "", words, none, AT_EMPTY_PATH));
    void *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    MUST(close(fd));
    executes("mapped", "program");
    MUST(munmap(memory, 4096));
    executes("not any more", "program");
    int go[2];
    MUST(pipe(go));
    pid_t child = MUST(fork());
    if (child == 0) {
        MUST(open(at("other"), O_WRONLY));
        MUST(write(go[1], "g", 1));
        for (;;)
            pause();
    }
    char byte;
    MUST(read(go[0], &byte, 1));
    executes("another process", "program");
    MUST(kill(child, SIGKILL));
    report("it", child);
    executes("killed", "program");
    char line[PATH_MAX * 2];
    snprintf(line, sizeof line, "#!%s\n", at("program"));
    file("script", line);
    MUST(chmod(at("script"), 0755));
    executes("a script of a script", "script");
    fd = MUST(open(at("program"), O_WRONLY));
    executes("its interpreter", "script");
    MUST(close(fd));
    MUST(unlink(at("script"))), MUST(unlink(at("other")));
}

static void odd(void)
{
    file("file", "text");
    int fd = MUST(open(at("file"), O_RDWR));
    told("a lock that was", flock(fd, 32 | LOCK_EX));
    told("a folder's data", lseek(top_fd, 0, SEEK_DATA));
    told("a folder's hole", lseek(top_fd, 0, SEEK_HOLE));
    MUST(close(fd));
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"busy-programs", busy}, {"odd-calls", odd}, {0, 0}};
    return run_group(argc, argv, groups);
}
