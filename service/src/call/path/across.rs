//! Calls with two paths that lead to different file systems: what the kernel says before it says `EXDEV`.

use core::ffi::CStr;

use abi::{Arg, Service};
use linux_raw_sys::general as nr;
use vload_module::{Errno, Result};

use super::asked::{Asked, Spot};
use crate::path::tree::{CWD, is_link};
use crate::path::{LONGEST, Last, Text};
use crate::{kernel, vload};

/// Where one of the paths leads.
pub enum Side<'a> {
    /// To a claim.
    Claimed(&'a Spot, &'a Text),
    /// Where the kernel finds it.
    Kernel,
    /// To a real place that the kernel does not find by itself.
    Real(&'a Text),
}

/// What is looked for on a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A file.
    File,
    /// The directory of a name.
    Directory,
}

/// Why the call fails: what is wrong with one of the paths, or `EXDEV` (`filename_linkat`, `filename_renameat2`,
/// fs/namei.c).
pub fn refusal(asked: &Asked<'_>, sides: [Side<'_>; 2]) -> Errno {
    let is_link = asked.described.service() == Some(Service::Link);
    let [first, second] = sides;
    let wanted = if is_link { Wanted::File } else { Wanted::Directory };
    match first.look(asked, 0, wanted) {
        Err(error) => error,
        Ok(()) if is_link => refusal_of(asked, second),
        Ok(()) => match second.look(asked, 1, Wanted::Directory) {
            Err(error) => error,
            // The name that something is mounted on is in the real directory above.
            Ok(()) if first.is_mounted_on() || second.is_mounted_on() => {
                first.look(asked, 0, Wanted::File).err().unwrap_or(Errno::BUSY)
            }
            Ok(()) => Errno::XDEV,
        },
    }
}

/// What is wrong with the first path of a call whose second one fails.
pub fn refusal_of_first(asked: &Asked<'_>, first: Side<'_>) -> Option<Errno> {
    let is_link = asked.described.service() == Some(Service::Link);
    first.look(asked, 0, if is_link { Wanted::File } else { Wanted::Directory }).err()
}

/// The same of an open file, which is to get a name on another file system.
pub fn refusal_of(asked: &Asked<'_>, side: Side<'_>) -> Errno {
    match side.look(asked, 1, Wanted::Directory) {
        Err(error) => error,
        Ok(()) => match side.look(asked, 1, Wanted::File) {
            Ok(()) => Errno::EXIST,
            Err(_) if side.has_slash(asked, 1) => Errno::NOENT,
            Err(_) => Errno::XDEV,
        },
    }
}

impl Side<'_> {
    /// Whether it is the name that something is mounted on.
    fn is_mounted_on(&self) -> bool {
        matches!(self, Self::Claimed(spot, path)
            if spot.place.last == Last::Name && spot.is_mounted_on(path))
    }

    /// Whether a slash follows the last name.
    fn has_slash(&self, asked: &Asked<'_>, number: usize) -> bool {
        match self {
            Self::Claimed(spot, _) => spot.place.slash,
            Self::Real(path) => path.bytes().ends_with(b"/"),
            Self::Kernel => {
                let mut bytes = [0; LONGEST];
                let given = asked.path(number).map_or(0, |index| asked.call.arguments[index]);
                let length = vload::get_string(&mut bytes, given).unwrap_or(0);
                bytes[..length].ends_with(b"/")
            }
        }
    }

    /// Whether that is there.
    fn look(&self, asked: &Asked<'_>, number: usize, wanted: Wanted) -> Result<()> {
        match self {
            Side::Claimed(spot, path) if wanted == Wanted::File => spot.stat(path).map(drop),
            Side::Claimed(spot, path) => spot.has_directory(path),
            Side::Kernel => {
                let index = asked.path(number).ok_or(Errno::INVAL)?;
                let directory = match asked.described.args()[index] {
                    Arg::PathAt(directory) => asked.call.arguments[usize::from(directory)],
                    _ => CWD,
                };
                let mut bytes = [0; LONGEST];
                let length = vload::get_string(&mut bytes, asked.call.arguments[index])?;
                // The descriptor alone may be meant.
                if length == 0 && number == 0 && asked.at_flags() & nr::AT_EMPTY_PATH != 0 {
                    return match directory as i32 {
                        nr::AT_FDCWD => Ok(()),
                        fd => kernel::fcntl(fd, nr::F_GETFD, 0).map(drop),
                    };
                }
                look_real(directory, &mut bytes, length, wanted)
            }
            Side::Real(path) => {
                let mut bytes = [0; LONGEST];
                let path = path.bytes();
                bytes[..path.len()].copy_from_slice(path);
                look_real(CWD, &mut bytes, path.len(), wanted)
            }
        }
    }
}

/// Asks the kernel whether that is there. A name of `length` bytes has a zero behind it, and room for one.
#[inline(never)]
fn look_real(
    directory: usize,
    path: &mut [u8; LONGEST],
    length: usize,
    wanted: Wanted,
) -> Result<()> {
    if length == 0 {
        return Err(Errno::NOENT);
    }
    if wanted == Wanted::Directory {
        // The last name makes room for a dot, which is looked up in the directory.
        let Some(end) = path[..length].iter().rposition(|&byte| byte != b'/') else {
            return Ok(());
        };
        let name = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        path[name..name + 2].copy_from_slice(b".\0");
    }
    let path = CStr::from_bytes_until_nul(path).map_err(|_| Errno::NAMETOOLONG)?;
    match is_link((directory, path)) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}
