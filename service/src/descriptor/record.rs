//! The open files of a session, as they lie in its memory. All bytes zero are an empty table.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};

use vload_module::abi::service::File;

use super::path::Kept;
use super::places::Paths;

/// Open files that a session can have.
pub const MOST: usize = 4096;

/// Nobody has it.
pub const FREE: u32 = 0;
/// A module is being asked to open it.
pub const OPENING: u32 = 1;
/// It is an open file.
pub const OPEN: u32 = 2;
/// It is being filled in, and no module knows of it.
pub const TAKEN: u32 = 3;

/// An open file. Who holds the lock of its number may use it; who has taken that lock by another description,
/// because the one that held it is gone, may close it and make it free.
#[repr(C)]
pub struct Record {
    /// [`FREE`], [`TAKEN`], [`OPENING`] or [`OPEN`].
    pub state: AtomicU32,
    /// How often the record has been used: a part of the position of its placeholder.
    pub generation: AtomicU32,
    /// The number of the layer in the session.
    pub layer: AtomicU32,
    /// The number of the claim.
    pub claim: AtomicU32,
    /// A set of `FILE_*`.
    pub is: AtomicU32,
    /// The flags of `open(2)` as they are now.
    pub flags: AtomicI32,
    /// What the module wants to be remembered.
    pub private: AtomicU64,
    /// The word that the claim was made with.
    pub word: AtomicU64,
    /// Where the next `read` or `write` begins; in a directory, the next entry.
    pub position: AtomicI64,
    /// The device and the inode of the file, from when it is [`OPEN`] on; 0 where its module has no names that change, or
    /// no inodes.
    pub identity: [AtomicU64; 2],
    /// What the module is given while it opens and closes the file.
    pub file: Exclusive<File>,
    /// Its path.
    pub path: Kept,
}

/// Memory that is used by one at a time.
#[repr(transparent)]
pub struct Exclusive<T>(UnsafeCell<T>);

// SAFETY: all that is done with it is to take its address; who follows that must be the only one.
unsafe impl<T> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// Where it lies.
    pub fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// All open files of the session.
#[repr(C)]
pub struct Records {
    /// One more than the highest number that was ever used.
    used: AtomicU32,
    /// Where the look at those that nobody may have open any more goes on.
    hand: AtomicU32,
    /// Whether a process has ever taken a lock on a range for itself: 1.
    pub process_locks: AtomicU32,
    /// How many threads wait for files whose module says when they are ready.
    pub waiters: AtomicU32,
    /// Counts what is written to such files.
    pub written: AtomicU32,
    _reserved: u32,
    records: [Record; MOST],
    /// Where their paths lie.
    pub paths: Paths,
}

impl Records {
    /// The record of that number.
    pub fn get(&self, number: u32) -> Option<&Record> {
        self.records.get(number as usize)
    }

    /// The numbers that seem to be free, the lowest first.
    pub fn free(&self) -> impl Iterator<Item = u32> {
        let is_free = |record: &Record| record.state.load(Ordering::Relaxed) == FREE;
        self.records.iter().zip(0..).filter(move |(record, _)| is_free(record)).map(|(_, n)| n)
    }

    /// Whether a record's path is in that place.
    pub fn names(&self, number: u32, place: u32) -> bool {
        self.get(number).is_some_and(|record| record.path.names(place))
    }

    /// Notes that the number is used.
    pub fn note_used(&self, number: u32) {
        self.used.fetch_max(number + 1, Ordering::AcqRel);
    }

    /// Those that may be open.
    pub fn in_use(&self) -> impl Iterator<Item = u32> {
        let used = (self.used.load(Ordering::Acquire) as usize).min(MOST);
        let is_used = |record: &Record| record.state.load(Ordering::Acquire) != FREE;
        self.records[..used]
            .iter()
            .zip(0..)
            .filter(move |(record, _)| is_used(record))
            .map(|(_, n)| n)
    }

    /// One of those, in turn.
    pub fn next_in_turn(&self) -> Option<u32> {
        let used = self.used.load(Ordering::Acquire).clamp(1, MOST as u32);
        let number = self.hand.fetch_add(1, Ordering::Relaxed) % used;
        (self.get(number)?.state.load(Ordering::Acquire) != FREE).then_some(number)
    }
}
