/* Reading directories and being in them, each call in all its variants. */
#include "variants.h"

/* struct linux_dirent64 (getdents64(2)). */
struct entry64 {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t kind;
    char name[];
} __attribute__((packed, aligned(8)));

struct entry {
    unsigned long inode, next;
    unsigned short length;
    char name[];
};

struct seen {
    char name[256];
    unsigned char kind;
    unsigned long inode;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

/* All names of an open directory with a buffer of that size, sorted. */
static int list(int fd, int is_old, size_t room, struct seen *all, int most)
{
    int count = 0;
    char *buffer = malloc(room);
    for (;;) {
#ifdef SYS_getdents
        long length = syscall(is_old ? SYS_getdents : SYS_getdents64, fd, buffer, room);
#else
        long length = syscall(SYS_getdents64, fd, buffer, room);
        is_old = 0;
#endif
        if (length <= 0) {
            if (length < 0)
                told("list", length);
            break;
        }
        for (long at = 0; at < length && count < most; count++) {
            struct entry64 *new = (void *)(buffer + at);
            struct entry *old = (void *)(buffer + at);
            snprintf(all[count].name, 256, "%s", is_old ? old->name : new->name);
            all[count].kind = is_old ? (unsigned char)buffer[at + old->length - 1] : new->kind;
            all[count].inode = is_old ? old->inode : (unsigned long)new->inode;
            at += is_old ? old->length : new->length;
        }
    }
    free(buffer);
    qsort(all, (size_t)count, sizeof *all, by_name);
    return count;
}

static struct seen all[3000];

static void print(int fd, int is_old, size_t room)
{
    int count = list(fd, is_old, room, all, 3000);
    printf("%d names\n", count);
    for (int i = 0; i < count; i++) {
        struct stat known;
        int error = fstatat(fd, all[i].name, &known, AT_SYMLINK_NOFOLLOW);
        int is_top = strcmp(all[i].name, "..") == 0;
        printf("  %s %d %d\n", all[i].name, all[i].kind, error || is_top ? error : known.st_ino == all[i].inode);
    }
}

static void lists(void)
{
    MUST(mkdir(at("folder"), 0755));
    int fd = MUST(open(at("folder"), O_RDONLY | O_DIRECTORY));
    print(fd, 0, 4096);
    file("folder/file", "");
    MUST(mkdir(at("folder/below"), 0755));
    MUST(symlink("x", at("folder/link")));
    MUST(mkfifo(at("folder/pipe"), 0600));
    told("rewound", lseek(fd, 0, SEEK_SET));
    print(fd, 0, 4096);
    told("rewound", lseek(fd, 0, SEEK_SET));
    print(fd, 1, 4096);
    told("rewound", lseek(fd, 0, SEEK_SET));
    print(fd, 0, 32);
    told("rewound", lseek(fd, 0, SEEK_SET));
    print(fd, 0, 8);
    told("bad address", syscall(SYS_getdents64, fd, (char *)8, 4096));
    /* Many, some of which go while they are read. */
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "folder/number-%d", i);
        file(name, "");
    }
    told("rewound", lseek(fd, 0, SEEK_SET));
    told("names", list(fd, 0, 1024, all, 3000));
    DIR *folder = opendir(at("folder"));
    struct dirent *entry;
    int seen = 0, odd = 0;
    while ((entry = readdir(folder))) {
        int number;
        if (sscanf(entry->d_name, "number-%d", &number) != 1)
            continue;
        seen++;
        if (number % 2) {
            odd++;
            MUST(unlinkat(fd, entry->d_name, 0));
        }
    }
    printf("seen %d, %d of them odd\n", seen, odd);
    rewinddir(folder);
    for (seen = 0; readdir(folder); seen++)
        ;
    printf("left %d\n", seen);
    /* A place in the list is a place to come back to. */
    rewinddir(folder);
    for (int i = 0; i < 100; i++)
        readdir(folder);
    long place = telldir(folder);
    char name[256];
    snprintf(name, sizeof name, "%s", readdir(folder)->d_name);
    for (int i = 0; i < 50; i++)
        readdir(folder);
    seekdir(folder, place);
    told("the same", strcmp(name, readdir(folder)->d_name) == 0);
    closedir(folder);
    int plain = MUST(open(at("folder/file"), O_RDONLY));
    told("of a file", syscall(SYS_getdents64, plain, name, sizeof name));
    close(plain);
    MUST(mkdir(at("gone"), 0755));
    int gone = MUST(open(at("gone"), O_RDONLY));
    MUST(rmdir(at("gone")));
    told("of one that is gone", syscall(SYS_getdents64, gone, name, sizeof name));
    close(gone);
    close(fd);
}

/* The working directory, below the top. */
static void where(void)
{
    char path[PATH_MAX];
    long length = syscall(SYS_getcwd, path, sizeof path);
    if (length < 0)
        printf("  at %s\n", strerror(errno));
    else if (strncmp(path, top, strlen(top)) == 0)
        printf("  at [%s], %d\n", path + strlen(top), length == (long)strlen(path) + 1);
    else
        printf("  elsewhere\n");
}

static void moves(void)
{
    MUST(mkdir(at("a"), 0755));
    MUST(mkdir(at("a/b"), 0755));
    MUST(symlink("a/b", at("way")));
    file("file", "");
    CALL(chdir, top);
    where();
    CALL(chdir, "a");
    where();
    CALL(chdir, "b/..");
    where();
    CALL(chdir, "../way");
    where();
    CALL(chdir, "..");
    where();
    CALL(fchdir, top_fd);
    where();
    CALL(chdir, "file");
    CALL(chdir, "missing");
    CALL(chdir, "");
    CALL(chdir, "a/b/");
    where();
    int fd = MUST(open("..", O_RDONLY | O_DIRECTORY));
    CALL(fchdir, fd);
    where();
    close(fd);
    CALL(fchdir, fd);
    fd = MUST(open(at("file"), O_RDONLY));
    CALL(fchdir, fd);
    close(fd);
    fd = MUST(open(at("a"), O_PATH));
    CALL(fchdir, fd);
    close(fd);
    where();
    char small[4];
    CALL(getcwd, small, sizeof small);
    CALL(getcwd, (char *)1, PATH_MAX);
    /* A child has its own, and begins with its parent's. */
    CALL(chdir, at("a"));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        where();
        MUST(chdir(top));
        where();
        fflush(stdout);
        execl("/bin/sh", "sh", "-c", "pwd | sed 's/.*work/work/'; test -d a && echo found", (char *)0);
        _exit(1);
    }
    report("child", child);
    where();
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"getdents", lists}, {"chdir", moves}, {0, 0}};
    return run_group(argc, argv, groups);
}
