//! A copy from or to memory that may not be there. It is made by an instruction whose fault the signal
//! handler knows, so that it asks nothing of the kernel. `arch/*/copy.rs` has the instructions.

unsafe extern "C" {
    fn vload_copy(to: *mut u8, from: *const u8, len: usize) -> i32;
    fn vload_copy_start();
    fn vload_copy_end();
    fn vload_copy_fault();
}

/// Copies `len` bytes. `false` when one of them is not there to be read or written: those before it
/// may have been copied.
///
/// # Safety
/// Whatever of `to` can be written must be the caller's to write. Where `SIGSEGV` and `SIGBUS` are blocked, a range that is
/// not there ends the process.
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) -> bool {
    // SAFETY: `vload_copy` keeps the C calling convention and touches these ranges only.
    unsafe { vload_copy(to, from, len) == 0 }
}

/// Where a fault at `pc` goes on when it is that of [`copy`].
pub fn escape_of_copy(pc: usize) -> Option<usize> {
    let start = vload_copy_start as *const () as usize;
    let end = vload_copy_end as *const () as usize;
    (start..end).contains(&pc).then_some(vload_copy_fault as *const () as usize)
}
