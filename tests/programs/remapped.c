/* mremap of what is mapped of a file and shared. */
#include "mapped.h"
#include <sys/time.h>

/* How many mappings the process has. */
static int mappings(void)
{
    FILE *list = fopen("/proc/self/maps", "r");
    int count = 0;
    for (int letter; (letter = getc(list)) != EOF;)
        count += letter == '\n';
    fclose(list);
    return count;
}

static volatile int heard;

static void hear(int signal)
{
    heard++;
}

/* A signal comes while a mapping moves: it is moved once. */
static void with_signals(void)
{
    int fd = pages("file", 2);
    struct sigaction action = {.sa_handler = hear}, before;
    sigaction(SIGALRM, &action, &before);
    char *room = mmap(0, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int count = mappings(), wrong = 0;
    for (int i = 0; i < 300; i++) {
        char *start = mmap(room, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
        struct itimerval soon = {.it_value.tv_usec = i * 7 % 400 + 1};
        heard = 0;
        setitimer(ITIMER_REAL, &soon, 0);
        char *moved = mremap(start, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
        wrong += moved == MAP_FAILED || moved[PAGE] != 'b';
        wrong += munmap(moved, 3 * PAGE) != 0;
        while (!heard)
            ;
    }
    told("moved wrongly", wrong);
    mmap(room, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    told("left behind", mappings() - count);
    sigaction(SIGALRM, &before, 0);
    close(fd);
    unlink(at("file"));
}

/* Ranges that are of more than the file. */
static void with_others(void)
{
    int fd = pages("file", 3);
    char *room = mmap(0, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    room[0] = 'r';
    int shared = MAP_SHARED | MAP_FIXED;
    told("within", mmap(room + 2 * PAGE, PAGE, PROT_READ, shared, fd, PAGE) == room + 2 * PAGE);
    told("longer", mremap(room, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    told("from the file on", mremap(room + 2 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    byte(" still", room + 2 * PAGE);
    told("cut off", mremap(room, 4 * PAGE, PAGE, 0) == room);
    byte(" still", room);
    byte(" cut off", room + 2 * PAGE);
    byte(" behind", room + 4 * PAGE);
    told("before others", mmap(room, PAGE, PROT_READ, shared, fd, PAGE) == room);
    told("others", mmap(room + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == room + PAGE);
    told("cut off", mremap(room, 2 * PAGE, PAGE, 0) == room);
    byte(" still", room);
    byte(" cut off", room + PAGE);
    told("room", mremap(room, PAGE, 2 * PAGE, 0) == room);
    byte(" third", room + PAGE);
    MUST(munmap(room, 6 * PAGE));
    close(fd);
    unlink(at("file"));
}

/* What moves away leaves room in which a place can be chosen, to the last page. */
static void to_and_fro(void)
{
    int fd = pages("file", 6), wrong = 0;
    char *room = mmap(0, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 60; i++) {
        int length = (i % 5 + 1) * PAGE;
        char *at_room = room + i * PAGE;
        munmap(at_room, length);
        int fixed = i % 2 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
        char *start = mmap(at_room, length, PROT_READ, MAP_SHARED | fixed, fd, 0);
        wrong += start != at_room || start[length - 1] != 'a' + i % 5;
        char *moved = mremap(start, length, length + PAGE, MREMAP_MAYMOVE);
        wrong += moved == MAP_FAILED || moved[length] != 'a' + i % 5 + 1;
        start = mmap(at_room, length, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE);
        wrong += start != at_room || start[0] != 'b';
        wrong += munmap(moved, length + PAGE) != 0;
    }
    told("placed wrongly", wrong);
    close(fd);
    unlink(at("file"));
}

/* mremap: the mapping of a file is of what comes next in the file. */
static void moves(void)
{
    int fd = pages("file", 6), other = pages("other", 6);
    char *start = both("two pages", fd, 2 * PAGE);
    char *longer = mremap(start, 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    told("longer", longer == MAP_FAILED);
    for (int i = 0; i < 6; i++)
        byte(" page", longer + i * PAGE);
    longer[5 * PAGE] = '5';
    at_offset("stored", fd, 5 * PAGE);
    char *shorter = mremap(longer, 6 * PAGE, PAGE, 0);
    told("shorter", shorter == longer);
    char *guard = mmap(longer + PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    told("room taken", guard == longer + PAGE);
    told("no room", mremap(shorter, PAGE, 2 * PAGE, 0) == MAP_FAILED ? -1 : 0);
    MUST(munmap(guard, PAGE));
    told("room", mremap(shorter, PAGE, 2 * PAGE, 0) == shorter);
    byte(" second", shorter + PAGE);
    char *room = mmap(0, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *moved = mremap(shorter, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + PAGE);
    told("moved", moved == room + PAGE);
    byte(" first", moved);
    byte(" third", moved + 2 * PAGE);
    byte(" before", room);
    byte(" where it was", shorter);
    char *twice = mremap(moved, 0, 2 * PAGE, MREMAP_MAYMOVE);
    told("twice", twice == MAP_FAILED);
    twice[0] = 'T';
    byte(" the same", moved);
    told("past its end", mremap(moved, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    told("odd", mremap(moved + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    told("nothing", mremap(moved, PAGE, 0, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    told("no such flag", mremap(moved, PAGE, PAGE, 64) == MAP_FAILED ? -1 : 0);
    char *beyond = mremap(moved, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
    told("longer than the file", beyond == MAP_FAILED);
    byte(" sixth", beyond + 5 * PAGE);
    byte(" behind the file", beyond + 6 * PAGE);
    MUST(ftruncate(fd, 7 * PAGE));
    byte(" now there", beyond + 6 * PAGE);
    at_offset("the other file", other, 0);
    /* The program's own is as ever. */
    char *own = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    own[0] = 'o';
    own = mremap(own, PAGE, 300 * PAGE, MREMAP_MAYMOVE);
    byte("own", own);
    close(fd), close(other);
    unlink(at("file")), unlink(at("other"));
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"map-moves", moves},
                                   {"map-moves-others", with_others},
                                   {"map-moves-signals", with_signals},
                                   {"map-to-and-fro", to_and_fro},
                                   {0, 0}};
    return run_group(argc, argv, groups);
}
