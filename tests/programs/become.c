/* Executes the program that its arguments name; if that fails, says with which errno. */
#include "check.h"

int main(int argc, char **argv)
{
    if (argc < 2)
        return 98;
    execv(argv[1], argv + 1);
    printf("errno %d\n", errno);
    fflush(stdout);
    _exit(99);
}
