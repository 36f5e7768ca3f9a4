/* A program that carries another behind its own end, as installers and PyInstaller make them:
 * finds it through /proc/self/exe and runs it from a memory file or a temporary one. */
#include "check.h"

/* The last bytes of the file: the payload's length and a mark. */
struct tail {
    unsigned long length;
    char mark[8];
};

int main(int argc, char **argv)
{
    int own = MUST(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    off_t end = MUST(lseek(own, -(off_t)sizeof(struct tail), SEEK_END));
    struct tail tail;
    CHECK(read(own, &tail, sizeof tail) == sizeof tail);
    if (memcmp(tail.mark, "PAYLOAD!", 8)) {
        puts("no payload");
        return 1;
    }
    int file = argc > 1 && !strcmp(argv[1], "file");
    int to = file ? MUST(open("extracted", O_RDWR | O_CREAT | O_TRUNC, 0755))
                  : MUST(syscall(SYS_memfd_create, "extracted", 1));
    MUST(lseek(own, end - (off_t)tail.length, SEEK_SET));
    char buffer[4096];
    while (tail.length) {
        size_t part = tail.length < sizeof buffer ? tail.length : sizeof buffer;
        CHECK(read(own, buffer, part) == (ssize_t)part);
        CHECK(write(to, buffer, part) == (ssize_t)part);
        tail.length -= part;
    }
    char *command[] = {"extracted", "argument", NULL};
    if (file) {
        close(to);
        execv("./extracted", command);
    } else {
        fexecve(to, command, (char *[]){NULL});
    }
    perror("exec");
    return 1;
}
