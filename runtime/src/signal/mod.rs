//! Signals: the target's handlers, what it believes of its alternate stack, and delivery.
//!
//! Every handler of the target is registered with the kernel as the resident's own, on a stack of
//! the resident's, with all signals blocked while it runs. It never runs target code: it changes
//! the context that the kernel will resume, so that the target's handler starts there on a frame
//! the kernel would have built. A signal that finds the resident at work is kept, with all others
//! blocked, until the call ends: nothing of the resident is ever left by a `longjmp`.

mod action;
mod altstack;
mod arrive;
mod believed;
mod blocked;
mod deliver;
mod fault;
mod mask;
mod pending;
mod returning;
mod shared;
mod sigreturn;
mod temporary;

pub use action::{Action, SigHand, change as change_action, rt_sigaction, set as set_action};
pub use altstack::sigaltstack;
pub use arrive::{is_breakpoint, vload_signal};
pub use believed::{Believed, Set, block_of};
pub use blocked::Blocked;
pub use deliver::{
    again as send_again, held_restarts, is_held, rt_tgsigqueueinfo, vload_resident_deliver,
};
pub use fault::{DISPATCHED, die, faults, happens_again, heard, install, is_ours};
pub use mask::{
    for_kernel, freed, hand_back, hand_on, has_traps, keep_open, let_through, open as open_signals,
    open_again, open_faults, open_inherited, rt_sigpending, rt_sigprocmask, settle_opened,
    watch_traps,
};
pub use pending::Pending;
pub use shared::{settle, take_nothing_more};
pub use sigreturn::{rt_sigreturn, through as return_through};
pub use temporary::{MaskArgument, io_uring_enter, rt_sigtimedwait, wait_masked};

/// `SIGTRAP`.
pub const SIGTRAP: i32 = linux_raw_sys::general::SIGTRAP as i32;
/// `SIGSYS`.
pub const SIGSYS: i32 = linux_raw_sys::general::SIGSYS as i32;
/// The signal by which a thread is called that blocks as much as it can: glibc's `SIGSETXID` and musl's
/// `SIGCANCEL`, which they send to single threads, and which `sigfillset(3)` leaves out.
pub const SIGCALL: i32 = 33;
/// Number of signals (`_NSIG`).
pub const SIGNALS: usize = 64;

/// The bit of `signal` in a mask.
pub const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The signals that nothing blocks.
const UNBLOCKABLE: u64 = bit(9) | bit(19);

/// Puts the resident's handlers back in place after the kernel reset them all.
pub fn keep_all_ours(block: &crate::thread::Block) {
    // SAFETY: a bound block has its handlers.
    unsafe { &*block.sighand }.keep_ours();
}
