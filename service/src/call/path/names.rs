//! Names that are made, taken away and moved.

use core::ffi::{CStr, c_long};

use abi::{Arg, Service};
use linux_raw_sys::general as nr;
use vload_module::abi::service::Stat;
use vload_module::{Errno, Result};

use super::across::Side;
use super::asked::{Asked, Spot, Where};
use super::{Answer, across, changing, only, real, valid};
use crate::claim::target::is_directory;
use crate::descriptor::{Held, Subject};
use crate::kernel;
use crate::path::permission::{Credentials, MKNOD, READ, WRITE};
use crate::path::{Final, How, LONGEST, Last, Text, umask};
use crate::vload;

/// The mode of what is made, with the umask applied.
pub fn masked(mode: u32) -> u32 {
    mode & !umask::get()
}

/// The mode that a call gives.
fn mode(asked: &Asked<'_>) -> Result<u32> {
    let index = asked.index_of(|arg| arg == Arg::Mode).ok_or(Errno::INVAL)?;
    Ok(asked.call.arguments[index] as u32)
}

/// `symlink`, `symlinkat`.
#[inline(never)]
pub fn symlink(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Str).ok_or(Errno::INVAL)?;
    let mut bytes = [0; LONGEST];
    let length = vload::get_string(&mut bytes, asked.call.arguments[index])?;
    if length == 0 {
        return Err(Errno::NOENT);
    }
    spot.may_make(path, false)?;
    let target = CStr::from_bytes_until_nul(&bytes).map_err(|_| Errno::NAMETOOLONG)?;
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node and the string are valid for the call.
        Some(c_long::from(unsafe { (operations.symlink?)(node, target.as_ptr()) }))
    })
}

/// `mkdir`, `mkdirat`.
#[inline(never)]
pub fn mkdir(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let mode = masked(mode(asked)? & 0o1777);
    spot.may_make(path, true)?;
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.mkdir?)(node, mode) }))
    })
}

/// What kind of file a call makes (`may_mknod`, fs/namei.c).
pub fn kind(asked: &Asked<'_>) -> Result<u32> {
    match mode(asked)? & nr::S_IFMT {
        0 => Ok(nr::S_IFREG),
        nr::S_IFDIR => Err(Errno::PERM),
        kind @ (nr::S_IFREG | nr::S_IFCHR | nr::S_IFBLK | nr::S_IFIFO | nr::S_IFSOCK) => Ok(kind),
        _ => Err(Errno::INVAL),
    }
}

/// `mknod`, `mknodat`.
#[inline(never)]
pub fn mknod(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let index = asked.index_of(|arg| arg == Arg::Dev).ok_or(Errno::INVAL)?;
    let device = u64::from(asked.call.arguments[index] as u32);
    spot.may_make(path, false)?;
    let kind = kind(asked)?;
    // A device of the number 0 is what a union shows nothing for (`vfs_mknod`).
    let is_device = kind == nr::S_IFBLK || kind == nr::S_IFCHR && device != 0;
    if is_device && !Credentials::effective().can(MKNOD) {
        return Err(Errno::PERM);
    }
    let mode = kind | masked(mode(asked)? & 0o7777);
    spot.ask(path, Errno::PERM, |operations, node| {
        // SAFETY: the node is valid for the call.
        Some(c_long::from(unsafe { (operations.mknod?)(node, mode, device) }))
    })
}

/// Whether a call takes away a directory.
pub fn removes_directory(asked: &Asked<'_>) -> bool {
    match asked.described.service() {
        Some(Service::Rmdir) => true,
        Some(Service::Unlink) => asked.at_flags() & nr::AT_REMOVEDIR != 0,
        _ => false,
    }
}

/// `unlink`, `unlinkat`.
#[inline(never)]
pub fn unlink(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    if removes_directory(asked) {
        return rmdir(asked, spot, path);
    }
    if spot.place.last != Last::Name {
        return Err(Errno::ISDIR);
    }
    let known = spot.target.stat(path)?;
    if spot.place.slash {
        return Err(if is_directory(known.mode) { Errno::ISDIR } else { Errno::NOTDIR });
    }
    // Also where something is mounted (`may_delete`).
    if spot.is_mounted_on(path) && is_directory(known.mode) {
        return Err(Errno::ISDIR);
    }
    let known = spot.may_take(path)?;
    if is_directory(known.mode) {
        return Err(Errno::ISDIR);
    }
    changing::remove(spot, path, false, || {
        spot.ask(path, Errno::PERM, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.unlink?)(node) }))
        })
    })
}

/// `rmdir`.
#[inline(never)]
pub fn rmdir(_: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    match spot.place.last {
        Last::Name => {}
        Last::Dot => return Err(Errno::INVAL),
        Last::DotDot => return Err(Errno::NOTEMPTY),
        Last::Root => return Err(Errno::BUSY),
    }
    let known = spot.may_take(path)?;
    if !is_directory(known.mode) {
        return Err(Errno::NOTDIR);
    }
    changing::remove(spot, path, true, || {
        spot.ask(path, Errno::PERM, |operations, node| {
            // SAFETY: the node is valid for the call.
            Some(c_long::from(unsafe { (operations.rmdir?)(node) }))
        })
    })
}

/// Where the two paths of a call lead, if that is to claims: to one file system, or `EXDEV`. Else the system answers.
fn two(
    asked: &mut Asked<'_>,
    ends: [Final; 2],
    from: &mut Text,
    to: &mut Text,
) -> Result<Option<(Spot, Spot)>> {
    let first = asked.locate(0, How::to(ends[0]), from);
    let second = asked.locate(1, How::to(ends[1]), to);
    if ![&first, &second].iter().all(|found| matches!(found, Ok(Where::Kernel(_) | Where::Real))) {
        valid::check(asked)?;
    }
    let paths = [&*from, &*to];
    let mut claimed = [None, None];
    let mut sides = [Side::Kernel, Side::Kernel];
    // What is wrong with the first one comes before what is wrong with the second.
    let first = first?;
    if let Err(error) = second {
        let side = match &first {
            Where::Kernel(_) => Side::Kernel,
            Where::Real => Side::Real(paths[0]),
            Where::Claimed(spot) => Side::Claimed(spot, paths[0]),
            Where::Open(_) => return Err(Errno::NOENT),
        };
        return Err(across::refusal_of_first(asked, side).unwrap_or(error));
    }
    for (number, found) in [first, second?].into_iter().enumerate() {
        match found {
            Where::Kernel(_) => {}
            Where::Real => sides[number] = Side::Real(paths[number]),
            Where::Claimed(spot) => claimed[number] = Some(spot),
            // It is no name.
            Where::Open(_) => return Err(Errno::NOENT),
        }
    }
    match &claimed {
        [None, None] => {
            for (number, side) in sides.iter().enumerate() {
                if let Side::Real(path) = side {
                    asked.point(number, path);
                }
            }
            Ok(None)
        }
        [Some(from), Some(to)] if from.target.claim.epoch == to.target.claim.epoch => {
            Ok(Some((*from, *to)))
        }
        _ => {
            for (number, spot) in claimed.iter().enumerate() {
                if let Some(spot) = spot {
                    sides[number] = Side::Claimed(spot, paths[number]);
                }
            }
            Err(across::refusal(asked, sides))
        }
    }
}

/// `link`, `linkat`.
#[inline(never)]
pub fn link(asked: &mut Asked<'_>) -> Result<Answer> {
    let flags = asked.at_flags();
    let end = if flags & nr::AT_SYMLINK_FOLLOW != 0 { Final::Follow } else { Final::Leave };
    let (mut old, mut new) = (Text::root(), Text::root());
    // An open file can be given a name by its descriptor.
    if flags & (nr::AT_EMPTY_PATH | nr::AT_SYMLINK_FOLLOW) != 0
        && let Ok(Where::Open(held)) = asked.locate(0, How::to(end), &mut old)
    {
        valid::check(asked)?;
        return link_open(asked, &held, &mut new).map(Answer::Here);
    }
    match two(asked, [end, Final::Name], &mut old, &mut new)? {
        None => Ok(real(asked)),
        Some((from, to)) => {
            let known = from.stat(&old)?;
            let may_make = to.may_make(&new, false).map_err(|error| to.refusal(&new, error));
            may_link(&known, may_make, |wanted| from.target.permit(&old, &known, wanted))?;
            if is_directory(known.mode) {
                return Err(Errno::PERM);
            }
            from.ask(&old, Errno::PERM, |operations, node| {
                let other = to.node(&new);
                // SAFETY: both nodes are valid for the call.
                Some(c_long::from(unsafe { (operations.link?)(node, &other) }))
            })
            .map(Answer::Here)
        }
    }
}

/// Whether a file may get another name, of one who does not own it too (`may_linkat`, fs/namei.c). That comes before what
/// the directory's mode says.
#[inline(never)]
fn may_link(
    known: &Stat,
    may_make: Result<()>,
    permit: impl FnOnce(u32) -> Result<()>,
) -> Result<()> {
    if may_make.is_err_and(|error| error != Errno::ACCES) {
        return may_make;
    }
    let runs_as_group = nr::S_ISGID | nr::S_IXGRP;
    let is_safe = known.mode & nr::S_IFMT == nr::S_IFREG
        && known.mode & nr::S_ISUID == 0
        && known.mode & runs_as_group != runs_as_group
        && permit(READ | WRITE).is_ok();
    if is_safe || Credentials::effective().owns(known) || !are_links_protected() {
        return may_make;
    }
    Err(Errno::PERM)
}

/// What the machine's owner has said (proc_sys_fs(5)).
fn are_links_protected() -> bool {
    let mut value = [0];
    kernel::open_to_read(c"/proc/sys/fs/protected_hardlinks").is_ok_and(|fd| {
        let read = kernel::read(fd, &mut value);
        kernel::close(fd);
        read == Ok(1) && value != *b"0"
    })
}

/// Gives an open file a name.
fn link_open(asked: &mut Asked<'_>, held: &Held, new: &mut Text) -> Result<usize> {
    let to = match asked.locate(1, How::to(Final::Name), new)? {
        Where::Claimed(spot) if spot.target.claim.number == held.claim() => spot,
        Where::Claimed(spot) => return Err(across::refusal_of(asked, Side::Claimed(&spot, new))),
        Where::Real => return Err(across::refusal_of(asked, Side::Real(new))),
        Where::Kernel(_) => return Err(across::refusal_of(asked, Side::Kernel)),
        Where::Open(_) => return Err(Errno::NOENT),
    };
    let may_make = to.may_make(new, false).map_err(|error| to.refusal(new, error));
    let known = held.stat()?;
    may_link(&known, may_make, |wanted| held.permit(&known, wanted))?;
    if is_directory(known.mode) {
        return Err(Errno::PERM);
    }
    held.ask_node(Errno::PERM, |operations, node| {
        let other = to.node(new);
        // SAFETY: both nodes are valid for the call.
        Some(unsafe { (operations.link?)(node, &other) })
    })?;
    Ok(0)
}

/// `rename`, `renameat`, `renameat2`.
#[inline(never)]
pub fn rename(asked: &mut Asked<'_>) -> Result<Answer> {
    let flags = rename_flags(asked);
    let (mut old, mut new) = (Text::root(), Text::root());
    match two(asked, [Final::Name; 2], &mut old, &mut new)? {
        None => Ok(real(asked)),
        Some((from, to)) => {
            let moved = move_name(flags, (&from, &old), (&to, &new));
            let is_named = from.place.last == Last::Name && to.place.last == Last::Name;
            moved.map(Answer::Here).map_err(|error| {
                // Before the names are looked up (`do_renameat2`).
                let is_first = is_named
                    && error != Errno::XDEV
                    && from.is_in_read_only(&old)
                    && to.is_in_read_only(&new);
                if is_first { Errno::ROFS } else { error }
            })
        }
    }
}

// Flags of `renameat2(2)`.
const NOREPLACE: u32 = 1;
const EXCHANGE: u32 = 2;
const WHITEOUT: u32 = 4;

fn rename_flags(asked: &Asked<'_>) -> u32 {
    asked.index_of(|arg| arg == Arg::Flags).map_or(0, |index| asked.call.arguments[index] as u32)
}

/// Whether the flags can be.
pub fn check_flags(asked: &Asked<'_>) -> Result<()> {
    let flags = rename_flags(asked);
    let is_both = flags & (NOREPLACE | WHITEOUT) != 0 && flags & EXCHANGE != 0;
    only(flags, NOREPLACE | EXCHANGE | WHITEOUT)?;
    if is_both { Err(Errno::INVAL) } else { Ok(()) }
}

/// `do_renameat2` and `vfs_rename` (fs/namei.c).
#[inline(never)]
fn move_name(flags: u32, (from, old): (&Spot, &Text), (to, new): (&Spot, &Text)) -> Result<usize> {
    // The name that something is mounted on is in the file system above.
    let is_above = |spot: &Spot, path| spot.place.last == Last::Name && spot.is_mounted_on(path);
    if is_above(from, old) != is_above(to, new) {
        return Err(Errno::XDEV);
    }
    if from.place.last != Last::Name {
        return Err(Errno::BUSY);
    }
    if to.place.last != Last::Name {
        return Err(if flags & NOREPLACE != 0 { Errno::EXIST } else { Errno::BUSY });
    }
    let known = from.target.stat(old)?;
    let there = match to.target.stat(new) {
        Ok(known) => Some(known),
        Err(Errno::NOENT) => None,
        Err(error) => return Err(error),
    };
    match there {
        Some(_) if flags & NOREPLACE != 0 => return Err(Errno::EXIST),
        None if flags & EXCHANGE != 0 => return Err(Errno::NOENT),
        _ => {}
    }
    let slashes = from.place.slash || (to.place.slash && flags & EXCHANGE == 0);
    let other_is_file =
        |spot: &Spot| spot.place.slash && there.is_some_and(|there| !is_directory(there.mode));
    if !is_directory(known.mode) && slashes || flags & EXCHANGE != 0 && other_is_file(to) {
        return Err(Errno::NOTDIR);
    }
    // Neither is in the other.
    if new.bytes().len() > old.bytes().len() && new.is_within(old.bytes()) {
        return Err(Errno::INVAL);
    }
    if old.bytes().len() > new.bytes().len() && old.is_within(new.bytes()) {
        return Err(if flags & EXCHANGE != 0 { Errno::INVAL } else { Errno::NOTEMPTY });
    }
    if flags & EXCHANGE == 0 && is_above(from, old) && old.bytes() == new.bytes() {
        return Ok(0);
    }
    from.may_take(old)?;
    match there {
        None => to.may_add(new)?,
        Some(there) => {
            match to.may_take(new) {
                // It has gone since, and there is nothing to take away.
                Err(Errno::NOENT) if flags & EXCHANGE == 0 => to.may_add(new)?,
                may => drop(may?),
            }
            if flags & EXCHANGE == 0 {
                match (is_directory(known.mode), is_directory(there.mode)) {
                    (true, false) => return Err(Errno::NOTDIR),
                    (false, true) => return Err(Errno::ISDIR),
                    _ => {}
                }
            }
        }
    }
    // The same name: nothing happens. Whether it is another one of the same file only the module can say for sure, when
    // others change names at the same time.
    if there.is_some() && old.bytes() == new.bytes() {
        return Ok(0);
    }
    changing::rename((from, old), (to, new), flags & EXCHANGE != 0, || {
        from.ask(old, Errno::PERM, |operations, node| {
            let other = to.node(new);
            // SAFETY: both nodes are valid for the call.
            Some(c_long::from(unsafe { (operations.rename?)(node, &other, flags) }))
        })
    })
}
