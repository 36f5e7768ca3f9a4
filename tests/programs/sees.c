/* sees KIND BEFORE AFTER [ROUNDS]: what a process sees of a module that others load (BEFORE, a command) and remove (AFTER).
 * One that looks is asked, the command is run, and it is asked again: its very next call must show the change. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FAKE = 4242 };

static int rounds = 3;

/* Shared by all processes that come from this one. */
static struct {
    atomic_int asked, answered, over;
    atomic_long answer;
    atomic_int phase;              /* for `clock`: what is loaded */
    atomic_long looked, wrong[3]; /* how often it was looked, and wrongly, in each phase */
} *shared;
static int question[2];

static long parent_of(void) { return syscall(SYS_getppid); }

/* Many calls that nobody claims, for who counts. */
static long burst(void)
{
    for (int call = 0; call < 999; call++)
        parent_of();
    return parent_of();
}

static long opened(void)
{
    int fd = open("/hello", O_RDONLY);
    if (fd < 0)
        return -errno;
    close(fd);
    return FAKE;
}

/* Waits without a system call: the next one is the one that must see. */
static void spin(long (*look)(void))
{
    for (int seen = 0; !shared->over;)
        if (shared->asked != seen) {
            seen = shared->asked;
            shared->answer = look();
            shared->answered = seen;
        }
}

/* Sleeps in the kernel while the change is made. */
static void sleeps(long (*look)(void))
{
    char byte;
    for (int seen = 0; read(question[0], &byte, 1) == 1; shared->answered = ++seen)
        shared->answer = look();
}

static long ask(void)
{
    int turn = ++shared->asked;
    if (write(question[1], "x", 1) != 1)
        return -1;
    while (shared->answered != turn)
        usleep(200);
    return shared->answer;
}

/* Asks nobody but the clock, which has no need of the kernel. */
static void watch_the_clock(void)
{
    while (!shared->over) {
        struct timespec time;
        int phase = shared->phase;
        clock_gettime(CLOCK_MONOTONIC, &time);
        /* Only what began and ended in one phase says something of it. */
        if (phase >= 0 && phase == shared->phase) {
            shared->looked++;
            if ((time.tv_sec == FAKE) != (phase == 1))
                shared->wrong[phase]++;
        }
    }
}

#ifdef __x86_64__
/* getppid by code that the program makes. */
static long (*generate(void))(void)
{
    static const unsigned char code[] = {0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xc3}; /* mov, syscall, ret */
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(9);
    memcpy(at, code, sizeof code);
    return (long (*)(void))at;
}
#else
static long (*generate(void))(void) { return parent_of; }
#endif

static void (*way)(long (*)(void));
static long (*look)(void) = parent_of;

static void *in_thread(void *none)
{
    way(look);
    return none;
}

static void say(const char *what, long seen)
{
    if (seen == FAKE)
        printf("%s: %d\n", what, FAKE);
    else if (seen < 0)
        printf("%s: none\n", what);
    else
        printf("%s: real\n", what);
    fflush(stdout);
}

extern char **environ;

/* One command is executed without a shell: that of a 32-bit program may have 64 bits, and is not in the session then. */
static int execute(const char *command)
{
    char text[4096], *argv[8], *rest = text;
    int argc = 0, status;
    snprintf(text, sizeof text, "%s", command);
    while (argc < 7 && (argv[argc] = strtok_r(rest, " ", &rest)))
        argc++;
    argv[argc] = NULL;
    pid_t child;
    if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ) != 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

static void run(const char *command)
{
    if ((strchr(command, ';') ? system(command) : execute(command)) != 0)
        printf("failed: %s\n", command);
}

static void change(const char *before, const char *after)
{
    say("at first", ask());
    for (int round = 0; round < rounds; round++) {
        run(before);
        say("loaded", ask());
        run(after);
        say("removed", ask());
    }
}

static void time_changes(const char *before, const char *after)
{
    /* A while with each. */
    for (int phase = 0; phase < 3; phase++) {
        shared->phase = phase;
        for (long until = shared->looked + 2000; shared->looked < until;)
            usleep(200);
        shared->phase = -1;
        if (phase < 2)
            run(phase == 0 ? before : after);
    }
    shared->over = 1;
    printf("wrong: %ld %ld %ld\n", shared->wrong[0], shared->wrong[1], shared->wrong[2]);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    if (argc > 4)
        rounds = atoi(argv[4]);
    const char *kind = argv[1];
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(question) != 0)
        return 3;
    way = strstr(kind, "asleep") ? sleeps : spin;
    if (strstr(kind, "path"))
        look = opened;
    if (strstr(kind, "burst"))
        look = burst;
    if (strstr(kind, "generated"))
        look = generate();
    int clock = strstr(kind, "clock") != NULL;
    if (strstr(kind, "thread")) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, in_thread, NULL) != 0)
            return 4;
        change(argv[2], argv[3]);
        shared->over = 1;
        close(question[1]);
        pthread_join(thread, NULL);
        return 0;
    }
    pid_t child = fork();
    if (child < 0)
        return 5;
    /* Who looks is the child, or the parent of who makes the change. */
    int looks = (child == 0) != (strstr(kind, "parent") != NULL);
    if (looks) {
        close(question[1]);
        clock ? watch_the_clock() : way(look);
    } else {
        clock ? time_changes(argv[2], argv[3]) : change(argv[2], argv[3]);
        shared->over = 1;
        close(question[1]);
    }
    if (child == 0)
        _exit(0);
    int status;
    waitpid(child, &status, 0);
    return status != 0;
}
