//! Some signals are not blocked in the kernel when the target wants them to be. Its wish is remembered.
//!
//! One that is forced on a thread while it is blocked kills (`force_sig_info_to_task`, kernel/signal.c):
//! `SIGTRAP` is open while the process has trap sites, and `SIGSYS` while it is watched, and so are the faults that a
//! module's code may raise. What is sent to a thread that believes it blocked waits in its block.
//!
//! [`SIGCALL`] is open in a process that has had several threads and may come to be watched: it is how each of
//! them can be called then (`watch/gather.rs`). Nothing forces it, so one that is sent to a thread which believes
//! it blocked goes back to the kernel, and is blocked there from then on, until the thread sets its mask; it can be
//! called by [`SECOND_CALL`] then.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{SIGCALL, SIGSYS, SIGTRAP, bit, deliver, fault, returning, shared};
use crate::arch::{self, SigInfo};
use crate::layer::{self, Class};
use crate::memory::User;
use crate::sys::{self, Errno, Result};
use crate::thread::{Block, POOL};
use linux_raw_sys::general::{SIGBUS, SIGFPE, SIGILL, SIGSEGV};

const RT_SIGPROCMASK: usize = linux_raw_sys::general::__NR_rt_sigprocmask as usize;

/// The signals that no mask of the target's blocks in the kernel.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// Those that can become so, and that wait in a block for a thread that believes them blocked.
pub(super) const CANDIDATES: [i32; 6] =
    [SIGTRAP, SIGSYS, SIGSEGV as i32, SIGBUS as i32, SIGILL as i32, SIGFPE as i32];

/// The same as a mask.
pub(super) const HELD_BACK: u64 = bit(SIGTRAP) | bit(SIGSYS) | FAULTS;

/// What a module's code may raise.
const FAULTS: u64 =
    bit(SIGSEGV as i32) | bit(SIGBUS as i32) | bit(SIGILL as i32) | bit(SIGFPE as i32);

/// Calls a thread that has to block [`SIGCALL`] in the kernel. One of those that wait in a block, because it can be open
/// to the thread whatever is sent to it, and that the resident handles in any process.
pub const SECOND_CALL: i32 = SIGFPE as i32;

/// The thread of `block` will have the kernel block [`SIGCALL`]: [`SECOND_CALL`] is to stay open to it. That masks are
/// looked at is so since the former was opened.
fn open_second_call(block: &Block) {
    OPEN.fetch_or(bit(SECOND_CALL), Ordering::SeqCst);
    // SAFETY: a bound block has its handlers.
    if let Err(error) = unsafe { &*block.sighand }.own(SECOND_CALL) {
        crate::log!(Error, "signal {SECOND_CALL} cannot be handled: {}", error.text());
    }
}

/// The calling thread is about to run a module's code: its faults arrive.
pub fn open_faults(block: &mut Block) {
    if block.faults_open.swap(true, Ordering::Relaxed) {
        return;
    }
    if OPEN.fetch_or(FAULTS, Ordering::SeqCst) & FAULTS != FAULTS {
        layer::set_class(Class::Masks, true);
        // The kernel ends who ignores a fault.
        for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE] {
            super::fault::keep_ours(signal as i32);
        }
    }
    let_in(block, FAULTS);
}

/// Lets `set` through to the calling thread, and remembers what the target blocks of it. While a signal is held the
/// kernel blocks all, and the mask that the thread had then is the target's.
pub fn let_through(block: &mut Block, set: u64) {
    // None comes between the look at the mask and that at the block.
    let before = sys::set_signal_mask(sys::ALL_SIGNALS);
    let waits = super::is_held(block) || block.exit_mask_set != 0;
    let target = if waits { block.exit_mask } else { before };
    block.blocked.add(target & set);
    block.exit_mask &= !set;
    sys::set_signal_mask(before & !if waits { set & FAULTS } else { set });
}

/// The signals that no mask of the target's blocks in the kernel.
pub fn open() -> u64 {
    OPEN.load(Ordering::Relaxed)
}

/// From now on `signal` is not blocked in the kernel by any call. `false` if that was so before.
pub fn keep_open(signal: i32) -> bool {
    if OPEN.fetch_or(bit(signal), Ordering::SeqCst) & bit(signal) != 0 {
        return false;
    }
    layer::set_class(Class::Masks, true);
    true
}

/// From now on the process has sites that trap.
pub fn watch_traps() {
    // Before a program's first thread has its handlers, no site can trap: `open_inherited` is still to come.
    if keep_open(SIGTRAP) && super::fault::is_installed() {
        super::fault::keep_ours(SIGTRAP);
        open_inherited(Block::own(), SIGTRAP);
    }
}

/// Lets `signal` through to the calling thread, if it is one that stays open. No end of a call may follow that would
/// deliver what waits for it: that is taken from the kernel first.
pub fn open_inherited(block: &mut Block, signal: i32) {
    if open() & bit(signal) == 0 {
        return;
    }
    let_in(block, bit(signal));
}

/// Lets `set` through, and keeps what waits of it.
fn let_in(block: &mut Block, set: u64) {
    take_back(block, set, 0);
    let_through(block, set);
    shared::settle(block);
}

/// Keeps what waits in the kernel of `set`, which is blocked there; but those of `copies` that the thread has kept
/// (`hand_on`).
fn take_back(block: &Block, set: u64, mut copies: u64) {
    let is_alone = shared::is_alone(block);
    let (shared, process) = shared::of(block);
    while let Ok((signal @ 1.., info)) = sys::wait_for_info(set, Some(0)) {
        if shared::called_for(block, signal, &info).is_some() {
            continue;
        }
        let kept = || block.pending.kept(process, signal);
        if copies & bit(signal) != 0 && kept().is_some_and(|kept| deliver::as_sent(&kept) == info) {
            copies &= !bit(signal);
            continue;
        }
        // Of two that look like the process's the kernel gives the thread's own first.
        if is_alone && let Some(first) = shared.take(process, signal) {
            block.pending.keep(process, signal, &deliver::for_thread(first));
        }
        shared::keep(block, signal, &info);
    }
}

/// Keeps a signal that was sent to the calling thread, or to its process: `shared::settle` is due. `false`: it is none
/// that is held back.
pub fn keep(block: &Block, signal: i32, info: &SigInfo) -> bool {
    fault::code(info) == fault::TAKE || shared::keep(block, signal, info)
}

fn unblock_all(set: u64) {
    const UNBLOCK: usize = 1;
    // SAFETY: the set is ours; only the calling thread's mask changes.
    let done = unsafe { sys::signal_mask(UNBLOCK, &raw const set as usize, 0) };
    debug_assert!(done.is_ok());
}

/// An exec hands the mask and the ignored signals on: the kernel is told what the target believes of
/// the signals that are never blocked, and given what has been held back of them; with `false`, when the exec has
/// failed, what the resident needs.
pub fn hand_on(block: &mut Block, on: bool) {
    const BLOCK: usize = 0;
    const UNBLOCK: usize = 1;
    // SAFETY: a bound block has its handlers.
    let sighand = unsafe { &*block.sighand };
    let mut waiting = 0;
    for signal in CANDIDATES.into_iter().chain([SIGCALL]) {
        if open() & bit(signal) != 0 && sighand.get(signal).is_ignore() {
            let action = if on { IGNORED } else { super::action::resident_action(0) };
            let set = sys::signal_action(signal, Some(&action), None);
            debug_assert!(set.is_ok());
        }
    }
    if !on {
        // What came when it is let through would be held, and who tries once more (`process/exec.rs`) would never be done.
        // None is a call to this thread, which is at work.
        take_back(block, block.blocked.get() & !bit(SIGCALL), HELD_BACK);
        if arch::CAN_WATCH {
            let pending = sys::pending_signals(size_of::<u64>()).unwrap_or(0);
            waiting = block.blocked.get() & pending & bit(SIGCALL);
        }
        if waiting != 0 {
            open_second_call(block);
            open_inherited(block, SECOND_CALL);
        }
    }
    let set = block.blocked.get() & !waiting;
    if set != 0 {
        let how = if on { BLOCK } else { UNBLOCK };
        // SAFETY: the set is ours, and nothing that raises the signals is executed before the exec
        // or the next call.
        let done = unsafe { sys::signal_mask(how, &raw const set as usize, 0) };
        debug_assert!(done.is_ok());
    }
    if !on {
        block.blocked.wait_is_over();
        shared::settle(block);
    } else {
        block.blocked.wait_with(!0);
        // Another thread might take them, which the exec ends.
        if set & HELD_BACK != 0 {
            take_back(block, set & HELD_BACK, 0);
        }
        give_to_next(block);
        if arch::CAN_WATCH && set & bit(SIGCALL) != 0 {
            returning::take();
        }
    }
}

/// Gives what waits to the kernel, for the next program. What is the thread's own is kept, too: for the kernel there is
/// nothing by which it would be known again, if the exec fails.
fn give_to_next(block: &Block) {
    let is_alone = shared::is_alone(block);
    let (shared, process) = shared::of(block);
    for signal in CANDIDATES {
        let own = block.pending.kept(process, signal);
        if let Some(own) = &own {
            deliver::again(signal, own);
        }
        // What other threads might take goes to this one, and the kernel drops the second of a number.
        if (own.is_none() || is_alone)
            && let Some(info) = shared.take(process, signal)
        {
            deliver::back_to_kernel(signal, &info);
        }
    }
}

const IGNORED: crate::arch::KernelAction =
    crate::arch::KernelAction { handler: 1, ..crate::arch::KernelAction::DEFAULT };

/// Keeps a signal that a process sent to a target that believes it blocks `believed`. `false` when it may
/// be delivered. `mask` is what the kernel is to block when the thread goes on.
pub fn hold_back(
    block: &mut Block,
    signal: i32,
    info: &SigInfo,
    believed: u64,
    mask: &mut u64,
) -> bool {
    if fault::code(info) == fault::TAKE {
        return true;
    }
    let is_forced = fault::code(info) > 0 && !fault::is_of_event(info);
    if believed & open() & bit(signal) == 0 || is_forced {
        return false;
    }
    if arch::CAN_WATCH && signal == SIGCALL {
        *mask |= bit(SIGCALL);
        open_second_call(block);
        block.blocked.add(*mask & bit(SECOND_CALL));
        *mask &= !bit(SECOND_CALL);
        returning::sent(info);
        deliver::back_to_kernel(signal, info);
        return true;
    }
    keep(block, signal, info)
}

/// What waits for the calling thread and its process.
pub(super) fn waiting(block: &Block) -> u64 {
    let (shared, process) = shared::of(block);
    block.pending.set(process) | shared.set(process)
}

/// `signal` is ignored from now on: what waits of it is gone (sigaction(2)).
pub fn drop_waiting(block: &Block, signal: i32) {
    let (shared, process) = shared::of(block);
    shared.take(process, signal);
    POOL.each_in_use(|other| {
        if other.process.load(Ordering::Relaxed) == process {
            other.pending.take(process, signal);
        }
    });
}

/// For what was held back, and is in `set`, the thread is called to take it. The call waits blocked among all other
/// signals: what lets it through finds them in the kernel's order. [`open_again`] is due for the result after that.
#[inline(never)]
pub fn hand_back(block: &mut Block, set: u64) -> u64 {
    let set = set & waiting(block);
    if set != 0 {
        const BLOCK: usize = 0;
        // SAFETY: the set is ours; nothing that raises these signals is executed until they are open again. Where a
        // filter of the target's forbids it they come at once.
        let _ = unsafe { sys::signal_mask(BLOCK, &raw const set as usize, 0) };
        shared::call_self(block, set);
    }
    set
}

/// The first signal is delivered, and the exit sets the mask: what came second waits for that in the kernel's queue.
pub fn after_first(block: &mut Block) {
    hand_back(block, !block.blocked.get());
    shared::settle(block);
}

/// `rt_sigpending(2)`.
pub fn rt_sigpending(block: &Block, args: &[usize; 6]) -> Result<usize> {
    let [set, size, ..] = *args;
    let kept = waiting(block) & block.blocked.get();
    let pending = sys::pending_signals(size)? | kept;
    User::<u64>::new(set).write(pending)?;
    Ok(0)
}

/// Whether the process has sites that trap.
pub fn has_traps() -> bool {
    open() & bit(SIGTRAP) != 0
}

/// What the kernel may be told to block when the target wants `mask`.
pub fn for_kernel(mask: u64) -> u64 {
    mask & !open()
}

/// What is blocked while the resident goes on with a signal held: all but the faults that it expects
/// of its own instructions (`arch::escape_of_fault`) and of a module's. If one of these comes from elsewhere it is the
/// second, and is kept ([`keep`]). Where a filter of the target's keeps the exit from setting the
/// mask, the handler starts with this one, and may come to a site that traps.
pub fn while_held() -> u64 {
    let expected = bit(SIGSEGV as i32) | bit(SIGBUS as i32) | (open() & FAULTS);
    let all =
        if sys::can_set_signal_mask() { sys::ALL_SIGNALS } else { for_kernel(sys::ALL_SIGNALS) };
    all & !expected
}

/// Does something. In a signal handler, which blocks all signals, a fault of it comes through if it `hears` of that:
/// where the target, which blocks `blocked`, does not block that signal.
pub fn with_faults<T>(hears: bool, blocked: u64, act: impl FnOnce() -> T) -> T {
    let faults = (bit(SIGSEGV as i32) | bit(SIGBUS as i32)) & !blocked;
    let opens = hears && sys::can_set_signal_mask();
    let mask = opens.then(|| sys::set_signal_mask(sys::ALL_SIGNALS & !faults));
    let done = act();
    if let Some(mask) = mask {
        sys::set_signal_mask(mask);
    }
    done
}

/// `rt_sigprocmask(2)` in a process with signals that are never blocked. The kernel reads and writes the program's
/// sets itself: what must stay open is opened again behind it, which most masks do not ask for.
pub fn rt_sigprocmask(block: &mut Block, args: &[usize; 6]) -> Result<usize> {
    const BLOCK: usize = 0;
    const UNBLOCK: usize = 1;
    const SETMASK: usize = 2;
    const BYTES: usize = size_of::<u64>();
    let [how, new, old, size, ..] = *args;
    if size != BYTES {
        return Err(Errno::INVAL);
    }
    let was = block.blocked.get();
    let mut given = [how, new, old, BYTES, 0, 0];
    // The old mask may take the place of the new one: then that is known beforehand only.
    let mut wanted = 0;
    let overlap = new != 0 && old != 0 && new.abs_diff(old) < BYTES;
    let mut handed = 0;
    if overlap || (new != 0 && waiting(block) != 0) {
        wanted = User::<u64>::new(new).read()?;
        handed = hand_back(block, freed(how, wanted));
    }
    if overlap {
        given[1] = &raw const wanted as usize;
    }
    // SAFETY: the sets are the target's, or ours. A signal that is held until the call ends would have its mask
    // mistaken for the target's: then the call is not made.
    let result = unsafe { arch::forward(RT_SIGPROCMASK, &given, block) };
    // The mask is set when the old one cannot be stored.
    if result == arch::ABORTED || (result < 0 && result != sys::raw(Err(Errno::FAULT))) {
        open_again(block, handed);
        return Ok(result as usize);
    }
    if new != 0 {
        if !overlap {
            wanted = match result {
                0 => User::<u64>::new(new).read_again()?,
                _ => User::<u64>::new(new).read()?,
            };
        }
        match how {
            SETMASK => block.blocked.set_from(wanted),
            BLOCK => block.blocked.add(wanted & open()),
            _ => block.blocked.set(was & !wanted),
        }
        let shut = if how == UNBLOCK { 0 } else { wanted & open() };
        open_again(block, shut | handed);
        settle_opened(block, was);
    }
    sys::check(result)?;
    if old != 0 && was != 0 {
        let set = User::<u64>::new(old);
        set.write_again(set.read_again()? | was)?;
    }
    Ok(0)
}

/// The calling thread, which blocked `was`, has changed its mask.
pub fn settle_opened(block: &Block, was: u64) {
    if was & HELD_BACK & !block.blocked.get() != 0 {
        shared::settle(block);
    }
}

/// What `rt_sigprocmask(2)` lets through with `mask`.
pub fn freed(how: usize, mask: u64) -> u64 {
    const UNBLOCK: usize = 1;
    const SETMASK: usize = 2;
    match how {
        UNBLOCK => mask,
        SETMASK => !mask,
        _ => 0,
    }
}

/// Opens the signals of `shut`, which have just been blocked in the kernel.
#[inline(never)]
pub fn open_again(block: &mut Block, shut: u64) {
    if shut == 0 {
        return;
    }
    if !super::is_held(block) {
        unblock_all(shut);
    }
    // What is held came with the target's mask.
    if super::is_held(block) {
        block.exit_mask &= !shut;
    }
}
