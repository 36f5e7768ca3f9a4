//! The paths of open files: short ones lie in the record, long ones in places that a record takes.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

use super::record::{Exclusive, MOST};

/// Bytes of a path, with its zero (`PATH_MAX`, linux/limits.h).
const LONGEST: usize = 4096;
/// Bytes of one that lies in the record.
const SHORT: usize = 160;
/// How many long ones there can be.
const PLACES: usize = 256;

/// The path of an open file.
#[repr(C)]
pub struct Kept {
    /// Its length.
    length: AtomicU32,
    /// Where in it the claimed path ends.
    behind: AtomicU32,
    /// The number of its place plus one; 0 when it lies here.
    place: AtomicU32,
    _reserved: u32,
    short: Exclusive<[u8; SHORT]>,
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
    bytes: Exclusive<[u8; LONGEST]>,
}

/// All bytes of memory that one process writes and others read afterwards.
///
/// # Safety
/// `to` has room for `bytes` and a zero, and nobody else uses it.
unsafe fn store(to: *mut u8, bytes: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        to.add(bytes.len()).write(0);
    }
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
        of_other: impl Fn(u32) -> Option<u32>,
    ) -> Option<&Place> {
        self.places.iter().zip(1u32..).find_map(|(place, index)| {
            let owner = place.owner.load(Ordering::Acquire);
            if let Some(other) = owner.checked_sub(1)
                && other != number
                && of_other(other) == Some(index)
            {
                return None;
            }
            kept.place.store(index, Ordering::SeqCst);
            place
                .owner
                .compare_exchange(owner, number + 1, Ordering::SeqCst, Ordering::Relaxed)
                .ok()
                .map(|_| place)
        })
    }
}

impl Kept {
    /// Keeps `whole`, of which the claimed path is the first `behind` bytes, for record `number`. `of_other` says which
    /// place another record names. `false` when there is no room.
    ///
    /// # Safety
    /// The record is the caller's alone.
    pub unsafe fn keep(
        &self,
        paths: &Paths,
        number: u32,
        (whole, behind): (&[u8], usize),
        of_other: impl Fn(u32) -> Option<u32>,
    ) -> bool {
        let to = if whole.len() < SHORT {
            self.place.store(0, Ordering::Relaxed);
            self.short.get().cast::<u8>()
        } else if whole.len() < LONGEST
            && let Some(place) = paths.take(number, self, of_other)
        {
            place.bytes.get().cast::<u8>()
        } else {
            self.place.store(0, Ordering::Relaxed);
            return false;
        };
        // SAFETY: the room is longer than the path, and the record's, which is the caller's.
        unsafe { store(to, whole) };
        self.length.store(whole.len() as u32, Ordering::Relaxed);
        self.behind.store(behind.min(whole.len()) as u32, Ordering::Release);
        true
    }

    /// The place that it has.
    pub fn place(&self) -> u32 {
        self.place.load(Ordering::Acquire)
    }

    /// Record `number` becomes free: its place is too.
    pub fn drop_from(&self, paths: &Paths, number: u32) {
        if let Some(index) = self.place.swap(0, Ordering::AcqRel).checked_sub(1)
            && let Some(place) = paths.places.get(index as usize)
        {
            let _ =
                place.owner.compare_exchange(number + 1, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The whole path, and the part behind the claimed one.
    pub fn read<'a>(&'a self, paths: &'a Paths) -> (&'a CStr, &'a CStr) {
        let length = self.length.load(Ordering::Acquire) as usize;
        let behind = (self.behind.load(Ordering::Acquire) as usize).min(length);
        let (from, room) = match self.place().checked_sub(1) {
            None => (self.short.get().cast::<u8>(), SHORT),
            Some(index) => match paths.places.get(index as usize) {
                Some(place) => (place.bytes.get().cast::<u8>(), LONGEST),
                None => return (c"", c""),
            },
        };
        if length >= room {
            return (c"", c"");
        }
        // SAFETY: inside the room, which is written only while the record is one process's, before others know it.
        let bytes = unsafe { core::slice::from_raw_parts(from, length + 1) };
        let part =
            |from: usize| bytes.get(from..).and_then(|bytes| CStr::from_bytes_with_nul(bytes).ok());
        (part(0).unwrap_or_default(), part(behind).unwrap_or_default())
    }
}

const _: () = assert!(PLACES < MOST && SHORT.is_multiple_of(8));

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    fn empty<T>() -> Box<T> {
        // SAFETY: both types are atomics and bytes: all bytes zero are a value.
        unsafe { Box::<T>::new_zeroed().assume_init() }
    }

    #[test]
    fn short_and_long_paths_come_back_in_two_parts() {
        let paths = empty::<Paths>();
        let kept = empty::<Kept>();
        for length in [2, SHORT - 1, SHORT, LONGEST - 1] {
            let whole =
                [b"/m".to_vec(), b"/x".repeat(length / 2), b"y".repeat(length % 2)].concat();
            let whole = &whole[..length.max(2)];
            // SAFETY: the test's own.
            assert!(unsafe { kept.keep(&paths, 7, (whole, 2), |_| None) });
            let (all, behind) = kept.read(&paths);
            assert_eq!(all.to_bytes(), whole);
            assert_eq!(behind.to_bytes(), &whole[2..]);
        }
        let whole = b"/".repeat(LONGEST);
        // SAFETY: the test's own.
        assert!(!unsafe { kept.keep(&paths, 7, (&whole, 0), |_| None) });
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let paths = empty::<Paths>();
        let all: Vec<Box<Kept>> = (0..=PLACES).map(|_| empty::<Kept>()).collect();
        let whole = b"/".repeat(SHORT);
        let place = |other: u32| all.get(other as usize).map(|kept| kept.place());
        for (number, kept) in all.iter().enumerate() {
            // SAFETY: the test's own.
            let is_kept = unsafe { kept.keep(&paths, number as u32, (&whole, 0), place) };
            assert_eq!(is_kept, number < PLACES);
        }
        all[3].drop_from(&paths, 3);
        let last = &all[PLACES];
        // SAFETY: the test's own.
        assert!(unsafe { last.keep(&paths, PLACES as u32, (&whole, 0), place) });
        // One that was taken by a process that died before it could name it.
        all[5].place.store(0, Ordering::Relaxed);
        all[6].drop_from(&paths, 6);
        // SAFETY: the test's own.
        assert!(unsafe { all[3].keep(&paths, 3, (&whole, 0), place) });
        // SAFETY: the test's own.
        assert!(unsafe { all[6].keep(&paths, 6, (&whole, 0), place) });
    }
}
