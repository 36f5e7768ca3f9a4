//! `clone(2)` and `clone3(2)` whose child shares our memory.

use core::mem::size_of;

use super::call_regs::{CallRegs, VECTOR_AREA};
use crate::thread::Block;

#[allow(improper_ctypes, reason = "a block crosses by address")]
unsafe extern "C" {
    fn vload_clone_vm(
        number: usize,
        args: *const [usize; 6],
        child_stack: usize,
        child: *mut Block,
    ) -> isize;
}

/// Where `clone(2)` takes its arguments: (flags, stack, parent_tid, tls, child_tid) on riscv64
/// (kernel/fork.c, CONFIG_CLONE_BACKWARDS).
pub struct CloneRequest;

impl CloneRequest {
    /// Index of the flags among the arguments of `clone(2)`.
    pub const FLAGS: usize = 0;
    /// Index of the child's stack pointer among the arguments of `clone(2)`.
    pub const STACK: usize = 1;
    /// Index of the child's thread pointer among the arguments of `clone(2)`.
    pub const TLS: usize = 3;
}

/// Makes the call with the child on `child`'s resident stack; the child goes on in the target with
/// `regs` and the floating-point registers saved beside `caller`. Gives the call's result in the parent.
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
        let stack = regs_at - VECTOR_AREA;
        core::ptr::copy_nonoverlapping(caller.vectors(), stack as *mut u8, VECTOR_AREA);
        vload_clone_vm(number, args, stack, child)
    }
}
