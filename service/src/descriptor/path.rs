//! The paths of open files: short ones lie in the record, long ones in places that a record takes.
//!
//! A path changes when the file, or a directory above it, gets another name. It is written where nobody reads, and
//! becomes the path by one store; a reader has read one path when the word is still the same afterwards.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use super::record::MOST;
use crate::path::{LONGEST, Text};

/// Bytes of one that lies in the record.
const SHORT: usize = 160;
/// How many long ones there can be.
const PLACES: usize = 256;

/// The path of an open file.
#[repr(C)]
pub struct Kept {
    /// A [`Word`].
    now: AtomicU64,
    /// The number of the place that is being filled, plus one; 0 for none.
    next: AtomicU32,
    _reserved: u32,
    /// Two, so that one can be written while the other is read.
    short: [[AtomicU8; SHORT]; 2],
}

/// Where long paths lie.
#[repr(C)]
pub struct Paths {
    places: [Place; PLACES],
}

#[repr(C)]
struct Place {
    /// The number of the record plus one; 0 for none.
    owner: AtomicU32,
    _reserved: u32,
    bytes: [AtomicU8; LONGEST],
}

/// Which path counts, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Word {
    /// The number of its place plus one; 0 when it lies in the record.
    place: u32,
    /// Which of the record's two.
    short: usize,
    /// Whether nothing has that name any more.
    gone: bool,
    length: usize,
    /// Where in it the claimed path ends.
    behind: usize,
    /// How often it has changed.
    version: u32,
}

const PLACE_BITS: u32 = 10;
const LENGTH_BITS: u32 = 13;
const VERSION_BITS: u32 = 26;

impl Word {
    fn pack(self) -> u64 {
        let fields = [
            (u64::from(self.version), VERSION_BITS),
            (self.behind as u64, LENGTH_BITS),
            (self.length as u64, LENGTH_BITS),
            (u64::from(self.gone), 1),
            (self.short as u64, 1),
            (u64::from(self.place), PLACE_BITS),
        ];
        fields.iter().fold(0, |word, (value, bits)| word << bits | value & ((1 << bits) - 1))
    }

    fn unpack(mut word: u64) -> Self {
        let mut take = |bits: u32| {
            let value = word & ((1 << bits) - 1);
            word >>= bits;
            value
        };
        Self {
            place: take(PLACE_BITS) as u32,
            short: take(1) as usize,
            gone: take(1) != 0,
            length: take(LENGTH_BITS) as usize,
            behind: take(LENGTH_BITS) as usize,
            version: take(VERSION_BITS) as u32,
        }
    }
}

/// What is known of a path that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// Where in it the claimed path ends.
    pub behind: usize,
    /// Whether nothing has that name any more.
    pub gone: bool,
}

impl Paths {
    /// How many places there are that nobody has.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.places.iter().filter(|place| place.owner.load(Ordering::Acquire) == 0).count()
    }

    /// Takes a place for record `number`, whose path `kept` is. The record names it first, so that an owner which
    /// does not name the place has lost it: its process died in between, or the record is another file's now.
    fn take(
        &self,
        number: u32,
        kept: &Kept,
        names: impl Fn(u32, u32) -> bool,
    ) -> Option<(u32, &Place)> {
        let current = kept.word().place;
        self.places.iter().zip(1u32..).filter(|(_, index)| *index != current).find_map(
            |(place, index)| {
                let owner = place.owner.load(Ordering::Acquire);
                if let Some(other) = owner.checked_sub(1)
                    && other != number
                    && names(other, index)
                {
                    return None;
                }
                kept.next.store(index, Ordering::SeqCst);
                place
                    .owner
                    .compare_exchange(owner, number + 1, Ordering::SeqCst, Ordering::Relaxed)
                    .ok()
                    .map(|_| (index, place))
            },
        )
    }

    fn give_back(&self, number: u32, index: u32) {
        let place = index.checked_sub(1).and_then(|index| self.places.get(index as usize));
        if let Some(place) = place {
            // Somebody who found that the record does not name it may have it by now.
            let _ =
                place.owner.compare_exchange(number + 1, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

impl Kept {
    fn word(&self) -> Word {
        Word::unpack(self.now.load(Ordering::Acquire))
    }

    /// Keeps `whole`, of which the claimed path is the first `behind` bytes, for record `number`. `names` says
    /// whether another record names a place. `false` when there is no room. One process does this at a time: the one
    /// that has the record for itself, or holds the lock of names.
    pub fn keep(
        &self,
        paths: &Paths,
        number: u32,
        (whole, name): (&[u8], Name),
        names: impl Fn(u32, u32) -> bool,
    ) -> bool {
        let old = self.word();
        let (place, short, to) = if whole.len() < SHORT {
            (0, old.short ^ 1, &self.short[old.short ^ 1][..])
        } else if whole.len() < LONGEST
            && let Some((index, place)) = paths.take(number, self, names)
        {
            (index, old.short, &place.bytes[..])
        } else {
            return false;
        };
        for (to, &from) in to.iter().zip(whole) {
            to.store(from, Ordering::Relaxed);
        }
        let word = Word {
            place,
            short,
            gone: name.gone,
            length: whole.len(),
            behind: name.behind.min(whole.len()),
            version: old.version.wrapping_add(1),
        };
        self.now.store(word.pack(), Ordering::Release);
        self.next.store(0, Ordering::SeqCst);
        paths.give_back(number, old.place);
        true
    }

    /// Nothing has the name any more.
    pub fn lose(&self) {
        let word = self.word();
        let word = Word { gone: true, version: word.version.wrapping_add(1), ..word };
        self.now.store(word.pack(), Ordering::Release);
    }

    /// Whether it is in that place, or is being written there.
    pub fn names(&self, place: u32) -> bool {
        self.next.load(Ordering::SeqCst) == place || self.word().place == place
    }

    /// Record `number` becomes free: its place is too, and one that a process was killed in filling.
    pub fn drop_from(&self, paths: &Paths, number: u32) {
        let word = self.word();
        self.now.store(Word { place: 0, length: 0, ..word }.pack(), Ordering::Release);
        paths.give_back(number, word.place);
        paths.give_back(number, self.next.swap(0, Ordering::SeqCst));
    }

    /// Whether it is that path, or one below it, and there.
    pub fn is_within(&self, paths: &Paths, path: &[u8]) -> bool {
        let word = self.word();
        let Some(bytes) = self.bytes(paths, word).filter(|_| !word.gone) else { return false };
        let is_long_enough = word.length == path.len()
            || (word.length > path.len() && bytes[path.len()].load(Ordering::Relaxed) == b'/');
        is_long_enough
            && bytes.iter().zip(path).all(|(own, &byte)| own.load(Ordering::Relaxed) == byte)
    }

    fn bytes<'a>(&'a self, paths: &'a Paths, word: Word) -> Option<&'a [AtomicU8]> {
        match word.place.checked_sub(1) {
            None => self.short[word.short].get(..word.length),
            Some(index) => paths.places.get(index as usize)?.bytes.get(..word.length),
        }
    }

    /// Reads it: the whole path. Without one it is the root.
    pub fn read(&self, paths: &Paths, to: &mut Text) -> Name {
        loop {
            let now = self.now.load(Ordering::Acquire);
            let word = Word::unpack(now);
            let bytes = self.bytes(paths, word).unwrap_or_default();
            let filled = to.fill(|room| {
                for (to, from) in room.iter_mut().zip(bytes) {
                    *to = from.load(Ordering::Relaxed);
                }
                Ok(bytes.len())
            });
            fence(Ordering::Acquire);
            if self.now.load(Ordering::Relaxed) == now {
                let behind = if filled.is_ok() { word.behind } else { 0 };
                return Name { behind, gone: word.gone || filled.is_err() };
            }
        }
    }
}

const _: () = assert!(PLACES < MOST && SHORT.is_multiple_of(8));
const _: () = assert!(PLACES < 1 << PLACE_BITS && LONGEST < 1 << LENGTH_BITS);
const _: () = assert!(PLACE_BITS + 2 + 2 * LENGTH_BITS + VERSION_BITS == u64::BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    const HERE: Name = Name { behind: 2, gone: false };

    fn empty<T>() -> Box<T> {
        // SAFETY: both types are atomics: all bytes zero are a value.
        unsafe { Box::<T>::new_zeroed().assume_init() }
    }

    fn path_of(length: usize) -> Vec<u8> {
        let mut path = [b"/m".to_vec(), b"/x".repeat(length / 2)].concat();
        path.truncate(length.max(2));
        path
    }

    #[test]
    fn short_and_long_paths_come_back_in_two_parts() {
        let paths = empty::<Paths>();
        let kept = empty::<Kept>();
        let mut read = Text::root();
        for length in [2, SHORT - 1, SHORT, LONGEST - 1, 3, 5, LONGEST - 2] {
            let whole = path_of(length);
            assert!(kept.keep(&paths, 7, (&whole, HERE), |_, _| false));
            assert_eq!(kept.read(&paths, &mut read), HERE);
            assert_eq!(read.bytes(), whole);
            assert!(kept.is_within(&paths, &whole) && kept.is_within(&paths, b"/m"));
            assert!(!kept.is_within(&paths, b"/mx") && !kept.is_within(&paths, b"/"));
        }
        assert!(!kept.keep(&paths, 7, (&b"/".repeat(LONGEST), HERE), |_, _| false));
        kept.lose();
        assert_eq!(kept.read(&paths, &mut read), Name { gone: true, ..HERE });
        kept.drop_from(&paths, 7);
        assert_eq!(paths.free(), PLACES);
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let paths = empty::<Paths>();
        let all: Vec<Box<Kept>> = (0..=PLACES).map(|_| empty::<Kept>()).collect();
        let whole = b"/".repeat(SHORT);
        let names =
            |other: u32, place| all.get(other as usize).is_some_and(|kept| kept.names(place));
        for (number, kept) in all.iter().enumerate() {
            let is_kept = kept.keep(&paths, number as u32, (&whole, HERE), names);
            assert_eq!(is_kept, number < PLACES);
        }
        // A longer one needs a second place while it is written.
        assert!(!all[0].keep(&paths, 0, (&whole, HERE), names));
        all[3].drop_from(&paths, 3);
        assert!(all[0].keep(&paths, 0, (&whole, HERE), names));
        assert!(all[PLACES].keep(&paths, PLACES as u32, (&whole, HERE), names));
        // One that was taken by a process that died before it could name it.
        all[5].now.store(0, Ordering::Relaxed);
        all[6].drop_from(&paths, 6);
        assert!(all[3].keep(&paths, 3, (&whole, HERE), names));
        assert!(all[6].keep(&paths, 6, (&whole, HERE), names));
    }
}
