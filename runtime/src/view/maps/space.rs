//! Whose mappings are read, and what of them is vload's.

use core::ffi::CStr;
use core::ops::Range;

use super::filter::entries;
use super::remote::Remote;
use crate::memory::guard::{self, Origin};
use crate::session;
use crate::sys::maps::Mapped;
use crate::sys::{self, Stat};
use crate::text;
use crate::view::{OWN, PROGRAM, pid_in_proc};
use linux_raw_sys::general::{O_CLOEXEC, O_PATH, PATH_MAX, TMPFS_MAGIC};

/// An address space of a process that vload runs.
pub struct Space {
    /// Another process's, or this one's.
    remote: Option<Remote>,
    /// The program's file.
    program: Option<Stat>,
    /// The session's inode.
    session: u64,
    /// The device that it lies on.
    device: (u64, u64),
}

impl Space {
    /// Of process `pid`, whose mappings `maps` has. `None` when vload does not run there, or does not
    /// let itself be asked.
    pub fn of(pid: i32, maps: &[u8]) -> Option<Self> {
        let (session, device) =
            sys::fstat(OWN.session.get()).map_or((0, 0), |stat| (stat.ino, stat.dev));
        let device = (device >> 32, device & 0xffff_ffff);
        let (remote, program) = if Some(pid) == pid_in_proc() {
            // Where it is not kept it may have another name by now.
            let kept = sys::fstat(OWN.program.get());
            (None, kept.or_else(|_| sys::stat(sys::CWD, PROGRAM.path())).ok())
        } else {
            let remote = Remote::of(pid, maps)?;
            let program = remote.program;
            (Some(remote), program)
        };
        Some(Self { remote, program, session, device })
    }

    /// The lowest range of vload's that has an address in `wanted`.
    pub fn first_in(&self, wanted: &Range<usize>) -> Option<Range<usize>> {
        match &self.remote {
            Some(remote) => remote.first_in(wanted),
            None => guard::first_in(wanted),
        }
    }

    /// What patched text in a mapping stands for.
    fn origin(&self, at: usize) -> Option<Origin> {
        match &self.remote {
            Some(remote) => remote.origin(at),
            None => guard::origin(at),
        }
    }

    /// Whether vload has made the mapping. One of the target's own, in place of patched text, is not.
    fn is_ours(&self, line: &Mapped<'_>) -> bool {
        !line.has_file()
            || line.inode == self.session
            || line.name.starts_with(b"/memfd:vload")
            || self.is_unnamed(line)
            || session::cache::holds(line.name)
    }

    /// Whether the mapping's file has no name and lies beside the session: what stands for a memfd where none can be had
    /// (`session/backing.rs`).
    fn is_unnamed(&self, line: &Mapped<'_>) -> bool {
        let name = line.name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        line.device == self.device && name.starts_with(b"#") && name.ends_with(b" (deleted)")
    }

    /// Whether pages of the mapping's file count as shared memory.
    pub fn is_shared_memory(&self, line: &Mapped<'_>) -> bool {
        line.has_file()
            && (line.inode == self.session
                || line.name.starts_with(b"/memfd:")
                || self.is_unnamed(line)
                || (session::cache::holds(line.name) && is_in_memory(line.name)))
    }

    /// The mapping as it would be without vload, and whether it is another.
    pub fn shown<'a>(&'a self, line: Mapped<'a>, text: &'a [u8]) -> (Mapped<'a>, bool) {
        let Some(Origin { device, inode, offset }) = self.origin(line.start) else {
            return (line, false);
        };
        if device == text::VDSO {
            let name = &b"[vdso]"[..];
            return (Mapped { offset: 0, device: (0, 0), inode: 0, name, ..line }, true);
        }
        if line.inode == inode || !self.is_ours(&line) {
            return (line, false);
        }
        let mut all = entries(text).map(|entry| entry.line);
        let (device, name) = match all.find(|other| other.inode == inode && !self.is_ours(other)) {
            Some(own) => (own.device, own.name),
            // None of the file's own mappings is left.
            None => {
                let known = self.program.filter(|stat| (stat.dev, stat.ino) == (device, inode));
                let path = match &self.remote {
                    Some(remote) => remote.path(),
                    None => PROGRAM.path().to_bytes(),
                };
                let name = known.map_or(&b""[..], |_| path);
                ((device >> 32, device & 0xffff_ffff), name)
            }
        };
        (Mapped { offset, device, inode, name, ..line }, true)
    }

    /// What of a mapping is not vload's. The kernel may have made one of two neighbours.
    pub fn parts<'a>(&self, line: &Mapped<'a>) -> impl Iterator<Item = Mapped<'a>> {
        let line = *line;
        let mut from = line.start;
        core::iter::from_fn(move || {
            while from < line.end {
                let own = self.first_in(&(from..line.end));
                let (to, next) = own.map_or((line.end, line.end), |own| (own.start, own.end));
                let start = core::mem::replace(&mut from, next);
                if start < to {
                    let skipped = if line.has_file() { (start - line.start) as u64 } else { 0 };
                    return Some(Mapped { start, end: to, offset: line.offset + skipped, ..line });
                }
            }
            None
        })
    }
}

/// Whether the file lies on a file system whose pages count as shared memory: the cache may.
fn is_in_memory(path: &[u8]) -> bool {
    let mut name = [0; PATH_MAX as usize];
    let Some(place) = name.get_mut(..path.len()) else { return false };
    place.copy_from_slice(path);
    let Ok(name) = CStr::from_bytes_until_nul(&name) else { return false };
    let Ok(fd) = sys::openat(sys::CWD, name, O_PATH | O_CLOEXEC, 0) else { return false };
    let kind = sys::file_system(fd);
    sys::close(fd);
    kind == Ok(TMPFS_MAGIC as usize)
}
