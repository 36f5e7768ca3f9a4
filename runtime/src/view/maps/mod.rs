//! `/proc/PID/maps`, and what else tells of memory and signals, as they would be without vload.
//!
//! The descriptor is the kernel's, so all that is asked of it but its content is as it is natively: its
//! position too, which copies of it share. What is read comes from a text that is made when it is read
//! from the beginning, as the kernel makes one then, and kept until the descriptor is closed.

pub mod asleep;
mod buffer;
mod counts;
mod filter;
mod line;
mod numa;
mod query;
mod read;
mod records;
mod remote;
mod rollup;
mod sequence;
mod space;
mod state;
mod tally;

pub use buffer::Buffer;
pub use read::{CALLS, call, copied, forget, opened, share};

use super::identity::is_alike;
use super::{hidden, path_of, pid_in_proc, procfs, vector};
use crate::arch;
use crate::digits::decimal;
use crate::log::Line;
use crate::memory::guard::Peer;
use crate::signal::Believed;
use crate::sys::{self, Errno, Result};
use crate::thread::Block;
use core::ffi::CStr;
use counts::Counts;
use linux_raw_sys::general::{O_CLOEXEC, O_RDONLY};
use space::Space;

/// Which of the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// `maps`.
    Maps,
    /// `smaps`.
    Smaps,
    /// `smaps_rollup`.
    Rollup,
    /// `numa_maps`.
    Numa,
    /// `stat`.
    Stat,
    /// `statm`.
    Statm,
    /// `status`.
    Status,
    /// `auxv`.
    Vector,
    /// `syscall`.
    Call,
    /// `fd`, a folder: its length is how many descriptors there are (`hidden::uncount`).
    Descriptors,
}

impl Kind {
    /// The file that the last part of a path names.
    pub fn named(path: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Kind); 10] = [
            (b"maps", Kind::Maps),
            (b"smaps", Kind::Smaps),
            (b"smaps_rollup", Kind::Rollup),
            (b"numa_maps", Kind::Numa),
            (b"stat", Kind::Stat),
            (b"statm", Kind::Statm),
            (b"status", Kind::Status),
            (b"auxv", Kind::Vector),
            (b"syscall", Kind::Call),
            (b"fd", Kind::Descriptors),
        ];
        let (_, name) = procfs::split(path);
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// The vload in process `pid`, if it is this one.
pub fn peer(pid: i32) -> Option<Peer> {
    remote::peer(pid, maps_of(pid)?.bytes())
}

fn maps_of(pid: i32) -> Option<Buffer> {
    let mut line = Line::new();
    line.text("/proc/").decimal(i64::from(pid)).raw(b"/maps\0");
    let path = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    let fd = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
    let mut maps = Buffer::new().ok()?;
    let read = maps.read_all(fd);
    sys::close(fd);
    read.ok()?;
    Some(maps)
}

/// Which of the files an open descriptor is, and of which process.
fn kind_of(fd: i32) -> Option<(Kind, i32)> {
    let mut buffer = [0; 256];
    let path = path_of(fd, &mut buffer)?;
    let kind = Kind::named(path)?;
    let pid = procfs::process_of(path)?;
    procfs::is_proc(fd).then_some((kind, pid))
}

/// What the target shall read of the descriptor.
fn content(fd: i32, (kind, pid): (Kind, i32)) -> Result<Buffer> {
    if matches!(kind, Kind::Stat | Kind::Statm | Kind::Status | Kind::Vector | Kind::Call) {
        return state_of(fd, kind, pid);
    }
    let mut text = Buffer::new()?;
    text.read_all(fd)?;
    let mut other = Buffer::new()?;
    let maps = match kind {
        Kind::Rollup => beside(fd, c"smaps", &mut other)?,
        Kind::Numa => beside(fd, c"maps", &mut other)?,
        _ => text.bytes(),
    };
    // A process that vload does not run, and one that is gone, are as the kernel shows them.
    let Some(space) = Space::of(pid, maps) else { return Ok(text) };
    let mut out = Buffer::new()?;
    match kind {
        Kind::Maps | Kind::Smaps => filter::filter(maps, &space, &mut out)?,
        Kind::Rollup => rollup::filter(text.bytes(), maps, &space, &mut out)?,
        _ => numa::filter(text.bytes(), maps, &space, &mut out)?,
    }
    Ok(out)
}

/// What the target shall read of a descriptor that shows no mappings. Who may see it may not see all that this takes,
/// and then reads what the kernel says.
fn state_of(fd: i32, kind: Kind, pid: i32) -> Result<Buffer> {
    // What is counted is there before it is counted.
    let [mut text, mut maps, mut out] = [Buffer::new()?, Buffer::new()?, Buffer::new()?];
    let is_own = Some(pid) == pid_in_proc();
    let is_known = (is_own || is_alike(pid)) && read_beside(fd, c"maps", &mut maps).is_ok();
    text.read_all(fd)?;
    let peer = if is_own { None } else { remote::peer(pid, maps.bytes()) };
    if is_known
        && (is_own || peer.is_some())
        && write_state(fd, kind, pid, peer.as_ref(), [text.bytes(), maps.bytes()], &mut out).is_ok()
    {
        return Ok(out);
    }
    Ok(text)
}

fn write_state(
    fd: i32,
    kind: Kind,
    pid: i32,
    peer: Option<&Peer>,
    [text, maps]: [&[u8]; 2],
    out: &mut Buffer,
) -> Result<()> {
    if kind == Kind::Vector {
        return vector::filter(text, peer, out);
    }
    let space = Space::of(pid, maps).ok_or(Errno::SRCH)?;
    let mut path = [0; 256];
    let thread = path_of(fd, &mut path).and_then(procfs::thread_of).unwrap_or(pid);
    // In another pid namespace's `/proc` this process has another number.
    let thread = if peer.is_none() && thread == pid { sys::getpid() } else { thread };
    if kind == Kind::Call {
        return asleep::filter(text, thread, &space, peer, out);
    }
    let own = Counts::of(fd, maps, &space);
    if kind == Kind::Statm {
        return state::statm(text, &own, out);
    }
    let signals = Believed::of(peer, thread)?;
    match kind {
        Kind::Stat => state::stat(text, &own, &signals, out),
        _ => state::status(text, &own, &signals, &|room| table(fd, peer, room), out),
    }
}

/// How many descriptors there is room for, without vload's: if those are why the kernel's table has `room`, as
/// many as the program's ask for (`alloc_fdtable`, fs/file.c).
fn table(fd: i32, peer: Option<&Peer>, room: u64) -> u64 {
    // SAFETY: a bound block has its descriptors.
    let own = || unsafe { &*Block::own().descriptors }.all().map(super::Slot::get);
    let own = peer.map_or_else(own, hidden::of_peer);
    let needed = |fd: i32| {
        let least = u64::from(arch::kernel_bits());
        let needed = fd as u64 + 1;
        if needed <= least { least } else { needed.next_power_of_two().max(8192 / least) }
    };
    if own.into_iter().max().is_none_or(|highest| highest < 0 || room > needed(highest)) {
        return room;
    }
    let Ok(folder) = open_beside(fd, c"fd") else { return room };
    let mut highest = 0;
    let listed = sys::list(folder, &mut |name| {
        let number = decimal::<i32>(name.to_bytes());
        let is_folder = |number| peer.is_none() && number == folder;
        if let Some(number) = number.filter(|number| !own.contains(number) && !is_folder(*number)) {
            highest = number.max(highest);
        }
    });
    sys::close(folder);
    listed.map_or(room, |()| needed(highest))
}

/// Opens `name` in the folder of the open file.
fn open_beside(fd: i32, name: &CStr) -> Result<i32> {
    let mut buffer = [0; 256];
    let path = path_of(fd, &mut buffer).ok_or(Errno::NOENT)?;
    let folder = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut line = Line::new();
    line.raw(path.get(..folder).unwrap_or_default()).raw(name.to_bytes_with_nul());
    let path = CStr::from_bytes_with_nul(line.bytes()).map_err(|_| Errno::INVAL)?;
    sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0)
}

/// Reads the file `name` in the folder of the open file.
fn read_beside(fd: i32, name: &CStr, into: &mut Buffer) -> Result<()> {
    let other = open_beside(fd, name)?;
    let read = into.read_all(other);
    sys::close(other);
    read
}

fn beside<'a>(fd: i32, name: &CStr, into: &'a mut Buffer) -> Result<&'a [u8]> {
    read_beside(fd, name, into)?;
    Ok(into.bytes())
}
