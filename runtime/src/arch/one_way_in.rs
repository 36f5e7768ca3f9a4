//! Where there is one instruction that enters the kernel, and one table of calls for it.

use super::gate::{WindowAddresses, forward, forward_window};
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
