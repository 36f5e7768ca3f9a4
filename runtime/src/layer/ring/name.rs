//! What is said of rings and contexts, where a person sees it.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::log::{self, Line};

/// Numbers of descriptors after which the same bits are used again.
const DESCRIPTORS: usize = 1 << 16;

/// Numbers of rings that have been named since a layer came, a bit each: of descriptors, and behind them those that are
/// registered.
static NAMED: [AtomicU64; DESCRIPTORS / 64 + 1] =
    [const { AtomicU64::new(0) }; DESCRIPTORS / 64 + 1];

/// A bit is set.
static IS_ANY_NAMED: AtomicBool = AtomicBool::new(false);

/// Another layer comes, for which each is named once more.
pub(super) fn again() {
    if !IS_ANY_NAMED.swap(false, Ordering::Relaxed) {
        return;
    }
    for word in NAMED.iter().filter(|word| word.load(Ordering::Relaxed) != 0) {
        word.store(0, Ordering::Relaxed);
    }
}

/// Names a ring by its number, once. Whether it was not yet.
pub(super) fn ring(number: usize, is_registered: bool) -> bool {
    let word = if is_registered { DESCRIPTORS / 64 } else { number % DESCRIPTORS / 64 };
    let bit = 1 << (number % 64);
    let is_new = NAMED[word].fetch_or(bit, Ordering::Relaxed) & bit == 0;
    if is_new {
        IS_ANY_NAMED.store(true, Ordering::Relaxed);
        let what = if is_registered { "registered ring " } else { "descriptor " };
        say(&|line| line.text(what).decimal(number as i64).text(IS_RING));
    }
    is_new
}

/// Names a ring by where it is mapped.
pub(super) fn mapping(start: usize) {
    say(&|line| line.text("the mapping at ").hex(start as u64).text(IS_RING));
}

/// Says that there may be a ring.
pub(super) fn what_may_be() {
    say(&|line| line.text("an io_uring that could not be found may be there"));
}

/// Names an aio context.
pub(super) fn context(id: usize) {
    say(&|line| line.text("aio context ").hex(id as u64));
}

const IS_RING: &str = " is an io_uring";

fn say(what: Words<'_>) {
    let mut line = Line::new();
    what(line.text("vload: ")).text(": what goes through it, no module hears of\n");
    log::notice(line.bytes());
}

type Words<'a> = &'a dyn for<'line> Fn(&'line mut Line) -> &'line mut Line;
