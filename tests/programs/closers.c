/* Threads that open, use and close files of their own at the same time. */
#include "variants.h"
#include <pthread.h>

enum { THREADS = 6, ROUNDS = 2000 };

static void must_be(const char *what, int round, int holds)
{
    if (holds)
        return;
    printf("%s in round %d: %s\n", what, round, strerror(errno));
    exit(1);
}

static void *uses(void *number)
{
    char name[16], text[32], read[32];
    snprintf(name, sizeof name, "%ld", (long)number);
    for (int round = 0; round < ROUNDS; round++) {
        struct stat known;
        int length = snprintf(text, sizeof text, "%s %d", name, round);
        int fd = openat(top_fd, name, O_RDWR | O_CREAT, 0644);
        must_be("open", round, fd >= 0);
        must_be("write", round, pwrite(fd, text, (size_t)length, 0) == length);
        must_be("read", round, pread(fd, read, (size_t)length, 0) == length && memcmp(text, read, (size_t)length) == 0);
        must_be("stat", round, fstat(fd, &known) == 0 && known.st_size >= length);
        must_be("close", round, close(fd) == 0);
    }
    return NULL;
}

static void at_once(void)
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, uses, (void *)i);
    for (long i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (long i = 0; i < THREADS; i++)
        show((char[]){(char)('0' + i), 0});
}

int main(int argc, char **argv)
{
    const struct group groups[] = {{"close-at-once", at_once}, {0, 0}};
    return run_group(argc, argv, groups);
}
