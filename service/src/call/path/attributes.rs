//! What is known of a file, and changed of it.

use core::ffi::c_long;

use abi::{Arg, Service, Struct};
use linux_raw_sys::general as nr;
use vload_module::abi::service::{Node, ServiceOperations, Stat, StatFs};
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use super::{AT, Answer, only, times};
use crate::call::fd::attributes as open_file;
use crate::call::layout;
use crate::claim::target::{is_directory, is_link};
use crate::descriptor::Held;
use crate::path::permission::{Credentials, WRITE};
use crate::path::tree::known_place;
use crate::path::{LONGEST, Text, proc};
use crate::vload;

/// Set-user-id, set-group-id.
const SUID: u32 = 0o4000;
const SGID: u32 = 0o2000;

impl Spot {
    /// What is known of the file; `ENOTDIR` when it is none where a slash wants a directory.
    pub fn stat(&self, path: &Text) -> Result<Stat> {
        let known = self.target.stat(path)?;
        if self.place.slash && !is_directory(known.mode) { Err(Errno::NOTDIR) } else { Ok(known) }
    }
}

/// The structure that the call fills in, and where.
fn form(asked: &Asked<'_>) -> (Struct, usize) {
    let args = asked.described.args().iter().zip(asked.call.arguments);
    let mut outs = args.filter_map(|(arg, value)| match arg {
        Arg::Out(form) => Some((*form, value)),
        _ => None,
    });
    outs.next_back().unwrap_or((Struct::Stat, 0))
}

/// `stat`, `lstat`, `fstatat`, `statx` and their older forms.
pub fn stat(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let (form, to) = form(asked);
    let flags = asked.at_flags();
    only(flags, AT | nr::AT_NO_AUTOMOUNT | nr::AT_STATX_SYNC_TYPE)?;
    if form == Struct::Statx && flags & nr::AT_STATX_SYNC_TYPE == nr::AT_STATX_SYNC_TYPE {
        return Err(Errno::INVAL);
    }
    put(form, to, &spot.stat(path)?)
}

fn put(form: Struct, to: usize, known: &Stat) -> Result<usize> {
    match form {
        Struct::Statx => layout::put_statx(to, known)?,
        _ => layout::put_stat(form, to, known)?,
    }
    Ok(0)
}

/// `access`, `faccessat`, `faccessat2`.
pub fn access(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Mode).ok_or(Errno::INVAL)?;
    let mode = asked.call.arguments[index] as u32;
    only(mode, 7)?;
    let flags = asked.at_flags();
    only(flags, AT | nr::AT_EACCESS)?;
    let known = spot.stat(path)?;
    if mode == 0 {
        return Ok(0);
    }
    if flags & nr::AT_EACCESS != 0 {
        spot.target.permit(path, &known, mode)?;
        return Ok(0);
    }
    let answered = spot.target.ask(path, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.access?)(node, mode as i32) }))
    });
    match answered {
        Err(Errno::NOSYS) => Credentials::real().check(&known, mode)?,
        other => drop(other?),
    }
    Ok(0)
}

/// Where the text of a link goes, and how much of it.
fn room(asked: &Asked<'_>) -> Result<(usize, usize)> {
    let last = asked.described.args().len() - 1;
    let (to, room) = (asked.call.arguments[last - 1], asked.call.arguments[last] as i32);
    if room <= 0 { Err(Errno::INVAL) } else { Ok((to, room as usize)) }
}

/// `readlink`, `readlinkat`.
pub fn readlink(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let (to, room) = room(asked)?;
    if !is_link(spot.stat(path)?.mode) {
        return Err(Errno::INVAL);
    }
    let mut link = [0; LONGEST];
    let length = spot.target.readlink(path, &mut link)?.min(room);
    vload::put_bytes(to, &link[..length])?;
    Ok(length)
}

/// The same of a real path: a link of `/proc` may jump to what the kernel does not know.
#[inline(never)]
pub fn readlink_of_proc(asked: &mut Asked<'_>, path: &mut Text) -> Result<Answer> {
    let Some(link) = proc::link(path.bytes()) else { return Ok(Answer::System) };
    if !known_place(link, path)? {
        return Ok(Answer::System);
    }
    let (to, room) = room(asked)?;
    let shown = path.bytes();
    let length = shown.len().min(room);
    vload::put_bytes(to, &shown[..length])?;
    Ok(Answer::Here(length))
}

/// `chmod`, `fchmodat`, `fchmodat2`.
pub fn chmod(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    only(asked.at_flags(), AT)?;
    let index = asked.index_of(|arg| arg == Arg::Mode).ok_or(Errno::INVAL)?;
    let mode = asked.call.arguments[index] as u32 & 0o7777;
    let known = spot.stat(path)?;
    // No file system keeps the mode of a link (`chmod_common`, fs/open.c).
    if is_link(known.mode) {
        return Err(Errno::OPNOTSUPP);
    }
    let who = Credentials::effective();
    if !who.owns(&known) {
        return Err(Errno::PERM);
    }
    let mode = if who.may_set_group(known.gid) { mode } else { mode & !SGID };
    spot.set_mode(path, mode)
}

/// `chown`, `lchown`, `fchownat`.
pub fn chown(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    only(asked.at_flags(), AT)?;
    let index = asked.index_of(|arg| arg == Arg::Id).ok_or(Errno::INVAL)?;
    let [uid, gid] = [0, 1].map(|at| id(asked, asked.call.arguments[index + at]));
    let known = spot.stat(path)?;
    Credentials::effective().may_give(&known, uid, gid)?;
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.chown?)(node, uid, gid) }))
    })?;
    // What runs as its owner does not run as another one.
    let group = if known.mode & 0o010 != 0 { SGID } else { 0 };
    let taken = known.mode & (SUID | group);
    if taken != 0 && !is_directory(known.mode) {
        spot.set_mode(path, known.mode & 0o7777 & !taken)?;
    }
    Ok(0)
}

/// A user or group as it was given: the calls of old 32-bit programs have 16 bits (`low2highuid`, linux/highuid.h).
fn id(asked: &Asked<'_>, value: usize) -> u32 {
    let short = abi::Table::NATIVE == abi::Table::I386
        && matches!(asked.described.name(), "chown" | "lchown");
    match value as u32 & 0xffff {
        0xffff if short => u32::MAX,
        low if short => low,
        _ => value as u32,
    }
}

/// `truncate` and its older forms.
pub fn truncate(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let [_, low, high, ..] = asked.call.arguments;
    let length = match asked.described.args()[1] {
        Arg::Offset => low as isize as i64,
        _ => ((high as u64) << 32 | low as u64 & 0xffff_ffff) as i64,
    };
    if length < 0 {
        return Err(Errno::INVAL);
    }
    let known = spot.stat(path)?;
    match known.mode & nr::S_IFMT {
        nr::S_IFREG => {}
        nr::S_IFDIR => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    spot.target.permit(path, &known, WRITE)?;
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.truncate?)(node, length) }))
    })
}

/// `statfs`, `statfs64`.
pub fn statfs(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let (form, to) = form(asked);
    spot.stat(path)?;
    let mut known = StatFs::default();
    let at = &raw mut known;
    let answered = spot.target.ask(path, |operations, node| {
        // SAFETY: the node and the structure are valid for the call.
        Some(c_long::from(unsafe { (operations.statfs?)(node, at) }))
    });
    match answered {
        Err(Errno::NOSYS) => {}
        other => drop(other?),
    }
    layout::put_statfs(form, to, &known, spot.target.claim.number)?;
    Ok(0)
}

impl Spot {
    /// Calls an operation on the place; `error` where the module does not have it.
    pub fn ask(
        &self,
        path: &Text,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<usize> {
        match self.target.ask(path, what) {
            Err(Errno::NOSYS) => Err(error),
            other => other.map(|value| value as usize),
        }
    }

    fn set_mode(&self, path: &Text, mode: u32) -> Result<usize> {
        self.ask(path, Errno::PERM, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.chmod?)(node, mode) }))
        })
    }
}

/// A call with `AT_EMPTY_PATH`, or without a path, on an open file of a layer's.
pub fn of_open(asked: &mut Asked<'_>, held: &Held) -> Result<usize> {
    let arguments = asked.call.arguments;
    let value = |kind: Arg| {
        asked.index_of(|arg| arg == kind).map(|index| arguments[index]).ok_or(Errno::INVAL)
    };
    match asked.described.service() {
        Some(Service::Stat) => {
            let (form, to) = form(asked);
            put(form, to, &held.stat()?)
        }
        Some(Service::Chmod) => open_file::chmod(held, value(Arg::Mode)? as u32),
        Some(Service::Chown) => {
            let index = asked.index_of(|arg| arg == Arg::Id).ok_or(Errno::INVAL)?;
            open_file::chown(held, arguments[index] as u32, arguments[index + 1] as u32)
        }
        Some(Service::Utimens) => open_file::utimens(held, &times::given(asked)?),
        Some(Service::Access) => {
            let mode = value(Arg::Mode)? as u32;
            only(mode, 7)?;
            Credentials::effective().check(&held.stat()?, mode).map(|()| 0)
        }
        // A link can be open for its name alone.
        Some(Service::Readlink) => Err(Errno::NOENT),
        _ => Err(Errno::OPNOTSUPP),
    }
}
