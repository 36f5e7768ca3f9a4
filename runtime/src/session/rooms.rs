//! The memory of layers. Each place of a layer's record keeps the part of the session's file that its layers have: the
//! next one has it, all zeros, when no process has it mapped any more.
//!
//! That is a fact of the kernel: beside a layer's part lies an *anchor*, a page without any right of a fresh description of the
//! placeholders' file, with a lock on the byte of its place, and memory keeps its description, over a fork as well (fcntl(2),
//! `F_OFD_SETLK`). The part itself is mapped by the session's own descriptor: a process that closes another of that file loses the
//! locks that the program has on virtual files (`F_SETLK`). Who maps looks behind the lock whether the record is still the layer's;
//! who takes the part has written another epoch there before he asks for the lock.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::arena::{self, Stored};
use super::records::Place;
use crate::sys::{self, Errno, Result};
use crate::view::OWN;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ,
    PROT_WRITE,
};

/// The bytes of the placeholders' file that are locked for places: behind those that say which files are open, and below those of
/// files that are mapped.
const BYTES: u64 = 1 << 60;
/// What lies behind a layer's part.
pub const ANCHOR: usize = 4096;

/// What a place keeps. All zero bytes are nothing.
#[repr(C)]
pub(super) struct Room {
    place: Place,
    /// Not 0: some process has it mapped without a lock, for want of `/proc` or of descriptors.
    is_lost: AtomicU64,
}

impl Room {
    /// How well it fits a layer that needs `length` bytes, the best being the least: what is there and not much too long,
    /// nothing yet, what is too long, and what cannot be used.
    pub fn fit(&self, index: usize, length: usize) -> usize {
        match self.place.get().length {
            0 => usize::MAX / 4,
            room if room < length || self.is_in_use(index) => usize::MAX,
            room if room / 4 > length => usize::MAX / 4 + room,
            room => room,
        }
    }

    fn is_in_use(&self, index: usize) -> bool {
        self.is_lost.load(Ordering::Relaxed) != 0
            || sys::is_byte_locked(OWN.placeholders.get(), BYTES + index as u64)
    }

    /// So many bytes, all zeros, for a layer whose epoch is in the record.
    pub fn take(&self, index: usize, length: usize) -> Result<Stored> {
        let kept = self.place.get();
        fence(Ordering::SeqCst);
        let fits = kept.length >= length && !self.is_in_use(index);
        // A thread that was still in a call of the layer before may have written there.
        if !fits || arena::free(kept).is_err() {
            self.place.set(Stored { offset: 0, length: 0 });
            self.is_lost.store(0, Ordering::Relaxed);
            self.place.set(arena::room(length.next_multiple_of(4096) as u64)?);
        }
        Ok(Stored { length, ..self.place.get() })
    }

    /// Gives the memory back, and keeps its place in the file.
    pub fn clear(&self) {
        arena::give_back(self.place.get());
    }

    /// Maps `part` of it, and [`ANCHOR`] bytes behind. [`Errno::NOENT`]: it is not the layer's any more, as `is_its` says.
    pub fn map(&self, index: usize, part: Stored, is_its: impl Fn() -> bool) -> Result<usize> {
        let anchor = sys::reopen(OWN.placeholders.get());
        let locked = anchor.and_then(|fd| sys::lock_byte(fd, BYTES + index as u64));
        if locked.is_err() {
            self.is_lost.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        let mapped = match is_its() {
            true => map_both(part, locked.and(anchor)),
            false => Err(Errno::NOENT),
        };
        let _ = anchor.map(sys::close);
        mapped
    }
}

/// Maps a part of the session's file, and the anchor behind it, if there is one.
fn map_both(part: Stored, anchor: Result<i32>) -> Result<usize> {
    let reserved = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // SAFETY: without MAP_FIXED the kernel takes unused addresses, and what replaces them is inside.
    unsafe {
        let start = sys::mmap(0, part.length + ANCHOR, PROT_NONE, reserved, -1, 0)?;
        let (shared, all) = (MAP_SHARED | MAP_FIXED, PROT_READ | PROT_WRITE);
        let session = OWN.session.get();
        let mapped = sys::mmap(start, part.length, all, shared, session, part.offset);
        let anchored = anchor.map_or(Ok(0), |fd| {
            let private = MAP_PRIVATE | MAP_FIXED;
            sys::mmap(start + part.length, ANCHOR, PROT_NONE, private, fd, 0)
        });
        if let Err(error) = mapped.and(anchored) {
            sys::munmap(start, part.length + ANCHOR);
            return Err(error);
        }
        Ok(start)
    }
}
