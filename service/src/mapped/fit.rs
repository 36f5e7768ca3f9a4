//! What becomes of a mapping when its file gets another size: natively what is cut off is `SIGBUS`, and what comes is there.
//!
//! A process hears of that when it makes a call on the file. The mapping is turned to another part of the session's file then, in
//! place: unlike a new mapping, that does nothing where another thread has unmapped it meanwhile.

use core::sync::atomic::Ordering;

use super::list::{self, Entry};
use super::{Part, each_mapped, nothing_at, pieces};
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
    for entry in list::those(are_meant) {
        if let Some(held) = Held::mapped(entry.number, entry.generation) {
            fit_one(entry, &held);
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

fn fit_one(entry: Entry, held: &Held) {
    let Ok(known) = held.stat() else { return };
    let size = known.size.next_multiple_of(4096).saturating_sub(entry.offset);
    let there = usize::try_from(size).unwrap_or(usize::MAX).min(entry.length);
    if there == entry.there {
        return;
    }
    list::note(&entry, there);
    if there < entry.there {
        let gone = (entry.start + there, entry.start + entry.there);
        // Where the list cannot be read the mapping stays as it was, here and below.
        let _ = each_mapped(held, gone, |shown| {
            let at = entry.offset + (shown.start - entry.start) as u64;
            // SAFETY: the program's mapping of the file, of which this part is gone.
            let _ = unsafe { kernel::turn(shown.start, shown.end - shown.start, nothing_at(at)) };
        });
        return;
    }
    let from = entry.there;
    let part = Part { offset: entry.offset + from as u64, length: there - from };
    // Where the session has no room for it, it stays as it was.
    let _ = pieces(held, part, |at, length, offset| {
        let start = entry.start + from + at;
        each_mapped(held, (start, start + length), |shown| {
            let offset = offset + (shown.start - start) as u64;
            // SAFETY: the program's mapping of the file, which has this now.
            let _ = unsafe { kernel::turn(shown.start, shown.end - shown.start, offset) };
        })
    });
}
