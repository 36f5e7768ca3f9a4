/* What the programs share that have files as their memory. */
#ifndef MAPPED_H
#define MAPPED_H
#include "variants.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { PAGE = 4096 };

static sigjmp_buf back;

static void fault(int signal)
{
    siglongjmp(back, signal);
}

/* Says what is at an address: a byte, or the signal that comes instead. */
static void byte(const char *what, volatile char *at)
{
    struct sigaction action = {.sa_handler = fault}, bus, segv;
    sigaction(SIGBUS, &action, &bus);
    sigaction(SIGSEGV, &action, &segv);
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
        char found = *at;
        if (found > ' ')
            printf("%s: %c\n", what, found);
        else
            printf("%s: %d\n", what, found);
    } else {
        printf("%s: %s\n", what, signal == SIGBUS ? "SIGBUS" : "SIGSEGV");
    }
    sigaction(SIGBUS, &bus, 0);
    sigaction(SIGSEGV, &segv, 0);
}

static char *map(const char *what, int fd, size_t length, int protection, int flags, off_t offset)
{
    char *start = mmap(0, length, protection, flags, fd, offset);
    told(what, start == MAP_FAILED ? -1 : 0);
    return start;
}

static char *both(const char *what, int fd, size_t length)
{
    return map(what, fd, length, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

/* A file of so many pages, each with a letter of its own. */
static int pages(const char *name, int count)
{
    int fd = MUST(open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0644));
    char page[PAGE];
    for (int i = 0; i < count; i++) {
        memset(page, 'a' + i, PAGE);
        MUST(write(fd, page, PAGE));
    }
    return fd;
}

static void at_offset(const char *what, int fd, off_t offset)
{
    char found[8] = "";
    ssize_t length = pread(fd, found, sizeof found, offset);
    printf("%s: %zd [", what, length);
    for (ssize_t i = 0; i < length; i++)
        putchar(found[i] ? found[i] : '.');
    printf("]\n");
}

#endif
