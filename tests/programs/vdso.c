/* The functions of the vDSO, called as C libraries call them: found by their symbols.
   vdso values: each once, with what it accepts and refuses; prints how often each was called.
   vdso count N: each N times.
   vdso storm: signals in the middle of them; each handler must find its way back to main. */
#include "check.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unwind.h>

static void *function(const char *name)
{
    char *base = (char *)getauxval(AT_SYSINFO_EHDR);
    if (base == NULL)
        return NULL;
    const ElfW(Ehdr) *header = (void *)base;
    const ElfW(Phdr) *segment = (void *)(base + header->e_phoff);
    const ElfW(Dyn) *dynamic = NULL;
    for (int i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_DYNAMIC)
            dynamic = (void *)(base + segment[i].p_vaddr);
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const uint32_t *hash = NULL;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        void *at = base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = at;
        else if (dynamic->d_tag == DT_STRTAB)
            names = at;
        else if (dynamic->d_tag == DT_HASH)
            hash = at;
    }
    for (uint32_t i = 0; hash != NULL && i < hash[1]; i++)
        if (strcmp(names + symbols[i].st_name, name) == 0)
            return base + symbols[i].st_value;
    return NULL;
}

/* struct vgetrandom_opaque_params of include/uapi/linux/random.h */
struct parameters {
    uint32_t size, prot, flags, reserved[13];
};

static int (*gettime)(clockid_t, struct timespec *);
static int (*getresolution)(clockid_t, struct timespec *);
static int (*timeofday)(struct timeval *, void *);
static time_t (*seconds)(time_t *);
static long (*cpu)(unsigned *, unsigned *, void *);
static ssize_t (*randoms)(void *, size_t, unsigned, void *, size_t);

static void *state;
static struct parameters parameters;

static void find(void)
{
    gettime = function("__vdso_clock_gettime");
    getresolution = function("__vdso_clock_getres");
    timeofday = function("__vdso_gettimeofday");
    seconds = function("__vdso_time");
    cpu = function("__vdso_getcpu");
    randoms = function("__vdso_getrandom");
    if (randoms == NULL)
        return;
    CHECK(randoms(NULL, 0, 0, &parameters, ~(size_t)0) == 0);
    CHECK(parameters.size > 0 && parameters.size <= 256);
    state = MUST(mmap(NULL, 4096, parameters.prot, parameters.flags, -1, 0));
}

static void values(void)
{
    struct timespec now, call;
    struct timeval day;
    time_t second;
    unsigned number, node;
    int calls[6] = {0};
    if (gettime != NULL) {
        for (int clock = 0; clock < 12; clock++) {
            int answer = gettime(clock, &now);
            long direct = syscall(SYS_clock_gettime, clock, &call);
            CHECK((answer == 0) == (direct == 0));
            CHECK(answer != 0 || labs((long)now.tv_sec - (long)call.tv_sec) <= 1);
        }
        CHECK(gettime(-1, &now) == 0 || gettime(-1, &now) == -EINVAL);
        CHECK(gettime(99, &now) == -EINVAL);
        calls[0] = 1;
    }
    if (getresolution != NULL) {
        CHECK(getresolution(CLOCK_MONOTONIC, &now) == 0 && now.tv_nsec == 1);
        CHECK(getresolution(CLOCK_MONOTONIC, NULL) == 0);
        CHECK(getresolution(99, &now) == -EINVAL);
        calls[1] = 1;
    }
    if (timeofday != NULL) {
        struct timezone zone = {7, 7};
        CHECK(timeofday(&day, &zone) == 0 && zone.tz_minuteswest == 0);
        CHECK(timeofday(NULL, &zone) == 0 && timeofday(NULL, NULL) == 0);
        calls[2] = 1;
    }
    if (seconds != NULL) {
        CHECK(seconds(&second) == second);
        CHECK(labs((long)seconds(NULL) - (long)time(NULL)) <= 1);
        calls[3] = 1;
    }
    if (cpu != NULL) {
        CHECK(cpu(&number, &node, NULL) == 0 && number < 100000);
        CHECK(cpu(NULL, NULL, NULL) == 0);
        calls[4] = 1;
    }
    if (randoms != NULL) {
        unsigned char first[64] = {0}, second[64] = {0}, none[64] = {0};
        CHECK(randoms(first, 64, 0, state, parameters.size) == 64);
        CHECK(randoms(second, 64, 1, state, parameters.size) == 64);
        CHECK(memcmp(first, second, 64) != 0 && memcmp(first, none, 64) != 0);
        /* Not the state's size: the call. */
        CHECK(randoms(second, 64, 0, state, 3) == 64);
        /* Like the question about the state, but for a buffer. */
        CHECK(randoms(second, 64, 0, state, ~(size_t)0) == 64);
        CHECK(randoms(second, 64, 0x80, state, parameters.size) == -EINVAL);
        CHECK(randoms(NULL, 0, 0, state, parameters.size) == 0);
        calls[5] = 1;
    }
    for (int i = 0; i < 6; i++)
        printf("%d", calls[i]);
    printf("\n");
}

static void count(int times)
{
    struct timespec now;
    struct timeval day;
    unsigned number;
    unsigned char bytes[16];
    for (int i = 0; i < times; i++) {
        CHECK(gettime == NULL || gettime(CLOCK_MONOTONIC, &now) == 0);
        CHECK(getresolution == NULL || getresolution(CLOCK_MONOTONIC, &now) == 0);
        CHECK(timeofday == NULL || timeofday(&day, NULL) == 0);
        CHECK(seconds == NULL || seconds(NULL) > 0);
        CHECK(cpu == NULL || cpu(&number, NULL, NULL) == 0);
        CHECK(randoms == NULL || randoms(bytes, 16, 0, state, parameters.size) == 16);
    }
}

static uintptr_t lowest, highest;
static volatile int arrived, lost;
/* The kernel has no unwind table for the cipher that getrandom uses (vgetrandom-chacha.S). */
static volatile int in_cipher;

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *found)
{
    uintptr_t at = _Unwind_GetIP(context);
    *(int *)found |= at >= lowest && at < highest;
    return _URC_NO_REASON;
}

static void handler(int signal)
{
    (void)signal;
    int found = 0;
    _Unwind_Backtrace(step, &found);
    arrived++;
    lost += !found && !in_cipher;
}

__attribute__((noinline)) static void storm(void)
{
    struct timespec now;
    struct timeval day;
    time_t second = 0;
    unsigned number, bad = 0;
    unsigned char bytes[32];
    /* One signal after the other: a timer that goes on by itself may leave no time for the calls,
     * where each of them takes long. */
    struct itimerval once = {{0, 0}, {0, 70}};
    for (int seen = -1; arrived < 400;) {
        if (seen != arrived) {
            seen = arrived;
            MUST(setitimer(ITIMER_REAL, &once, NULL));
        }
        bad += gettime != NULL && gettime(CLOCK_MONOTONIC, &now) != 0;
        bad += getresolution != NULL && getresolution(CLOCK_MONOTONIC, &now) != 0;
        bad += timeofday != NULL && timeofday(&day, NULL) != 0;
        bad += seconds != NULL && seconds(&second) != second;
        bad += cpu != NULL && cpu(&number, NULL, NULL) != 0;
        bad += randoms != NULL && randoms(bytes, 32, 0, state, 3) != 32;
        in_cipher = 1;
        bad += randoms != NULL && randoms(bytes, 32, 0, state, parameters.size) != 32;
        in_cipher = 0;
    }
    printf("%u wrong, %d lost\n", bad, lost);
}

int main(int argc, char **argv)
{
    find();
    if (argc > 1 && strcmp(argv[1], "storm") == 0) {
        lowest = (uintptr_t)main;
        highest = lowest + 4096;
        struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
        MUST(sigaction(SIGALRM, &action, NULL));
        storm();
    } else if (argc > 2 && strcmp(argv[1], "count") == 0) {
        count(atoi(argv[2]));
    } else {
        values();
    }
    return 0;
}
