//! Where there is one instruction that enters the kernel, and one table of calls for it.

use super::gate::{WindowAddresses, forward, forward_window};
use crate::layer::Compat;
use crate::thread::Block;

/// The instructions of [`forward`] at which the call has not been made, or is to be made again.
pub fn forward_windows() -> [WindowAddresses; 1] {
    [forward_window()]
}

/// Makes a call that entered the other way: no site does.
///
/// # Safety
/// As for [`forward`].
pub unsafe fn forward_compat(number: usize, args: &[usize; 6], block: &Block) -> isize {
    // SAFETY: the caller's promise.
    unsafe { forward(number, args, block) }
}

/// Whether `number` is the x32 `execve`: there is no such table.
pub fn is_x32_exec(_number: usize) -> bool {
    false
}

/// There is no other way to enter.
pub fn native_of_compat(_number: usize) -> Option<Compat> {
    None
}

/// Whether a call of another table can map executable memory: there is none.
pub fn compat_maps(_number: usize) -> bool {
    false
}
