//! The paths of open files: short ones lie in the record, long ones in places that a record takes.
//!
//! A path changes when the file, or a directory above it, gets another name. It is written where nobody reads, and
//! becomes the path by one store; a reader has read one path when the word is still the same afterwards.
//!
//! Two may write: who has the record for itself, when it opens the file, and who holds the lock of names, later. The file may be
//! closed meanwhile, and the record be another's. So each of the two has room of its own, and the second changes the word
//! only if it is the one that it has seen.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use super::places::{PLACES, Paths, give_back, owner_of};
use super::record::MOST;
use crate::path::{LONGEST, Text};

/// Bytes of one that lies in the record.
const SHORT: usize = 160;

/// The path of an open file.
#[repr(C)]
pub struct Kept {
    /// A [`Word`].
    now: AtomicU64,
    /// The number of the place that is filled by who opens the file, plus one; 0 for none.
    next: AtomicU32,
    _reserved: u32,
    /// The first is written by who opens the file; the others by who holds the lock of names, one while the other is read.
    short: [[AtomicU8; SHORT]; 3],
}

/// Which path counts, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Word {
    /// The number of its place plus one; 0 when it lies in the record.
    place: u32,
    /// Which of the record's three.
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
const SHORT_BITS: u32 = 2;
const LENGTH_BITS: u32 = 13;
const VERSION_BITS: u32 = 25;

impl Word {
    fn pack(self) -> u64 {
        let fields = [
            (u64::from(self.version), VERSION_BITS),
            (self.behind as u64, LENGTH_BITS),
            (self.length as u64, LENGTH_BITS),
            (u64::from(self.gone), 1),
            (self.short as u64, SHORT_BITS),
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
            short: take(SHORT_BITS) as usize,
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

/// The path that a record had when somebody looked.
#[derive(Clone, Copy)]
pub struct Seen(u64);

impl Kept {
    fn word(&self) -> Word {
        Word::unpack(self.now.load(Ordering::Acquire))
    }

    /// Keeps `whole`, of which the claimed path is the first `behind` bytes, for record `number`, which the caller has
    /// for itself and which has no path. `names` says whether a record names a place. `false` when there is no room.
    pub fn keep(
        &self,
        paths: &Paths,
        number: u32,
        (whole, name): (&[u8], Name),
        names: impl Fn(u32, u32) -> bool,
    ) -> bool {
        let version = self.word().version.wrapping_add(1);
        let Some((place, to)) = self.room(paths, number, whole.len(), (0, &self.next), names)
        else {
            return false;
        };
        let word = write(whole, name, to, Word { place, short: 0, version, ..Word::default() });
        self.now.store(word.pack(), Ordering::SeqCst);
        self.next.store(0, Ordering::SeqCst);
        true
    }

    /// Room for a path: the number of a place, or 0 for the record's own.
    fn room<'a>(
        &'a self,
        paths: &'a Paths,
        number: u32,
        length: usize,
        (short, next): (usize, &AtomicU32),
        names: impl Fn(u32, u32) -> bool,
    ) -> Option<(u32, &'a [AtomicU8])> {
        match length {
            0..SHORT => Some((0, &self.short[short])),
            SHORT..LONGEST => paths.take(number, next, names),
            _ => None,
        }
    }

    /// What it is now.
    pub fn seen(&self) -> Seen {
        Seen(self.now.load(Ordering::SeqCst))
    }

    /// The same file has another path. Nothing happens if the path is not the one that was seen any more: the record is
    /// another file's. The caller holds the lock of names. Where there is no room nothing has the name any more.
    pub fn change(
        &self,
        paths: &Paths,
        (number, seen): (u32, Seen),
        (whole, name): (&[u8], Name),
        names: impl Fn(u32, u32) -> bool,
    ) {
        let old = Word::unpack(seen.0);
        let short = if old.short == 1 { 2 } else { 1 };
        let room = self.room(paths, number, whole.len(), (short, paths.next()), names);
        let Some((place, to)) = room else {
            // What one that was killed has left there is nobody's.
            paths.next().store(0, Ordering::SeqCst);
            return self.lose(seen);
        };
        let version = old.version.wrapping_add(1);
        let word = write(whole, name, to, Word { place, short, version, ..Word::default() });
        // As long as the path is the one that was seen, its place is the record's.
        let [before, after] = [old.place, place].map(|index| paths.owner(index));
        give_back(if self.put(seen, word) { before } else { after });
        paths.next().store(0, Ordering::SeqCst);
    }

    fn put(&self, seen: Seen, word: Word) -> bool {
        let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
        self.now.compare_exchange(seen.0, word.pack(), success, failure).is_ok()
    }

    /// Nothing has the name any more that was seen.
    pub fn lose(&self, seen: Seen) {
        let word = Word::unpack(seen.0);
        let word = Word { gone: true, version: word.version.wrapping_add(1), ..word };
        // Else the record is another file's.
        self.put(seen, word);
    }

    /// Whether it is in that place, or is being written there.
    pub fn names(&self, place: u32) -> bool {
        self.next.load(Ordering::SeqCst) == place || self.word().place == place
    }

    /// Record `number` becomes free: its place is too, and one that a process was killed in filling.
    pub fn drop_from(&self, paths: &Paths, number: u32) {
        loop {
            let seen = self.seen();
            let word = Word::unpack(seen.0);
            let place = paths.owner(word.place);
            let version = word.version.wrapping_add(1);
            // Who holds the lock of names may have changed it meanwhile.
            if self.put(seen, Word { version, ..Word::default() }) {
                give_back(place);
                break;
            }
        }
        let next = paths.owner(self.next.swap(0, Ordering::SeqCst));
        give_back(next.filter(|(_, owner)| owner_of(*owner) == Some(number)));
    }

    /// Whether it was that path, or one below it, and there.
    pub fn is_within(&self, paths: &Paths, seen: Seen, path: &[u8]) -> bool {
        let word = Word::unpack(seen.0);
        let Some(bytes) = self.bytes(paths, word).filter(|_| !word.gone) else { return false };
        let is_long_enough = word.length == path.len()
            || (word.length > path.len() && bytes[path.len()].load(Ordering::Relaxed) == b'/');
        is_long_enough
            && bytes.iter().zip(path).all(|(own, &byte)| own.load(Ordering::Relaxed) == byte)
    }

    fn bytes<'a>(&'a self, paths: &'a Paths, word: Word) -> Option<&'a [AtomicU8]> {
        match word.place.checked_sub(1) {
            None => self.short[word.short].get(..word.length),
            Some(index) => paths.bytes(index)?.get(..word.length),
        }
    }

    /// Reads it: the whole path. Without one it is the root.
    pub fn read(&self, paths: &Paths, to: &mut Text) -> Name {
        loop {
            if let Some(name) = self.read_seen(paths, self.seen(), to) {
                return name;
            }
        }
    }

    /// Reads what was seen; none when it is another one by now.
    pub fn read_seen(&self, paths: &Paths, seen: Seen, to: &mut Text) -> Option<Name> {
        let word = Word::unpack(seen.0);
        let bytes = self.bytes(paths, word).unwrap_or_default();
        let filled = to.fill(|room| {
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = from.load(Ordering::Relaxed);
            }
            Ok(bytes.len())
        });
        fence(Ordering::Acquire);
        let behind = if filled.is_ok() { word.behind } else { 0 };
        let name = Name { behind, gone: word.gone || filled.is_err() };
        (self.now.load(Ordering::Relaxed) == seen.0).then_some(name)
    }
}

/// Writes a path: the word that says so.
fn write(whole: &[u8], name: Name, to: &[AtomicU8], word: Word) -> Word {
    for (to, &from) in to.iter().zip(whole) {
        to.store(from, Ordering::Relaxed);
    }
    let behind = name.behind.min(whole.len());
    Word { gone: name.gone, length: whole.len(), behind, ..word }
}

const _: () = assert!(PLACES < MOST && SHORT.is_multiple_of(8));
const _: () = assert!(PLACES < 1 << PLACE_BITS && LONGEST < 1 << LENGTH_BITS);
const _: () = assert!(PLACE_BITS + SHORT_BITS + 1 + 2 * LENGTH_BITS + VERSION_BITS == u64::BITS);

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

    /// Changes it as who holds the lock of names does.
    fn change(paths: &Paths, kept: &Kept, whole: &[u8]) {
        kept.change(paths, (7, kept.seen()), (whole, HERE), |_, place| kept.names(place));
    }

    #[test]
    fn short_and_long_paths_come_back_in_two_parts() {
        let paths = empty::<Paths>();
        let kept = empty::<Kept>();
        let mut read = Text::root();
        assert!(kept.keep(&paths, 7, (b"/m/new", HERE), |_, _| false));
        for length in [2, SHORT - 1, SHORT, LONGEST - 1, 3, 5, LONGEST - 2] {
            let whole = path_of(length);
            change(&paths, &kept, &whole);
            assert_eq!(kept.read(&paths, &mut read), HERE);
            assert_eq!(read.bytes(), whole);
            let is_within = |path: &[u8]| kept.is_within(&paths, kept.seen(), path);
            assert!(is_within(&whole) && is_within(b"/m"));
            assert!(!is_within(b"/mx") && !is_within(b"/"));
        }
        // One that is too long has no name that could be told.
        change(&paths, &kept, &b"/".repeat(LONGEST));
        assert_eq!(kept.read(&paths, &mut read), Name { gone: true, ..HERE });
        kept.drop_from(&paths, 7);
        assert_eq!(paths.free(), PLACES);
        assert!(!kept.keep(&paths, 7, (&b"/".repeat(LONGEST), HERE), |_, _| false));
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
        let is_gone = |number: usize| {
            let kept = &all[number];
            kept.change(&paths, (number as u32, kept.seen()), (&whole, HERE), names);
            kept.read(&paths, &mut Text::root()).gone
        };
        // A longer one needs a second place while it is written.
        assert!(is_gone(0));
        all[3].drop_from(&paths, 3);
        assert!(!is_gone(1));
        assert!(all[PLACES].keep(&paths, PLACES as u32, (&whole, HERE), names));
        // One that was taken by a process that died before it could name it.
        all[5].now.store(0, Ordering::Relaxed);
        all[6].drop_from(&paths, 6);
        assert!(all[3].keep(&paths, 3, (&whole, HERE), names));
        assert!(all[6].keep(&paths, 6, (&whole, HERE), names));
    }

    #[test]
    fn a_record_that_is_another_files_by_now_is_left_alone() {
        let paths = empty::<Paths>();
        let kept = empty::<Kept>();
        let mut read = Text::root();
        let (short, long) = (path_of(20), path_of(SHORT + 7));
        for [first, second] in [[&short, &short], [&short, &long], [&long, &short], [&long, &long]]
        {
            assert!(kept.keep(&paths, 7, (first, HERE), |_, place| kept.names(place)));
            let seen = kept.seen();
            kept.drop_from(&paths, 7);
            assert!(kept.keep(&paths, 7, (second, HERE), |_, place| kept.names(place)));
            for to in [&b"/m/other"[..], &path_of(SHORT + 1)] {
                kept.change(&paths, (7, seen), (to, HERE), |_, place| kept.names(place));
            }
            kept.lose(seen);
            assert_eq!(kept.read_seen(&paths, seen, &mut read), None);
            assert_eq!(kept.read(&paths, &mut read), HERE);
            assert_eq!(read.bytes(), *second);
            kept.drop_from(&paths, 7);
            assert_eq!(paths.free(), PLACES);
        }
    }
}
