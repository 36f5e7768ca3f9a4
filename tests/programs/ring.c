/* ring COMMAND: sets up a ring, has the command run, which loads a module, and makes a call. */
#include "check.h"
#include <linux/io_uring.h>

int main(int argc, char **argv)
{
    struct io_uring_params params = {0};
    long ring = syscall(SYS_io_uring_setup, 4, &params);
    if (argc != 2 || ring < 0)
        return 2;
    if (fcntl((int)ring, F_DUPFD_CLOEXEC, 77) != 77 || close((int)ring) != 0)
        return 3;
    CHECK(system(argv[1]) == 0);
    CHECK(access("/hello", F_OK) == 0);
    CHECK(syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == EPERM);
    puts("done");
    return 0;
}
