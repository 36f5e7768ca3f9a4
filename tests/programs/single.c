/* A program of one segment, which is its file's only mapping: says that it runs, and waits for a byte. */
#include "rawcall.h"

#if defined __x86_64__
enum { READ = 0, WRITE = 1, EXIT = 60 };
#elif defined __i386__
enum { READ = 3, WRITE = 4, EXIT = 1 };
#else
enum { READ = 63, WRITE = 64, EXIT = 93 };
#endif

void _start(void)
{
    char byte = 1;
    raw_call(WRITE, 1, (long)&byte, 1);
    raw_call(READ, 0, (long)&byte, 1);
    raw_call(EXIT, byte, 0, 0);
    __builtin_trap();
}
