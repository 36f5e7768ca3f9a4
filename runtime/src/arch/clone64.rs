//! `clone(2)` and `clone3(2)` whose child shares our memory, where words are 64 bits wide.

use core::mem::size_of;

use super::CallRegs;
use super::VECTOR_AREA;
use crate::thread::Block;

#[allow(improper_ctypes, reason = "a block crosses by address")]
unsafe extern "C" {
    // In `clone.rs`.
    fn vload_clone_vm(
        number: usize,
        args: *const [usize; 6],
        child_stack: usize,
        child: *mut Block,
    ) -> isize;
}

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
        let stack = regs_at - VECTOR_AREA;
        core::ptr::copy_nonoverlapping(caller.vectors(), stack as *mut u8, VECTOR_AREA);
        vload_clone_vm(number, args, stack, child)
    }
}
