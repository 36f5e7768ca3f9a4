//! The session's file: a header, an index of patched texts, and the texts.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::backing;
use super::layers::Registry;
use super::members::Members;
use crate::layer::{self, FIXED};
use crate::memory::guard;
use crate::sys::{self, Errno, Result};
use crate::trace::counters::Counters;
use crate::view::OWN;

/// "vload" and the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"vload\0\0\x07");
/// Bytes of the file, the first that it can have: sparse, so that only what is used takes memory.
const SIZES: [u64; 3] = [8 << 40, 16 << 30, 64 << 20];
/// Patched texts that the index can name.
const SLOTS: usize = 1024;
/// Bytes of the header with the index.
const HEADER: usize = size_of::<Session>().next_multiple_of(4096);

/// The header, as every member maps it.
#[repr(C)]
pub struct Session {
    magic: u64,
    size: u64,
    /// When it began, in seconds since 1970.
    since: u64,
    /// The first byte that is not used.
    used: AtomicU64,
    /// Where each layer's area begins; 0 for those that have none. The last is a run's of `vload bisect`.
    areas: [AtomicU64; FIXED + 1],
    /// What a person has been told, a bit each.
    told: AtomicU64,
    index: [Slot; SLOTS],
    /// Its views and layers.
    registry: Registry,
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

/// The session's views and layers.
pub(super) fn registry() -> Option<&'static Registry> {
    session().map(|session| &session.registry)
}

/// When the session began, in seconds since 1970.
pub fn since() -> u64 {
    session().map_or(0, |session| session.since)
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
    /// That a process is traced by its parent.
    Traced = 2,
}

/// Whether the caller is the first of the session to tell a person this.
pub fn is_first(what: Told) -> bool {
    let bit = what as u64;
    session().is_none_or(|session| session.told.fetch_or(bit, Ordering::Relaxed) & bit == 0)
}

/// Makes a session. The descriptor is close-on-exec until it is moved to where it stays.
pub fn create() -> Result<i32> {
    let mut made = Err(Errno::NOSPC);
    for size in SIZES {
        made = backing::session_file(size).map(|fd| (fd, size));
        if made.is_ok() {
            break;
        }
    }
    let (fd, size) = made?;
    let start = sys::map_shared(fd, 0, HEADER, true)?;
    guard::own(start, HEADER);
    let header = start as *mut Session;
    // SAFETY: the mapping is fresh, zero and long enough; all zero is a valid `Session`.
    unsafe {
        (*header).size = size;
        (*header).since = sys::now().unwrap_or(0) as u64 / 1_000_000_000;
        (*header).used = AtomicU64::new((HEADER + layer::TABLES) as u64);
        (*header).registry.begin();
        (*header).registry.begin_views(HEADER as u64);
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
        // By one store: who is killed has taken what there was, or nothing.
        let end = |used: u64| used.checked_add(room).filter(|&end| end <= self.size);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end);
        taken.map_err(|_| Errno::NOSPC)
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
    let stored = room(bytes.len() as u64)?;
    fill(stored, bytes)?;
    Ok(stored)
}

/// Copies `bytes` into the session's file, known under `key` from then on. `spare` places of the index are left free.
///
/// [`Errno::NOSPC`]: there is no room. What nobody would find again would take memory each time that it is put there.
pub fn put_known(key: &[u64; 6], bytes: &[u8], spare: usize) -> Result<Stored> {
    let session = session().ok_or(Errno::NOSPC)?;
    let is_free = |slot: &&Slot| slot.state.load(Ordering::Relaxed) == EMPTY;
    if session.index.iter().filter(is_free).count() <= spare {
        return Err(Errno::NOSPC);
    }
    let stored = put(bytes)?;
    keep(key, stored);
    Ok(stored)
}

/// A part of the file that nobody uses, all zeros.
pub(super) fn room(length: u64) -> Result<Stored> {
    let session = session().ok_or(Errno::NOSPC)?;
    let length = usize::try_from(length).map_err(|_| Errno::NOSPC)?;
    let offset = if length == 0 { 0 } else { session.take(length)? };
    Ok(Stored { offset, length })
}

/// Copies `bytes` into a part of the file that is the caller's alone.
pub(super) fn fill(stored: Stored, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let length = bytes.len().min(stored.length);
    let start = sys::map_shared(OWN.session.get(), stored.offset, length, true)?;
    // SAFETY: the range of the file is the caller's alone, and mapped.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, length);
        sys::munmap(start, length);
    }
    Ok(())
}

/// The bytes of a part of the file.
pub fn bytes(stored: Stored) -> Result<Vec<u8>> {
    if stored.length == 0 {
        return Ok(Vec::new());
    }
    let start = sys::map_shared(OWN.session.get(), stored.offset, stored.length, false)?;
    // SAFETY: mapped just now, and as long.
    let mapped = unsafe { core::slice::from_raw_parts(start as *const u8, stored.length) };
    let copied = mapped.into();
    // SAFETY: nothing refers to it any more.
    unsafe { sys::munmap(start, stored.length) };
    Ok(copied)
}

/// Gives the memory of a part of the file back. It reads as zeros from then on.
pub(super) fn free(stored: Stored) -> Result<()> {
    match stored.length {
        0 => Ok(()),
        // Only whole pages are given back.
        length => sys::punch(OWN.session.get(), stored.offset, length.next_multiple_of(4096)),
    }
}

/// The same, for who can do no more than say that it has failed.
pub(super) fn give_back(stored: Stored) {
    if let Err(error) = free(stored) {
        crate::log!(Warn, "memory of the session stays in use: {}", error.text());
    }
}

/// What tells bytes from others.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
