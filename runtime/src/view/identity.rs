//! Which program this process runs.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

use super::vector::CHANGED;
use crate::digits::decimal;
use crate::memory::guard::Peer;
use crate::session;
use crate::sys;

/// Longest path (`PATH_MAX`).
const PATH_MAX: usize = 4096;

/// The target's file.
pub struct Program {
    path: core::cell::UnsafeCell<[u8; PATH_MAX]>,
    length: AtomicUsize,
    /// Whether the framework has said where it lies.
    placed: AtomicBool,
    /// What the entries [`CHANGED`] of the auxiliary vector are to the program, where the kernel has others; else 0.
    changed: [AtomicUsize; CHANGED.len()],
    pid: AtomicI32,
    /// Its place in the session's table, plus one; 0 when it has none.
    place: AtomicU32,
}

// SAFETY: the path is written before the process has a second thread and only read afterwards.
unsafe impl Sync for Program {}

/// The program that this process runs.
pub static PROGRAM: Program = Program {
    path: core::cell::UnsafeCell::new([0; PATH_MAX]),
    length: AtomicUsize::new(0),
    placed: AtomicBool::new(false),
    changed: [const { AtomicUsize::new(0) }; CHANGED.len()],
    pid: AtomicI32::new(0),
    place: AtomicU32::new(0),
};

impl Program {
    /// Records the absolute path of the file, as the kernel would show it.
    ///
    /// # Safety
    /// The process must have one thread, which has not entered the target.
    pub unsafe fn set_path(&self, path: &[u8]) {
        let length = path.len().min(PATH_MAX - 1);
        // SAFETY: the caller's promise makes this the only access.
        let place = unsafe { &mut *self.path.get() };
        place[..length].copy_from_slice(&path[..length]);
        place[length] = 0;
        self.length.store(length, Ordering::Release);
        let members = session::members();
        let found = members.and_then(|members| members.place_of(self.path().to_bytes()));
        self.place.store(found.map_or(0, |at| at + 1), Ordering::Relaxed);
        self.note();
    }

    /// The path is the framework's, and not the kernel's.
    pub fn set_placed(&self) {
        self.placed.store(true, Ordering::Relaxed);
    }

    /// Whether the path is the framework's.
    pub fn is_placed(&self) -> bool {
        self.placed.load(Ordering::Relaxed)
    }

    /// Tells the session which program this process runs.
    fn note(&self) {
        if let (Some(place), Some(members)) = (self.place(), session::members()) {
            members.note(self.pid(), place);
        }
    }

    /// Records what an entry of the auxiliary vector, one of `CHANGED` (`vector.rs`), is to the program.
    pub fn set_changed(&self, kind: u32, value: usize) {
        if let Some(index) = CHANGED.iter().position(|changed| *changed == kind) {
            self.changed[index].store(value, Ordering::Relaxed);
        }
    }

    /// The entries `CHANGED`, where the kernel has others; else 0.
    pub fn changed(&self) -> [usize; CHANGED.len()] {
        self.changed.each_ref().map(|value| value.load(Ordering::Relaxed))
    }

    /// The same of the program that another process runs.
    pub fn changed_of(&self, peer: &Peer) -> sys::Result<[usize; CHANGED.len()]> {
        let mut changed = [0; CHANGED.len()];
        peer.read((&raw const self.changed).addr(), &mut changed)?;
        Ok(changed)
    }

    /// Copies the path of the program that another process runs; its length.
    pub fn of(&self, peer: &Peer, into: &mut [u8; PATH_MAX]) -> sys::Result<usize> {
        let mut length = [0usize; 1];
        peer.read((&raw const self.length).addr(), &mut length)?;
        let path = into.get_mut(..length[0]).ok_or(sys::Errno::NAMETOOLONG)?;
        peer.read(self.path.get().addr(), path)?;
        Ok(length[0])
    }

    /// The path; empty when it is not known.
    pub fn path(&self) -> &CStr {
        let length = self.length.load(Ordering::Acquire);
        // SAFETY: written before `length`, and not afterwards.
        let place = unsafe { &*self.path.get() };
        CStr::from_bytes_with_nul(&place[..=length]).unwrap_or(c"")
    }

    /// Its place in the session's table; `None` when it has none.
    pub fn place(&self) -> Option<u32> {
        self.place.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The process's id, asked once; a fork forgets it.
    pub fn pid(&self) -> i32 {
        let known = self.pid.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let pid = sys::getpid();
        self.pid.store(pid, Ordering::Relaxed);
        pid
    }

    /// After a fork the same program runs under another number.
    pub fn forked(&self) {
        self.pid.store(0, Ordering::Relaxed);
        self.note();
    }
}

/// The path of an open file, as `/proc` shows it; `None` without `/proc`. The thread may have descriptors of its own
/// (`unshare(2)`), and the process's first thread, whose `/proc/self` shows, may have ended.
pub fn path_of(fd: i32, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut line = crate::log::Line::new();
    line.text("/proc/thread-self/fd/").decimal(i64::from(fd)).raw(b"\0");
    let link = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    sys::readlink(sys::CWD, link, buffer).ok()
}

/// Whether process `pid` was executed as this one was: its file is vload's.
pub fn is_alike(pid: i32) -> bool {
    let mut line = crate::log::Line::new();
    line.text("/proc/").decimal(i64::from(pid)).raw(b"/exe\0");
    let Ok(theirs) = CStr::from_bytes_with_nul(line.bytes()) else { return false };
    let (mut a, mut b) = ([0; 512], [0; 512]);
    let theirs = sys::readlink(sys::CWD, theirs, &mut a);
    theirs.is_ok() && theirs == sys::readlink(sys::CWD, c"/proc/self/exe", &mut b)
}

/// This process's number in the `/proc` that it sees, which may be another pid namespace's; `None`
/// where there is none.
pub fn pid_in_proc() -> Option<i32> {
    let mut buffer = [0; 16];
    let link = sys::readlink(sys::CWD, c"/proc/self", &mut buffer).ok()?;
    decimal(link)
}
