/* Sockets that have a name in a directory (unix(7)). */
#include "variants.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static int fresh(int type) { return MUST(socket(AF_UNIX, type | SOCK_CLOEXEC, 0)); }

static long bound(const char *what, int fd, const char *path)
{
    struct sockaddr_un name = address(path);
    return told(what, bind(fd, (void *)&name, sizeof name));
}

/* Connects a fresh socket, and says what the other side has to say. */
static void connected(const char *what, const char *path)
{
    int fd = fresh(SOCK_STREAM | SOCK_NONBLOCK);
    struct sockaddr_un name = address(path);
    told(what, connect(fd, (void *)&name, sizeof name));
    close(fd);
}

/* Accepts one and sends it a word. */
static void answers(int server, const char *path)
{
    char text[16] = "";
    /* Those that have come before have gone. */
    MUST(fcntl(server, F_SETFL, O_NONBLOCK));
    for (int old; (old = accept(server, NULL, NULL)) >= 0;)
        close(old);
    MUST(fcntl(server, F_SETFL, 0));
    int fd = fresh(SOCK_STREAM);
    struct sockaddr_un name = address(path);
    told("connect", connect(fd, (void *)&name, sizeof name));
    int other = MUST(accept(server, NULL, NULL));
    MUST(write(other, "word", 4));
    MUST(close(other));
    told("read", read(fd, text, sizeof text));
    printf("%s\n", text);
    close(fd);
}

static int listens(const char *what, const char *path)
{
    int fd = fresh(SOCK_STREAM);
    bound(what, fd, path);
    told("listen", listen(fd, 8));
    return fd;
}

static void as_another(void)
{
    MUST(setresgid(1000, 1000, 1000));
    MUST(setresuid(1000, 1000, 1000));
    connected("not mine", at("closed"));
    connected("open to all", at("open"));
    bound("not in mine", fresh(SOCK_STREAM), at("mine"));
    fflush(stdout);
}

static void binds(void)
{
    int server = listens("bind", at("s"));
    show("s");
    answers(server, at("s"));
    fflush(stdout);
    pid_t child = MUST(fork());
    if (child == 0) {
        connected("the child", at("s"));
        fflush(stdout);
        _exit(0);
    }
    report("child", child);
    file("file", "");
    MUST(mkdir(at("folder"), 0755));
    MUST(symlink("folder", at("way")));
    MUST(symlink("nowhere", at("dangling")));
    MUST(symlink("s", at("link")));
    int other = fresh(SOCK_STREAM);
    bound("again", other, at("s"));
    bound("a file", other, at("file"));
    bound("a folder", other, at("folder"));
    bound("a link", other, at("dangling"));
    bound("itself", other, at("folder/."));
    bound("above", other, at("folder/.."));
    bound("missing", other, at("missing/s"));
    bound("below a file", other, at("file/s"));
    bound("with a slash", other, at("new/"));
    show("new");
    bound("again with a slash", other, at("s/"));
    bound("a folder with a slash", other, at("folder/"));
    bound("a link with a slash", other, at("dangling/"));
    bound("by a link", other, at("way/other"));
    show("folder/other");
    bound("twice", other, at("third"));
    show("third");
    connected("a socket that does not listen", at("folder/other"));
    connected("missing", at("missing"));
    connected("a file", at("file"));
    connected("a folder", at("folder"));
    connected("with a slash", at("s/"));
    connected("missing with a slash", at("missing/"));
    connected("a folder with a slash", at("folder/"));
    connected("by a link with a slash", at("link/"));
    connected("by a link", at("link"));
    connected("a dangling link", at("dangling"));
    MUST(link(at("s"), at("hard")));
    connected("another name", at("hard"));
    MUST(rename(at("s"), at("folder/moved")));
    connected("the old name", at("s"));
    answers(server, at("folder/moved"));
    /* A new one in the place of one that is alive. */
    int second = listens("a new one", at("s"));
    answers(second, at("s"));
    answers(server, at("hard"));
    MUST(close(server));
    connected("closed", at("hard"));
    MUST(unlink(at("s")));
    connected("removed", at("s"));
    told("open", open(at("hard"), O_RDWR));
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    told("name", getsockname(second, (void *)&name, &length));
    printf("%d\n", name.sun_family);
    umask(077);
    bound("masked", fresh(SOCK_STREAM), at("masked"));
    show("masked");
    umask(022);
    int closed = listens("closed to others", at("closed"));
    int open = listens("open to others", at("open"));
    MUST(chmod(at("closed"), 0700));
    MUST(chmod(at("open"), 0777));
    in_one("another user", as_another);
    close(closed);
    close(open);
    close(second);
}

/* Goes where a path is longer than an address. */
static void enter_deep(void)
{
    char deep[101];
    memset(deep, 'd', 100);
    deep[100] = 0;
    for (int i = 0; i < 2; i++) {
        MUST(mkdir(deep, 0755));
        MUST(chdir(deep));
    }
}

/* From a working directory. */
static void relative(void)
{
    MUST(chdir("/"));
    MUST(chdir(top));
    int server = listens("bind", "vload-test-socket");
    show("vload-test-socket");
    printf("not elsewhere: %d\n", access("/vload-test-socket", F_OK));
    connected("relative", "vload-test-socket");
    connected("with a point", "./vload-test-socket");
    connected("by the folder", at("vload-test-socket"));
    close(server);
    enter_deep();
    server = listens("deep", "s");
    connected("deep", "s");
    connected("from below", "../../vload-test-socket");
    answers(server, "s");
    close(server);
    MUST(unlink("s"));
    /* From a place to another. */
    MUST(chdir("/tmp"));
    server = listens("there", at("s"));
    connected("there", at("s"));
    close(server);
}

static void received(int fd)
{
    char text[32] = "";
    told("received", recv(fd, text, sizeof text, MSG_DONTWAIT));
    printf("%s\n", text);
}

static void sends(void)
{
    int to = fresh(SOCK_DGRAM), from = fresh(SOCK_DGRAM);
    bound("bind", to, at("to"));
    struct sockaddr_un name = address(at("to")), missing = address(at("missing"));
    told("sendto", sendto(from, "one", 3, 0, (void *)&name, sizeof name));
    received(to);
    told("missing", sendto(from, "one", 3, 0, (void *)&missing, sizeof missing));
    struct iovec piece = {"two", 3};
    struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &piece, .msg_iovlen = 1};
    told("sendmsg", sendmsg(from, &message, 0));
    received(to);
    struct msghdr lost = message;
    lost.msg_name = &missing;
    told("sendmsg", sendmsg(from, &lost, 0));
    struct mmsghdr all[4] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = lost}, {.msg_hdr = message}};
    told("sendmmsg", sendmmsg(from, all, 4, 0));
    printf("%u %u %u\n", all[0].msg_len, all[1].msg_len, all[2].msg_len);
    received(to);
    received(to);
    received(to);
    told("sendmmsg", sendmmsg(from, all + 2, 2, 0));
    MUST(chdir(top));
    struct sockaddr_un near = address("to");
    told("near", sendto(from, "three", 5, 0, (void *)&near, sizeof near));
    received(to);
    told("connect", connect(from, (void *)&near, sizeof near));
    told("send", send(from, "four", 4, 0));
    received(to);
    int stream = fresh(SOCK_STREAM);
    told("a stream", sendto(stream, "x", 1, MSG_NOSIGNAL, (void *)&name, sizeof name));
    int both[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, both));
    message.msg_name = &missing;
    told("packets", sendto(both[0], "five", 4, MSG_NOSIGNAL, (void *)&missing, sizeof missing));
    received(both[1]);
    told("packets", sendmsg(both[0], &message, MSG_NOSIGNAL));
    received(both[1]);
    told("an inner one", bind(stream, (void *)&name, sizeof name.sun_family));
    int network = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    told("another family", connect(network, (void *)&name, sizeof name));
    told("no socket", bind(top_fd, (void *)&name, sizeof name));
    told("too long", bind(fresh(SOCK_DGRAM), (void *)&name, sizeof name + 1));
    told("a bad address", bind(fresh(SOCK_DGRAM), (void *)8, sizeof name));
}

static int late;
static atomic_int sender;

static void *sends_late(void *name)
{
    /* All that is done once is done before. */
    sendto(late, "soon", 4, MSG_DONTWAIT, name, sizeof(struct sockaddr_un));
    sender = (int)syscall(SYS_gettid);
    return (void *)sendto(late, "late", 4, 0, name, sizeof(struct sockaddr_un));
}

/* A call that waits has no number of the program's, and closes none. */
static void waits(void)
{
    char text[8];
    pthread_t thread;
    struct sockaddr_un name = address("s");
    MUST(chdir(top));
    enter_deep();
    int to = fresh(SOCK_DGRAM), other = fresh(SOCK_DGRAM | SOCK_NONBLOCK);
    late = fresh(SOCK_DGRAM);
    bound("bind", to, "s");
    while (sendto(other, "x", 1, 0, (void *)&name, sizeof name) == 1)
        ;
    told("full", -1);
    pthread_create(&thread, NULL, sends_late, &name);
    while (sender == 0)
        sched_yield();
    await_state(getpid(), sender, 'S');
    int fd = MUST(open("/dev/null", O_RDONLY));
    told("the lowest number", fd - late);
    told("another", dup2(fd, 200));
    told("received", recv(to, text, sizeof text, 0));
    void *sent;
    pthread_join(thread, &sent);
    told("late", (long)sent);
    told("open", fcntl(fd, F_GETFD));
    told("the other", fcntl(200, F_GETFD));
    close(200);
    close(fd);
}

int main(int argc, char **argv)
{
    const struct group groups[] = {
        {"socket-names", binds}, {"socket-relative", relative}, {"socket-messages", sends},
        {"socket-waits", waits}, {0, 0},
    };
    return run_group(argc, argv, groups);
}
