/* Processes with memory of their own that share their working directory and root, and those that have left off. */
#include "variants.h"
#include <pthread.h>

/* The working directory, as far as it is below the top. */
static void where(const char *who)
{
    char path[PATH_MAX];
    long length = syscall(SYS_getcwd, path, sizeof path);
    int is_below = length > 0 && strncmp(path, top, strlen(top)) == 0;
    printf("%s at %s\n", who, length < 0 ? strerror(errno) : is_below ? path + strlen(top) : path);
    /* And what is there. */
    printf("  mark %d\n", access("mark", F_OK));
}

/* A process that shares what `flags` say does something, and has ended. */
static void with(unsigned long flags, void (*run)(void))
{
    fflush(stdout);
    long child = MUST(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        run();
        fflush(stdout);
        _exit(0);
    }
    report("child", (pid_t)child);
}

static void to_a(void) { told("a", chdir(at("a"))); }
static void to_b(void) { told("b", chdir("../b")); }
static void to_root(void) { told("root", chdir("/")); }
static void to_missing(void) { told("missing", chdir("missing")); }
static void of_fork(void) { with(0, to_b); where("the forked one's parent"); }

static void unshared(void)
{
    told("unshare", unshare(CLONE_FS));
    where("the child");
    to_b();
    where("the child");
}

static void killed(void)
{
    to_b();
    fflush(stdout);
    raise(SIGKILL);
}

static void by_descriptor(void)
{
    int fd = MUST(open(at("a"), O_RDONLY | O_DIRECTORY));
    told("fchdir", fchdir(fd));
}

/* What is executed shares on. */
static void executed(void)
{
    execl("/proc/self/exe", "fellows", "to", at("b"), (char *)0);
    told("execl", -1);
}

static void masked(void) { printf("mask %o\n", umask(027)); }

static void moved(void)
{
    MUST(rename(at("b"), at("c")));
    where("the child");
    MUST(rename(at("c"), at("b")));
}

static void removed(void)
{
    MUST(mkdir(at("gone"), 0755));
    MUST(chdir(at("gone")));
    MUST(rmdir(at("gone")));
}

static void begin(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("b"), 0755));
    file("a/mark", "");
    MUST(chdir("/"));
}

/* Each sees where the other has gone. */
static void shares(void)
{
    begin();
    with(CLONE_FS, to_a);
    where("shared");
    with(CLONE_FS, to_b);
    where("shared");
    with(CLONE_FS, to_missing);
    where("shared");
    with(CLONE_FS, by_descriptor);
    where("shared");
    with(0, to_b);
    where("forked");
    with(CLONE_FS, of_fork);
    where("shared");
    with(CLONE_FS, unshared);
    where("unshared");
    with(CLONE_FS, killed);
    where("killed");
    with(CLONE_FS, moved);
    where("moved");
    with(CLONE_FS, to_root);
    where("shared");
    with(CLONE_FS, executed);
    where("executed");
    with(CLONE_FS, removed);
    where("removed");
    with(CLONE_FS, masked);
    printf("mask %o\n", umask(022));
    with(CLONE_FS, masked);
    MUST(close(MUST(open(at("masked"), O_WRONLY | O_CREAT, 0777))));
    show("masked");
    umask(022);
}

/* The child is told where to go, says that it is there, and both go on. */
static int ends[2][2];

static void step(int which) { MUST(write(ends[which][1], "x", 1)); }

static void await(int which)
{
    char byte;
    MUST(read(ends[which][0], &byte, 1));
}

static void follows(void)
{
    await(0);
    where("the child");
    MUST(chdir(at("b")));
    step(1);
    await(0);
    where("the child");
    MUST(unshare(CLONE_FS));
    step(1);
    await(0);
    where("the child");
    MUST(chdir(at("b")));
    step(1);
    await(0);
}

/* Both at the same time. */
static void together(void)
{
    begin();
    MUST(pipe(ends[0]));
    MUST(pipe(ends[1]));
    fflush(stdout);
    long child = MUST(syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        follows();
        fflush(stdout);
        _exit(0);
    }
    MUST(chdir(at("a")));
    step(0);
    await(1);
    where("the parent");
    MUST(chdir("/"));
    step(0);
    await(1);
    MUST(chdir(at("a")));
    step(0);
    await(1);
    where("the parent");
    fflush(stdout);
    step(0);
    report("child", (pid_t)child);
    where("the parent");
}

static void rooted(void)
{
    told("chroot", chroot(at("a")));
    told("chdir", chdir("/"));
}

/* A child shares its root with one of its own. */
static void of_root(void)
{
    with(CLONE_FS, rooted);
    char path[PATH_MAX];
    printf("%s, mark %d\n", getcwd(path, sizeof path), access("/mark", F_OK));
    told("..", chdir(".."));
    printf("mark %d\n", access("mark", F_OK));
}

static void roots(void)
{
    begin();
    with(0, of_root);
    where("outside");
}

/* More than there is room for at once, one after the other. */
static void leaves(void)
{
    if (unshare(CLONE_FS) == 0)
        with(CLONE_FS, to_a);
    where("one of many");
}

static void *goes(void *unused)
{
    MUST(unshare(CLONE_FS));
    MUST(chdir(at("a")));
    return unused;
}

/* Nothing is left of those that have ended. */
static void many(void)
{
    begin();
    for (int i = 0; i < 100; i++) {
        with(CLONE_FS, leaves);
        leaves();
        MUST(chdir("/"));
    }
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, goes, NULL);
        pthread_join(thread, NULL);
    }
    where("the first thread");
}

static void *nothing(void *unused) { return unused; }

/* One that has left, and shares with one that it starts. */
static void *shares_again(void *goes_too)
{
    pthread_t thread;
    told("unshare", unshare(CLONE_FS));
    if (goes_too)
        MUST(chdir(at("a")));
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    return NULL;
}

/* Nor of those that shared theirs with others before they ended. */
static void many_several(void)
{
    begin();
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, shares_again, i % 2 ? top : NULL);
        pthread_join(thread, NULL);
    }
    where("the first thread");
}

/* More groups at once than there is room for, of which none is anywhere virtual. */
static void groups_of_two(void)
{
    enum { MANY = 40 };
    pid_t leaders[MANY];
    begin();
    MUST(pipe(ends[0]));
    MUST(pipe(ends[1]));
    fflush(stdout);
    for (int i = 0; i < MANY; i++) {
        leaders[i] = MUST(fork());
        if (leaders[i] == 0) {
            long child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
            if (child == 0) {
                await(0);
                _exit(0);
            }
            step(1);
            if (child > 0)
                waitpid((pid_t)child, NULL, 0);
            _exit(child < 0);
        }
    }
    for (int i = 0; i < MANY; i++)
        await(1);
    for (int i = 0; i < MANY; i++)
        step(0);
    int failed = 0;
    for (int i = 0; i < MANY; i++) {
        int status;
        MUST(waitpid(leaders[i], &status, 0));
        failed += status != 0;
    }
    printf("%d failed\n", failed);
}

static pthread_barrier_t both;

/* Starts one that says whether it is where the first thread has gone since, and is to be if it shares that. */
static void *starts_one(void *shares_it)
{
    unsigned long flags = shares_it ? CLONE_FS : 0;
    pthread_barrier_wait(&both);
    long child = MUST(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        await(0);
        _exit(access("mark", F_OK) != 0);
    }
    pthread_barrier_wait(&both);
    int status;
    MUST(waitpid((pid_t)child, &status, 0));
    return (status == 0) == (flags != 0) ? NULL : top;
}

/* Two threads are the first to start one, at the same time; every other time one of them forks. */
static void at_once(void)
{
    begin();
    MUST(pipe(ends[0]));
    int failed = 0;
    fflush(stdout);
    for (int i = 0; i < 200; i++) {
        long child = MUST(fork());
        if (child == 0) {
            pthread_t threads[2];
            void *found[2];
            pthread_barrier_init(&both, NULL, 3);
            for (int j = 0; j < 2; j++)
                pthread_create(&threads[j], NULL, starts_one, j || i % 2 ? top : NULL);
            pthread_barrier_wait(&both);
            pthread_barrier_wait(&both);
            MUST(chdir(at("a")));
            step(0);
            step(0);
            for (int j = 0; j < 2; j++)
                pthread_join(threads[j], &found[j]);
            _exit(found[0] || found[1]);
        }
        int status;
        MUST(waitpid((pid_t)child, &status, 0));
        failed += status != 0;
    }
    printf("%d are not where they should be\n", failed);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"fs-shared", shares}, {"fs-together", together}, {"fs-root", roots}, {"fs-many", many},
        {"fs-many-several", many_several}, {"fs-many-groups", groups_of_two},
        {"fs-at-once", at_once}, {0, 0},
    };
    if (argc == 3 && strcmp(argv[1], "to") == 0) {
        told("executed", chdir(argv[2]));
        return 0;
    }
    return run_group(argc, argv, groups);
}
