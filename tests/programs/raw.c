/* Inline system calls, in every form a compiler or a person writes them. */
#include "check.h"
#include "rawcall.h"

int main(void)
{
    long parent = getppid();
    int wrong = 0;
    for (int i = 0; i < 1000; i++)
        wrong += raw_getppid() != parent;
    printf("wrong: %d\n", wrong);
    CHECK(raw_call(-1, 0, 0, 0) == -ENOSYS);
    CHECK(raw_call(100000, 0, 0, 0) == -ENOSYS);
    CHECK(raw_call(SYS_close, 12345, 0, 0) == -EBADF);
    CHECK(raw_call(SYS_write, 1, (long)"written\n", 8) == 8);
    return 0;
}
