/* Lists descriptors and mappings in a thread that has left the others' descriptors, and in one that has outlived the
 * first; both then execute by a descriptor of their own. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>

static void lists(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    int count = 0, high = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        count++;
        high += atoi(entry->d_name) > 300;
    }
    printf("%s: %d, %d of them high\n", path, count, high);
    closedir(folder);
}

static void reads(const char *path)
{
    static char text[1 << 16];
    int file = open(path, O_RDONLY);
    long length = 0, more;
    if (file < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    while ((more = read(file, text + length, sizeof text - 1 - length)) > 0)
        length += more;
    text[length < 0 ? 0 : length] = 0;
    close(file);
    printf("%s: %s, vload: %d\n", path, length > 0 ? "a text" : "nothing", strstr(text, "vload") != NULL);
}

static void looks(void)
{
    const char *folders[] = { "/proc/self/fd", "/proc/thread-self/fd", "/proc/self/fdinfo", "/proc/thread-self/fdinfo" };
    for (int i = 0; i < 4; i++)
        lists(folders[i]);
    const char *files[] = { "/proc/self/maps", "/proc/thread-self/maps", "/proc/thread-self/status" };
    for (int i = 0; i < 3; i++)
        reads(files[i]);
    char path[4096] = "";
    int link = open("/proc/thread-self/exe", O_PATH | O_NOFOLLOW);
    printf("link: %d\n", readlinkat(link, "", path, sizeof path - 1) > 0 && strstr(path, "threadfds") != NULL);
    close(link);
}

static void executes(const char *what)
{
    /* A number at which the other threads have something else. */
    MUST(dup2(MUST(open("/proc/thread-self/exe", O_RDONLY)), 200));
    fflush(stdout);
    char *arguments[] = { "threadfds", (char *)what, NULL }, *none[] = { NULL };
    syscall(SYS_execveat, 200, "", arguments, none, AT_EMPTY_PATH);
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static void *apart(void *unused)
{
    CHECK(unshare(CLONE_FILES) == 0);
    for (int fd = 3; fd < 30; fd++)
        close(fd);
    looks();
    executes("apart");
    return unused;
}

static void *outlives(void *first)
{
    CHECK(pthread_join(*(pthread_t *)first, NULL) == 0);
    looks();
    executes("outlived");
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "outlived") == 0) {
        puts("the end");
        return 0;
    }
    static pthread_t self, thread;
    self = pthread_self();
    MUST(dup2(MUST(open("/dev/null", O_RDONLY | O_CLOEXEC)), 200));
    int other = MUST(open("/", O_RDONLY | O_CLOEXEC));
    void *(*const begin)(void *) = argc > 1 ? outlives : apart;
    CHECK(pthread_create(&thread, NULL, begin, &self) == 0);
    if (argc > 1)
        pthread_exit(NULL);
    pthread_join(thread, NULL);
    return other < 0;
}
