//! Open files go with their names: what becomes of their paths when names are moved and taken away.
//!
//! Who changes names holds the lock of names ([`crate::path::moves`]).

use core::sync::atomic::Ordering;

use super::record::{Record, Records};
use crate::path::Text;

/// Whether any file of the session is open.
pub fn is_any_open() -> bool {
    super::records().is_some_and(|records| records.in_use().next().is_some())
}

/// What is at `from` in a claim, and below it, is at `to` now; and the other way round when they were exchanged. Else
/// what was there before has no name any more.
pub fn moved(claim: u32, from: &[u8], to: &[u8], exchanged: bool) {
    each_of(claim, |records, number, record| {
        let path = &record.path;
        if path.is_within(&records.paths, from) {
            rename(records, number, record, (from, to));
        } else if path.is_within(&records.paths, to) {
            match exchanged {
                true => rename(records, number, record, (to, from)),
                false => path.lose(),
            }
        }
    });
}

/// Nothing is at a path in a claim any more.
pub fn lost(claim: u32, path: &[u8]) {
    each_of(claim, |records, _, record| {
        if record.path.is_within(&records.paths, path) {
            record.path.lose();
        }
    });
}

fn each_of(claim: u32, act: impl Fn(&Records, u32, &Record)) {
    let Some(records) = super::records() else { return };
    for number in records.in_use() {
        if let Some(record) = records.get(number)
            && record.claim.load(Ordering::Relaxed) == claim
        {
            act(records, number, record);
        }
    }
}

#[inline(never)]
fn rename(records: &Records, number: u32, record: &Record, (from, to): (&[u8], &[u8])) {
    let mut old = Text::root();
    let name = record.path.read(&records.paths, &mut old);
    let is_kept = old.moved(from, to).is_some_and(|new| {
        record.path.keep(&records.paths, number, (new.bytes(), name), |other, place| {
            records.names(other, place)
        })
    });
    // One that is too long has no name any more that could be told.
    if !is_kept {
        record.path.lose();
    }
}
