/* Is started by a debugger, which waits in functions of its own and of a library that comes later. */
#include "check.h"
#include <dlfcn.h>

__attribute__((noinline)) static int inner(int value)
{
    return 2 * value;
}

#ifdef ALONE
static double root(int value)
{
    return value;
}
#else
__attribute__((noinline)) static double root(int value)
{
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*cbrt)(double) = library ? (double (*)(double))dlsym(library, "cbrt") : 0;
    return cbrt ? cbrt(value) : -1;
}
#endif

int main(int argc, char **argv)
{
    printf("%d %s\n", inner(argc), argc > 1 ? argv[1] : "");
    printf("%g\n", root(8));
    return 7;
}
