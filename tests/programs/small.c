/* A program as the compiler makes them: prints its arguments, exit status 5. */
#include <stdio.h>

static char zeros[9000];

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("%s\n", argv[i]);
    for (unsigned i = 0; i < sizeof zeros; i++)
        if (zeros[i])
            return 4;
    return 5;
}
