//! The claims of a session as they lie in its memory. All bytes zero are an empty table.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

use super::{Claim, LONGEST, MOUNTED, load};

/// Claims that a session can have.
const MOST: usize = 256;

/// A claim, or room for one.
#[repr(C)]
pub struct Record {
    /// When it was made; 0 where there is none. No two ever have the same, so who finds it unchanged has
    /// read one claim.
    epoch: AtomicU64,
    private: AtomicU64,
    layer: AtomicU32,
    flags: AtomicU32,
    length: AtomicU32,
    /// The view that it was made in, and [`MOUNTED`].
    origin: AtomicU32,
    path: [AtomicU8; LONGEST],
}

/// All claims of a session.
#[repr(C)]
pub struct Table {
    /// One more than the highest number that was ever used.
    used: AtomicU32,
    /// How often something has changed that a walk depends on: a claim, a link or a mount.
    changes: AtomicU32,
    records: [Record; MOST],
}

impl Record {
    /// When it was made; 0 where there is none.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The number of its layer.
    pub fn layer(&self) -> u32 {
        load(&self.layer)
    }

    /// The view that it was made in.
    pub fn view(&self) -> u32 {
        load(&self.origin) & !MOUNTED
    }

    /// Whether `mount` made it.
    pub fn is_mounted(&self) -> bool {
        load(&self.origin) & MOUNTED != 0
    }

    /// The claim that was made at `epoch`, if this is still it; its path is in `path` then.
    pub fn read(&self, number: u32, epoch: u64, path: &mut [u8; LONGEST]) -> Option<Claim> {
        if self.epoch() != epoch {
            return None;
        }
        let length = load(&self.length) as usize;
        for (to, from) in path.iter_mut().zip(self.path.get(..length)?) {
            *to = from.load(Ordering::Relaxed);
        }
        let claim = Claim {
            number,
            epoch,
            layer: self.layer(),
            flags: load(&self.flags),
            private: self.private.load(Ordering::Relaxed),
            length,
            mounted: self.is_mounted(),
        };
        fence(Ordering::Acquire);
        (self.epoch.load(Ordering::Relaxed) == epoch).then_some(claim)
    }

    /// Fills in a claim that nobody sees.
    pub fn fill(&self, path: &[u8], claim: &Claim, view: u32) {
        // A reader that is in the middle of what was here before finds the epoch changed.
        fence(Ordering::Release);
        for (to, &from) in self.path.iter().zip(path) {
            to.store(from, Ordering::Relaxed);
        }
        self.length.store(path.len() as u32, Ordering::Relaxed);
        self.layer.store(claim.layer, Ordering::Relaxed);
        self.flags.store(claim.flags, Ordering::Relaxed);
        self.private.store(claim.private, Ordering::Relaxed);
        let mounted = if claim.mounted { MOUNTED } else { 0 };
        self.origin.store(view | mounted, Ordering::Relaxed);
    }

    /// Shows it from now on, or, with 0, hides it.
    pub fn show(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }
}

impl Table {
    /// The claims that there may be, with their numbers.
    pub fn used(&self) -> impl Iterator<Item = (u32, &Record)> {
        let used = (self.used.load(Ordering::Acquire) as usize).min(MOST);
        self.records[..used].iter().enumerate().map(|(number, record)| (number as u32, record))
    }

    /// The claim of that number.
    pub fn record(&self, number: u32) -> Option<&Record> {
        self.records.get(number as usize)
    }

    /// How often something has changed that a walk depends on.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Something has changed that a walk depends on.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Room for one more.
    pub fn free(&self) -> Option<(u32, &Record)> {
        let mut all = self.records.iter().enumerate();
        all.find(|(_, record)| record.epoch() == 0).map(|(number, record)| (number as u32, record))
    }

    /// That number is used.
    pub fn note_used(&self, number: u32) {
        self.used.fetch_max(number + 1, Ordering::AcqRel);
    }
}
