/* A program for the two-call table of VKern: 0 exits, 1 prints. It is linked to no library. */
#ifdef __x86_64__
static long call(long number, const char *message) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(message) : "rcx", "r11", "memory");
    return result;
}
#endif

static int interrupt(int number, const char *message) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(message) : "memory");
    return result;
}

void _start(void) {
#ifdef __x86_64__
    call(1, "Hola VKern!");
    if (call(39, 0) == -38)
        call(1, "no getpid");
    if (call(-2, 0) == -38)
        call(1, "no -2");
#endif
    interrupt(1, "This syscall is managed by vkern");
    if (interrupt(20, 0) == -38)
        interrupt(1, "no getpid either");
    interrupt(0, 0);
    for (;;)
        ;
}
