//! The working directory and the root.

use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::Answer;
use super::asked::{Asked, Where};
use crate::claim;
use crate::claim::target::is_directory;
use crate::descriptor::{self, Held, Subject};
use crate::path::fs::{self, HeldAt, Which};
use crate::path::moves;
use crate::path::permission::{Credentials, EXECUTE, SYS_CHROOT};
use crate::path::tree::append;
use crate::path::{Final, How, Text, is_within};
use crate::vload;

/// Lets the system answer, and, when that has succeeded, notes paths of the process's.
fn then(asked: &mut Asked<'_>, paths: &[(Which, &[u8])]) -> Answer {
    let result = vload::next(asked.call);
    let fs = fs::mine();
    if result == 0 && paths.iter().any(|(which, path)| !path.is_empty() || fs.has(*which)) {
        fs.write(paths);
    }
    Answer::Here(result as usize)
}

/// `chdir`, `fchdir`.
#[inline(never)]
pub fn chdir(asked: &mut Asked<'_>) -> Result<Answer> {
    if asked.path(0).is_none() {
        return change_to_open(asked);
    }
    let mut path = Text::root();
    let since = moves::now();
    let found = asked.locate(0, How::to(Final::Follow), &mut path)?;
    // From now on it is noted what happens to directories: to this one it may have happened before.
    if matches!(found, Where::Claimed(_)) && moves::watch() {
        return chdir(asked);
    }
    match found {
        Where::Kernel(_) => Ok(then(asked, &[(Which::Cwd, b"")])),
        Where::Real => {
            asked.point(0, &path);
            Ok(then(asked, &[(Which::Cwd, b"")]))
        }
        Where::Claimed(spot) => {
            let known = spot.stat(&path)?;
            if !is_directory(known.mode) {
                return Err(Errno::NOTDIR);
            }
            spot.target.permit(&path, &known, EXECUTE)?;
            let claim = spot.target.claim.epoch;
            fs::mine().set_cwd(path.bytes(), HeldAt { claim, since, gone: false });
            Ok(Answer::Here(0))
        }
        Where::Open(held) => enter(&held),
    }
}

#[inline(never)]
fn change_to_open(asked: &mut Asked<'_>) -> Result<Answer> {
    let Some(held) = descriptor::find(asked.call.arguments[0] as i32) else {
        return Ok(then(asked, &[(Which::Cwd, b"")]));
    };
    enter(&held?)
}

/// Makes an open directory the working directory.
fn enter(held: &Held) -> Result<Answer> {
    let known = held.stat()?;
    if !is_directory(known.mode) {
        return Err(Errno::NOTDIR);
    }
    held.permit(&known, EXECUTE)?;
    let since = moves::now();
    let mut path = Text::root();
    let gone = held.path(&mut path).gone;
    let mut room = [0; claim::LONGEST];
    let now = claim::table().and_then(|table| table.now(held.claim(), &mut room));
    let claim = now.map_or(0, |(claim, _)| claim.epoch);
    fs::mine().set_cwd(path.bytes(), HeldAt { claim, since, gone });
    Ok(Answer::Here(0))
}

/// `chroot`. One into a real place is the kernel's too; what the process names from then on lies below it in
/// the session.
#[inline(never)]
pub fn chroot(asked: &mut Asked<'_>) -> Result<Answer> {
    let mut path = Text::root();
    match asked.locate(0, How::canonically(Final::Follow), &mut path)? {
        Where::Kernel(true) => {
            Ok(then(asked, &[(Which::Root, path.bytes()), (Which::KernelRoot, path.bytes())]))
        }
        Where::Kernel(false) => Ok(Answer::System),
        Where::Real => {
            let mut whole = Text::root();
            fs::mine().read(Which::KernelRoot, &mut whole);
            append(&mut whole, path.bytes().strip_suffix(b"/.").unwrap_or(path.bytes()))?;
            asked.point(0, &path);
            Ok(then(asked, &[(Which::Root, whole.bytes()), (Which::KernelRoot, whole.bytes())]))
        }
        Where::Claimed(spot) => {
            let known = spot.stat(&path)?;
            if !is_directory(known.mode) {
                return Err(Errno::NOTDIR);
            }
            spot.target.permit(&path, &known, EXECUTE)?;
            if !Credentials::effective().can(SYS_CHROOT) {
                return Err(Errno::PERM);
            }
            fs::mine().write(&[(Which::Root, path.bytes())]);
            Ok(Answer::Here(0))
        }
        Where::Open(_) => Err(Errno::NOENT),
    }
}

/// `getcwd`: the length with the zero.
#[inline(never)]
pub fn getcwd(asked: &mut Asked<'_>) -> Result<Answer> {
    let fs = fs::mine();
    let (mut cwd, mut root) = (Text::root(), Text::root());
    if !fs.read(Which::Cwd, &mut cwd) {
        return Ok(Answer::System);
    }
    if fs.is_gone() {
        return Err(Errno::NOENT);
    }
    let [to, room, ..] = asked.call.arguments;
    let rooted = fs.read(Which::Root, &mut root) && !root.is_root();
    // As the kernel has a directory that is not below the root (`prepend_unreachable`, fs/d_path.c).
    let unreachable = rooted && !is_within(cwd.bytes(), root.bytes());
    let before: &[u8] = if unreachable { b"(unreachable)" } else { b"" };
    let shown = match rooted && !unreachable {
        true => {
            cwd.bytes().get(root.bytes().len()..).filter(|rest| !rest.is_empty()).unwrap_or(b"/")
        }
        false => cwd.bytes(),
    };
    let length = before.len() + shown.len() + 1;
    if length > nr::PATH_MAX as usize {
        return Err(Errno::NAMETOOLONG);
    }
    if length > room {
        return Err(Errno::RANGE);
    }
    vload::put_bytes(to, before)?;
    vload::put_bytes(to + before.len(), shown)?;
    vload::put_bytes(to + length - 1, &[0])?;
    Ok(Answer::Here(length))
}
