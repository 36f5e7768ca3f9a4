//! Calls on what is known of an open file.

use core::ffi::CStr;

use linux_raw_sys::general as nr;
use vload_module::abi::service::StatFs;
use vload_module::{Errno, Result};

use crate::call::{buffer, change, layout};
use crate::claim::target::is_directory;
use crate::descriptor::{Held, Subject};
use crate::path::permission::{Credentials, READ, SETFCAP, SYS_ADMIN, WRITE};
use crate::{kernel, vload};

/// The longest name and value of an extended attribute (linux/limits.h).
const NAME_ROOM: usize = nr::XATTR_NAME_MAX as usize + 1;
const VALUE_MOST: usize = nr::XATTR_SIZE_MAX as usize;

/// `fstat(2)` in one of its forms.
pub fn stat(held: &Held, form: abi::Struct, to: usize) -> Result<usize> {
    layout::put_stat(form, to, &held.stat()?)?;
    Ok(0)
}

/// `fstatfs(2)` in one of its forms.
pub fn statfs(held: &Held, form: abi::Struct, to: usize) -> Result<usize> {
    let mut known = StatFs::default();
    let known_at = &raw mut known;
    held.ask_node(Errno::NOSYS, |operations, node| {
        // SAFETY: what is passed is valid for the call.
        Some(unsafe { (operations.statfs?)(node, known_at) })
    })
    .or_else(|error| if error == Errno::NOSYS { Ok(0) } else { Err(error) })?;
    layout::put_statfs(form, to, &known, held.claim())?;
    Ok(0)
}

/// `ftruncate(2)` (`do_sys_ftruncate`, fs/open.c).
pub fn truncate(held: &Held, length: i64) -> Result<usize> {
    if length < 0 {
        return Err(Errno::INVAL);
    }
    held.usable()?;
    if held.is_directory() || held.is_stream() || held.writable().is_err() {
        return Err(Errno::INVAL);
    }
    if kernel::file_size_limit().is_some_and(|limit| length as u64 > limit) {
        kernel::raise(nr::SIGXFSZ);
        return Err(Errno::FBIG);
    }
    held.ask_node(Errno::INVAL, |operations, node| {
        // SAFETY: what is passed is valid for the call.
        Some(unsafe { (operations.truncate?)(node, length) })
    })?;
    Ok(0)
}

/// Whether a mode of `fallocate(2)` is one (linux/falloc.h).
fn can_be(mode: u32) -> bool {
    const PUNCH_HOLE: u32 = 0x02;
    const COLLAPSE_RANGE: u32 = 0x08;
    const ZERO_RANGE: u32 = 0x10;
    const INSERT_RANGE: u32 = 0x20;
    const UNSHARE_RANGE: u32 = 0x40;
    const WRITE_ZEROES: u32 = 0x80;
    let keeps_size = mode & KEEP_SIZE != 0;
    match mode & !KEEP_SIZE {
        0 | ZERO_RANGE | UNSHARE_RANGE => true,
        PUNCH_HOLE => keeps_size,
        COLLAPSE_RANGE | INSERT_RANGE | WRITE_ZEROES => !keeps_size,
        _ => false,
    }
}

/// `FALLOC_FL_KEEP_SIZE`.
const KEEP_SIZE: u32 = 0x01;

/// `fallocate(2)` (`vfs_fallocate`, fs/open.c).
pub fn allocate(held: &Held, mode: i32, offset: i64, length: i64) -> Result<usize> {
    held.usable()?;
    if offset < 0 || length <= 0 {
        return Err(Errno::INVAL);
    }
    if !can_be(mode as u32) {
        return Err(Errno::OPNOTSUPP);
    }
    held.writable()?;
    if held.is_stream() {
        return Err(Errno::SPIPE);
    }
    if held.is_directory() {
        return Err(Errno::ISDIR);
    }
    if offset.checked_add(length).is_none() {
        return Err(Errno::FBIG);
    }
    held.ask(Errno::OPNOTSUPP, |operations, file| {
        // SAFETY: the file is the one that is asked about.
        Some(unsafe { (operations.allocate?)(file, mode, offset, length) }.into())
    })?;
    Ok(0)
}

/// `fsync(2)`, `fdatasync(2)`, `sync_file_range(2)`: a file without the operation has nothing to store.
pub fn sync(held: &Held, data_only: bool) -> Result<usize> {
    held.usable()?;
    let asked = held.ask(Errno::NOSYS, |operations, file| {
        // SAFETY: the file is the one that is asked about.
        Some(unsafe { (operations.fsync?)(file, i32::from(data_only)) }.into())
    });
    match asked {
        Ok(_) | Err(Errno::NOSYS) => Ok(0),
        Err(error) => Err(error),
    }
}

/// `fchmod(2)`.
pub fn chmod(held: &Held, mode: u32) -> Result<usize> {
    held.usable()?;
    change::chmod(held, mode & 0o7777)
}

/// `fchown(2)`.
pub fn chown(held: &Held, uid: u32, gid: u32) -> Result<usize> {
    held.usable()?;
    change::chown(held, uid, gid)
}

/// Reads the name of an extended attribute (`import_xattr_name`, fs/xattr.c).
fn name(from: usize, room: &mut [u8; NAME_ROOM]) -> Result<&CStr> {
    let length = match vload::get_string(room, from) {
        Err(Errno::NAMETOOLONG) => return Err(Errno::RANGE),
        other => other?,
    };
    if length == 0 {
        return Err(Errno::RANGE);
    }
    CStr::from_bytes_with_nul(&room[..=length]).map_err(|_| Errno::RANGE)
}

/// Whether the process may use the attribute of that name, and it is one.
fn may_use(subject: &impl Subject, name: &CStr, wanted: u32) -> Result<()> {
    permit(subject, name, wanted)?;
    // A name must follow what it begins with (`xattr_resolve_name`).
    let is_bare = matches!(name.to_bytes(), b"user." | b"trusted." | b"security.");
    if is_bare { Err(Errno::INVAL) } else { Ok(()) }
}

/// What its place, its kind and its mode say (`xattr_permission`, fs/xattr.c).
fn permit(subject: &impl Subject, name: &CStr, wanted: u32) -> Result<()> {
    const STICKY: u32 = 0o1000;
    let name = name.to_bytes();
    if name.starts_with(b"security.") {
        // `cap_inode_setxattr` (security/commoncap.c).
        let needed = if name == b"security.capability" { SETFCAP } else { SYS_ADMIN };
        let may = wanted != WRITE || Credentials::effective().can(needed);
        return if may { Ok(()) } else { Err(Errno::PERM) };
    }
    let known = subject.stat()?;
    let refusal = if wanted == WRITE { Errno::PERM } else { Errno::NODATA };
    if name.starts_with(b"trusted.") {
        return if Credentials::effective().can(SYS_ADMIN) { Ok(()) } else { Err(refusal) };
    }
    let is_files = matches!(known.mode & nr::S_IFMT, nr::S_IFREG | nr::S_IFDIR);
    if name.starts_with(b"user.") && !is_files {
        return Err(refusal);
    }
    let is_shared =
        name.starts_with(b"user.") && is_directory(known.mode) && known.mode & STICKY != 0;
    if wanted == WRITE && is_shared && !Credentials::effective().owns(&known) {
        return Err(Errno::PERM);
    }
    subject.permit(&known, wanted)
}

/// Gives a list of bytes that a module makes to the program: its length alone when the program has no room.
fn give(to: usize, room: usize, make: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<usize> {
    buffer::with(room.min(VALUE_MOST), |buffer| {
        let most = room.min(VALUE_MOST).min(buffer.len());
        let length = make(&mut buffer[..most])?;
        if room == 0 {
            return Ok(length);
        }
        let bytes = buffer.get(..length).filter(|_| length <= most).ok_or(Errno::RANGE)?;
        vload::put_bytes(to, bytes)?;
        Ok(length)
    })
}

/// `fgetxattr(2)`.
pub fn get_attribute(held: &impl Subject, [_, named, to, room, ..]: [usize; 6]) -> Result<usize> {
    held.usable()?;
    let mut bytes = [0; NAME_ROOM];
    let name = name(named, &mut bytes)?;
    may_use(held, name, READ)?;
    give(to, room, |buffer| {
        let (at, most) = (buffer.as_mut_ptr(), buffer.len());
        held.ask_node_long(Errno::OPNOTSUPP, |operations, node| {
            // SAFETY: what is passed is valid for the call.
            Some(unsafe { (operations.getxattr?)(node, name.as_ptr(), at.cast(), most) })
        })
        .map(|length| length as usize)
    })
}

/// `flistxattr(2)`: of a file without the operation, none.
pub fn list_attributes(held: &impl Subject, [_, to, room, ..]: [usize; 6]) -> Result<usize> {
    held.usable()?;
    give(to, room, |buffer| {
        let (at, most) = (buffer.as_mut_ptr(), buffer.len());
        let listed = held.ask_node_long(Errno::NOSYS, |operations, node| {
            // SAFETY: what is passed is valid for the call.
            Some(unsafe { (operations.listxattr?)(node, at.cast(), most) })
        });
        match listed {
            Err(Errno::NOSYS) => Ok(0),
            other => other.map(|length| length as usize),
        }
    })
}

/// `fsetxattr(2)`.
pub fn set_attribute(
    held: &impl Subject,
    [_, named, from, length, flags, _]: [usize; 6],
) -> Result<usize> {
    held.usable()?;
    if flags as u32 & !(nr::XATTR_CREATE | nr::XATTR_REPLACE) != 0 {
        return Err(Errno::INVAL);
    }
    let mut bytes = [0; NAME_ROOM];
    let name = name(named, &mut bytes)?;
    if length > VALUE_MOST {
        return Err(Errno(linux_raw_sys::errno::E2BIG as i32));
    }
    may_use(held, name, WRITE)?;
    buffer::with(length, |buffer| {
        let value = buffer.get_mut(..length).ok_or(Errno::NOMEM)?;
        vload::get_bytes(value, from)?;
        let (at, flags) = (value.as_ptr(), flags as i32);
        held.ask_node(Errno::OPNOTSUPP, |operations, node| {
            // SAFETY: what is passed is valid for the call.
            Some(unsafe { (operations.setxattr?)(node, name.as_ptr(), at.cast(), length, flags) })
        })
    })?;
    Ok(0)
}

/// `fremovexattr(2)`.
pub fn remove_attribute(held: &impl Subject, named: usize) -> Result<usize> {
    held.usable()?;
    let mut bytes = [0; NAME_ROOM];
    let name = name(named, &mut bytes)?;
    may_use(held, name, WRITE)?;
    held.ask_node(Errno::OPNOTSUPP, |operations, node| {
        // SAFETY: what is passed is valid for the call.
        Some(unsafe { (operations.removexattr?)(node, name.as_ptr()) })
    })?;
    Ok(0)
}
