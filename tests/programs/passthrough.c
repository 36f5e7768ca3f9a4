/* Stands for vload where the harness itself is tested: takes vload's command line and lets the
 * kernel run the program, `trace` by strace. With SPOIL set it changes what the program finds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int first = 1;
    while (first < argc && strcmp(argv[first], "--"))
        first++;
    if (first == argc)
        return 125;
    if (SPOIL)
        close(0);
    for (int i = 1; i < first; i++)
        if (!strcmp(argv[i], "trace")) {
            argv[i] = "-f";
            argv[0] = "strace";
            /* strace's words are ours without vload's options before the verb and the `--`. */
            memmove(&argv[1], &argv[i], (argc - i + 1) * sizeof *argv);
            execvp("strace", argv);
            return 127;
        }
    execvp(argv[first + 1], argv + first + 1);
    perror(argv[first + 1]);
    return 127;
}
