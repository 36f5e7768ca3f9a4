//! `clone(2)` and `clone3(2)` whose child shares our memory.

use core::arch::global_asm;
use core::mem::size_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use super::forward::{give_back, load_arguments};
use crate::thread::Block;

global_asm!(
    r#"
    .section .gate, "ax", @progbits
    .balign 16
    # clone(2) and clone3(2) with CLONE_VM. The child shares the stack pointer until it takes its
    # own, so between the int and the movl below it touches no memory. The sixth register is free:
    # clone takes five arguments, clone3 two.
    .hidden vload_clone_vm
    .globl vload_clone_vm
vload_clone_vm:                         # (number, six arguments, child's stack)
    "#,
    load_arguments!(),
    r#"
    movl    28(%esp), %ebp
    int     $0x80
    testl   %eax, %eax
    jz      1f
    "#,
    give_back!(),
    r#"
1:  movl    %ebp, %esp                  # the child: two arguments, vector area, CallRegs
    xorl    %ebp, %ebp
    call    vload_child_start
    addl    $16, %esp
    jmp     vload_leave
    .previous
    "#,
    options(att_syntax)
);

#[allow(improper_ctypes, reason = "a block crosses by address")]
unsafe extern "C" {
    fn vload_clone_vm(number: usize, args: *const [usize; 6], child_stack: usize) -> isize;
}

/// Index of the child's thread pointer (a `user_desc`) among the arguments of `clone(2)` (kernel/fork.c,
/// `CONFIG_CLONE_BACKWARDS`).
pub const CLONE_TLS: usize = 3;

/// Makes the call with the child on `child`'s resident stack; the child goes on in the target with
/// `regs` and the vector registers saved beside `caller`. Gives the call's result in the parent.
///
/// # Safety
/// All signals must be blocked; `number` and `args` must ask for a child that shares memory and
/// brings no stack of its own; `child` must be a fresh block.
pub unsafe fn clone_vm(
    number: usize,
    args: &[usize; 6],
    child: *mut Block,
    regs: &CallRegs,
    caller: &CallRegs,
) -> isize {
    // SAFETY: `child` is fresh, so its stack is unused and large enough for one frame.
    unsafe {
        let regs_at = (*child).stack_top - size_of::<CallRegs>();
        (regs_at as *mut CallRegs).write(*regs);
        (*child).regs = regs_at as *mut CallRegs;
        let vectors = regs_at - VECTOR_AREA;
        core::ptr::copy_nonoverlapping(caller.vectors(), vectors as *mut u8, VECTOR_AREA);
        // The arguments of `vload_child_start`, as the C convention has them.
        let stack = vectors - 16;
        (stack as *mut [usize; 2]).write([regs_at, child as usize]);
        vload_clone_vm(number, args, stack)
    }
}
