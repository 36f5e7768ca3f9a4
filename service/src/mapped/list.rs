//! Which mapping of the process is of which file. What the program has put something else in the place of may still be
//! here: an entry holds where the kernel has a mapping of the session's file.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use vload_module::{Errno, Result};

use super::{backing, changing, shown};
use crate::descriptor::temporary::{Alone, alone};

/// Mappings that a process can have.
const MOST: usize = 1024;

/// A mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it begins.
    pub start: usize,
    /// How long it is: whole pages; 0 for no mapping.
    pub length: usize,
    /// Where in the file it begins.
    pub offset: u64,
    /// How much of it was in the file when it was last looked at.
    pub there: usize,
    /// The number of the open file.
    pub number: u32,
    /// How often that record had been used.
    pub generation: u32,
    /// Whether the file is open to be written.
    pub to_write: bool,
    /// What keeps the file open; parts of what was one mapping have it together.
    pub anchor: usize,
    /// When it was entered.
    pub since: u64,
}

const NONE: Entry = Entry {
    start: 0,
    length: 0,
    offset: 0,
    there: 0,
    number: 0,
    generation: 0,
    to_write: false,
    anchor: 0,
    since: 0,
};

impl Entry {
    /// The address behind it.
    pub fn end(&self) -> usize {
        self.start + self.length
    }

    fn meets(&self, start: usize, end: usize) -> bool {
        self.length != 0 && self.start < end && start < self.end()
    }

    /// What is left of it without a range.
    fn without(self, start: usize, end: usize) -> [Self; 2] {
        let before = start.saturating_sub(self.start).min(self.length);
        let behind = self.end().saturating_sub(end).min(self.length);
        let skipped = self.length - behind;
        [
            Self { length: before, there: self.there.min(before), ..self },
            Self {
                start: self.start + skipped,
                length: behind,
                offset: self.offset + skipped as u64,
                there: self.there.saturating_sub(skipped),
                ..self
            },
        ]
    }
}

struct List([Entry; MOST]);
struct Shared(UnsafeCell<List>);

// SAFETY: it is used by who has the process alone, one at a time.
unsafe impl Sync for Shared {}

static LIST: Shared = Shared(UnsafeCell::new(List([NONE; MOST])));
/// One more than the highest place that was ever used.
static USED: AtomicUsize = AtomicUsize::new(0);
/// How many have ever been entered.
static ENTERED: AtomicU64 = AtomicU64::new(0);

/// Whether the process has, or had, any.
pub fn is_any() -> bool {
    USED.load(Ordering::Acquire) != 0
}

/// There will be: a copy of the process that is made before it is entered must know that it is there.
pub fn expect() {
    USED.fetch_max(1, Ordering::AcqRel);
}

/// Does something with the list. None for a process that has another's memory, and so the list of that one.
fn with<R>(act: impl FnOnce(&mut List, &Alone) -> R) -> Option<R> {
    let alone = alone()?;
    // SAFETY: nobody else is here as long as `alone` is there.
    Some(act(unsafe { &mut *LIST.0.get() }, &alone))
}

impl List {
    /// Replaces an entry by what is left of it, and takes its anchor away if nothing is.
    fn set(&mut self, at: usize, entry: Entry) {
        let anchor = self.0[at].anchor;
        self.0[at] = if entry.length == 0 { NONE } else { entry };
        if anchor != 0 && !self.0.iter().any(|other| other.anchor == anchor) {
            backing::weigh(anchor);
        }
    }

    fn add(&mut self, entry: Entry) {
        // There is room: all who add have looked.
        if let Some(free) = self.0.iter().position(|entry| entry.length == 0) {
            self.0[free] = entry;
            USED.fetch_max(free + 1, Ordering::AcqRel);
        }
    }

    /// Takes a range out of what was entered before.
    fn cut(&mut self, start: usize, end: usize, before: u64) {
        for at in 0..MOST {
            let entry = self.0[at];
            if !entry.meets(start, end) || entry.since >= before {
                continue;
            }
            let [first, rest] = entry.without(start, end);
            if first.length != 0 && rest.length != 0 {
                self.add(rest);
            }
            self.set(at, if first.length != 0 { first } else { rest });
        }
    }

    /// Whether there are so many free places, after a look at what the kernel has where there are not.
    fn has_room(&mut self, places: usize, alone: &Alone) -> Result<bool> {
        let free = |list: &Self| list.0.iter().filter(|entry| entry.length == 0).count() >= places;
        if free(self) {
            return Ok(true);
        }
        let mut is_there = [false; MOST];
        shown::each_alone(alone, |shown| {
            for (entry, is_there) in self.0.iter().zip(&mut is_there) {
                *is_there |= entry.meets(shown.start, shown.end);
            }
        })?;
        for (at, is_there) in is_there.iter().enumerate() {
            if !is_there && self.0[at].length != 0 {
                self.set(at, NONE);
            }
        }
        Ok(free(self))
    }
}

/// Whether one more can be entered.
pub fn has_room() -> Result<()> {
    let has_room = with(|list, alone| list.has_room(2, alone)).ok_or(Errno::NODEV)??;
    if has_room { Ok(()) } else { Err(Errno::NOMEM) }
}

/// Enters a mapping, which has taken the place of what was there.
pub fn enter(entry: Entry) -> Result<()> {
    with(|list, alone| {
        // Of what was there one mapping at most is cut in two.
        if !list.has_room(2, alone)? {
            return Err(Errno::NOMEM);
        }
        let since = now();
        list.cut(entry.start, entry.end(), u64::MAX);
        list.add(Entry { since, ..entry });
        ENTERED.store(since + 1, Ordering::Release);
        Ok(())
    })
    .ok_or(Errno::NODEV)?
}

/// What is entered from now on has at least this as [`Entry::since`].
pub fn now() -> u64 {
    ENTERED.load(Ordering::Acquire)
}

/// The program has unmapped a range, of what was entered before: whether anything of it was here.
pub fn leave(start: usize, end: usize, before: u64) -> bool {
    with(|list, alone| {
        let is_here = list.0.iter().any(|entry| entry.meets(start, end) && entry.since < before);
        // Where one would be cut in two, and has no place, it stays whole: it holds as far as the kernel has it.
        if is_here && list.has_room(1, alone) == Ok(true) {
            list.cut(start, end, before);
        }
        is_here
    })
    .unwrap_or(false)
}

/// Those of them that are meant, as they are when it is their turn.
pub fn those(are_meant: impl Fn(&Entry) -> bool) -> impl Iterator<Item = Entry> {
    let used = USED.load(Ordering::Acquire);
    let mut next = 0;
    core::iter::from_fn(move || {
        let (at, entry) = with(|list, _| {
            let mut rest = (next..used).map(|at| (at, list.0[at]));
            rest.find(|(_, entry)| entry.length != 0 && are_meant(entry))
        })??;
        next = at + 1;
        Some(entry)
    })
}

/// What a mapping is by now that may have been changed, or has lost parts.
pub fn again(entry: &Entry) -> Option<Entry> {
    with(|list, _| {
        let is_it = |other: &&Entry| other.start == entry.start && other.since == entry.since;
        list.0.iter().filter(|other| other.length != 0).find(is_it).copied()
    })?
}

/// Whether a mapping is as it was, of which that was found right after `since`. Who is about to change it for what the file was
/// before has to look again.
pub fn is_right(entry: &Entry, since: u64) -> bool {
    let is_same = |list: &mut List, alone: &Alone| {
        let is_same = list.0.contains(entry);
        if is_same {
            changing::changed(alone);
        }
        is_same
    };
    changing::is_still(since) || with(is_same).unwrap_or(true)
}

/// How a change of a mapping has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    /// This much of it is there now, at this count of changes.
    To(Entry, u64),
    /// Others were there first.
    Overtaken,
    /// It is somebody else's to do, or cannot be done.
    Left,
}

/// Has `act` change how much of a mapping is there, if all is as it was at `since` of [`changing::changes`], with nobody taking
/// mappings away meanwhile.
pub fn change(entry: &Entry, since: u64, act: impl FnOnce(&Alone) -> usize) -> Changed {
    let changed = with(|list, alone| {
        let Some(at) = list.0.iter().position(|other| other == entry) else {
            return Changed::Overtaken;
        };
        if changing::changes() != since {
            return Changed::Overtaken;
        }
        if !changing::is_quiet(alone) {
            return Changed::Left;
        }
        list.0[at].there = act(alone);
        changing::changed(alone);
        Changed::To(list.0[at], since + 1)
    });
    changed.unwrap_or(Changed::Left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_mapping() {
        let entry = |start, length, offset, there| Entry { start, length, offset, there, ..NONE };
        let old = entry(100, 50, 1000, 40);
        assert_eq!(old.without(110, 120), [entry(100, 10, 1000, 10), entry(120, 30, 1020, 20)]);
        assert_eq!(old.without(90, 110)[0].length, 0);
        assert_eq!(old.without(90, 110)[1], entry(110, 40, 1010, 30));
        assert_eq!(old.without(145, 165)[0], entry(100, 45, 1000, 40));
        assert_eq!(old.without(145, 165)[1].length, 0);
        assert_eq!(old.without(90, 290).map(|entry| entry.length), [0, 0]);
    }
}
