//! `SIGTRAP` is never blocked in the kernel while the process has trap sites: a trap taken while
//! its signal is blocked kills (`force_sig_fault`). The target's own wish is remembered.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{SIGTRAP, bit};
use crate::layer;
use crate::memory::User;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;

static TRAPS: AtomicBool = AtomicBool::new(false);

/// From now on the process has sites that trap.
pub fn watch_traps() {
    if !TRAPS.swap(true, Ordering::Relaxed) {
        layer::want_signal_masks();
        // The mask that was inherited may block it already.
        // SAFETY: only the calling thread's mask is changed, to let one signal through.
        let _ = unsafe {
            let set = bit(SIGTRAP);
            sys::signal_mask(1, &raw const set as usize, 0)
        };
    }
}

/// Whether the process has sites that trap.
pub fn has_traps() -> bool {
    TRAPS.load(Ordering::Relaxed)
}

/// What the kernel may be told to block when the target wants `mask`.
pub fn for_kernel(mask: u64) -> u64 {
    if TRAPS.load(Ordering::Relaxed) { mask & !bit(SIGTRAP) } else { mask }
}

/// Whether the thread believes that it blocks `SIGTRAP`.
pub struct TrapBlocked(AtomicU32);

impl TrapBlocked {
    /// It does not.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// What the thread believes.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Sets what the thread believes.
    pub fn set(&self, blocked: bool) {
        self.0.store(u32::from(blocked), Ordering::Relaxed);
    }

    /// Sets what the thread believes to what `mask` says.
    pub fn set_from(&self, mask: u64) {
        self.0.store(u32::from(mask & bit(SIGTRAP) != 0), Ordering::Relaxed);
    }

    /// The thread's mask as it believes it to be.
    pub fn believed(&self, kernel: u64) -> u64 {
        if TRAPS.load(Ordering::Relaxed) && self.get() { kernel | bit(SIGTRAP) } else { kernel }
    }
}

/// `rt_sigprocmask(2)` in a process with trap sites.
pub fn rt_sigprocmask(block: &Block, args: &[usize; 6]) -> Result<usize> {
    const BLOCK: usize = 0;
    const UNBLOCK: usize = 1;
    const SETMASK: usize = 2;
    let [how, new, old, size, ..] = *args;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    let mut kernel = 0u64;
    let was = block.trap_blocked.get();
    if new == 0 {
        // SAFETY: the old mask goes to a variable of ours.
        unsafe { sys::signal_mask(BLOCK, 0, &raw mut kernel as usize) }?;
    } else {
        let wanted = User::<u64>::new(new).read()?;
        let told = wanted & !bit(SIGTRAP);
        // SAFETY: both sets are ours.
        unsafe { sys::signal_mask(how, &raw const told as usize, &raw mut kernel as usize) }?;
        match how {
            SETMASK => block.trap_blocked.set_from(wanted),
            BLOCK if wanted & bit(SIGTRAP) != 0 => block.trap_blocked.set_from(wanted),
            UNBLOCK if wanted & bit(SIGTRAP) != 0 => block.trap_blocked.set_from(0),
            _ => {}
        }
    }
    if old != 0 {
        User::<u64>::new(old).write(if was { kernel | bit(SIGTRAP) } else { kernel })?;
    }
    Ok(0)
}
