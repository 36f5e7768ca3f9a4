//! Directories in which whatever is named is real: what a walk has found out is not found out again at each call.
//!
//! An entry says of the text of a directory's path that no way to it touches a claim, and that none lies in it. It
//! holds as long as no claim, no link and no mount has been made in the session since, and the process has the same layers.
//! An entry is two words, which together tell the text and the moment; a half that was written by another thread fits nothing.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::claim;

/// How many are kept.
const MOST: usize = 256;

static ENTRIES: [[AtomicU64; 2]; MOST] = [const { [const { AtomicU64::new(0) }; 2] }; MOST];

/// Counts what changes in this process alone.
static CHANGES: AtomicU32 = AtomicU32::new(1);

/// Something has changed for this process alone: its layers, or its mounts.
pub fn change() {
    CHANGES.fetch_add(1, Ordering::AcqRel);
}

/// The moment: what is found out from now on is kept with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let session = claim::table().map_or(0, claim::Table::changes);
        Self(u64::from(CHANGES.load(Ordering::Acquire)) << 32 | u64::from(session))
    }
}

/// The text of a directory's path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key([u64; 2]);

impl Key {
    /// That of `name` from `base`.
    pub fn of(base: &[u8], name: &[u8]) -> Self {
        // FNV-1a, from two beginnings.
        let sum = |start: u64| {
            let bytes = base.iter().chain(b"/").chain(name);
            bytes.fold(start, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        Self([sum(0xcbf2_9ce4_8422_2325), sum(0x9e37_79b9_7f4a_7c15)])
    }

    fn words(self, moment: Moment) -> [u64; 2] {
        let mixed = moment.0.wrapping_add(1).wrapping_mul(0xff51_afd7_ed55_8ccd);
        [self.0[0], self.0[1] ^ mixed ^ mixed >> 32]
    }

    fn entry(self) -> &'static [AtomicU64; 2] {
        &ENTRIES[(self.0[0] ^ self.0[0] >> 32) as usize % MOST]
    }

    /// Whether it is known.
    pub fn is_known(self, moment: Moment) -> bool {
        let [first, second] = self.entry();
        [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)] == self.words(moment)
    }

    /// It is known from now on.
    pub fn note(self, moment: Moment) {
        let ([first, second], words) = (self.entry(), self.words(moment));
        first.store(words[0], Ordering::Relaxed);
        second.store(words[1], Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_of_one_text_at_one_moment() {
        let (here, there) = (Key::of(b"/usr", b"lib"), Key::of(b"/usr", b"share"));
        let (then, later) = (Moment(7 << 32 | 1), Moment(7 << 32 | 2));
        assert!(!here.is_known(then));
        here.note(then);
        assert!(here.is_known(then));
        assert!(!here.is_known(later) && !there.is_known(then));
        here.note(later);
        assert!(here.is_known(later) && !here.is_known(then));
    }
}
