//! Who takes away or replaces what is mapped, and who turns it.
//!
//! A mapping is turned to another part of the session's file where the kernel has it (`fit`): between the look at that and the
//! turn nothing else may come there. The framework sees all calls that could bring it about, and counts those under way; who
//! turns has the process alone, so none begins, and leaves it when there is one. Who ends the last one does it then.
//!
//! How long a file is takes a call of its module's, in which nobody has the process alone. So who has asked for that turns
//! only what nobody has changed, or found right, since.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use crate::descriptor::temporary::{Alone, alone};

/// Calls under way that take mappings away.
static UNDER_WAY: AtomicU32 = AtomicU32::new(0);
/// Whether something was left to be turned because of them.
static IS_LEFT: AtomicBool = AtomicBool::new(false);
/// Threads that are about to turn something.
static TURNING: AtomicU32 = AtomicU32::new(0);
/// How often something was turned, or found right while others were about to turn something.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Makes a call that may take mappings away, or replace them. In a process that has another's memory it is not counted: its
/// list is that one's.
pub fn during<R>(act: impl FnOnce() -> R) -> R {
    let is_counted = alone().map(|_alone| UNDER_WAY.fetch_add(1, Ordering::Relaxed)).is_some();
    let result = act();
    let is_last = || {
        let _alone = alone()?;
        let is_last = UNDER_WAY.fetch_sub(1, Ordering::Relaxed) == 1;
        (is_last && IS_LEFT.swap(false, Ordering::Relaxed)).then_some(())
    };
    if is_counted && is_last().is_some() {
        super::fit_all();
    }
    result
}

/// Whether no such call is under way; if one is, what is left is done after it.
pub fn is_quiet(_: &Alone) -> bool {
    let is_quiet = UNDER_WAY.load(Ordering::Relaxed) == 0;
    if !is_quiet {
        IS_LEFT.store(true, Ordering::Relaxed);
    }
    is_quiet
}

/// A thread that is about to turn something.
pub struct Turning(());

impl Turning {
    /// From here on.
    pub fn begin() -> Self {
        TURNING.fetch_add(1, Ordering::Relaxed);
        // Before it asks how long the file is: what others have found before they could see this, it finds too.
        fence(Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        TURNING.fetch_sub(1, Ordering::Release);
    }
}

/// Whether nobody has turned anything since that number of [`changes`], or is about to.
pub fn is_still(since: u64) -> bool {
    fence(Ordering::SeqCst);
    TURNING.load(Ordering::Acquire) == 0 && changes() == since
}

/// Something was turned, or was found right while others were about to turn it.
pub fn changed(_: &Alone) {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// A number that is another one when something was changed.
pub fn changes() -> u64 {
    CHANGES.load(Ordering::Acquire)
}

/// In a copy of the process: none of the threads is there that were under way.
pub fn forked() {
    UNDER_WAY.store(0, Ordering::Relaxed);
    TURNING.store(0, Ordering::Relaxed);
}
