//! Where a thread that the resident has not started cannot be made one of its own
//! ([`crate::adopt`]).

use crate::thread::Block;

/// Whether it can.
pub fn can_adopt() -> bool {
    false
}

/// Whether another resident has this process.
pub fn is_covered() -> bool {
    false
}

/// What the calling thread's register holds stays the program's.
pub fn keep_thread_register(_block: &Block) {}
