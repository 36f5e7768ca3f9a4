//! `clone(2)` and `clone3(2)` whose child shares our memory.

use core::arch::global_asm;

use super::call_regs::VECTOR_AREA;
use super::forward::load_arguments;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the syscall and the movq below it touches no memory.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # rdi = number, rsi = six arguments, rdx = child's stack,
    pushq   %rbx                        # rcx = child's block
    pushq   %rbp
    movq    %rdx, %rbx
    movq    %rcx, %rbp
    movq    %rdi, %rax
    movq    %rsi, %r11
    "#,
    load_arguments!(),
    r#"
    syscall
    testq   %rax, %rax
    jz      1f
    popq    %rbp
    popq    %rbx
    ret
1:  movq    %rbx, %rsp                  # the child: rsp = vector area, CallRegs above it
    leaq    {vectors}(%rsp), %rdi
    movq    %rbp, %rsi
    xorl    %ebp, %ebp
    call    vload_child_start
    jmp     vload_leave
    .previous
    "#,
    vectors = const VECTOR_AREA,
    options(att_syntax)
);

/// Index of the child's thread pointer among the arguments of `clone(2)` (kernel/fork.c, the
/// variant without `CONFIG_CLONE_BACKWARDS`).
pub const CLONE_TLS: usize = 4;
