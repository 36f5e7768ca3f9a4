/* Several read on in one open /proc/PID/maps at once: processes that have the descriptor from their parent, threads of one. Together
 * they get each byte once. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PAGE = 4096, MAPPINGS = 150, READERS = 4, ROUNDS = 10 };

struct seen {
    long reads, of[256];
};
static struct seen *all; /* in memory that processes share */
static volatile int *go;

static void take(struct seen *seen, int fd, int size)
{
    unsigned char into[PAGE];
    for (ssize_t got; (got = MUST(read(fd, into, size))) > 0;) {
        __atomic_fetch_add(&seen->reads, 1, __ATOMIC_RELAXED);
        for (ssize_t i = 0; i < got; i++)
            __atomic_fetch_add(&seen->of[into[i]], 1, __ATOMIC_RELAXED);
    }
}

static void read_when_told(int fd, int number)
{
    __atomic_fetch_add(go, 1, __ATOMIC_SEQ_CST);
    while (*go <= READERS)
        sched_yield();
    take(&all[0], fd, 97 + 100 * number);
}

static int begin(void)
{
    memset(all, 0, 2 * sizeof *all);
    *go = 0;
    return MUST(open("/proc/self/maps", O_RDONLY));
}

/* Once all of them are there, all that is mapped is. */
static void compare(void)
{
    while (*go < READERS)
        sched_yield();
    int alone = MUST(open("/proc/self/maps", O_RDONLY));
    take(&all[1], alone, PAGE);
    close(alone);
    __atomic_fetch_add(go, 1, __ATOMIC_SEQ_CST);
}

static int otherwise(void)
{
    return all[1].reads == 0 || memcmp(all[0].of, all[1].of, sizeof all[0].of) != 0;
}

static int of_processes(void)
{
    int fd = begin();
    pid_t children[READERS];
    for (int i = 0; i < READERS; i++)
        if ((children[i] = MUST(fork())) == 0) {
            read_when_told(fd, i);
            _exit(0);
        }
    compare();
    for (int i = 0; i < READERS; i++)
        MUST(waitpid(children[i], NULL, 0));
    close(fd);
    return otherwise();
}

static int the_descriptor;
static void *in_thread(void *number)
{
    read_when_told(the_descriptor, (int)(long)number);
    return NULL;
}

static int of_threads(void)
{
    the_descriptor = begin();
    pthread_t threads[READERS];
    for (long i = 0; i < READERS; i++)
        MUST(-pthread_create(&threads[i], NULL, in_thread, (void *)i));
    compare();
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    close(the_descriptor);
    return otherwise();
}

int main(void)
{
    /* Where Yama asks for that: the others read this process's memory. */
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    all = MUST(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    go = (volatile int *)(all + 2);
    char *many = MUST(mmap(NULL, 2 * MAPPINGS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < MAPPINGS; i++)
        MUST(mprotect(many + 2 * i * PAGE, PAGE, PROT_READ));
    puts("otherwise:");
    int wrong[2] = { 0 };
    for (int round = 0; round < ROUNDS; round++) {
        wrong[0] += of_processes();
        wrong[1] += of_threads();
    }
    printf("processes %d, threads %d\n", wrong[0], wrong[1]);
    return 0;
}
