/* What lies right below the interp, or a program that has none: the kernel maps the vDSO and its data there.
   Says so, executes itself, and then a forked child does. */
#include "check.h"
#include <link.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <time.h>

extern const char program[] __asm__("__ehdr_start");
static const char *image;
static const long page = 4096;
static sigjmp_buf back;

static void faulted(int number)
{
    siglongjmp(back, number);
}

/* What a jump to `at` and a read of it come to. */
static void attempt(const char *at)
{
    int jump = sigsetjmp(back, 1);
    if (jump == 0)
        ((void (*)(void))(uintptr_t)at)();
    volatile char byte;
    int read = sigsetjmp(back, 1);
    if (read == 0)
        byte = *(const volatile char *)at;
    (void)byte;
    printf("%ld pages below: jump: %s, read: %s\n", (image - at) / page, strsignal(jump),
           read ? strsignal(read) : "can be");
}

static void look(void)
{
    const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
    CHECK(vdso < image);
    printf("vDSO: %ld pages below\n", (image - vdso) / page);
    if (vdso > image || vdso < image - 16 * page)
        return;
    CHECK(memcmp(vdso, ELFMAG, SELFMAG) == 0);
    /* Two pages are the least that the data has had anywhere. */
    attempt(vdso - page);
    attempt(vdso - 2 * page);
    /* Its functions find their data. */
    struct timespec first, second, call;
    MUST(clock_gettime(CLOCK_MONOTONIC, &first));
    MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &call));
    MUST(clock_gettime(CLOCK_MONOTONIC, &second));
    long ordered = (first.tv_sec < call.tv_sec || first.tv_nsec <= call.tv_nsec) &&
                   (call.tv_sec < second.tv_sec || call.tv_nsec <= second.tv_nsec);
    CHECK(ordered);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *interp = (const char *)getauxval(AT_BASE);
    image = interp ? interp : program;
    struct sigaction action = {.sa_handler = faulted};
    MUST(sigaction(SIGSEGV, &action, NULL));
    MUST(sigaction(SIGBUS, &action, NULL));
    look();
    if (argc == 1)
        execl(argv[0], argv[0], "again", (char *)NULL);
    in_one("in a child", look);
    return 0;
}
