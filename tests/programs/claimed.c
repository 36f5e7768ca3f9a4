/* Makes calls that no kernel knows, and some that all programs make, and says what comes of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
    if (result == -1)
        printf("%s: %s\n", name, strerrorname_np(errno));
    /* No process has such a number. */
    else if (result >= 9000000)
        printf("%s: %ld\n", name, result);
    else
        printf("%s: real\n", name);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (strcmp(argv[0], "again") == 0) {
        puts("executed again");
        return 0;
    }
    say("-1", syscall(-1));
    say("-2", syscall(-2));
    say("unknown", syscall(0x12345));
    say("getppid", syscall(SYS_getppid));
    void *mapped = mmap(0, 0x564c000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("mmap", mapped == MAP_FAILED ? -1 : 0);
    mapped = mmap(0, 0x564d000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("mmap of another length", mapped == MAP_FAILED ? -1 : 0);
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "r8", "r9", "r10", "r11", "memory");
    say("int 0x80", result);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(64) : "r8", "r9", "r10", "r11", "memory");
    say("another by int 0x80", result);
    say("x32", syscall(0x40000000 + 39));
    say("another by x32", syscall(0x40000000 + 0x12345));
#endif
    /* The program to execute, where programs of this machine's can be. */
    if (argc > 1 && fork() == 0) {
        char *const words[] = { "again", argv[1], 0 };
        char *const none[] = { 0 };
        execve("/none", words, none);
        say("execve", -1);
        _exit(1);
    }
    int status;
    if (wait(&status) > 0)
        printf("the child: %d\n", WEXITSTATUS(status));
    fflush(stdout);
    syscall(SYS_exit_group, 77);
}
