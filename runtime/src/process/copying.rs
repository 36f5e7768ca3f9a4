//! What must not happen while the process is copied: that the framework makes or closes a descriptor for the time of a
//! call, which the copy has to know of (`service/src/descriptor/temporary.rs`).

use crate::session::{Kept, Lock};

/// Who makes or closes one holds it, and who copies the process: a thread, or a vfork child, which can be killed alone.
/// Its holder waits for no other lock but those that a fork takes behind it.
pub static COPYING: Lock = Lock::free();

/// Holds it over a fork. The parent, and where there is one the child, calls [`release`].
pub fn hold(kept: &mut Kept) -> bool {
    COPYING.take_private(kept).is_ok()
}

/// Ends [`hold`].
pub fn release(kept: &mut Kept, is_child: bool) {
    match is_child {
        true => COPYING.forget(kept),
        false => COPYING.give_back(kept),
    }
}

/// Ends [`hold`] in the stead of a fork that sleeps, and has left the lock's list (`memory/lock.rs`).
pub fn release_for_another() {
    COPYING.release();
}
