//! The gate, section `.gate` on pages of its own, is every way into the kernel and out of it. Each
//! architecture has it in assembly; what Rust needs of it on all of them is here.

use crate::thread::Block;

#[allow(improper_ctypes, reason = "blocks cross by address between Rust and the assembly")]
unsafe extern "C" {
    static __gate_start: u8;
    static __gate_end: u8;
    // In `forward.rs`. On 32-bit x86 `vload_forward` finds the block by itself.
    fn vload_syscall(number: usize, args: *const [usize; 6]) -> isize;
    fn vload_syscall_done();
    fn vload_forward(number: usize, args: *const [usize; 6], block: *const Block) -> isize;
    fn vload_forward_check();
    fn vload_forward_done();
    fn vload_forward_abort();
    // In `handler.rs`.
    fn vload_sigreturn(sp: usize) -> !;
    // In `target.rs`.
    fn vload_exit_thread(status: usize, state: *const u32) -> !;
    fn vload_enter_target(sp: usize, entry: usize) -> !;
}

/// A half-open range of addresses, and where to go on when a signal finds the thread in it.
#[derive(Clone, Copy)]
pub struct WindowAddresses {
    /// First address.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Where a thread found inside goes on.
    pub escape: usize,
}

/// The pages of the resident from which the kernel is entered.
pub fn gate_range() -> (usize, usize) {
    (&raw const __gate_start as usize, &raw const __gate_end as usize)
}

/// The instructions of [`forward`] at which the call has not been made, or is to be made again.
pub(super) fn forward_window() -> WindowAddresses {
    WindowAddresses {
        start: vload_forward_check as *const () as usize,
        end: vload_forward_done as *const () as usize,
        escape: vload_forward_abort as *const () as usize,
    }
}

/// Where the resident is when a call on the target's behalf has been made.
pub fn forwarded() -> usize {
    vload_forward_done as *const () as usize
}

/// Where the resident is when a call of its own has been made.
pub fn own_call_done() -> usize {
    vload_syscall_done as *const () as usize
}

/// Makes system call `number` with `args` (unused ones are ignored) and gives what the kernel
/// left in the result register; `ENOSYS` when a filter of the target's would not let it pass.
///
/// # Safety
/// Whatever the call does to memory and descriptors must be sound.
pub unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    if crate::seccomp::refuses(number, &args) {
        return crate::sys::raw(Err(crate::sys::Errno::NOSYS));
    }
    // SAFETY: the caller's promise.
    unsafe { syscall_unasked(number, args) }
}

/// The same whatever filters say: for ends, where it does not matter who ends the process.
///
/// # Safety
/// As for [`syscall`].
pub unsafe fn syscall_unasked(number: usize, args: [usize; 6]) -> isize {
    // SAFETY: `vload_syscall` reads the six arguments and keeps the C calling convention; what
    // the call itself does is the caller's promise.
    unsafe { vload_syscall(number, &args) }
}

/// The result of a call that [`forward`] did not make because a signal was there first
/// (`ERESTARTSYS` of include/linux/errno.h, which never reaches a program).
pub const ABORTED: isize = -512;

/// Makes a call on the target's behalf that a signal may interrupt.
///
/// # Safety
/// The arguments must be the target's own, or sound for the kernel to act on; `block` must be the
/// calling thread's.
pub unsafe fn forward(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: `vload_forward` keeps the C calling convention, by which an argument that it does not
    // take is no harm; the call is the caller's promise.
    unsafe { vload_forward(number, args, block) }
}

/// Leaves the resident through `rt_sigreturn(2)` on the frame at `sp`.
///
/// # Safety
/// `sp` must be where the target's own `rt_sigreturn` would have found its frame, or a frame of ours,
/// and all signals must be blocked.
pub unsafe fn sigreturn(sp: usize) -> ! {
    // SAFETY: the kernel checks the frame and kills the process when it is bad.
    unsafe { vload_sigreturn(sp) }
}

/// Ends the calling thread and gives its block back by storing 0 in `state`.
///
/// # Safety
/// All signals must be blocked, and nothing may use the block's memory after the store.
pub unsafe fn exit_thread(status: usize, state: *const u32) -> ! {
    // SAFETY: the code between the store and the kernel uses registers only.
    unsafe { vload_exit_thread(status, state) }
}

/// Jumps to the target's first instruction.
///
/// # Safety
/// `sp` must point to a complete initial stack and `entry` into mapped text; the thread block
/// must be bound.
pub unsafe fn enter_target(sp: usize, entry: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { vload_enter_target(sp, entry) }
}
