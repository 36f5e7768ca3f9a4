/* Nested functions, whose trampolines gcc puts on the stack: it must be executable. */
#include "check.h"

static int apply(int (*function)(int), int value) { return function(value); }

int main(int argc, char **argv)
{
    (void)argv;
    int base = argc;
    int add(int value) { return value + base; }
    printf("%d\n", apply(add, 41));
    return 0;
}
