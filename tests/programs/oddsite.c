/* A library with a call whose site fits no jump: branches lead to the site itself and to what is behind it, there is
 * no padding within reach of a short jump, and what a jump would share with the next instruction leads out of the file. */
__asm__(".text\n"
        "    .globl odd_call\n"
        "    .type odd_call, @function\n"
        "odd_call:\n" /* long odd_call(long number) */
        "    .cfi_startproc\n"
        "    movq %rdi, %rax\n"
        "    .rept 80\n"
        "    leal 1(%rdx), %edx\n"
        "    .endr\n"
        "    testq %rax, %rax\n"
        "    js 2f\n"
        "1:  syscall\n"
        "2:  movq %rax, %rdx\n" /* 48 89 c2: a distance of less than -1 GiB */
        "    cmpq $-4, %rax\n"  /* EINTR */
        "    je 1b\n"
        "    .rept 80\n"
        "    leal 1(%rcx), %ecx\n"
        "    .endr\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size odd_call, . - odd_call\n");
