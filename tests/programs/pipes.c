/* A reader that is interrupted again and again still gets every byte once. */
#include "check.h"

static volatile long interrupted;
static void handler(int signal)
{
    (void)signal;
    interrupted++;
}

int main(void)
{
    int ends[2];
    MUST(pipe(ends));
    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &action, NULL));
    pid_t reader = getpid();
    pid_t writer = MUST(fork());
    if (writer == 0) {
        close(ends[0]);
        for (int i = 0; i < 20000; i++) {
            unsigned value = i;
            if (i % 2 == 0)
                kill(reader, SIGUSR1);
            if (write(ends[1], &value, sizeof value) != sizeof value)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    unsigned expected = 0, value;
    for (;;) {
        ssize_t got = read(ends[0], &value, sizeof value);
        if (got == 0)
            break;
        if (got < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        if (value != expected++) {
            printf("got %u after %u\n", value, expected - 1);
            break;
        }
    }
    printf("received %u\n", expected);
    CHECK(interrupted > 0);
    int status;
    while (waitpid(writer, &status, 0) < 0 && errno == EINTR)
        ;
    printf("writer %d\n", status);
    return 0;
}
