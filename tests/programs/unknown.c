/* Calls that no kernel has, and one that it has, in between: numbers behind the last one, far away, and
   negative. */
#include "check.h"

int main(void)
{
    static const long numbers[] = {1000, 511, 0x7fffffff, -1, -4096};
    for (int round = 0; round < 7; round++)
        for (unsigned index = 0; index < sizeof numbers / sizeof *numbers; index++) {
            CHECK(syscall(numbers[index], 1, 2, 3) == -1 && errno == ENOSYS);
            getppid();
        }
    return 0;
}
