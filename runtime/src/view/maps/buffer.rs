//! Text of any length in a mapping of its own: a vfork child comes here too, so there is no heap.

use crate::memory::guard;
use crate::sys::{self, Result};

/// Bytes that a buffer begins with.
const FIRST: usize = 64 << 10;

/// Text that grows.
pub struct Buffer {
    start: usize,
    room: usize,
    length: usize,
}

impl Buffer {
    /// Nothing yet.
    pub fn new() -> Result<Self> {
        let start = sys::map_anonymous(FIRST)?;
        guard::own(start, FIRST);
        Ok(Self { start, room: FIRST, length: 0 })
    }

    /// Makes sure that `more` bytes fit.
    fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.length + more;
        if needed > self.room {
            let room = needed.next_power_of_two();
            // SAFETY: the mapping is ours, and the old address is not kept.
            self.start = unsafe { guard::resize(self.start, self.room, room) }?;
            self.room = room;
        }
        Ok(())
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.reserve(bytes.len())?;
        // SAFETY: reserved just now; a slice of somebody else's does not overlap it.
        unsafe {
            let end = (self.start + self.length) as *mut u8;
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), end, bytes.len());
        }
        self.length += bytes.len();
        Ok(())
    }

    /// Adds all that can be read from `fd`, from its first byte on. It may tell of the buffer, which has lain in one place
    /// while it was read.
    pub fn read_all(&mut self, fd: i32) -> Result<()> {
        let start = self.length;
        loop {
            let room = self.room;
            self.read_from_first(fd)?;
            if self.room == room {
                return Ok(());
            }
            self.length = start;
        }
    }

    fn read_from_first(&mut self, fd: i32) -> Result<()> {
        const CHUNK: usize = 32 << 10;
        let mut offset = 0;
        loop {
            self.reserve(CHUNK)?;
            // SAFETY: reserved just now.
            let rest = unsafe {
                core::slice::from_raw_parts_mut((self.start + self.length) as *mut u8, CHUNK)
            };
            let more = sys::pread(fd, rest, offset)?;
            if more == 0 {
                return Ok(());
            }
            self.length += more;
            offset += more as u64;
        }
    }

    /// What was added.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: as many bytes were written.
        unsafe { core::slice::from_raw_parts(self.start as *const u8, self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: mapped by us; slices of it have ended.
        unsafe { guard::unmap(self.start, self.room) };
    }
}
