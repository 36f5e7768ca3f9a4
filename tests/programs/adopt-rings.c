/* adopt-rings LIBRARY OPTIONS: has an io_uring and an aio context when it is adopted, says which, and uses the ring; and a
 * copy of an aio context of its parent. */
#include "check.h"
#include <dlfcn.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct io_uring_params params = {0};
    long ring = MUST(syscall(SYS_io_uring_setup, 4, &params));
    aio_context_t parent = 0, context = 0;
    MUST(syscall(SYS_io_setup, 4, &parent));
    pid_t child = MUST(fork());
    if (child != 0) {
        int status = 0;
        MUST(waitpid(child, &status, 0));
        return status != 0;
    }
    MUST(syscall(SYS_io_setup, 4, &context));
    void *library = dlopen(argv[1], RTLD_NOW);
    int (*adopt)(const char *) = library ? (int (*)(const char *))dlsym(library, "vload_adopt") : NULL;
    CHECK(adopt && adopt(argv[2]) == 0);
    CHECK(syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0) == 0);
    printf("descriptor %ld is an io_uring\naio context %#lx\n", ring, (unsigned long)context);
    return 0;
}
