//! What becomes of a mapping when its file gets another size: natively what is cut off is `SIGBUS`, and what comes is there.
//!
//! A process hears of that when it makes a call on the file. The mapping is turned to another part of the session's file then, in
//! place (`remap_file_pages(2)`), which is refused where nothing is mapped and shared.

use core::sync::atomic::Ordering;

use vload_module::Errno;

use super::changing::{self, Turning};
use super::list::{self, Changed, Entry};
use super::shown::{self, Shown};
use super::{Part, area, nothing_at, part_of, pieces};
use crate::descriptor::temporary::Alone;
use crate::descriptor::{self, Held, Record};
use crate::kernel;

/// After a call of the program's on a file.
pub fn fit(held: &Held) {
    fit_those(|entry| is_of(entry, held));
}

/// After one on a place, or on two files.
pub fn fit_all() {
    fit_those(|_| true);
}

fn fit_those(are_meant: impl Fn(&Entry) -> bool) {
    if !list::is_any() {
        return;
    }
    let mut those = list::those(are_meant);
    loop {
        let since = changing::changes();
        let Some(entry) = those.next() else { return };
        if let Some(held) = Held::mapped(entry.number, entry.generation) {
            fit_one(entry, &held, since);
        }
    }
}

/// Whether a mapping is of the file that this open file is of.
fn is_of(entry: &Entry, held: &Held) -> bool {
    let identity = |record: &Record| {
        let halves = record.identity.each_ref().map(|half| half.load(Ordering::Relaxed));
        (halves != [0; 2]).then_some(halves)
    };
    let is_same_file = || {
        descriptor::record(entry.number).is_some_and(|record| {
            identity(record).is_some_and(|it| Some(it) == identity(held.record()))
        })
    };
    entry.number == held.number || is_same_file()
}

/// How often it is tried again when others turn the same: each time one of them has done it.
const TRIES: usize = 16;

/// How much of a mapping is in the file.
fn in_file(entry: &Entry, held: &Held) -> Option<usize> {
    let known = held.stat().ok()?;
    let size = known.size.next_multiple_of(4096).saturating_sub(entry.offset);
    Some(usize::try_from(size).unwrap_or(usize::MAX).min(entry.length))
}

fn fit_one(mut entry: Entry, held: &Held, since: u64) {
    let Some(there) = in_file(&entry, held) else { return };
    if there == entry.there && list::is_right(&entry, since) {
        return;
    }
    let _turning = Turning::begin();
    for _ in 0..TRIES {
        let since = changing::changes();
        let changed = match in_file(&entry, held) {
            None => return,
            Some(there) if there == entry.there && list::is_right(&entry, since) => return,
            Some(there) if there == entry.there => Changed::Overtaken,
            Some(there) if there < entry.there => shorten(&entry, held, there, since),
            Some(there) => lengthen(entry, held, there, since),
        };
        if changed != Changed::Overtaken {
            return;
        }
        let Some(now) = list::again(&entry) else { return };
        entry = now;
    }
}

/// What is not turned stays noted as it was, and is tried again after the next call on the file.
fn shorten(entry: &Entry, held: &Held, there: usize, since: u64) -> Changed {
    list::change(entry, since, |alone| {
        let gone = (entry.start + there, entry.start + entry.there);
        let turned = turn_each(alone, held, gone, |shown| {
            nothing_at(entry.offset + (shown.start - entry.start) as u64)
        });
        if turned { there } else { entry.there }
    })
}

fn lengthen(mut entry: Entry, held: &Held, there: usize, mut since: u64) -> Changed {
    let from = entry.there;
    let part = Part { offset: entry.offset + from as u64, length: there - from };
    let mut changed = Changed::Left;
    // Where the session has no room for it, it stays as it was, and is tried again after the next call.
    let _ = pieces(held, part, |at, length, offset| {
        let start = entry.start + from + at;
        changed = list::change(&entry, since, |alone| {
            let turned = turn_each(alone, held, (start, start + length), |shown| {
                offset + (shown.start - start) as u64
            });
            if turned { from + at + length } else { entry.there }
        });
        match changed {
            Changed::To(now, count) if now.there == from + at + length => {
                (entry, since) = (now, count);
                Ok(())
            }
            _ => Err(Errno::INTR),
        }
    });
    changed
}

/// Turns what is mapped of a file in a range of addresses to where `to` says: whether nothing of it has to be tried again.
fn turn_each(
    alone: &Alone,
    held: &Held,
    (start, end): (usize, usize),
    to: impl Fn(&Shown) -> u64,
) -> bool {
    let (area, mut is_done) = (area(held), true);
    let listed = shown::each_alone(alone, |shown| {
        let Some(part) = part_of(&area, shown, (start, end)) else { return };
        // SAFETY: the program's mapping of the file: nobody takes mappings away as long as `alone` is there (`list::change`).
        let turned = unsafe { kernel::turn(part.start, part.end - part.start, to(&part)) };
        // A kernel that refuses it for good will do so the next time.
        is_done &= !matches!(turned, Err(Errno::NOMEM | Errno::AGAIN));
    });
    is_done && listed.is_ok()
}
