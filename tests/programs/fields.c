/* What /proc says of a process, field by field, in a form that is the same natively each time: against what the
 * process knows of itself, or against another field. Of itself, of a thread, of a child that has executed, and of one
 * that has not. */
#include "check.h"
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#define MOST 65536

extern char **environ;
extern char __executable_start[], etext[], edata[], end[];
int main(int, char **);
static char text[MOST], other[MOST];

static size_t get(const char *folder, const char *name, char *into)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        printf("%s: %s\n", name, strerror(errno));
        into[0] = 0;
        return 0;
    }
    size_t length = 0;
    ssize_t more;
    while ((more = read(fd, into + length, MOST - 1 - length)) > 0)
        length += more;
    close(fd);
    into[length] = 0;
    return length;
}

/* A line of status. */
static const char *line(const char *key)
{
    static char value[256];
    char start[32];
    snprintf(start, sizeof start, "\n%s:\t", key);
    const char *at = strstr(text, start);
    value[0] = 0;
    if (at)
        sscanf(at + strlen(start), " %255[^\n]", value);
    return value;
}

static long amount(const char *key)
{
    return atol(line(key));
}

/* The number of a word of stat, which counts from 1 (proc_pid_stat(5)). */
static unsigned long word(int number)
{
    const char *at = strrchr(text, ')') + 2;
    for (int i = 3; i < number; i++)
        at = strchr(at, ' ') + 1;
    return strtoul(at, NULL, 10);
}

/* Bytes of all mappings that the kernel counts, and of those that are code and data. */
static void sums(const char *folder, long *all, long *code, long *data)
{
    *all = *code = *data = 0;
    get(folder, "maps", other);
    for (char *at = other; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        unsigned long from, to;
        char perms[8];
        char name[64] = "";
        if (sscanf(at, "%lx-%lx %7s %*s %*s %*s%63[^\n]", &from, &to, perms, name) < 3 || strstr(name, "[vsyscall]"))
            continue;
        long size = (to - from) / 1024;
        *all += size;
        if (perms[2] == 'x' && perms[1] != 'w')
            *code += size;
        if (perms[1] == 'w' && perms[3] == 'p' && !strstr(name, "[stack]"))
            *data += size;
    }
}

static int near(long a, long b, long by)
{
    return a - b <= by && b - a <= by;
}

static int since(int major, int minor)
{
    struct utsname names;
    int here[2] = { 0, 0 };
    uname(&names);
    sscanf(names.release, "%d.%d", here, here + 1);
    return here[0] > major || (here[0] == major && here[1] >= minor);
}

static void sizes(const char *folder)
{
    long all, code, data;
    sums(folder, &all, &code, &data);
    get(folder, "status", text);
    printf("size %d, data %d, code %d\n", amount("VmSize") == all, amount("VmData") == data,
           amount("VmLib") + amount("VmExe") == code);
    CHECK(amount("VmPeak") >= amount("VmSize") && amount("VmHWM") >= amount("VmRSS"));
    long size = amount("VmSize"), stack = amount("VmStk"), exe = amount("VmExe"), resident = amount("VmRSS");
    /* Each processor counts pages of three kinds by itself, and they are summed now and then. Since 6.17 these files
     * have the sums, but for stat (task_mem, fs/proc/task_mmu.c). */
    long processors = sysconf(_SC_NPROCESSORS_CONF), batch = processors < 16 ? 32 : 2 * processors;
    long apart = 3 * 4 * batch * processors + 400, slack = since(6, 17) ? 400 : apart;
    long parts = amount("RssAnon") + amount("RssFile") + amount("RssShmem");
    CHECK(near(parts, resident, slack));
    printf("exe %ld, locked %ld, shared memory %ld\n", exe, amount("VmLck"), amount("RssShmem"));
    long files = amount("RssFile") + amount("RssShmem"), anonymous = amount("RssAnon");
    get(folder, "statm", text);
    long of[7];
    CHECK(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", of, of + 1, of + 2, of + 3, of + 4, of + 5, of + 6) == 7);
    CHECK(of[0] * 4 == size && of[3] * 4 == exe && of[4] == 0 && of[5] * 4 == data + stack && of[6] == 0);
    CHECK(near(of[1] * 4, resident, slack) && near(of[2] * 4, files, slack));
    get(folder, "stat", text);
    CHECK(word(23) / 1024 == (unsigned long)size && near(word(24) * 4, resident, apart));
    get(folder, "smaps_rollup", text);
    long rss = 0, not_of_files = 0;
    char *at = strstr(text, "Rss:");
    CHECK(at && sscanf(at, "Rss: %ld", &rss) == 1 && near(rss, resident, slack));
    at = strstr(text, "\nAnonymous:");
    CHECK(at && sscanf(at, "\nAnonymous: %ld", &not_of_files) == 1 && near(not_of_files, anonymous, slack));
}

static void signals(const char *folder)
{
    static const char *const sets[] = { "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt" };
    get(folder, "status", text);
    for (int i = 0; i < 5; i++)
        printf("%s %s\n", sets[i], line(sets[i]));
    printf("threads %ld, no new privileges %ld\n", amount("Threads"), amount("NoNewPrivs"));
    get(folder, "stat", text);
    printf("stat: %lu %lu %lu %lu, threads %lu, exit signal %lu\n", word(31), word(32), word(33), word(34), word(20),
           word(38));
}

/* Descriptors: the kernel's table grows by powers of two. */
static void table(void)
{
    get("/proc/self", "status", text);
    long now = amount("FDSize");
    int last = now < 512 ? (int)now : 300;
    int fd = fcntl(0, F_DUPFD, last);
    get("/proc/self", "status", text);
    CHECK(fd < 0 || amount("FDSize") > fd);
    printf("a descriptor more: %d\n", fd < 0 || now >= 512 || amount("FDSize") == 2 * now);
    if (fd >= 0)
        close(fd);
}

/* Where things are, as the process finds them. */
static void places(char **argv)
{
    get("/proc/self", "stat", text);
    unsigned long first = (unsigned long)__executable_start, behind = ((unsigned long)end + 4095) & -4096ul;
    printf("text %d %d, data %d %d, heap %d\n", word(26) >= first && word(26) <= (unsigned long)main,
           word(27) >= (unsigned long)etext && word(27) < (unsigned long)edata, word(45) < (unsigned long)edata,
           word(46) == (unsigned long)edata, word(47) <= (unsigned long)sbrk(0) && word(47) >= behind);
    int now = personality(0xffffffff);
    if (now != -1 && now & ADDR_NO_RANDOMIZE)
        printf("heap behind the program: %lx\n", word(47) - behind);
    printf("stack %d, arguments %d %d, environment %d\n", word(28) == (unsigned long)(argv - 1),
           word(48) == (unsigned long)argv[0], word(49) == word(50), word(50) == (unsigned long)environ[0]);
    struct rlimit limit;
    getrlimit(RLIMIT_RSS, &limit);
    CHECK(word(25) == limit.rlim_cur);
    /* Names of the small strings below those, from the highest down. */
    unsigned long platform = getauxval(AT_PLATFORM), random = getauxval(AT_RANDOM);
    printf("random bytes below the platform: %d, %ld\n", random < platform, platform ? (long)(platform - random) : 0);
}

static void vector(const char *folder, const char *of)
{
    size_t length = get(folder, "auxv", text);
    ElfW(auxv_t) *pair = (void *)text;
    CHECK(length % sizeof *pair == 0);
    int wrong = 0, count = 0;
    for (; pair->a_type != AT_NULL; pair++, count++)
        wrong += pair->a_un.a_val != getauxval(pair->a_type);
    printf("%s: %d entries, %d otherwise, %d\n", of, count, wrong, (char *)(pair + 1) == text + length);
}

static void own_vector(void)
{
    ElfW(auxv_t) pairs[64];
    memset(pairs, 0, sizeof pairs);
    long length = prctl(PR_GET_AUXV, pairs, sizeof pairs, 0, 0);
    if (length < 0) {
        printf("PR_GET_AUXV: %s\n", strerror(errno));
        return;
    }
    int wrong = 0, count = 0;
    for (ElfW(auxv_t) *pair = pairs; pair->a_type != AT_NULL; pair++, count++)
        wrong += pair->a_un.a_val != getauxval(pair->a_type);
    printf("PR_GET_AUXV: %d entries, %d otherwise\n", count, wrong);
    /* Half an entry. */
    unsigned long few[16], untouched;
    memset(few, 0xee, sizeof few);
    memset(&untouched, 0xee, sizeof untouched);
    CHECK(prctl(PR_GET_AUXV, few, 11 * sizeof few[0], 0, 0) == length);
    printf("a part: %d %d\n", memcmp(few, pairs, 11 * sizeof few[0]) == 0, few[11] == untouched);
    printf("nowhere: %d\n", prctl(PR_GET_AUXV, 8, sizeof pairs, 0, 0));
}

static void handler(int number)
{
    (void)number;
}

static int ends[2], answers[2];

static void *in_thread(void *unused)
{
    (void)unused;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTRAP);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGUSR2);
    puts("thread");
    signals("/proc/thread-self");
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/self/task/%d", gettid());
    sizes(folder);
    puts("the first");
    /* While it starts a thread it blocks all signals. */
    await_state(getpid(), getpid(), 'S');
    signals("/proc/self");
    return NULL;
}

static void of_child(const char *what, int executes, char **argv)
{
    MUST(pipe2(ends, 0));
    MUST(pipe2(answers, 0));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char byte = 0;
        close(ends[1]);
        close(answers[0]);
        if (executes) {
            dup2(ends[0], 0);
            dup2(answers[1], 1);
            execl(argv[0], argv[0], "wait", (char *)0);
            _exit(1);
        }
        CHECK(write(answers[1], &byte, 1) == 1);
        _exit(read(ends[0], &byte, 1) == 0 ? 4 : 5);
    }
    close(ends[0]);
    close(answers[1]);
    char byte, folder[64];
    CHECK(read(answers[0], &byte, 1) == 1);
    close(answers[0]);
    await_state(child, child, 'S');
    snprintf(folder, sizeof folder, "/proc/%d", child);
    puts(what);
    signals(folder);
    sizes(folder);
    if (!executes)
        vector(folder, what);
    close(ends[1]);
    report(what, child);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        char byte = 0;
        return write(1, &byte, 1) == 1 && read(0, &byte, 1) == 0 ? 4 : 5;
    }
    /* What was inherited is another matter, also of the C library's own signals. */
    struct { unsigned long handler, rest[3]; } by_default = { 0, { 0 } };
    for (int i = 1; i <= 64; i++)
        syscall(SYS_rt_sigaction, i, &by_default, NULL, 8);
    unsigned long none[2] = { 0 };
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, 8) == 0);
    puts("at first");
    fflush(stdout);
    signals("/proc/self");
    sizes("/proc/self");
    places(argv);
    vector("/proc/self", "own");
    own_vector();
    table();
    static const int caught[] = { SIGSEGV, SIGFPE, SIGUSR1, 40 }, ignored[] = { SIGILL, SIGTRAP, SIGPIPE };
    for (int i = 0; i < 4; i++)
        signal(caught[i], handler);
    for (int i = 0; i < 3; i++)
        signal(ignored[i], SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    sigaddset(&set, SIGTRAP);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGBUS);
    puts("with handlers");
    signals("/proc/self");
    of_child("forked", 0, argv);
    of_child("executed", 1, argv);
    void *more = MUST(mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(more, 1, 8 << 20);
    puts("with more memory");
    sizes("/proc/self");
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    return 0;
}
