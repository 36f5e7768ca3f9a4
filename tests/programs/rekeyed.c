/* How often who is asked about pkey_mprotect(2) by a filter hears of one that makes text executable. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static int listen_to_keys(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return MUST((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

/* Answers until nobody is left to be asked. */
static int answer(int listener)
{
    int count = 0;
    for (;;) {
        struct pollfd one = { listener, POLLIN, 0 };
        MUST(poll(&one, 1, -1));
        if (!(one.revents & POLLIN))
            return count;
        struct seccomp_notif asked = { 0 };
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
            continue;
        struct seccomp_notif_resp said = { .id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &said);
        count++;
    }
}

/* Text of the first file whose name in maps ends so, mapped anew. */
static void *text_of(const char *end, size_t *size)
{
    char line[600], name[400];
    unsigned long from, to, offset;
    void *at = MAP_FAILED;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && at == MAP_FAILED && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx r-xp %lx %*s %*s %399s", &from, &to, &offset, name) != 4)
            continue;
        size_t length = strlen(name);
        if (length < strlen(end) || strcmp(name + length - strlen(end), end) != 0)
            continue;
        *size = to - from;
        int fd = MUST(open(name, O_RDONLY));
        at = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
        close(fd);
    }
    if (maps)
        fclose(maps);
    return at;
}

static void asked_about(const char *what, const char *end)
{
    size_t size = 0;
    void *text = text_of(end, &size);
    if (text == MAP_FAILED) {
        printf("%s: none\n", what);
        return;
    }
    int numbers[2], go[2], number;
    MUST(pipe(numbers));
    MUST(pipe(go));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        number = listen_to_keys();
        MUST(write(numbers[1], &number, sizeof number));
        char byte;
        MUST(read(go[0], &byte, 1));
        _exit(syscall(SYS_pkey_mprotect, text, size, PROT_READ | PROT_EXEC, -1) == 0 ? 4 : 5);
    }
    MUST(read(numbers[0], &number, sizeof number));
    int process = MUST((int)syscall(SYS_pidfd_open, child, 0));
    int listener = MUST((int)syscall(SYS_pidfd_getfd, process, number, 0));
    MUST(write(go[1], "x", 1));
    printf("%s: asked %d\n", what, answer(listener));
    close(listener);
    report("  made executable", child);
}

int main(int count, char **arguments)
{
    (void)count;
    asked_about("nothing to patch", strrchr(arguments[0], '/'));
    asked_about("sites", "/libc.so.6");
    return 0;
}
