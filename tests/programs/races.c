/* Eight processes at the same names: each round ends as the kernel lets it end, and what is left adds up. */
#include "variants.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

enum { PROCESSES = 8 };

static int rounds = 60;

static struct shared {
    pthread_barrier_t together;
    int results[PROCESSES]; /* 0, or the error number */
    volatile int over;
    _Atomic int tried; /* how many have begun to try */
} *shared;

static const char *own(int who)
{
    char name[32];
    snprintf(name, sizeof name, "own-%d", who);
    return at(name);
}

/* Starts the eight. What `act` gives in each round is there when all have come to its end: one of them calls `judge`. */
static void race(const char *what, void (*prepare)(void), int (*act)(int who), void (*judge)(void))
{
    pid_t children[PROCESSES];
    fflush(stdout);
    for (int who = 0; who < PROCESSES; who++) {
        children[who] = MUST(fork());
        if (children[who] != 0)
            continue;
        srandom((unsigned)who);
        for (int round = 0; round < rounds; round++) {
            if (who == 0 && prepare)
                prepare();
            pthread_barrier_wait(&shared->together);
            shared->results[who] = act(who) < 0 ? errno : 0;
            pthread_barrier_wait(&shared->together);
            if (who == 0)
                judge();
            pthread_barrier_wait(&shared->together);
        }
        fflush(stdout);
        _exit(0);
    }
    for (int who = 0; who < PROCESSES; who++) {
        int status;
        MUST(waitpid(children[who], &status, 0));
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    printf("%s\n", what);
    clear(top);
}

/* One has succeeded, and all others have the same error. */
static int only_one(int error)
{
    int winner = -1, won = 0;
    for (int who = 0; who < PROCESSES; who++) {
        if (shared->results[who] == 0) {
            winner = who;
            won++;
        } else {
            CHECK(shared->results[who] == error);
        }
    }
    CHECK(won == 1);
    return winner;
}

static void each_has_one(void)
{
    clear(top);
    for (int who = 0; who < PROCESSES; who++) {
        char name[32], text[2] = {(char)('0' + who)};
        snprintf(name, sizeof name, "own-%d", who);
        file(name, text);
    }
}

static int takes_place(int who)
{
    return renameat2(AT_FDCWD, own(who), AT_FDCWD, at("place"), 1 /* RENAME_NOREPLACE */);
}

static int content(const char *name)
{
    char byte = 0;
    int fd = open(at(name), O_RDONLY);
    if (fd < 0 || read(fd, &byte, 1) != 1)
        byte = '?';
    close(fd);
    return byte;
}

static void one_took_it(void)
{
    int winner = only_one(EEXIST);
    CHECK(content("place") == '0' + winner);
    CHECK(access(own(winner), F_OK) < 0);
}

static int replaces(int who)
{
    return rename(own(who), at("place"));
}

static void the_last_is_left(void)
{
    for (int who = 0; who < PROCESSES; who++) {
        CHECK(shared->results[who] == 0);
        CHECK(access(own(who), F_OK) < 0);
    }
    int left = content("place");
    CHECK(left >= '0' && left < '0' + PROCESSES);
    struct stat known;
    CHECK(stat(at("place"), &known) == 0 && known.st_nlink == 1);
}

static void one_file(void)
{
    clear(top);
    file("file", "x");
}

static int takes_it(int who)
{
    return rename(at("file"), own(who));
}

static void one_has_it(void)
{
    CHECK(access(own(only_one(ENOENT)), F_OK) == 0);
}

static int unlinks(int who)
{
    (void)who;
    return unlink(at("file"));
}

static void it_is_gone(void)
{
    only_one(ENOENT);
    CHECK(access(at("file"), F_OK) < 0);
}

static int links_one(int who)
{
    (void)who;
    return link(at("file"), at("place"));
}

static void it_has_two_names(void)
{
    struct stat known;
    only_one(EEXIST);
    CHECK(stat(at("place"), &known) == 0 && known.st_nlink == 2);
}

static int links_own(int who)
{
    return link(at("file"), own(who));
}

static void it_has_nine_names(void)
{
    struct stat known;
    CHECK(stat(at("file"), &known) == 0 && known.st_nlink == 1 + PROCESSES);
}

static void nothing(void)
{
    clear(top);
}

static int links_to_itself(int who)
{
    char target[8];
    snprintf(target, sizeof target, "%d", who);
    return symlink(target, at("place"));
}

static void one_link(void)
{
    char target[8] = "";
    int winner = only_one(EEXIST);
    CHECK(readlink(at("place"), target, sizeof target) == 1 && target[0] == '0' + winner);
}

static int makes(int who)
{
    (void)who;
    int fd = open(at("place"), O_WRONLY | O_CREAT | O_EXCL, 0600);
    return fd < 0 ? fd : close(fd);
}

static int makes_folder(int who)
{
    (void)who;
    return mkdir(at("place"), 0700);
}

static void one_made_it(void)
{
    only_one(EEXIST);
}

static void one_folder(void)
{
    clear(top);
    MUST(mkdir(at("place"), 0700));
}

/* Half of them remove it, half put something into it. */
static int removes_or_fills(int who)
{
    char name[32];
    snprintf(name, sizeof name, "place/%d", who);
    if (who % 2)
        return rmdir(at("place"));
    int fd = open(at(name), O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? fd : close(fd);
}

static void empty_or_there(void)
{
    int removed = 0, filled = 0;
    for (int who = 0; who < PROCESSES; who++) {
        if (shared->results[who] == 0)
            *(who % 2 ? &removed : &filled) += 1;
        else if (who % 2)
            CHECK(shared->results[who] == ENOENT || shared->results[who] == ENOTEMPTY);
        else
            CHECK(shared->results[who] == ENOENT);
    }
    CHECK(removed == 0 || (removed == 1 && filled == 0));
    CHECK((access(at("place"), F_OK) == 0) == (removed == 0));
}

static int exchanges(int who)
{
    for (int i = 0; i < who + 1; i++)
        if (renameat2(AT_FDCWD, at("own-0"), AT_FDCWD, at("own-1"), 2 /* RENAME_EXCHANGE */) < 0)
            return -1;
    return 0;
}

/* 36 exchanges leave both where they were. */
static void as_before(void)
{
    for (int who = 0; who < PROCESSES; who++)
        CHECK(shared->results[who] == 0);
    CHECK(content("own-0") == '0' && content("own-1") == '1');
}

static void folders(void)
{
    clear(top);
    for (int who = 0; who < 3; who++)
        MUST(mkdir(own(who), 0700));
}

/* Each moves folders into each other: none may end up within itself. */
static int nests(int who)
{
    (void)who;
    for (int i = 0; i < 10; i++) {
        char from[16], to[32];
        int a = (int)(random() % 3), b = (int)(random() % 3);
        snprintf(from, sizeof from, "own-%d", a);
        snprintf(to, sizeof to, "own-%d/in-%d", b, a);
        if (random() % 2)
            rename(at(from), at(to));
        else
            rename(at(to), at(from));
    }
    return 0;
}

static int count(const char *path, int depth)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int found = 0;
    while (folder && depth < 10 && (entry = readdir(folder))) {
        char name[PATH_MAX * 2];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        found += 1 + count(name, depth + 1);
    }
    if (folder)
        closedir(folder);
    return found;
}

static void all_are_reached(void)
{
    CHECK(count(top, 0) == 3);
}

static int appends(int who)
{
    char line[32];
    int fd = open(at("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (int i = 0; i < 5; i++) {
        int length = snprintf(line, sizeof line, "line of %d, %d\n", who, i);
        if (write(fd, line, (size_t)length) != length)
            return -1;
    }
    return close(fd);
}

static void all_lines_are_there(void)
{
    int seen[PROCESSES] = {0}, lines = 0, who, number;
    FILE *log = fopen(at("log"), "r");
    while (fscanf(log, "line of %d, %d\n", &who, &number) == 2) {
        CHECK(who >= 0 && who < PROCESSES && seen[who] == number);
        seen[who]++;
        lines++;
    }
    CHECK(feof(log) && lines == PROCESSES * 5);
    fclose(log);
}

/* All of it at once; each name that is left is one of its inode's. */
static int storms(int who)
{
    char from[16], to[16];
    for (int i = 0; i < 20; i++) {
        snprintf(from, sizeof from, "own-%ld", random() % PROCESSES);
        snprintf(to, sizeof to, "own-%ld", random() % PROCESSES);
        switch (random() % 5) {
        case 0:
            rename(at(from), at(to));
            break;
        case 1:
            link(at(from), at(to));
            break;
        case 2:
            unlink(at(from));
            break;
        case 3:
            symlink(to, at(from));
            break;
        default: {
            int fd = open(at(to), O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
            if (fd >= 0)
                close(fd);
        }
        }
    }
    (void)who;
    return 0;
}

static void links_add_up(void)
{
    struct stat known[PROCESSES], other;
    for (int who = 0; who < PROCESSES; who++) {
        if (lstat(own(who), &known[who]) < 0)
            continue;
        unsigned long names = 0;
        for (int also = 0; also < PROCESSES; also++)
            names += lstat(own(also), &other) == 0 && other.st_ino == known[who].st_ino;
        CHECK(names == known[who].st_nlink);
    }
}

/* The name that an open file has, behind the folder. */
static const char *name_of(int fd)
{
    static char to[PATH_MAX];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, to, sizeof to - 1);
    to[length > 0 ? length : 0] = 0;
    const char *name = strrchr(to, '/');
    return name ? name + 1 : to;
}

/* How many of them try without a pause. */
enum { TRIERS = 2 };

static void one_place(void)
{
    clear(top);
    file("place", "x");
    file("other", "x");
    shared->over = 0;
    shared->tried = 0;
}

/* Also where there is one processor, what is taken is taken from under those who try. */
static void wait_for_triers(void)
{
    while (shared->tried < TRIERS)
        sched_yield();
}

/* The name is taken from one file, and at once given to another: that one keeps it. The others try until it is given. */
static int makes_another(int who, int (*take)(void))
{
    if (who == 0) {
        wait_for_triers();
        int result = take();
        shared->over = 1;
        return result;
    }
    int times = 0;
    for (int was_over = who > TRIERS; !was_over;) {
        was_over = shared->over;
        int fd = open(at("place"), O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0 && errno == EEXIST) {
            shared->tried += times++ == 0;
            sched_yield();
            continue;
        }
        CHECK(fd >= 0);
        while (!shared->over)
            sched_yield();
        CHECK(strcmp(name_of(fd), "place") == 0);
        CHECK(fcntl(fd, F_GETFD) >= 0 && content("place") == '?');
        return close(fd);
    }
    return 0;
}

static int moves_away(void)
{
    return rename(at("place"), at("away"));
}

static int makes_after_rename(int who)
{
    return makes_another(who, moves_away);
}

static int removes_place(void)
{
    return unlink(at("place"));
}

static int makes_after_unlink(int who)
{
    return makes_another(who, removes_place);
}

/* A name is given from one file to another while others open it: each has the name if its file does. */
static int opens_either(int who)
{
    if (who == 0) {
        wait_for_triers();
        int result = rename(at("other"), at("place"));
        shared->over = 1;
        return result;
    }
    int kept[32];
    unsigned count = 0;
    while (who <= TRIERS && !shared->over) {
        int fd = MUST(open(at("place"), O_RDONLY));
        if (count >= 32)
            close(kept[count % 32]);
        shared->tried += count == 0;
        kept[count++ % 32] = fd;
    }
    struct stat now, known;
    MUST(stat(at("place"), &now));
    for (unsigned i = 0; i < count && i < 32; i++) {
        MUST(fstat(kept[i], &known));
        CHECK(strcmp(name_of(kept[i]), now.st_ino == known.st_ino ? "place" : "place (deleted)") == 0);
        close(kept[i]);
    }
    return 0;
}

static void all_succeeded(void)
{
    for (int who = 0; who < PROCESSES; who++)
        CHECK(shared->results[who] == 0);
}

static void races(void)
{
    pthread_barrierattr_t attributes;
    shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->together, &attributes, PROCESSES);
    race("rename to one name, not over it", each_has_one, takes_place, one_took_it);
    race("rename to one name", each_has_one, replaces, the_last_is_left);
    race("rename of one name", one_file, takes_it, one_has_it);
    race("exchange", each_has_one, exchanges, as_before);
    race("unlink", one_file, unlinks, it_is_gone);
    race("link to one name", one_file, links_one, it_has_two_names);
    race("link to many names", one_file, links_own, it_has_nine_names);
    race("symlink", nothing, links_to_itself, one_link);
    race("open, exclusively", nothing, makes, one_made_it);
    race("mkdir", nothing, makes_folder, one_made_it);
    race("rmdir and open", one_folder, removes_or_fills, empty_or_there);
    race("rename of folders into each other", folders, nests, all_are_reached);
    race("append", nothing, appends, all_lines_are_there);
    race("all of it", nothing, storms, links_add_up);
    rounds = 20;
    race("open where a name was moved away", one_place, makes_after_rename, all_succeeded);
    race("open where a name was removed", one_place, makes_after_unlink, all_succeeded);
    race("open while a name is given to another file", one_place, opens_either, all_succeeded);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"races", races}, {0, 0}};
    return run_group(argc, argv, groups);
}
