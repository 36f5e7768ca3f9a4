/* A library with a function that gives getppid(), by sites of more than one shape. */
__attribute__((noinline)) static long call(long number)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

long entry(void)
{
    long result;
    __asm__ volatile("movl $110, %%eax\n\tsyscall" : "=a"(result) : : "rcx", "r11", "memory");
    return result == call(110) ? result : -1;
}
