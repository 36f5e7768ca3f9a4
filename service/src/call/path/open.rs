//! Files that are opened, in all ways.

use linux_raw_sys::general as nr;
use vload_module::abi::service::Stat;
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use super::attributes::{Found, is_kept};
use super::names::masked;
use crate::claim::target::{is_directory, is_link};
use crate::descriptor::{self, Held, Subject, TMPFILE};
use crate::path::permission::{Credentials, EXECUTE, READ, SYS_ADMIN, WRITE};
use crate::path::{Final, How, Last, Text};
use crate::vload;

/// `struct open_how` (openat2(2)).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// What a call opens with.
fn given(asked: &Asked<'_>) -> Result<OpenHow> {
    let arguments = asked.call.arguments;
    // `O_PATH` beats what does not go with it (`build_open_how`, fs/open.c).
    let simple = |flags: usize, mode: usize| {
        let flags = flags as u32;
        let flags = if flags & nr::O_PATH != 0 { flags & FOR_NAME } else { flags };
        OpenHow { flags: u64::from(flags), mode: mode as u64 & 0o7777, resolve: 0 }
    };
    match asked.described.name() {
        "creat" => Ok(simple((nr::O_CREAT | nr::O_WRONLY | nr::O_TRUNC) as usize, arguments[1])),
        "open" => Ok(simple(arguments[1], arguments[2])),
        "openat" => Ok(simple(arguments[2], arguments[3])),
        "open_tree" => look_at_tree(arguments[2] as u32),
        _ => {
            let [_, _, from, size, ..] = arguments;
            if size < size_of::<OpenHow>() {
                return Err(Errno::INVAL);
            }
            let how = vload::get::<OpenHow>(from)?;
            nothing_behind(from, size)?;
            check(&how)?;
            Ok(how)
        }
    }
}

/// `open_tree(2)` that makes no mount opens to look at, as with `O_PATH` (`vfs_open_tree`, fs/namespace.c).
fn look_at_tree(flags: u32) -> Result<OpenHow> {
    const KNOWN: u32 = nr::AT_EMPTY_PATH
        | nr::AT_NO_AUTOMOUNT
        | nr::AT_RECURSIVE
        | nr::AT_SYMLINK_NOFOLLOW
        | nr::OPEN_TREE_CLONE
        | nr::OPEN_TREE_CLOEXEC;
    super::only(flags, KNOWN)?;
    if flags & nr::OPEN_TREE_CLONE != 0 {
        // What the kernel does not know cannot be mounted elsewhere.
        let may_mount = Credentials::effective().can(SYS_ADMIN);
        return Err(if may_mount { Errno::INVAL } else { Errno::PERM });
    }
    if flags & nr::AT_RECURSIVE != 0 {
        return Err(Errno::INVAL);
    }
    let nofollow = if flags & nr::AT_SYMLINK_NOFOLLOW != 0 { nr::O_NOFOLLOW } else { 0 };
    let flags = nr::O_PATH | nofollow | flags & nr::OPEN_TREE_CLOEXEC;
    Ok(OpenHow { flags: flags.into(), ..OpenHow::default() })
}

/// What is behind a structure that was made for a later kernel must be zero (`copy_struct_from_user`).
fn nothing_behind(from: usize, size: usize) -> Result<()> {
    let too_long = Errno(linux_raw_sys::errno::E2BIG as i32);
    if size > nr::PATH_MAX as usize {
        return Err(too_long);
    }
    for at in size_of::<OpenHow>()..size {
        if vload::get::<u8>(from + at)? != 0 {
            return Err(too_long);
        }
    }
    Ok(())
}

/// What `openat2` refuses (`build_open_flags`, fs/open.c).
fn check(how: &OpenHow) -> Result<()> {
    const KNOWN: u32 = nr::RESOLVE_NO_XDEV
        | nr::RESOLVE_NO_MAGICLINKS
        | nr::RESOLVE_NO_SYMLINKS
        | nr::RESOLVE_BENEATH
        | nr::RESOLVE_IN_ROOT
        | nr::RESOLVE_CACHED;
    let scoped = u64::from(nr::RESOLVE_BENEATH | nr::RESOLVE_IN_ROOT);
    let makes = how.flags as u32 & (nr::O_CREAT | TMPFILE) != 0;
    let wrong = how.flags >> 32 != 0
        || how.resolve & !u64::from(KNOWN) != 0
        || how.resolve & scoped == scoped
        || how.mode & !0o7777 != 0
        || how.mode != 0 && !makes;
    if wrong {
        return Err(Errno::INVAL);
    }
    if how.resolve & u64::from(nr::RESOLVE_CACHED) != 0 { Err(Errno::AGAIN) } else { Ok(()) }
}

/// The flags of `open(2)` (`VALID_OPEN_FLAGS`, linux/fcntl.h).
const KNOWN: u32 = nr::O_ACCMODE
    | nr::O_CREAT
    | nr::O_EXCL
    | nr::O_NOCTTY
    | nr::O_TRUNC
    | nr::O_APPEND
    | nr::O_NONBLOCK
    | nr::O_SYNC
    | nr::FASYNC
    | nr::O_DIRECT
    | nr::O_LARGEFILE
    | FOR_NAME
    | nr::O_NOATIME
    | TMPFILE;
/// What `O_PATH` knows besides (`O_PATH_FLAGS`).
const FOR_NAME: u32 = nr::O_PATH | nr::O_DIRECTORY | nr::O_NOFOLLOW | nr::O_CLOEXEC;
/// `O_LARGEFILE` as 32-bit programs give it, which a 64-bit kernel takes as well.
const LARGE: u32 = 0o100_000;

/// Whether the arguments can be (`build_open_flags`).
pub fn check_arguments(asked: &Asked<'_>) -> Result<()> {
    let given = given(asked)?;
    let is_strict = asked.described.name() == "openat2";
    let flags = given.flags as u32;
    let both = nr::O_CREAT | nr::O_DIRECTORY;
    let unnamed = TMPFILE | nr::O_DIRECTORY;
    let is_wrong = is_strict && flags & !(KNOWN | LARGE) != 0
        || flags & both == both
        || flags & nr::O_PATH != 0 && flags & !FOR_NAME != 0
        || flags & TMPFILE != 0
            && (flags & unnamed != unnamed || flags & nr::O_ACCMODE == nr::O_RDONLY);
    if is_wrong { Err(Errno::INVAL) } else { Ok(()) }
}

/// How the path of a call that opens is walked.
pub fn how(asked: &Asked<'_>) -> Result<How> {
    // What is wrong with it is the kernel's to say, unless the path leads to a claim.
    let given = given(asked).unwrap_or_default();
    let flags = given.flags as u32;
    let end = match flags & (nr::O_CREAT | nr::O_EXCL) == nr::O_CREAT | nr::O_EXCL {
        true => Final::Name,
        false if flags & nr::O_NOFOLLOW != 0 => Final::Leave,
        false => Final::Follow,
    };
    let asks = |flag: u32| given.resolve & u64::from(flag) != 0;
    Ok(How {
        end,
        one_device: asks(nr::RESOLVE_NO_XDEV),
        no_magic: asks(nr::RESOLVE_NO_MAGICLINKS),
        no_links: asks(nr::RESOLVE_NO_SYMLINKS),
        beneath: asks(nr::RESOLVE_BENEATH),
        in_root: asks(nr::RESOLVE_IN_ROOT),
        canonical: false,
    })
}

/// `open`, `creat`, `openat`, `openat2` (`path_openat`, `do_open`, fs/namei.c).
pub fn open(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    let given = given(asked)?;
    let flags = given.flags as u32;
    let mut is_folder = false;
    if spot.place.slash || spot.place.last != Last::Name {
        if flags & nr::O_CREAT != 0 {
            let is_there = spot.place.last != Last::Name;
            return Err(if is_there && flags & nr::O_EXCL != 0 {
                Errno::EXIST
            } else {
                Errno::ISDIR
            });
        }
        is_folder = true;
    }
    match spot.target.stat(path) {
        Ok(known) if flags & TMPFILE != 0 => may_make_in(spot, path, &known, flags)?,
        Ok(known) if is_folder && !is_directory(known.mode) => return Err(Errno::NOTDIR),
        Ok(known) => may_open(&Found { spot, path }, &known, flags).map_err(|error| {
            let writes = flags & nr::O_ACCMODE != nr::O_RDONLY || flags & nr::O_TRUNC != 0;
            if writes && is_kept(&known) { spot.refusal(path, error) } else { error }
        })?,
        Err(Errno::NOENT) if flags & nr::O_CREAT != 0 => {
            spot.may_add(path).map_err(|error| spot.refusal(path, error))?;
        }
        Err(error) => return Err(error),
    }
    let mode = if flags & (nr::O_CREAT | TMPFILE) != 0 { masked(given.mode as u32) } else { 0 };
    let (node, named) = (spot.node(path), spot.target.named(path));
    asked.let_go();
    let opened = descriptor::open(&spot.target.service, &node, named, flags, mode)?;
    if flags & TMPFILE != 0
        && let Some(Ok(held)) = descriptor::find(opened)
    {
        held.has_no_name()?;
    }
    Ok(opened as usize)
}

/// An open file of a layer's that has no name is opened once more, by a link of `/proc`.
pub fn reopen(asked: &mut Asked<'_>, held: &Held) -> Result<usize> {
    let flags = given(asked)?.flags as u32;
    let known = held.stat()?;
    if flags & TMPFILE != 0 {
        return Err(Errno::NOTDIR);
    }
    may_open(held, &known, flags)?;
    asked.let_go();
    held.reopen(flags & !nr::O_CREAT).map(|fd| fd as usize)
}

/// Whether a file without a name may be made in a directory (`do_tmpfile`, fs/namei.c).
fn may_make_in(spot: &Spot, path: &Text, known: &Stat, flags: u32) -> Result<()> {
    if flags & nr::O_ACCMODE == nr::O_RDONLY {
        return Err(Errno::INVAL);
    }
    if !is_directory(known.mode) {
        return Err(Errno::NOTDIR);
    }
    if spot.target.service.operations.open.is_none() {
        return Err(Errno::OPNOTSUPP);
    }
    spot.target.permit(path, known, WRITE | EXECUTE)
}

/// Whether a file that is there may be opened (`may_open`, fs/namei.c).
fn may_open(subject: &impl Subject, known: &Stat, flags: u32) -> Result<()> {
    if flags & (nr::O_CREAT | nr::O_EXCL) == nr::O_CREAT | nr::O_EXCL {
        return Err(Errno::EXIST);
    }
    if flags & nr::O_DIRECTORY != 0 && !is_directory(known.mode) {
        return Err(Errno::NOTDIR);
    }
    if flags & nr::O_PATH != 0 {
        return Ok(());
    }
    if is_link(known.mode) {
        return Err(Errno::LOOP);
    }
    let wanted = match flags & nr::O_ACCMODE {
        nr::O_RDONLY => READ,
        nr::O_WRONLY => WRITE,
        // Neither, but `ioctl` (open(2)): both are asked for.
        _ => READ | WRITE,
    };
    let wanted = if flags & nr::O_TRUNC != 0 { wanted | WRITE } else { wanted };
    if is_directory(known.mode) && (wanted & WRITE != 0 || flags & nr::O_CREAT != 0) {
        return Err(Errno::ISDIR);
    }
    if known.mode & nr::S_IFMT == nr::S_IFSOCK {
        return Err(Errno::NXIO);
    }
    subject.permit(known, wanted)?;
    if flags & nr::O_NOATIME != 0 && !Credentials::effective().owns(known) {
        return Err(Errno::PERM);
    }
    Ok(())
}
