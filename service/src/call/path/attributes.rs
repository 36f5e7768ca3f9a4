//! What is known of a file, and changed of it.

use core::ffi::c_long;

use abi::{Arg, Service, Struct};
use linux_raw_sys::general as nr;
use vload_module::abi::service::{Node, ServiceOperations, Stat, StatFs};
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use super::{Answer, extended, only, open, times};
use crate::call::{change, layout};
use crate::claim::target::{is_directory, is_link};
use crate::descriptor::{Held, Subject};
use crate::path::permission::{Credentials, WRITE};
use crate::path::tree::{DELETED, known_place};
use crate::path::{LONGEST, Text, proc};
use crate::vload;

/// A place that a path has led to, as the operations on open files take it.
pub struct Found<'a> {
    /// The place.
    pub spot: &'a Spot,
    /// Its path.
    pub path: &'a Text,
}

impl Subject for Found<'_> {
    fn usable(&self) -> Result<()> {
        self.stat().map(drop)
    }

    fn stat(&self) -> Result<Stat> {
        self.spot.stat(self.path)
    }

    fn permit(&self, known: &Stat, wanted: u32) -> Result<()> {
        self.spot.target.permit(self.path, known, wanted)
    }

    fn ask_node_long(
        &self,
        error: Errno,
        what: impl FnOnce(&ServiceOperations, &Node) -> Option<c_long>,
    ) -> Result<i64> {
        self.spot.ask(self.path, error, what).map(|value| value as i64)
    }
}

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
pub fn access(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Mode).ok_or(Errno::INVAL)?;
    let mode = asked.call.arguments[index] as u32;
    let known = subject.stat()?;
    if mode == 0 {
        return Ok(0);
    }
    let permitted = permitted(asked, subject, &known, mode);
    // Where nothing can be written, that comes before the mode (`inode_permission`, fs/namei.c).
    if mode & WRITE != 0 && is_kept(&known) && is_read_only(subject) {
        return Err(Errno::ROFS);
    }
    permitted.map(|()| 0)
}

/// Whether a file is what its file system keeps: what is written to another one lies elsewhere.
pub fn is_kept(known: &Stat) -> bool {
    matches!(known.mode & nr::S_IFMT, nr::S_IFREG | nr::S_IFDIR | nr::S_IFLNK)
}

/// Whether nothing can be written to a file system, by the flags that statfs(2) has of it.
pub fn is_read_only(subject: &impl Subject) -> bool {
    read_only(subject) == Ok(true)
}

fn read_only(subject: &impl Subject) -> Result<bool> {
    const ST_RDONLY: u64 = 1;
    file_system(subject).map(|known| known.flags & ST_RDONLY != 0)
}

impl Spot {
    /// The same of the place's, or of the directory's that it would be in.
    #[inline(never)]
    fn is_read_only(&self, path: &Text) -> bool {
        let Ok(mut place) = Text::of(path.bytes()) else { return false };
        loop {
            match read_only(&Found { spot: self, path: &place }) {
                Err(Errno::NOENT) if !self.is_mounted_on(&place) => place.pop(),
                known => return known == Ok(true),
            }
        }
    }

    /// The same of the directory's that the place is in, if there is one.
    #[inline(never)]
    pub fn is_in_read_only(&self, path: &Text) -> bool {
        let above = self.parent(path);
        above.is_ok_and(|above| {
            above.is_some_and(|(above, _)| is_read_only(&Found { spot: self, path: &above }))
        })
    }

    /// What a call says that would change something: where nothing can be, that comes before what it needs a right for.
    pub fn refusal(&self, path: &Text, error: Errno) -> Errno {
        let is_denied = error == Errno::ACCES || error == Errno::PERM;
        if is_denied && self.is_read_only(path) { Errno::ROFS } else { error }
    }
}

/// Whether who makes the call may do all of `mode`.
fn permitted(asked: &Asked<'_>, subject: &impl Subject, known: &Stat, mode: u32) -> Result<()> {
    if asked.at_flags() & nr::AT_EACCESS != 0 {
        return subject.permit(known, mode);
    }
    let answered = subject.ask_node(Errno::NOSYS, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(unsafe { (operations.access?)(node, mode as i32) })
    });
    match answered {
        Err(Errno::NOSYS) => Credentials::real().check(known, mode),
        other => other.map(drop),
    }
}

/// Where the text of a link goes, and how much of it.
pub fn room(asked: &Asked<'_>) -> Result<(usize, usize)> {
    let last = asked.described.args().len() - 1;
    let (to, room) = (asked.call.arguments[last - 1], asked.call.arguments[last] as i32);
    if room <= 0 { Err(Errno::INVAL) } else { Ok((to, room as usize)) }
}

/// `readlink`, `readlinkat`.
#[inline(never)]
pub fn readlink(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let (to, room) = room(asked)?;
    if !is_link(subject.stat()?.mode) {
        // The working directory is meant where there is no name (`do_readlinkat`, fs/stat.c).
        let given = asked.path(0).map_or(0, |index| asked.call.arguments[index]);
        let is_name = vload::get::<u8>(given)? != 0;
        return Err(if is_name { Errno::INVAL } else { Errno::NOENT });
    }
    let mut link = [0; LONGEST];
    let (at, most) = (link.as_mut_ptr(), link.len() - 1);
    let length = subject.ask_node_long(Errno::INVAL, |operations, node| {
        // SAFETY: the node is valid for the call, and the room as long as it says.
        Some(unsafe { (operations.readlink?)(node, at.cast(), most) })
    })?;
    let length = (length as usize).min(most).min(room);
    vload::put_bytes(to, &link[..length])?;
    Ok(length)
}

/// The same of a real path: a link of `/proc` may jump to what the kernel does not know.
#[inline(never)]
pub fn readlink_of_proc(asked: &mut Asked<'_>, path: &mut Text) -> Result<Answer> {
    let Some(link) = proc::link(path.bytes()) else { return Ok(Answer::System) };
    let Some(gone) = known_place(link, path)? else { return Ok(Answer::System) };
    let (to, room) = room(asked)?;
    let shown = path.bytes();
    let length = shown.len().min(room);
    vload::put_bytes(to, &shown[..length])?;
    let behind = if gone { DELETED } else { b"" };
    let behind = &behind[..behind.len().min(room - length)];
    vload::put_bytes(to + length, behind)?;
    Ok(Answer::Here(length + behind.len()))
}

/// `chmod`, `fchmodat`, `fchmodat2`.
pub fn chmod(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Mode).ok_or(Errno::INVAL)?;
    change::chmod(subject, asked.call.arguments[index] as u32 & 0o7777)
}

/// `chown`, `lchown`, `fchownat`.
pub fn chown(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Id).ok_or(Errno::INVAL)?;
    let [uid, gid] = [0, 1].map(|at| id(asked, asked.call.arguments[index + at]));
    change::chown(subject, uid, gid)
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

/// How long the file is to be.
pub fn length(asked: &Asked<'_>) -> Result<i64> {
    let [_, low, high, ..] = asked.call.arguments;
    let length = match asked.described.args()[1] {
        Arg::Offset => low as isize as i64,
        _ => ((high as u64) << 32 | low as u64 & 0xffff_ffff) as i64,
    };
    if length < 0 { Err(Errno::INVAL) } else { Ok(length) }
}

/// `truncate` and its older forms.
pub fn truncate(asked: &Asked<'_>, subject: &impl Subject) -> Result<usize> {
    let length = length(asked)?;
    let known = subject.stat()?;
    match known.mode & nr::S_IFMT {
        nr::S_IFREG => {}
        nr::S_IFDIR => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    subject.permit(&known, WRITE)?;
    subject.ask_node(Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(unsafe { (operations.truncate?)(node, length) })
    })?;
    Ok(0)
}

/// What is known of the file system; nothing where its module does not say.
fn file_system(subject: &impl Subject) -> Result<StatFs> {
    let mut known = StatFs::default();
    let at = &raw mut known;
    let answered = subject.ask_node(Errno::NOSYS, |operations, node| {
        // SAFETY: the node and the structure are valid for the call.
        Some(unsafe { (operations.statfs?)(node, at) })
    });
    match answered {
        Err(Errno::NOSYS) => Ok(known),
        other => other.map(|_| known),
    }
}

/// `statfs`, `statfs64`.
pub fn statfs(asked: &Asked<'_>, subject: &impl Subject, claim: u32) -> Result<usize> {
    let (form, to) = form(asked);
    subject.stat()?;
    layout::put_statfs(form, to, &file_system(subject)?, claim)?;
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
}

/// A call on an open file of a layer's: with `AT_EMPTY_PATH`, without a path, or by a link of `/proc` to one that has
/// no name.
pub fn of_open(asked: &mut Asked<'_>, held: &Held) -> Result<usize> {
    match asked.described.service() {
        Some(Service::Stat) => {
            let (form, to) = form(asked);
            put(form, to, &held.stat()?)
        }
        Some(Service::Chmod) => chmod(asked, held),
        Some(Service::Chown) => chown(asked, held),
        Some(Service::Utimens) => {
            // Without any path it is `futimens(3)`, for which a descriptor to look at is none.
            if asked.path(0).is_none_or(|index| asked.call.arguments[index] == 0) {
                held.usable()?;
                only(asked.at_flags(), 0)?;
            }
            times::utimens(asked, held)
        }
        Some(Service::Access) => access(asked, held),
        // Only a link that is open to be looked at can be read without a path.
        Some(Service::Readlink) if is_link(held.stat()?.mode) => readlink(asked, held),
        Some(Service::Readlink) => Err(Errno::NOENT),
        Some(Service::Open) => open::reopen(asked, held),
        Some(Service::Truncate) => truncate(asked, held),
        Some(Service::Statfs) => statfs(asked, held, held.claim()),
        Some(Service::Getxattr) => extended::get(asked, held),
        Some(Service::Setxattr) => extended::set(asked, held),
        Some(Service::Listxattr) => extended::list(asked, held),
        Some(Service::Removexattr) => extended::remove(asked, held),
        _ => Err(Errno::OPNOTSUPP),
    }
}
