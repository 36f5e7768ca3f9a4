/* Executes what is named by `int $0x80`, which takes addresses of 32 bits. */
#include "check.h"

static char path[256], name[] = "named";
static unsigned argv[2], envp[1];

int main(int argc, char **words)
{
    CHECK(argc == 2 && strlen(words[1]) < sizeof path);
    strcpy(path, words[1]);
    argv[0] = (unsigned)(unsigned long)name;
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(11L), "b"(path), "c"(argv), "d"(envp) : "memory");
    printf("not executed: %ld\n", result);
    return 1;
}
