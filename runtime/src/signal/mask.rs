//! `SIGTRAP` is never blocked in the kernel while the process has trap sites: a trap taken while
//! its signal is blocked kills (`force_sig_fault`). The target's own wish is remembered.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{SIGTRAP, bit};
use crate::arch::{self, SigInfo};
use crate::layer;
use crate::memory::User;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use linux_raw_sys::general::{SIGBUS, SIGSEGV};

const RT_SIGPROCMASK: usize = linux_raw_sys::general::__NR_rt_sigprocmask as usize;

static TRAPS: AtomicBool = AtomicBool::new(false);

/// Whether `SIGTRAP` was blocked before the thread had a block to remember it in.
static INHERITED: AtomicBool = AtomicBool::new(false);

/// From now on the process has sites that trap. `block` is the calling thread's, once it has one.
pub fn watch_traps() {
    if TRAPS.swap(true, Ordering::Relaxed) {
        return;
    }
    layer::want_signal_masks();
    // Until then what was inherited is still to be read, and no site can trap.
    if super::fault::is_installed() {
        super::fault::keep_ours(SIGTRAP);
    }
    // The mask that was inherited, or that the target set before, may block it.
    let before = unblock();
    INHERITED.store(before & bit(SIGTRAP) != 0, Ordering::Relaxed);
}

/// Lets `SIGTRAP` through; gives the mask as it was.
fn unblock() -> u64 {
    const UNBLOCK: usize = 1;
    let (set, mut before) = (bit(SIGTRAP), 0u64);
    // SAFETY: both sets are ours; only the calling thread's mask changes.
    let done =
        unsafe { sys::signal_mask(UNBLOCK, &raw const set as usize, &raw mut before as usize) };
    debug_assert!(done.is_ok());
    before
}

/// Tells the first thread's block what was found before it was bound.
pub fn adopt_inherited(block: &Block) {
    block.trap_blocked.set(INHERITED.load(Ordering::Relaxed));
}

/// An exec hands the mask and the ignored signals on: the kernel is told of `SIGTRAP` what the
/// target believes, and with `false`, when the exec has failed, what the trap sites need.
pub fn hand_on(block: &Block, ignored: bool, on: bool) {
    const BLOCK: usize = 0;
    if !has_traps() {
        return;
    }
    let action = if on && ignored { IGNORED } else { super::action::resident_action(0) };
    let set = sys::signal_action(SIGTRAP, Some(&action), None);
    debug_assert!(set.is_ok());
    if block.trap_blocked.get() {
        let set = bit(SIGTRAP);
        // SAFETY: the set is ours, and no trap site is executed before the exec or the next call.
        let done =
            unsafe { sys::signal_mask(if on { BLOCK } else { 1 }, &raw const set as usize, 0) };
        debug_assert!(done.is_ok());
    }
}

const IGNORED: crate::arch::KernelAction =
    crate::arch::KernelAction { handler: 1, ..crate::arch::KernelAction::DEFAULT };

/// Keeps a `SIGTRAP` that another process sent while the target believes it blocked. `false` when
/// it may be delivered.
pub fn hold_back(block: &mut Block, signal: i32, info: &SigInfo) -> bool {
    let held = signal == SIGTRAP && block.trap_blocked.get() && super::fault::code(info) <= 0;
    if held && has_traps() {
        // A standard signal is pending once (signal(7)).
        block.trap_pending.get_or_insert(*info);
        return true;
    }
    false
}

/// Sends what was held back again when the target does not block it any more.
pub fn release(block: &mut Block) {
    if !block.trap_blocked.get()
        && let Some(info) = block.trap_pending.take()
    {
        super::deliver::again(SIGTRAP, &info);
    }
}

/// `rt_sigtimedwait(2)` in a process with trap sites: what was held back is taken from here. `None`:
/// the kernel has the rest.
pub fn take_pending(block: &mut Block, args: &[usize; 6]) -> Option<Result<usize>> {
    let [set, info, ..] = *args;
    let held = block.trap_pending?;
    let set = User::<u64>::new(set).read().ok()?;
    if set & bit(SIGTRAP) == 0 {
        return None;
    }
    if info != 0
        && let Err(error) = User::<SigInfo>::new(info).write(held)
    {
        return Some(Err(error));
    }
    block.trap_pending = None;
    Some(Ok(SIGTRAP as usize))
}

/// `rt_sigpending(2)` in a process with trap sites.
pub fn rt_sigpending(block: &Block, args: &[usize; 6]) -> Result<usize> {
    let [set, size, ..] = *args;
    let mut pending = sys::pending_signals(size)?;
    if block.trap_pending.is_some() {
        pending |= bit(SIGTRAP);
    }
    User::<u64>::new(set).write(pending)?;
    Ok(0)
}

/// Whether the process has sites that trap.
pub fn has_traps() -> bool {
    TRAPS.load(Ordering::Relaxed)
}

/// What the kernel may be told to block when the target wants `mask`.
pub fn for_kernel(mask: u64) -> u64 {
    if TRAPS.load(Ordering::Relaxed) { mask & !bit(SIGTRAP) } else { mask }
}

/// What is blocked while the resident goes on with a signal held: all but the faults that it expects
/// of its own instructions (`arch::escape_of_fault`). If one of these comes from elsewhere it is the
/// second to be held, and waits blocked. Where a filter of the target's keeps the exit from setting the
/// mask, the handler starts with this one, and may come to a site that traps.
pub fn while_held(second: bool) -> u64 {
    const EXPECTED: u64 = bit(SIGSEGV as i32) | bit(SIGBUS as i32);
    match second {
        true => sys::ALL_SIGNALS,
        false if sys::can_set_signal_mask() => sys::ALL_SIGNALS & !EXPECTED,
        false => for_kernel(sys::ALL_SIGNALS) & !EXPECTED,
    }
}

/// Whether the thread believes that it blocks `SIGTRAP`.
pub struct TrapBlocked(AtomicU32);

impl TrapBlocked {
    /// It does not.
    pub const fn no() -> Self {
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
pub fn rt_sigprocmask(block: &mut Block, args: &[usize; 6]) -> Result<usize> {
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
        let set = [how, &raw const told as usize, &raw mut kernel as usize, 8, 0, 0];
        // SAFETY: both sets are ours. A signal that is held until the call ends would have its mask
        // mistaken for the target's: then the call is not made.
        let result = unsafe { arch::forward(RT_SIGPROCMASK, &set, block) };
        if result == arch::ABORTED {
            return Ok(result as usize);
        }
        sys::check(result)?;
        match how {
            SETMASK => block.trap_blocked.set_from(wanted),
            BLOCK if wanted & bit(SIGTRAP) != 0 => block.trap_blocked.set_from(wanted),
            UNBLOCK if wanted & bit(SIGTRAP) != 0 => block.trap_blocked.set_from(0),
            _ => {}
        }
        release(block);
    }
    if old != 0 {
        User::<u64>::new(old).write(if was { kernel | bit(SIGTRAP) } else { kernel })?;
    }
    Ok(0)
}
