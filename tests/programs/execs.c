/* execve in all its forms: each word names one, the rest is what is executed. */
#include "check.h"
#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

extern char **environ;
static char **command;

static void *exec_from_thread(void *unused)
{
    execv(command[0], command);
    return unused;
}

static int memory_copy(const char *path)
{
    int from = MUST(open(path, O_RDONLY | O_CLOEXEC));
    int to = MUST(syscall(SYS_memfd_create, "copy", 0));
    char buffer[65536];
    ssize_t length;
    while ((length = read(from, buffer, sizeof buffer)) > 0)
        CHECK(write(to, buffer, length) == length);
    close(from);
    return to;
}

static void become(const char *how)
{
    if (!strcmp(how, "execve")) {
        execve(command[0], command, environ);
    } else if (!strcmp(how, "empty-environment")) {
        char *none[] = {NULL};
        execve(command[0], command, none);
    } else if (!strcmp(how, "null-environment")) {
        syscall(SYS_execve, command[0], command, NULL);
    } else if (!strcmp(how, "null-arguments")) {
        syscall(SYS_execve, command[0], NULL, environ);
    } else if (!strcmp(how, "execvp")) {
        execvp(strrchr(command[0], '/') + 1, command);
    } else if (!strcmp(how, "fexecve")) {
        fexecve(MUST(open(command[0], O_RDONLY | O_CLOEXEC)), command, environ);
    } else if (!strcmp(how, "fexecve-path")) {
        fexecve(MUST(open(command[0], O_PATH | O_CLOEXEC)), command, environ);
    } else if (!strcmp(how, "execveat-dirfd")) {
        char *name = strrchr(command[0], '/');
        *name = 0;
        int folder = MUST(open(command[0], O_RDONLY | O_DIRECTORY));
        *name = '/';
        syscall(SYS_execveat, folder, name + 1, command, environ, 0);
    } else if (!strcmp(how, "execveat-cwd")) {
        char *name = strrchr(command[0], '/');
        *name = 0;
        MUST(chdir(command[0]));
        *name = '/';
        syscall(SYS_execveat, AT_FDCWD, name + 1, command, environ, 0);
    } else if (!strcmp(how, "memfd")) {
        syscall(SYS_execveat, memory_copy(command[0]), "", command, environ, AT_EMPTY_PATH);
    } else if (!strcmp(how, "memfd-proc")) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", memory_copy(command[0]));
        execv(path, command);
    } else if (!strcmp(how, "thread")) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, exec_from_thread, NULL) == 0);
        pthread_join(thread, NULL);
    } else if (!strcmp(how, "close-range")) {
        MUST(syscall(SYS_close_range, 3, ~0U, 0));
        execv(command[0], command);
    } else if (!strcmp(how, "close-range-cloexec")) {
        MUST(syscall(SYS_close_range, 3, ~0U, 4));
        execv(command[0], command);
    } else if (!strcmp(how, "close-all")) {
        /* Standard output too: the exit code alone tells. */
        for (int fd = 0; fd < 1024; fd++)
            close(fd);
        execv(command[0], command);
    } else if (!strcmp(how, "dup-over-all")) {
        for (int fd = 3; fd < 1024; fd++)
            dup2(0, fd);
        execv(command[0], command);
    } else if (!strcmp(how, "chroot")) {
        MUST(chroot("."));
        MUST(chdir("/"));
        execv(command[0], command);
    } else if (!strcmp(how, "setuid")) {
        MUST(setgroups(0, NULL));
        MUST(setgid(65534));
        MUST(setuid(65534));
        execv(command[0], command);
    } else if (!strcmp(how, "unshare-user")) {
        MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS));
        execv(command[0], command);
    } else if (!strcmp(how, "unshare-mount")) {
        MUST(unshare(CLONE_NEWNS));
        MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
        MUST(mount("none", "/proc", "tmpfs", 0, NULL));
        execv(command[0], command);
    } else if (!strcmp(how, "rlimit-files")) {
        int last = -1, fd;
        while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
            last = fd;
        CHECK(errno == EMFILE && last > 0);
        execv(command[0], command);
    } else {
        puts("no such way");
    }
    int error = errno;
    printf("%s: %s\n", how, strerror(error));
    exit(98);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    command = argv + 2;
    become(argv[1]);
}
