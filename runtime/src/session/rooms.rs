//! The memory of layers. Each place of a layer's record keeps the part of the session's file that its layers have: the
//! next one has it, all zeros, when no process has it mapped any more.
//!
//! That is a fact of the kernel: a layer's part is mapped by an open file description of its own, with a lock on
//! the byte of its place, and memory keeps its description, over a fork as well (fcntl(2), `F_OFD_SETLK`). Who maps looks behind
//! that whether the record is still the layer's; who takes the part has written another epoch there before he asks for the lock.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::arena::{self, Stored};
use super::layers::Place;
use crate::sys::{self, Errno, Result};
use crate::view::OWN;

/// The bytes of the session's file, far behind its end, that are locked for places: behind those of views.
const BYTES: u64 = (1 << 62) + (1 << 16);

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
            || sys::is_byte_locked(OWN.session.get(), BYTES + index as u64)
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

    /// Maps `part` of it. [`Errno::NOENT`]: it is not the layer's any more, as `is_its` says.
    pub fn map(&self, index: usize, part: Stored, is_its: impl Fn() -> bool) -> Result<usize> {
        let session = OWN.session.get();
        let own = sys::reopen(session);
        let locked = own.and_then(|fd| sys::lock_byte(fd, BYTES + index as u64));
        if locked.is_err() {
            self.is_lost.store(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        let mapped = match is_its() {
            true => sys::map_shared(own.unwrap_or(session), part.offset, part.length, true),
            false => Err(Errno::NOENT),
        };
        let _ = own.map(sys::close);
        mapped
    }
}
