//! The umask. The kernel tells it by a call that changes it, so it is asked for once, in `/proc`, and followed
//! from then on.

use super::{fs, status};
use crate::kernel;

/// What a process has that never set one, where there is no `/proc` to ask.
const USUAL: u32 = 0o022;

/// The calling thread's.
pub fn get() -> u32 {
    fs::mine().umask().unwrap_or_else(|| {
        // No view changes that line.
        let found = status::value(b"Umask", 8, kernel::call);
        found.map_or(USUAL, |mask| fs::mine().find_umask(mask))
    })
}

/// The program has set it.
pub fn note(mask: usize) {
    fs::mine().set_umask(mask as u32 & 0o777);
}
