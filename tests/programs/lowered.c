/* Limits lowered by the program itself: calls, threads, children and programs still work, or fail as
 * they do natively; and how much address space there is beside what was asked for. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void say(const char *what, long value)
{
    char line[100];
    int length = snprintf(line, sizeof line, "  %s: %ld\n", what, value);
    MUST(write(1, line, (size_t)length));
}

static void lower(int what, rlim_t soft)
{
    struct rlimit limit = {soft, soft};
    MUST(setrlimit((__rlimit_resource_t)what, &limit));
}

static void *thread_main(void *argument)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd >= 0 ? argument : NULL;
}

static void thread(void)
{
    pthread_t id;
    void *result = NULL;
    int error = pthread_create(&id, NULL, thread_main, &result);
    if (error == 0)
        pthread_join(id, &result);
    say("thread", error ? -error : result != NULL);
}

/* Everything that vload does in a program's place. */
static void work(void)
{
    int fd = open("/etc/passwd", O_RDONLY);
    say("open", fd >= 0);
    say("dup2", dup2(fd, 5));
    say("beyond", dup2(fd, 100) == -1 ? errno : 0);
    close(5);
    close(fd);
    void *map = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("mmap", map != MAP_FAILED);
    thread();
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    if (child > 0)
        waitpid(child, &status, 0);
    say("fork", child > 0 ? WEXITSTATUS(status) : -errno);
    child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "echo '  executed' && /bin/true && exit 8", NULL);
        _exit(9);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    say("vfork and exec", child > 0 ? WEXITSTATUS(status) : -errno);
}

static void descriptors(void) { lower(RLIMIT_NOFILE, 8); work(); }
static void few_descriptors(void) { lower(RLIMIT_NOFILE, 5); work(); }
/* Standard output may be a file: what is said goes through a pipe. */
static void file_size(void)
{
    int ends[2];
    MUST(pipe(ends));
    pid_t child = MUST(fork());
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        lower(RLIMIT_FSIZE, 0);
        work();
        /* What the limit is for. */
        signal(SIGXFSZ, SIG_IGN);
        FILE *file = tmpfile();
        say("write", file && write(fileno(file), "x", 1) == -1 ? errno : 0);
        _exit(4);
    }
    close(ends[1]);
    char text[1000];
    for (ssize_t length; (length = read(ends[0], text, sizeof text)) > 0;)
        MUST(write(1, text, (size_t)length));
    report("  below", child);
}
static void locked(void) { lower(RLIMIT_MEMLOCK, 0); work(); }
static void stack_size(void) { lower(RLIMIT_STACK, 256 * 1024); work(); }
static void core(void) { lower(RLIMIT_CORE, 0); work(); }
static void data(void) { lower(RLIMIT_DATA, 20 << 20); work(); }

/* As the person who starts it, so that the limit counts. */
static void processes(void)
{
    MUST(setgid(65534));
    MUST(setuid(65534));
    lower(RLIMIT_NPROC, 0);
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    say("fork", child == -1 ? errno : 0);
    pthread_t id;
    say("thread", pthread_create(&id, NULL, thread_main, NULL));
    say("open", open("/etc/passwd", O_RDONLY) >= 0);
}

/* What this takes natively (2.5 MB, and 8 MiB for the thread's stack) and 16 MiB more. */
static void address_space(void)
{
    lower(RLIMIT_AS, (12 << 20) + (16 << 20));
    work();
}

int main(void)
{
    in_one("descriptors", descriptors);
    in_one("few descriptors", few_descriptors);
    in_one("file size", file_size);
    in_one("locked memory", locked);
    in_one("stack", stack_size);
    in_one("core", core);
    in_one("data", data);
    if (geteuid() == 0)
        in_one("processes", processes);
    in_one("address space", address_space);
    return 0;
}
