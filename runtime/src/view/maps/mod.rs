//! `/proc/PID/maps` and its likes as they would be without vload.
//!
//! The descriptor is the kernel's, so all that is asked of it but its content is as it is natively: its
//! position too, which copies of it share. What is read comes from a text that is made when it is read
//! from the beginning, as the kernel makes one then, and kept until the descriptor is closed.

mod buffer;
mod filter;
mod line;
mod numa;
mod query;
mod read;
mod remote;
mod rollup;
mod space;
mod tally;

use buffer::Buffer;
pub use read::{CALLS, call, copied, forget, opened};

use super::{path_of, procfs};
use crate::log::Line;
use crate::memory::guard::Peer;
use crate::sys::{self, Errno, Result};
use core::ffi::CStr;
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
}

impl Kind {
    /// The file that the last part of a path names.
    pub fn named(path: &[u8]) -> Option<Self> {
        Some(match path.rsplit(|&byte| byte == b'/').next()? {
            b"maps" => Self::Maps,
            b"smaps" => Self::Smaps,
            b"smaps_rollup" => Self::Rollup,
            b"numa_maps" => Self::Numa,
            _ => return None,
        })
    }
}

/// The vload in process `pid`, if it is this one.
pub fn peer(pid: i32) -> Option<Peer> {
    let mut line = Line::new();
    line.text("/proc/").decimal(i64::from(pid)).raw(b"/maps\0");
    let path = CStr::from_bytes_with_nul(line.bytes()).ok()?;
    let fd = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
    let mut maps = Buffer::new().ok()?;
    let read = maps.read_all(fd);
    sys::close(fd);
    read.ok()?;
    remote::peer(pid, maps.bytes())
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
    let mut text = Buffer::new()?;
    text.read_all(fd)?;
    let mut other = Buffer::new()?;
    let maps = match kind {
        Kind::Maps | Kind::Smaps => text.bytes(),
        Kind::Rollup => beside(fd, c"smaps", &mut other)?,
        Kind::Numa => beside(fd, c"maps", &mut other)?,
    };
    // A process that vload does not run, and one that is gone, are as the kernel shows them.
    let Some(space) = Space::of(pid, maps) else { return Ok(text) };
    let mut out = Buffer::new()?;
    match kind {
        Kind::Maps | Kind::Smaps => filter::filter(maps, &space, &mut out)?,
        Kind::Rollup => rollup::filter(text.bytes(), maps, &space, &mut out)?,
        Kind::Numa => numa::filter(text.bytes(), maps, &space, &mut out)?,
    }
    Ok(out)
}

/// Reads the file `name` in the folder of the open file.
fn beside<'a>(fd: i32, name: &CStr, into: &'a mut Buffer) -> Result<&'a [u8]> {
    let mut buffer = [0; 256];
    let path = path_of(fd, &mut buffer).ok_or(Errno::NOENT)?;
    let folder = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let mut line = Line::new();
    line.raw(path.get(..folder).unwrap_or_default()).raw(name.to_bytes_with_nul());
    let path = CStr::from_bytes_with_nul(line.bytes()).map_err(|_| Errno::INVAL)?;
    let other = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0)?;
    let read = into.read_all(other);
    sys::close(other);
    read?;
    Ok(into.bytes())
}
