/* Code that the program makes itself: written, made executable, and run. Says whether memory that
 * is only readable can be executed, which READ_IMPLIES_EXEC decides. */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>

static sigjmp_buf back;
static void handler(int signal) { siglongjmp(back, signal); }

/* mov $39,%eax; syscall; ret: getpid */
static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};

static void attempt(const char *what, void *memory)
{
    if (sigsetjmp(back, 1) == 0)
        printf("%s: %s\n", what, ((long (*)(void))memory)() == getpid() ? "runs" : "runs wrongly");
    else
        printf("%s: cannot be executed\n", what);
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGSEGV, &action, NULL);
    unsigned char *memory =
        MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(memory, code, sizeof code);
    attempt("read and write", memory);
    if (mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0)
        attempt("read and execute", memory);
    else
        printf("read and execute: %s\n", strerror(errno));
    if (mprotect(memory, 4096, PROT_READ | PROT_WRITE) == 0)
        attempt("read and write again", memory);
    unsigned char stack[64];
    memcpy(stack, code, sizeof code);
    attempt("stack", stack);
    unsigned char *heap = malloc(64);
    memcpy(heap, code, sizeof code);
    attempt("heap", heap);
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0);
    if (memory == MAP_FAILED) {
        printf("everything: %s\n", strerror(errno));
    } else {
        memcpy(memory, code, sizeof code);
        attempt("everything", memory);
    }
    int fd = syscall(SYS_memfd_create, "code", 0);
    if (fd < 0) {
        printf("memory file: %s\n", strerror(errno));
        return 0;
    }
    CHECK(write(fd, code, sizeof code) == sizeof code);
    attempt("memory file",
            MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0)));
    attempt("private memory file",
            MUST(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0)));
    return 0;
}
