//! io_uring and aio: what a program asks for through a ring is no system call, and no layer hears of it.
//!
//! While a layer gives a meaning to calls that a ring could make instead (`reach.rs`), no ring can be set up, and the
//! program is told what it is told where the administrator has disabled them: `EPERM`
//! (`kernel.io_uring_disabled`), for aio `EAGAIN` (`fs.aio-max-nr`). What is there already when such a layer comes stays,
//! and is named where a person sees it. Layers that only look do not count: for them a ring is no more hidden than from
//! strace.

mod find;
mod name;
mod reach;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use super::Call;
use super::raw::Raw;
use crate::memory::read_words;
use crate::signal;
use crate::sys::{self, Errno};
use find::Found;
use reach::{AIO, RING, gives_meaning, is_claimed};

/// The program runs: a layer that comes meets what it has set up.
static BEGUN: AtomicBool = AtomicBool::new(false);
/// Rings that the process may have: each that it has set up or entered counts, and what was there before vload, or before an
/// exec, as one. None any more when it was looked through, and none was found.
static MAY_BE: AtomicU64 = AtomicU64::new(0);
/// How many rings have been set up in this memory, and [`SOME_HIDDEN`]; a fork hands on none, because its parent has them.
static SET_UP: AtomicU32 = AtomicU32::new(0);
/// One of them is in the program's own memory, and need not be mapped, nor be a descriptor.
const SOME_HIDDEN: u32 = 1 << 31;
/// A layer gives calls a meaning that a ring could make: [`is_claimed`] when the layers last changed.
static CLAIMED: AtomicBool = AtomicBool::new(false);
/// The newest context of the memory; 0: none; [`UNKNOWN`]. Neither a fork nor an exec hands it on.
static CONTEXT: AtomicUsize = AtomicUsize::new(0);
const UNKNOWN: usize = usize::MAX;

/// `IORING_SETUP_NO_MMAP`.
const IN_MEMORY_OF_PROGRAM: u32 = 1 << 14;
/// `IORING_SETUP_REGISTERED_FD_ONLY`.
const REGISTERED_ONLY: u32 = 1 << 15;

/// `io_uring_setup(2)`.
pub fn io_uring_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(RING) {
        crate::log!(Info, "io_uring_setup: refused: a layer claims what a ring could reach");
        return sys::raw(Err(Errno::PERM));
    }
    let result = call.pass();
    if result >= 0 {
        is_set_up(result as usize, flags(call.args[1]));
    }
    result
}

/// The flags of a ring (`struct io_uring_params`, linux/io_uring.h), which the kernel has just written. If another thread has
/// unmapped them since, those of what is the hardest to find.
fn flags(params: usize) -> u32 {
    const FLAGS_AT: usize = 8;
    let mut word = [0];
    match read_words(params.wrapping_add(FLAGS_AT), &mut word) {
        Ok(()) => word[0] as u32,
        Err(_) => IN_MEMORY_OF_PROGRAM,
    }
}

fn is_set_up(number: usize, flags: u32) {
    SET_UP.fetch_add(1, Ordering::Relaxed);
    if flags & IN_MEMORY_OF_PROGRAM != 0 {
        SET_UP.fetch_or(SOME_HIDDEN, Ordering::Relaxed);
    }
    MAY_BE.fetch_add(1, Ordering::Relaxed);
    if is_claimed_by_now(RING) {
        name::ring(number, flags & REGISTERED_ONLY != 0);
    }
}

/// A layer may have come during the call that has set something up. Either it is seen here, or who loaded it sees what was set up
/// (`report`).
fn is_claimed_by_now(calls: &[usize]) -> bool {
    fence(Ordering::SeqCst);
    is_claimed(calls)
}

/// `io_uring_enter(2)`. What could not be found is named now: a ring that is no descriptor of this table and not mapped, or came
/// from another process since, or where there is no `/proc`.
pub fn io_uring_enter(call: &mut Call<'_>) -> isize {
    /// The number is not that of a descriptor.
    const REGISTERED_RING: usize = 1 << 4;
    let [ring, _, _, flags, ..] = call.args;
    let result = signal::io_uring_enter(call);
    if result >= 0 && CLAIMED.load(Ordering::Relaxed) {
        let is_new = name::ring(ring as i32 as usize, flags & REGISTERED_RING != 0);
        MAY_BE.fetch_add(is_new.into(), Ordering::Relaxed);
    }
    result
}

/// `io_setup(2)`.
pub fn io_setup(call: &mut Call<'_>) -> isize {
    if is_claimed(AIO) {
        crate::log!(Info, "io_setup: refused: a layer claims what aio could reach");
        return sys::raw(Err(Errno::AGAIN));
    }
    let result = call.pass();
    let mut context = [0];
    if result == 0 && read_words(call.args[1], &mut context).is_ok() {
        CONTEXT.store(context[0], Ordering::Relaxed);
        if is_claimed_by_now(AIO) {
            name::context(context[0]);
        }
    }
    result
}

/// The session's first program may inherit rings.
pub fn begin_session() {
    MAY_BE.store(1, Ordering::Relaxed);
}

/// What an exec may keep: 0: no ring; 1: rings; 2: rings that have been named.
pub fn handed_on() -> u32 {
    if MAY_BE.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    1 + u32::from(CLAIMED.load(Ordering::Relaxed))
}

/// The program may inherit what the one before it has [`handed_on`].
pub fn begin_resumed(rings: u32) {
    MAY_BE.store(u64::from(rings != 0), Ordering::Relaxed);
    CLAIMED.store(rings == 2, Ordering::Relaxed);
}

/// The process is a copy of its parent.
pub fn forked() {
    SET_UP.store(0, Ordering::Relaxed);
}

/// The program's first instruction comes next. A layer that is there already has not met what nobody has named.
pub fn begin() {
    BEGUN.store(true, Ordering::Relaxed);
    let rings = is_claimed(RING);
    if !CLAIMED.swap(rings, Ordering::Relaxed) {
        report(rings, is_claimed(AIO));
    }
}

/// The same in a process that runs already.
pub fn begin_adopted() {
    CONTEXT.store(UNKNOWN, Ordering::Relaxed);
    MAY_BE.store(1, Ordering::Relaxed);
    begin();
}

/// Layers have come or gone; of what the process has, those that are new hear nothing, nor does the first that it has loaded itself.
pub fn meet(new: impl Iterator<Item = &'static Raw>) {
    if !BEGUN.load(Ordering::Relaxed) {
        return;
    }
    let (mut rings, mut contexts) = (false, false);
    for raw in new {
        rings |= gives_meaning(raw, RING);
        contexts |= gives_meaning(raw, AIO);
    }
    let is_claimed = is_claimed(RING);
    let is_first = is_claimed && !CLAIMED.load(Ordering::Relaxed);
    report(rings || is_first, contexts);
    CLAIMED.store(is_claimed, Ordering::Relaxed);
}

fn report(rings: bool, contexts: bool) {
    fence(Ordering::SeqCst);
    if rings {
        name::again();
    }
    let before = MAY_BE.load(Ordering::Relaxed);
    let rings = rings && before != 0;
    let mut found = Found::new();
    let is_looked_through = rings && find::descriptors(&mut found);
    let context = CONTEXT.load(Ordering::Relaxed);
    let contexts = contexts && context != 0;
    let mappings = (rings || contexts).then(|| find::mappings(rings, contexts, &mut found));
    let is_without_proc = mappings.is_some_and(|mappings| mappings.is_err());
    // At least the newest is known.
    if is_without_proc && contexts && context != UNKNOWN && find::is_context(context) {
        name::context(context);
    }
    if !rings {
        return;
    }
    let set_up = SET_UP.load(Ordering::Relaxed);
    let is_whole = is_looked_through && !is_without_proc;
    if set_up & SOME_HIDDEN != 0 || (!is_whole && set_up > found.descriptors) {
        name::what_may_be();
    } else if is_looked_through && !found.any {
        // Unless one was set up since.
        let _ = MAY_BE.compare_exchange(before, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}
