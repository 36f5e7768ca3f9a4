/* execve that must fail: the kernel's errno, and the caller goes on with nothing lost. */
#include "check.h"
#include <sys/mman.h>
#include <sys/stat.h>

static char *arguments[] = {"program", NULL};
static char *environment[] = {NULL};

static void attempt(const char *what, const char *path)
{
    errno = 0;
    execve(path, arguments, environment);
    printf("%s: %s\n", what, strerror(errno));
}

static void make(const char *name, const char *text, int mode)
{
    int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    MUST(fchmod(fd, mode));
    close(fd);
}

/* A file that somebody writes to. */
static void busy(void)
{
    make("busy", "#!/bin/sh\nexit 0\n", 0755);
    int writer = MUST(open("busy", O_WRONLY));
    attempt("busy script", "busy");
    close(writer);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        busy();
        return 0;
    }
    attempt("missing", "no-such-file");
    attempt("empty name", "");
    attempt("folder", "/");
    attempt("through a file", "/etc/passwd/x");
    make("plain", "not a program\n", 0755);
    attempt("text", "plain");
    make("empty", "", 0755);
    attempt("empty", "empty");
    make("unexecutable", "#!/bin/sh\n", 0644);
    attempt("no permission", "unexecutable");
    make("elf", "\177ELF", 0755);
    attempt("cut off", "elf");
    make("badinterp", "#!/no/such/interpreter\n", 0755);
    attempt("missing interpreter", "badinterp");
    make("dirinterp", "#!/\n", 0755);
    attempt("folder as interpreter", "dirinterp");
    make("nointerp", "#!\n", 0755);
    attempt("no interpreter", "nointerp");
    make("blankinterp", "#!   \n", 0755);
    attempt("blank interpreter", "blankinterp");
    symlink("loop", "loop");
    attempt("loop", "loop");
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    attempt("long path", longer);
    longer[300] = 0;
    attempt("long name", longer);
    char script[300] = "#!/";
    memset(script + 3, 'y', 290);
    script[293] = '\n';
    make("longinterp", script, 0755);
    attempt("long interpreter", "longinterp");
    attempt("bad address", (char *)8);
    attempt("null", NULL);

    errno = 0;
    syscall(SYS_execve, "/bin/true", (char **)8, environment);
    printf("bad arguments: %s\n", strerror(errno));
    char *bad[] = {"x", (char *)8, NULL};
    syscall(SYS_execve, "/bin/true", bad, environment);
    printf("bad argument: %s\n", strerror(errno));
    syscall(SYS_execve, "/bin/true", arguments, bad);
    printf("bad variable: %s\n", strerror(errno));
    size_t large = 1 << 18;
    char *word = malloc(large);
    memset(word, 'z', large);
    word[large - 1] = 0;
    char *too_long[] = {"x", word, NULL};
    execve("/bin/true", too_long, environment);
    printf("long argument: %s\n", strerror(errno));

    /* Scripts that name one another, one more than the kernel follows. */
    make("s0", "#!/bin/true\n", 0755);
    char name[8], text[64];
    char here[4000];
    CHECK(getcwd(here, sizeof here) != NULL);
    for (int i = 1; i < 8; i++) {
        snprintf(name, sizeof name, "s%d", i);
        snprintf(text, sizeof text, "#!./s%d\n", i - 1);
        make(name, text, 0755);
    }
    for (int i = 1; i < 8; i++) {
        snprintf(name, sizeof name, "s%d", i);
        pid_t child = MUST(fork());
        if (child == 0) {
            execve(name, arguments, environment);
            _exit(errno);
        }
        report(name, child);
    }
    attempt("too deep", "s7");

    errno = 0;
    syscall(SYS_execveat, -100, "", arguments, environment, 0x1000);
    printf("empty path at cwd: %s\n", strerror(errno));
    syscall(SYS_execveat, 12345, "x", arguments, environment, 0);
    printf("bad dirfd: %s\n", strerror(errno));
    syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, environment, 0x40000);
    printf("bad flags: %s\n", strerror(errno));
    symlink("/bin/true", "link");
    syscall(SYS_execveat, AT_FDCWD, "link", arguments, environment, AT_SYMLINK_NOFOLLOW);
    printf("no follow: %s\n", strerror(errno));
    int script_fd = MUST(open("s0", O_RDONLY | O_CLOEXEC));
    syscall(SYS_execveat, script_fd, "", arguments, environment, AT_EMPTY_PATH);
    printf("script by a descriptor that closes: %s\n", strerror(errno));
    errno = 0;
    syscall(0x40000000 + 520, "nothing", NULL, NULL);
    printf("x32: %s\n", strerror(errno));
    puts("still here");
    return 0;
}
