/* A process that forbids itself by Landlock to execute, and then to read, what is not the system's
 * own: what it may still execute starts, and knows itself by its name. */
#include "check.h"
#include <linux/landlock.h>
#include <sys/prctl.h>

/* The numbers are the same on every processor; a C library's headers may be older. */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };

static void restrict_to(unsigned long rights)
{
    static const char *const places[] = {"/usr", "/bin", "/lib", "/lib64"};
    struct landlock_ruleset_attr attr = {.handled_access_fs = rights};
    int rules = MUST(syscall(CREATE_RULESET, &attr, sizeof attr, 0));
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct landlock_path_beneath_attr beneath = {.allowed_access = rights};
        beneath.parent_fd = open(places[i], O_PATH | O_CLOEXEC);
        if (beneath.parent_fd < 0)
            continue;
        MUST(syscall(ADD_RULE, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0));
        close(beneath.parent_fd);
    }
    MUST(syscall(RESTRICT_SELF, rules, 0));
    close(rules);
}

static void execute(const char *what, char *const words[])
{
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        execv(words[0], words);
        printf("%s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(1);
    }
    report(what, child);
}

int main(int count, char **words)
{
    (void)count;
    char *echo[] = {"/bin/echo", "executed", NULL};
    char *within[] = {"/bin/sh", "-c", "/bin/echo from a shell; exec /bin/echo in its place", NULL};
    char *name[] = {"/bin/readlink", "/proc/self/exe", NULL};
    char *own[] = {words[0], NULL};
    if (getenv("LANDLOCKED"))
        return 0;
    setenv("LANDLOCKED", "", 1);
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (syscall(CREATE_RULESET, NULL, 0, 1) < 1) {
        printf("no Landlock: %s\n", strerror(errno));
        return 0;
    }
    execute("itself", own);
    restrict_to(LANDLOCK_ACCESS_FS_EXECUTE);
    execute("echo", echo);
    execute("a shell", within);
    execute("its name", name);
    execute("itself", own);
    restrict_to(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
    restrict_to(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
    execute("echo", echo);
    execute("a shell", within);
    execute("itself", own);
    return 0;
}
