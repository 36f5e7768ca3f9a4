//! Calls with a path: all that mean the same are one operation of a module.
//!
//! A path that leads to no claim, by no way that the kernel does not know, is the kernel's: the call is passed on as
//! it came, and errors, races and links are as natively.

mod across;
mod asked;
mod attributes;
mod changing;
mod extended;
mod folder;
mod mount;
mod names;
mod open;
mod parent;
mod program;
mod socket;
mod start;
#[cfg(test)]
mod tests;
mod times;
mod valid;

use core::ffi::c_long;

use abi::Service;
use vload_module::abi::Call;
use vload_module::{Errno, Result};

use crate::claim;
use crate::claim::target::raw;
use crate::framework;
use crate::path::{Final, How, Last, Text, fs, moves, umask};
use crate::vload;
use asked::{Asked, Spot, Where};
use attributes::Found;

pub use asked::is_any_virtual;
pub use attributes::is_read_only;

/// What a call is when its path has been found.
type Operation = fn(&mut Asked<'_>, &Spot, &Text) -> Result<usize>;

/// An operation on what is known of a file, which is the same for an open one.
macro_rules! found {
    ($operation:path) => {
        |asked, spot, path| $operation(asked, &Found { spot, path })
    };
}

/// Answers a call that has a path; none where it has none, or is not to be answered here.
pub fn call(call: &mut Call, described: &'static abi::Call, limit: u64) -> Option<c_long> {
    match described.name() {
        name @ ("clone" | "clone3" | "fork" | "vfork") => return Some(start::start(call, name)),
        "unshare" => return Some(start::unshare(call)),
        "setns" => return Some(start::enter(call)),
        "umask" => {
            let mask = call.arguments[0];
            let result = vload::next(call);
            umask::note(mask);
            return Some(result);
        }
        _ => {}
    }
    // Before the working directory is looked at, so that no change is missed in between.
    let changes = moves::changes();
    fs::follow();
    let mut asked = Asked { call, described, limit, still: false };
    if described.name() == "fsopen" {
        return mount::open_type(&mut asked);
    }
    let leaving = match (described.service(), framework::left()) {
        (Some(Service::Exec), Some(left)) => match left.leave() {
            Ok(leaving) => leaving,
            Err(error) => return Some(raw(Err(error))),
        },
        _ => None,
    };
    // Without a claim there is nothing to find, whatever the path.
    if !is_any_virtual() && described.service() != Some(Service::Mount) {
        return leaving.map(|_leaving| vload::next(asked.call));
    }
    let mut answered = answer(&mut asked);
    // While a directory gets another name, what is in it may be found by neither: it is looked for once more, with
    // all names as they are.
    let mut since = changes;
    while matches!(answered, Err(Errno::NOENT))
        && moves::have_changed(since)
        && described.service() != Some(Service::Exec)
    {
        let mut has_let_go = false;
        answered = moves::still(|may_let_go| {
            since = moves::changes();
            asked.still = may_let_go;
            fs::follow();
            let answered = answer(&mut asked);
            has_let_go = may_let_go && !core::mem::take(&mut asked.still);
            answered
        });
        // What is missing while nobody changes names is.
        if !has_let_go {
            break;
        }
    }
    let result = match answered {
        Ok(Answer::Here(value)) => value as c_long,
        Ok(Answer::System) => vload::next(asked.call),
        Ok(Answer::Elsewhere) => return None,
        Err(error) => raw(Err(error)),
    };
    // An exec that comes back has failed: what was left is taken back.
    drop(leaving);
    if result >= 0 && moves_ways(described) {
        claim::table().inspect(|table| table.change());
    }
    Some(result)
}

/// Finds what a call is about, and does it.
fn answer(asked: &mut Asked<'_>) -> Result<Answer> {
    match asked.described.service() {
        Some(Service::Rename) => names::rename(asked),
        Some(Service::Link) => names::link(asked),
        Some(Service::Mount) => mount::mount(asked),
        Some(Service::Umount) => mount::umount(asked),
        Some(Service::Chdir) => folder::chdir(asked),
        Some(Service::Chroot) => folder::chroot(asked),
        Some(Service::Getcwd) => folder::getcwd(asked),
        Some(Service::Exec) => program::execute(asked),
        Some(Service::Bind | Service::Connect | Service::Send) => socket::named(asked),
        _ if matches!(asked.described.name(), "move_mount" | "pivot_root") => mount::two(asked),
        _ if asked.path(0).is_none() => Ok(Answer::Elsewhere),
        _ => one_path(asked),
    }
}

/// Whether another place may be found by the same path after a call: a link or a mount has been made.
fn moves_ways(described: &abi::Call) -> bool {
    use Service::{Link, Mount, Rename, Symlink, Umount};
    matches!(described.service(), Some(Link | Mount | Rename | Symlink | Umount))
        || matches!(described.name(), "pivot_root" | "move_mount" | "mount_setattr")
}

/// Who answers a call.
pub enum Answer {
    /// It is answered.
    Here(usize),
    /// The system, as the call is now.
    System,
    /// It is no call with a path.
    Elsewhere,
}

/// How a call's one path is walked, and what is done there.
fn operation(asked: &Asked<'_>) -> Result<(How, Operation)> {
    let end = How::to(asked.end());
    Ok(match asked.described.service() {
        Some(Service::Open) => (open::how(asked)?, open::open),
        Some(Service::Stat) => (end, attributes::stat),
        Some(Service::Access) => (end, found!(attributes::access)),
        Some(Service::Readlink) => (How::to(Final::Leave), found!(attributes::readlink)),
        Some(Service::Chmod) => (end, found!(attributes::chmod)),
        Some(Service::Chown) => (end, found!(attributes::chown)),
        Some(Service::Utimens) => (end, found!(times::utimens)),
        Some(Service::Truncate) => (end, found!(attributes::truncate)),
        Some(Service::Statfs) => (end, |asked, spot, path| {
            attributes::statfs(asked, &Found { spot, path }, spot.target.claim.number)
        }),
        Some(Service::Getxattr) => (end, found!(extended::get)),
        Some(Service::Setxattr) => (end, found!(extended::set)),
        Some(Service::Listxattr) => (end, found!(extended::list)),
        Some(Service::Removexattr) => (end, found!(extended::remove)),
        Some(Service::Symlink) => (How::to(Final::Name), names::symlink),
        Some(Service::Unlink) => (How::to(Final::Name), names::unlink),
        Some(Service::Mkdir) => (How::to(Final::Name), names::mkdir),
        Some(Service::Rmdir) => (How::to(Final::Name), names::rmdir),
        Some(Service::Mknod) => (How::to(Final::Name), names::mknod),
        _ => (end, without),
    })
}

#[inline(never)]
fn one_path(asked: &mut Asked<'_>) -> Result<Answer> {
    if asked.described.service() == Some(Service::Utimens) && times::is_nothing(asked) {
        return Ok(Answer::Here(0));
    }
    let (how, operation) = operation(asked)?;
    let mut path = Text::root();
    let found = asked.locate(0, how, &mut path);
    if !matches!(found, Ok(Where::Kernel(_) | Where::Real)) {
        valid::check(asked)?;
    }
    match found? {
        Where::Kernel(true) if asked.described.service() == Some(Service::Readlink) => {
            attributes::readlink_of_proc(asked, &mut path)
        }
        Where::Kernel(_) => Ok(Answer::System),
        Where::Real => {
            // The place is named by another path, which does not end so.
            if names::removes_directory(asked) && asked.ends_above() {
                return Err(Errno::NOTEMPTY);
            }
            asked.point(0, &path);
            Ok(real(asked))
        }
        Where::Claimed(spot) => {
            let answered = operation(asked, &spot, &path).map(Answer::Here);
            answered.map_err(|error| refusal(asked, &spot, &path, error))
        }
        Where::Open(held) => attributes::of_open(asked, &held).map(Answer::Here),
    }
}

/// What a call says whose operation has failed: where nothing can be written, that comes before most (`mnt_want_write`).
fn refusal(asked: &Asked<'_>, spot: &Spot, path: &Text, error: Errno) -> Errno {
    use Service::{Mkdir, Mknod, Removexattr, Rmdir, Setxattr, Symlink, Truncate, Unlink};
    match asked.described.service() {
        // It comes before the name is looked up.
        Some(Unlink | Rmdir) if spot.place.last == Last::Name && spot.is_in_read_only(path) => {
            Errno::ROFS
        }
        Some(Mkdir | Mknod | Removexattr | Setxattr | Symlink | Truncate) => {
            spot.refusal(path, error)
        }
        _ => error,
    }
}

/// The system answers a call that names a real place of our finding, now: the path is not there any more afterwards.
fn real(asked: &mut Asked<'_>) -> Answer {
    asked.let_go();
    Answer::Here(vload::next(asked.call) as usize)
}

/// A call that no module is asked about: what it says on a file system that does not have it.
fn without(asked: &mut Asked<'_>, spot: &Spot, path: &Text) -> Result<usize> {
    spot.target.stat(path)?;
    Err(match asked.described.name() {
        "name_to_handle_at" | "file_getattr" | "file_setattr" | "inotify_add_watch" => {
            Errno::OPNOTSUPP
        }
        "quotactl" | "swapon" | "swapoff" | "acct" => Errno::INVAL,
        "fanotify_mark" => Errno::NODEV,
        _ => Errno::INVAL,
    })
}

/// A flag that a call does not know.
fn only(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Errno::INVAL) }
}
