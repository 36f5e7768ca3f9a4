//! The signals that wait for any thread of their process, which were found by threads that believe them blocked
//! (`mask.rs`). The kernel does not know who believes what: a thread that it has given one to keeps it, among the
//! process's handlers, and calls one that would take it; if there is none, who lets it through looks there.
//!
//! Whoever keeps one looks for a taker afterwards, and who opens a signal looks for what waits afterwards: one of both
//! sees the other. A call may find nothing any more; it never carries the signal itself.

use core::sync::atomic::{Ordering, fence};

use super::mask::{self, CANDIDATES, SECOND_CALL};
use super::{Pending, SIGCALL, SIGSYS, SIGTRAP, bit, deliver, fault};
use crate::arch::{self, SigInfo};
use crate::sys;
use crate::thread::{Block, POOL};

/// Those of the calling thread's process, and which it is.
pub fn of(block: &Block) -> (&Pending, i32) {
    // SAFETY: a bound block has its handlers.
    (unsafe { &*block.sighand }.shared(), block.process.load(Ordering::Relaxed))
}

/// What waits for the calling thread's process.
pub fn set(block: &Block) -> u64 {
    let (shared, process) = of(block);
    shared.set(process)
}

/// Whether the calling thread is its process's only one.
pub fn is_alone(block: &Block) -> bool {
    POOL.threads_of(block.process.load(Ordering::Relaxed)) == 1
}

/// Takes one that waits for the calling thread, or for its process.
#[inline(never)]
pub fn take(block: &Block, signal: i32) -> Option<SigInfo> {
    let (shared, process) = of(block);
    block.pending.take(process, signal).or_else(|| shared.take(process, signal))
}

/// In a block, that the thread has once been called by [`SECOND_CALL`] to take another one: no bit of a signal that waits.
/// It stays, because one that comes later than is thought would end the program.
const BY_SECOND: u32 = 1;

/// Calls the thread of `block` to take `signal`, by the signal `by`. One that `is_other` once until the call has
/// come; the calling thread does not wait for who is about to call it.
fn call(block: &Block, is_other: bool, signal: i32, by: i32) -> sys::Result<()> {
    let called = bit(signal) as u32;
    let stays = if by == SECOND_CALL && by != signal { BY_SECOND } else { 0 };
    let was = block.called.fetch_or(called | stays, Ordering::SeqCst);
    if was & called != 0 && is_other {
        return Ok(());
    }
    let info = call_info(by, signal);
    let [process, tid] = [&block.process, &block.tid].map(|id| id.load(Ordering::Relaxed));
    let sent = sys::queue_signal_to(process, tid, by, &info);
    if sent.is_err() {
        block.called.fetch_and(!called, Ordering::SeqCst);
    }
    sent
}

/// Calls the calling thread itself to take those of `set`. They go back to the kernel, in whose order they come, where no
/// other thread can take them, where they are not kept open, and where it cannot be called (a filter of the target's).
pub fn call_self(block: &Block, set: u64) {
    let is_alone = is_alone(block);
    for signal in CANDIDATES.into_iter().filter(|&signal| set & bit(signal) != 0) {
        if is_alone
            || mask::open() & bit(signal) == 0
            || call(block, false, signal, signal).is_err()
        {
            give_back(block, signal);
        }
    }
}

/// Gives what waits of `signal` to the kernel.
fn give_back(block: &Block, signal: i32) {
    while let Some(info) = take(block, signal) {
        deliver::back_to_kernel(signal, &info);
    }
}

/// `si_code`s that do not tell whom it is for: the thread, as far as is known (asm-generic/siginfo.h).
const SI_TIMER: i32 = -2;
const SI_SIGIO: i32 = -5;

/// Keeps a signal that has come to the calling thread; [`settle`] is due. `false`: it is none that is held back.
pub fn keep(block: &Block, signal: i32, info: &SigInfo) -> bool {
    let is_own = deliver::is_for_thread(info)
        || matches!(fault::code(info), SI_TIMER | SI_SIGIO)
        || crate::watch::is_call_to_arm(info).is_some();
    let (shared, process) = of(block);
    (!is_own && shared.keep(process, signal, info)) || block.pending.keep(process, signal, info)
}

/// The calling thread, or another, may have opened a signal that waits, or the one that was called for it be gone:
/// calls a thread that would take it.
pub fn settle(block: &Block) {
    if mask::open() & mask::HELD_BACK == 0 {
        return;
    }
    // What the thread has said of its own mask comes before the look at what waits, for whoever keeps one meanwhile.
    fence(Ordering::SeqCst);
    let mut waits = set(block) & mask::open();
    let process = block.process.load(Ordering::Relaxed);
    // What comes while one is held is kept until that is delivered, and this is due again then.
    let is_held = deliver::is_held(block);
    let own = block.pending.set(process) & !block.blocked.now();
    if own != 0 && !is_held {
        // One that was sent meanwhile has taken the call's place.
        call_self(block, own);
    }
    if waits == 0 {
        return;
    }
    POOL.each_in_use(|other| {
        let is_started = other.tid.load(Ordering::Relaxed) != 0;
        let is_other = !core::ptr::eq(other, block);
        let can_take = is_started && (is_other || !is_held);
        if !can_take || other.process.load(Ordering::Relaxed) != process {
            return;
        }
        let blocked = other.blocked.now();
        let open = waits & !blocked;
        for signal in CANDIDATES {
            if open & bit(signal) == 0 {
                continue;
            }
            // Faults are open to threads that have run a module's code; the kernel may block one of another's.
            let is_certain =
                matches!(signal, SIGTRAP | SIGSYS) || other.faults_open.load(Ordering::Relaxed);
            // Who runs may be about to raise a SIGSYS, which would be lost as the second.
            let by = match signal == SIGSYS && is_other {
                true if blocked & bit(SIGCALL) == 0 => SIGCALL,
                true if !other.blocked.waits() => SECOND_CALL,
                _ => signal,
            };
            // No more of the other kind can be queued (RLIMIT_SIGPENDING).
            let again = |_| call(other, is_other, signal, SECOND_CALL);
            if call(other, is_other, signal, by).or_else(again).is_ok() && is_certain {
                waits &= !bit(signal);
            }
        }
    });
}

/// The calling thread ends: what it was called for is another's.
pub fn take_nothing_more(block: &Block) {
    block.blocked.set(!0);
    settle(block);
}

/// Whether the calling thread has been called, and the call has not come.
pub fn is_called(block: &Block) -> bool {
    block.called.load(Ordering::SeqCst) & !BY_SECOND != 0
}

/// The signal that the calling thread is called to take by the one that has come, if it is a call. It may have taken the
/// place of one, too: [`settle`] is due.
pub fn called_for(block: &Block, signal: i32, info: &SigInfo) -> Option<i32> {
    let mut called = block.called.load(Ordering::SeqCst);
    if called != 0 {
        called = block.called.fetch_and(BY_SECOND, Ordering::SeqCst);
    }
    let wanted = match fault::code(info) {
        fault::TAKE => arch::si_value(info) as i32,
        // The kernel says nothing of what is sent while no more can be queued (RLIMIT_SIGPENDING).
        0 if arch::si_addr(info) == 0 && CANDIDATES.contains(&signal) => {
            match (called & !BY_SECOND).trailing_zeros() as i32 + 1 {
                33 if signal == SECOND_CALL && called != 0 => SIGSYS,
                one => one,
            }
        }
        _ => return None,
    };
    CANDIDATES.contains(&wanted).then_some(wanted)
}

/// What is meant by a signal that has come to the calling thread: if it is called to take one, that; nothing, as a call,
/// where another has taken it. Whoever has blocked it meanwhile leaves it to others.
#[inline(never)]
pub fn meant(block: &Block, signal: i32, info: &SigInfo) -> Option<(i32, SigInfo)> {
    let wanted = called_for(block, signal, info)?;
    let takes = block.blocked.now() & bit(wanted) == 0;
    let taken = takes.then(|| take(block, wanted)).flatten();
    Some(taken.map_or_else(|| (signal, call_info(signal, wanted)), |info| (wanted, info)))
}

/// What a call to take `signal` carries, by the signal `by`.
fn call_info(by: i32, signal: i32) -> SigInfo {
    let mut info = arch::queued_info(by, 0, signal as usize);
    arch::set_si_code(&mut info, fault::TAKE);
    info
}
