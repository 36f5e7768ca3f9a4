/* Who the process is, seen from within and by a child. */
#include "check.h"
#include <sys/prctl.h>
#include <sys/stat.h>

static void show_file(const char *name)
{
    char text[4096];
    int fd = open(name, O_RDONLY);
    if (fd < 0) {
        printf("%s: %s\n", name, strerror(errno));
        return;
    }
    ssize_t length = read(fd, text, sizeof text);
    close(fd);
    for (ssize_t i = 0; i < length; i++)
        if (text[i] == 0)
            text[i] = '|';
    printf("%s: %.*s\n", name, (int)length, text);
}

static void show_link(const char *name, const char *shown)
{
    char target[4096];
    ssize_t length = readlink(name, target, sizeof target);
    if (length < 0)
        printf("%s: %s\n", shown, strerror(errno));
    else
        printf("%s -> %.*s\n", shown, (int)length, target);
}

int main(int argc, char **argv)
{
    show_link("/proc/self/exe", "/proc/self/exe");
    show_link("/proc/thread-self/exe", "/proc/thread-self/exe");
    char small[4];
    printf("cut off: %zd\n", readlink("/proc/self/exe", small, sizeof small));
    char *real = realpath("/proc/self/exe", NULL);
    printf("realpath: %s\n", real ? real : strerror(errno));
    char own[64];
    snprintf(own, sizeof own, "/proc/%d/exe", getpid());
    show_link(own, "/proc/PID/exe");

    struct stat by_link, by_name;
    CHECK(stat("/proc/self/exe", &by_link) == 0 && stat(argv[0], &by_name) == 0);
    CHECK(by_link.st_ino == by_name.st_ino && by_link.st_dev == by_name.st_dev);
    struct stat no_follow;
    CHECK(lstat("/proc/self/exe", &no_follow) == 0 && S_ISLNK(no_follow.st_mode));
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &by_link) == 0 && by_link.st_ino == by_name.st_ino);
    close(fd);
    int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
    char target[4096];
    ssize_t length = readlinkat(proc, "exe", target, sizeof target);
    printf("readlinkat: %.*s\n", length < 0 ? 0 : (int)length, target);
    CHECK(access("/proc/self/exe", X_OK) == 0);
    close(proc);

    show_file("/proc/self/cmdline");
    show_file("/proc/self/comm");
    char name[16];
    prctl(PR_GET_NAME, name);
    printf("name: %s\n", name);
    fflush(stdout);
    char script[256];
    snprintf(script, sizeof script,
             "ps -o comm=,args= -p %d; tr '\\0' '|' < /proc/%d/cmdline; echo; "
             "cat /proc/%d/comm; tr '\\0' '\\n' < /proc/%d/environ | sort",
             getpid(), getpid(), getpid(), getpid());
    CHECK(system(script) == 0);
    prctl(PR_SET_NAME, "renamed");
    show_file("/proc/self/comm");
    return 0;
}
