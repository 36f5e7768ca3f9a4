/* What the programs share that make each call in all its variants. Each takes the name of a group and a
   directory, works in that directory, leaves it empty, and prints what it sees: nothing that depends on where the
   directory is. */
#ifndef VARIANTS_H
#define VARIANTS_H
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>

/* Calls that the C library's headers may not know yet; the numbers are every machine's. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

/* Where the group works: a folder of its own in the directory, and a descriptor of it. */
static char top[PATH_MAX];
static int top_fd;

/* A path in the folder; each has a buffer that lasts for eight more. */
static const char *at(const char *name)
{
    static char paths[8][PATH_MAX * 2];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

/* Says what a call has given, and gives it on. A descriptor is a number like any other. */
static long told(const char *what, long result)
{
    if (result < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, result);
    return result;
}

/* The call by its number. */
#define CALL(name, ...) told(#name, syscall(SYS_##name, ##__VA_ARGS__))

/* A file with that text. */
__attribute__((unused)) static void file(const char *name, const char *text)
{
    int fd = MUST(open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    MUST(write(fd, text, strlen(text)));
    MUST(close(fd));
}

/* Says what is at a name. */
__attribute__((unused)) static void show(const char *name)
{
    struct stat known;
    if (lstat(at(name), &known) < 0) {
        printf("  %s: %s\n", name, strerror(errno));
        return;
    }
    printf("  %s: mode %o, %ld links", name, known.st_mode, (long)known.st_nlink);
    char text[64] = "";
    ssize_t length = 0;
    if (S_ISREG(known.st_mode)) {
        int fd = open(at(name), O_RDONLY);
        length = read(fd, text, sizeof text - 1);
        close(fd);
        printf(", size %lld, ", (long long)known.st_size);
    } else if (S_ISLNK(known.st_mode)) {
        length = readlink(at(name), text, sizeof text - 1);
        printf(", to ");
    }
    text[length > 0 ? length : 0] = 0;
    printf("%s\n", text);
}

/* Removes what is in a folder. */
static void clear(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char name[PATH_MAX * 2];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (unlink(name) < 0 && errno == EISDIR) {
            clear(name);
            MUST(rmdir(name));
        }
    }
    closedir(folder);
}

struct group {
    const char *name;
    void (*run)(void);
};

/* main: the group that is named first, in the directory that is named second. */
static int run_group(int argc, char **argv, const struct group *groups)
{
    if (argc != 3)
        return 2;
    umask(022);
    snprintf(top, sizeof top, "%s/work", argv[2]);
    MUST(mkdir(top, 0755));
    top_fd = MUST(open(top, O_RDONLY | O_DIRECTORY));
    for (; groups->name && strcmp(groups->name, argv[1]) != 0; groups++)
        ;
    if (!groups->name)
        return 2;
    groups->run();
    MUST(chdir("/"));
    MUST(close(top_fd));
    clear(top);
    told("removed", rmdir(top));
    return 0;
}

/* openat2(2) gives EAGAIN for a path with ".." while anything on the machine is renamed or mounted, and is to be made again. */
static inline int opened_below(int folder, const char *name, struct open_how *with)
{
    long fd;
    do
        fd = syscall(SYS_openat2, folder, name, with, sizeof *with);
    while (fd < 0 && errno == EAGAIN);
    return (int)fd;
}
#endif
