//! The session's file: a header, an index of patched texts, and the texts.

use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::backing;
use super::members::Members;
use crate::layer::LAYERS;
use crate::memory::guard;
use crate::sys::{self, Errno, Result};
use crate::trace::counters::Counters;
use crate::view::OWN;

/// "vload" and the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"vload\0\0\x04");
/// Bytes of the file: sparse, so that only what is used takes memory.
const SIZE: u64 = 16 << 30;
/// What is tried when the limit does not allow that much.
const SMALL: u64 = 64 << 20;
/// Patched texts that the index can name.
const SLOTS: usize = 1024;
/// Bytes of the header with the index.
const HEADER: usize = size_of::<Session>().next_multiple_of(4096);

/// The header, as every member maps it.
#[repr(C)]
pub struct Session {
    magic: u64,
    size: u64,
    /// The first byte that is not used.
    used: AtomicU64,
    /// Where each layer's area begins; 0 for those that have none. The last is a run's of `vload bisect`.
    areas: [AtomicU64; LAYERS + 1],
    /// What a person has been told, a bit each.
    told: AtomicU64,
    index: [Slot; SLOTS],
    /// Which program each process runs.
    members: Members,
    /// What `trace -c` counts.
    pub counters: Counters,
}

/// One patched text. A member that dies while it fills a slot leaves it unusable, and nothing else.
#[repr(C)]
struct Slot {
    state: AtomicU32,
    _pad: u32,
    key: [AtomicU64; 6],
    offset: AtomicU64,
    length: AtomicU64,
}

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const READY: u32 = 2;

static SESSION: AtomicPtr<Session> = AtomicPtr::new(core::ptr::null_mut());

fn session() -> Option<&'static Session> {
    // SAFETY: set once to a mapping of at least a header that is never unmapped.
    unsafe { SESSION.load(Ordering::Acquire).as_ref() }
}

/// Which program each process of the session runs.
pub fn members() -> Option<&'static Members> {
    session().map(|session| &session.members)
}

/// The session's counters.
pub fn counters() -> Option<&'static Counters> {
    session().map(|session| &session.counters)
}

/// What a person is told once in a session.
#[derive(Clone, Copy)]
#[repr(u64)]
pub enum Told {
    /// That a program has lost its privilege.
    Privilege = 1,
}

/// Whether the caller is the first of the session to tell a person this.
pub fn is_first(what: Told) -> bool {
    let bit = what as u64;
    session().is_none_or(|session| session.told.fetch_or(bit, Ordering::Relaxed) & bit == 0)
}

/// Makes a session. The descriptor is close-on-exec until it is moved to where it stays.
pub fn create() -> Result<i32> {
    let (fd, size) = match backing::session_file(SIZE) {
        Ok(fd) => (fd, SIZE),
        Err(_) => (backing::session_file(SMALL)?, SMALL),
    };
    let start = sys::map_shared(fd, 0, HEADER, true)?;
    guard::own(start, HEADER);
    let header = start as *mut Session;
    // SAFETY: the mapping is fresh, zero and long enough; all zero is a valid `Session`.
    unsafe {
        (*header).size = size;
        (*header).used = AtomicU64::new(HEADER as u64);
        (*header).magic = MAGIC;
    }
    SESSION.store(header, Ordering::Release);
    Ok(fd)
}

/// Maps the session of the process that executed us.
pub fn join(fd: i32) -> Result<()> {
    let start = sys::map_shared(fd, 0, HEADER, true)?;
    let header = start as *mut Session;
    // SAFETY: as long as a header; the file was made by `create`, which is checked here.
    if unsafe { (*header).magic } != MAGIC {
        // SAFETY: mapped just now, and not used.
        unsafe { sys::munmap(start, HEADER) };
        return Err(Errno::INVAL);
    }
    guard::own(start, HEADER);
    SESSION.store(header, Ordering::Release);
    Ok(())
}

/// Leaves the session that was made last, which others may have joined.
///
/// # Safety
/// Nothing that it gave may be used any more.
pub unsafe fn leave() {
    let header = SESSION.swap(core::ptr::null_mut(), Ordering::AcqRel);
    if !header.is_null() {
        // SAFETY: mapped by `create`; the caller's promise.
        unsafe { guard::unmap(header as usize, HEADER) };
    }
}

/// Where bytes lie in the session's file.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Offset in the file, a multiple of the page size.
    pub offset: u64,
    /// Length in bytes.
    pub length: usize,
}

fn place(key: &[u64; 6]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for word in key {
        hash = (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29);
    }
    hash as usize % SLOTS
}

/// What is stored under `key`.
pub fn find(key: &[u64; 6]) -> Option<Stored> {
    let session = session()?;
    let start = place(key);
    for probe in 0..SLOTS {
        let slot = &session.index[(start + probe) % SLOTS];
        match slot.state.load(Ordering::Acquire) {
            EMPTY => return None,
            READY if slot.key.iter().zip(key).all(|(a, b)| a.load(Ordering::Relaxed) == *b) => {
                return Some(Stored {
                    offset: slot.offset.load(Ordering::Relaxed),
                    length: slot.length.load(Ordering::Relaxed) as usize,
                });
            }
            _ => {}
        }
    }
    None
}

impl Session {
    /// Takes a part of the file that nobody uses: where it begins.
    fn take(&self, length: usize) -> Result<u64> {
        let room = (length as u64).next_multiple_of(4096);
        let offset = self.used.fetch_add(room, Ordering::Relaxed);
        if offset + room > self.size {
            self.used.fetch_sub(room, Ordering::Relaxed);
            return Err(Errno::NOSPC);
        }
        Ok(offset)
    }
}

/// Gives layer `index` an area of zeros, by the process that begins the session.
pub fn reserve_area(index: usize, length: usize) -> Result<()> {
    let session = session().ok_or(Errno::NOSPC)?;
    let area = session.areas.get(index).ok_or(Errno::INVAL)?;
    area.store(session.take(length)?, Ordering::Release);
    Ok(())
}

/// Maps the area of layer `index`, in each program of the session.
pub fn map_area(index: usize, length: usize) -> Result<usize> {
    let area = session().and_then(|session| session.areas.get(index)).ok_or(Errno::NOSPC)?;
    match area.load(Ordering::Acquire) {
        0 => Err(Errno::INVAL),
        offset => {
            let start = sys::map_shared(OWN.session.get(), offset, length, true)?;
            guard::own(start, length);
            Ok(start)
        }
    }
}

/// Copies `bytes` into the session's file, known to nobody yet.
pub fn put(bytes: &[u8]) -> Result<Stored> {
    let session = session().ok_or(Errno::NOSPC)?;
    let offset = session.take(bytes.len())?;
    let start = sys::map_shared(OWN.session.get(), offset, bytes.len(), true)?;
    // SAFETY: the range of the file is ours alone since the addition, and mapped.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len());
        sys::munmap(start, bytes.len());
    }
    Ok(Stored { offset, length: bytes.len() })
}

/// Makes what was stored known under `key`. Two members may do so at once: one is found.
pub fn keep(key: &[u64; 6], stored: Stored) {
    let Some(session) = session() else { return };
    let start = place(key);
    for probe in 0..SLOTS {
        let slot = &session.index[(start + probe) % SLOTS];
        if slot.state.compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            for (place, word) in slot.key.iter().zip(key) {
                place.store(*word, Ordering::Relaxed);
            }
            slot.offset.store(stored.offset, Ordering::Relaxed);
            slot.length.store(stored.length as u64, Ordering::Relaxed);
            slot.state.store(READY, Ordering::Release);
            return;
        }
    }
}
