/* Seccomp filters that have another process asked: it hears of each call, and what it says holds. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Has `action` taken for some calls. */
static int install(unsigned flags, unsigned action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    return MUST((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static void give(int socket, int fd)
{
    char byte = 0, room[CMSG_SPACE(sizeof fd)] = { 0 };
    struct iovec one = { &byte, 1 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    MUST(sendmsg(socket, &message, 0));
}

static int get(int socket)
{
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec one = { &byte, 1 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    int fd;
    MUST(recvmsg(socket, &message, 0));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void attempts(char *self)
{
    char *arguments[] = { self, "again", NULL }, *none[] = { NULL };
    printf("parent %ld\n", syscall(SYS_getppid));
    long made = syscall(SYS_mkdirat, AT_FDCWD, "/nowhere/at/all", 0777);
    printf("made %ld: %s\n", made, strerror(errno));
    printf("copied %ld\n", syscall(SYS_dup, 0));
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        syscall(SYS_execve, self, arguments, none);
        printf("not executed: %s\n", strerror(errno));
    }
    fflush(stdout);
    _exit(1);
}

/* Answers until nobody is left to be asked: the second exec goes on, and what its program asks. */
static void answer(int listener)
{
    int execs = 0;
    for (;;) {
        struct seccomp_notif asked = { 0 };
        struct seccomp_notif_resp said = { 0 };
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
            return;
        said.id = asked.id;
        switch (asked.data.nr) {
        case SYS_getppid:
            said.val = 4242;
            break;
        case SYS_dup:
            said.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            break;
        case SYS_mkdirat:
            said.error = -EXDEV;
            break;
        default:
            if (execs++ == 0)
                said.error = -EDOM;
            else
                said.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        }
        MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &said));
        if (execs == 2)
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        puts("executed");
        return 0;
    }
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t child = MUST(fork());
    if (child == 0) {
        give(pair[0], install(SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF));
        attempts(argv[0]);
    }
    answer(get(pair[1]));
    report("asked", child);
    child = MUST(fork());
    if (child == 0) {
        /* Nobody traces it: the calls fail. */
        install(0, SECCOMP_RET_TRACE);
        attempts(argv[0]);
    }
    report("traced by none", child);
    return 0;
}
