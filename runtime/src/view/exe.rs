//! `/proc/PID/exe` of a process of the session is the file of the program that it runs.
//!
//! The calls are made first and looked at when they have succeeded: then the path is known to be
//! readable, and a path that is not of this kind has cost one comparison.

use core::ffi::CStr;

use super::hidden::{PATH, dirfd, given, is_reached, of_peer, uncount};
use super::identity::{PROGRAM, is_alike, pid_in_proc};
use super::{OWN_DESCRIPTORS, maps, path_of, procfs};
use crate::adopt;
use crate::layer::Call;
use crate::log::Line;
use crate::memory::{User, copy_out};
use crate::session;
use crate::sys::{self, Errno};

const PATH_MAX: usize = 4096;
/// The link's name.
const NAME: &[u8] = b"exe";

/// A path of the file that a call was meant for.
pub struct Replacement {
    bytes: [u8; PATH_MAX],
    length: usize,
    /// It leads there by a descriptor's link in `/proc`, whatever has become of the file's name since.
    is_link: bool,
}

impl Replacement {
    #[inline(never)]
    fn new(parts: [&[u8]; 2], is_link: bool) -> Option<Self> {
        let mut replacement = Self { bytes: [0; PATH_MAX], length: 0, is_link };
        for part in parts {
            let end = replacement.length + part.len();
            // A NUL must follow.
            let place = replacement.bytes.get_mut(replacement.length..end)?;
            place.copy_from_slice(part);
            replacement.length = end;
        }
        (0 < replacement.length && replacement.length < PATH_MAX).then_some(replacement)
    }

    /// The path, from where the one that it stands for starts.
    pub fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// What `readlink(2)` says of the file.
    fn text<'a>(&'a self, dirfd: i32, room: &'a mut [u8; PATH_MAX]) -> sys::Result<&'a [u8]> {
        if self.is_link {
            return sys::readlink(dirfd, self.path(), room);
        }
        Ok(self.path().to_bytes())
    }

    /// Whether the path leads there by a descriptor that an exec closes.
    pub fn ends_with_exec(&self) -> bool {
        self.is_link
    }
}

/// The process whose `exe` in `/proc` the path names.
fn process_of(dirfd: i32, path: &[u8]) -> Option<i32> {
    let mut buffer = [0; PATH];
    let (folder, name) = procfs::split(path);
    if path.is_empty() {
        // The link itself, opened with `O_PATH` and `O_NOFOLLOW`.
        let link = path_of(dirfd, &mut buffer).filter(|link| procfs::split(link).1 == NAME)?;
        return procfs::process_of(link).filter(|_| procfs::is_proc(dirfd));
    }
    if name != NAME {
        return None;
    }
    let folder = procfs::canonical(dirfd, folder, &mut buffer)?;
    let mut full = Line::new();
    full.raw(folder).raw(b"/").raw(NAME);
    procfs::process_of(full.bytes())
}

/// What the path from `dirfd` on stands for if it names the `exe` of a process of this session.
#[inline(never)]
pub fn behind(call: &Call<'_>, dirfd: i32, path: &[u8]) -> Option<Replacement> {
    let pid = process_of(dirfd, path)?;
    let is_own = Some(pid) == pid_in_proc();
    if is_own && adopt::is_adopted() {
        // It is what the kernel has executed.
        return None;
    }
    let peer = if is_own { None } else { maps::peer(pid) };
    let own = call.descriptors().program.get();
    let kept = peer.as_ref().map_or(own, |peer| of_peer(peer)[OWN_DESCRIPTORS - 1]);
    if (is_own || peer.is_some())
        && kept >= 0
        && let Some(link) = beside(dirfd, path, kept)
        && sys::readlink(dirfd, link.path(), &mut [0; 1]).is_ok()
    {
        return Some(link);
    }
    if is_own {
        return Replacement::new([PROGRAM.path().to_bytes(), b""], false);
    }
    // It says so itself, or, where it may not be read, did to the session.
    let mut bytes = [0; PATH_MAX];
    if let Some(peer) = peer
        && let Ok(length) = PROGRAM.of(&peer, &mut bytes)
        && length != 0
    {
        return Replacement::new([bytes.get(..length)?, b""], false);
    }
    let program = session::members()?.program_of(pid)?;
    // The number may be another process's by now.
    is_alike(pid).then(|| Replacement::new([program, b""], false))?
}

/// The link of descriptor `fd` in the folder whose `exe` the path names.
fn beside(dirfd: i32, path: &[u8], fd: i32) -> Option<Replacement> {
    let mut name = Line::new();
    name.text("fd/").decimal(i64::from(fd));
    let mut buffer = [0; PATH];
    // The link itself has been opened.
    let path = if path.is_empty() { path_of(dirfd, &mut buffer)? } else { path };
    Replacement::new([procfs::split(path).0, name.bytes()], true)
}

/// What a call with the path argument at index `path`, behind a dirfd if that is not the first
/// argument, was meant for; `None` when it failed or its path is nothing special.
fn replaced(call: &Call<'_>, result: isize, path: usize) -> Option<Replacement> {
    let given = given(call, result, path)?;
    // An empty path is asked for what is open already: that was replaced when it was opened.
    if given.is_empty() { None } else { behind(call, dirfd(call, path), given) }
}

/// `readlink(2)`, `readlinkat(2)`; `path` is the index of the path argument. Nothing is written behind the
/// link's text, so the target's buffer must not come to hold that of vload's.
pub fn readlink(call: &mut Call<'_>, path: usize) -> isize {
    let mut room = [0u8; PATH_MAX];
    let given = User::<u8>::new(call.args[path]).string(&mut room);
    let dirfd = dirfd(call, path);
    if let Ok(given) = given
        && let Some(program) = behind(call, dirfd, given.to_bytes())
        && sys::readlink(dirfd, given, &mut [0; 1]).is_ok()
        && call.args[path + 2] as i32 > 0
        && let Ok(text) = program.text(dirfd, &mut [0; PATH_MAX])
    {
        let length = text.len().min(call.args[path + 2] as i32 as usize);
        let text = text.get(..length).unwrap_or_default();
        return sys::raw(copy_out(call.args[path + 1], text).map(|()| length));
    }
    let result = call.pass();
    if is_reached(call, result, path) {
        return sys::raw(Err(Errno::NOENT));
    }
    result
}

/// `open(2)`, `openat(2)`: the program's file is opened at the number that vload's took.
pub fn open(call: &mut Call<'_>, path: usize) -> isize {
    let flags = call.args[path + 1];
    open_with(call, path, flags, again)
}

/// `openat2(2)`: how the program's file is opened is what `openat(2)` can say; the rules for the way there
/// were kept when vload's was opened.
pub fn open_how(call: &mut Call<'_>) -> isize {
    // `struct open_how` begins with flags and mode.
    let how = User::<[u64; 2]>::new(call.args[2]).read();
    let flags = how.map_or(0, |[flags, _]| flags as usize);
    open_with(call, 1, flags, |call, _, program| {
        let mode = how.map_or(0, |[_, mode]| mode as u32);
        let from = call.args[0] as i32;
        sys::raw(sys::openat(from, program.path(), flags as u32, mode).map(|fd| fd as usize))
    })
}

fn open_with(
    call: &mut Call<'_>,
    path: usize,
    flags: usize,
    again: impl FnOnce(&mut Call<'_>, usize, &Replacement) -> isize,
) -> isize {
    const O_PATH: usize = 0o10_000_000;
    const O_NOFOLLOW: usize = crate::arch::numbers::O_NOFOLLOW;
    let result = call.pass();
    if is_reached(call, result, path) {
        sys::close(result as i32);
        return sys::raw(Err(Errno::NOENT));
    }
    if flags & O_PATH != 0 && flags & O_NOFOLLOW != 0 {
        // The link itself is meant.
        return result;
    }
    let Some(program) = replaced(call, result, path) else {
        if flags & O_PATH == 0
            && let Some(name) = given(call, result, path)
        {
            maps::opened(call, result as i32, name);
        }
        return result;
    };
    sys::close(result as i32);
    again(call, path, &program)
}

/// `stat(2)`, `newfstatat(2)`, `statx(2)`, `access(2)` and their likes.
pub fn stat(call: &mut Call<'_>, path: usize, follows: bool) -> isize {
    let result = call.pass();
    if is_reached(call, result, path) {
        return sys::raw(Err(Errno::NOENT));
    }
    let size = crate::arch::numbers::stat_size(call.number, &call.args);
    uncount(call, result, (path, follows), size);
    if !follows {
        return result;
    }
    match replaced(call, result, path) {
        Some(program) => again(call, path, &program),
        None => result,
    }
}

/// Makes the call with another path.
#[inline(never)]
pub fn again(call: &mut Call<'_>, path: usize, program: &Replacement) -> isize {
    let given = core::mem::replace(&mut call.args[path], program.path().as_ptr() as usize);
    let result = call.pass();
    call.args[path] = given;
    result
}
