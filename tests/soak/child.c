/* What this program does when it is executed by itself: `soak child FD KIND WORD SEED`. The seed stands in
 * the environment, too. */
#include "soak.h"
#include <dirent.h>
#include <sys/auxv.h>

int execute(const char *kind, const char *word)
{
    char fd[16], seed[32], variable[48];
    snprintf(fd, sizeof fd, "%d", shared_fd);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)rng());
    snprintf(variable, sizeof variable, "SOAK=%s", seed);
    char *argv[] = {"soak", "child", fd, (char *)kind, (char *)word, seed, NULL};
    char *envp[] = {variable, NULL};
    switch (rng() % 3) {
    case 0: execve(self, argv, envp); break;
    case 1: execve("/proc/self/exe", argv, envp); break;
    default: {
        int file = open(self, O_RDONLY | O_CLOEXEC);
        if (file >= 0)
            syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH);
    }
    }
    return errno;
}

/* The descriptors that the word names, and no others. */
static void descriptors(const char *word)
{
    char found[256] = "";
    DIR *directory = opendir("/proc/self/fd");
    MUST(directory);
    char seen[64] = {0};
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        if (fd >= (int)sizeof seen)
            finding("descriptor %d is listed", fd);
        seen[fd] = 1;
    }
    closedir(directory);
    for (int fd = 0; fd < (int)sizeof seen; fd++)
        if (seen[fd])
            snprintf(found + strlen(found), sizeof found - strlen(found), "%d,", fd);
    if (strcmp(found, word) != 0)
        finding("descriptors %s, not %s", found, word);
}

int child_main(int argc, char **argv)
{
    shared_fd = atoi(argv[2]);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
    if (argc != 6 || shared == MAP_FAILED)
        return 97;
    shared->execs++;
    const char *kind = argv[3], *word = argv[4], *variable = getenv("SOAK");
    if (!variable || strcmp(variable, argv[5]) != 0)
        finding("the environment is not what was given");
    extern char **environ;
    MUST(environ[0] && !environ[1]);
    MUST(strcmp(argv[0], "soak") == 0 && getauxval(AT_SECURE) == 0);
    reseed(strtoull(argv[5], NULL, 10));
    calls(between(0, 20));
    if (strcmp(kind, "exit") == 0)
        return atoi(word);
    if (strcmp(kind, "chain") == 0) {
        int depth = atoi(word);
        char next[16];
        if (depth == 0)
            return 42;
        snprintf(next, sizeof next, "%d", depth - 1);
        execute("chain", next);
        finding("exec failed (errno %d)", errno);
    }
    if (strcmp(kind, "descriptors") == 0) {
        descriptors(word);
        return 0;
    }
    finding("executed as %s", kind);
}
